// AVX2 with AVX-VNNI, which has the dot products of AVX-512 VNNI in ymm registers: the products of whole
// numbers, four or two of them a lane and instruction. Everything else is in kernels_avx2.cpp.
#include <immintrin.h>
#include <string.h>

#include "int_kernels.h"
#include "numerics.h"

namespace idembed {
namespace {

#include "vec_avx2.h"

// acc += products. Never the forms that saturate (vpdpwssds, vpdpbusds). As intrinsics GCC 12 stores each sum
// in memory at every step; and without {vex} an assembler takes the form of AVX-512.
#if defined(__GNUC__) && !defined(__clang__)
inline __m256i dot_pairs(__m256i acc, __m256i a, __m256i w) {
    __asm__("%{vex%} vpdpwssd %2, %1, %0" : "+x"(acc) : "x"(a), "x"(w));
    return acc;
}
inline __m256i dot_fours(__m256i acc, __m256i a, __m256i w) {  // bytes of a are unsigned, those of w signed
    __asm__("%{vex%} vpdpbusd %2, %1, %0" : "+x"(acc) : "x"(a), "x"(w));
    return acc;
}
#else
inline __m256i dot_pairs(__m256i acc, __m256i a, __m256i w) {
    return _mm256_dpwssd_avx_epi32(acc, a, w);
}
inline __m256i dot_fours(__m256i acc, __m256i a, __m256i w) {
    return _mm256_dpbusd_avx_epi32(acc, a, w);
}
#endif

struct Dot16 : Words {
    using Whole = int16_t;
    static constexpr int64_t group = 2;
    using Weights = Ints;
    static Weights load(const int16_t* p) { return load_ints(p); }
    static __m256i broadcast(const int16_t* p) { return broadcast_four_bytes(p); }
    static Ints dot(Ints acc, __m256i a, Weights w) {
        return {dot_pairs(acc.low, a, w.low), dot_pairs(acc.high, a, w.high)};
    }
};

struct Dot8 : Words {
    using Whole = uint8_t;  // activations; the weights' bytes are signed
    static constexpr int64_t group = 4;
    using Weights = Ints;
    static Weights load(const uint8_t* p) { return load_ints(p); }
    static __m256i broadcast(const uint8_t* p) { return broadcast_four_bytes(p); }
    static Ints dot(Ints acc, __m256i a, Weights w) {
        return {dot_fours(acc.low, a, w.low), dot_fours(acc.high, a, w.high)};
    }

    // For int_attention_body.h, where numbers are -127 .. 127: queries are stored with 128 added, and each
    // sum starts at what that adds to it, less than 0.
    static constexpr int origin = 128;
    static Ints as_query(Ints x) { return add(x, ints_of(origin)); }
    static void store_negative(int32_t* p, Ints x) {
        const __m256i zero = _mm256_setzero_si256();
        store_ints(p, {_mm256_sub_epi32(zero, x.low), _mm256_sub_epi32(zero, x.high)});
    }
    static Ints load_origin(const int32_t* p) { return load_ints(p); }
};

#include "int_attention_body.h"
#include "int_kernels_body.h"

}  // namespace

void product_avxvnni_i16(const IntProduct& m) {
    int_product<Dot16, false>(m);
}

void product_avxvnni_i8(const IntProduct& m) {
    int_product<Dot8, true>(m);
}

void attention_avxvnni_i16(const IntAttention& a) {
    int_attention<Dot16, WeightsOfI16>(a);
}

void attention_avxvnni_i8(const IntAttention& a) {
    int_attention<Dot8, WeightsOfI8>(a);
}

}  // namespace idembed
