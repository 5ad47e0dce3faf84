// Random pooling: targets = one pixel of each region, each with the same chance.
//
// images   (numFilters, imgSizeY, imgSizeX, numImages)
// targets  (numFilters, outputsY, outputsX, numImages)
//
// Region (oy, ox) covers subsX pixels from startX + o * strideX in each direction, clipped to the image; of its n
// pixels, in raster order, target i takes number word * n / 2^32, rounded down, where word is the 32-bit word i of
// the stream (see philox.cuh).
//
// Places of the grid (places.cuh) are regions, one for each block, of B_Y maps.
//
// Answers to alexnet:src/layer.cu: RandomPoolLayer, whose kernel (convLocalRandomPool) was never published.

#include "philox.cuh"
#include "windows.cuh"

template <int B_Y, int B_X>
__device__ void localRandomPool(const float* images, float* targets, const int numFilters, const int imgSizeY,
                                const int imgSizeX, const int numImages, const int outputsY, const int outputsX,
                                const int subsX, const int startX, const int strideX,
                                const unsigned long long counter0, const unsigned long long counter1,
                                const unsigned long long counter2, const unsigned long long counter3,
                                const unsigned long long key0, const unsigned long long key1) {
    const auto place = placeOfMap<B_Y, B_X, 1, 1, true>(outputsY, outputsX, numImages);
    if (!has(place, 0) || place.map >= numFilters) {
        return;
    }
    const Span rows = inImage(startX + place.y * strideX, subsX, imgSizeY);
    const Span columns = inImage(startX + place.x * strideX, subsX, imgSizeX);

    const size_t target = entryOf(place, outputsY, outputsX);
    const Words words = wordsAt(target / 8, counter0, counter1, counter2, counter3, key0, key1);
    const unsigned long long word = words.at[target % 8 / 2] >> (target % 2 * 32) & 0xffffffffu;
    const int taken = int(word * (lengthOf(rows) * lengthOf(columns)) >> 32);
    const int y = rows.first + taken / lengthOf(columns), x = columns.first + taken % lengthOf(columns);
    targets[target] = images[mapOf(place, imgSizeY * imgSizeX) + (y * imgSizeX + x) * numImages];
}
