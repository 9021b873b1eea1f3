// Plain C++ for any CPU: a Vec is sixteen floats. On x86 its fma is made of doubles, some 70 times slower
// than the instruction, so this is the reference the others are compared with, and the fallback of very old
// machines.
#include <string.h>

#if defined(__x86_64__) || defined(_M_X64)
#include <emmintrin.h>
#endif

#include "kernels.h"
#include "numerics.h"

namespace idembed {
namespace {

struct Vec {
    float v[lanes];
};

constexpr int tile_rows = 1, tile_vecs = 1;

inline uint32_t bits_of(float x) {
    uint32_t bits;
    memcpy(&bits, &x, sizeof bits);
    return bits;
}
inline float from_bits(uint32_t bits) {
    float x;
    memcpy(&x, &bits, sizeof x);
    return x;
}

#if defined(__FP_FAST_FMAF) || defined(__aarch64__)

inline float fma(float x, float y, float z) {
    return __builtin_fmaf(x, y, z);
}
inline float square_root(float x) {
    return __builtin_sqrtf(x);
}

#elif defined(__x86_64__) || defined(_M_X64)

// x y + z, rounded once (S. Boldo, G. Melquiond, "Emulation of a FMA and correctly rounded sums: proved
// algorithms using rounding to odd", 2008). The product of two floats is exact in double. The sum is rounded
// to odd: if it is not exact, its last bit is made 1, so that the rounding to float cannot fall on a false
// tie.
inline float fma(float x, float y, float z) {
    const double product = static_cast<double>(x) * y, addend = z;
    double rounded = product + addend;
    const double back = rounded - product;
    const double error = (product - (rounded - back)) + (addend - back);  // rounded + error is the exact sum
    if (error > 0 || error < 0) {
        int64_t bits;
        memcpy(&bits, &rounded, sizeof bits);
        if ((bits & 1) == 0) bits += (error > 0) == (rounded > 0) ? 1 : -1;  // away from 0, or towards it
        memcpy(&rounded, &bits, sizeof bits);
    }
    return static_cast<float>(rounded);
}
inline float square_root(float x) {
    return _mm_cvtss_f32(_mm_sqrt_ss(_mm_set_ss(x)));
}

#else
#error "add an exact fma and an IEEE square root for this CPU"
#endif

template <class F>
inline Vec each(F f) {
    Vec y;
    for (int l = 0; l < lanes; ++l) y.v[l] = f(l);
    return y;
}

inline Vec load(const float* p) {
    return each([=](int l) { return p[l]; });
}
inline Vec load_first(const float* p, int64_t count) {
    return each([=](int l) { return l < count ? p[l] : 0.0f; });
}
inline void store(float* p, Vec x) {
    for (int l = 0; l < lanes; ++l) p[l] = x.v[l];
}
inline Vec broadcast(float x) {
    return each([=](int) { return x; });
}
inline Vec add(const Vec& x, const Vec& y) {
    return each([&](int l) { return x.v[l] + y.v[l]; });
}
inline Vec subtract(const Vec& x, const Vec& y) {
    return each([&](int l) { return x.v[l] - y.v[l]; });
}
inline Vec multiply(const Vec& x, const Vec& y) {
    return each([&](int l) { return x.v[l] * y.v[l]; });
}
inline Vec divide(const Vec& x, const Vec& y) {
    return each([&](int l) { return x.v[l] / y.v[l]; });
}
inline Vec fma(const Vec& x, const Vec& y, const Vec& z) {
    return each([&](int l) { return fma(x.v[l], y.v[l], z.v[l]); });
}
inline Vec maximum(const Vec& x, const Vec& y) {
    return each([&](int l) { return x.v[l] > y.v[l] ? x.v[l] : y.v[l]; });
}
inline Vec minimum(const Vec& x, const Vec& y) {
    return each([&](int l) { return x.v[l] < y.v[l] ? x.v[l] : y.v[l]; });
}
inline Vec absolute(const Vec& x) {
    return each([&](int l) { return from_bits(bits_of(x.v[l]) & 0x7fffffffu); });
}
inline Vec copy_sign(const Vec& size, const Vec& sign) {  // size is not negative
    return each([&](int l) { return from_bits(bits_of(size.v[l]) | (bits_of(sign.v[l]) & 0x80000000u)); });
}
inline Vec select_less(const Vec& a, const Vec& b, const Vec& x, const Vec& y) {
    return each([&](int l) { return a.v[l] < b.v[l] ? x.v[l] : y.v[l]; });
}
inline Vec first(const Vec& x, int64_t count, const Vec& y) {
    return each([&](int l) { return l < count ? x.v[l] : y.v[l]; });
}

// 2^n of shifted = round_magic + n: n sits in the last bits.
inline Vec power_of_two(const Vec& shifted) {
    return each([&](int l) { return from_bits((bits_of(shifted.v[l]) + 127u) << 23); });
}

inline float sum(Vec x) {
    for (int half = lanes / 2; half > 0; half /= 2) {
        for (int l = 0; l < half; ++l) x.v[l] = x.v[l] + x.v[l + half];
    }
    return x.v[0];
}
inline float largest(Vec x) {
    for (int half = lanes / 2; half > 0; half /= 2) {
        for (int l = 0; l < half; ++l) x.v[l] = x.v[l] > x.v[l + half] ? x.v[l] : x.v[l + half];
    }
    return x.v[0];
}

inline void prefetch(const float*) {}

// ---- for word2vec/word_kernels_body.h ----

using Strip = Vec;
constexpr int strip_floats = lanes, dot_rows = 1;

inline Strip load_strip(const float* p) {
    return load(p);
}
inline Strip broadcast_strip(float x) {
    return broadcast(x);
}
inline Vec quarters(const Vec& a, const Vec& b, const Vec& c, const Vec& d) {
    const Vec* const x[] = {&a, &b, &c, &d};
    return each([&](int l) {
        const float* const v = x[l / 4]->v;
        const int i = l % 4;
        return (v[i] + v[i + 8]) + (v[i + 4] + v[i + 12]);
    });
}
inline Vec joined(const Vec& a, const Vec& b, const Vec& c, const Vec& d) {
    const Vec* const x[] = {&a, &b, &c, &d};
    return each([&](int l) {
        const float* const v = x[l % 4]->v + l / 4 * 4;
        return (v[0] + v[2]) + (v[1] + v[3]);
    });
}
inline void prefetch_row(const void*) {}

// ---- for int_kernels_body.h and quantise_body.h ----

struct Ints {
    uint32_t v[lanes];  // sums fit int32, and unsigned ones may wrap where a row is not finite
};

inline Ints zero_ints() {
    return {};
}
inline Vec to_floats(const Ints& x) {
    return each([&](int l) { return static_cast<float>(static_cast<int32_t>(x.v[l])); });
}

struct Dot16 {
    using Whole = int16_t;
    static constexpr int64_t group = 1;
    using Weights = const int16_t*;
    static Weights load(const int16_t* p) { return p; }
    static uint32_t broadcast(const int16_t* p) { return static_cast<uint32_t>(*p); }
    static Ints dot(Ints acc, uint32_t a, Weights w) {
        for (int l = 0; l < lanes; ++l) acc.v[l] += a * static_cast<uint32_t>(w[l]);
        return acc;
    }
};

inline Ints add(const Ints& x, const Ints& y) {
    Ints z;
    for (int l = 0; l < lanes; ++l) z.v[l] = x.v[l] + y.v[l];
    return z;
}
inline int32_t sum(const Ints& x) {
    uint32_t total = 0;
    for (int l = 0; l < lanes; ++l) total += x.v[l];
    return static_cast<int32_t>(total);
}
inline Ints to_ints(const Vec& x) {  // |x| is far below 2^22: the last bits of the sum are the number
    Ints y;
    for (int l = 0; l < lanes; ++l) y.v[l] = bits_of(x.v[l] + round_magic) - bits_of(round_magic);
    return y;
}
inline void store_whole(int16_t* p, const Ints& x) {
    for (int l = 0; l < lanes; ++l) p[l] = static_cast<int16_t>(x.v[l]);
}
inline Vec times_power(const Vec& x, const Vec& shifted) {
    return each([&](int l) { return from_bits(bits_of(x.v[l]) + (bits_of(shifted.v[l]) << 23)); });
}

#include "kernels_body.h"
#include "word2vec/word_kernels_body.h"

}  // namespace

namespace {
#include "kernel_table.h"
}  // namespace

constexpr Kernels kernels_scalar = table("scalar");

}  // namespace idembed
