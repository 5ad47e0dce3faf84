// matrix_transpose: result[x, y] = matrix[y, x]
//
// matrix (height, width), result (width, height), another array. A block of TILE x B_Y threads turns over one
// square of TILE x TILE entries by way of shared memory, so that it both reads and writes whole lines; the extra
// column keeps the threads of a warp out of each other's banks. The grid is one line of such squares, row by row.
//
// cuda-convnet:include/nvmatrix/nvmatrix_kernels.cuh: kEltwiseUnaryOpTrans.

#include "common.cuh"

template <int TILE, int B_Y>
__device__ void matrix_transpose(const float* matrix, float* result, const int height, const int width) {
    __shared__ float tile[TILE][TILE + 1];
    const int across = divUp(width, TILE);
    const int left = blockIdx.x % across * TILE;
    const int top = blockIdx.x / across * TILE;
    const int x = threadIdx.x;
    for (int y = threadIdx.y; y < TILE; y += B_Y) {
        if (top + y < height && left + x < width) {
            tile[y][x] = matrix[static_cast<long long>(top + y) * width + left + x];
        }
    }
    __syncthreads();
    for (int y = threadIdx.y; y < TILE; y += B_Y) {
        if (left + y < width && top + x < height) {
            result[static_cast<long long>(left + y) * height + top + x] = tile[x][y];
        }
    }
}
