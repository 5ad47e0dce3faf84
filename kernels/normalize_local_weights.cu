// Unshared filters kept short, in place: a filter w of one module with |w| = sqrt(sum of squares) > norm becomes
// w * (norm / |w|).
//
// weights  (numModules, weightsPerFilter, numFilters)
//
// A thread has filtersPerThread filters of one module. It adds their squares in the order of the weights, from 0 on,
// by a fused multiply-add each. threadIdx.x is the filter, threadIdx.y the module; blockIdx.x counts, from the
// faster: blocks of B_X * filtersPerThread filters, of B_Y modules. Filters past the last are left out if
// checkFilterBounds.
//
// Answers to cuda-convnet:src/cudaconv2/conv_util.cu: kNormalizeLCWeights.

#include "common.cuh"

template <int B_Y, int B_X, int filtersPerThread, bool checkFilterBounds>
__device__ void normalizeLocalWeights(float* weights, const int numModules, const int weightsPerFilter,
                                      const int numFilters, const float norm) {
    const int numFilterBlocks = divUp(numFilters, B_X * filtersPerThread);
    const int filterIdx = blockIdx.x % numFilterBlocks * (B_X * filtersPerThread) + threadIdx.x;
    const int module = blockIdx.x / numFilterBlocks * B_Y + threadIdx.y;
    if (module >= numModules) {
        return;
    }
    weights += module * weightsPerFilter * numFilters + filterIdx;

    float factor[filtersPerThread];  // first the sum of squares
    #pragma unroll
    for (int f = 0; f < filtersPerThread; f++) {
        factor[f] = 0;
    }
    for (int p = 0; p < weightsPerFilter; p++) {
        #pragma unroll
        for (int f = 0; f < filtersPerThread; f++) {
            if (!checkFilterBounds || filterIdx + f * B_X < numFilters) {
                const float weight = weights[p * numFilters + f * B_X];
                factor[f] = fmaf(weight, weight, factor[f]);
            }
        }
    }
    #pragma unroll
    for (int f = 0; f < filtersPerThread; f++) {
        const float length = sqrtf(factor[f]);
        factor[f] = length > norm ? norm / length : 1.0f;
    }
    for (int p = 0; p < weightsPerFilter; p++) {
        #pragma unroll
        for (int f = 0; f < filtersPerThread; f++) {
            if (!checkFilterBounds || filterIdx + f * B_X < numFilters) {
                weights[p * numFilters + f * B_X] *= factor[f];
            }
        }
    }
}
