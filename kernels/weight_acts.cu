// weight_acts: the gradient of a convolution to its filters, in chunks of modules.
//
//     targets[k, c, p, f] = scaleTargets * targets[k, c, p, f] + scaleOutput * sum over m, n of
//                           images[c of f's group, pixel p of module m, n] * hidActs[f, m, n]
//
// over the partialSum modules m of chunk k and all images n. Pixels outside the image are 0. With partialSum 1
// these are the gradients of unshared (local) filters.
//
//     images        (numImgColors, imgSizeY, imgSizeX, numImages)
//     hidActs       (numFilters, numModulesY, numModulesX, numImages)
//     colorIndices  (numGroups, numFilterColors): the image colors that each group sees, where connections are
//                   sparse; otherwise they are numFilterColors = numImgColors / numGroups consecutive ones
//     targets       (numModulesY * numModulesX / partialSum, numFilterColors, filterSize, filterSize, numFilters)
//
// Grid: x = ((chunk * pixel tiles + pixel tile) * color tiles + color tile) * filter tiles + filter tile. A block
// has B_X by B_Y threads; its tile is B_Y * PIXELS pixels of the filters by COLORS colors by B_X * FILTERS
// filters of one group, of which a thread keeps PIXELS * COLORS * FILTERS sums in registers. It walks over
// modules and, CASES at a time, over images: the threads take the pixels and hidActs of so many images to shared
// memory (a warp reads consecutive images of one pixel or filter), then multiply.
//
// Order of summation: modules ascending, in each images ascending, from 0. A product is rounded
// before it is added, no fmaf: so it is in the archived activations, whose compiler multiplied the numbers of
// several images at once and then added one after another.
//
// All arrays have fewer than 2^31 numbers. CHECK: tiles may reach beyond the colors of a filter, the
// filters of a group, or the images. They may always reach beyond the pixels of a filter.
//
// cuda-convnet:src/cudaconv2/weight_acts.cu has a kernel for 1 to 3 colors (conv_weight_acts_c: here FILTERS is 1
// and COLORS all that there are), another for more (conv_weight_acts_mc_mf: PIXELS is 1), and one for sparse
// connections (conv_weight_acts_mc_mf_rand).

#include "common.cuh"

