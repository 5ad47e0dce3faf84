// Where a thread of a row of blocks works: on which images, at which pixel, in which maps.
//
// blockIdx.x counts, from the fastest: blocks of images, columns, rows, blocks of maps. A block has
// B_X * imgsPerThread images, and threadIdx.x is the image. What threadIdx.y is tells the function's name.

#pragma once

#include "common.cuh"

// imgsPerThread images from `img` on, B_X apart, at pixel (y, x) of the maps from `map` on. Blocks may hang over:
// img past the last image if checkImages, the others as the functions below say.
template <int B_X, int imgsPerThread, bool checkImages>
struct Place {
    int img, x, y, map, numImages;
};

template <int B_X, int imgsPerThread, bool checkImages>
__device__ __forceinline__ bool has(const Place<B_X, imgsPerThread, checkImages>& place, const int i) {
    return !checkImages || place.img + i * B_X < place.numImages;
}

// The place's entry in arrays (maps, height, width, numImages).
template <int B_X, int imgsPerThread, bool checkImages>
__device__ __forceinline__ size_t entryOf(const Place<B_X, imgsPerThread, checkImages>& place, const int height,
                                          const int width) {
    return ((size_t(place.map) * height + place.y) * width + place.x) * place.numImages + place.img;
}

// The entry of the place's map at its first pixel.
template <int B_X, int imgsPerThread, bool checkImages>
__device__ __forceinline__ size_t mapOf(const Place<B_X, imgsPerThread, checkImages>& place, const int pixels) {
    return size_t(place.map) * pixels * place.numImages + place.img;
}

// Columns, rows and maps are the block's, not yet the thread's.
template <int B_X, int imgsPerThread, bool checkImages>
__device__ __forceinline__ Place<B_X, imgsPerThread, checkImages> placeOfBlock(const int rows, const int columns,
                                                                               const int numImages) {
    const int numImgBlocks = divUp(numImages, B_X * imgsPerThread);
    const int img = blockIdx.x % numImgBlocks * (B_X * imgsPerThread) + threadIdx.x;
    const int block = blockIdx.x / numImgBlocks;
    return {img, block % columns, block / columns % rows, block / columns / rows, numImages};
}

// threadIdx.y is the map: a block has one pixel of B_Y * mapsPerThread maps, mapsPerThread neighbours to a thread.
// It may hang over the last map where mapsPerThread is 1, as launches see to.
template <int B_Y, int B_X, int imgsPerThread, int mapsPerThread, bool checkImages>
__device__ __forceinline__ Place<B_X, imgsPerThread, checkImages> placeOfMap(const int height, const int width,
                                                                             const int numImages) {
    auto place = placeOfBlock<B_X, imgsPerThread, checkImages>(height, width, numImages);
    place.map = (place.map * B_Y + int(threadIdx.y)) * mapsPerThread;
    return place;
}

// threadIdx.y is the pixel: a block has B_Y of the pixels of a map, which count as one row. It may hang over the last.
template <int B_Y, int B_X, int imgsPerThread, bool checkImages>
__device__ __forceinline__ Place<B_X, imgsPerThread, checkImages> placeOfPixel(const int pixels, const int numImages) {
    auto place = placeOfBlock<B_X, imgsPerThread, checkImages>(1, divUp(pixels, B_Y), numImages);
    place.x = place.x * B_Y + int(threadIdx.y);
    return place;
}

constexpr int TILE = 4;

// threadIdx.y is the pixel of a tile: a block has TILE x TILE pixels of mapsPerThread maps. It may hang over the
// last column and the last row.
template <int B_X, int imgsPerThread, int mapsPerThread, bool checkImages>
__device__ __forceinline__ Place<B_X, imgsPerThread, checkImages> placeInTile(const int height, const int width,
                                                                              const int numImages) {
    auto place =
        placeOfBlock<B_X, imgsPerThread, checkImages>(divUp(height, TILE), divUp(width, TILE), numImages);
    place.x = place.x * TILE + int(threadIdx.y) % TILE;
    place.y = place.y * TILE + int(threadIdx.y) / TILE;
    place.map *= mapsPerThread;
    return place;
}
