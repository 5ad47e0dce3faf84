// img_acts: the gradient of a convolution to its input.
//
//     targets[c, y, x, n] = scaleTargets * targets[c, y, x, n] + scaleOutput *
//         sum over the modules m that see pixel (y, x), and over the filters f of c's group,
//         of hidActs[f, m, n] * filters[c, p, f]
//
// where p is the place of pixel (y, x) in module m = (my, mx), which starts at pixel (my * stride - padding,
// mx * stride - padding).
//
// Shapes, the last axis fastest:
//     hidActs       (numFilters, numModulesY, numModulesX, numImages)
//     filters       (numFilterColors, filterSize, filterSize, numFilters); unshared filters have the modules as
//                   their first axis: moduleFilters is how far apart two modules' filters lie, 0 if shared
//     targets       (numImgColors, imgSizeY, imgSizeX, numImages)
//     colorIndices  (numGroups, numFilterColors), of sparse filters only: the colors that each group sees. Their
//                   targets are (overSample, numImgColors, ...): plane k gets what comes from the k-th
//                   numImgColors of the indices, among which every color is once
//
// A block takes one tile of images, of the colors that one group sees, and of pixels; blockIdx.x counts images
// first, then colors (all numGroups * numFilterColors), then pixels. For every module that sees one of its pixels
// and for every 16 filters of the group it brings 16 rows of hidActs and the weights that meet them into shared
// memory, and each thread adds to a register tile of imgsPerThread images by colorsPerThread colors.
//     img_acts_manycolor    one pixel; B_Y * colorsPerThread colors; B_X * imgsPerThread images
//     img_acts_mediumcolor  4x4 pixels, one for each threadIdx.y; colorsPerThread colors; 16 * imgsPerThread images
//
// Order of summation, one fmaf for each term, from 0: modules in raster order, then filters ascending. Scaling
// comes last.
//
// cuda-convnet:src/cudaconv2/img_acts.cu: conv_img_acts_manycolor and img_acts_manycolor_sparse_rand;
// img_acts_mediumcolor, img_acts_mediumcolor_sparse_rand and img_acts_color, all of whose few colors make one
// tile here. A thread's colors lie side by side in shared memory here, so that one wide read fetches them.

#include "common.cuh"

// How many filters are multiplied with at a time.
static const int FILTERS = 16;

// Rows of weights in shared memory are so much longer than the tile: a warp writes down a column of them, and
// then meets fewer equal banks.
static const int SKEW = 4;

// Along one axis, the first module that sees pixel `first` or a later one.
__device__ __forceinline__ int firstModule(const int first, const int filterSize, const int padding,
                                           const int stride) {
    return first + padding < filterSize ? 0 : 1 + (first + padding - filterSize) / stride;
}

// The module after the last that sees pixel `last` or an earlier one.
__device__ __forceinline__ int endModule(const int last, const int padding, const int stride,
                                         const int numModules) {
    const int end = 1 + (last + padding) / stride;
    return end < numModules ? end : numModules;
}

// 16 rows of hidActs, filterStride apart, into shared memory, by each warp 32 images of a row; 0 where there are
// no more images or filters. Both pointers are at what this thread brings first; cases and filters count from
// there.
template <int threads, int tileImages, bool checkCaseBounds, bool checkFilterBounds>
__device__ __forceinline__ void loadHidActs(float* const shHidActs, const float* const hidActs,
                                            const int filterStride, const int cases, const int filters) {
    #pragma unroll
    for (int j = 0; j < FILTERS; j += threads / 32) {
        #pragma unroll
        for (int i = 0; i < tileImages; i += 32) {
            const bool there = (!checkCaseBounds || i < cases) && (!checkFilterBounds || j < filters);
            shHidActs[j * tileImages + i] = there ? hidActs[j * filterStride + i] : 0;
        }
    }
}

// prod[i][c] += the sum over 16 filters w, or the first `filters`, of hidActs[w][i * imgStride] * weights[w][c].
template <int imgsPerThread, int colorsPerThread, int imgStride, int hidActsPitch, int weightsPitch,
          bool checkFilterBounds>
__device__ __forceinline__ void multiply(float (&prod)[imgsPerThread][colorsPerThread],
                                         const float* const hidActs, const float* const weights,
                                         const int filters) {
    #pragma unroll
    for (int w = 0; w < FILTERS; w++) {
        if (checkFilterBounds && w >= filters) {
            break;
        }
        #pragma unroll
        for (int i = 0; i < imgsPerThread; i++) {
            const float hidAct = hidActs[w * hidActsPitch + i * imgStride];
            VECTOR_LOOP
            for (int c = 0; c < colorsPerThread; c++) {
                prod[i][c] = fmaf(hidAct, weights[w * weightsPitch + c], prod[i][c]);
            }
        }
    }
}

