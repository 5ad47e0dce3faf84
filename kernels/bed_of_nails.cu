// Subsampling ("bed of nails") and its gradient.
//
//   bedOfNails       targets[c, o] = scaleTargets * targets[c, o] + scaleOutput * images[c, nail o]
//   bedOfNailsUndo   targets[c, nail o] = scaleTargets * targets[c, nail o] + scaleOutput * grads[c, o]; between
//                    the nails targets become 0, or stay as they are where scaleTargets is not 0
//
// images, and targets of the gradient   (numChannels, imgSizeY, imgSizeX, numImages)
// grads, and targets                    (numChannels, outputsY, outputsX, numImages)
//
// Nail (oy, ox) stands on the pixel startX + o * strideX of each direction, which the image has.
//
// One output (in the gradient: one pixel) for each block, of B_X * imgsPerThread images and B_Y * chansPerThread
// channels. threadIdx.x is the image, threadIdx.y the channel. blockIdx.x counts, from the fastest: blocks of
// images, columns and rows, blocks of channels. Images past the last are left out if checkCaseBounds; channels,
// in any case, where chansPerThread is 1. Nothing is summed.
//
// Answers to cuda-convnet:src/cudaconv2/conv_util.cu: kBedOfNails.

#include "common.cuh"

template <int B_Y, int B_X, int imgsPerThread, int chansPerThread, bool checkCaseBounds>
__device__ void bedOfNails(const float* images, float* targets, const int numChannels, const int imgSizeY,
                           const int imgSizeX, const int numImages, const int outputsY, const int outputsX,
                           const int startX, const int strideX, const float scaleTargets, const float scaleOutput) {
    const int numImgBlocks = divUp(numImages, B_X * imgsPerThread);
    int block = blockIdx.x;
    const int imgIdx = block % numImgBlocks * (B_X * imgsPerThread) + threadIdx.x;
    block /= numImgBlocks;
    const int outputX = block % outputsX;
    block /= outputsX;
    const int outputY = block % outputsY;
    block /= outputsY;
    const int channel = (block * B_Y + threadIdx.y) * chansPerThread;
    if (channel >= numChannels) {
        return;
    }

    const int imgPixels = imgSizeY * imgSizeX;
    const int outputs = outputsY * outputsX;
    const int pixel = (startX + outputY * strideX) * imgSizeX + startX + outputX * strideX;
    images += (channel * imgPixels + pixel) * numImages + imgIdx;
    targets += (channel * outputs + outputY * outputsX + outputX) * numImages + imgIdx;
    #pragma unroll
    for (int c = 0; c < chansPerThread; c++) {
        #pragma unroll
        for (int i = 0; i < imgsPerThread; i++) {
            if (!checkCaseBounds || imgIdx + i * B_X < numImages) {
                storeScaled(&targets[c * outputs * numImages + i * B_X], images[c * imgPixels * numImages + i * B_X],
                            scaleTargets, scaleOutput);
            }
        }
    }
}

template <int B_Y, int B_X, int imgsPerThread, int chansPerThread, bool checkCaseBounds>
__device__ void bedOfNailsUndo(const float* grads, float* targets, const int numChannels, const int imgSizeY,
                               const int imgSizeX, const int numImages, const int outputsY, const int outputsX,
                               const int startX, const int strideX, const float scaleTargets,
                               const float scaleOutput) {
    const int numImgBlocks = divUp(numImages, B_X * imgsPerThread);
    int block = blockIdx.x;
    const int imgIdx = block % numImgBlocks * (B_X * imgsPerThread) + threadIdx.x;
    block /= numImgBlocks;
    const int pixelX = block % imgSizeX;
    block /= imgSizeX;
    const int pixelY = block % imgSizeY;
    block /= imgSizeY;
    const int channel = (block * B_Y + threadIdx.y) * chansPerThread;
    if (channel >= numChannels) {
        return;
    }

    const int imgPixels = imgSizeY * imgSizeX;
    const int outputs = outputsY * outputsX;
    const int placeY = pixelY - startX, placeX = pixelX - startX;
    const int outputY = placeY / strideX, outputX = placeX / strideX;
    const bool nail = placeY >= 0 && placeX >= 0 && placeY % strideX == 0 && placeX % strideX == 0 &&
                      outputY < outputsY && outputX < outputsX;
    targets += (channel * imgPixels + pixelY * imgSizeX + pixelX) * numImages + imgIdx;
    const int from = (channel * outputs + outputY * outputsX + outputX) * numImages + imgIdx;
    #pragma unroll
    for (int c = 0; c < chansPerThread; c++) {
        #pragma unroll
        for (int i = 0; i < imgsPerThread; i++) {
            if (!checkCaseBounds || imgIdx + i * B_X < numImages) {
                float* const target = &targets[c * imgPixels * numImages + i * B_X];
                if (nail) {
                    storeScaled(target, grads[from + c * outputs * numImages + i * B_X], scaleTargets, scaleOutput);
                } else if (scaleTargets == 0) {
                    *target = 0;
                }
            }
        }
    }
}
