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
// class (below 0, too large, NaN) has NaN for its log-probability, is never correct, and no entry of the gradient
// is its own: the original read what lay beside the matrix.
//
// Costs: one thread for each case, B_X cases to a block; it goes down the classes. Gradients: one thread for each
// entry, B_X cases by B_Y classes to a block; the classes run along the line of blocks before the cases do. Where
// logreg_softmax_grad adds, its product is fused.
//
// cuda-convnet:src/layer_kernels.cu: kLogregCost, kLogregCostGrad, kLogregSoftmaxGrad;
// alexnet:src/layer_kernels.cu: kMultiSoftmaxCost.

#include "common.cuh"
#include "label_cost.cuh"

template <int B_X>
__device__ void logreg_cost(const float* labels, const float* probs, float* labelLogProbs, float* correctProbs,
                            const int numCases, const int numOut) {
    const int tx = blockIdx.x * B_X + threadIdx.x;
    if (tx < numCases) {
        const LabelCost cost = labelCost(labels + tx, probs + tx, probs + tx, numCases, numOut, 1);
        labelLogProbs[tx] = cost.logProb;
        correctProbs[tx] = cost.correct;
    }
}

template <int B_X>
__device__ void logreg_cost_topk(const float* labels, const float* probs, float* labelLogProbs, float* correctProbs,
                                 float* topkProbs, const int numCases, const int numOut, const int topk) {
    const int tx = blockIdx.x * B_X + threadIdx.x;
    if (tx < numCases) {
        const LabelCost cost = labelCost(labels + tx, probs + tx, probs + tx, numCases, numOut, topk);
        labelLogProbs[tx] = cost.logProb;
        correctProbs[tx] = cost.correct;
        topkProbs[tx] = cost.topk;
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
        const float grad = coeff * (classOf(labels[tx], numOut) == ty) / probs[own];
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
        const float off = (classOf(labels[tx], numOut) == ty ? 1.0f : 0.0f) - probs[own];
        targets[own] = ADD ? fmaf(coeff, off, targets[own]) : coeff * off;
    }
}
