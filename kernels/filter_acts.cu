// filter_acts: forward convolution, of shared or unshared (local) filters, in groups or sparse.
//
//     targets[f, m, n] = scaleTargets * targets[f, m, n] + scaleOutput * sum over c, p of
//                        images[c of f's group, pixel p of module m, n] * filters[c, p, f]
//
//     images        (channels, imgSizeY, imgSizeX, numImages)
//     filters       (filterChannels, filterSize, filterSize, numFilters); unshared filters have the modules as
//                   their first axis, and moduleTaps says how many rows of numFilters each of those has (shared: 0)
//     colorIndices  (numGroups, filterChannels), of sparse filters: the channels of each group. Others see
//                   filterChannels = channels / numGroups consecutive ones
//     targets       (numFilters, modulesY, modulesX, numImages)
//
// Module (y, x) starts at pixel (y * stride - padding, x * stride - padding); pixels outside the image are 0.
//
// A block of B_X x B_Y threads has one module, B_Y * FILTERS filters of one group, and B_X * IMAGES images; a
// thread keeps the sums of FILTERS filters in a row (threadIdx.y) and of IMAGES images B_X apart (threadIdx.x) in
// registers. The grid is one line of blocks: images run fastest, then filters, group by group, then modules. The
// block brings COLORS channels of TILE pixels of its images and of its filters to shared memory, and multiplies.
//
// Order of summation, from 0: channels COLORS at a time (up to 3 channels at once, more in pairs), for these
// pixels CHUNK at a time in raster order, of these channel by channel, pixel by pixel. A last chunk or a last pair
// that is not complete goes on with 0 * 0, as in the original. FUSED: each term is one fmaf; otherwise the product
// is rounded before it is added. CHECK: some blocks have too few images or filters.
//
// cuda-convnet:src/cudaconv2/filter_acts.cu has a kernel for 1 to 3 channels (filterActs_YxX_color), one for more
// (filterActs_YxX_sparse: here COLORS is 2), and one for sparse filters (filterActs_YxX_sparse_random).

#include "common.cuh"
#include "registers.cuh"

constexpr int B_X = 32;
constexpr int B_Y = 4;
constexpr int CHUNK = 4;

