// Elementwise arithmetic on whole matrices: sums, products, squares, scaled copies.
//
//     matrix_add            result = scaleA * a + scaleB * b
//     matrix_scale          result = scale * a
//     matrix_mult           result = a * b
//     matrix_mult<true>     result = result + a * b
//     matrix_square         result = a * a
//
// All arrays have `size` entries and any shape; result may be one of the operands. A grid of one line of blocks
// of B_X threads: each block has an equal share of neighbouring entries, and goes through it a line of threads at
// a time, so that the grid need not grow with the matrix.
//
// Roundings: of a sum of two products the first is fused with the addition, and with FUSE_B, for scaleA == 1, the
// second: so the archive's compiler had it.
//
// cuda-convnet:include/nvmatrix/nvmatrix_kernels.cuh: kEltwiseUnaryOp, kEltwiseBinaryOp, with the operators of
// nvmatrix_operators.cuh: WeightedAdd, MultByScalar, Multiply, Square.

#include "common.cuh"

template <int B_X, bool FUSE_B>
__device__ void matrix_add(const float* a, const float* b, float* result, const float scaleA, const float scaleB,
                           const unsigned long long size) {
    const Entries entries = entriesOf<B_X>(size);
    for (unsigned long long i = entries.first; i < entries.end; i += B_X) {
        result[i] = FUSE_B ? fmaf(scaleB, b[i], a[i]) : fmaf(scaleA, a[i], scaleB * b[i]);
    }
}

template <int B_X>
__device__ void matrix_scale(const float* a, float* result, const float scale, const unsigned long long size) {
    const Entries entries = entriesOf<B_X>(size);
    for (unsigned long long i = entries.first; i < entries.end; i += B_X) {
        result[i] = scale * a[i];
    }
}

template <int B_X, bool ADD>
__device__ void matrix_mult(const float* a, const float* b, float* result, const unsigned long long size) {
    const Entries entries = entriesOf<B_X>(size);
    for (unsigned long long i = entries.first; i < entries.end; i += B_X) {
        result[i] = ADD ? fmaf(a[i], b[i], result[i]) : a[i] * b[i];
    }
}

template <int B_X>
__device__ void matrix_square(const float* a, float* result, const unsigned long long size) {
    const Entries entries = entriesOf<B_X>(size);
    for (unsigned long long i = entries.first; i < entries.end; i += B_X) {
        result[i] = a[i] * a[i];
    }
}
