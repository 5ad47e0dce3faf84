// The differences from the local mean that contrast normalisation takes its squares of; the rest of it is
// response_norm.cu's.
//
//   meanDiffs = images - (sum of images over the window) / (pixels of the window)
//
// Both (numFilters, imgSizeY, imgSizeX, numImages), and different arrays. The window of pixel p is
// [p - sizeX/2, p - sizeX/2 + sizeX) in each direction, clipped to the image. The sum starts at 0 and takes its
// pixels in raster order.
//
// Places of the grid (places.cuh) are pixels, one for each block, of B_Y maps. Images past the last are left out if
// checkCaseBounds.
//
// Answers to cuda-convnet:src/layer.cu, ContrastNormLayer::fpropActs: an average pooling (kLocalPool, kLocalPool2)
// and a subtraction.

#include "windows.cuh"

template <int B_Y, int B_X, int imgsPerThread, bool checkCaseBounds>
__device__ void meanDifferences(const float* images, float* meanDiffs, const int numFilters, const int imgSizeY,
                                const int imgSizeX, const int numImages, const int sizeX) {
    const auto place = placeOfMap<B_Y, B_X, imgsPerThread, 1, checkCaseBounds>(imgSizeY, imgSizeX, numImages);
    if (place.map >= numFilters) {
        return;
    }
    const Span rows = around(place.y, sizeX, imgSizeY), columns = around(place.x, sizeX, imgSizeX);
    float sums[1][imgsPerThread] = {};
    combineWindow(Sum(), images, place, rows, columns, imgSizeY, imgSizeX, sums);

    const int pixels = lengthOf(rows) * lengthOf(columns);
    const size_t entry = entryOf(place, imgSizeY, imgSizeX);
    #pragma unroll
    for (int i = 0; i < imgsPerThread; i++) {
        if (has(place, i)) {
            meanDiffs[entry + i * B_X] = images[entry + i * B_X] - sums[0][i] / pixels;
        }
    }
}
