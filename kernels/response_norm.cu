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
// Each sum starts at 0 and takes the pixels of its window in raster order, squares by fmaf; so do both ways of
// gathering them, pixel by pixel for small windows, in tiles for large ones.
//
// Answers to cuda-convnet:src/cudaconv2/conv_util.cu: kCNorm_fewfilter, kCNorm_manyfilter, kCNorm2, kRNormUndo,
// kRNormUndo2.

#include "common.cuh"

// The terms of the two sums.
struct Square {};
struct Value {};

__device__ __forceinline__ float add(Square, const float sum, const float value) { return fmaf(value, value, sum); }
__device__ __forceinline__ float add(Value, const float sum, const float value) { return sum + value; }

// What a thread computes: imgsPerThread images from `img` on, B_X apart, of filtersPerThread maps from `filter`
// on, B_Y apart, at one pixel. Only blocks of B_Y > 1 hang over the last map.
template <int B_Y, int B_X, int imgsPerThread, int filtersPerThread, bool checkBounds>
struct Outputs {
    int y, x, filter, img;
    int numFilters, imgPixels, numImages;
    bool inImage;
};

template <int B_Y, int B_X, int imgsPerThread, int filtersPerThread, bool checkBounds>
__device__ __forceinline__ bool has(const Outputs<B_Y, B_X, imgsPerThread, filtersPerThread, checkBounds>& out,
                                    const int f, const int i) {
    const bool hasFilter = B_Y == 1 || out.filter + f * B_Y < out.numFilters;
    return !checkBounds || (out.img + i * B_X < out.numImages && hasFilter);
}

// From the first of a thread's outputs to another.
template <int B_Y, int B_X, int imgsPerThread, int filtersPerThread, bool checkBounds>
__device__ __forceinline__ int step(const Outputs<B_Y, B_X, imgsPerThread, filtersPerThread, checkBounds>& out,
                                    const int f, const int i) {
    return f * B_Y * out.imgPixels * out.numImages + i * B_X;
}

// Where the window of a pixel lies along one direction.
struct Window {
    int first, end;
};

template <bool mirrored>
__device__ __forceinline__ int before(const int sizeX) {
    return mirrored ? sizeX - sizeX / 2 - 1 : sizeX / 2;
}

template <bool mirrored>
__device__ __forceinline__ Window windowAt(const int pixel, const int sizeX, const int imgSize) {
    const int first = pixel - before<mirrored>(sizeX);
    return {max(0, first), min(imgSize, first + sizeX)};
}

// --- pixel by pixel: a block has one pixel, of B_X * imgsPerThread images and B_Y * filtersPerThread maps.
//     threadIdx.x is the image, threadIdx.y the map; blockIdx.x counts, from the fastest: blocks of images,
//     columns and rows of pixels, blocks of maps. With checkBounds the last blocks may hang over. ---

template <int B_Y, int B_X, int imgsPerThread, int filtersPerThread, bool checkBounds>
__device__ __forceinline__ Outputs<B_Y, B_X, imgsPerThread, filtersPerThread, checkBounds> outputsAtPixel(
    const int numFilters, const int imgSizeY, const int imgSizeX, const int numImages) {
    const int numImgBlocks = divUp(numImages, B_X * imgsPerThread);
    const int place = blockIdx.x / numImgBlocks;
    const int img = blockIdx.x % numImgBlocks * (B_X * imgsPerThread) + threadIdx.x;
    const int filter = place / (imgSizeX * imgSizeY) * (B_Y * filtersPerThread) + threadIdx.y;
    return {place / imgSizeX % imgSizeY, place % imgSizeX, filter, img, numFilters, imgSizeY * imgSizeX, numImages,
            true};
}

template <class Term, bool mirrored, int B_Y, int B_X, int imgsPerThread, int filtersPerThread, bool checkBounds>
__device__ __forceinline__ void sumAtPixel(
    const float* values, const Outputs<B_Y, B_X, imgsPerThread, filtersPerThread, checkBounds>& out,
    const int imgSizeY, const int imgSizeX, const int sizeX, float (&sums)[filtersPerThread][imgsPerThread]) {
    const Window rows = windowAt<mirrored>(out.y, sizeX, imgSizeY);
    const Window columns = windowAt<mirrored>(out.x, sizeX, imgSizeX);
    values += size_t(out.filter) * out.imgPixels * out.numImages + out.img;
    for (int y = rows.first; y < rows.end; y++) {
        for (int x = columns.first; x < columns.end; x++) {
            const int pixel = y * imgSizeX + x;
            #pragma unroll
            for (int f = 0; f < filtersPerThread; f++) {
                #pragma unroll
                for (int i = 0; i < imgsPerThread; i++) {
                    if (has(out, f, i)) {
                        sums[f][i] = add(Term(), sums[f][i], values[pixel * out.numImages + step(out, f, i)]);
                    }
                }
            }
        }
    }
}

