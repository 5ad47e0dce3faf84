// Philox4x64-10: random words, as a function of a key and a counter (Salmon, Moraes, Dror, Shaw: Parallel random
// numbers: as easy as 1, 2, 3; 2011).
//
// Each value of a 256-bit counter, mixed with a 128-bit key in ten rounds, gives four 64-bit words, each of which
// counts as two 32-bit words, the low half first. With the counter one above that which NumPy's Philox was given,
// the words are those of its random_raw.

#pragma once

struct Words {
    unsigned long long at[4];
};

// The upper half of a 128-bit product, from four products of 32-bit halves.
__device__ inline unsigned long long mulHigh(const unsigned long long a, const unsigned long long b) {
    const unsigned long long aLow = a & 0xffffffffu, aHigh = a >> 32, bLow = b & 0xffffffffu, bHigh = b >> 32;
    const unsigned long long middle = aHigh * bLow + (aLow * bLow >> 32);
    const unsigned long long other = aLow * bHigh + (middle & 0xffffffffu);
    return aHigh * bHigh + (middle >> 32) + (other >> 32);
}

__device__ inline Words philox(Words counter, unsigned long long key0, unsigned long long key1) {
    for (int round = 0; round < 10; round++) {
        const unsigned long long multiplier0 = 0xd2e7470ee14c6c93u, multiplier1 = 0xca5a826395121157u;
        const unsigned long long high0 = mulHigh(multiplier0, counter.at[0]);
        const unsigned long long high1 = mulHigh(multiplier1, counter.at[2]);
        counter = {{high1 ^ counter.at[1] ^ key0, multiplier1 * counter.at[2], high0 ^ counter.at[3] ^ key1,
                    multiplier0 * counter.at[0]}};
        key0 += 0x9e3779b97f4a7c15u;
        key1 += 0xbb67ae8584caa73bu;
    }
    return counter;
}

// The words of the counter `ahead` of the one given, lowest word first.
__device__ inline Words wordsAt(const unsigned long long ahead, const unsigned long long counter0,
                                const unsigned long long counter1, const unsigned long long counter2,
                                const unsigned long long counter3, const unsigned long long key0,
                                const unsigned long long key1) {
    Words counter = {{counter0 + ahead, counter1, counter2, counter3}};
    bool carry = counter.at[0] < ahead;
    for (int i = 1; i < 4 && carry; i++) {
        carry = ++counter.at[i] == 0;
    }
    return philox(counter, key0, key1);
}
