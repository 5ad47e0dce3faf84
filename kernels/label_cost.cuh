// What a label costs, and how good a guess it is, among the scores of the classes of its case.

#pragma once

// The class that a label names, its fraction cut off, or -1 if it names none.
__device__ __forceinline__ int classOf(const float label, const int numOut) {
    return label > -1 && label < numOut ? static_cast<int>(label) : -1;
}

// The chance to be served in time where there is room for so many, and so many equals, oneself among them, draw
// lots for it.
__device__ __forceinline__ float ofTop(const int room, const int equal) {
    if (room <= 0) {
        return 0;
    }
    return equal > room ? static_cast<float>(room) / equal : 1.0f;
}

// The logarithm of the label's probability, whether its score is the largest, and whether it is among the `topk`
// largest.
struct LabelCost {
    float logProb, correct, topk;
};

// All pointers are at one case, of whose neighbouring classes the values are numCases apart.
__device__ inline LabelCost labelCost(const float* label, const float* probs, const float* scores,
                                      const int numCases, const int numOut, const int topk) {
    const long long own = classOf(*label, numOut);
    if (own < 0) {
        return {NAN, 0, 0};
    }
    const float score = scores[own * numCases];
    int above = 0, equal = 0;  // none is equal to NaN
    for (long long i = 0; i < numOut; i++) {
        above += scores[i * numCases] > score;
        equal += scores[i * numCases] == score;
    }
    return {logf(probs[own * numCases]), equal == 0 ? 0 : ofTop(1 - above, equal), ofTop(topk - above, equal)};
}