// --- in tiles: a block has 4 x 4 pixels, of B_X * imgsPerThread images and filtersPerThread maps. All its threads
//     load the union of their windows, one pixel at a time, and each adds what lies in its own. threadIdx.x is the
//     image, threadIdx.y the pixel; blockIdx.x counts, from the fastest: blocks of images, columns and rows of
//     tiles, blocks of maps. numFilters is a multiple of filtersPerThread. ---

const int TILE = 4;

template <int B_X, int imgsPerThread, int filtersPerThread, bool checkBounds>
__device__ __forceinline__ Outputs<1, B_X, imgsPerThread, filtersPerThread, checkBounds> outputsInTile(
    const int numFilters, const int imgSizeY, const int imgSizeX, const int numImages) {
    const int numImgBlocks = divUp(numImages, B_X * imgsPerThread);
    const int tilesY = divUp(imgSizeY, TILE), tilesX = divUp(imgSizeX, TILE);
    const int place = blockIdx.x / numImgBlocks;
    const int img = blockIdx.x % numImgBlocks * (B_X * imgsPerThread) + threadIdx.x;
    const int filter = place / (tilesX * tilesY) * filtersPerThread;
    const int y = place / tilesX % tilesY * TILE + threadIdx.y / TILE;
    const int x = place % tilesX * TILE + threadIdx.y % TILE;
    return {y, x, filter, img, numFilters, imgSizeY * imgSizeX, numImages, y < imgSizeY && x < imgSizeX};
}

template <class Term, bool mirrored, int B_X, int imgsPerThread, int filtersPerThread, bool checkBounds>
__device__ __forceinline__ void sumInTile(const float* values,
                                          const Outputs<1, B_X, imgsPerThread, filtersPerThread, checkBounds>& out,
                                          const int imgSizeY, const int imgSizeX, const int sizeX,
                                          float (&sums)[filtersPerThread][imgsPerThread]) {
    const int WIDTH = B_X * imgsPerThread;
    __shared__ float shValues[filtersPerThread][WIDTH];
    const int threadX = threadIdx.x;
    const int thread = threadIdx.y * B_X + threadX;
    const int blockImg = out.img - threadX;
    const int firstY = out.y - before<mirrored>(sizeX), firstX = out.x - before<mirrored>(sizeX);
    const int regionY = firstY - threadIdx.y / TILE, regionX = firstX - threadIdx.y % TILE;
    const int endY = min(imgSizeY, regionY + sizeX + TILE - 1), endX = min(imgSizeX, regionX + sizeX + TILE - 1);
    values += size_t(out.filter) * out.imgPixels * out.numImages + blockImg;
    for (int y = max(0, regionY); y < endY; y++) {
        for (int x = max(0, regionX); x < endX; x++) {
            const int pixel = y * imgSizeX + x;
            for (int load = thread; load < filtersPerThread * WIDTH; load += B_X * TILE * TILE) {
                const int f = load / WIDTH, i = load % WIDTH;
                const bool there = !checkBounds || blockImg + i < out.numImages;
                shValues[f][i] = there ? values[(f * out.imgPixels + pixel) * out.numImages + i] : 0.0f;
            }
            __syncthreads();
            if (y >= firstY && y < firstY + sizeX && x >= firstX && x < firstX + sizeX) {
                #pragma unroll
                for (int f = 0; f < filtersPerThread; f++) {
                    #pragma unroll
                    for (int i = 0; i < imgsPerThread; i++) {
                        sums[f][i] = add(Term(), sums[f][i], shValues[f][threadX + i * B_X]);
                    }
                }
            }
            __syncthreads();
        }
    }
}

// --- what becomes of the sums ---

template <int B_Y, int B_X, int imgsPerThread, int filtersPerThread, bool checkBounds>
__device__ __forceinline__ void storeNormalised(
    const float* images, float* denoms, float* targets,
    const Outputs<B_Y, B_X, imgsPerThread, filtersPerThread, checkBounds>& out,
    const float (&sums)[filtersPerThread][imgsPerThread], const int imgSizeX, const float scale, const float power) {
    if (!out.inImage) {
        return;
    }
    const size_t first = (size_t(out.filter) * out.imgPixels + out.y * imgSizeX + out.x) * out.numImages + out.img;
    images += first;
    denoms += first;
    targets += first;
    #pragma unroll
    for (int f = 0; f < filtersPerThread; f++) {
        #pragma unroll
        for (int i = 0; i < imgsPerThread; i++) {
            if (has(out, f, i)) {
                const int at = step(out, f, i);
                const float denom = fmaf(scale, sums[f][i], 1.0f);
                denoms[at] = denom;
                targets[at] = images[at] * powf(denom, -power);
            }
        }
    }
}