// Into targets at `pixel`, for images `image` + i * imgStride and for the colors from `firstColor` on of those
// that the groups see.
template <int imgsPerThread, int colorsPerThread, int imgStride, bool checkCaseBounds>
__device__ __forceinline__ void store(float* const targets, const float (&prod)[imgsPerThread][colorsPerThread],
                                      const int firstColor, const int pixel, const int image, const int numImgColors,
                                      const int imgPixels, const int numImages, const float scaleTargets,
                                      const float scaleOutput, const int* const colorIndices) {
    #pragma unroll
    for (int c = 0; c < colorsPerThread; c++) {
        const int at = firstColor + c;
        const int color = colorIndices == nullptr ? at : at / numImgColors * numImgColors + colorIndices[at];
        #pragma unroll
        for (int i = 0; i < imgsPerThread; i++) {
            if (!checkCaseBounds || image + i * imgStride < numImages) {
                storeScaled(&targets[(color * imgPixels + pixel) * numImages + image + i * imgStride], prod[i][c],
                            scaleTargets, scaleOutput);
            }
        }
    }
}

// For groups that see a multiple of B_Y * colorsPerThread colors. Block: B_X = 32 images by B_Y colors.
template <int B_Y, int B_X, int imgsPerThread, int colorsPerThread, bool checkCaseBounds, bool checkFilterBounds>
__device__ void img_acts_manycolor(const float* const hidActs, const float* const filters, float* const targets,
                                   const int numImages, const int numFilters, const int numGroups,
                                   const int numImgColors, const int numFilterColors, const int imgSizeY,
                                   const int imgSizeX, const int numModulesY, const int numModulesX,
                                   const int filterSize, const int padding, const int stride,
                                   const int moduleFilters, const float scaleTargets, const float scaleOutput,
                                   const int* const colorIndices = nullptr) {
    const int threads = B_X * B_Y;
    const int tileImages = B_X * imgsPerThread, tileColors = B_Y * colorsPerThread;
    alignas(16) __shared__ float shWeights[FILTERS][tileColors + SKEW];
    __shared__ float shHidActs[FILTERS][tileImages];

    const int numImgBlocks = divUp(numImages, tileImages);
    const int numColorBlocks = numGroups * numFilterColors / tileColors;
    const int blockCase = blockIdx.x % numImgBlocks * tileImages;
    const int blockColor = blockIdx.x / numImgBlocks % numColorBlocks * tileColors;
    const int pixel = blockIdx.x / numImgBlocks / numColorBlocks;
    const int pxY = pixel / imgSizeX, pxX = pixel % imgSizeX;

    const int x = threadIdx.x, y = threadIdx.y, tidx = y * B_X + x;
    const int hidActY = tidx / 32, hidActX = tidx % 32;  // what this thread brings first: a filter and an image,
    const int weightY = tidx / FILTERS, weightX = tidx % FILTERS;  // a color and a filter

    const int group = blockColor / numFilterColors;
    const int numFiltersPerGroup = numFilters / numGroups;
    const int numModules = numModulesY * numModulesX;
    const int filterPixels = filterSize * filterSize;
    const int hidActAt = (group * numFiltersPerGroup + hidActY) * numModules * numImages + blockCase + hidActX;
    const float* const weights = filters + (blockColor % numFilterColors + weightY) * filterPixels * numFilters +
                                 group * numFiltersPerGroup + weightX;

    float prod[imgsPerThread][colorsPerThread] = {};
    const int startY = firstModule(pxY, filterSize, padding, stride);
    const int startX = firstModule(pxX, filterSize, padding, stride);
    const int endY = endModule(pxY, padding, stride, numModulesY);
    const int endX = endModule(pxX, padding, stride, numModulesX);
    for (int my = startY; my < endY; my++) {
        for (int mx = startX; mx < endX; mx++) {
            const int module = my * numModulesX + mx;
            const int pxInModule = (pxY + padding - my * stride) * filterSize + pxX + padding - mx * stride;
            for (int f = 0; f < numFiltersPerGroup; f += FILTERS) {
                loadHidActs<threads, tileImages, checkCaseBounds, checkFilterBounds>(
                    &shHidActs[hidActY][hidActX], &hidActs[hidActAt + (f * numModules + module) * numImages],
                    numModules * numImages, numImages - blockCase - hidActX, numFiltersPerGroup - f - hidActY);
                #pragma unroll
                for (int c = 0; c < tileColors; c += threads / FILTERS) {
                    if ((tileColors % (threads / FILTERS) == 0 || c + weightY < tileColors) &&
                        (!checkFilterBounds || f + weightX < numFiltersPerGroup)) {
                        shWeights[weightX][c + weightY] =
                            weights[module * moduleFilters + (c * filterPixels + pxInModule) * numFilters + f];
                    }
                }
                __syncthreads();
                multiply<imgsPerThread, colorsPerThread, B_X, tileImages, tileColors + SKEW, checkFilterBounds>(
                    prod, &shHidActs[0][x], &shWeights[0][y * colorsPerThread], numFiltersPerGroup - f);
                __syncthreads();
            }
        }
    }
    store<imgsPerThread, colorsPerThread, B_X, checkCaseBounds>(
        targets, prod, blockColor + y * colorsPerThread, pixel, blockCase + x, numImgColors, imgSizeY * imgSizeX,
        numImages, scaleTargets, scaleOutput, colorIndices);
}

