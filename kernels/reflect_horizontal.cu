// Left and right exchanged: targets[c, y, x] = images[c, y, imgSizeX - 1 - x].
//
// images and targets  (channels, imgSizeY, imgSizeX, numImages), two arrays
//
// Places of the grid (places.cuh) are pixels, four to a block. Images past the last are left out if checkCaseBounds.
//
// Answers to cuda-convnet2:cudaconv3/src/conv_util.cu: kReflectH.

#include "places.cuh"

template <int imgsPerThread, bool checkCaseBounds>
__device__ void reflectHorizontal(const float* images, float* targets, const int imgSizeY, const int imgSizeX,
                                  const int numImages) {
    const int imgPixels = imgSizeY * imgSizeX;
    const auto place = placeOfPixel<4, 32, imgsPerThread, checkCaseBounds>(imgPixels, numImages);
    if (place.x >= imgPixels) {
        return;
    }
    const int column = place.x % imgSizeX, mirror = place.x - column + imgSizeX - 1 - column;
    images += mapOf(place, imgPixels) + mirror * numImages;
    targets += entryOf(place, 1, imgPixels);
    #pragma unroll
    for (int i = 0; i < imgsPerThread; i++) {
        if (has(place, i)) {
            targets[i * 32] = images[i * 32];
        }
    }
}
