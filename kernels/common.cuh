// What several kernels need.

#pragma once

__device__ __forceinline__ int divUp(const int a, const int b) {
    return (a + b - 1) / b;
}

// *target = scaleTargets * *target + scaleOutput * sum; where scaleTargets is 0, *target is not read.
// The first product is not rounded: so the original's compiler contracted the expression.
__device__ __forceinline__ void storeScaled(float* const target, const float sum, const float scaleTargets,
                                            const float scaleOutput) {
    const float scaled = scaleOutput * sum;
    *target = scaleTargets == 0 ? scaled : fmaf(scaleTargets, *target, scaled);
}

// Before an innermost loop over a thread's registers: a GPU unrolls it, but a CPU's compiler makes vectors of loops.
#ifdef __CUDACC__
#define VECTOR_LOOP _Pragma("unroll")
#else
#define VECTOR_LOOP _Pragma("GCC unroll 1")
#endif

// The entries of an array that a thread of a line of blocks takes: every B_X-th from `first` to before `end`. A
// block has an equal share of neighbouring entries, in whole lines of its threads.
struct Entries {
    unsigned long long first, end;
};

template <int B_X>
__device__ __forceinline__ Entries entriesOf(const unsigned long long size) {
    const unsigned long long lines = (size + B_X - 1) / B_X;
    const unsigned long long share = (lines + gridDim.x - 1) / gridDim.x * B_X;
    const unsigned long long begin = share * blockIdx.x;
    Entries entries = {begin + threadIdx.x, begin + share < size ? begin + share : size};
    return entries;
}
