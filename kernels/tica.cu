// Topographic independent component analysis: its factor, and its gradient.
//
//   tica       result = 1 / (0.001 + sqrt(sum of images^2 over the window))
//   ticaGrad   result = -images * S, S the sum of ticas over the window; if scaleTargets is not 0, the original
//              takes the root of S, and so does this
//
//   targets = scaleTargets * targets + scaleOutput * result
//
// images, ticas, targets  (numFilters, imgSizeY, imgSizeX, numImages)
//
// The window of a pixel is sizeX pixels from sizeX / 2 before it on, in each direction, clipped to the image. It is
// summed in raster order, from 0 on; squares by a fused multiply-add each.
//
// One pixel for each block, of B_X * imgsPerThread images and B_Y * filtersPerThread maps. threadIdx.x is the image,
// threadIdx.y the map. blockIdx.x counts, from the fastest: blocks of images, columns and rows of pixels, blocks of
// maps. Images past the last are left out if checkCaseBounds; maps, in any case, where filtersPerThread is 1.
//
// Answers to cuda-convnet:src/cudaconv2/conv_util.cu: kTICA_manyfilter, kTICAGrad_manyfilter.

#include "common.cuh"

template <int B_Y, int B_X, int imgsPerThread, int filtersPerThread, bool checkCaseBounds>
__device__ void tica(const float* images, float* targets, const int numFilters, const int imgSizeY,
                     const int imgSizeX, const int numImages, const int sizeX, const float scaleTargets,
                     const float scaleOutput) {
    const int numImgBlocks = divUp(numImages, B_X * imgsPerThread);
    int block = blockIdx.x;
    const int imgIdx = block % numImgBlocks * (B_X * imgsPerThread) + threadIdx.x;
    block /= numImgBlocks;
    const int pixelX = block % imgSizeX;
    block /= imgSizeX;
    const int pixelY = block % imgSizeY;
    block /= imgSizeY;
    const int filterIdx = (block * B_Y + threadIdx.y) * filtersPerThread;
    if (filterIdx >= numFilters) {
        return;
    }

    const int imgPixels = imgSizeY * imgSizeX;
    const int startY = max(0, pixelY - sizeX / 2), endY = min(imgSizeY, pixelY - sizeX / 2 + sizeX);
    const int startX = max(0, pixelX - sizeX / 2), endX = min(imgSizeX, pixelX - sizeX / 2 + sizeX);
    images += filterIdx * imgPixels * numImages + imgIdx;
    targets += (filterIdx * imgPixels + pixelY * imgSizeX + pixelX) * numImages + imgIdx;

    float sum[filtersPerThread][imgsPerThread];
    #pragma unroll
    for (int f = 0; f < filtersPerThread; f++) {
        #pragma unroll
        for (int i = 0; i < imgsPerThread; i++) {
            sum[f][i] = 0;
        }
    }
    for (int y = startY; y < endY; y++) {
        for (int x = startX; x < endX; x++) {
            #pragma unroll
            for (int f = 0; f < filtersPerThread; f++) {
                #pragma unroll
                for (int i = 0; i < imgsPerThread; i++) {
                    if (!checkCaseBounds || imgIdx + i * B_X < numImages) {
                        const float value = images[(f * imgPixels + y * imgSizeX + x) * numImages + i * B_X];
                        sum[f][i] = fmaf(value, value, sum[f][i]);
                    }
                }
            }
        }
    }
    #pragma unroll
    for (int f = 0; f < filtersPerThread; f++) {
        #pragma unroll
        for (int i = 0; i < imgsPerThread; i++) {
            if (!checkCaseBounds || imgIdx + i * B_X < numImages) {
                const float length = float(0.001 + double(sqrtf(sum[f][i])));  // 0.001 is a double in the original
                storeScaled(&targets[f * imgPixels * numImages + i * B_X], 1.0f / length, scaleTargets, scaleOutput);
            }
        }
    }
}

template <int B_Y, int B_X, int imgsPerThread, int filtersPerThread, bool checkCaseBounds>
__device__ void ticaGrad(const float* images, const float* ticas, float* targets, const int numFilters,
                         const int imgSizeY, const int imgSizeX, const int numImages, const int sizeX,
                         const float scaleTargets, const float scaleOutput) {
    const int numImgBlocks = divUp(numImages, B_X * imgsPerThread);
    int block = blockIdx.x;
    const int imgIdx = block % numImgBlocks * (B_X * imgsPerThread) + threadIdx.x;
    block /= numImgBlocks;
    const int pixelX = block % imgSizeX;
    block /= imgSizeX;
    const int pixelY = block % imgSizeY;
    block /= imgSizeY;
    const int filterIdx = (block * B_Y + threadIdx.y) * filtersPerThread;
    if (filterIdx >= numFilters) {
        return;
    }

    const int imgPixels = imgSizeY * imgSizeX;
    const int startY = max(0, pixelY - sizeX / 2), endY = min(imgSizeY, pixelY - sizeX / 2 + sizeX);
    const int startX = max(0, pixelX - sizeX / 2), endX = min(imgSizeX, pixelX - sizeX / 2 + sizeX);
    const int pixel = (filterIdx * imgPixels + pixelY * imgSizeX + pixelX) * numImages + imgIdx;
    images += pixel;
    targets += pixel;
    ticas += filterIdx * imgPixels * numImages + imgIdx;

    float sum[filtersPerThread][imgsPerThread];
    #pragma unroll
    for (int f = 0; f < filtersPerThread; f++) {
        #pragma unroll
        for (int i = 0; i < imgsPerThread; i++) {
            sum[f][i] = 0;
        }
    }
    for (int y = startY; y < endY; y++) {
        for (int x = startX; x < endX; x++) {
            #pragma unroll
            for (int f = 0; f < filtersPerThread; f++) {
                #pragma unroll
                for (int i = 0; i < imgsPerThread; i++) {
                    if (!checkCaseBounds || imgIdx + i * B_X < numImages) {
                        sum[f][i] += ticas[(f * imgPixels + y * imgSizeX + x) * numImages + i * B_X];
                    }
                }
            }
        }
    }
    #pragma unroll
    for (int f = 0; f < filtersPerThread; f++) {
        #pragma unroll
        for (int i = 0; i < imgsPerThread; i++) {
            if (!checkCaseBounds || imgIdx + i * B_X < numImages) {
                const int at = f * imgPixels * numImages + i * B_X;
                const float factor = scaleTargets == 0 ? sum[f][i] : sqrtf(sum[f][i]);
                const float result = scaleOutput * -images[at] * factor;
                targets[at] = scaleTargets == 0 ? result : fmaf(scaleTargets, targets[at], result);
            }
        }
    }
}
