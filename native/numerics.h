// The constants of profile f32-1, and of gelu and attention in the integer profiles. docs/numerics.md
// specifies the whole arithmetic; kernels_body.h and int_attention_body.h carry it out.
//
// In one paragraph: binary32, round to nearest even, denormals kept. `fma` rounds once. A sum over features
// runs in 16 virtual lanes (element i belongs to lane i mod 16, ascending) that one fixed tree joins: lane l
// takes lane l + 8, then l + 4, l + 2, l + 1. A matrix product keeps one accumulator per output, k ascending.
// Both are the same sums on every instruction set, because a lane never meets another except in that tree.
//
// Coefficients: tests/oracle/derive_polynomials.py.
#ifndef IDEMBED_NUMERICS_H
#define IDEMBED_NUMERICS_H

#include <float.h>
#include <stdint.h>

#if FLT_EVAL_METHOD != 0
#error "float arithmetic must be carried out in float (on 32-bit x86: -msse2 -mfpmath=sse)"
#endif

namespace idembed {

constexpr int lanes = 16;

constexpr int64_t round_up_to_lanes(int64_t n) {
    return (n + lanes - 1) / lanes * lanes;
}

// exp(x) = 2^n exp(r), n = x log2(e) to nearest, r = x - n ln(2).
constexpr float exp_lowest = -87.0f;  // below: exactly 0
constexpr float exp_highest = 88.0f;  // above: infinity
constexpr float log2_e = 0x1.715476p+0f;
constexpr float round_magic = 0x1.8p+23f;  // x + magic has its last bit at 1: adding it rounds to an integer
constexpr float ln2_high = 0x1.62e4p-1f;   // n * ln2_high is exact
constexpr float ln2_low = 0x1.7f7d1cp-20f;
constexpr float exp_c2 = 0x1.fffffcp-2f;  // exp(r) = 1 + r + c2 r^2 + .. + c6 r^6
constexpr float exp_c3 = 0x1.555492p-3f;
constexpr float exp_c4 = 0x1.5558f2p-5f;
constexpr float exp_c5 = 0x1.123a20p-7f;
constexpr float exp_c6 = 0x1.6a23ccp-10f;

// |x| < 1: erf(x) = x + x (a0 + a1 x^2 + .. + a6 x^12)
constexpr float erf_a0 = 0x1.06eba8p-3f;
constexpr float erf_a1 = -0x1.81273ep-2f;
constexpr float erf_a2 = 0x1.ce2cf8p-4f;
constexpr float erf_a3 = -0x1.b7f90ep-6f;
constexpr float erf_a4 = 0x1.5405bap-8f;
constexpr float erf_a5 = -0x1.a3f734p-11f;
constexpr float erf_a6 = 0x1.496ab0p-14f;

// else: erf(|x|) = 1 - exp(b0 + b1 |x| + .. + b6 |x|^6), |x| no more than erf_highest, where this rounds to 1
constexpr float erf_highest = 0x1.f70a3ep+1f;  // 3.93
constexpr float erf_b0 = -0x1.72e6acp-12f;
constexpr float erf_b1 = -0x1.2085b2p+0f;
constexpr float erf_b2 = -0x1.46c584p-1f;
constexpr float erf_b3 = -0x1.a60a84p-4f;
constexpr float erf_b4 = 0x1.654224p-6f;
constexpr float erf_b5 = -0x1.814ce0p-9f;
constexpr float erf_b6 = 0x1.852d52p-13f;

// |x| < tanh_bend: tanh(x) = x + x^3 (a0 + a1 x^2 + .. + a5 x^10)
constexpr float tanh_bend = 0.75f;
constexpr float tanh_a0 = -0x1.55554ap-2f;
constexpr float tanh_a1 = 0x1.110db8p-3f;
constexpr float tanh_a2 = -0x1.b97d3cp-5f;
constexpr float tanh_a3 = 0x1.5f785ap-6f;
constexpr float tanh_a4 = -0x1.f5d36ep-8f;
constexpr float tanh_a5 = 0x1.c753ccp-10f;

// else: tanh(|x|) = 1 - 2 / (exp(2 |x|) + 1), |x| no more than tanh_highest, where this rounds to 1
constexpr float tanh_highest = 9.25f;

// gelu of the integer profiles: max(x, 0) + t (c0 + c1 t + .. + c6 t^6), t = min(|x|, int_gelu_highest)
constexpr float int_gelu_highest = 4.0f;
constexpr float int_gelu_c0 = -0x1.0040b8p-1f;
constexpr float int_gelu_c1 = 0x1.903536p-2f;
constexpr float int_gelu_c2 = 0x1.5e922cp-5f;
constexpr float int_gelu_c3 = -0x1.1ea3f8p-3f;
constexpr float int_gelu_c4 = 0x1.d78ecap-5f;
constexpr float int_gelu_c5 = -0x1.451862p-7f;
constexpr float int_gelu_c6 = 0x1.5107dcp-11f;

// The weight of a key in whole numbers: 2^x times the largest is 2^n (largest + c1 r + c2 r^2 + c3 r^3), n =
// x to nearest, r = x - n.
constexpr float exp2_lowest = -16.0f;  // from far above here the weight rounds to 0
constexpr float weight_i16_c1 = 0x1.62eae4p+12f;
constexpr float weight_i16_c2 = 0x1.effcccp+10f;
constexpr float weight_i16_c3 = 0x1.c29402p+8f;
constexpr float weight_i8_c1 = 0x1.619304p+7f;
constexpr float weight_i8_c2 = 0x1.ee1c40p+5f;
constexpr float weight_i8_c3 = 0x1.c0df74p+3f;

// What is added to the weights of profile i8 before they are rounded, key after key: numbers evenly spaced
// between -1/2 and 1/2, in an order in which keys two, four or some other small number of places apart get
// them from all of that range, too. A text that repeats itself every few tokens would otherwise have its
// small weights all rounded up, or all down.
struct Dither {
    static constexpr int64_t period = 256, step = 99;
    float of[period];

    constexpr Dither() : of{} {
        for (int64_t key = 0; key < period; ++key) {
            const int64_t place = step * key % period;
            of[key] = (static_cast<float>(place) + 0.5f) / static_cast<float>(period) - 0.5f;  // exact
        }
    }
};
constexpr Dither dither_i8;
static_assert(Dither::period % lanes == 0, "sixteen keys' are side by side");

constexpr float sqrt_half = 0x1.6a09e6p-1f;
constexpr float smallest_norm = 1e-12f;
constexpr float infinity = __builtin_huge_valf();

}  // namespace idembed
#endif
