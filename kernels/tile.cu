// matrix_tile: the result is made of whole copies of a matrix, side by side and below each other.
//
//     result[y, x] = matrix[y % height, x % width]
//
// matrix (height, width), result (a multiple of height, resultWidth, a multiple of width), `size` entries. A grid of
// one line of blocks of B_X threads: each block has an equal share of neighbouring entries of the result.
//
// cuda-convnet:include/nvmatrix/nvmatrix_kernels.cuh: kTile.

#include "common.cuh"

template <int B_X>
__device__ void matrix_tile(const float* matrix, float* result, const int height, const int width,
                            const int resultWidth, const unsigned long long size) {
    const Entries entries = entriesOf<B_X>(size);
    for (unsigned long long i = entries.first; i < entries.end; i += B_X) {
        const int y = i / resultWidth % height;
        const int x = i % resultWidth % width;
        result[i] = matrix[static_cast<long long>(y) * width + x];
    }
}
