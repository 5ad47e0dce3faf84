// logreg_cost: the cost of logistic regression, how good the guess is, and the gradients.
//
//     logreg_cost            labelLogProbs[n] = log(p), p = probs[label of n, n]
//                            correctProbs[n] = [p is the largest of case n] / (classes equal to it)
//     logreg_cost_topk       also topkProbs[n] = 0 if b >= topk, 1 if e <= topk - b, else (topk - b) / e,
//                            with b classes above p and e equal to it
//     logreg_grad            targets[i, n] = (targets[i, n] if ADD) + coeff * [i == label of n] / probs[i, n]
//     logreg_softmax_grad    targets[i, n] = (targets[i, n] if ADD) + coeff * ([i == label of n] - probs[i, n])
//
// probs and targets (classes, cases); labels, as floats, and what the costs give (1, cases). A label that is no
// class has NaN for its log-probability, and no entry of the gradient is its own: the original read what lay
// beside the matrix.
//
// Costs: one thread for each case, B_X cases to a block; it goes down the classes. Gradients: one thread for each
// entry, B_X cases by B_Y classes to a block; the classes run along the line of blocks before the cases do. Where
// logreg_softmax_grad adds, its product is fused.
//
// cuda-convnet:src/layer_kernels.cu: kLogregCost, kLogregCostGrad, kLogregSoftmaxGrad;
// alexnet:src/layer_kernels.cu: kMultiSoftmaxCost.

#include "common.cuh"

// Counts the classes above `than`, and those equal to it.
__device__ inline void rank(const float* probs, const float than, const int numCases, const int numOut, int& above,
                            int& equal) {
    above = 0;
    equal = 0;
    for (int i = 0; i < numOut; i++) {
        const float prob = probs[static_cast<long long>(i) * numCases];
        above += prob > than;
        equal += prob == than;
    }
}

__device__ inline float probOf(const float label, const float* probs, const int numCases, const int numOut) {
    return label > -1 && label < numOut ? probs[static_cast<long long>(label) * numCases] : NAN;
}

template <int B_X>
__device__ void logreg_cost(const float* labels, const float* probs, float* labelLogProbs, float* correctProbs,
                            const int numCases, const int numOut) {
    const int tx = blockIdx.x * B_X + threadIdx.x;
    if (tx < numCases) {
        const float labelProb = probOf(labels[tx], probs + tx, numCases, numOut);
        int above, equal;
        rank(probs + tx, labelProb, numCases, numOut, above, equal);
        labelLogProbs[tx] = logf(labelProb);
        correctProbs[tx] = above > 0 || equal == 0 ? 0.0f : 1.0f / equal;
    }
}

template <int B_X>
__device__ void logreg_cost_topk(const float* labels, const float* probs, float* labelLogProbs, float* correctProbs,
                                 float* topkProbs, const int numCases, const int numOut, const int topk) {
    const int tx = blockIdx.x * B_X + threadIdx.x;
    if (tx < numCases) {
        const float labelProb = probOf(labels[tx], probs + tx, numCases, numOut);
        int above, equal;
        rank(probs + tx, labelProb, numCases, numOut, above, equal);
        const int room = topk - above;
        labelLogProbs[tx] = logf(labelProb);
        correctProbs[tx] = above > 0 || equal == 0 ? 0.0f : 1.0f / equal;
        topkProbs[tx] = room <= 0 ? 0.0f : equal <= room ? 1.0f : static_cast<float>(room) / equal;
    }
}

template <int B_X, int B_Y, bool ADD>
__device__ void logreg_grad(const float* labels, const float* probs, float* targets, const int numCases,
                            const int numOut, const float coeff) {
    const int classBlocks = divUp(numOut, B_Y);
    const int tx = blockIdx.x / classBlocks * B_X + threadIdx.x;
    const int ty = blockIdx.x % classBlocks * B_Y + threadIdx.y;
    if (tx < numCases && ty < numOut) {
        const long long own = static_cast<long long>(ty) * numCases + tx;
        const float grad = coeff * (static_cast<int>(labels[tx]) == ty) / probs[own];
        targets[own] = ADD ? targets[own] + grad : grad;
    }
}

template <int B_X, int B_Y, bool ADD>
__device__ void logreg_softmax_grad(const float* labels, const float* probs, float* targets, const int numCases,
                                    const int numOut, const float coeff) {
    const int classBlocks = divUp(numOut, B_Y);
    const int tx = blockIdx.x / classBlocks * B_X + threadIdx.x;
    const int ty = blockIdx.x % classBlocks * B_Y + threadIdx.y;
    if (tx < numCases && ty < numOut) {
        const long long own = static_cast<long long>(ty) * numCases + tx;
        const float off = (static_cast<int>(labels[tx]) == ty ? 1.0f : 0.0f) - probs[own];
        targets[own] = ADD ? fmaf(coeff, off, targets[own]) : coeff * off;
    }
}
