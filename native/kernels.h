// The kernel table: everything that is compiled once per instruction set, behind function pointers.
//
// The files that fill it (kernels_scalar.cpp, kernels_avx2.cpp, kernels_neon.cpp, ..) include no C++ library
// and export nothing but their table, so that no function compiled for AVX can ever be linked into code for a
// lesser CPU.
#ifndef IDEMBED_KERNELS_H
#define IDEMBED_KERNELS_H

#include <stdint.h>

#include "int_kernels.h"
#include "word2vec/word_kernels.h"

namespace idembed {

// c[rows, columns begin..end) = start + a [rows, k] b [k, columns]; begin and end are multiples of 16.
struct Matmul {
    const float* a;  // a[r * a_stride + i]
    int64_t a_stride;
    const float* b;    // column c of row i: b[c / panel * panel_stride + i * b_stride + c % panel],
    int64_t b_stride;  // panel being Kernels::panel; a plain row-major matrix has panel_stride = panel
    int64_t panel_stride;
    float* c;  // c[r * c_stride + column]
    int64_t c_stride;
    int64_t rows, begin, end, k;
    const float*
        start;  // c[r][column] begins with start[r * start_stride + column]: a bias where the stride is
    int64_t start_stride;    // 0, what c holds already where start is c; null (and stride 0): with 0
    bool gelu;               // c = gelu(c) at the end
    const float* row_scale;  // [rows], c *= row_scale at the end; may be null
};

enum class Function { exp, erf, gelu, tanh, int_gelu };

struct Kernels {
    const char* isa;
    int64_t panel;  // columns that packed weights keep together
    void (*matmul)(const Matmul& m);

    // Per row of x [rows, stride]: z = x * scale, or fma(x, scale, bias) where bias is not null; x = exp(z -
    // max z), and 0 from `keys` to the next multiple of 16; inverse = 1 / sum of x. The bias of row r begins
    // at bias - r: a key's depends on how far it is from the row's token. It is read to the next multiple of
    // 16, too.
    void (*softmax)(float* x, int64_t stride, int64_t rows, int64_t keys, float scale, const float* bias,
                    float* inverse);

    // y = layer_norm(x + residual) * gamma + beta; all [rows, hidden], hidden a multiple of 16. y may be x.
    void (*add_layer_norm)(const float* x, const float* residual, int64_t rows, int64_t hidden,
                           const float* gamma, const float* beta, float eps, float* y);

    void (*add)(const float* x, const float* y, float* out, int64_t n);  // n a multiple of 16
    void (*mean_pooling)(const float* x, int64_t rows, int64_t hidden, float divisor, float* out);
    void (*max_pooling)(const float* x, int64_t rows, int64_t hidden, float* out);

    // x /= max(norm, 1e-12); returns the norm, which is infinite or NaN when x could not be normalized.
    float (*l2_normalize)(float* x, int64_t n);

    // out[q * out_stride + r] = dot(queries[q * n ..], rows[r * stride ..])
    void (*dots)(const float* rows, int64_t count, int64_t stride, const float* queries, int64_t n_queries,
                 int64_t n, float* out, int64_t out_stride);

    void (*map)(Function function, const float* x, float* out, int64_t n);
    void (*fma)(const float* a, const float* b, const float* c, float* out, int64_t n);

    WordKernels words;   // training word vectors
    IntKernels i16, i8;  // the integer profiles
};

extern const Kernels kernels_scalar;
extern const Kernels kernels_avx2;        // x86-64 only
extern const Kernels kernels_avxvnni;     // x86-64 only; the same but for the integer profiles
extern const Kernels kernels_avx512;      // x86-64 only
extern const Kernels kernels_avx512vnni;  // x86-64 only; the same but for the integer profiles
extern const Kernels kernels_neon;        // 64-bit ARM only
extern const Kernels kernels_neondot;     // 64-bit ARM only; the same but for profile i8

}  // namespace idembed
#endif
