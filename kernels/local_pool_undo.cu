// Gradients of pooling, to the pixels: each pixel adds what its regions give it, in raster order of the regions,
// from 0 on, one fused multiply-add each.
//
//   localMaxUndo   [pixel == maxActs] * maxGrads: every pixel that equals its region's value gets all of it
//   localAvgUndo   avgGrads * (1 / pixels of the region)
//
//   targets = scaleTargets * targets + scaleOutput * sum
//
// images, targets               (numFilters, imgSizeY, imgSizeX, numImages)
// maxGrads, maxActs, avgGrads   (numFilters, outputsY, outputsX, numImages)
//
// Region (oy, ox) covers subsX pixels from startX + o * strideX in each direction, clipped to the image.
//
// One pixel for each block, of B_X * imgsPerThread images and B_Y * filtersPerThread maps. threadIdx.x is the
// image, threadIdx.y the map. blockIdx.x counts, from the fastest: blocks of images, columns and rows of pixels,
// blocks of maps. Images past the last are left out if checkCaseBounds; maps, in any case, where
// filtersPerThread is 1.
//
// Answers to cuda-convnet:src/cudaconv2/conv_util.cu: kLocalMaxUndo, kLocalAvgUndo.

#include "common.cuh"

// The regions along one direction that see a pixel: from `first` up to `end`, none where these are equal.
struct Seers {
    int first, end;
};

__device__ __forceinline__ Seers seersOf(const int pixel, const int outputs, const int subsX, const int startX,
                                         const int strideX) {
    const int place = pixel - startX;
    if (place < 0) {
        return {0, 0};
    }
    return {place < subsX ? 0 : 1 + (place - subsX) / strideX, min(outputs, 1 + place / strideX)};
}

template <int B_Y, int B_X, int imgsPerThread, int filtersPerThread, bool checkCaseBounds>
__device__ void localMaxUndo(const float* images, const float* maxGrads, const float* maxActs, float* targets,
                             const int numFilters, const int imgSizeY, const int imgSizeX, const int numImages,
                             const int outputsY, const int outputsX, const int subsX, const int startX,
                             const int strideX, const float scaleTargets, const float scaleOutput) {
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
    const int outputs = outputsY * outputsX;
    const int pixel = (filterIdx * imgPixels + pixelY * imgSizeX + pixelX) * numImages + imgIdx;
    const int region = filterIdx * outputs * numImages + imgIdx;
    images += pixel;
    targets += pixel;
    maxGrads += region;
    maxActs += region;

    float image[filtersPerThread][imgsPerThread], sum[filtersPerThread][imgsPerThread];
    #pragma unroll
    for (int f = 0; f < filtersPerThread; f++) {
        #pragma unroll
        for (int i = 0; i < imgsPerThread; i++) {
            sum[f][i] = 0;
            if (!checkCaseBounds || imgIdx + i * B_X < numImages) {
                image[f][i] = images[f * imgPixels * numImages + i * B_X];
            }
        }
    }
    const Seers y = seersOf(pixelY, outputsY, subsX, startX, strideX);
    const Seers x = seersOf(pixelX, outputsX, subsX, startX, strideX);
    for (int my = y.first; my < y.end; my++) {
        for (int mx = x.first; mx < x.end; mx++) {
            #pragma unroll
            for (int f = 0; f < filtersPerThread; f++) {
                #pragma unroll
                for (int i = 0; i < imgsPerThread; i++) {
                    if (!checkCaseBounds || imgIdx + i * B_X < numImages) {
                        const int from = (f * outputs + my * outputsX + mx) * numImages + i * B_X;
                        const float hit = image[f][i] == maxActs[from] ? 1.0f : 0.0f;
                        sum[f][i] = fmaf(hit, maxGrads[from], sum[f][i]);
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
                storeScaled(&targets[f * imgPixels * numImages + i * B_X], sum[f][i], scaleTargets, scaleOutput);
            }
        }
    }
}

template <int B_Y, int B_X, int imgsPerThread, int filtersPerThread, bool checkCaseBounds>
__device__ void localAvgUndo(const float* avgGrads, float* targets, const int numFilters, const int imgSizeY,
                             const int imgSizeX, const int numImages, const int outputsY, const int outputsX,
                             const int subsX, const int startX, const int strideX, const float scaleTargets,
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
    const int outputs = outputsY * outputsX;
    avgGrads += filterIdx * outputs * numImages + imgIdx;
    targets += (filterIdx * imgPixels + pixelY * imgSizeX + pixelX) * numImages + imgIdx;

    float sum[filtersPerThread][imgsPerThread];
    #pragma unroll
    for (int f = 0; f < filtersPerThread; f++) {
        #pragma unroll
        for (int i = 0; i < imgsPerThread; i++) {
            sum[f][i] = 0;
        }
    }
    const Seers y = seersOf(pixelY, outputsY, subsX, startX, strideX);
    const Seers x = seersOf(pixelX, outputsX, subsX, startX, strideX);
    for (int my = y.first; my < y.end; my++) {
        const int fromY = startX + my * strideX;
        const int sizeY = min(imgSizeY, fromY + subsX) - max(0, fromY);
        for (int mx = x.first; mx < x.end; mx++) {
            const int fromX = startX + mx * strideX;
            const int sizeX = min(imgSizeX, fromX + subsX) - max(0, fromX);
            const float share = 1.0f / (sizeX * sizeY);  // divided once, not for every image
            #pragma unroll
            for (int f = 0; f < filtersPerThread; f++) {
                #pragma unroll
                for (int i = 0; i < imgsPerThread; i++) {
                    if (!checkCaseBounds || imgIdx + i * B_X < numImages) {
                        const int from = (f * outputs + my * outputsX + mx) * numImages + i * B_X;
                        sum[f][i] = fmaf(avgGrads[from], share, sum[f][i]);
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
                storeScaled(&targets[f * imgPixels * numImages + i * B_X], sum[f][i], scaleTargets, scaleOutput);
            }
        }
    }
}
