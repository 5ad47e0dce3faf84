// constraints: limits on the length and the spread of the weights of each unit.
//
//     constrain_ball        weights[:, i] *= norm / sqrt(s) if s > norm * norm, s = sum of their squares
//     constrain_contrast    weights[:, i] *= normMin / d if d < normMin, normMax / d if d > normMax,
//                           d = sqrt(sum of squares of weights[:, i] - their mean) / height
//
// weights (height, width), in place; a column is a unit. One thread for each column, B_X to a block, so that a
// warp reads whole lines. Squares are rounded, and then summed straight down from the first, as were the matrices
// of squares in which the original kept them. The mean is a product by the rounded 1 / height.
//
// alexnet:src/layer.cu: FCLayer::constrainWeights, ConvLayer::constrainWeights; include/layer.cuh:
// WeightConstraintOperator, WeightContrastNormOperator.

#include "common.cuh"

// The sum of the squares of `height` entries, `width` apart, plus `shift`.
__device__ inline float sumOfSquares(const float* entry, const float shift, const int height, const int width) {
    float sum = (*entry + shift) * (*entry + shift);
    for (int y = 1; y < height; y++) {
        entry += width;
        sum += (*entry + shift) * (*entry + shift);
    }
    return sum;
}

__device__ inline void scaleColumn(float* entry, const float factor, const int height, const int width) {
    for (int y = 0; y < height; y++, entry += width) {
        *entry *= factor;
    }
}

template <int B_X>
__device__ void constrain_ball(float* weights, const float norm, const int height, const int width) {
    const int x = blockIdx.x * B_X + threadIdx.x;
    if (x < width) {
        const float squares = sumOfSquares(weights + x, 0, height, width);
        scaleColumn(weights + x, squares > norm * norm ? norm / sqrtf(squares) : 1.0f, height, width);
    }
}

template <int B_X>
__device__ void constrain_contrast(float* weights, const float normMin, const float normMax, const int height,
                                   const int width) {
    const int x = blockIdx.x * B_X + threadIdx.x;
    if (x < width) {
        const float* entry = weights + x;
        float sum = *entry;
        for (int y = 1; y < height; y++) {
            entry += width;
            sum += *entry;
        }
        const float spread = sqrtf(sumOfSquares(weights + x, sum * (-1.0f / height), height, width)) * (1.0f / height);
        const float factor = spread < normMin ? normMin / spread : spread > normMax ? normMax / spread : 1.0f;
        scaleColumn(weights + x, factor, height, width);
    }
}
