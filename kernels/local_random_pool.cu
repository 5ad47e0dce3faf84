// Random pooling: targets = one pixel of each region, each with the same chance.
//
// images   (numFilters, imgSizeY, imgSizeX, numImages)
// targets  (numFilters, outputsY, outputsX, numImages)
//
// Region (oy, ox) covers subsX pixels from startX + o * strideX in each direction, clipped to the image; of its n
// pixels, in raster order, target i takes number word * n / 2^32, rounded down, where word is the 32-bit word i of
// the stream (see philox.cu).
//
// One region for each block, of B_X images and B_Y maps. threadIdx.x is the image, threadIdx.y the map. blockIdx.x
// counts, from the fastest: blocks of images, columns and rows of regions, blocks of maps.
//
// Answers to alexnet:src/layer.cu: RandomPoolLayer, whose kernel (convLocalRandomPool) was never published.

#include "philox.cu"

template <int B_Y, int B_X>
__device__ void localRandomPool(const float* images, float* targets, const int numFilters, const int imgSizeY,
                                const int imgSizeX, const int numImages, const int outputsY, const int outputsX,
                                const int subsX, const int startX, const int strideX,
                                const unsigned long long counter0, const unsigned long long counter1,
                                const unsigned long long counter2, const unsigned long long counter3,
                                const unsigned long long key0, const unsigned long long key1) {
    const int numImgBlocks = divUp(numImages, B_X);
    int block = blockIdx.x;
    const int imgIdx = block % numImgBlocks * B_X + threadIdx.x;
    block /= numImgBlocks;
    const int outputX = block % outputsX;
    block /= outputsX;
    const int outputY = block % outputsY;
    block /= outputsY;
    const int filterIdx = block * B_Y + threadIdx.y;
    if (imgIdx >= numImages || filterIdx >= numFilters) {
        return;
    }

    const int startY = max(0, startX + outputY * strideX), endY = min(imgSizeY, startX + outputY * strideX + subsX);
    const int beginX = max(0, startX + outputX * strideX), endX = min(imgSizeX, startX + outputX * strideX + subsX);
    const int width = endX - beginX, pixels = (endY - startY) * width;

    const int target = ((filterIdx * outputsY + outputY) * outputsX + outputX) * numImages + imgIdx;
    const Words words = wordsAt(target / 8, counter0, counter1, counter2, counter3, key0, key1);
    const unsigned long long word = words.at[target % 8 / 2] >> (target % 2 * 32) & 0xffffffffu;
    const int taken = int(word * pixels >> 32);
    const int y = startY + taken / width, x = beginX + taken % width;
    targets[target] = images[((filterIdx * imgSizeY + y) * imgSizeX + x) * numImages + imgIdx];
}
