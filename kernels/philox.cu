// philox: random numbers, as a function of a key, a counter and the place of the number.
//
//     random_keep_mask    targets[i] = [32-bit word i of the stream < below]
//     random_normal       targets[i] = sqrt(-2 log((u + 1) / 2**32)) * cos(2 pi v / 2**32),
//                         u and v the 32-bit words 2 i and 2 i + 1 of the stream (Box and Muller's method)
//
// The stream is that of philox.cuh, eight 32-bit words for each value of the counter.
//
// `size` targets, any shape. One thread for each value of the counter: it fills 8 entries of the mask, or 4
// normal numbers. In double precision the normal numbers lose nothing where u is close to 2**32.
//
// In the place of the original's CURAND generators: alexnet:src/layer.cu (dropout), include/neuron.cuh (noise).

#include "philox.cuh"

template <int B_X>
__device__ void random_keep_mask(float* targets, const unsigned long long below, const unsigned long long counter0,
                                 const unsigned long long counter1, const unsigned long long counter2,
                                 const unsigned long long counter3, const unsigned long long key0,
                                 const unsigned long long key1, const unsigned long long size) {
    const unsigned long long place = static_cast<unsigned long long>(blockIdx.x) * B_X + threadIdx.x;
    const unsigned long long first = place * 8;
    if (first < size) {
        const Words words = wordsAt(place, counter0, counter1, counter2, counter3, key0, key1);
        for (int i = 0; i < 8 && first + i < size; i++) {
            const unsigned long long word = words.at[i / 2] >> (i % 2 * 32) & 0xffffffffu;
            targets[first + i] = word < below;
        }
    }
}

template <int B_X>
__device__ void random_normal(float* targets, const unsigned long long counter0, const unsigned long long counter1,
                              const unsigned long long counter2, const unsigned long long counter3,
                              const unsigned long long key0, const unsigned long long key1,
                              const unsigned long long size) {
    const unsigned long long place = static_cast<unsigned long long>(blockIdx.x) * B_X + threadIdx.x;
    const unsigned long long first = place * 4;
    if (first < size) {
        const Words words = wordsAt(place, counter0, counter1, counter2, counter3, key0, key1);
        const double unit = 1.0 / 4294967296.0, turn = 6.283185307179586 / 4294967296.0;
        for (int i = 0; i < 4 && first + i < size; i++) {
            const double u = static_cast<double>(words.at[i] & 0xffffffffu);
            const double v = static_cast<double>(words.at[i] >> 32);
            targets[first + i] = static_cast<float>(sqrt(-2 * log((u + 1) * unit)) * cos(v * turn));
        }
    }
}
