// AVX2 and FMA: a Vec is two ymm registers. Included inside an anonymous namespace.

struct Vec {
    __m256 low, high;
};

constexpr int tile_rows = 6, tile_vecs = 1;  // 12 accumulators, 2 weights, 1 activation

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
