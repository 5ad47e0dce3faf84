// A part of each image: targets[c, y, x] = images[c, startY + y, startX + x].
//
// images   (channels, imgSizeY, imgSizeX, numImages)
// targets  (channels, tgtSizeY, tgtSizeX, numImages), a part that lies in the image
//
// Places of the grid (places.cuh) are target pixels, four to a block. Images past the last are left out if
// checkCaseBounds.
//
// Answers to cuda-convnet:src/cudaconv2/conv_util.cu: kCrop.

#include "places.cuh"

template <int imgsPerThread, bool checkCaseBounds>
__device__ void crop(const float* images, float* targets, const int imgSizeY, const int imgSizeX,
                     const int tgtSizeY, const int tgtSizeX, const int numImages, const int startY,
                     const int startX) {
    const int imgPixels = imgSizeY * imgSizeX, tgtPixels = tgtSizeY * tgtSizeX;
    const auto place = placeOfPixel<4, 32, imgsPerThread, checkCaseBounds>(tgtPixels, numImages);
    if (place.x >= tgtPixels) {
        return;
    }
    const int pixel = (startY + place.x / tgtSizeX) * imgSizeX + startX + place.x % tgtSizeX;
    images += mapOf(place, imgPixels) + pixel * numImages;
    targets += entryOf(place, 1, tgtPixels);
    #pragma unroll
    for (int i = 0; i < imgsPerThread; i++) {
        if (has(place, i)) {
            targets[i * 32] = images[i * 32];
        }
    }
}
