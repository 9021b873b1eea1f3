// The whole C ABI of idembed's native core.
//
// No files, no JSON, no Python, no exceptions, no state between calls. Every function may be called from any
// thread; one encoder may be used by several threads at once. Nothing is written to an output unless the
// function returns IDEMBED_OK, but for IDEMBED_NOT_FINITE of a forward pass and of idembed_normalize, see
// there.
//
// `isa` is "scalar", "avx2" or "avx512"; null or "" means the library's own choice, see idembed_isa().
// No result depends on `isa` or on `threads`: docs/numerics.md specifies every bit.
#ifndef IDEMBED_H
#define IDEMBED_H

#include <stdint.h>

#if defined(_WIN32)
#define IDEMBED_API __declspec(dllexport)
#else
#define IDEMBED_API __attribute__((visibility("default")))
#endif

#ifdef __cplusplus
extern "C" {
#endif

#define IDEMBED_ABI 1  // raised whenever anything on this page changes

enum {
    IDEMBED_OK = 0,
    IDEMBED_ARGUMENT = 1,  // a null pointer, a negative count, an unknown pooling, offsets that go backwards
    IDEMBED_ISA = 2,       // an instruction set that is unknown, not compiled in, or not in this CPU
    IDEMBED_SHAPE = 3,     // hidden, hidden / heads and intermediate must be positive multiples of 16
    IDEMBED_NOT_FINITE = 4,  // a weight, or a result, is infinite or NaN
    IDEMBED_TOKEN = 5,       // a token id outside 0 .. vocab-1
    IDEMBED_LENGTH = 6,      // a text of no tokens, or of more than `positions`
    IDEMBED_MEMORY = 7
};

// IDEMBED_ABI of the library.
IDEMBED_API int32_t idembed_abi(void);

// The choice: the environment's IDEMBED_ISA if set, else the widest that the CPU has; null when IDEMBED_ISA
// names one that cannot be used here.
IDEMBED_API const char* idembed_isa(void);

// All that this CPU can run, widest first: "avx512,avx2,scalar".
IDEMBED_API const char* idembed_isas(void);

// ---- encoder ----

typedef struct idembed_encoder idembed_encoder;

enum { IDEMBED_MEAN = 0, IDEMBED_CLS = 1, IDEMBED_MAX = 2 };

typedef struct {
    int32_t vocab, positions, types, hidden, layers, heads, intermediate;
    int32_t pooling;    // IDEMBED_MEAN, IDEMBED_CLS or IDEMBED_MAX
    int32_t normalize;  // 1: divide each vector by its Euclidean norm
    float layer_norm_eps;
} idembed_config;

// clang-format off
// Copies and packs the weights. `tensors` are float32, row-major, in this order (5 + 16 * layers of them):
//
//   word       [vocab, hidden]
//   position   [positions, hidden]
//   token_type [types, hidden]
//   gamma      [hidden]                  beta [hidden]           layer norm
//
//   and for each layer
//
//   query      [hidden, hidden]          bias [hidden]
//   key        [hidden, hidden]          bias [hidden]
//   value      [hidden, hidden]          bias [hidden]
//   output     [hidden, hidden]          bias [hidden]
//   gamma      [hidden]                  beta [hidden]           layer norm
//   up         [intermediate, hidden]    bias [intermediate]
//   down       [hidden, intermediate]    bias [hidden]
//   gamma      [hidden]                  beta [hidden]           layer norm
//
// A matrix is [out_features, in_features], as BERT checkpoints store it.
// clang-format on
IDEMBED_API int32_t idembed_encoder_new(const idembed_config* config, const float* const* tensors,
                                        int64_t count, const char* isa, idembed_encoder** encoder);

// One vector a text: out [n, hidden]. Text i has the tokens offsets[i] .. offsets[i+1]-1; offsets [n+1] begin
// at 0. Returns IDEMBED_NOT_FINITE when a vector overflowed; `out` then holds no meaning.
IDEMBED_API int32_t idembed_encoder_forward(const idembed_encoder* encoder, const int32_t* tokens,
                                            const int64_t* offsets, int64_t n, float* out, int32_t threads);

IDEMBED_API void idembed_encoder_free(idembed_encoder* encoder);

// ---- search ----

// out[q * rows + r] = inner product of query q and row r; row r begins at matrix[r * stride].
// `mask` [rows] may be null; where it is 0 the row is not read and its score is -infinity.
IDEMBED_API int32_t idembed_scores(const float* matrix, int64_t rows, int64_t dim, int64_t stride,
                                   const float* queries, int64_t n_queries, const uint8_t* mask, float* out,
                                   int32_t threads, const char* isa);

// clang-format off
// The k best scores with all their ties, never cutting between equals; NaN and -infinity are never returned.
//
//   threshold          the k-th best score (the lowest, when there are fewer than k)
//   above [min(k, n)]  positions whose score is > threshold, best first, equals by position
//   n_above            how many they are, less than k
//   tied [capacity]    positions whose score is == threshold, ascending
//   n_tied             how many there are, even more than capacity: only the first `capacity` are then listed,
//                      call again with more room
// clang-format on
IDEMBED_API int32_t idembed_top_k(const float* scores, int64_t n, int64_t k, int64_t* above, int64_t* n_above,
                                  int64_t* tied, int64_t capacity, int64_t* n_tied, float* threshold);

// Divides each row of [n, dim] in place by max(its Euclidean norm, 1e-12); row r begins at rows[r * stride].
// Returns IDEMBED_NOT_FINITE when a norm is infinite or NaN: all rows were changed by then, and that one
// holds no meaning.
IDEMBED_API int32_t idembed_normalize(float* rows, int64_t n, int64_t dim, int64_t stride, const char* isa);

// ---- for tests: the parts, one by one ----

enum { IDEMBED_TEST_EXP = 0, IDEMBED_TEST_ERF = 1, IDEMBED_TEST_GELU = 2 };
IDEMBED_API int32_t idembed_test_map(const char* isa, int32_t function, const float* x, float* out,
                                     int64_t n);
IDEMBED_API int32_t idembed_test_fma(const char* isa, const float* a, const float* b, const float* c,
                                     float* out, int64_t n);
// x and numerators [rows, n], inverse [rows].
IDEMBED_API int32_t idembed_test_softmax(const char* isa, const float* x, float scale, float* numerators,
                                         float* inverse, int64_t rows, int64_t n);
IDEMBED_API int32_t idembed_test_layer_norm(const char* isa, const float* x, const float* residual,
                                            const float* gamma, const float* beta, float eps, float* out,
                                            int64_t rows, int64_t hidden);
IDEMBED_API int32_t idembed_test_linear(const char* isa, const float* x, const float* weight,
                                        const float* bias, int32_t gelu, float* out, int64_t rows, int64_t in,
                                        int64_t out_features);
// This thread's MXCSR or FPCR before it becomes `set`; null only reads.
IDEMBED_API uint64_t idembed_test_float_mode(const uint64_t* set);

#ifdef __cplusplus
}
#endif
#endif
