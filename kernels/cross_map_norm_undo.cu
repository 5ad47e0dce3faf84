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
// A block has one pixel, of B_X * imgsPerThread images and B_Y maps; threadIdx.x is the image, threadIdx.y the
// map. blockIdx.x counts, from the fastest: blocks of images, pixels, blocks of maps.
//
// Answers to cuda-convnet:src/cudaconv2/conv_util.cu: kFRNormUndo, and cuda-convnet2:cudaconv3/src/conv_util.cu:
// kFRNormUndo2.

#include "common.cuh"

// What a thread computes: images from `img` on, B_X apart, of one map, at one pixel.
struct Output {
    int img, filter;
    size_t pixel;  // from the first map's to this pixel, and to the first of the images
};

template <int B_Y, int B_X, int imgsPerThread>
__device__ __forceinline__ Output outputOfThread(const int imgPixels, const int numImages) {
    const int numImgBlocks = divUp(numImages, B_X * imgsPerThread);
    const int place = blockIdx.x / numImgBlocks;
    const int img = blockIdx.x % numImgBlocks * (B_X * imgsPerThread) + threadIdx.x;
    const int filter = place / imgPixels * B_Y + int(threadIdx.y);
    return {img, filter, size_t(place % imgPixels) * numImages + img};
}

template <int B_Y, int B_X, int imgsPerThread, bool checkCaseBounds, bool blocked>
__device__ void crossMapNormUndo(const float* outGrads, const float* denoms, const float* inputs,
                                 const float* factors, float* targets, const int numFilters, const int imgPixels,
                                 const int numImages, const int sizeF, const float power, const float scaleTargets,
                                 const float scaleOutput) {
    const Output out = outputOfThread<B_Y, B_X, imgsPerThread>(imgPixels, numImages);
    if (out.filter >= numFilters) {
        return;
    }
    const int first = blocked ? out.filter / sizeF * sizeF : out.filter - sizeF + sizeF / 2 + 1;
    const int start = max(0, first), end = min(numFilters, first + sizeF);
    const int map = imgPixels * numImages;

    float sums[imgsPerThread] = {};
    for (int f = start; f < end; f++) {
        #pragma unroll
        for (int i = 0; i < imgsPerThread; i++) {
            if (!checkCaseBounds || out.img + i * B_X < numImages) {
                sums[i] += factors[out.pixel + f * map + i * B_X];
            }
        }
    }
    #pragma unroll
    for (int i = 0; i < imgsPerThread; i++) {
        if (!checkCaseBounds || out.img + i * B_X < numImages) {
            const size_t at = out.pixel + out.filter * map + i * B_X;
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
    const Output out = outputOfThread<B_Y, B_X, imgsPerThread>(imgPixels, numImages);
    if (out.filter >= numFilters) {
        return;
    }
    const int group = out.filter / sizeF * sizeF;
    const int firstGrad = blocked ? group : out.filter - sizeF + sizeF / 2 + 1;
    const int firstSquare = blocked ? group : out.filter - sizeF / 2;
    const int map = imgPixels * numImages;

    float sums[imgsPerThread] = {};
    for (int f = max(0, firstGrad); f < min(numFilters, firstGrad + sizeF); f++) {
        #pragma unroll
        for (int i = 0; i < imgsPerThread; i++) {
            if (!checkCaseBounds || out.img + i * B_X < numImages) {
                const size_t at = out.pixel + f * map + i * B_X;
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
            if (!checkCaseBounds || out.img + i * B_X < numImages) {
                const float input = inputs[out.pixel + f * map + i * B_X];
                squares[i] = fmaf(input, input, squares[i]);
            }
        }
    }
    #pragma unroll
    for (int i = 0; i < imgsPerThread; i++) {
        if (!checkCaseBounds || out.img + i * B_X < numImages) {
            const size_t at = out.pixel + out.filter * map + i * B_X;
            const float denom = fmaf(scale, squares[i], minDiv);
            const float result = fmaf(-2 * power * scale * inputs[at], sums[i], outGrads[at] * powf(denom, -power));
            storeScaled(&targets[at], result, scaleTargets, scaleOutput);
        }
    }
}