template <int B_Y, int B_X, int PIXELS, int COLORS, int FILTERS, int CASES, bool CHECK, bool SPARSE>
__device__ __forceinline__ void weightActs(const float* images, const float* hidActs, const int* colorIndices,
                                           float* targets, const int numImages, const int imgSizeY,
                                           const int imgSizeX, const int numFilters, const int numModulesY,
                                           const int numModulesX, const int filterSize,
                                           const int numFilterColors, const int paddingStart,
                                           const int moduleStride, const int numGroups, const int partialSum,
                                           const float scaleTargets, const float scaleOutput) {
    static_assert(B_X * B_Y % CASES == 0, "threads load whole rows of images");
    constexpr int ROWS_AT_ONCE = B_X * B_Y / CASES;
    constexpr int TILE_PIXELS = B_Y * PIXELS;
    constexpr int TILE_FILTERS = B_X * FILTERS;
    constexpr int AT_ONCE = 4;  // images between two looks at the sums, which some compilers keep in memory
    constexpr int SUMS_WIDTH = (PIXELS * COLORS + 3) / 4 * 4;  // so that 4 are read at once; the last may be idle

    // a row for each image: 4 more than are read, for threads that write to consecutive rows
    alignas(16) __shared__ float shImages[CASES][B_Y * SUMS_WIDTH + 4];
    __shared__ float shHidActs[TILE_FILTERS][CASES + 1];
    __shared__ int shPixelY[TILE_PIXELS], shPixelX[TILE_PIXELS];

    const int thread = B_X * threadIdx.y + threadIdx.x;
    const int tx = threadIdx.x, ty = threadIdx.y;
    const int loadRow = thread / CASES, loadCase = thread % CASES;

    const int filterPixels = filterSize * filterSize;
    const int filtersPerGroup = numFilters / numGroups;
    const int filterTilesPerGroup = divUp(filtersPerGroup, TILE_FILTERS);
    const int filterTiles = filterTilesPerGroup * numGroups;
    const int colorTiles = divUp(numFilterColors, COLORS);
    const int pixelTiles = divUp(filterPixels, TILE_PIXELS);

    const int filterTile = blockIdx.x % filterTiles;
    const int colorTile = blockIdx.x / filterTiles % colorTiles;
    const int pixelTile = blockIdx.x / filterTiles / colorTiles % pixelTiles;
    const int chunk = blockIdx.x / filterTiles / colorTiles / pixelTiles;

    const int group = filterTile / filterTilesPerGroup;
    const int filterInGroup = filterTile % filterTilesPerGroup * TILE_FILTERS;
    const int filter = group * filtersPerGroup + filterInGroup;
    const int color = colorTile * COLORS;
    const int pixel = pixelTile * TILE_PIXELS;
    const int filtersLeft = CHECK ? filtersPerGroup - filterInGroup : TILE_FILTERS;
    const int colorsLeft = CHECK ? numFilterColors - color : COLORS;

    const int plane = imgSizeY * imgSizeX * numImages;
    const int map = numModulesY * numModulesX * numImages;
    int planes[COLORS];  // where the tile's colors start
    #pragma unroll
    for (int c = 0; c < COLORS; c++) {
        const int at = group * numFilterColors + color + (c < colorsLeft ? c : 0);
        planes[c] = plane * (SPARSE ? colorIndices[at] : at);
    }
    images += loadCase;
    hidActs += filter * map + loadCase;

    for (int i = thread; i < TILE_PIXELS; i += B_X * B_Y) {
        shPixelY[i] = (pixel + i) / filterSize;
        shPixelX[i] = (pixel + i) % filterSize;
    }

    float sums[FILTERS][SUMS_WIDTH];
    #pragma unroll
    for (int f = 0; f < FILTERS; f++) {
        #pragma unroll
        for (int s = 0; s < SUMS_WIDTH; s++) {
            sums[f][s] = 0;
        }
    }
    __syncthreads();

    for (int m = chunk * partialSum; m < (chunk + 1) * partialSum; m++) {
        const int moduleY = paddingStart + m / numModulesX * moduleStride;
        const int moduleX = paddingStart + m % numModulesX * moduleStride;
        for (int first = 0; first < numImages; first += CASES) {
            const bool there = !CHECK || first + loadCase < numImages;

            #pragma unroll
            for (int i = 0; i < TILE_PIXELS; i += ROWS_AT_ONCE) {
                const int row = i + loadRow;
                if (TILE_PIXELS % ROWS_AT_ONCE == 0 || row < TILE_PIXELS) {
                    const int y = moduleY + shPixelY[row], x = moduleX + shPixelX[row];
                    const bool inside = there && pixel + row < filterPixels && y >= 0 && y < imgSizeY &&
                                        x >= 0 && x < imgSizeX;
                    const int at = inside ? (y * imgSizeX + x) * numImages + first : 0;
                    float* const to = &shImages[loadCase][row / PIXELS * SUMS_WIDTH + row % PIXELS * COLORS];
                    #pragma unroll
                    for (int c = 0; c < COLORS; c++) {
                        to[c] = inside && c < colorsLeft ? images[planes[c] + at] : 0;
                    }
                }
            }

            const float* const from = hidActs + m * numImages + first;
            #pragma unroll
            for (int i = 0; i < TILE_FILTERS; i += ROWS_AT_ONCE) {
                const int row = i + loadRow;
                if (TILE_FILTERS % ROWS_AT_ONCE == 0 || row < TILE_FILTERS) {
                    shHidActs[row][loadCase] = there && row < filtersLeft ? from[row * map] : 0;
                }
            }
            __syncthreads();

            #pragma unroll
            for (int n = 0; n < CASES; n += AT_ONCE) {
                #pragma unroll
                for (int f = 0; f < FILTERS; f++) {
                    VECTOR_LOOP
                    for (int s = 0; s < SUMS_WIDTH; s++) {
                        float sum = sums[f][s];
                        #pragma unroll
                        for (int i = 0; i < AT_ONCE; i++) {
                            // the product is rounded, which relies on -fmad=false (-ffp-contract=off on a CPU)
                            sum += shImages[n + i][ty * SUMS_WIDTH + s] * shHidActs[f * B_X + tx][n + i];
                        }
                        sums[f][s] = sum;
                    }
                }
            }
            __syncthreads();
        }
    }

    const int filterStride = filterPixels * numFilters;
    targets += (chunk * numFilterColors + color) * filterStride + filter + tx;
    #pragma unroll
    for (int p = 0; p < PIXELS; p++) {
        const int at = pixel + ty * PIXELS + p;
        #pragma unroll
        for (int c = 0; c < COLORS; c++) {
            #pragma unroll
            for (int f = 0; f < FILTERS; f++) {
                if (at < filterPixels && c < colorsLeft && f * B_X + tx < filtersLeft) {
                    storeScaled(&targets[c * filterStride + at * numFilters + f * B_X],
                                sums[f][p * COLORS + c], scaleTargets, scaleOutput);
                }
            }
        }
    }
}

template <int B_Y, int B_X, int PIXELS, int COLORS, int FILTERS, int CASES, bool CHECK>
__device__ void conv_weight_acts(const float* images, const float* hidActs, float* targets, const int numImages,
                                 const int imgSizeY, const int imgSizeX, const int numFilters,
                                 const int numModulesY, const int numModulesX, const int filterSize,
                                 const int numFilterColors, const int paddingStart, const int moduleStride,
                                 const int numGroups, const int partialSum, const float scaleTargets,
                                 const float scaleOutput) {
    weightActs<B_Y, B_X, PIXELS, COLORS, FILTERS, CASES, CHECK, false>(
        images, hidActs, nullptr, targets, numImages, imgSizeY, imgSizeX, numFilters, numModulesY, numModulesX,
        filterSize, numFilterColors, paddingStart, moduleStride, numGroups, partialSum, scaleTargets,
        scaleOutput);
}

template <int B_Y, int B_X, int PIXELS, int COLORS, int FILTERS, int CASES, bool CHECK>
__device__ void conv_weight_acts_sparse(const float* images, const float* hidActs, const int* colorIndices,
                                        float* targets, const int numImages, const int imgSizeY,
                                        const int imgSizeX, const int numFilters, const int numModulesY,
                                        const int numModulesX, const int filterSize, const int numFilterColors,
                                        const int paddingStart, const int moduleStride, const int numGroups,
                                        const int partialSum, const float scaleTargets,
                                        const float scaleOutput) {
    weightActs<B_Y, B_X, PIXELS, COLORS, FILTERS, CASES, CHECK, true>(
        images, hidActs, colorIndices, targets, numImages, imgSizeY, imgSizeX, numFilters, numModulesY,
        numModulesX, filterSize, numFilterColors, paddingStart, moduleStride, numGroups, partialSum, scaleTargets,
        scaleOutput);
}
