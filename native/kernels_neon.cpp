// NEON, which every 64-bit ARM has, and the table of those that have dot products of bytes, too.
#include <arm_neon.h>
#include <string.h>

#include "kernels.h"
#include "numerics.h"

namespace idembed {
namespace {

#include "vec_neon.h"

// ---- for word2vec/word_kernels_body.h ----

struct Strip {
    float32x4_t low, high;
};
constexpr int strip_floats = 8, dot_rows = 1;

inline Strip load_strip(const float* p) {
    return {vld1q_f32(p), vld1q_f32(p + 4)};
}
inline void store(float* p, Strip x) {
    vst1q_f32(p, x.low);
    vst1q_f32(p + 4, x.high);
}
inline Strip broadcast_strip(float x) {
    return {vdupq_n_f32(x), vdupq_n_f32(x)};
}
inline Strip fma(Strip x, Strip y, Strip z) {
    return {vfmaq_f32(z.low, x.low, y.low), vfmaq_f32(z.high, x.high, y.high)};
}
inline Vec quarters(Vec a, Vec b, Vec c, Vec d) {
    return {quarter(a), quarter(b), quarter(c), quarter(d)};
}
// Lane l + 2 of both; then vpadd adds neighbours.
inline float32x4_t halves(float32x4_t x, float32x4_t y) {
    return vaddq_f32(vcombine_f32(vget_low_f32(x), vget_low_f32(y)),
                     vcombine_f32(vget_high_f32(x), vget_high_f32(y)));
}
inline float32x4_t joined(float32x4_t a, float32x4_t b, float32x4_t c, float32x4_t d) {
    return vpaddq_f32(halves(a, b), halves(c, d));
}
inline Vec joined(Vec a, Vec b, Vec c, Vec d) {
    return {joined(a.a, b.a, c.a, d.a), joined(a.b, b.b, c.b, d.b), joined(a.c, b.c, c.c, d.c),
            joined(a.d, b.d, c.d, d.d)};
}
inline void prefetch_row(const void* p) {
    __builtin_prefetch(p, 0, 3);
}

// ---- for int_kernels_body.h and quantise_body.h ----

struct Dot16 {
    using Whole = int16_t;
    static constexpr int64_t group = 1;
    struct Weights {
        int16x8_t low, high;
    };
    static Weights load(const int16_t* p) { return {vld1q_s16(p), vld1q_s16(p + 8)}; }
    static int16_t broadcast(const int16_t* p) { return *p; }
    static Ints dot(Ints acc, int16_t a, Weights w) {
        return {vmlal_n_s16(acc.a, vget_low_s16(w.low), a), vmlal_n_s16(acc.b, vget_high_s16(w.low), a),
                vmlal_n_s16(acc.c, vget_low_s16(w.high), a), vmlal_n_s16(acc.d, vget_high_s16(w.high), a)};
    }
};

inline Ints add(Ints x, Ints y) {
    return {vaddq_s32(x.a, y.a), vaddq_s32(x.b, y.b), vaddq_s32(x.c, y.c), vaddq_s32(x.d, y.d)};
}
inline int32_t sum(Ints x) {
    return vaddvq_s32(vaddq_s32(vaddq_s32(x.a, x.b), vaddq_s32(x.c, x.d)));
}
inline Ints to_ints(Vec x) {
    return {vcvtnq_s32_f32(x.a), vcvtnq_s32_f32(x.b), vcvtnq_s32_f32(x.c), vcvtnq_s32_f32(x.d)};
}
inline int16x8_t shorts(int32x4_t x, int32x4_t y) {
    return vcombine_s16(vmovn_s32(x), vmovn_s32(y));
}
inline void store_whole(int16_t* p, Ints x) {
    vst1q_s16(p, shorts(x.a, x.b));
    vst1q_s16(p + 8, shorts(x.c, x.d));
}
inline float32x4_t times_power(float32x4_t x, float32x4_t shifted) {
    const int32x4_t n = vshlq_n_s32(vreinterpretq_s32_f32(shifted), 23);
    return vreinterpretq_f32_s32(vaddq_s32(vreinterpretq_s32_f32(x), n));
}
inline Vec times_power(Vec x, Vec shifted) {
    return {times_power(x.a, shifted.a), times_power(x.b, shifted.b), times_power(x.c, shifted.c),
            times_power(x.d, shifted.d)};
}

// Less 128, as kernels_neondot.cpp wants them: 0 .. 255 become -128 .. 127.
inline void store_whole(int8_t* p, Ints n) {
    const int16x8_t origin = vdupq_n_s16(128);
    vst1q_s8(p, vcombine_s8(vmovn_s16(vsubq_s16(shorts(n.a, n.b), origin)),
                            vmovn_s16(vsubq_s16(shorts(n.c, n.d), origin))));
}

#include "kernels_body.h"
#include "word2vec/word_kernels_body.h"

}  // namespace

namespace {
#include "kernel_table.h"
}  // namespace

constexpr Kernels kernels_neon = table("neon");
constexpr Kernels kernels_neondot =
    table("neondot", i16_of_16_bits,
          {1, 4, quantise<FromLow, int8_t>, product_neondot_i8, int_attention<Dot16, WeightsOfI8>});

}  // namespace idembed
