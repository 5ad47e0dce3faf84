// multi_softmax: a softmax over sets of SET classes, the cost of a label in such a set, and its gradient.
//
//     P(set) is proportional to exp(sum of energies[i, n] over i in the set), over all sets of SET classes
//     multi_softmax         probs[i, n] = P(class i is in the set)
//     multi_softmax_grad    targets[i, n] = (targets[i, n] if ADD)
//                               + coeff * (P(i is in the set, given that the label of n is) - probs[i, n])
//     multi_softmax_cost    labelLogProbs[n] = log(probs[label of n, n]); correctProbs and topkProbs as those of
//                           logreg_cost_topk, but by the energies, which have more digits than the probabilities
//
// energies, probs and targets (classes, cases); labels, as floats, and costs (1, cases); lattice (classes + 1,
// SET + 1, cases) is scratch. A label that is no class has NaN for cost and gradient. One thread for each case,
// B_X to a block, so that neighbours read neighbouring cases.
//
// The probabilities come from sums over sets, all as logarithms, after the largest energy is taken from all. Two
// passes meet one class after another: backward from the last, leaving in lattice[i, s] the sum over sets of s of
// the classes from i on, then forward from the first. A class is in the set with those of s classes before it and
// SET - 1 - s after it, added from many before to few. Sums of two logarithms are taken in double precision and
// rounded to single. Where they lie more than 5 apart log(1 + x) is x there, and more than 15 apart it is 0: that
// is the original's, on its CPU. -1e35 is the logarithm of nothing.
//
// alexnet:src/multisoftmax.cpp, src/layer.cu (MultiSoftmaxCostLayer), src/layer_kernels.cu: kMultiSoftmaxCost_engs.

#include "label_cost.cuh"

constexpr float NOTHING = -1e35f;

// How much more than its larger part the logarithm of a sum is, whose parts' logarithms are so far apart.
__device__ inline double gain(const double apart) {
    if (apart > 15) {
        return 0;
    }
    const double ratio = exp(-apart);
    return apart > 5 ? ratio : log(1 + ratio);
}

__device__ inline double logOfSum(const double a, const double b) {
    if (a <= NOTHING && b <= NOTHING) {
        return NOTHING;
    }
    return a > b ? a + gain(a - b) : b + gain(b - a);
}

// sums[s], over sets of s of the classes met so far, before any is met.
template <int SET>
__device__ inline void meetNone(float (&sums)[SET + 1]) {
    for (int s = 0; s <= SET; s++) {
        sums[s] = s == 0 ? 0 : NOTHING;
    }
}

// One class more, which sets may have, or must have if it is `required`.
template <int SET>
__device__ inline void meet(float (&sums)[SET + 1], const double energy, const bool required) {
    for (int s = SET; s > 0; s--) {
        const double with = sums[s - 1] + energy;
        sums[s] = static_cast<float>(required ? with : logOfSum(with, sums[s]));
    }
    if (required) {
        sums[0] = NOTHING;
    }
}

// Calls write(i, P(class i is in the set)) for all classes of the case at which the pointers are; neighbouring
// classes are numCases apart. If `required` is not -1, only sets that have this class count.
template <int SET, class Write>
__device__ inline void forEachClass(const float* energies, float* lattice, const int required,
                                    const int numCases, const int numOut, const Write& write) {
    const long long row = numCases;
    const long long level = (SET + 1) * row;  // from one class's sums in the lattice to the next one's
    float largest = energies[0];
    for (int i = 1; i < numOut; i++) {
        largest = energies[i * row] > largest ? energies[i * row] : largest;
    }

    float sums[SET + 1];
    meetNone<SET>(sums);
    for (int i = numOut; i >= 0; i--) {
        if (i < numOut) {
            meet<SET>(sums, energies[i * row] - largest, i == required);
        }
        for (int s = 0; s <= SET; s++) {
            lattice[i * level + s * row] = sums[s];
        }
    }
    const double ofAll = sums[SET];

    meetNone<SET>(sums);
    for (int i = 0; i < numOut; i++) {
        const float* const after = lattice + (i + 1) * level;
        const double energy = energies[i * row] - largest;
        double others = NOTHING;
        for (int before = SET - 1; before >= 0; before--) {
            others = logOfSum(others, sums[before] + after[(SET - 1 - before) * row]);
        }
        write(i, exp(others + (energy - ofAll)));
        meet<SET>(sums, energy, i == required);
    }
}

template <int B_X, int SET>
__device__ void multi_softmax(const float* energies, float* lattice, float* probs, const int numCases,
                              const int numOut) {
    const int tx = blockIdx.x * B_X + threadIdx.x;
    if (tx < numCases) {
        const auto write = [&](const int i, const double prob) {
            probs[static_cast<long long>(i) * numCases + tx] = static_cast<float>(prob);
        };
        forEachClass<SET>(energies + tx, lattice + tx, -1, numCases, numOut, write);
    }
}

template <int B_X, int SET, bool ADD>
__device__ void multi_softmax_grad(const float* labels, const float* energies, const float* probs, float* lattice,
                                   float* targets, const int numCases, const int numOut, const float coeff) {
    const int tx = blockIdx.x * B_X + threadIdx.x;
    if (tx < numCases) {
        const int label = classOf(labels[tx], numOut);
        const auto write = [&](const int i, const double given) {
            const long long own = static_cast<long long>(i) * numCases + tx;
            const float grad = label < 0 ? NAN : coeff * static_cast<float>(given - probs[own]);
            targets[own] = ADD ? targets[own] + grad : grad;
        };
        forEachClass<SET>(energies + tx, lattice + tx, label, numCases, numOut, write);
    }
}

template <int B_X>
__device__ void multi_softmax_cost(const float* labels, const float* probs, const float* energies,
                                   float* labelLogProbs, float* correctProbs, float* topkProbs, const int numCases,
                                   const int numOut, const int setSize) {
    const int tx = blockIdx.x * B_X + threadIdx.x;
    if (tx < numCases) {
        const LabelCost cost = labelCost(labels + tx, probs + tx, energies + tx, numCases, numOut, setSize);
        labelLogProbs[tx] = cost.logProb;
        correctProbs[tx] = cost.correct;
        topkProbs[tx] = cost.topk;
    }
}
