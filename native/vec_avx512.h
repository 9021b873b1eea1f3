// AVX-512: a Vec is one zmm register. Included inside an anonymous namespace, behind immintrin.h, string.h
// and numerics.h.

struct Vec {
    __m512 v;
};

constexpr int tile_rows = 6, tile_vecs = 4;  // 24 accumulators, 4 weights, 1 activation

#include "tile_shape.h"

inline __mmask16 mask_first(int64_t count) {
    return static_cast<__mmask16>(count >= lanes ? 0xffff : (1u << count) - 1);
}

inline Vec load(const float* p) {
    return {_mm512_loadu_ps(p)};
}
inline Vec load_first(const float* p, int64_t count) {
    return {_mm512_maskz_loadu_ps(mask_first(count), p)};
}
inline void store(float* p, Vec x) {
    _mm512_storeu_ps(p, x.v);
}
inline Vec broadcast(float x) {
    return {_mm512_set1_ps(x)};
}
inline Vec add(Vec x, Vec y) {
    return {_mm512_add_ps(x.v, y.v)};
}
inline Vec subtract(Vec x, Vec y) {
    return {_mm512_sub_ps(x.v, y.v)};
}
inline Vec multiply(Vec x, Vec y) {
    return {_mm512_mul_ps(x.v, y.v)};
}
inline Vec divide(Vec x, Vec y) {
    return {_mm512_div_ps(x.v, y.v)};
}
inline Vec fma(Vec x, Vec y, Vec z) {
    return {_mm512_fmadd_ps(x.v, y.v, z.v)};
}
inline Vec maximum(Vec x, Vec y) {
    return {_mm512_max_ps(x.v, y.v)};
}
inline Vec minimum(Vec x, Vec y) {
    return {_mm512_min_ps(x.v, y.v)};
}
inline Vec absolute(Vec x) {
    return {_mm512_andnot_ps(_mm512_set1_ps(-0.0f), x.v)};
}
inline Vec copy_sign(Vec size, Vec sign) {  // size is not negative
    return {_mm512_or_ps(size.v, _mm512_and_ps(_mm512_set1_ps(-0.0f), sign.v))};
}
inline Vec select_less(Vec a, Vec b, Vec x, Vec y) {
    return {_mm512_mask_blend_ps(_mm512_cmp_ps_mask(a.v, b.v, _CMP_LT_OQ), y.v, x.v)};
}
inline Vec first(Vec x, int64_t count, Vec y) {
    return {_mm512_mask_blend_ps(mask_first(count), y.v, x.v)};
}

// 2^n of shifted = round_magic + n: n sits in the last bits.
inline Vec power_of_two(Vec shifted) {
    const __m512i n = _mm512_castps_si512(shifted.v);
    return {_mm512_castsi512_ps(_mm512_slli_epi32(_mm512_add_epi32(n, _mm512_set1_epi32(127)), 23))};
}

inline float sum(Vec x) {
    const __m256 eight = _mm256_add_ps(_mm512_castps512_ps256(x.v), _mm512_extractf32x8_ps(x.v, 1));
    const __m128 four = _mm_add_ps(_mm256_castps256_ps128(eight), _mm256_extractf128_ps(eight, 1));
    const __m128 two = _mm_add_ps(four, _mm_movehl_ps(four, four));
    return _mm_cvtss_f32(_mm_add_ss(two, _mm_movehdup_ps(two)));
}
inline float largest(Vec x) {
    const __m256 eight = _mm256_max_ps(_mm512_castps512_ps256(x.v), _mm512_extractf32x8_ps(x.v, 1));
    const __m128 four = _mm_max_ps(_mm256_castps256_ps128(eight), _mm256_extractf128_ps(eight, 1));
    const __m128 two = _mm_max_ps(four, _mm_movehl_ps(four, four));
    return _mm_cvtss_f32(_mm_max_ss(two, _mm_movehdup_ps(two)));
}
inline float square_root(float x) {
    return _mm_cvtss_f32(_mm_sqrt_ss(_mm_set_ss(x)));
}

inline void prefetch(const float* p) {  // into the second cache; any address will do
    _mm_prefetch(reinterpret_cast<const char*>(p), _MM_HINT_T1);
}

struct Ints {
    __m512i v;
};

