// The kernels of the integer profiles: products of whole numbers, and what makes whole numbers of floats.
//
// docs/numerics.md specifies them. Sums of whole numbers are exact, so each instruction set may store and
// multiply them as suits it best: 8-bit ones lie in memory as 16-bit ones where there is no instruction for
// them.
#ifndef IDEMBED_INT_KERNELS_H
#define IDEMBED_INT_KERNELS_H

#include <stdint.h>

#include "int_attention.h"

namespace idembed {

// Features that share a scale: those of a row of activations and those of a column of weights, 0 .. 383, 384
// .. 767, and so on.
constexpr int64_t chunk = 384;

constexpr int64_t chunks_of(int64_t features) {
    return (features + chunk - 1) / chunk;
}

constexpr float most_i16 =
    8191.0f;                       // an activation of profile i16 is -8191 .. 8191, a weight -32767 .. 32767
constexpr float most_i8 = 255.0f;  // an activation of profile i8 is 0 .. 255, a weight -127 .. 127
constexpr float least_range = 0x1p-100f;  // activations that span less are taken for equal

// Activations [rows, columns] of one chunk as whole numbers: x[r][i] is low[r] + scale[r] * whole number.
struct Quantise {
    float* x;  // x[r * x_stride + i]; columns are a multiple of 16
    int64_t x_stride;
    int64_t rows, columns;
    bool gelu;  // x = gelu(x) before
    void* whole;
    int64_t whole_stride;  // whole numbers
    float *scale, *low;    // scale[r * scale_stride]; low of profile i8 only
    int64_t scale_stride;
};

// c[rows, columns begin..end) = start + a b of one chunk; begin and end are multiples of 16.
struct IntProduct {
    const void* a;  // whole number i of row r is a[r * a_stride + i]
    int64_t a_stride;
    const float *a_scale, *a_low;  // a_scale[r * a_scale_stride]
    int64_t a_scale_stride;
    const void* b;         // [columns / panel][k / group][panel][group]
    const float* b_scale;  // [columns]
    const float* b_sum;    // [columns], scale times the sum of a column; profile i8 only
    const float* start;    // as in Matmul, and never null
    int64_t start_stride;
    float* c;
    int64_t c_stride;
    int64_t rows, begin, end, k;
};

// How one profile's whole numbers lie in memory, and what is done with them.
struct IntKernels {
    int64_t bytes;  // of a whole number
    int64_t group;  // how many of a column lie together; k is a multiple of 16
    void (*quantise)(const Quantise& q);
    void (*product)(const IntProduct& m);
    void (*attention)(const IntAttention& a);
};

void product_avxvnni_i16(const IntProduct& m);  // x86-64 only
void product_avxvnni_i8(const IntProduct& m);
void product_avx512vnni_i16(const IntProduct& m);
void product_avx512vnni_i8(const IntProduct& m);
void product_neondot_i8(const IntProduct& m);  // 64-bit ARM only

}  // namespace idembed
#endif
