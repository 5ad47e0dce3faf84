// Response normalisation within a map, and its gradient.
//
//   denoms  = 1 + scale * (sum of diffs**2 over the window)
//   targets = images * denoms**-power
//   undo:  targets = scaleTargets * targets
//                  + scaleOutput * (inputs * (sum of factors over the mirrored window) + outGrads * denoms**-power)
//
// where diffs are the images themselves, or for contrast normalisation their differences from the local mean,
// inputs are those diffs, and factors come from norm_factors.cu. All arrays (numFilters, imgSizeY, imgSizeX,
// numImages). The window of pixel p is [p - sizeX/2, p - sizeX/2 + sizeX) in each direction, its mirror image
// [p - sizeX + sizeX/2 + 1, p + sizeX/2 + 1), both clipped to the image.
//
// Each sum starts at 0 and takes the pixels of its window in raster order, squares by fmaf, whichever kernel runs.
//
// Places of the grid (places.cuh) are pixels: one for each block, of B_Y * filtersPerThread maps, of which the last
// may hang over where filtersPerThread is 1; or for large windows tiles of them (Tiles), of filtersPerThread maps, of
// which numFilters is a multiple. Images past the last are left out if checkCaseBounds.
//
// Answers to cuda-convnet:src/cudaconv2/conv_util.cu: kCNorm_fewfilter, kCNorm_manyfilter, kCNorm2, kRNormUndo,
// kRNormUndo2.

#include "windows.cuh"

// The window that the gradient sums, along one direction, begins so many pixels before its own.
__device__ __forceinline__ int mirroredBefore(const int sizeX) { return sizeX - sizeX / 2 - 1; }

template <int maps, int B_X, int imgsPerThread, bool checkImages>
__device__ __forceinline__ void storeNormalised(const float* images, float* denoms, float* targets,
                                                const Place<B_X, imgsPerThread, checkImages>& place,
                                                const float (&sums)[maps][imgsPerThread], const int imgSizeY,
                                                const int imgSizeX, const float scale, const float power) {
    const int map = imgSizeY * imgSizeX * place.numImages;
    const size_t entry = entryOf(place, imgSizeY, imgSizeX);
    images += entry;
    denoms += entry;
    targets += entry;
    #pragma unroll
    for (int f = 0; f < maps; f++) {
        #pragma unroll
        for (int i = 0; i < imgsPerThread; i++) {
            if (has(place, i)) {
                const int at = f * map + i * B_X;
                const float denom = fmaf(scale, sums[f][i], 1.0f);
                denoms[at] = denom;
                targets[at] = images[at] * powf(denom, -power);
            }
        }
    }
}

template <int maps, int B_X, int imgsPerThread, bool checkImages>
__device__ __forceinline__ void storeGradient(const float* outGrads, const float* denoms, const float* inputs,
                                              float* targets, const Place<B_X, imgsPerThread, checkImages>& place,
                                              const float (&sums)[maps][imgsPerThread], const int imgSizeY,
                                              const int imgSizeX, const float power, const float scaleTargets,
                                              const float scaleOutput) {
    const int map = imgSizeY * imgSizeX * place.numImages;
    const size_t entry = entryOf(place, imgSizeY, imgSizeX);
    outGrads += entry;
    denoms += entry;
    inputs += entry;
    targets += entry;
    #pragma unroll
    for (int f = 0; f < maps; f++) {
        #pragma unroll
        for (int i = 0; i < imgsPerThread; i++) {
            if (has(place, i)) {
                const int at = f * map + i * B_X;
                const float gradient = fmaf(inputs[at], sums[f][i], outGrads[at] * powf(denoms[at], -power));
                storeScaled(&targets[at], gradient, scaleTargets, scaleOutput);
            }
        }
    }
}

