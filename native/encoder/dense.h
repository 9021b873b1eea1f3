// A linear layer behind the pooling, with or without tanh.
#ifndef IDEMBED_ENCODER_DENSE_H
#define IDEMBED_ENCODER_DENSE_H

#include <cstdint>

#include "../memory.h"
#include "weights.h"

namespace idembed {

struct Dense {
    Linear linear;  // in -> `out` rounded up to 16, of weights and biases of 0 where there are none
    int64_t out;
    bool tanh;
    const Kernels* kernels;
    Floats weight, bias;
};

// weight [out, in]; bias [out] or null; all finite. Throws std::bad_alloc.
Dense make_dense(int64_t in, int64_t out, bool tanh, const float* weight, const float* bias,
                 const Kernels& kernels);

// y [n, out] of x [n, in]. Returns false if a number of y is not finite.
bool apply(const Dense& dense, const float* x, int64_t n, float* y);

}  // namespace idembed
#endif
