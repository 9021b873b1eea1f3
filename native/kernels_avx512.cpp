// AVX-512 (F, BW, DQ, VL): a Vec is one zmm register.
#include <immintrin.h>
#include <string.h>

#include "kernels.h"
#include "numerics.h"

namespace idembed {
namespace {

#include "vec_avx512.h"

// ---- for word2vec/word_kernels_body.h ----

using Strip = Vec;
constexpr int strip_floats = 16, dot_rows = 4;

inline Strip load_strip(const float* p) {
    return load(p);
}
inline Strip broadcast_strip(float x) {
    return broadcast(x);
}
inline Vec quarters(Vec a, Vec b, Vec c, Vec d) {
    const __m512 ab =
        _mm512_add_ps(_mm512_shuffle_f32x4(a.v, b.v, 0x44), _mm512_shuffle_f32x4(a.v, b.v, 0xee));
    const __m512 cd =
        _mm512_add_ps(_mm512_shuffle_f32x4(c.v, d.v, 0x44), _mm512_shuffle_f32x4(c.v, d.v, 0xee));
    return {_mm512_add_ps(_mm512_shuffle_f32x4(ab, cd, 0x88), _mm512_shuffle_f32x4(ab, cd, 0xdd))};
}
inline Vec joined(Vec a, Vec b, Vec c, Vec d) {
    const __m512 ab = _mm512_add_ps(_mm512_shuffle_ps(a.v, b.v, 0x44), _mm512_shuffle_ps(a.v, b.v, 0xee));
    const __m512 cd = _mm512_add_ps(_mm512_shuffle_ps(c.v, d.v, 0x44), _mm512_shuffle_ps(c.v, d.v, 0xee));
    return {_mm512_add_ps(_mm512_shuffle_ps(ab, cd, 0x88), _mm512_shuffle_ps(ab, cd, 0xdd))};
}
inline void prefetch_row(const void* p) {
    _mm_prefetch(reinterpret_cast<const char*>(p), _MM_HINT_T0);
}

// ---- for int_kernels_body.h and quantise_body.h ----

struct Dot16 : Words {
    using Whole = int16_t;
    static constexpr int64_t group = 2;
    using Weights = __m512i;
    static Weights load(const int16_t* p) { return _mm512_loadu_si512(p); }
    static __m512i broadcast(const int16_t* p) { return broadcast_four_bytes(p); }
    static Ints dot(Ints acc, __m512i a, Weights w) {
        const __m512i products = _mm512_madd_epi16(a, w);
#if defined(__GNUC__)  // as in kernels_avx512vnni.cpp
        __asm__("vpaddd %1, %0, %0" : "+v"(acc.v) : "v"(products));
#else
        acc.v = _mm512_add_epi32(acc.v, products);
#endif
        return acc;
    }
};

#include "kernels_body.h"
#include "word2vec/word_kernels_body.h"

}  // namespace

namespace {
#include "kernel_table.h"
}  // namespace

constexpr Kernels kernels_avx512 = table("avx512");
constexpr Kernels kernels_avx512vnni =
    table("avx512vnni",
          {2, Dot16::group, quantise<Symmetric, int16_t>, product_avx512vnni_i16, attention_avx512vnni_i16},
          {1, 4, quantise<FromLow, uint8_t>, product_avx512vnni_i8, attention_avx512vnni_i8});

}  // namespace idembed