template <int B_Y, int B_X, int imgsPerThread, int filtersPerThread, bool checkCaseBounds>
__device__ void responseNorm(const float* images, const float* diffs, float* denoms, float* targets,
                             const int numFilters, const int imgSizeY, const int imgSizeX, const int numImages,
                             const int sizeX, const float scale, const float power) {
    const auto place = placeOfMap<B_Y, B_X, imgsPerThread, filtersPerThread, checkCaseBounds>(imgSizeY, imgSizeX,
                                                                                              numImages);
    if (place.map >= numFilters) {
        return;
    }
    const Span rows = around(place.y, sizeX, imgSizeY), columns = around(place.x, sizeX, imgSizeX);
    float sums[filtersPerThread][imgsPerThread] = {};
    combineWindow(SumOfSquares(), diffs, place, rows, columns, imgSizeY, imgSizeX, sums);
    storeNormalised(images, denoms, targets, place, sums, imgSizeY, imgSizeX, scale, power);
}

template <int B_X, int imgsPerThread, int filtersPerThread, bool checkCaseBounds>
__device__ void responseNormTiles(const float* images, const float* diffs, float* denoms, float* targets,
                                  const int numFilters, const int imgSizeY, const int imgSizeX, const int numImages,
                                  const int sizeX, const float scale, const float power) {
    const auto place =
        placeInTile<B_X, imgsPerThread, filtersPerThread, checkCaseBounds>(imgSizeY, imgSizeX, numImages);
    const int firstY = place.y - sizeX / 2, firstX = place.x - sizeX / 2;
    float sums[filtersPerThread][imgsPerThread] = {};
    combineTile(SumOfSquares(), diffs, place, firstY, firstX, sizeX, imgSizeY, imgSizeX, sums);
    if (place.y < imgSizeY && place.x < imgSizeX) {
        storeNormalised(images, denoms, targets, place, sums, imgSizeY, imgSizeX, scale, power);
    }
}

template <int B_Y, int B_X, int imgsPerThread, int filtersPerThread, bool checkCaseBounds>
__device__ void responseNormUndo(const float* outGrads, const float* denoms, const float* inputs,
                                 const float* factors, float* targets, const int numFilters, const int imgSizeY,
                                 const int imgSizeX, const int numImages, const int sizeX, const float power,
                                 const float scaleTargets, const float scaleOutput) {
    const auto place = placeOfMap<B_Y, B_X, imgsPerThread, filtersPerThread, checkCaseBounds>(imgSizeY, imgSizeX,
                                                                                              numImages);
    if (place.map >= numFilters) {
        return;
    }
    const Span rows = inImage(place.y - mirroredBefore(sizeX), sizeX, imgSizeY);
    const Span columns = inImage(place.x - mirroredBefore(sizeX), sizeX, imgSizeX);
    float sums[filtersPerThread][imgsPerThread] = {};
    combineWindow(Sum(), factors, place, rows, columns, imgSizeY, imgSizeX, sums);
    storeGradient(outGrads, denoms, inputs, targets, place, sums, imgSizeY, imgSizeX, power, scaleTargets,
                  scaleOutput);
}

template <int B_X, int imgsPerThread, int filtersPerThread, bool checkCaseBounds>
__device__ void responseNormUndoTiles(const float* outGrads, const float* denoms, const float* inputs,
                                      const float* factors, float* targets, const int numFilters,
                                      const int imgSizeY, const int imgSizeX, const int numImages, const int sizeX,
                                      const float power, const float scaleTargets, const float scaleOutput) {
    const auto place =
        placeInTile<B_X, imgsPerThread, filtersPerThread, checkCaseBounds>(imgSizeY, imgSizeX, numImages);
    const int firstY = place.y - mirroredBefore(sizeX), firstX = place.x - mirroredBefore(sizeX);
    float sums[filtersPerThread][imgsPerThread] = {};
    combineTile(Sum(), factors, place, firstY, firstX, sizeX, imgSizeY, imgSizeX, sums);
    if (place.y < imgSizeY && place.x < imgSizeX) {
        storeGradient(outGrads, denoms, inputs, targets, place, sums, imgSizeY, imgSizeX, power, scaleTargets,
                      scaleOutput);
    }
}
