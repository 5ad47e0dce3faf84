// Bilinear resizing about the centre.
//
// Target pixel t of a direction lies at p = t * scale + centre, clamped to [0, size - 1.01]; centre is
// size / 2 - tgtSize / 2 * scale. Of the four pixels around (py, px) the upper two are interpolated, then the
// lower two, then the two results: v + u * (w - v), each difference rounded, each product fused into its sum.
//
// images   (channels, imgSizeY, imgSizeX, numImages), at least 2 pixels in each direction
// targets  (channels, tgtSizeY, tgtSizeX, numImages)
//
// A tile of 4 x 4 target pixels for each block, of 32 * imgsPerThread images. threadIdx.x is the image, threadIdx.y
// the pixel; blockIdx.x counts, from the fastest: blocks of images, columns and rows of tiles, channels. Images
// past the last are left out if checkCaseBounds.
//
// Answers to cuda-convnet:src/cudaconv2/conv_util.cu: kResizeBilinear.

#include "common.cuh"

__device__ __forceinline__ float sourceOf(const int pixel, const int imgSize, const float scale,
                                          const float centre) {
    return fmaxf(0.0f, fminf(imgSize - 1.01f, fmaf(float(pixel), scale, centre)));
}

template <int imgsPerThread, bool checkCaseBounds>
__device__ void resizeBilinear(const float* images, float* targets, const int imgSizeY, const int imgSizeX,
                               const int tgtSizeY, const int tgtSizeX, const int numImages, const float scale,
                               const float centreY, const float centreX) {
    const int numImgBlocks = divUp(numImages, 32 * imgsPerThread);
    int block = blockIdx.x;
    const int imgIdx = block % numImgBlocks * (32 * imgsPerThread) + threadIdx.x;
    block /= numImgBlocks;
    const int tgtX = block % divUp(tgtSizeX, 4) * 4 + threadIdx.y % 4;
    block /= divUp(tgtSizeX, 4);
    const int tgtY = block % divUp(tgtSizeY, 4) * 4 + threadIdx.y / 4;
    const int channel = block / divUp(tgtSizeY, 4);
    if (tgtY >= tgtSizeY || tgtX >= tgtSizeX) {
        return;
    }

    const float y = sourceOf(tgtY, imgSizeY, scale, centreY), x = sourceOf(tgtX, imgSizeX, scale, centreX);
    const float left = floorf(x + 1.0f) - x, below = y - floorf(y);
    const int pixel = int(floorf(y)) * imgSizeX + int(floorf(x));
    images += (channel * imgSizeY * imgSizeX + pixel) * numImages + imgIdx;
    targets += (channel * tgtSizeY * tgtSizeX + tgtY * tgtSizeX + tgtX) * numImages + imgIdx;
    #pragma unroll
    for (int i = 0; i < imgsPerThread; i++) {
        if (!checkCaseBounds || imgIdx + i * 32 < numImages) {
            const float topLeft = images[i * 32], topRight = images[numImages + i * 32];
            const float lowLeft = images[imgSizeX * numImages + i * 32];
            const float lowRight = images[(imgSizeX + 1) * numImages + i * 32];
            const float top = fmaf(left, topLeft - topRight, topRight);
            const float low = fmaf(left, lowLeft - lowRight, lowRight);
            targets[i * 32] = fmaf(below, low - top, top);
        }
    }
}
