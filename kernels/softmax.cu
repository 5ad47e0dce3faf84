// softmax, and its gradient.
//
//     softmax          probs[i, n] = exp(inputs[i, n] - m) / (sum over j of exp(inputs[j, n] - m))
//                      m the largest input of case n
//     softmax_grad     targets[i, n] = (targets[i, n] if ADD)
//                                      + probs[i, n] * sum over j of actsGrad[j, n] * ([i == j] - probs[j, n])
//
// All arrays (classes, cases).
//
// softmax: a block of B_X x B_Y threads has B_X cases (threadIdx.x: neighbours in memory); B_Y threads share the
// classes of a case, except that one of them sums the exponentials, straight down from the first. softmax_grad:
// one thread for each entry, B_X cases by B_Y classes to a block; j ascends from 0, and products are rounded
// before they are added, but where ADD the last one is fused: so the archive's compiler had it. The classes run
// along the line of blocks before the cases do.
//
// cuda-convnet:src/layer.cu (SoftmaxLayer) and src/layer_kernels.cu: kSoftmaxGrad.

#include "common.cuh"

template <int B_X, int B_Y>
__device__ void softmax(const float* inputs, float* probs, const int numCases, const int numOut) {
    __shared__ float shared[B_Y][B_X];
    const int tx = blockIdx.x * B_X + threadIdx.x;
    const int ty = threadIdx.y;
    const bool inside = tx < numCases;
    inputs += tx;
    probs += tx;
    const long long row = numCases;

    float largest = -INFINITY;
    if (inside) {
        for (int i = ty; i < numOut; i += B_Y) {
            const float input = inputs[i * row];
            largest = input > largest ? input : largest;
        }
    }
    shared[ty][threadIdx.x] = largest;
    __syncthreads();
    for (int i = 0; i < B_Y; i++) {
        const float other = shared[i][threadIdx.x];
        largest = other > largest ? other : largest;
    }
    if (inside) {
        for (int i = ty; i < numOut; i += B_Y) {
            probs[i * row] = expf(inputs[i * row] - largest);
        }
    }
    __syncthreads();
    if (inside && ty == 0) {
        float sum = probs[0];
        for (int i = 1; i < numOut; i++) {
            sum += probs[i * row];
        }
        shared[0][threadIdx.x] = sum;
    }
    __syncthreads();
    if (inside) {
        const float sum = shared[0][threadIdx.x];
        for (int i = ty; i < numOut; i += B_Y) {
            probs[i * row] /= sum;
        }
    }
}

template <int B_X, int B_Y, bool ADD>
__device__ void softmax_grad(const float* actsGrad, const float* probs, float* targets, const int numCases,
                             const int numOut) {
    const int classBlocks = divUp(numOut, B_Y);
    const int tx = blockIdx.x / classBlocks * B_X + threadIdx.x;
    const int ty = blockIdx.x % classBlocks * B_Y + threadIdx.y;
    if (tx < numCases && ty < numOut) {
        const long long row = numCases;
        const long long own = ty * row + tx;
        float sum = 0;
        for (int j = 0; j < numOut; j++) {
            sum += actsGrad[j * row + tx] * ((j == ty ? 1.0f : 0.0f) - probs[j * row + tx]);
        }
        targets[own] = ADD ? fmaf(sum, probs[own], targets[own]) : sum * probs[own];
    }
}
