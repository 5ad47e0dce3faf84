// RGB to YUV:
//
//   Y =  0.2126  R + 0.7152  G + 0.0722  B
//   U = -0.09991 R - 0.33609 G + 0.436   B
//   V =  0.615   R - 0.55861 G - 0.05639 B
//
// images and targets  (3, imgPixels, numImages), two arrays
//
// Places of the grid (places.cuh) are pixels, four to a block. Images past the last are left out if checkCaseBounds.
//
// The green product is rounded; red, then blue are added to it by a fused multiply-add each.
//
// Answers to cuda-convnet:src/cudaconv2/conv_util.cu: kRGBToYUV.

#include "places.cuh"

template <int imgsPerThread, bool checkCaseBounds>
__device__ void rgbToYUV(const float* images, float* targets, const int imgPixels, const int numImages) {
    const auto place = placeOfPixel<4, 32, imgsPerThread, checkCaseBounds>(imgPixels, numImages);
    if (place.x >= imgPixels) {
        return;
    }
    const int plane = imgPixels * numImages;
    images += entryOf(place, 1, imgPixels);
    targets += entryOf(place, 1, imgPixels);
    #pragma unroll
    for (int i = 0; i < imgsPerThread; i++) {
        if (has(place, i)) {
            const float red = images[i * 32], green = images[plane + i * 32], blue = images[2 * plane + i * 32];
            targets[i * 32] = fmaf(0.0722f, blue, fmaf(0.2126f, red, 0.7152f * green));
            targets[plane + i * 32] = fmaf(0.436f, blue, fmaf(-0.09991f, red, -0.33609f * green));
            targets[2 * plane + i * 32] = fmaf(-0.05639f, blue, fmaf(0.615f, red, -0.55861f * green));
        }
    }
}
