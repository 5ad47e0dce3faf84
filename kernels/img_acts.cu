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
// memory, and each thread adds to a register tile of IMAGES images, B_X apart, by COLORS colors in a row. What a
// row of threads has for itself:
//     img_acts_manycolor    COLORS colors of B_Y * COLORS; all rows have the same pixel
//     img_acts_mediumcolor  one pixel of REGION x REGION; all rows have the same COLORS colors
//
// Order of summation, one fmaf for each term, from 0: modules in raster order, then filters ascending. Scaling
// comes last.
//
// cuda-convnet:src/cudaconv2/img_acts.cu: conv_img_acts_manycolor and img_acts_manycolor_sparse_rand;
// img_acts_mediumcolor, img_acts_mediumcolor_sparse_rand and img_acts_color, all of whose few colors make one
// tile here. A thread's colors lie side by side in shared memory here, so that one wide read fetches them.

#include "common.cuh"

// Rows of weights in a tile.
constexpr int FILTERS = 16;

// Rows of weights in shared memory are so much longer than the tile: a warp writes down a column of them, and
// then meets fewer equal banks.
constexpr int SKEW = 4;

// Consecutive modules along one axis.
struct Modules {
    int begin, end;
};

// Those that see one of the pixels from `first` to `last`.
__device__ __forceinline__ Modules modulesThatSee(const int first, const int last, const int filterSize,
                                                  const int padding, const int stride, const int numModules) {
    const int unseen = first + padding - filterSize;  // where a module begins that ends just before `first`
    const Modules seeing = {unseen < 0 ? 0 : unseen / stride + 1, min((last + padding) / stride + 1, numModules)};
    return seeing;
}

// 16 rows of hidActs, filterStride apart, into shared memory, by each warp 32 images of a row; 0 where there are
// no more images or filters. Both pointers are at what this thread brings first; images and filters count from
// there.
template <int THREADS, int TILE_IMAGES, bool CHECK_IMAGES, bool CHECK_FILTERS>
__device__ __forceinline__ void loadHidActs(float* const shHidActs, const float* const hidActs,
                                            const int filterStride, const int images, const int filters) {
    #pragma unroll
    for (int j = 0; j < FILTERS; j += THREADS / 32) {
        #pragma unroll
        for (int i = 0; i < TILE_IMAGES; i += 32) {
            const bool there = (!CHECK_IMAGES || i < images) && (!CHECK_FILTERS || j < filters);
            shHidActs[j * TILE_IMAGES + i] = there ? hidActs[j * filterStride + i] : 0;
        }
    }
}

// One filter's weights for COUNT colors, side by side.
template <int COUNT>
__device__ __forceinline__ void loadWeights(float* const shWeights, const float* const weights,
                                            const int colorStride) {
    #pragma unroll
    for (int c = 0; c < COUNT; c++) {
        shWeights[c] = weights[c * colorStride];
    }
}

// sums[i][c] += the sum over 16 filters w, or the first `filters`, of hidActs[w][i * B_X] * weights[w][c].
template <int B_X, int IMAGES, int COLORS, int WEIGHTS_PITCH, bool CHECK_FILTERS>
__device__ __forceinline__ void multiply(float (&sums)[IMAGES][COLORS], const float* const hidActs,
                                         const float* const weights, const int filters) {
    #pragma unroll
    for (int w = 0; w < FILTERS; w++) {
        if (CHECK_FILTERS && w >= filters) {
            break;
        }
        #pragma unroll
        for (int i = 0; i < IMAGES; i++) {
            const float hidAct = hidActs[(w * IMAGES + i) * B_X];
            VECTOR_LOOP
            for (int c = 0; c < COLORS; c++) {
                sums[i][c] = fmaf(hidAct, weights[w * WEIGHTS_PITCH + c], sums[i][c]);
            }
        }
    }
}

