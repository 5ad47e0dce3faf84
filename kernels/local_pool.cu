// Pooling: one number for each square region of each map.
//
//   MaxPooler      the largest value, of equal ones (+0 and -0) the first; -2e38 if no pixel is larger, NaN is
//                  passed over
//   MaxAbsPooler   the value of largest magnitude, with its sign; of equal ones the last
//   AvgPooler      the sum, divided by the number of pixels
//
// images   (numFilters, imgSizeY, imgSizeX, numImages)
// targets  (numFilters, outputsY, outputsX, numImages)
//
// Region (oy, ox) covers subsX pixels from startX + o * strideX in each direction, clipped to the image; each has
// a pixel at least. Its pixels are combined one after the other in raster order, whichever kernel runs.
//
// Places of the grid (places.cuh) are regions. Images past the last are left out if checkCaseBounds.
//
// Answers to cuda-convnet:include/cudaconv2/conv_util.cuh: kLocalPool, kLocalPool2 and their poolers.

#include "windows.cuh"

struct MaxPooler {
    __device__ __forceinline__ float first() { return -2e38f; }
    // Not fmaxf, which may return either of two zeros.
    __device__ __forceinline__ float combine(const float a, const float b) { return b > a ? b : a; }
    __device__ __forceinline__ float output(const float a, const int) { return a; }
};

struct MaxAbsPooler {
    __device__ __forceinline__ float first() { return 0.0f; }
    __device__ __forceinline__ float combine(const float a, const float b) {
        return fabsf(a) > fabsf(b) ? a : b;
    }
    __device__ __forceinline__ float output(const float a, const int) { return a; }
};

struct AvgPooler {
    __device__ __forceinline__ float first() { return 0.0f; }
    __device__ __forceinline__ float combine(const float a, const float b) { return a + b; }
    __device__ __forceinline__ float output(const float a, const int pixels) { return a / pixels; }
};

template <class Pooler, int maps, int imgsPerThread>
__device__ __forceinline__ void startPooling(Pooler pooler, float (&pooled)[maps][imgsPerThread]) {
    #pragma unroll
    for (int f = 0; f < maps; f++) {
        #pragma unroll
        for (int i = 0; i < imgsPerThread; i++) {
            pooled[f][i] = pooler.first();
        }
    }
}

template <class Pooler, int maps, int B_X, int imgsPerThread, bool checkImages>
__device__ __forceinline__ void storePooled(Pooler pooler, float* targets,
                                            const Place<B_X, imgsPerThread, checkImages>& place, const int outputsY,
                                            const int outputsX, const int pixels,
                                            const float (&pooled)[maps][imgsPerThread]) {
    const int map = outputsY * outputsX * place.numImages;
    targets += entryOf(place, outputsY, outputsX);
    #pragma unroll
    for (int f = 0; f < maps; f++) {
        #pragma unroll
        for (int i = 0; i < imgsPerThread; i++) {
            if (has(place, i)) {
                targets[f * map + i * B_X] = pooler.output(pooled[f][i], pixels);
            }
        }
    }
}

// One region for each block, of B_Y * filtersPerThread maps; the last may hang over where filtersPerThread is 1.
template <class Pooler, int B_Y, int B_X, int imgsPerThread, int filtersPerThread, bool checkCaseBounds>
__device__ void localPool(const float* images, float* targets, const int numFilters, const int imgSizeY,
                          const int imgSizeX, const int numImages, const int outputsY, const int outputsX,
                          const int subsX, const int startX, const int strideX) {
    const auto place = placeOfMap<B_Y, B_X, imgsPerThread, filtersPerThread, checkCaseBounds>(outputsY, outputsX,
                                                                                              numImages);
    if (place.map >= numFilters) {
        return;
    }
    const Span rows = inImage(startX + place.y * strideX, subsX, imgSizeY);
    const Span columns = inImage(startX + place.x * strideX, subsX, imgSizeX);

    Pooler pooler;
    float pooled[filtersPerThread][imgsPerThread];
    startPooling(pooler, pooled);
    combineWindow(pooler, images, place, rows, columns, imgSizeY, imgSizeX, pooled);
    storePooled(pooler, targets, place, outputsY, outputsX, lengthOf(rows) * lengthOf(columns), pooled);
}

// Regions at every pixel (stride 1) that are large: a block pools a tile of them, of filtersPerThread maps, and reads
// each pixel of their union once. numFilters is a multiple of filtersPerThread.
template <class Pooler, int B_X, int imgsPerThread, int filtersPerThread, bool checkCaseBounds>
__device__ void localPoolTiles(const float* images, float* targets, const int imgSizeY, const int imgSizeX,
                               const int numImages, const int outputsY, const int outputsX, const int subsX,
                               const int startX) {
    const auto place =
        placeInTile<B_X, imgsPerThread, filtersPerThread, checkCaseBounds>(outputsY, outputsX, numImages);
    const int firstY = startX + place.y, firstX = startX + place.x;

    Pooler pooler;
    float pooled[filtersPerThread][imgsPerThread];
    startPooling(pooler, pooled);
    combineTile(pooler, images, place, firstY, firstX, subsX, imgSizeY, imgSizeX, pooled);
    if (place.y < outputsY && place.x < outputsX) {
        const int pixels = lengthOf(inImage(firstY, subsX, imgSizeY)) * lengthOf(inImage(firstX, subsX, imgSizeX));
        storePooled(pooler, targets, place, outputsY, outputsX, pixels, pooled);
    }
}
