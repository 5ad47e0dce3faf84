// Pooling: one number for each square region of each map.
//
//   MaxPooler      the largest value; -2e38 if no pixel is larger, NaN is passed over
//   MaxAbsPooler   the value of largest magnitude, with its sign; of equal ones the last
//   AvgPooler      the sum, divided by the number of pixels
//
// images   (numFilters, imgSizeY, imgSizeX, numImages)
// targets  (numFilters, outputsY, outputsX, numImages)
//
// Region (oy, ox) covers subsX pixels from startX + o * strideX in each direction, clipped to the image; each has
// a pixel at least. Its pixels are combined one after the other in raster order, whichever kernel runs.
//
// Answers to cuda-convnet:include/cudaconv2/conv_util.cuh: kLocalPool, kLocalPool2 and their poolers.

#include "common.cuh"

struct MaxPooler {
    __device__ __forceinline__ float first() { return -2e38f; }
    __device__ __forceinline__ float combine(const float a, const float b) { return fmaxf(a, b); }
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

// One region for each block, of B_X * imgsPerThread images and B_Y * filtersPerThread maps.
//
// threadIdx.x is the image, threadIdx.y the map. blockIdx.x counts, from the fastest: blocks of images, columns
// and rows of regions, blocks of maps. Images past the last are left out if checkCaseBounds; maps, in any case,
// where filtersPerThread is 1.
template <class Pooler, int B_Y, int B_X, int imgsPerThread, int filtersPerThread, bool checkCaseBounds>
__device__ void localPool(const float* images, float* targets, const int numFilters, const int imgSizeY,
                          const int imgSizeX, const int numImages, const int outputsY, const int outputsX,
                          const int subsX, const int startX, const int strideX) {
    const int numImgBlocks = divUp(numImages, B_X * imgsPerThread);
    int block = blockIdx.x;
    const int imgIdx = block % numImgBlocks * (B_X * imgsPerThread) + threadIdx.x;
    block /= numImgBlocks;
    const int outputX = block % outputsX;
    block /= outputsX;
    const int outputY = block % outputsY;
    block /= outputsY;
    const int filterIdx = (block * B_Y + threadIdx.y) * filtersPerThread;
    if (filterIdx >= numFilters) {
        return;
    }

    const int imgPixels = imgSizeY * imgSizeX;
    const int outputs = outputsY * outputsX;
    const int startY = max(0, startX + outputY * strideX), endY = min(imgSizeY, startX + outputY * strideX + subsX);
    const int beginX = max(0, startX + outputX * strideX), endX = min(imgSizeX, startX + outputX * strideX + subsX);
    images += filterIdx * imgPixels * numImages + imgIdx;
    targets += (filterIdx * outputs + outputY * outputsX + outputX) * numImages + imgIdx;

    Pooler pooler;
    float pooled[filtersPerThread][imgsPerThread];
    #pragma unroll
    for (int f = 0; f < filtersPerThread; f++) {
        #pragma unroll
        for (int i = 0; i < imgsPerThread; i++) {
            pooled[f][i] = pooler.first();
        }
    }
    for (int y = startY; y < endY; y++) {
        for (int x = beginX; x < endX; x++) {
            const int pixel = y * imgSizeX + x;
            #pragma unroll
            for (int f = 0; f < filtersPerThread; f++) {
                #pragma unroll
                for (int i = 0; i < imgsPerThread; i++) {
                    if (!checkCaseBounds || imgIdx + i * B_X < numImages) {
                        const float value = images[(f * imgPixels + pixel) * numImages + i * B_X];
                        pooled[f][i] = pooler.combine(pooled[f][i], value);
                    }
                }
            }
        }
    }
    const int pixels = (endY - startY) * (endX - beginX);
    #pragma unroll
    for (int f = 0; f < filtersPerThread; f++) {
        #pragma unroll
        for (int i = 0; i < imgsPerThread; i++) {
            if (!checkCaseBounds || imgIdx + i * B_X < numImages) {
                targets[f * outputs * numImages + i * B_X] = pooler.output(pooled[f][i], pixels);
            }
        }
    }
}

// Regions at every pixel (stride 1) that are large: a block pools a tile of 4 x 4 of them, of
// B_X * imgsPerThread images and filtersPerThread maps, and reads each pixel of their union once.
//
// threadIdx.x is the image, threadIdx.y the region in the tile. blockIdx.x counts, from the fastest: blocks of
// images, columns and rows of tiles, blocks of maps. numFilters is a multiple of filtersPerThread, and
// B_X * imgsPerThread of 32: pixels are loaded by rows of 32 threads, one map each.
template <class Pooler, int B_X, int imgsPerThread, int filtersPerThread, bool checkCaseBounds>
__device__ void localPoolTiles(const float* images, float* targets, const int imgSizeY, const int imgSizeX,
                               const int numImages, const int outputsY, const int outputsX, const int subsX,
                               const int startX) {
    const int TILE = 4;
    const int LOADERS = TILE * TILE * B_X / 32;
    __shared__ float shImgs[filtersPerThread][B_X * imgsPerThread];

    const int numImgBlocks = divUp(numImages, B_X * imgsPerThread);
    int block = blockIdx.x;
    const int blockImgIdx = block % numImgBlocks * (B_X * imgsPerThread);
    block /= numImgBlocks;
    const int tileX = block % divUp(outputsX, TILE) * TILE;
    block /= divUp(outputsX, TILE);
    const int tileY = block % divUp(outputsY, TILE) * TILE;
    block /= divUp(outputsY, TILE);
    const int blockFilterIdx = block * filtersPerThread;

    const int thread = threadIdx.y * B_X + threadIdx.x;
    const int loadY = thread / 32, loadX = thread % 32;
    const int imgIdx = blockImgIdx + threadIdx.x;
    const int outputX = tileX + threadIdx.y % TILE, outputY = tileY + threadIdx.y / TILE;
    const int imgPixels = imgSizeY * imgSizeX;
    const int outputs = outputsY * outputsX;

    const int startY = max(0, startX + outputY), endY = min(imgSizeY, startX + outputY + subsX);
    const int beginX = max(0, startX + outputX), endX = min(imgSizeX, startX + outputX + subsX);
    const int loopStartY = max(0, startX + tileY), loopEndY = min(imgSizeY, startX + tileY + subsX + TILE - 1);
    const int loopStartX = max(0, startX + tileX), loopEndX = min(imgSizeX, startX + tileX + subsX + TILE - 1);
    images += blockFilterIdx * imgPixels * numImages + blockImgIdx + loadX;
    targets += (blockFilterIdx * outputs + outputY * outputsX + outputX) * numImages + imgIdx;

    Pooler pooler;
    float pooled[filtersPerThread][imgsPerThread];
    #pragma unroll
    for (int f = 0; f < filtersPerThread; f++) {
        #pragma unroll
        for (int i = 0; i < imgsPerThread; i++) {
            pooled[f][i] = pooler.first();
        }
    }
    for (int y = loopStartY; y < loopEndY; y++) {
        for (int x = loopStartX; x < loopEndX; x++) {
            const int pixel = y * imgSizeX + x;
            for (int f = loadY; f < filtersPerThread; f += LOADERS) {
                #pragma unroll
                for (int i = 0; i < B_X * imgsPerThread; i += 32) {
                    if (!checkCaseBounds || blockImgIdx + loadX + i < numImages) {
                        shImgs[f][loadX + i] = images[(f * imgPixels + pixel) * numImages + i];
                    }
                }
            }
            __syncthreads();
            if (y >= startY && y < endY && x >= beginX && x < endX) {
                #pragma unroll
                for (int f = 0; f < filtersPerThread; f++) {
                    #pragma unroll
                    for (int i = 0; i < imgsPerThread; i++) {
                        if (!checkCaseBounds || imgIdx + i * B_X < numImages) {
                            pooled[f][i] = pooler.combine(pooled[f][i], shImgs[f][threadIdx.x + i * B_X]);
                        }
                    }
                }
            }
            __syncthreads();
        }
    }
    if (outputY < outputsY && outputX < outputsX) {
        const int pixels = (endY - startY) * (endX - beginX);
        #pragma unroll
        for (int f = 0; f < filtersPerThread; f++) {
            #pragma unroll
            for (int i = 0; i < imgsPerThread; i++) {
                if (!checkCaseBounds || imgIdx + i * B_X < numImages) {
                    targets[f * outputs * numImages + i * B_X] = pooler.output(pooled[f][i], pixels);
                }
            }
        }
    }
}
