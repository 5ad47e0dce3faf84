// super_update: the update of `superEps`, an increment in units of the gradient's spread.
//
//     gradAvg  = mom * gradAvg + (1 - mom) * grad
//     grad2Avg = mom * grad2Avg + (1 - mom) * grad * grad
//     inc      = 0.9 * inc + eps * (grad / sqrt(grad2Avg - gradAvg + superEps))
//
// All arrays have `size` entries. A line of blocks of B_X threads, each with an equal share of them. The
// first product of each sum is fused; that of 0.9 is in double precision, as the original's literal makes it.
//
// alexnet:src/weights.cu: superMomUpdate; include/weights.cuh: Grad2AvgOperator.

#include "common.cuh"

template <int B_X>
__device__ void super_update(float* inc, const float* grad, float* gradAvg, float* grad2Avg, const float eps,
                             const float mom, const float superEps, const unsigned long long size) {
    const Entries entries = entriesOf<B_X>(size);
    for (unsigned long long i = entries.first; i < entries.end; i += B_X) {
        const float g = grad[i];
        const float first = fmaf(mom, gradAvg[i], (1 - mom) * g);
        const float second = fmaf(mom, grad2Avg[i], (1 - mom) * g * g);
        gradAvg[i] = first;
        grad2Avg[i] = second;
        const float change = eps * (g / sqrtf(second - first + superEps));
        inc[i] = static_cast<float>(fma(0.9, static_cast<double>(inc[i]), static_cast<double>(change)));
    }
}
