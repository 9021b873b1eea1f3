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
struct Dot16 {
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

struct Dot8 {
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
};

#include "int_kernels_body.h"

}  // namespace

void product_avx512vnni_i16(const IntProduct& m) {
    int_product<Dot16, false>(m);
}

void product_avx512vnni_i8(const IntProduct& m) {
    int_product<Dot8, true>(m);
}

}  // namespace idembed
