// AVX-512 with VNNI: the products of whole numbers, four or two of them a lane and instruction. Everything
// else is in kernels_avx512.cpp.
#include <immintrin.h>
#include <string.h>

#include "int_kernels.h"
#include "numerics.h"

namespace idembed {
namespace {

#include "vec_avx512.h"

// Never the forms that saturate (vpdpbusds, vpdpwssds). As intrinsics GCC 12 stores each sum in memory at
// every step, which takes more than half of the speed.
struct Dot16 : Words {
    using Whole = int16_t;
    static constexpr int64_t group = 2;
    using Weights = __m512i;
    static Weights load(const int16_t* p) { return _mm512_loadu_si512(p); }
    static __m512i broadcast(const int16_t* p) { return broadcast_four_bytes(p); }
    static Ints dot(Ints acc, __m512i a, Weights w) {
#if defined(__GNUC__)
        __asm__("vpdpwssd %2, %1, %0" : "+v"(acc.v) : "v"(a), "v"(w));
#else
        acc.v = _mm512_dpwssd_epi32(acc.v, a, w);
#endif
        return acc;
    }
};

struct Dot8 : Words {
    using Whole = uint8_t;  // activations; the weights' bytes are signed
    static constexpr int64_t group = 4;
    using Weights = __m512i;
    static Weights load(const uint8_t* p) { return _mm512_loadu_si512(p); }
    static __m512i broadcast(const uint8_t* p) { return broadcast_four_bytes(p); }
    static Ints dot(Ints acc, __m512i a, Weights w) {
#if defined(__GNUC__)
        __asm__("vpdpbusd %2, %1, %0" : "+v"(acc.v) : "v"(a), "v"(w));
#else
        acc.v = _mm512_dpbusd_epi32(acc.v, a, w);
#endif
        return acc;
    }

    // For int_attention_body.h, where numbers are -127 .. 127: queries are stored with 128 added, and each
    // sum starts at what that adds to it, less than 0.
    static constexpr int origin = 128;
    static Ints as_query(Ints x) { return add(x, ints_of(origin)); }
    static void store_negative(int32_t* p, Ints x) {
        store_ints(p, {_mm512_sub_epi32(_mm512_setzero_si512(), x.v)});
    }
    static Ints load_origin(const int32_t* p) { return load_ints(p); }
};

#include "int_attention_body.h"
#include "int_kernels_body.h"

}  // namespace

void product_avx512vnni_i16(const IntProduct& m) {
    int_product<Dot16, false>(m);
}

void product_avx512vnni_i8(const IntProduct& m) {
    int_product<Dot8, true>(m);
}

void attention_avx512vnni_i16(const IntAttention& a) {
    int_attention<Dot16, WeightsOfI16>(a);
}

void attention_avx512vnni_i8(const IntAttention& a) {
    int_attention<Dot8, WeightsOfI8>(a);
}

}  // namespace idembed
