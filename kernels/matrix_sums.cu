// Sums, maxima and minima: of each column, of each row, of everything; and the dot product.
//
//     vec[i] = finish(aggregate over the entries of column or row i of matrix (height, width))
//
// An aggregate is Sum (a + b), Max (a > b ? a : b) or Min (a > b ? b : a); what of two equal zeros they return
// follows from the order of their operands. `finish` is Replace (the aggregate itself), Scale (scaleSum times
// it) or Accumulate (scaleThis * vec[i] + scaleSum * aggregate, the first product fused).
//
// The order differs with the shape, as in the original:
//   - columns: straight down, starting with the first entry. One thread for each column.
//   - rows, where there are MANY of them: 32 lanes, each of which goes along every 32nd entry, starting from the
//     empty aggregate; then lane after lane. A block of 32 x B_Y threads takes B_Y rows at a time.
//   - wide rows: one block for each row; a thread goes along every B_X-th entry, starting from the empty
//     aggregate; then neighbours in pairs, these in pairs, and so on.
//   - other rows: one block for each row, of 2 * B_X entries; the upper half is folded onto the lower, until one
//     is left. What the row lacks of 2 * B_X entries is the empty aggregate.
//   - everything: each thread of the grid goes along every `numCols`-th entry, starting from the empty aggregate;
//     each block folds its B_X threads as above, and gives one number. The caller repeats that until few are
//     left, and aggregates these one after another.
//   - the dot product: as everything, with one fused multiply-add for each pair of entries.
//
// DEVIATION(extremes): the empty maximum and minimum are infinite; in the original they are -2e38 and 2e38, so
// that where all numbers lie beyond them it returned these.
//
// cuda-convnet:include/nvmatrix/nvmatrix_kernels.cuh: kDumbAggCols, kAggShortRows and kAggShortRows2,
// kAggRows_wholerow_nosync, kAggRows, kTotalAgg; src/nvmatrix/nvmatrix_kernels.cu: kDotProduct_r. They let the 32
// threads of a warp run in step without saying so; here a barrier stands between any two levels of a tree.

#include "common.cuh"

struct Sum {};
struct Max {};
struct Min {};

__device__ __forceinline__ float emptyOf(Sum) { return 0; }
__device__ __forceinline__ float emptyOf(Max) { return -INFINITY; }
__device__ __forceinline__ float emptyOf(Min) { return INFINITY; }

__device__ __forceinline__ float aggregate(Sum, const float a, const float b) { return a + b; }
__device__ __forceinline__ float aggregate(Max, const float a, const float b) { return a > b ? a : b; }
__device__ __forceinline__ float aggregate(Min, const float a, const float b) { return a > b ? b : a; }

struct Replace {};
struct Scale {};
struct Accumulate {};

__device__ __forceinline__ void finish(Replace, float* vec, const float result, const float, const float) {
    *vec = result;
}

__device__ __forceinline__ void finish(Scale, float* vec, const float result, const float, const float scaleSum) {
    *vec = scaleSum * result;
}

__device__ __forceinline__ void finish(Accumulate, float* vec, const float result, const float scaleThis,
                                       const float scaleSum) {
    *vec = fmaf(scaleThis, *vec, scaleSum * result);
}

// Folds the `count` numbers of the block, a power of two, onto the first; every thread must call it.
template <class Agg>
__device__ inline void foldHalves(float* numbers, const int count) {
    for (int half = count / 2; half > 0; half /= 2) {
        __syncthreads();
        if (threadIdx.x < half) {
            numbers[threadIdx.x] = aggregate(Agg(), numbers[threadIdx.x], numbers[threadIdx.x + half]);
        }
    }
}

template <int B_X, class Agg, class Finish>
__device__ void aggregate_columns(const float* matrix, float* vec, const int height, const int width,
                                  const float scaleThis, const float scaleSum) {
    const int x = blockIdx.x * B_X + threadIdx.x;
    if (x < width) {
        const float* entry = matrix + x;
        float result = *entry;
        for (int y = 1; y < height; y++) {
            entry += width;
            result = aggregate(Agg(), *entry, result);
        }
        finish(Finish(), vec + x, result, scaleThis, scaleSum);
    }
}