template <int B_Y, int B_X, int imgsPerThread, int filtersPerThread, bool checkBounds>
__device__ __forceinline__ void storeGradient(
    const float* outGrads, const float* denoms, const float* inputs, float* targets,
    const Outputs<B_Y, B_X, imgsPerThread, filtersPerThread, checkBounds>& out,
    const float (&sums)[filtersPerThread][imgsPerThread], const int imgSizeX, const float power,
    const float scaleTargets, const float scaleOutput) {
    if (!out.inImage) {
        return;
    }
    const size_t first = (size_t(out.filter) * out.imgPixels + out.y * imgSizeX + out.x) * out.numImages + out.img;
    outGrads += first;
    denoms += first;
    inputs += first;
    targets += first;
    #pragma unroll
    for (int f = 0; f < filtersPerThread; f++) {
        #pragma unroll
        for (int i = 0; i < imgsPerThread; i++) {
            if (has(out, f, i)) {
                const int at = step(out, f, i);
                const float gradient = fmaf(inputs[at], sums[f][i], outGrads[at] * powf(denoms[at], -power));
                storeScaled(&targets[at], gradient, scaleTargets, scaleOutput);
            }
        }
    }
}

// --- kernels ---

template <int B_Y, int B_X, int imgsPerThread, int filtersPerThread, bool checkBounds>
__device__ void responseNorm(const float* images, const float* diffs, float* denoms, float* targets,
                             const int numFilters, const int imgSizeY, const int imgSizeX, const int numImages,
                             const int sizeX, const float scale, const float power) {
    const auto out = outputsAtPixel<B_Y, B_X, imgsPerThread, filtersPerThread, checkBounds>(numFilters, imgSizeY,
                                                                                            imgSizeX, numImages);
    float sums[filtersPerThread][imgsPerThread] = {};
    sumAtPixel<Square, false>(diffs, out, imgSizeY, imgSizeX, sizeX, sums);
    storeNormalised(images, denoms, targets, out, sums, imgSizeX, scale, power);
}

template <int B_X, int imgsPerThread, int filtersPerThread, bool checkBounds>
__device__ void responseNormTiles(const float* images, const float* diffs, float* denoms, float* targets,
                                  const int numFilters, const int imgSizeY, const int imgSizeX, const int numImages,
                                  const int sizeX, const float scale, const float power) {
    const auto out =
        outputsInTile<B_X, imgsPerThread, filtersPerThread, checkBounds>(numFilters, imgSizeY, imgSizeX, numImages);
    float sums[filtersPerThread][imgsPerThread] = {};
    sumInTile<Square, false>(diffs, out, imgSizeY, imgSizeX, sizeX, sums);
    storeNormalised(images, denoms, targets, out, sums, imgSizeX, scale, power);
}

template <int B_Y, int B_X, int imgsPerThread, int filtersPerThread, bool checkBounds>
__device__ void responseNormUndo(const float* outGrads, const float* denoms, const float* inputs,
                                 const float* factors, float* targets, const int numFilters, const int imgSizeY,
                                 const int imgSizeX, const int numImages, const int sizeX, const float power,
                                 const float scaleTargets, const float scaleOutput) {
    const auto out = outputsAtPixel<B_Y, B_X, imgsPerThread, filtersPerThread, checkBounds>(numFilters, imgSizeY,
                                                                                            imgSizeX, numImages);
    float sums[filtersPerThread][imgsPerThread] = {};
    sumAtPixel<Value, true>(factors, out, imgSizeY, imgSizeX, sizeX, sums);
    storeGradient(outGrads, denoms, inputs, targets, out, sums, imgSizeX, power, scaleTargets, scaleOutput);
}

template <int B_X, int imgsPerThread, int filtersPerThread, bool checkBounds>
__device__ void responseNormUndoTiles(const float* outGrads, const float* denoms, const float* inputs,
                                      const float* factors, float* targets, const int numFilters,
                                      const int imgSizeY, const int imgSizeX, const int numImages, const int sizeX,
                                      const float power, const float scaleTargets, const float scaleOutput) {
    const auto out =
        outputsInTile<B_X, imgsPerThread, filtersPerThread, checkBounds>(numFilters, imgSizeY, imgSizeX, numImages);
    float sums[filtersPerThread][imgsPerThread] = {};
    sumInTile<Value, true>(factors, out, imgSizeY, imgSizeX, sizeX, sums);
    storeGradient(outGrads, denoms, inputs, targets, out, sums, imgSizeX, power, scaleTargets, scaleOutput);
}
