// AVX2 and FMA: a Vec is two ymm registers. Included inside an anonymous namespace, behind immintrin.h,
// string.h and numerics.h.

struct Vec {
    __m256 low, high;
};

constexpr int tile_rows = 6, tile_vecs = 1;  // 12 accumulators, 2 weights, 1 activation

#include "tile_shape.h"

inline __m256i mask_first(int64_t count) {
    const int n = count > 8 ? 8 : static_cast<int>(count);
    return _mm256_cmpgt_epi32(_mm256_set1_epi32(n), _mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7));
}

inline Vec load(const float* p) {
    return {_mm256_loadu_ps(p), _mm256_loadu_ps(p + 8)};
}
inline Vec load_first(const float* p, int64_t count) {
    return {_mm256_maskload_ps(p, mask_first(count)), _mm256_maskload_ps(p + 8, mask_first(count - 8))};
}
inline void store(float* p, Vec x) {
    _mm256_storeu_ps(p, x.low);
    _mm256_storeu_ps(p + 8, x.high);
}
inline Vec broadcast(float x) {
    return {_mm256_set1_ps(x), _mm256_set1_ps(x)};
}
inline Vec add(Vec x, Vec y) {
    return {_mm256_add_ps(x.low, y.low), _mm256_add_ps(x.high, y.high)};
}
inline Vec subtract(Vec x, Vec y) {
    return {_mm256_sub_ps(x.low, y.low), _mm256_sub_ps(x.high, y.high)};
}
inline Vec multiply(Vec x, Vec y) {
    return {_mm256_mul_ps(x.low, y.low), _mm256_mul_ps(x.high, y.high)};
}
inline Vec divide(Vec x, Vec y) {
    return {_mm256_div_ps(x.low, y.low), _mm256_div_ps(x.high, y.high)};
}
inline Vec fma(Vec x, Vec y, Vec z) {
    return {_mm256_fmadd_ps(x.low, y.low, z.low), _mm256_fmadd_ps(x.high, y.high, z.high)};
}
inline Vec maximum(Vec x, Vec y) {
    return {_mm256_max_ps(x.low, y.low), _mm256_max_ps(x.high, y.high)};
}
inline Vec minimum(Vec x, Vec y) {
    return {_mm256_min_ps(x.low, y.low), _mm256_min_ps(x.high, y.high)};
}
inline Vec absolute(Vec x) {
    const __m256 sign = _mm256_set1_ps(-0.0f);
    return {_mm256_andnot_ps(sign, x.low), _mm256_andnot_ps(sign, x.high)};
}
inline Vec copy_sign(Vec size, Vec sign) {  // size is not negative
    const __m256 bit = _mm256_set1_ps(-0.0f);
    return {_mm256_or_ps(size.low, _mm256_and_ps(bit, sign.low)),
            _mm256_or_ps(size.high, _mm256_and_ps(bit, sign.high))};
}
inline Vec select_less(Vec a, Vec b, Vec x, Vec y) {
    return {_mm256_blendv_ps(y.low, x.low, _mm256_cmp_ps(a.low, b.low, _CMP_LT_OQ)),
            _mm256_blendv_ps(y.high, x.high, _mm256_cmp_ps(a.high, b.high, _CMP_LT_OQ))};
}
inline Vec first(Vec x, int64_t count, Vec y) {
    return {_mm256_blendv_ps(y.low, x.low, _mm256_castsi256_ps(mask_first(count))),
            _mm256_blendv_ps(y.high, x.high, _mm256_castsi256_ps(mask_first(count - 8)))};
}

// 2^n of shifted = round_magic + n: n sits in the last bits.
inline __m256 power_of_two(__m256 shifted) {
    const __m256i n = _mm256_castps_si256(shifted);
    return _mm256_castsi256_ps(_mm256_slli_epi32(_mm256_add_epi32(n, _mm256_set1_epi32(127)), 23));
}
inline Vec power_of_two(Vec shifted) {
    return {power_of_two(shifted.low), power_of_two(shifted.high)};
}

inline float sum(Vec x) {
    const __m256 eight = _mm256_add_ps(x.low, x.high);
    const __m128 four = _mm_add_ps(_mm256_castps256_ps128(eight), _mm256_extractf128_ps(eight, 1));
    const __m128 two = _mm_add_ps(four, _mm_movehl_ps(four, four));
    return _mm_cvtss_f32(_mm_add_ss(two, _mm_movehdup_ps(two)));
}
inline float largest(Vec x) {
    const __m256 eight = _mm256_max_ps(x.low, x.high);
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
    __m256i low, high;
};

inline Ints zero_ints() {
    return {_mm256_setzero_si256(), _mm256_setzero_si256()};
}
inline Vec to_floats(Ints x) {
    return {_mm256_cvtepi32_ps(x.low), _mm256_cvtepi32_ps(x.high)};
}

