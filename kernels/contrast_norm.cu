// The differences from the local mean that contrast normalisation takes its squares of; the rest of it is
// response_norm.cu's.
//
//   meanDiffs = images - (sum of images over the window) / (pixels of the window)
//
// Both (numFilters, imgSizeY, imgSizeX, numImages), and different arrays. The window of pixel p is
// [p - sizeX/2, p - sizeX/2 + sizeX) in each direction, clipped to the image. The sum starts at 0 and takes its
// pixels in raster order.
//
// A block has one pixel, of B_X * imgsPerThread images and B_Y maps; threadIdx.x is the image, threadIdx.y the
// map. blockIdx.x counts, from the fastest: blocks of images, columns and rows of pixels, blocks of maps.
//
// Answers to cuda-convnet:src/layer.cu, ContrastNormLayer::fpropActs: an average pooling (kLocalPool, kLocalPool2)
// and a subtraction.

#include "common.cuh"

template <int B_Y, int B_X, int imgsPerThread, bool checkCaseBounds>
__device__ void meanDifferences(const float* images, float* meanDiffs, const int numFilters, const int imgSizeY,
                                const int imgSizeX, const int numImages, const int sizeX) {
    const int numImgBlocks = divUp(numImages, B_X * imgsPerThread);
    const int place = blockIdx.x / numImgBlocks;
    const int img = blockIdx.x % numImgBlocks * (B_X * imgsPerThread) + threadIdx.x;
    const int pixelX = place % imgSizeX, pixelY = place / imgSizeX % imgSizeY;
    const int filter = place / (imgSizeX * imgSizeY) * B_Y + threadIdx.y;
    if (filter >= numFilters) {
        return;
    }
    const int startY = max(0, pixelY - sizeX / 2), endY = min(imgSizeY, pixelY - sizeX / 2 + sizeX);
    const int startX = max(0, pixelX - sizeX / 2), endX = min(imgSizeX, pixelX - sizeX / 2 + sizeX);
    const size_t map = size_t(filter) * imgSizeY * imgSizeX * numImages + img;
    images += map;
    meanDiffs += map;

    float sums[imgsPerThread] = {};
    for (int y = startY; y < endY; y++) {
        for (int x = startX; x < endX; x++) {
            #pragma unroll
            for (int i = 0; i < imgsPerThread; i++) {
                if (!checkCaseBounds || img + i * B_X < numImages) {
                    sums[i] += images[(y * imgSizeX + x) * numImages + i * B_X];
                }
            }
        }
    }
    const int pixels = (endY - startY) * (endX - startX);
    #pragma unroll
    for (int i = 0; i < imgsPerThread; i++) {
        if (!checkCaseBounds || img + i * B_X < numImages) {
            const int at = (pixelY * imgSizeX + pixelX) * numImages + i * B_X;
            meanDiffs[at] = images[at] - sums[i] / pixels;
        }
    }
}
