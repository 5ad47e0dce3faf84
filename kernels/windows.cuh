// Squares of pixels, of which each thread makes one number for each of its images and maps.

#pragma once

#include "places.cuh"

// Neighbours along one direction: from `first` up to `end`, none where these are equal.
struct Span {
    int first, end;
};

__device__ __forceinline__ int lengthOf(const Span span) { return span.end - span.first; }

// Of `size` neighbours from `first` on those that lie in an image of `length`.
__device__ __forceinline__ Span inImage(const int first, const int size, const int length) {
    return {max(0, first), min(length, first + size)};
}

// Of the `size` neighbours around a pixel, half of them before it.
__device__ __forceinline__ Span around(const int pixel, const int size, const int length) {
    return inImage(pixel - size / 2, size, length);
}

// How a thread takes one value after the other; so do the poolers.
struct Sum {
    __device__ __forceinline__ float combine(const float sum, const float value) { return sum + value; }
};

struct SumOfSquares {
    __device__ __forceinline__ float combine(const float sum, const float value) { return fmaf(value, value, sum); }
};

// Combines `results` with the pixels of a window, in raster order, which the thread reads itself.
template <class Combiner, int maps, int B_X, int imgsPerThread, bool checkImages>
__device__ __forceinline__ void combineWindow(Combiner combiner, const float* values,
                                              const Place<B_X, imgsPerThread, checkImages>& place, const Span rows,
                                              const Span columns, const int imgSizeY, const int imgSizeX,
                                              float (&results)[maps][imgsPerThread]) {
    const int map = imgSizeY * imgSizeX * place.numImages;
    values += mapOf(place, imgSizeY * imgSizeX);
    for (int y = rows.first; y < rows.end; y++) {
        for (int x = columns.first; x < columns.end; x++) {
            const float* const pixel = values + (y * imgSizeX + x) * place.numImages;
            #pragma unroll
            for (int f = 0; f < maps; f++) {
                #pragma unroll
                for (int i = 0; i < imgsPerThread; i++) {
                    if (has(place, i)) {
                        results[f][i] = combiner.combine(results[f][i], pixel[f * map + i * B_X]);
                    }
                }
            }
        }
    }
}

// The same for a block's tile of places (placeInTile), whose windows of `size` x `size` pixels lie one pixel apart;
// the thread's begins at (firstY, firstX). All threads load the union of the windows, one pixel at a time, and each
// takes what lies in its own.
template <class Combiner, int maps, int B_X, int imgsPerThread, bool checkImages>
__device__ __forceinline__ void combineTile(Combiner combiner, const float* values,
                                            const Place<B_X, imgsPerThread, checkImages>& place, const int firstY,
                                            const int firstX, const int size, const int imgSizeY, const int imgSizeX,
                                            float (&results)[maps][imgsPerThread]) {
    constexpr int WIDTH = B_X * imgsPerThread, THREADS = B_X * TILE * TILE;
    __shared__ float loaded[maps][WIDTH];
    const int threadX = threadIdx.x, threadY = threadIdx.y;
    const Span rows = inImage(firstY - threadY / TILE, size + TILE - 1, imgSizeY);
    const Span columns = inImage(firstX - threadY % TILE, size + TILE - 1, imgSizeX);
    const int map = imgSizeY * imgSizeX * place.numImages;
    const int blockImages = place.numImages - (place.img - threadX);
    values += mapOf(place, imgSizeY * imgSizeX) - threadX;
    for (int y = rows.first; y < rows.end; y++) {
        for (int x = columns.first; x < columns.end; x++) {
            const float* const pixel = values + (y * imgSizeX + x) * place.numImages;
            for (int load = threadY * B_X + threadX; load < maps * WIDTH; load += THREADS) {
                const int f = load / WIDTH, i = load % WIDTH;
                loaded[f][i] = !checkImages || i < blockImages ? pixel[f * map + i] : 0.0f;
            }
            __syncthreads();
            if (y >= firstY && y < firstY + size && x >= firstX && x < firstX + size) {
                #pragma unroll
                for (int f = 0; f < maps; f++) {
                    #pragma unroll
                    for (int i = 0; i < imgsPerThread; i++) {
                        results[f][i] = combiner.combine(results[f][i], loaded[f][threadX + i * B_X]);
                    }
                }
            }
            __syncthreads();
        }
    }
}
