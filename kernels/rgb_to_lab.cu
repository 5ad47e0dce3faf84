// RGB between 0 and 1 to L*a*b*:
//
//   X = 0.49 R + 0.31 G + 0.2 B,   Y = 0.17697 R + 0.8124 G + 0.01063 B,   Z = 0.01 G + 0.99 B
//   f(t) = t ^ 0.3333 if t > 0.0088564517, else 7.787037 t + 0.13793103
//   L* = 116 f(Y) - 16, less 50 if `center`;   a* = 500 (f(X) - f(Y));   b* = 200 (f(Y) - f(Z))
//
// images and targets  (3, imgPixels, numImages), two arrays
//
// Places of the grid (places.cuh) are pixels, four to a block. Images past the last are left out if checkCaseBounds.
//
// In X and Y the green product is rounded; red, then blue are added to it by a fused multiply-add each. In Z the
// blue product is rounded, and green is added to it by one. The power is powf's, which every library rounds in its
// own way.
//
// Answers to cuda-convnet:src/cudaconv2/conv_util.cu: kRGBToLAB.

#include "places.cuh"

__device__ __forceinline__ float labFunction(const float x) {
    return x > 0.0088564517f ? powf(x, 0.3333f) : fmaf(7.787037f, x, 0.13793103f);
}

template <int imgsPerThread, bool checkCaseBounds, bool center>
__device__ void rgbToLAB(const float* images, float* targets, const int imgPixels, const int numImages) {
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
            const float x = labFunction(fmaf(0.2f, blue, fmaf(0.49f, red, 0.31f * green)));
            const float y = labFunction(fmaf(0.01063f, blue, fmaf(0.17697f, red, 0.8124f * green)));
            const float z = labFunction(fmaf(0.01f, green, 0.99f * blue));
            const float lightness = fmaf(116.0f, y, -16.0f);
            targets[i * 32] = center ? lightness - 50.0f : lightness;
            targets[plane + i * 32] = 500.0f * (x - y);
            targets[2 * plane + i * 32] = 200.0f * (y - z);
        }
    }
}
