// AVX2 and FMA, and the table of those that have AVX-VNNI, too.
#include <immintrin.h>
#include <string.h>

#include "kernels.h"
#include "numerics.h"

namespace idembed {
namespace {

#include "vec_avx2.h"

// ---- for word2vec/word_kernels_body.h ----

struct Strip {
    __m256 v;
};
constexpr int strip_floats = 8, dot_rows = 1;

inline Strip load_strip(const float* p) {
    return {_mm256_loadu_ps(p)};
}
inline void store(float* p, Strip x) {
    _mm256_storeu_ps(p, x.v);
}
inline Strip broadcast_strip(float x) {
    return {_mm256_set1_ps(x)};
}
inline Strip fma(Strip x, Strip y, Strip z) {
    return {_mm256_fmadd_ps(x.v, y.v, z.v)};
}
inline __m256 quarters(__m256 a, __m256 b) {
    return _mm256_add_ps(_mm256_permute2f128_ps(a, b, 0x20), _mm256_permute2f128_ps(a, b, 0x31));
}
inline Vec quarters(Vec a, Vec b, Vec c, Vec d) {
    return {quarters(_mm256_add_ps(a.low, a.high), _mm256_add_ps(b.low, b.high)),
            quarters(_mm256_add_ps(c.low, c.high), _mm256_add_ps(d.low, d.high))};
}
inline __m256 joined(__m256 a, __m256 b, __m256 c, __m256 d) {
    const __m256 ab = _mm256_add_ps(_mm256_shuffle_ps(a, b, 0x44), _mm256_shuffle_ps(a, b, 0xee));
    const __m256 cd = _mm256_add_ps(_mm256_shuffle_ps(c, d, 0x44), _mm256_shuffle_ps(c, d, 0xee));
    return _mm256_add_ps(_mm256_shuffle_ps(ab, cd, 0x88), _mm256_shuffle_ps(ab, cd, 0xdd));
}
inline Vec joined(Vec a, Vec b, Vec c, Vec d) {
    return {joined(a.low, b.low, c.low, d.low), joined(a.high, b.high, c.high, d.high)};
}
inline void prefetch_row(const void* p) {
    _mm_prefetch(reinterpret_cast<const char*>(p), _MM_HINT_T0);
}

// ---- for int_kernels_body.h and quantise_body.h ----

struct Dot16 : Words {
    using Whole = int16_t;
    static constexpr int64_t group = 2;
    using Weights = Ints;
    static Weights load(const int16_t* p) { return load_ints(p); }
    static __m256i broadcast(const int16_t* p) { return broadcast_four_bytes(p); }
    static Ints dot(Ints acc, __m256i a, Weights w) {
        return {add(acc.low, _mm256_madd_epi16(a, w.low)), add(acc.high, _mm256_madd_epi16(a, w.high))};
    }
    static __m256i add(__m256i acc, __m256i products) {
#if defined(__GNUC__)  // as an intrinsic GCC 12 stores each sum in memory at every step
        __asm__("vpaddd %1, %0, %0" : "+x"(acc) : "x"(products));
        return acc;
#else
        return _mm256_add_epi32(acc, products);
#endif
    }
};

#include "kernels_body.h"
#include "word2vec/word_kernels_body.h"

}  // namespace

namespace {
#include "kernel_table.h"
}  // namespace

constexpr Kernels kernels_avx2 = table("avx2");
#if defined(IDEMBED_AVXVNNI)
constexpr Kernels kernels_avxvnni = table(
    "avxvnni", {2, Dot16::group, quantise<Symmetric, int16_t>, product_avxvnni_i16, attention_avxvnni_i16},
    {1, 4, quantise<FromLow, uint8_t>, product_avxvnni_i8, attention_avxvnni_i8});
#endif

}  // namespace idembed
