// NEON, which every 64-bit ARM has: a Vec is four registers of four floats. Included inside an anonymous
// namespace, behind arm_neon.h and numerics.h.

struct Vec {
    float32x4_t a, b, c, d;  // lanes 0 .. 3, 4 .. 7, 8 .. 11, 12 .. 15
};

constexpr int tile_rows = 6, tile_vecs = 1;  // of 32 registers: 24 accumulators, 4 weights, 1 activation

// All ones in lanes 0 .. count - 1.
inline uint32x4_t mask_first(int64_t count) {
    static const int32_t index[4] = {0, 1, 2, 3};
    const int n = count > 4 ? 4 : count < 0 ? 0 : static_cast<int>(count);
    return vcltq_s32(vld1q_s32(index), vdupq_n_s32(n));
}

inline Vec load(const float* p) {
    return {vld1q_f32(p), vld1q_f32(p + 4), vld1q_f32(p + 8), vld1q_f32(p + 12)};
}
inline float32x4_t load_first_of_four(const float* p, int64_t count) {  // what lies behind is not touched
    if (count >= 4) return vld1q_f32(p);
    float32x4_t x = vdupq_n_f32(0.0f);
    if (count > 0) x = vld1q_lane_f32(p, x, 0);
    if (count > 1) x = vld1q_lane_f32(p + 1, x, 1);
    if (count > 2) x = vld1q_lane_f32(p + 2, x, 2);
    return x;
}
inline Vec load_first(const float* p, int64_t count) {
    return {load_first_of_four(p, count), load_first_of_four(p + 4, count - 4),
            load_first_of_four(p + 8, count - 8), load_first_of_four(p + 12, count - 12)};
}
inline void store(float* p, Vec x) {
    vst1q_f32(p, x.a);
    vst1q_f32(p + 4, x.b);
    vst1q_f32(p + 8, x.c);
    vst1q_f32(p + 12, x.d);
}
inline Vec broadcast(float x) {
    const float32x4_t all = vdupq_n_f32(x);
    return {all, all, all, all};
}
inline Vec add(Vec x, Vec y) {
    return {vaddq_f32(x.a, y.a), vaddq_f32(x.b, y.b), vaddq_f32(x.c, y.c), vaddq_f32(x.d, y.d)};
}
inline Vec subtract(Vec x, Vec y) {
    return {vsubq_f32(x.a, y.a), vsubq_f32(x.b, y.b), vsubq_f32(x.c, y.c), vsubq_f32(x.d, y.d)};
}
inline Vec multiply(Vec x, Vec y) {
    return {vmulq_f32(x.a, y.a), vmulq_f32(x.b, y.b), vmulq_f32(x.c, y.c), vmulq_f32(x.d, y.d)};
}
inline Vec divide(Vec x, Vec y) {
    return {vdivq_f32(x.a, y.a), vdivq_f32(x.b, y.b), vdivq_f32(x.c, y.c), vdivq_f32(x.d, y.d)};
}
inline Vec fma(Vec x, Vec y, Vec z) {  // the instruction names its addend first
    return {vfmaq_f32(z.a, x.a, y.a), vfmaq_f32(z.b, x.b, y.b), vfmaq_f32(z.c, x.c, y.c),
            vfmaq_f32(z.d, x.d, y.d)};
}

// Never vmaxq_f32 and vminq_f32: they have rules of their own for NaN and for zeros of both signs.
inline float32x4_t maximum(float32x4_t x, float32x4_t y) {
    return vbslq_f32(vcgtq_f32(x, y), x, y);
}
inline float32x4_t minimum(float32x4_t x, float32x4_t y) {
    return vbslq_f32(vcltq_f32(x, y), x, y);
}
inline Vec maximum(Vec x, Vec y) {
    return {maximum(x.a, y.a), maximum(x.b, y.b), maximum(x.c, y.c), maximum(x.d, y.d)};
}
inline Vec minimum(Vec x, Vec y) {
    return {minimum(x.a, y.a), minimum(x.b, y.b), minimum(x.c, y.c), minimum(x.d, y.d)};
}
inline Vec absolute(Vec x) {
    return {vabsq_f32(x.a), vabsq_f32(x.b), vabsq_f32(x.c), vabsq_f32(x.d)};
}
inline Vec copy_sign(Vec size, Vec sign) {
    const uint32x4_t bit = vdupq_n_u32(0x80000000u);
    return {vbslq_f32(bit, sign.a, size.a), vbslq_f32(bit, sign.b, size.b), vbslq_f32(bit, sign.c, size.c),
            vbslq_f32(bit, sign.d, size.d)};
}
inline Vec select_less(Vec a, Vec b, Vec x, Vec y) {
    return {vbslq_f32(vcltq_f32(a.a, b.a), x.a, y.a), vbslq_f32(vcltq_f32(a.b, b.b), x.b, y.b),
            vbslq_f32(vcltq_f32(a.c, b.c), x.c, y.c), vbslq_f32(vcltq_f32(a.d, b.d), x.d, y.d)};
}
inline Vec first(Vec x, int64_t count, Vec y) {
    return {vbslq_f32(mask_first(count), x.a, y.a), vbslq_f32(mask_first(count - 4), x.b, y.b),
            vbslq_f32(mask_first(count - 8), x.c, y.c), vbslq_f32(mask_first(count - 12), x.d, y.d)};
}

// 2^n of shifted = round_magic + n: n sits in the last bits.
inline float32x4_t power_of_two(float32x4_t shifted) {
    const uint32x4_t n = vreinterpretq_u32_f32(shifted);
    return vreinterpretq_f32_u32(vshlq_n_u32(vaddq_u32(n, vdupq_n_u32(127)), 23));
}
inline Vec power_of_two(Vec shifted) {
    return {power_of_two(shifted.a), power_of_two(shifted.b), power_of_two(shifted.c),
            power_of_two(shifted.d)};
}

// The first two levels of the tree: lane l + 8, l + 4.
inline float32x4_t quarter(Vec x) {
    return vaddq_f32(vaddq_f32(x.a, x.c), vaddq_f32(x.b, x.d));
}
inline float sum(Vec x) {
    const float32x4_t four = quarter(x);
    return vpadds_f32(vadd_f32(vget_low_f32(four), vget_high_f32(four)));
}
inline float largest(Vec x) {
    const float32x4_t four = maximum(maximum(x.a, x.c), maximum(x.b, x.d));
    const float32x4_t two = maximum(four, vextq_f32(four, four, 2));
    return vgetq_lane_f32(maximum(two, vdupq_laneq_f32(two, 1)), 0);
}
inline float square_root(float x) {
    return vget_lane_f32(vsqrt_f32(vdup_n_f32(x)), 0);
}

inline void prefetch(const float* p) {  // into the second cache; any address will do
    __builtin_prefetch(p, 0, 2);
}

struct Ints {
    int32x4_t a, b, c, d;
};

inline Ints zero_ints() {
    const int32x4_t zero = vdupq_n_s32(0);
    return {zero, zero, zero, zero};
}
inline Vec to_floats(Ints x) {
    return {vcvtq_f32_s32(x.a), vcvtq_f32_s32(x.b), vcvtq_f32_s32(x.c), vcvtq_f32_s32(x.d)};
}
