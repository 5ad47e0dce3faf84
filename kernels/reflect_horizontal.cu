// Left and right exchanged: targets[c, y, x] = images[c, y, imgSizeX - 1 - x].
//
// images and targets  (channels, imgSizeY, imgSizeX, numImages), two arrays
//
// Four pixels for each block, of 32 * imgsPerThread images. threadIdx.x is the image, threadIdx.y the pixel;
// blockIdx.x counts, from the fastest: blocks of images, of pixels, channels. Images past the last are left out if
// checkCaseBounds.
//
// Answers to cuda-convnet2:cudaconv3/src/conv_util.cu: kReflectH.

#include "common.cuh"

template <int imgsPerThread, bool checkCaseBounds>
__device__ void reflectHorizontal(const float* images, float* targets, const int imgSizeY, const int imgSizeX,
                                  const int numImages) {
    const int imgPixels = imgSizeY * imgSizeX;
    const int numImgBlocks = divUp(numImages, 32 * imgsPerThread);
    const int numPixelBlocks = divUp(imgPixels, 4);
    int block = blockIdx.x;
    const int imgIdx = block % numImgBlocks * (32 * imgsPerThread) + threadIdx.x;
    block /= numImgBlocks;
    const int pixel = block % numPixelBlocks * 4 + threadIdx.y;
    const int channel = block / numPixelBlocks;
    if (pixel >= imgPixels) {
        return;
    }
    const int column = pixel % imgSizeX;
    images += (channel * imgPixels + pixel + imgSizeX - 1 - 2 * column) * numImages + imgIdx;
    targets += (channel * imgPixels + pixel) * numImages + imgIdx;
    #pragma unroll
    for (int i = 0; i < imgsPerThread; i++) {
        if (!checkCaseBounds || imgIdx + i * 32 < numImages) {
            targets[i * 32] = images[i * 32];
        }
    }
}