inline Ints zero_ints() {
    return {_mm512_setzero_si512()};
}
inline Vec to_floats(Ints x) {
    return {_mm512_cvtepi32_ps(x.v)};
}
inline __m512i broadcast_four_bytes(const void* p) {
    int32_t four;
    memcpy(&four, p, sizeof four);
    return _mm512_set1_epi32(four);
}
inline Ints add(Ints x, Ints y) {
    return {_mm512_add_epi32(x.v, y.v)};
}
inline int32_t sum(Ints x) {
    return _mm512_reduce_add_epi32(x.v);
}
inline Ints to_ints(Vec x) {
    return {_mm512_cvtps_epi32(x.v)};
}
inline void store_whole(int16_t* p, Ints x) {
    _mm256_storeu_si256(reinterpret_cast<__m256i*>(p), _mm512_cvtepi32_epi16(x.v));
}
inline Vec times_power(Vec x, Vec shifted) {
    const __m512i n = _mm512_slli_epi32(_mm512_castps_si512(shifted.v), 23);
    return {_mm512_castsi512_ps(_mm512_add_epi32(_mm512_castps_si512(x.v), n))};
}
inline Ints ints_of(int32_t x) {
    return {_mm512_set1_epi32(x)};
}
inline Ints load_ints(const int32_t* p) {
    return {_mm512_loadu_si512(p)};
}
inline void store_ints(int32_t* p, Ints x) {
    _mm512_storeu_si512(p, x.v);
}
inline void store_whole(uint8_t* p, Ints x) {
    _mm_storeu_si128(reinterpret_cast<__m128i*>(p), _mm512_cvtepi32_epi8(x.v));
}

// How whole numbers are laid out 32 bits at a time: for int_attention_body.h.
struct Words {
    static void store_pairs(int16_t* p, Vec x, Vec y) {
        const __m512i high = _mm512_slli_epi32(to_ints(y).v, 16);
        _mm512_storeu_si512(p, _mm512_mask_blend_epi16(0xaaaaaaaa, to_ints(x).v, high));
    }
    static void store_fours(uint8_t* p, Vec x, Vec y, Vec z, Vec w) {
        __m512i words = to_ints(x).v;
        words = _mm512_mask_blend_epi8(0x2222222222222222, words, _mm512_slli_epi32(to_ints(y).v, 8));
        words = _mm512_mask_blend_epi8(0x4444444444444444, words, _mm512_slli_epi32(to_ints(z).v, 16));
        words = _mm512_mask_blend_epi8(0x8888888888888888, words, _mm512_slli_epi32(to_ints(w).v, 24));
        _mm512_storeu_si512(p, words);
    }

    static void transpose(const void* rows, int64_t stride, void* to, int64_t to_stride, int64_t words) {
        const char* const from = static_cast<const char*>(rows);
        char* const columns = static_cast<char*>(to);
        __m512i x[16], y[16];
        UNROLL for (int j = 0; j < 16; ++j) x[j] = _mm512_loadu_si512(from + j * stride);
        UNROLL for (int j = 0; j < 16; j += 2) {
            y[j] = _mm512_unpacklo_epi32(x[j], x[j + 1]);
            y[j + 1] = _mm512_unpackhi_epi32(x[j], x[j + 1]);
        }
        // Word 4 q + i of rows j .. j+3 becomes quarter q of x[j + i].
        UNROLL for (int j = 0; j < 16; j += 4) {
            x[j] = _mm512_unpacklo_epi64(y[j], y[j + 2]);
            x[j + 1] = _mm512_unpackhi_epi64(y[j], y[j + 2]);
            x[j + 2] = _mm512_unpacklo_epi64(y[j + 1], y[j + 3]);
            x[j + 3] = _mm512_unpackhi_epi64(y[j + 1], y[j + 3]);
        }
        const auto quarters = [&](int i, int q) {
            const int odd = q % 2;
            const __m512i low =
                odd ? _mm512_shuffle_i32x4(x[i], x[i + 4], 0xdd) : _mm512_shuffle_i32x4(x[i], x[i + 4], 0x88);
            const __m512i high = odd ? _mm512_shuffle_i32x4(x[i + 8], x[i + 12], 0xdd)
                                     : _mm512_shuffle_i32x4(x[i + 8], x[i + 12], 0x88);
            return q < 2 ? _mm512_shuffle_i32x4(low, high, 0x88) : _mm512_shuffle_i32x4(low, high, 0xdd);
        };
        UNROLL for (int q = 0; q < 4; ++q) {
            if (4 * q >= words) return;
            UNROLL for (int i = 0; i < 4; ++i) {
                _mm512_storeu_si512(columns + (4 * q + i) * to_stride, quarters(i, q));
            }
        }
    }
};