// Into targets at `pixel`, for images `image` + i * B_X and for the colors from `firstColor` on of those that the
// groups see.
template <int B_X, int IMAGES, int COLORS, bool CHECK_IMAGES>
__device__ __forceinline__ void store(float* const targets, const float (&sums)[IMAGES][COLORS],
                                      const int firstColor, const int pixel, const int image,
                                      const int numImgColors, const int imgPixels, const int numImages,
                                      const float scaleTargets, const float scaleOutput,
                                      const int* const colorIndices) {
    #pragma unroll
    for (int c = 0; c < COLORS; c++) {
        const int at = firstColor + c;
        const int color = colorIndices == nullptr ? at : at / numImgColors * numImgColors + colorIndices[at];
        #pragma unroll
        for (int i = 0; i < IMAGES; i++) {
            if (!CHECK_IMAGES || image + i * B_X < numImages) {
                storeScaled(&targets[(color * imgPixels + pixel) * numImages + image + i * B_X], sums[i][c],
                            scaleTargets, scaleOutput);
            }
        }
    }
}

// A block has REGION x REGION pixels, of which some may lie outside the image. Where that is one pixel, the rows
// of threads have colors of their own, otherwise pixels.
template <int B_Y, int B_X, int REGION, int IMAGES, int COLORS, bool CHECK_IMAGES, bool CHECK_FILTERS>
__device__ __forceinline__ void imgActs(const float* const hidActs, const float* const filters,
                                        float* const targets, const int numImages, const int numFilters,
                                        const int numGroups, const int numImgColors, const int numFilterColors,
                                        const int imgSizeY, const int imgSizeX, const int numModulesY,
                                        const int numModulesX, const int filterSize, const int padding,
                                        const int stride, const int moduleFilters, const float scaleTargets,
                                        const float scaleOutput, const int* const colorIndices) {
    static_assert(REGION == 1 || REGION * REGION == B_Y, "every row of threads has a pixel");
    constexpr int THREADS = B_X * B_Y;
    constexpr int TILE_IMAGES = B_X * IMAGES;
    constexpr int TILE_WEIGHTS = B_Y * COLORS;
    constexpr int TILE_COLORS = REGION == 1 ? TILE_WEIGHTS : COLORS;
    constexpr int LOADS = TILE_WEIGHTS * FILTERS / THREADS;  // weights that a thread brings, of one filter
    static_assert(LOADS * THREADS == TILE_WEIGHTS * FILTERS, "threads bring equal shares");
    static_assert(REGION == 1 || LOADS == COLORS, "threads bring weights of their own pixel");
    alignas(16) __shared__ float shWeights[FILTERS][TILE_WEIGHTS + SKEW];
    __shared__ float shHidActs[FILTERS][TILE_IMAGES];

    // DEVIATION(sparse-regions): the original counts the regions of sparse filters by the image's width alone;
    // here there are as many as it takes, whatever the image's shape.
    const int regionsX = divUp(imgSizeX, REGION);
    const int imageBlocks = divUp(numImages, TILE_IMAGES);
    const int colorBlocks = numGroups * numFilterColors / TILE_COLORS;
    const int region = blockIdx.x / imageBlocks / colorBlocks;
    const int top = region / regionsX * REGION, left = region % regionsX * REGION;
    const int blockColor = blockIdx.x / imageBlocks % colorBlocks * TILE_COLORS;
    const int blockImage = blockIdx.x % imageBlocks * TILE_IMAGES;

    const int group = blockColor / numFilterColors;
    const int filtersPerGroup = numFilters / numGroups;
    const int numModules = numModulesY * numModulesX;
    const int filterPixels = filterSize * filterSize;

    const int row = threadIdx.y;
    const int imgY = top + (REGION == 1 ? 0 : row / REGION), imgX = left + (REGION == 1 ? 0 : row % REGION);
    const bool inImage = REGION == 1 || (imgY < imgSizeY && imgX < imgSizeX);

    // what this thread brings first: of one filter an image, of another some weights
    const int thread = row * B_X + threadIdx.x;
    const int actFilter = thread / 32, actImage = thread % 32;
    const int weightFilter = thread % FILTERS, weightPlace = thread / FILTERS * LOADS;
    const int actsAt = (group * filtersPerGroup + actFilter) * numModules * numImages + blockImage + actImage;
    const float* const weights =
        filters + (blockColor % numFilterColors + weightPlace % TILE_COLORS) * filterPixels * numFilters +
        group * filtersPerGroup + weightFilter;

    const Modules rows = modulesThatSee(top, top + REGION - 1, filterSize, padding, stride, numModulesY);
    const Modules columns = modulesThatSee(left, left + REGION - 1, filterSize, padding, stride, numModulesX);
    float sums[IMAGES][COLORS] = {};
    for (int moduleY = rows.begin; moduleY < rows.end; moduleY++) {
        const int filterY = imgY + padding - moduleY * stride;
        for (int moduleX = columns.begin; moduleX < columns.end; moduleX++) {
            const int filterX = imgX + padding - moduleX * stride;
            const int module = moduleY * numModulesX + moduleX;
            const int weightsAt = module * moduleFilters + (filterY * filterSize + filterX) * numFilters;
            const bool seen = REGION == 1 || (inImage && filterY >= 0 && filterY < filterSize && filterX >= 0 &&
                                              filterX < filterSize);
            for (int f = 0; f < filtersPerGroup; f += FILTERS) {
                loadHidActs<THREADS, TILE_IMAGES, CHECK_IMAGES, CHECK_FILTERS>(
                    &shHidActs[actFilter][actImage], &hidActs[actsAt + (f * numModules + module) * numImages],
                    numModules * numImages, numImages - blockImage - actImage, filtersPerGroup - f - actFilter);
                if (seen && (!CHECK_FILTERS || f + weightFilter < filtersPerGroup)) {
                    loadWeights<LOADS>(&shWeights[weightFilter][weightPlace], &weights[weightsAt + f],
                                       filterPixels * numFilters);
                }
                __syncthreads();
                if (seen) {
                    multiply<B_X, IMAGES, COLORS, TILE_WEIGHTS + SKEW, CHECK_FILTERS>(
                        sums, &shHidActs[0][threadIdx.x], &shWeights[0][row * COLORS], filtersPerGroup - f);
                }
                __syncthreads();
            }
        }
    }
    if (inImage) {
        store<B_X, IMAGES, COLORS, CHECK_IMAGES>(
            targets, sums, blockColor + (REGION == 1 ? row * COLORS : 0), imgY * imgSizeX + imgX,
            blockImage + threadIdx.x, numImgColors, imgSizeY * imgSizeX, numImages, scaleTargets, scaleOutput,
            colorIndices);
    }
}

