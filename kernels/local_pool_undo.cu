// Gradients of pooling, to the pixels: each pixel adds what its regions give it, in raster order of the regions,
// from 0 on, one fused multiply-add each.
//
//   localMaxUndo   [pixel == maxActs] * maxGrads: every pixel that equals its region's value gets all of it
//   localAvgUndo   avgGrads * (1 / pixels of the region)
//
//   targets = scaleTargets * targets + scaleOutput * sum
//
// images, targets               (numFilters, imgSizeY, imgSizeX, numImages)
// maxGrads, maxActs, avgGrads   (numFilters, outputsY, outputsX, numImages)
//
// Region (oy, ox) covers subsX pixels from startX + o * strideX in each direction, clipped to the image.
//
// Places of the grid (places.cuh) are pixels, one for each block, of B_Y * filtersPerThread maps. Images past the
// last are left out if checkCaseBounds; maps, in any case, where filtersPerThread is 1.
//
// Answers to cuda-convnet:src/cudaconv2/conv_util.cu: kLocalMaxUndo, kLocalAvgUndo.

#include "windows.cuh"

// The regions along one direction that see a pixel.
__device__ __forceinline__ Span seersOf(const int pixel, const int outputs, const int subsX, const int startX,
                                        const int strideX) {
    const int place = pixel - startX;
    if (place < 0) {
        return {0, 0};
    }
    return {place < subsX ? 0 : 1 + (place - subsX) / strideX, min(outputs, 1 + place / strideX)};
}

template <int maps, int B_X, int imgsPerThread, bool checkImages>
__device__ __forceinline__ void storeSums(float* targets, const Place<B_X, imgsPerThread, checkImages>& place,
                                          const int imgSizeY, const int imgSizeX, const float scaleTargets,
                                          const float scaleOutput, const float (&sums)[maps][imgsPerThread]) {
    const int map = imgSizeY * imgSizeX * place.numImages;
    targets += entryOf(place, imgSizeY, imgSizeX);
    #pragma unroll
    for (int f = 0; f < maps; f++) {
        #pragma unroll
        for (int i = 0; i < imgsPerThread; i++) {
            if (has(place, i)) {
                storeScaled(&targets[f * map + i * B_X], sums[f][i], scaleTargets, scaleOutput);
            }
        }
    }
}

template <int B_Y, int B_X, int imgsPerThread, int filtersPerThread, bool checkCaseBounds>
__device__ void localMaxUndo(const float* images, const float* maxGrads, const float* maxActs, float* targets,
                             const int numFilters, const int imgSizeY, const int imgSizeX, const int numImages,
                             const int outputsY, const int outputsX, const int subsX, const int startX,
                             const int strideX, const float scaleTargets, const float scaleOutput) {
    const auto place = placeOfMap<B_Y, B_X, imgsPerThread, filtersPerThread, checkCaseBounds>(imgSizeY, imgSizeX,
                                                                                              numImages);
    if (place.map >= numFilters) {
        return;
    }
    const int imgPixels = imgSizeY * imgSizeX, outputs = outputsY * outputsX;
    images += entryOf(place, imgSizeY, imgSizeX);
    maxGrads += mapOf(place, outputs);
    maxActs += mapOf(place, outputs);

    float image[filtersPerThread][imgsPerThread], sums[filtersPerThread][imgsPerThread] = {};
    #pragma unroll
    for (int f = 0; f < filtersPerThread; f++) {
        #pragma unroll
        for (int i = 0; i < imgsPerThread; i++) {
            if (has(place, i)) {
                image[f][i] = images[f * imgPixels * numImages + i * B_X];
            }
        }
    }
    const Span rows = seersOf(place.y, outputsY, subsX, startX, strideX);
    const Span columns = seersOf(place.x, outputsX, subsX, startX, strideX);
    for (int y = rows.first; y < rows.end; y++) {
        for (int x = columns.first; x < columns.end; x++) {
            #pragma unroll
            for (int f = 0; f < filtersPerThread; f++) {
                #pragma unroll
                for (int i = 0; i < imgsPerThread; i++) {
                    if (has(place, i)) {
                        const int from = (f * outputs + y * outputsX + x) * numImages + i * B_X;
                        const float hit = image[f][i] == maxActs[from] ? 1.0f : 0.0f;
                        sums[f][i] = fmaf(hit, maxGrads[from], sums[f][i]);
                    }
                }
            }
        }
    }
    storeSums(targets, place, imgSizeY, imgSizeX, scaleTargets, scaleOutput, sums);
}

template <int B_Y, int B_X, int imgsPerThread, int filtersPerThread, bool checkCaseBounds>
__device__ void localAvgUndo(const float* avgGrads, float* targets, const int numFilters, const int imgSizeY,
                             const int imgSizeX, const int numImages, const int outputsY, const int outputsX,
                             const int subsX, const int startX, const int strideX, const float scaleTargets,
                             const float scaleOutput) {
    const auto place = placeOfMap<B_Y, B_X, imgsPerThread, filtersPerThread, checkCaseBounds>(imgSizeY, imgSizeX,
                                                                                              numImages);
    if (place.map >= numFilters) {
        return;
    }
    const int outputs = outputsY * outputsX;
    avgGrads += mapOf(place, outputs);

    float sums[filtersPerThread][imgsPerThread] = {};
    const Span rows = seersOf(place.y, outputsY, subsX, startX, strideX);
    const Span columns = seersOf(place.x, outputsX, subsX, startX, strideX);
    for (int y = rows.first; y < rows.end; y++) {
        const int height = lengthOf(inImage(startX + y * strideX, subsX, imgSizeY));
        for (int x = columns.first; x < columns.end; x++) {
            const int width = lengthOf(inImage(startX + x * strideX, subsX, imgSizeX));
            const float share = 1.0f / (width * height);
            #pragma unroll
            for (int f = 0; f < filtersPerThread; f++) {
                #pragma unroll
                for (int i = 0; i < imgsPerThread; i++) {
                    if (has(place, i)) {
                        const int from = (f * outputs + y * outputsX + x) * numImages + i * B_X;
                        sums[f][i] = fmaf(avgGrads[from], share, sums[f][i]);
                    }
                }
            }
        }
    }
    storeSums(targets, place, imgSizeY, imgSizeX, scaleTargets, scaleOutput, sums);
}
