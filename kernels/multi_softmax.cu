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
// The probabilities come from sums over sets, class by class, all as logarithms, after the largest energy is
// taken from all. Backward from the last class: lattice[i, s] is the sum over sets of s of the classes from i on.
// Forward from the first: so[s] is the sum over sets of s of the classes before i. A class is in the set with
// those of s classes before it and SET - 1 - s after it, added from many before to few. Sums of two logarithms are
// taken in double precision and rounded to single. Where they lie more than 5 apart log(1 + x) is x there, and
// more than 15 apart it is 0: that is the original's, on its CPU. -1e35 is the logarithm of nothing.
//
// alexnet:src/multisoftmax.cpp, src/layer.cu (MultiSoftmaxCostLayer), src/layer_kernels.cu: kMultiSoftmaxCost_engs.

#include "common.cuh"

constexpr float NOTHING = -1e35f;

// log(exp(x) + exp(y))
__device__ inline double logAdd(const double x, const double y) {
    if (x <= NOTHING && y <= NOTHING) {
        return NOTHING;
    }
    const double larger = x > y ? x : y;
    const double apart = larger - (x > y ? y : x);
    if (apart > 15) {
        return larger;
    }
    return larger + (apart > 5 ? exp(-apart) : log(1 + exp(-apart)));
}

// The backward pass of one case. `fixed` is a class that must be in the set, or -1; returns the largest energy.
template <int SET>
__device__ inline float fillLattice(const float* energies, float* lattice, const int fixed, const long long row,
                                    const int numOut) {
    float largest = energies[0];
    for (int i = 1; i < numOut; i++) {
        largest = energies[i * row] > largest ? energies[i * row] : largest;
    }
    float* after = lattice + static_cast<long long>(numOut) * (SET + 1) * row;
    for (int s = 0; s <= SET; s++) {
        after[s * row] = s == 0 ? 0 : NOTHING;
    }
    for (int i = numOut - 1; i >= 0; i--) {
        float* const own = after - (SET + 1) * row;
        const double energy = energies[i * row] - largest;
        own[0] = i <= fixed ? NOTHING : 0;
        for (int s = 1; s <= SET; s++) {
            const double with = after[(s - 1) * row] + energy;
            own[s * row] = s < SET - i ? NOTHING
                           : i == fixed ? static_cast<float>(with)
                                        : static_cast<float>(logAdd(with, after[s * row]));
        }
        after = own;
    }
    return largest;
}

// The probability that class i is in the set, and `so` for the next class.
template <int SET>
__device__ inline double inSet(float* so, const float* lattice, const double energy, const double logZ, const int i,
                               const int fixed, const long long row) {
    const float* const after = lattice + static_cast<long long>(i + 1) * (SET + 1) * row;
    double logProb = NOTHING;
    for (int s = SET; s >= 0; s--) {
        if (s < SET) {
            logProb = logAdd(logProb, so[s] + after[(SET - 1 - s) * row]);
        }
        if (s > 0) {
            const double with = so[s - 1] + energy;
            so[s] = static_cast<float>(i == fixed ? with : logAdd(with, so[s]));
        } else if (i == fixed) {
            so[0] = NOTHING;
        }
    }
    return exp(logProb + (energy - logZ));
}

template <int B_X, int SET>
__device__ void multi_softmax(const float* energies, float* lattice, float* probs, const int numCases,
                              const int numOut) {
    const int tx = blockIdx.x * B_X + threadIdx.x;
    if (tx < numCases) {
        const long long row = numCases;
        energies += tx;
        lattice += tx;
        const float largest = fillLattice<SET>(energies, lattice, -1, row, numOut);
        float so[SET + 1];
        for (int s = 0; s <= SET; s++) {
            so[s] = s == 0 ? 0 : NOTHING;
        }
        const double logZ = lattice[SET * row];
        for (int i = 0; i < numOut; i++) {
            const double energy = energies[i * row] - largest;
            probs[i * row + tx] = static_cast<float>(inSet<SET>(so, lattice, energy, logZ, i, -1, row));
        }
    }
}

template <int B_X, int SET, bool ADD>
__device__ void multi_softmax_grad(const float* labels, const float* energies, const float* probs, float* lattice,
                                   float* targets, const int numCases, const int numOut, const float coeff) {
    const int tx = blockIdx.x * B_X + threadIdx.x;
    if (tx < numCases) {
        const long long row = numCases;
        const bool known = labels[tx] > -1 && labels[tx] < numOut;
        const int label = known ? static_cast<int>(labels[tx]) : 0;
        energies += tx;
        lattice += tx;
        const float largest = fillLattice<SET>(energies, lattice, label, row, numOut);
        float so[SET + 1];
        for (int s = 0; s <= SET; s++) {
            so[s] = s == 0 ? 0 : NOTHING;
        }
        const double logZ = known ? lattice[SET * row] : NAN;
        for (int i = 0; i < numOut; i++) {
            const long long own = i * row + tx;
            const double energy = energies[i * row] - largest;
            const double given = inSet<SET>(so, lattice, energy, logZ, i, label, row);
            const float grad = coeff * static_cast<float>(given - probs[own]);
            targets[own] = ADD ? targets[own] + grad : grad;
        }
    }
}

template <int B_X>
__device__ void multi_softmax_cost(const float* labels, const float* probs, const float* energies,
                                   float* labelLogProbs, float* correctProbs, float* topkProbs, const int numCases,
                                   const int numOut, const int setSize) {
    const int tx = blockIdx.x * B_X + threadIdx.x;
    if (tx < numCases) {
        const long long row = numCases;
        const bool known = labels[tx] > -1 && labels[tx] < numOut;
        const int label = known ? static_cast<int>(labels[tx]) : 0;
        const float labelEnergy = energies[label * row + tx];
        int above = 0, equal = 0;
        for (int i = 0; i < numOut; i++) {
            const float energy = energies[i * row + tx];
            above += energy > labelEnergy;
            equal += energy == labelEnergy;
        }
        const int room = known ? setSize - above : 0;
        labelLogProbs[tx] = known ? logf(probs[label * row + tx]) : NAN;
        correctProbs[tx] = !known || above > 0 || equal == 0 ? 0.0f : 1.0f / equal;
        topkProbs[tx] = room <= 0 ? 0.0f : equal <= room ? 1.0f : static_cast<float>(room) / equal;
    }
}