inline Ints add(Ints x, Ints y) {
    return {_mm256_add_epi32(x.low, y.low), _mm256_add_epi32(x.high, y.high)};
}
inline int32_t sum(Ints x) {
    const __m256i eight = _mm256_add_epi32(x.low, x.high);
    const __m128i four = _mm_add_epi32(_mm256_castsi256_si128(eight), _mm256_extracti128_si256(eight, 1));
    const __m128i two = _mm_add_epi32(four, _mm_shuffle_epi32(four, 0x4e));
    return _mm_cvtsi128_si32(_mm_add_epi32(two, _mm_shuffle_epi32(two, 0xb1)));
}
inline Ints to_ints(Vec x) {
    return {_mm256_cvtps_epi32(x.low), _mm256_cvtps_epi32(x.high)};
}
inline __m256i shorts(Ints x) {
    return _mm256_permute4x64_epi64(_mm256_packs_epi32(x.low, x.high), 0xd8);
}
inline void store_whole(int16_t* p, Ints x) {
    _mm256_storeu_si256(reinterpret_cast<__m256i*>(p), shorts(x));
}
inline __m256 times_power(__m256 x, __m256 shifted) {
    const __m256i n = _mm256_slli_epi32(_mm256_castps_si256(shifted), 23);
    return _mm256_castsi256_ps(_mm256_add_epi32(_mm256_castps_si256(x), n));
}
inline Vec times_power(Vec x, Vec shifted) {
    return {times_power(x.low, shifted.low), times_power(x.high, shifted.high)};
}
inline Ints ints_of(int32_t x) {
    return {_mm256_set1_epi32(x), _mm256_set1_epi32(x)};
}
inline Ints load_ints(const void* p) {
    const __m256i* const from = static_cast<const __m256i*>(p);
    return {_mm256_loadu_si256(from), _mm256_loadu_si256(from + 1)};
}
inline __m256i broadcast_four_bytes(const void* p) {
    int32_t four;
    memcpy(&four, p, sizeof four);
    return _mm256_set1_epi32(four);
}
inline void store_ints(int32_t* p, Ints x) {
    __m256i* const to = reinterpret_cast<__m256i*>(p);
    _mm256_storeu_si256(to, x.low);
    _mm256_storeu_si256(to + 1, x.high);
}
inline void store_whole(uint8_t* p, Ints x) {  // the last eight bits of each
    const __m256i byte = _mm256_set1_epi32(255);
    const __m256i sixteen = shorts({_mm256_and_si256(x.low, byte), _mm256_and_si256(x.high, byte)});
    _mm_storeu_si128(reinterpret_cast<__m128i*>(p),
                     _mm_packus_epi16(_mm256_castsi256_si128(sixteen), _mm256_extracti128_si256(sixteen, 1)));
}

// How whole numbers are laid out 32 bits at a time: for int_attention_body.h.
struct Words {
    static __m256i pairs(__m256i x, __m256i y) {
        return _mm256_blend_epi16(x, _mm256_slli_epi32(y, 16), 0xaa);
    }
    static void store_pairs(int16_t* p, Vec x, Vec y) {
        const Ints first = to_ints(x), second = to_ints(y);
        _mm256_storeu_si256(reinterpret_cast<__m256i*>(p), pairs(first.low, second.low));
        _mm256_storeu_si256(reinterpret_cast<__m256i*>(p + lanes), pairs(first.high, second.high));
    }
    static __m256i fours(__m256i x, __m256i y, __m256i z, __m256i w) {
        const __m256i byte = _mm256_set1_epi32(255);
        const __m256i low =
            _mm256_or_si256(_mm256_and_si256(x, byte), _mm256_slli_epi32(_mm256_and_si256(y, byte), 8));
        const __m256i third = _mm256_slli_epi32(_mm256_and_si256(z, byte), 16);
        return _mm256_or_si256(_mm256_or_si256(low, third), _mm256_slli_epi32(w, 24));
    }
    static void store_fours(uint8_t* p, Vec x, Vec y, Vec z, Vec w) {
        const Ints a = to_ints(x), b = to_ints(y), c = to_ints(z), d = to_ints(w);
        _mm256_storeu_si256(reinterpret_cast<__m256i*>(p), fours(a.low, b.low, c.low, d.low));
        _mm256_storeu_si256(reinterpret_cast<__m256i*>(p + 32), fours(a.high, b.high, c.high, d.high));
    }

    // Eight rows of eight words.
    static void transpose_eight(const char* rows, int64_t stride, char* to, int64_t to_stride,
                                int64_t words) {
        __m256i x[8], y[8];
        UNROLL for (int j = 0; j < 8; ++j) {
            x[j] = _mm256_loadu_si256(reinterpret_cast<const __m256i*>(rows + j * stride));
        }
        UNROLL for (int j = 0; j < 8; j += 2) {
            y[j] = _mm256_unpacklo_epi32(x[j], x[j + 1]);
            y[j + 1] = _mm256_unpackhi_epi32(x[j], x[j + 1]);
        }
        // Words i and 4 + i of rows j .. j+3 become the halves of x[j + i].
        UNROLL for (int j = 0; j < 8; j += 4) {
            x[j] = _mm256_unpacklo_epi64(y[j], y[j + 2]);
            x[j + 1] = _mm256_unpackhi_epi64(y[j], y[j + 2]);
            x[j + 2] = _mm256_unpacklo_epi64(y[j + 1], y[j + 3]);
            x[j + 3] = _mm256_unpackhi_epi64(y[j + 1], y[j + 3]);
        }
        UNROLL for (int i = 0; i < 4; ++i) {
            __m256i* const low = reinterpret_cast<__m256i*>(to + i * to_stride);
            _mm256_storeu_si256(low, _mm256_permute2x128_si256(x[i], x[i + 4], 0x20));
        }
        if (words <= 4) return;
        UNROLL for (int i = 0; i < 4; ++i) {
            __m256i* const high = reinterpret_cast<__m256i*>(to + (i + 4) * to_stride);
            _mm256_storeu_si256(high, _mm256_permute2x128_si256(x[i], x[i + 4], 0x31));
        }
    }

    static void transpose(const void* rows, int64_t stride, void* to, int64_t to_stride, int64_t words) {
        for (int64_t j = 0; j < 16; j += 8) {
            for (int64_t i = 0; i < words; i += 8) {
                transpose_eight(static_cast<const char*>(rows) + j * stride + 4 * i, stride,
                                static_cast<char*>(to) + i * to_stride + 4 * j, to_stride, words - i);
            }
        }
    }
};
