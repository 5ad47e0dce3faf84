// eltwise_max: the larger of two matrices, entry by entry, and the gradient to one of them.
//
//     eltwise_max           targets = a if a > b else b
//     eltwise_max_grad      targets = (targets if ADD) + actsGrad * [outputs == inputs]
//
// All arrays have `size` entries and any shape; targets may be a or b. Every input that equals the output gets
// the whole gradient. Where b is NaN, b it is; where a is, b as well. A grid of one line of blocks of B_X
// threads, each of which has an equal share of the entries.
//
// cuda-convnet:src/layer.cu (EltwiseMaxLayer) and src/layer_kernels.cu: kEltwiseMaxGrad.

#include "common.cuh"

template <int B_X>
__device__ void eltwise_max(const float* a, const float* b, float* targets, const unsigned long long size) {
    const Entries entries = entriesOf<B_X>(size);
    for (unsigned long long i = entries.first; i < entries.end; i += B_X) {
        targets[i] = a[i] > b[i] ? a[i] : b[i];
    }
}

template <int B_X, bool ADD>
__device__ void eltwise_max_grad(const float* actsGrad, const float* inputs, const float* outputs, float* targets,
                                 const unsigned long long size) {
    const Entries entries = entriesOf<B_X>(size);
    for (unsigned long long i = entries.first; i < entries.end; i += B_X) {
        const float grad = actsGrad[i] * (outputs[i] == inputs[i]);
        targets[i] = ADD ? targets[i] + grad : grad;
    }
}
