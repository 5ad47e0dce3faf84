// Neurons: a function of every entry, and its gradient.
//
//   acts    = f(inputs)
//   targets = [targets +] actsGrad * f'     from `seen`, the neuron's inputs or its acts
//
// The functions and which of the two a gradient sees are listed below; a and b are the parameters of a neuron that
// has some. Arrays of any shape, and of equal sizes; a result may be written over what it comes from. A grid of
// one line of blocks of B_X threads; each block has an equal share of neighbouring entries.
//
// A gradient is a product of two factors, which an addition to targets fuses, as the original's compiler did.
//
// Answers to alexnet:include/neuron.cuh, and for Log to cuda-convnet2:cudaconvnet/include/neuron.cuh.

#include "common.cuh"

struct Factors {
    float left, right;
};

// x
struct Ident {};

__device__ __forceinline__ float activate(Ident, const float x, const float, const float) { return x; }

__device__ __forceinline__ Factors gradient(Ident, const float g, const float, const float, const float) {
    return {g, 1.0f};
}

// max(0, x); from acts
struct Relu {};

__device__ __forceinline__ float activate(Relu, const float x, const float, const float) {
    return x < 0.0f ? 0.0f : x;
}

__device__ __forceinline__ Factors gradient(Relu, const float g, const float y, const float, const float) {
    return {g, y > 0.0f ? 1.0f : 0.0f};
}

// min(a, max(0, x)); from acts
struct BoundedRelu {};

__device__ __forceinline__ float activate(BoundedRelu, const float x, const float a, const float) {
    return x < 0.0f ? 0.0f : x > a ? a : x;
}

__device__ __forceinline__ Factors gradient(BoundedRelu, const float g, const float y, const float a, const float) {
    return {g * (y > 0.0f ? 1.0f : 0.0f), y < a ? 1.0f : 0.0f};
}

// |x|, and -0 for 0; from inputs, at 0 as of a negative one
struct Abs {};

__device__ __forceinline__ float activate(Abs, const float x, const float, const float) { return x > 0.0f ? x : -x; }

__device__ __forceinline__ Factors gradient(Abs, const float g, const float x, const float, const float) {
    return {g, x > 0.0f ? 1.0f : -1.0f};
}

// x**2; from inputs
struct Square {};

__device__ __forceinline__ float activate(Square, const float x, const float, const float) { return x * x; }

__device__ __forceinline__ Factors gradient(Square, const float g, const float x, const float, const float) {
    return {g * 2.0f, x};
}

// sqrt(x); from acts
struct Sqrt {};

__device__ __forceinline__ float activate(Sqrt, const float x, const float, const float) { return sqrtf(x); }

__device__ __forceinline__ Factors gradient(Sqrt, const float g, const float y, const float, const float) {
    return {g / (2.0f * y), 1.0f};
}

// a * x + b
struct Linear {};

__device__ __forceinline__ float activate(Linear, const float x, const float a, const float b) {
    return fmaf(a, x, b);
}

__device__ __forceinline__ Factors gradient(Linear, const float g, const float, const float a, const float) {
    return {g, a};
}

// 1 / (1 + exp(-x)); from acts
struct Logistic {};

__device__ __forceinline__ float activate(Logistic, const float x, const float, const float) {
    return 1.0f / (1.0f + expf(-x));
}

__device__ __forceinline__ Factors gradient(Logistic, const float g, const float y, const float, const float) {
    return {g * y, 1.0f - y};
}

// tanh(x * steepness / -2)
__device__ __forceinline__ float unitTanh(const float x, const float steepness) {
    return 2.0f / (1.0f + expf(x * steepness)) - 1.0f;
}

// a * tanh(b * x); from acts
struct Tanh {};

__device__ __forceinline__ float activate(Tanh, const float x, const float a, const float b) {
    return a * unitTanh(x, -2 * b);
}

__device__ __forceinline__ Factors gradient(Tanh, const float g, const float y, const float a, const float b) {
    return {g * b, a - y * y / a};
}

// log(1 + exp(x)), and x above 4; from inputs
struct SoftRelu {};

__device__ __forceinline__ float activate(SoftRelu, const float x, const float, const float) {
    return x > 4.0f ? x : logf(1.0f + expf(x));
}

__device__ __forceinline__ Factors gradient(SoftRelu, const float g, const float x, const float, const float) {
    if (x > 4.0f) {
        return {g, 1.0f};
    }
    const float e = expf(x);
    return {g, e / (1.0f + e)};
}

// x - a * tanh(x / a); from inputs
struct DoubleRelu {};

__device__ __forceinline__ float activate(DoubleRelu, const float x, const float a, const float) {
    return fmaf(-a, unitTanh(x, -2.0f / a), x);
}

__device__ __forceinline__ Factors gradient(DoubleRelu, const float g, const float x, const float a, const float) {
    const float t = unitTanh(x, -2.0f / a);
    return {g, t * t};
}

// log(a + x); from inputs
struct Log {};

__device__ __forceinline__ float activate(Log, const float x, const float a, const float) { return logf(a + x); }

__device__ __forceinline__ Factors gradient(Log, const float g, const float x, const float a, const float) {
    return {g / (a + x), 1.0f};
}

template <int B_X, class Neuron>
__device__ void neuron(const float* inputs, float* acts, const unsigned long long count, const float a,
                       const float b) {
    const Entries entries = entriesOf<B_X>(count);
    for (unsigned long long e = entries.first; e < entries.end; e += B_X) {
        acts[e] = activate(Neuron(), inputs[e], a, b);
    }
}

template <int B_X, class Neuron, bool add>
__device__ void neuronGrad(const float* actsGrad, const float* seen, float* targets, const unsigned long long count,
                           const float a, const float b) {
    const Entries entries = entriesOf<B_X>(count);
    for (unsigned long long e = entries.first; e < entries.end; e += B_X) {
        const Factors f = gradient(Neuron(), actsGrad[e], seen[e], a, b);
        targets[e] = add ? fmaf(f.left, f.right, targets[e]) : f.left * f.right;
    }
}