// For groups that see a multiple of B_Y * COLORS colors. Block: B_X = 32 by B_Y.
template <int B_Y, int B_X, int IMAGES, int COLORS, bool CHECK_IMAGES, bool CHECK_FILTERS>
__device__ void img_acts_manycolor(const float* const hidActs, const float* const filters, float* const targets,
                                   const int numImages, const int numFilters, const int numGroups,
                                   const int numImgColors, const int numFilterColors, const int imgSizeY,
                                   const int imgSizeX, const int numModulesY, const int numModulesX,
                                   const int filterSize, const int padding, const int stride,
                                   const int moduleFilters, const float scaleTargets, const float scaleOutput,
                                   const int* const colorIndices = nullptr) {
    imgActs<B_Y, B_X, 1, IMAGES, COLORS, CHECK_IMAGES, CHECK_FILTERS>(
        hidActs, filters, targets, numImages, numFilters, numGroups, numImgColors, numFilterColors, imgSizeY,
        imgSizeX, numModulesY, numModulesX, filterSize, padding, stride, moduleFilters, scaleTargets, scaleOutput,
        colorIndices);
}

// For groups that see a multiple of COLORS colors, and 4x4 pixels. Block: 16 by 16.
template <int IMAGES, int COLORS, bool CHECK_IMAGES, bool CHECK_FILTERS>
__device__ void img_acts_mediumcolor(const float* const hidActs, const float* const filters, float* const targets,
                                     const int numImages, const int numFilters, const int numGroups,
                                     const int numImgColors, const int numFilterColors, const int imgSizeY,
                                     const int imgSizeX, const int numModulesY, const int numModulesX,
                                     const int filterSize, const int padding, const int stride,
                                     const int moduleFilters, const float scaleTargets, const float scaleOutput,
                                     const int* const colorIndices = nullptr) {
    imgActs<16, 16, 4, IMAGES, COLORS, CHECK_IMAGES, CHECK_FILTERS>(
        hidActs, filters, targets, numImages, numFilters, numGroups, numImgColors, numFilterColors, imgSizeY,
        imgSizeX, numModulesY, numModulesX, filterSize, padding, stride, moduleFilters, scaleTargets, scaleOutput,
        colorIndices);
}
