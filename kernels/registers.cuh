// A row of registers that all take part in the same multiply-add: of a thread's register tile, one line.

#pragma once

// N floats. A CPU has vectors for them, which its compiler does not find in a tile by itself.
#ifdef __CUDACC__
template <int N> struct alignas(16) FloatRow {
    float at[N];
    __device__ float& operator[](const int i) { return at[i]; }
    __device__ float operator[](const int i) const { return at[i]; }
};
template <int N> using Floats = FloatRow<N>;
#else
template <int N> struct FloatRow {
    typedef float type __attribute__((vector_size(sizeof(float) * N)));
};
template <int N> using Floats = typename FloatRow<N>::type;
#endif

// sums += a * row. FUSED: one rounding, an fmaf, as a GPU does it; otherwise the products are rounded, too, which
// relies on nvcc's -fmad=false and other compilers' -ffp-contract=off.
template <int N, bool FUSED>
__device__ __forceinline__ void addProducts(Floats<N>& sums, const float a, const Floats<N>& row) {
    Floats<N> added = sums;
    #pragma unroll
    for (int i = 0; i < N; i++) {
        added[i] = FUSED ? fmaf(a, row[i], sums[i]) : sums[i] + a * row[i];
    }
    sums = added;
}
