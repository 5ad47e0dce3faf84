// Matrices with a vector along their rows or columns.
//
//     result[y, x] = op(matrix[y, x], vec[PER_ROW ? y : x])
//
// matrix and result (height, width), vec `height` or `width` entries; result may be the matrix. `op` is
//
//     AddScaled     matrix + scaleVec * vec, each rounded
//     Multiply      matrix * vec
//     Divide        matrix / vec
//
// A block of B_X x B_Y threads covers B_X columns (threadIdx.x: neighbours in memory) of B_Y rows, and goes on a
// whole grid further down until they end. A vector along the columns is read once by each thread; of one along
// the rows all threads of a warp read the same entry, which costs no more than one read.
//
// cuda-convnet:include/nvmatrix/nvmatrix_kernels.cuh: kRowVectorOp, kColVectorOp.

#include "common.cuh"

struct AddScaled {};
struct Multiply {};
struct Divide {};

__device__ __forceinline__ float apply(AddScaled, const float entry, const float vec, const float scaleVec) {
    return entry + scaleVec * vec;
}

__device__ __forceinline__ float apply(Multiply, const float entry, const float vec, const float) {
    return entry * vec;
}

__device__ __forceinline__ float apply(Divide, const float entry, const float vec, const float) {
    return entry / vec;
}

template <int B_X, int B_Y, bool PER_ROW, class Op>
__device__ void matrix_vector(const float* matrix, const float* vec, float* result, const float scaleVec,
                              const int height, const int width) {
    const int x = blockIdx.x * B_X + threadIdx.x;
    if (x < width) {
        const float ofColumn = PER_ROW ? 0 : vec[x];
        const long long step = static_cast<long long>(gridDim.y) * B_Y;
        for (long long y = static_cast<long long>(blockIdx.y) * B_Y + threadIdx.y; y < height; y += step) {
            const long long i = y * width + x;
            result[i] = apply(Op(), matrix[i], PER_ROW ? vec[y] : ofColumn, scaleVec);
        }
    }
}
