// Topographic independent component analysis: its factor, and its gradient.
//
//   tica       result = 1 / (0.001 + sqrt(sum of images^2 over the window))
//   ticaGrad   result = -images * S, S the sum of ticas over the window; if scaleTargets is not 0, the original
//              takes the root of S, and so does this
//
//   targets = scaleTargets * targets + scaleOutput * result
//
// images, ticas, targets  (numFilters, imgSizeY, imgSizeX, numImages)
//
// The window of a pixel is sizeX pixels from sizeX / 2 before it on, in each direction, clipped to the image. It is
// summed in raster order, from 0 on; squares by a fused multiply-add each.
//
// Places of the grid (places.cuh) are pixels, one for each block, of B_Y * filtersPerThread maps. Images past the last
// are left out if checkCaseBounds; maps, in any case, where filtersPerThread is 1.
//
// Answers to cuda-convnet:src/cudaconv2/conv_util.cu: kTICA_manyfilter, kTICAGrad_manyfilter.

#include "windows.cuh"

template <int B_Y, int B_X, int imgsPerThread, int filtersPerThread, bool checkCaseBounds>
__device__ void tica(const float* images, float* targets, const int numFilters, const int imgSizeY,
                     const int imgSizeX, const int numImages, const int sizeX, const float scaleTargets,
                     const float scaleOutput) {
    const auto place = placeOfMap<B_Y, B_X, imgsPerThread, filtersPerThread, checkCaseBounds>(imgSizeY, imgSizeX,
                                                                                              numImages);
    if (place.map >= numFilters) {
        return;
    }
    const Span rows = around(place.y, sizeX, imgSizeY), columns = around(place.x, sizeX, imgSizeX);
    float sums[filtersPerThread][imgsPerThread] = {};
    combineWindow(SumOfSquares(), images, place, rows, columns, imgSizeY, imgSizeX, sums);

    const int map = imgSizeY * imgSizeX * numImages;
    targets += entryOf(place, imgSizeY, imgSizeX);
    #pragma unroll
    for (int f = 0; f < filtersPerThread; f++) {
        #pragma unroll
        for (int i = 0; i < imgsPerThread; i++) {
            if (has(place, i)) {
                const float length = float(0.001 + double(sqrtf(sums[f][i])));  // 0.001 is a double in the original
                storeScaled(&targets[f * map + i * B_X], 1.0f / length, scaleTargets, scaleOutput);
            }
        }
    }
}

template <int B_Y, int B_X, int imgsPerThread, int filtersPerThread, bool checkCaseBounds>
__device__ void ticaGrad(const float* images, const float* ticas, float* targets, const int numFilters,
                         const int imgSizeY, const int imgSizeX, const int numImages, const int sizeX,
                         const float scaleTargets, const float scaleOutput) {
    const auto place = placeOfMap<B_Y, B_X, imgsPerThread, filtersPerThread, checkCaseBounds>(imgSizeY, imgSizeX,
                                                                                              numImages);
    if (place.map >= numFilters) {
        return;
    }
    const Span rows = around(place.y, sizeX, imgSizeY), columns = around(place.x, sizeX, imgSizeX);
    float sums[filtersPerThread][imgsPerThread] = {};
    combineWindow(Sum(), ticas, place, rows, columns, imgSizeY, imgSizeX, sums);

    const int map = imgSizeY * imgSizeX * numImages;
    images += entryOf(place, imgSizeY, imgSizeX);
    targets += entryOf(place, imgSizeY, imgSizeX);
    #pragma unroll
    for (int f = 0; f < filtersPerThread; f++) {
        #pragma unroll
        for (int i = 0; i < imgsPerThread; i++) {
            if (has(place, i)) {
                const int at = f * map + i * B_X;
                const float factor = scaleTargets == 0 ? sums[f][i] : sqrtf(sums[f][i]);
                const float result = scaleOutput * -images[at] * factor;
                targets[at] = scaleTargets == 0 ? result : fmaf(scaleTargets, targets[at], result);
            }
        }
    }
}
