// cross_entropy: costs of labels that are distributions, and of elements that are probabilities; the gradients.
//
//   of distributions, all (classes, cases), costs (1, cases):
//     cross_entropy_cost            labelLogProbs[n] = sum over i of labels[i, n] * log(probs[i, n])
//                                   correctProbs[n] = 1 / (classes whose probability is the largest of case n)
//                                   if labels is positive for one of them, else 0
//     cross_entropy_grad            targets = (targets if ADD) + coeff * (labels / probs)
//     cross_entropy_softmax_grad    targets[i, n] = (targets[i, n] if ADD)
//                                       + coeff * sum over j of labels[j, n] * ([i == j] - probs[i, n])
//   of elements, all arrays of `size` entries; t the label, y the probability, d = y - t:
//     cross_entropy2_cost           targets = t * log(y) + (1 - t) * log(1 - y)
//     cross_entropy2_grad           targets = (targets if ADD) + coeff * (t / y + (1 - t) / (1 - y))
//     robust_flickr_cost            targets = log(1 + d * d)
//     robust_flickr_grad            targets = (targets if ADD) - coeff * (2 * d / (1 + d * d))
//
// log is -50 for what is not positive.
//
// The first: one thread for each case. cross_entropy_softmax_grad: one thread for each entry, B_X cases by B_Y
// classes to a block; the classes run along the line of blocks before the cases do. Both sum down the classes,
// from 0. The others: a line of blocks of B_X threads, each with an equal share of the entries.
//
// Roundings. cross_entropy_cost has one fmaf for each class; cross_entropy_softmax_grad rounds the products of
// whole fours of classes and fuses those of the rest, for the archive's compiler took four at a time. Where a
// gradient is added, its last product is fused; so are the first of t * log(y) + (1 - t) * log(1 - y), and d * d.
//
// alexnet:src/layer_kernels.cu: kCrossEntCost, kCrossEntGrad, kCrossEntSoftmaxGrad; include/layer.cuh:
// CrossEntOperator, CrossEntGradientOperator, RobustFlickrCostOperator, RobustFlickrCostGradientOperator.

#include "common.cuh"

__device__ inline float safeLog(const float x) { return x > 0 ? logf(x) : -50.0f; }

template <int B_X>
__device__ void cross_entropy_cost(const float* labels, const float* probs, float* labelLogProbs,
                                   float* correctProbs, const int numCases, const int numOut) {
    const int tx = blockIdx.x * B_X + threadIdx.x;
    if (tx < numCases) {
        const long long row = numCases;
        float largest = probs[tx];
        for (int i = 1; i < numOut; i++) {
            const float prob = probs[i * row + tx];
            largest = prob > largest ? prob : largest;
        }
        float sum = 0;
        int equal = 0;
        bool correct = false;
        for (int i = 0; i < numOut; i++) {
            const float prob = probs[i * row + tx];
            const float label = labels[i * row + tx];
            sum = fmaf(label, safeLog(prob), sum);
            equal += prob == largest;
            correct |= prob == largest && label > 0;
        }
        labelLogProbs[tx] = sum;
        correctProbs[tx] = correct ? 1.0f / equal : 0.0f;
    }
}

template <int B_X, bool ADD>
__device__ void cross_entropy_grad(const float* labels, const float* probs, float* targets, const float coeff,
                                   const unsigned long long size) {
    const Entries entries = entriesOf<B_X>(size);
    for (unsigned long long i = entries.first; i < entries.end; i += B_X) {
        const float ratio = labels[i] / probs[i];
        targets[i] = ADD ? fmaf(coeff, ratio, targets[i]) : coeff * ratio;
    }
}

template <int B_X, int B_Y, bool ADD>
__device__ void cross_entropy_softmax_grad(const float* labels, const float* probs, float* targets,
                                           const int numCases, const int numOut, const float coeff) {
    const int classBlocks = divUp(numOut, B_Y);
    const int tx = blockIdx.x / classBlocks * B_X + threadIdx.x;
    const int ty = blockIdx.x % classBlocks * B_Y + threadIdx.y;
    if (tx < numCases && ty < numOut) {
        const long long row = numCases;
        const long long own = ty * row + tx;
        const float prob = probs[own];
        float sum = 0;
        for (int j = 0; j < numOut; j++) {
            const float label = labels[j * row + tx];
            const float off = (j == ty ? 1.0f : 0.0f) - prob;
            sum = j < numOut / 4 * 4 ? sum + label * off : fmaf(label, off, sum);
        }
        targets[own] = ADD ? fmaf(coeff, sum, targets[own]) : coeff * sum;
    }
}

template <int B_X>
__device__ void cross_entropy2_cost(const float* labels, const float* probs, float* targets,
                                    const unsigned long long size) {
    const Entries entries = entriesOf<B_X>(size);
    for (unsigned long long i = entries.first; i < entries.end; i += B_X) {
        const float t = labels[i], y = probs[i];
        targets[i] = fmaf(t, safeLog(y), (1 - t) * safeLog(1 - y));
    }
}

template <int B_X, bool ADD>
__device__ void cross_entropy2_grad(const float* labels, const float* probs, float* targets, const float coeff,
                                    const unsigned long long size) {
    const Entries entries = entriesOf<B_X>(size);
    for (unsigned long long i = entries.first; i < entries.end; i += B_X) {
        const float t = labels[i], y = probs[i];
        const float ratios = t / y + (1 - t) / (1 - y);
        targets[i] = ADD ? fmaf(coeff, ratios, targets[i]) : coeff * ratios;
    }
}

template <int B_X>
__device__ void robust_flickr_cost(const float* labels, const float* probs, float* targets,
                                   const unsigned long long size) {
    const Entries entries = entriesOf<B_X>(size);
    for (unsigned long long i = entries.first; i < entries.end; i += B_X) {
        const float d = probs[i] - labels[i];
        targets[i] = logf(fmaf(d, d, 1.0f));
    }
}

template <int B_X, bool ADD>
__device__ void robust_flickr_grad(const float* labels, const float* probs, float* targets, const float coeff,
                                   const unsigned long long size) {
    const Entries entries = entriesOf<B_X>(size);
    for (unsigned long long i = entries.first; i < entries.end; i += B_X) {
        const float d = probs[i] - labels[i];
        const float slope = 2 * d / fmaf(d, d, 1.0f);
        targets[i] = ADD ? fmaf(-coeff, slope, targets[i]) : -coeff * slope;
    }
}
