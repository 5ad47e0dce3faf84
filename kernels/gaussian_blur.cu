// Blurring along one direction by a symmetric filter of 2 * radius + 1 taps; pixels outside the image are 0.
//
//   targets = scaleTargets * targets + scaleOutput * (images convolved with the filter)
//
// images, targets  (numLines, ..., numImages): pixel p of line l is lines / linesPerPlane planes of planeStride
//                  pixels, lines % linesPerPlane lines of lineStride pixels, and p * pixelStride pixels further.
//                  So lines are rows or columns. targets may be images.
// filter           (2 * radius + 1); the last tap is never read, the first stands for it
//
// A thread walks along one line of one image and holds the 2 * radius sums that its next pixels still add to: each
// sum takes its pixels in ascending order, by a fused multiply-add, from 0 on (the first pixel that a line's later
// sums see starts them with a rounded product). A block is B_X images by B_Y lines: threadIdx.x is the image,
// threadIdx.y the line; blockIdx.x counts, from the faster: blocks of images, of lines.
//
// Answers to cuda-convnet:src/cudaconv2/conv_util.cu: kGaussianBlur.

#include "common.cuh"

template <int B_Y, int B_X, int radius>
__device__ void gaussianBlur(const float* images, const float* filter, float* targets, const int numLines,
                             const int length, const int linesPerPlane, const int planeStride, const int lineStride,
                             const int pixelStride, const int numImages, const float scaleTargets,
                             const float scaleOutput) {
    const int TAPS = 2 * radius;  // that are read
    __shared__ float shFilter[TAPS];
    if (threadIdx.y == 0 && threadIdx.x < TAPS) {
        shFilter[threadIdx.x] = filter[threadIdx.x];
    }
    __syncthreads();

    const int numImgBlocks = divUp(numImages, B_X);
    const int imgIdx = blockIdx.x % numImgBlocks * B_X + threadIdx.x;
    const int line = blockIdx.x / numImgBlocks * B_Y + threadIdx.y;
    if (imgIdx >= numImages || line >= numLines) {
        return;
    }
    const int pixel = line / linesPerPlane * planeStride + line % linesPerPlane * lineStride;
    images += pixel * numImages + imgIdx;
    targets += pixel * numImages + imgIdx;
    const int step = pixelStride * numImages;

    float sums[TAPS];
    #pragma unroll
    for (int r = 0; r < TAPS; r++) {
        sums[r] = 0;
    }
    #pragma unroll
    for (int p = 0; p < radius; p++) {
        #pragma unroll
        for (int r = 0; r <= radius + p; r++) {
            sums[r] = fmaf(*images, shFilter[radius + p - r], sums[r]);
        }
        images += step;
    }
    for (int p = radius; p < length; p++) {
        const float value = *images;
        storeScaled(targets, fmaf(value, shFilter[0], sums[0]), scaleTargets, scaleOutput);
        #pragma unroll
        for (int r = 1; r < TAPS; r++) {
            sums[r - 1] = fmaf(value, shFilter[r], sums[r]);
        }
        sums[TAPS - 1] = value * shFilter[0];
        images += step;
        targets += step;
    }
    #pragma unroll
    for (int r = 0; r < radius; r++) {
        storeScaled(targets, sums[r], scaleTargets, scaleOutput);
        targets += step;
    }
}
