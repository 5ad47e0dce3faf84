// The gradient of local response normalisation across maps, in the form of 2012 and in that of 2014.
//
//   2012:  result = inputs * (sum of factors) + outGrads * denoms**-power, factors from norm_factors.cu
//   2014:  result = -2 * power * scale * inputs * (sum of outGrads * acts * (acts / inputs)**(1 / power))
//                 + outGrads * d**-power,   d = minDiv + scale * (sum of inputs**2)
//
//   targets = scaleTargets * targets + scaleOutput * result
//
// In 2014's, (acts / inputs)**(1 / power) recovers 1 / denoms; where acts are 0, inputs count as one more, so that
// nothing is divided by 0.
//
// All arrays (numFilters, imgPixels, numImages). Gradients are summed over the mirrored window of map f,
// [f - sizeF + sizeF/2 + 1, f + sizeF/2 + 1), squares over its window [f - sizeF/2, f - sizeF/2 + sizeF); if `blocked`
// both over the group of sizeF maps that f belongs to; all clipped to the maps there are. Sums start at 0 and take
// their maps in ascending order, products by fmaf.
//
// Places of the grid (places.cuh) are pixels, one for each block, of B_Y maps. Images past the last are left out if
// checkCaseBounds.
//
// Answers to cuda-convnet:src/cudaconv2/conv_util.cu: kFRNormUndo, and cuda-convnet2:cudaconv3/src/conv_util.cu:
// kFRNormUndo2.

#include "places.cuh"

template <int B_Y, int B_X, int imgsPerThread, bool checkCaseBounds, bool blocked>
__device__ void crossMapNormUndo(const float* outGrads, const float* denoms, const float* inputs,
                                 const float* factors, float* targets, const int numFilters, const int imgPixels,
                                 const int numImages, const int sizeF, const float power, const float scaleTargets,
                                 const float scaleOutput) {
    const auto place = placeOfMap<B_Y, B_X, imgsPerThread, 1, checkCaseBounds>(1, imgPixels, numImages);
    if (place.map >= numFilters) {
        return;
    }
    const int first = blocked ? place.map / sizeF * sizeF : place.map - sizeF + sizeF / 2 + 1;
    const int start = max(0, first), end = min(numFilters, first + sizeF);
    const size_t pixel = size_t(place.x) * numImages + place.img;
    const int map = imgPixels * numImages;

    float sums[imgsPerThread] = {};
    for (int f = start; f < end; f++) {
        #pragma unroll
        for (int i = 0; i < imgsPerThread; i++) {
            if (has(place, i)) {
                sums[i] += factors[pixel + f * map + i * B_X];
            }
        }
    }
    #pragma unroll
    for (int i = 0; i < imgsPerThread; i++) {
        if (has(place, i)) {
            const size_t at = pixel + place.map * map + i * B_X;
            const float result = fmaf(inputs[at], sums[i], outGrads[at] * powf(denoms[at], -power));
            storeScaled(&targets[at], result, scaleTargets, scaleOutput);
        }
    }
}

template <int B_Y, int B_X, int imgsPerThread, bool checkCaseBounds, bool blocked>
__device__ void crossMapNormUndoV2(const float* outGrads, const float* inputs, const float* acts, float* targets,
                                   const int numFilters, const int imgPixels, const int numImages, const int sizeF,
                                   const float scale, const float power, const float minDiv,
                                   const float scaleTargets, const float scaleOutput) {
    const auto place = placeOfMap<B_Y, B_X, imgsPerThread, 1, checkCaseBounds>(1, imgPixels, numImages);
    if (place.map >= numFilters) {
        return;
    }
    const int group = place.map / sizeF * sizeF;
    const int firstGrad = blocked ? group : place.map - sizeF + sizeF / 2 + 1;
    const int firstSquare = blocked ? group : place.map - sizeF / 2;
    const size_t pixel = size_t(place.x) * numImages + place.img;
    const int map = imgPixels * numImages;

    float sums[imgsPerThread] = {};
    for (int f = max(0, firstGrad); f < min(numFilters, firstGrad + sizeF); f++) {
        #pragma unroll
        for (int i = 0; i < imgsPerThread; i++) {
            if (has(place, i)) {
                const size_t at = pixel + f * map + i * B_X;
                const float act = acts[at];
                const float input = inputs[at] + (act == 0 ? 1.0f : 0.0f);
                sums[i] = fmaf(outGrads[at] * act, powf(act / input, 1.0f / power), sums[i]);
            }
        }
    }
    float squares[imgsPerThread] = {};
    for (int f = max(0, firstSquare); f < min(numFilters, firstSquare + sizeF); f++) {
        #pragma unroll
        for (int i = 0; i < imgsPerThread; i++) {
            if (has(place, i)) {
                const float input = inputs[pixel + f * map + i * B_X];
                squares[i] = fmaf(input, input, squares[i]);
            }
        }
    }
    #pragma unroll
    for (int i = 0; i < imgsPerThread; i++) {
        if (has(place, i)) {
            const size_t at = pixel + place.map * map + i * B_X;
            const float denom = fmaf(scale, squares[i], minDiv);
            const float result = fmaf(-2 * power * scale * inputs[at], sums[i], outGrads[at] * powf(denom, -power));
            storeScaled(&targets[at], result, scaleTargets, scaleOutput);
        }
    }
}
