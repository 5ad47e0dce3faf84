// Local response normalisation across maps: each pixel of a map is divided by those of its neighbours among the
// maps.
//
//   denoms  = minDiv + scale * (sum of images**2 over the window of maps, at one pixel)
//   targets = images * denoms**-power
//
// All arrays (numFilters, imgPixels, numImages). The window of map f is [f - sizeF/2, f - sizeF/2 + sizeF), or if
// `blocked` the group of sizeF maps that f belongs to, clipped to the maps there are. The sum starts at 0 and takes
// its maps in ascending order, by fmaf.
//
// Places of the grid (places.cuh) are pixels, one for each block, of B_Y maps. Images past the last are left out if
// checkCaseBounds.
//
// Answers to cuda-convnet:src/cudaconv2/conv_util.cu: kFCNorm; minDiv is cuda-convnet2's and the 2012 release's.

#include "places.cuh"

template <int B_Y, int B_X, int imgsPerThread, bool checkCaseBounds, bool blocked>
__device__ void crossMapNorm(const float* images, float* denoms, float* targets, const int numFilters,
                             const int imgPixels, const int numImages, const int sizeF, const float scale,
                             const float power, const float minDiv) {
    const auto place = placeOfMap<B_Y, B_X, imgsPerThread, 1, checkCaseBounds>(1, imgPixels, numImages);
    if (place.map >= numFilters) {
        return;
    }
    const int first = blocked ? place.map / sizeF * sizeF : place.map - sizeF / 2;
    const int start = max(0, first), end = min(numFilters, first + sizeF);
    const size_t pixel = size_t(place.x) * numImages + place.img;
    const int map = imgPixels * numImages;
    const float* const squared = images + pixel;

    float sums[imgsPerThread] = {};
    for (int f = start; f < end; f++) {
        #pragma unroll
        for (int i = 0; i < imgsPerThread; i++) {
            if (has(place, i)) {
                const float value = squared[f * map + i * B_X];
                sums[i] = fmaf(value, value, sums[i]);
            }
        }
    }
    #pragma unroll
    for (int i = 0; i < imgsPerThread; i++) {
        if (has(place, i)) {
            const size_t at = pixel + place.map * map + i * B_X;
            const float denom = fmaf(scale, sums[i], minDiv);
            denoms[at] = denom;
            targets[at] = images[at] * powf(denom, -power);
        }
    }
}
