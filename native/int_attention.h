// Attention of the integer profiles: scores and contexts are products of whole numbers.
//
// docs/numerics.md specifies it. It is one kernel, because between its products everything stays in the first
// cache.
#ifndef IDEMBED_INT_ATTENTION_H
#define IDEMBED_INT_ATTENTION_H

#include <stdint.h>

namespace idembed {

constexpr int64_t int_attention_rows = 6;  // queries at a time, at most

// The longest text and the widest head of an integer profile: no sum of weights and no score overflows.
constexpr int64_t most_int_keys = 1 << 18, most_int_head_dim = 1 << 16;

// Weights of keys as whole numbers, and values: the largest of each, and how many products of both are summed
// as whole numbers.
constexpr float most_key_weight_i16 = 8191.0f, most_value_i16 = 2047.0f;
constexpr float most_key_weight_i8 = 255.0f, most_value_i8 = 127.0f;
constexpr int64_t context_keys_i16 = 128, context_keys_i8 = 512;

constexpr int64_t most_sum_over_keys(int64_t keys, float weight, float value) {
    return keys * static_cast<int64_t>(weight) * static_cast<int64_t>(value);
}
static_assert(most_sum_over_keys(context_keys_i16, most_key_weight_i16, most_value_i16) < INT64_C(0x80000000),
              "a sum over keys fits int32");
static_assert(most_sum_over_keys(context_keys_i8, most_key_weight_i8, most_value_i8) < 1 << 24,
              "and a float");
static_assert(most_int_keys * static_cast<int64_t>(most_key_weight_i16) < INT64_C(0x80000000),
              "the sum of a query's weights fits int32");

// The largest whole number of a query or a key in profile i16: one less than a power of two, and no sum over
// the features of a head overflows.
constexpr float most_feature(int64_t head_dim) {
    int64_t most = 1;
    while (head_dim * (2 * most + 1) * (2 * most + 1) < INT64_C(0x80000000)) most = 2 * most + 1;
    return static_cast<float>(most);
}

constexpr float most_feature_i8 = 127.0f;
static_assert(most_int_head_dim * 255 * 127 < INT64_C(0x80000000), "with 128 added to a query's, too");

static_assert(most_feature(32) == 8191.0f && most_feature(64) == 4095.0f, "13 bits and 12 bits");

// One head of one text: context = softmax(Q K^T) V. `dim` is a multiple of 16.
struct IntAttention {
    const float *query, *key, *value;  // row i begins at i * stride
    int64_t stride, length, dim;
    float scale;        // of scores, as exponents of 2: log2(e) / sqrt(dim)
    const float* bias;  // of a score, in natural units, as in Kernels::softmax; may be null
    float* context;     // row i begins at i * context_stride
    int64_t context_stride;

    float most;      // the largest whole number of a query or a key
    int64_t padded;  // the length rounded up to 16

    // Scratch. A whole number takes as many bytes as suits its products.
    void* queries;        // [16, dim], and 48 bytes behind; keys, too, before they are transposed
    void* keys;           // [dim / group][padded][group]
    int32_t* key_origin;  // [padded], where the sums of a key's products start
    void* values;         // [padded / group][dim][group]
    void* weights;        // [6, padded]
    float* scores;        // [6, padded]
    float* key_scale;     // [padded]
    float* start;         // [padded], of a score: 0, or -infinity where there is no key
    float* value_scale;   // [dim]
};

void attention_avx512vnni_i16(const IntAttention& a);  // x86-64 only
void attention_avx512vnni_i8(const IntAttention& a);
void attention_avxvnni_i16(const IntAttention& a);
void attention_avxvnni_i8(const IntAttention& a);

}  // namespace idembed
#endif