template <int IMAGES, int FILTERS, int COLORS, bool FUSED, bool CHECK, bool SPARSE>
__device__ __forceinline__ void filterActs(const float* images, const float* filters, const int* colorIndices,
                                           float* targets, const int numImages, const int numFilters,
                                           const int imgSizeY, const int imgSizeX, const int filterSize,
                                           const int padding, const int stride, const int modulesY,
                                           const int modulesX, const int filterChannels, const int numGroups,
                                           const int moduleTaps, const float scaleTargets,
                                           const float scaleOutput) {
    constexpr int TILE = IMAGES == 4 ? 8 : 16;  // the fewer images, the more pixels are worth a barrier
    __shared__ float shImages[COLORS][TILE][B_X * IMAGES];
    __shared__ Floats<FILTERS> shFilters[COLORS][TILE][B_Y];

    const int filterPixels = filterSize * filterSize;
    const int filtersPerGroup = numFilters / numGroups;
    const int imageBlocks = divUp(numImages, B_X * IMAGES);
    const int filterBlocks = divUp(filtersPerGroup, B_Y * FILTERS);  // of one group

    const int module = blockIdx.x / imageBlocks / (filterBlocks * numGroups);
    const int filterBlock = blockIdx.x / imageBlocks % (filterBlocks * numGroups);
    const int group = filterBlock / filterBlocks;
    const int blockFilter = filterBlock % filterBlocks * B_Y * FILTERS;  // of the group's
    const int myImage = blockIdx.x % imageBlocks * B_X * IMAGES + threadIdx.x;
    const int moduleY = module / modulesX * stride - padding;
    const int moduleX = module % modulesX * stride - padding;

    // what this thread brings of the filters: of one filter, every LOAD_ROWS-th row; of the images: its own
    constexpr int LOAD_ROWS = B_X / FILTERS;
    const int thread = threadIdx.y * B_X + threadIdx.x;
    const int loadRow = thread / (B_Y * FILTERS);
    const int loadFilter = thread % (B_Y * FILTERS);
    const bool isFilter = !CHECK || blockFilter + loadFilter < filtersPerGroup;

    const long long imgPixels = imgSizeY * imgSizeX;
    images += myImage;
    filters += static_cast<long long>(module) * moduleTaps * numFilters;
    filters += group * filtersPerGroup + blockFilter + loadFilter;

    Floats<FILTERS> sums[IMAGES];
    #pragma unroll
    for (int i = 0; i < IMAGES; i++) {
        sums[i] = Floats<FILTERS>();
    }

    for (int channel = 0; channel < filterChannels; channel += COLORS) {
        int filterY = threadIdx.y / filterSize;  // of the pixel that this thread brings of the images
        int filterX = threadIdx.y % filterSize;
        for (int pixel = 0; pixel < filterPixels; pixel += TILE) {
            #pragma unroll
            for (int c = 0; c < COLORS; c++) {
                #pragma unroll
                for (int first = 0; first < TILE; first += LOAD_ROWS) {
                    const int row = first + loadRow;
                    const bool exists = isFilter && pixel + row < filterPixels && channel + c < filterChannels;
                    const long long tap = static_cast<long long>(channel + c) * filterPixels + pixel + row;
                    shFilters[c][row][loadFilter / FILTERS][loadFilter % FILTERS] =
                        exists ? filters[tap * numFilters] : 0;
                }
            }
            #pragma unroll
            for (int row = 0; row < TILE; row += B_Y) {
                const int y = moduleY + filterY, x = moduleX + filterX;
                const bool inside = filterY < filterSize && y >= 0 && y < imgSizeY && x >= 0 && x < imgSizeX;
                #pragma unroll
                for (int c = 0; c < COLORS; c++) {
                    const bool exists = inside && channel + c < filterChannels;
                    const int ofGroups = group * filterChannels + channel + c;
                    const int seen = !exists ? 0 : SPARSE ? colorIndices[ofGroups] : ofGroups;
                    const float* const from = images + (seen * imgPixels + y * imgSizeX + x) * numImages;
                    #pragma unroll
                    for (int i = 0; i < IMAGES; i++) {
                        const bool isImage = exists && (!CHECK || myImage + i * B_X < numImages);
                        shImages[c][row + threadIdx.y][threadIdx.x + i * B_X] = isImage ? from[i * B_X] : 0;
                    }
                }
                for (filterX += B_Y; filterX >= filterSize; filterX -= filterSize) {
                    filterY++;
                }
            }
            __syncthreads();
            for (int chunk = 0; chunk < TILE && pixel + chunk < filterPixels; chunk += CHUNK) {
                #pragma unroll
                for (int c = 0; c < COLORS; c++) {
                    #pragma unroll
                    for (int p = chunk; p < chunk + CHUNK; p++) {
                        const Floats<FILTERS> filter = shFilters[c][p][threadIdx.y];
                        #pragma unroll
                        for (int i = 0; i < IMAGES; i++) {
                            addProducts<FILTERS, FUSED>(sums[i], shImages[c][p][threadIdx.x + i * B_X], filter);
                        }
                    }
                }
            }
            __syncthreads();
        }
    }

    const int myFilter = blockFilter + threadIdx.y * FILTERS;
    const long long numModules = static_cast<long long>(modulesY) * modulesX;
    targets += ((group * filtersPerGroup + myFilter) * numModules + module) * numImages + myImage;
    #pragma unroll
    for (int i = 0; i < IMAGES; i++) {
        const Floats<FILTERS> sum = sums[i];
        #pragma unroll
        for (int f = 0; f < FILTERS; f++) {
            if (!CHECK || (myFilter + f < filtersPerGroup && myImage + i * B_X < numImages)) {
                storeScaled(targets + f * numModules * numImages + i * B_X, sum[f], scaleTargets, scaleOutput);
            }
        }
    }
}

template <int IMAGES, int FILTERS, int COLORS, bool FUSED, bool CHECK>
__device__ void filter_acts(const float* images, const float* filters, float* targets, const int numImages,
                            const int numFilters, const int imgSizeY, const int imgSizeX, const int filterSize,
                            const int padding, const int stride, const int modulesY, const int modulesX,
                            const int filterChannels, const int numGroups, const int moduleTaps,
                            const float scaleTargets, const float scaleOutput) {
    filterActs<IMAGES, FILTERS, COLORS, FUSED, CHECK, false>(
        images, filters, nullptr, targets, numImages, numFilters, imgSizeY, imgSizeX, filterSize, padding, stride,
        modulesY, modulesX, filterChannels, numGroups, moduleTaps, scaleTargets, scaleOutput);
}

template <int IMAGES, int FILTERS, int COLORS, bool FUSED, bool CHECK>
__device__ void filter_acts_sparse(const float* images, const float* filters, const int* colorIndices,
                                   float* targets, const int numImages, const int numFilters, const int imgSizeY,
                                   const int imgSizeX, const int filterSize, const int padding, const int stride,
                                   const int modulesY, const int modulesX, const int filterChannels,
                                   const int numGroups, const int moduleTaps, const float scaleTargets,
                                   const float scaleOutput) {
    filterActs<IMAGES, FILTERS, COLORS, FUSED, CHECK, true>(
        images, filters, colorIndices, targets, numImages, numFilters, imgSizeY, imgSizeX, filterSize, padding,
        stride, modulesY, modulesX, filterChannels, numGroups, moduleTaps, scaleTargets, scaleOutput);
}
