// The terms that the gradients of response normalisation sum:
//
//   factors = scale * outGrads * acts / denoms,   scale = -2 * the operation's scale * its power
//
// Any arrays of equal sizes. A grid of one line of blocks of B_X threads; each block has an equal share of
// neighbouring entries.
//
// Answers to cuda-convnet:src/cudaconv2/conv_util.cu: kRNormUndoPrelims, which writes them over acts.

#include "common.cuh"

template <int B_X>
__device__ void normFactors(const float* outGrads, const float* denoms, const float* acts, float* factors,
                            const unsigned long long count, const float scale) {
    const Entries entries = entriesOf<B_X>(count);
    for (unsigned long long e = entries.first; e < entries.end; e += B_X) {
        factors[e] = scale * outGrads[e] * acts[e] / denoms[e];
    }
}
