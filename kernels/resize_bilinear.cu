// Bilinear resizing about the centre.
//
// Target pixel t of a direction lies at p = t * scale + centre, clamped to [0, size - 1.01]; centre is
// size / 2 - tgtSize / 2 * scale. Of the four pixels around (py, px) the upper two are interpolated, then the
// lower two, then the two results: v + u * (w - v), each difference rounded, each product fused into its sum.
//
// images   (channels, imgSizeY, imgSizeX, numImages), at least 2 pixels in each direction
// targets  (channels, tgtSizeY, tgtSizeX, numImages)
//
// Places of the grid (places.cuh) are target pixels, a tile of 4 x 4 to a block. Images past the last are left out if
// checkCaseBounds.
//
// Answers to cuda-convnet:src/cudaconv2/conv_util.cu: kResizeBilinear.

#include "places.cuh"

__device__ __forceinline__ float sourceOf(const int pixel, const int imgSize, const float scale,
                                          const float centre) {
    const float source = fmaf(float(pixel), scale, centre), last = imgSize - 1.01f;
    return source < 0.0f ? 0.0f : source < last ? source : last;
}

template <int imgsPerThread, bool checkCaseBounds>
__device__ void resizeBilinear(const float* images, float* targets, const int imgSizeY, const int imgSizeX,
                               const int tgtSizeY, const int tgtSizeX, const int numImages, const float scale,
                               const float centreY, const float centreX) {
    const auto place = placeInTile<32, imgsPerThread, 1, checkCaseBounds>(tgtSizeY, tgtSizeX, numImages);
    if (place.y >= tgtSizeY || place.x >= tgtSizeX) {
        return;
    }

    const float y = sourceOf(place.y, imgSizeY, scale, centreY);
    const float x = sourceOf(place.x, imgSizeX, scale, centreX);
    const float left = floorf(x + 1.0f) - x, below = y - floorf(y);
    const int pixel = int(floorf(y)) * imgSizeX + int(floorf(x));
    images += mapOf(place, imgSizeY * imgSizeX) + pixel * numImages;
    targets += entryOf(place, tgtSizeY, tgtSizeX);
    #pragma unroll
    for (int i = 0; i < imgsPerThread; i++) {
        if (has(place, i)) {
            const float topLeft = images[i * 32], topRight = images[numImages + i * 32];
            const float lowLeft = images[imgSizeX * numImages + i * 32];
            const float lowRight = images[(imgSizeX + 1) * numImages + i * 32];
            const float top = fmaf(left, topLeft - topRight, topRight);
            const float low = fmaf(left, lowLeft - lowRight, lowRight);
            targets[i * 32] = fmaf(below, low - top, top);
        }
    }
}
