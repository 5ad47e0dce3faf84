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
// Places of the grid (places.cuh) are outputs, in the gradient pixels, one for each block, of B_Y * chansPerThread
// channels. Images past the last are left out if checkCaseBounds; channels, in any case, where chansPerThread is 1.
// Nothing is summed.
//
// Answers to cuda-convnet:src/cudaconv2/conv_util.cu: kBedOfNails.

#include "places.cuh"

template <int B_Y, int B_X, int imgsPerThread, int chansPerThread, bool checkCaseBounds>
__device__ void bedOfNails(const float* images, float* targets, const int numChannels, const int imgSizeY,
                           const int imgSizeX, const int numImages, const int outputsY, const int outputsX,
                           const int startX, const int strideX, const float scaleTargets, const float scaleOutput) {
    const auto place =
        placeOfMap<B_Y, B_X, imgsPerThread, chansPerThread, checkCaseBounds>(outputsY, outputsX, numImages);
    if (place.map >= numChannels) {
        return;
    }
    const int imgPixels = imgSizeY * imgSizeX, outputs = outputsY * outputsX;
    const int pixel = (startX + place.y * strideX) * imgSizeX + startX + place.x * strideX;
    images += mapOf(place, imgPixels) + pixel * numImages;
    targets += entryOf(place, outputsY, outputsX);
    #pragma unroll
    for (int c = 0; c < chansPerThread; c++) {
        #pragma unroll
        for (int i = 0; i < imgsPerThread; i++) {
            if (has(place, i)) {
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
    const auto place =
        placeOfMap<B_Y, B_X, imgsPerThread, chansPerThread, checkCaseBounds>(imgSizeY, imgSizeX, numImages);
    if (place.map >= numChannels) {
        return;
    }
    const int imgPixels = imgSizeY * imgSizeX, outputs = outputsY * outputsX;
    const int fromY = place.y - startX, fromX = place.x - startX;
    const int outputY = fromY / strideX, outputX = fromX / strideX;
    const bool nail = fromY >= 0 && fromX >= 0 && fromY % strideX == 0 && fromX % strideX == 0 &&
                      outputY < outputsY && outputX < outputsX;
    targets += entryOf(place, imgSizeY, imgSizeX);
    if (nail) {
        grads += mapOf(place, outputs) + (outputY * outputsX + outputX) * numImages;
    }
    #pragma unroll
    for (int c = 0; c < chansPerThread; c++) {
        #pragma unroll
        for (int i = 0; i < imgsPerThread; i++) {
            if (has(place, i)) {
                float* const target = &targets[c * imgPixels * numImages + i * B_X];
                if (nail) {
                    storeScaled(target, grads[c * outputs * numImages + i * B_X], scaleTargets, scaleOutput);
                } else if (scaleTargets == 0) {
                    *target = 0;
                }
            }
        }
    }
}
