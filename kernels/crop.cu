// A part of each image: targets[c, y, x] = images[c, startY + y, startX + x].
//
// images   (channels, imgSizeY, imgSizeX, numImages)
// targets  (channels, tgtSizeY, tgtSizeX, numImages), a part that lies in the image
//
// Four target pixels for each block, of 32 * imgsPerThread images. threadIdx.x is the image, threadIdx.y the pixel;
// blockIdx.x counts, from the fastest: blocks of images, of pixels, channels. Images past the last are left out if
// checkCaseBounds.
//
// Answers to cuda-convnet:src/cudaconv2/conv_util.cu: kCrop.

#include "common.cuh"

template <int imgsPerThread, bool checkCaseBounds>
__device__ void crop(const float* images, float* targets, const int imgSizeY, const int imgSizeX,
                     const int tgtSizeY, const int tgtSizeX, const int numImages, const int startY,
                     const int startX) {
    const int tgtPixels = tgtSizeY * tgtSizeX;
    const int numImgBlocks = divUp(numImages, 32 * imgsPerThread);
    const int numPixelBlocks = divUp(tgtPixels, 4);
    int block = blockIdx.x;
    const int imgIdx = block % numImgBlocks * (32 * imgsPerThread) + threadIdx.x;
    block /= numImgBlocks;
    const int tgtPixel = block % numPixelBlocks * 4 + threadIdx.y;
    const int channel = block / numPixelBlocks;
    if (tgtPixel >= tgtPixels) {
        return;
    }
    const int pixel = (startY + tgtPixel / tgtSizeX) * imgSizeX + startX + tgtPixel % tgtSizeX;
    images += (channel * imgSizeY * imgSizeX + pixel) * numImages + imgIdx;
    targets += (channel * tgtPixels + tgtPixel) * numImages + imgIdx;
    #pragma unroll
    for (int i = 0; i < imgsPerThread; i++) {
        if (!checkCaseBounds || imgIdx + i * 32 < numImages) {
            targets[i * 32] = images[i * 32];
        }
    }
}
