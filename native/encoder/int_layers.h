// The steps of a forward pass that the integer profiles do in their own way.
#ifndef IDEMBED_ENCODER_INT_LAYERS_H
#define IDEMBED_ENCODER_INT_LAYERS_H

#include "pass.h"

namespace idembed {

// x [rows, layer.in] as whole numbers. Members share the rows.
void quantise(const ForwardPass& pass, float* x, const IntLinear& layer, const IntRows& whole);

// y = x W^T + b. Members share the columns.
void linear(const ForwardPass& pass, const IntLinear& layer, const IntRows& x, float* y);

// y = gelu(x up^T + b) down^T + b, a chunk of the inner layer at a time, or all of it where members share.
void feed_forward(const ForwardPass& pass, const IntLayer& layer, const IntRows& x, float* y, float* inner,
                  int64_t columns, const IntRows& inner_whole);

// y = x W^T + b of x [rows, layer.in], by one thread.
void int_linear(const IntLinear& layer, const float* x, int64_t rows, float* y);

}  // namespace idembed
#endif