// For groups that see a multiple of colorsPerThread colors. Block: 16 images by 16 pixels, of which some may lie
// outside the image.
template <int imgsPerThread, int colorsPerThread, bool checkCaseBounds, bool checkFilterBounds>
__device__ void img_acts_mediumcolor(const float* const hidActs, const float* const filters, float* const targets,
                                     const int numImages, const int numFilters, const int numGroups,
                                     const int numImgColors, const int numFilterColors, const int imgSizeY,
                                     const int imgSizeX, const int numModulesY, const int numModulesX,
                                     const int filterSize, const int padding, const int stride,
                                     const int moduleFilters, const float scaleTargets, const float scaleOutput,
                                     const int* const colorIndices = nullptr) {
    const int threads = 16 * 16;
    const int tileImages = 16 * imgsPerThread, tileWeights = 16 * colorsPerThread;
    alignas(16) __shared__ float shWeights[FILTERS][tileWeights + SKEW];
    __shared__ float shHidActs[FILTERS][tileImages];

    const int numImgBlocks = divUp(numImages, tileImages);
    const int numColorBlocks = numGroups * numFilterColors / colorsPerThread;
    const int blockCase = blockIdx.x % numImgBlocks * tileImages;
    const int blockColor = blockIdx.x / numImgBlocks % numColorBlocks * colorsPerThread;
    const int region = blockIdx.x / numImgBlocks / numColorBlocks;
    const int numRegionsX = divUp(imgSizeX, 4);
    const int regionTop = region / numRegionsX * 4, regionLeft = region % numRegionsX * 4;

    const int x = threadIdx.x, y = threadIdx.y, tidx = y * 16 + x;
    const int hidActY = tidx / 32, hidActX = tidx % 32;  // what this thread brings first: a filter and an image
    const int pxY = regionTop + y / 4, pxX = regionLeft + y % 4;
    const bool inImage = pxY < imgSizeY && pxX < imgSizeX;

    const int group = blockColor / numFilterColors;
    const int numFiltersPerGroup = numFilters / numGroups;
    const int numModules = numModulesY * numModulesX;
    const int filterPixels = filterSize * filterSize;
    const int hidActAt = (group * numFiltersPerGroup + hidActY) * numModules * numImages + blockCase + hidActX;
    const float* const weights =
        filters + blockColor % numFilterColors * filterPixels * numFilters + group * numFiltersPerGroup + x;

    float prod[imgsPerThread][colorsPerThread] = {};
    const int startY = firstModule(regionTop, filterSize, padding, stride);
    const int startX = firstModule(regionLeft, filterSize, padding, stride);
    const int endY = endModule(regionTop + 3, padding, stride, numModulesY);
    const int endX = endModule(regionLeft + 3, padding, stride, numModulesX);
    for (int my = startY; my < endY; my++) {
        for (int mx = startX; mx < endX; mx++) {
            const int module = my * numModulesX + mx;
            const int pxInModuleY = pxY + padding - my * stride, pxInModuleX = pxX + padding - mx * stride;
            const int pxInModule = pxInModuleY * filterSize + pxInModuleX;
            const bool seen = inImage && pxInModuleY >= 0 && pxInModuleY < filterSize && pxInModuleX >= 0 &&
                              pxInModuleX < filterSize;
            for (int f = 0; f < numFiltersPerGroup; f += FILTERS) {
                loadHidActs<threads, tileImages, checkCaseBounds, checkFilterBounds>(
                    &shHidActs[hidActY][hidActX], &hidActs[hidActAt + (f * numModules + module) * numImages],
                    numModules * numImages, numImages - blockCase - hidActX, numFiltersPerGroup - f - hidActY);
                if (seen && (!checkFilterBounds || f + x < numFiltersPerGroup)) {
                    #pragma unroll
                    for (int c = 0; c < colorsPerThread; c++) {
                        shWeights[x][y * colorsPerThread + c] =
                            weights[module * moduleFilters + (c * filterPixels + pxInModule) * numFilters + f];
                    }
                }
                __syncthreads();
                if (seen) {
                    multiply<imgsPerThread, colorsPerThread, 16, tileImages, tileWeights + SKEW, checkFilterBounds>(
                        prod, &shHidActs[0][x], &shWeights[0][y * colorsPerThread], numFiltersPerGroup - f);
                }
                __syncthreads();
            }
        }
    }
    if (inImage) {
        store<imgsPerThread, colorsPerThread, 16, checkCaseBounds>(
            targets, prod, blockColor, pxY * imgSizeX + pxX, blockCase + x, numImgColors, imgSizeY * imgSizeX,
            numImages, scaleTargets, scaleOutput, colorIndices);
    }
}