template <int LANES, int B_Y, int ROWS, class Agg, class Finish>
__device__ void aggregate_many_rows(const float* matrix, float* vec, const int height, const int width,
                                    const float scaleThis, const float scaleSum) {
    __shared__ float lanes[B_Y][LANES + 1];
    const long long first = static_cast<long long>(blockIdx.x) * ROWS;
    for (int row = 0; row < ROWS; row += B_Y) {
        const long long y = first + row + threadIdx.y;
        float result = emptyOf(Agg());
        if (y < height) {
            for (int x = threadIdx.x; x < width; x += LANES) {
                result = aggregate(Agg(), matrix[y * width + x], result);
            }
        }
        lanes[threadIdx.y][threadIdx.x] = result;
        __syncthreads();
        const int own = threadIdx.y * LANES + threadIdx.x;
        if (own < B_Y && first + row + own < height) {
            result = emptyOf(Agg());
            for (int lane = 0; lane < LANES; lane++) {
                result = aggregate(Agg(), result, lanes[own][lane]);
            }
            finish(Finish(), vec + first + row + own, result, scaleThis, scaleSum);
        }
        __syncthreads();
    }
}

template <int B_X, class Agg, class Finish>
__device__ void aggregate_wide_rows(const float* matrix, float* vec, const int, const int width,
                                    const float scaleThis, const float scaleSum) {
    __shared__ float numbers[B_X];
    matrix += static_cast<long long>(blockIdx.x) * width;
    float result = emptyOf(Agg());
    for (int x = threadIdx.x; x < width; x += B_X) {
        result = aggregate(Agg(), result, matrix[x]);
    }
    numbers[threadIdx.x] = result;
    for (int apart = 1; apart < B_X; apart *= 2) {
        __syncthreads();
        if (threadIdx.x % (2 * apart) == 0) {
            numbers[threadIdx.x] = aggregate(Agg(), numbers[threadIdx.x], numbers[threadIdx.x + apart]);
        }
    }
    if (threadIdx.x == 0) {
        finish(Finish(), vec + blockIdx.x, numbers[0], scaleThis, scaleSum);
    }
}

template <int B_X, class Agg, class Finish>
__device__ void aggregate_rows(const float* matrix, float* vec, const int, const int width, const float scaleThis,
                               const float scaleSum) {
    __shared__ float numbers[2 * B_X];
    matrix += static_cast<long long>(blockIdx.x) * width;
    for (int x = threadIdx.x; x < 2 * B_X; x += B_X) {
        numbers[x] = x < width ? matrix[x] : emptyOf(Agg());
    }
    foldHalves<Agg>(numbers, 2 * B_X);
    if (threadIdx.x == 0) {
        finish(Finish(), vec + blockIdx.x, numbers[0], scaleThis, scaleSum);
    }
}

template <int B_X, class Agg>
__device__ void aggregate_all(const float* matrix, float* partial, const unsigned long long numCols,
                              const unsigned long long size) {
    __shared__ float numbers[B_X];
    const unsigned long long first = static_cast<unsigned long long>(blockIdx.x) * B_X + threadIdx.x;
    float result = emptyOf(Agg());
    if (first < numCols) {
        for (unsigned long long i = first; i < size; i += numCols) {
            result = aggregate(Agg(), result, matrix[i]);
        }
    }
    numbers[threadIdx.x] = result;
    foldHalves<Agg>(numbers, B_X);
    if (threadIdx.x == 0) {
        partial[blockIdx.x] = numbers[0];
    }
}

template <int B_X>
__device__ void dot_product(const float* a, const float* b, float* partial, const unsigned long long numCols,
                            const unsigned long long size) {
    __shared__ float numbers[B_X];
    const unsigned long long first = static_cast<unsigned long long>(blockIdx.x) * B_X + threadIdx.x;
    float sum = 0;
    if (first < numCols) {
        for (unsigned long long i = first; i < size; i += numCols) {
            sum = fmaf(a[i], b[i], sum);
        }
    }
    numbers[threadIdx.x] = sum;
    foldHalves<Sum>(numbers, B_X);
    if (threadIdx.x == 0) {
        partial[blockIdx.x] = numbers[0];
    }
}
