// Blurring along one direction by a symmetric filter of 2 * radius + 1 taps; pixels outside the image are 0.
//
//   targets = scaleTargets * targets + scaleOutput * (images convolved with the filter)
//
// images, targets  (numLines, ..., numImages): pixel p of line l is lines / linesPerPlane planes of planeStride
//                  pixels, lines % linesPerPlane lines of lineStride pixels, and p * pixelStride pixels further.
//                  So lines are rows or columns. targets may be images.
// filter           (2 * radius + 1); the last tap is never read, the first stands for it
//
// A thread walks along one line of one image. At pixel p, whose value is v, it holds s[0] to s[2 * radius - 1]: what
// the pixels before it add to targets p - radius to p + radius - 1 (those before the line come to nothing). Then
//
//   target p - radius = s[0] + filter[0] * v
//   new s[j - 1] = s[j] + filter[j] * v, j = 1 to 2 * radius - 1;   new s[2 * radius - 1] = filter[0] * v
//
// with fused multiply-adds, where the first `radius` pixels of a line take filter[2 * radius - j] for filter[j] and
// add the last product to 0. After the last pixel s[0] to s[radius - 1] are the line's last targets.
//
// "Pixels" of the grid (placeOfPixel in places.cuh) are lines, B_Y to a block.
//
// Answers to cuda-convnet:src/cudaconv2/conv_util.cu: kGaussianBlur.

#include "places.cuh"

// Adds a pixel to all unfinished sums, makes room for the next and returns the one that is finished.
template <bool early, int taps>
__device__ __forceinline__ float take(const float pixel, const float (&filter)[taps], float (&sums)[taps]) {
    const float finished = fmaf(filter[0], pixel, sums[0]);
    #pragma unroll
    for (int j = 1; j < taps; j++) {
        sums[j - 1] = fmaf(filter[early ? taps - j : j], pixel, sums[j]);
    }
    sums[taps - 1] = early ? fmaf(filter[0], pixel, 0.0f) : filter[0] * pixel;
    return finished;
}

template <int B_Y, int B_X, int radius>
__device__ void gaussianBlur(const float* images, const float* filter, float* targets, const int numLines,
                             const int length, const int linesPerPlane, const int planeStride, const int lineStride,
                             const int pixelStride, const int numImages, const float scaleTargets,
                             const float scaleOutput) {
    const auto place = placeOfPixel<B_Y, B_X, 1, true>(numLines, numImages);
    if (!has(place, 0) || place.x >= numLines) {
        return;
    }
    const int first = place.x / linesPerPlane * planeStride + place.x % linesPerPlane * lineStride;
    const int step = pixelStride * numImages;
    images += size_t(first) * numImages + place.img;
    targets += size_t(first) * numImages + place.img;

    float taps[2 * radius], sums[2 * radius] = {};
    #pragma unroll
    for (int t = 0; t < 2 * radius; t++) {
        taps[t] = filter[t];
    }
    for (int p = 0; p < length; p++) {
        if (p < radius) {
            take<true>(images[p * step], taps, sums);
        } else {
            const float finished = take<false>(images[p * step], taps, sums);
            storeScaled(&targets[(p - radius) * step], finished, scaleTargets, scaleOutput);
        }
    }
    #pragma unroll
    for (int r = 0; r < radius; r++) {
        storeScaled(&targets[(length - radius + r) * step], sums[r], scaleTargets, scaleOutput);
    }
}
