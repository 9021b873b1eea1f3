// The kernel of int_attention.h, once, over `Vec`. Defined before, besides what int_kernels_body.h needs:
//
//   add (of Ints), sum (of Ints), to_ints (the nearest whole numbers, ties to even), store_whole(Whole*,
//   Ints), times_power (x * 2^n of n + round_magic; nothing overflows) in a Dot of a group of more than one:
//     transpose, of 16 rows, `stride` bytes each, of up to 16 words of 32 bits: word i of row j goes to `to`
//     + i * to_stride + 4 j; 16 words of a row may be read
//     in one of two store_pairs(int16_t*, Vec, Vec), of four store_fours(uint8_t*, Vec, Vec, Vec, Vec): the
//     nearest whole numbers of a lane side by side
//   in a Dot of bytes, whose left side is unsigned: origin; as_query(Ints), which adds it to a query;
//   store_negative(int32_t*, Ints), which is what sums start at, and load_origin(int32_t*), which reads it

#include "scale_body.h"
#include "tile_shape.h"

// What weights and values of each profile are.
struct WeightsOfI16 {
    static constexpr float most = most_key_weight_i16, most_value = most_value_i16;
    static constexpr float c1 = weight_i16_c1, c2 = weight_i16_c2, c3 = weight_i16_c3;
    static constexpr int64_t keys = context_keys_i16;
    static constexpr bool has_dither = false;
};
struct WeightsOfI8 {
    static constexpr float most = most_key_weight_i8, most_value = most_value_i8;
    static constexpr float c1 = weight_i8_c1, c2 = weight_i8_c2, c3 = weight_i8_c3;
    static constexpr int64_t keys = context_keys_i8;
    static constexpr bool has_dither = true;
};

static_assert(tile_rows <= int_attention_rows, "scratch memory holds the rows of a tile");

template <class Dot>
constexpr bool in_bytes = sizeof(typename Dot::Whole) == 1;

// x [rows <= 16, columns], queries or keys, becomes whole numbers [rows, columns] that `Dot` multiplies, with
// a scale for each row. `poison` becomes NaN where a value is infinite or NaN. All scales first: each is a
// long chain of steps, which the next row's hide.
template <class Dot, bool Query>
void whole_rows(const float* x, int64_t stride, int64_t rows, int64_t columns, float most, void* to,
                float* scale, Vec* poison) {
    float inverse[lanes];
    Vec poisons = *poison;
    for (int64_t r = 0; r < rows; ++r) {
        Vec peak = broadcast(0.0f);
        for (int64_t i = 0; i < columns; i += lanes) {
            const Vec value = load(x + r * stride + i);
            peak = maximum(absolute(value), peak);
            poisons = fma(value, broadcast(0.0f), poisons);
        }
        const Scale of = scale_of(0.0f, largest(peak), most, 0.0f);
        scale[r] = of.scale;
        inverse[r] = of.inverse;
    }
    auto* whole = static_cast<typename Dot::Whole*>(to);
    for (int64_t r = 0; r < rows; ++r) {
        for (int64_t i = 0; i < columns; i += lanes, whole += lanes) {
            Ints value = to_ints(multiply(load(x + r * stride + i), broadcast(inverse[r])));
            if constexpr (Query && in_bytes<Dot>) value = Dot::as_query(value);
            store_whole(whole, value);
        }
    }
    *poison = poisons;
}

// Sixteen keys [16, dim] become columns `column` .. of `a.keys`.
template <class Dot>
void transpose_keys(const IntAttention& a, int64_t column) {
    constexpr int64_t group = Dot::group;
    const auto* const rows = static_cast<const typename Dot::Whole*>(a.queries);
    auto* const keys = static_cast<typename Dot::Whole*>(a.keys) + column * group;
    if constexpr (group == 1) {
        for (int64_t i = 0; i < a.dim; ++i) {
            for (int64_t j = 0; j < lanes; ++j) keys[i * a.padded + j] = rows[j * a.dim + i];
        }
    } else {
        const int64_t words = a.dim / group;
        for (int64_t word = 0; word < words; word += 16) {
            const int64_t left = words - word;
            Dot::transpose(rows + word * group, a.dim * static_cast<int64_t>(sizeof *rows),
                           keys + word * a.padded * group, 4 * a.padded, left < 16 ? left : 16);
        }
    }
    if constexpr (in_bytes<Dot>) {
        const typename Dot::Whole origin[group] = {Dot::origin, Dot::origin, Dot::origin, Dot::origin};
        Ints excess = zero_ints();
        for (int64_t i = 0; i < a.dim; i += group) {
            excess = Dot::dot(excess, Dot::broadcast(origin), Dot::load(keys + i * a.padded));
        }
        Dot::store_negative(a.key_origin + column, excess);
    }
}

// Keys as whole numbers, transposed, and zeros behind the last. Returns the sum of their scales, NaN where
// one is not finite.
template <class Dot>
float whole_keys(const IntAttention& a) {
    constexpr int64_t bytes = sizeof(typename Dot::Whole);
    float scales = 0.0f;
    Vec poison = broadcast(0.0f);
    for (int64_t column = 0; column < a.padded; column += lanes) {
        const int64_t left = a.length - column, keys = left < lanes ? left : lanes;
        whole_rows<Dot, false>(a.key + column * a.stride, a.stride, keys, a.dim, a.most, a.queries,
                               a.key_scale + column, &poison);
        for (int64_t r = 0; r < lanes; ++r) {
            const bool is_key = r < keys;
            if (!is_key) a.key_scale[column + r] = 0.0f;
            a.start[column + r] = is_key ? 0.0f : -infinity;
            scales += a.key_scale[column + r];
        }
        memset(static_cast<char*>(a.queries) + keys * a.dim * bytes, 0,
               static_cast<size_t>((lanes - keys) * a.dim * bytes));
        transpose_keys<Dot>(a, column);
    }
    return scales + sum(poison);
}

// Values as whole numbers, with a scale for each feature.
template <class Dot, class Weights>
void whole_values(const IntAttention& a) {
    constexpr int64_t group = Dot::group;
    const Vec most = broadcast(Weights::most_value), least = broadcast(least_range), zero = broadcast(0.0f);
    for (int64_t i = 0; i < a.dim; i += lanes) {
        const float* const value = a.value + i;
        Vec peak = zero, poison = zero;
        for (int64_t j = 0; j < a.length; ++j) {
            const Vec x = load(value + j * a.stride);
            peak = maximum(absolute(x), peak);
            poison = fma(x, zero, poison);
        }
        const Vec inverse = select_less(peak, least, zero, divide(most, peak));
        store(a.value_scale + i, add(select_less(peak, least, zero, divide(peak, most)), poison));
        const auto whole = [&](int64_t j) {
            return j < a.length ? multiply(load(value + j * a.stride), inverse) : zero;
        };
        auto* to = static_cast<typename Dot::Whole*>(a.values) + i * group;
        for (int64_t j = 0; j < a.length; j += group, to += group * a.dim) {
            if constexpr (group == 4) {
                Dot::store_fours(to, whole(j), whole(j + 1), whole(j + 2), whole(j + 3));
            } else if constexpr (group == 2) {
                Dot::store_pairs(to, whole(j), whole(j + 1));
            } else {
                store_whole(to, to_ints(whole(j)));
            }
        }
    }
}

// What the scores of some queries are made of.
struct Scores {
    const float* query_scale;  // [R]
    const float* start;        // a score's begins at start[r * start_stride + key]
    int64_t start_stride;
};

// R queries against V * 16 keys from `column` on: their scores as exponents of 2, and the largest so far.
template <class Dot, int R, int V>
void scores_tile(const IntAttention& a, int64_t column, const Scores& of, float* peaks) {
    constexpr int64_t group = Dot::group, vec = lanes * group;
    Ints acc[R][V];
    UNROLL for (int v = 0; v < V; ++v) {
        Ints start_of_sums = zero_ints();
        if constexpr (in_bytes<Dot>) start_of_sums = Dot::load_origin(a.key_origin + column + v * lanes);
        UNROLL for (int r = 0; r < R; ++r) acc[r][v] = start_of_sums;
    }
    const auto *q = static_cast<const typename Dot::Whole*>(a.queries),
               *k = static_cast<const typename Dot::Whole*>(a.keys) + column * group;
    const int64_t q_stride = a.dim, k_stride = a.padded * group;
    for (const auto* const end = q + q_stride; q != end; q += group, k += k_stride) {
        typename Dot::Weights w[V];
        UNROLL for (int v = 0; v < V; ++v) w[v] = Dot::load(k + v * vec);
        UNROLL for (int r = 0; r < R; ++r) {
            const auto x = Dot::broadcast(q + r * q_stride);
            UNROLL for (int v = 0; v < V; ++v) acc[r][v] = Dot::dot(acc[r][v], x, w[v]);
        }
    }
    const float *const key_scale = a.key_scale + column, *start = of.start + column;
    float* score = a.scores + column;
    UNROLL for (int r = 0; r < R; ++r, start += of.start_stride, score += a.padded) {
        const Vec query_scale = broadcast(of.query_scale[r]);
        Vec peak = load(peaks + r * lanes);
        UNROLL for (int v = 0; v < V; ++v) {
            const Vec scale = multiply(query_scale, load(key_scale + v * lanes));
            const Vec z = fma(to_floats(acc[r][v]), scale, load(start + v * lanes));
            store(score + v * lanes, z);
            peak = maximum(z, peak);
        }
        store(peaks + r * lanes, peak);
    }
}

// Where the scores of queries row .. row+R-1 start: with -infinity where there is no key, and with 0 or the
// bias.
template <int R>
Scores starts_of(const IntAttention& a, int64_t row, const float* query_scale) {
    if (!a.bias) return {query_scale, a.start, 0};
    for (int r = 0; r < R; ++r) {
        for (int64_t j = 0; j < a.padded; j += lanes) {
            const Vec bias = multiply(load(a.bias - row - r + j), broadcast(log2_e));
            store(a.scores + r * a.padded + j, add(bias, load(a.start + j)));
        }
    }
    return {query_scale, a.scores, a.padded};
}

// 2^x times the largest weight; x is not positive.
template <class Weights>
Vec weight_of(Vec x) {
    x = maximum(x, broadcast(exp2_lowest));
    const Vec shifted = add(x, broadcast(round_magic));
    const Vec r = subtract(x, subtract(shifted, broadcast(round_magic)));
    Vec p = broadcast(Weights::c3);
    p = fma(p, r, broadcast(Weights::c2));
    p = fma(p, r, broadcast(Weights::c1));
    p = fma(p, r, broadcast(Weights::most));
    return times_power(p, shifted);
}

// A query's weights as whole numbers; returns their sums, lane by lane.
template <class Dot, class Weights>
Ints whole_weights(const float* scores, int64_t keys, Vec peak, typename Dot::Whole* weights) {
    Ints total = zero_ints();
    for (int64_t j = 0; j < keys; j += lanes) {
        Vec weight = weight_of<Weights>(subtract(load(scores + j), peak));
        if constexpr (Weights::has_dither) weight = add(weight, load(dither_i8.of + j % Dither::period));
        const Ints whole = to_ints(weight);
        store_whole(weights + j, whole);
        total = add(total, whole);
    }
    return total;
}

// R queries' contexts, V * 16 features from `column` on.
template <class Dot, class Weights, int R, int V>
void context_tile(const IntAttention& a, int64_t row, int64_t column, const float* inverse) {
    constexpr int64_t group = Dot::group, vec = lanes * group;
    for (int64_t begin = 0; begin < a.length; begin += Weights::keys) {
        const int64_t left = a.length - begin, keys = left < Weights::keys ? left : Weights::keys;
        Ints acc[R][V];
        UNROLL for (int r = 0; r < R; ++r) {
            UNROLL for (int v = 0; v < V; ++v) acc[r][v] = zero_ints();
        }
        const auto *w = static_cast<const typename Dot::Whole*>(a.weights) + begin,
                   *value =
                       static_cast<const typename Dot::Whole*>(a.values) + begin * a.dim + column * group;
        const int64_t w_stride = a.padded, value_stride = a.dim * group;
        for (const auto* const end = w + keys; w < end; w += group, value += value_stride) {
            typename Dot::Weights x[V];
            UNROLL for (int v = 0; v < V; ++v) x[v] = Dot::load(value + v * vec);
            UNROLL for (int r = 0; r < R; ++r) {
                const auto weight = Dot::broadcast(w + r * w_stride);
                UNROLL for (int v = 0; v < V; ++v) acc[r][v] = Dot::dot(acc[r][v], weight, x[v]);
            }
        }
        float* to = a.context + row * a.context_stride + column;
        UNROLL for (int r = 0; r < R; ++r, to += a.context_stride) {
            UNROLL for (int v = 0; v < V; ++v) {
                const Vec scale = multiply(load(a.value_scale + column + v * lanes), broadcast(inverse[r]));
                const Vec part = multiply(to_floats(acc[r][v]), scale);
                store(to + v * lanes, begin == 0 ? part : add(load(to + v * lanes), part));
            }
        }
    }
}

template <int R, int V>
struct TileOf {
    static constexpr int rows = R, vecs = V;
};

// Calls f(TileOf<R, V>, first column) until all columns are done, a multiple of 16.
template <int R, class F>
inline void each_tile(int64_t columns, F f) {
    for (int64_t column = 0; column < columns;) {
        const int64_t vecs = (columns - column) / lanes;
        if constexpr (tile_vecs >= 4) {
            if (vecs >= 4) {
                f(TileOf<R, 4>{}, column);
                column += 4 * lanes;
                continue;
            }
            if (vecs == 3) {
                f(TileOf<R, 3>{}, column);
                return;
            }
        }
        if constexpr (tile_vecs >= 2) {
            if (vecs >= 2) {
                f(TileOf<R, 2>{}, column);
                column += 2 * lanes;
                continue;
            }
        }
        f(TileOf<R, 1>{}, column);
        column += lanes;
    }
}

// Queries row .. row+R-1.
template <class Dot, class Weights, int R>
void attend_rows(const IntAttention& a, int64_t row, float key_scales) {
    float query_scale[R], inverse[R], peaks[R * lanes];
    Vec poison = broadcast(0.0f);
    whole_rows<Dot, true>(a.query + row * a.stride, a.stride, R, a.dim, a.most, a.queries, query_scale,
                          &poison);
    for (int r = 0; r < R; ++r) {
        query_scale[r] *= a.scale;
        store(peaks + r * lanes, broadcast(-infinity));
    }
    const Scores scores = starts_of<R>(a, row, query_scale);
    each_tile<R>(a.padded, [&](auto tile, int64_t column) {
        scores_tile<Dot, tile.rows, tile.vecs>(a, column, scores, peaks);
    });
    const float not_finite = sum(poison);
    float peak[R];
    Ints total[R];
    for (int r = 0; r < R; ++r) peak[r] = largest(load(peaks + r * lanes));
    auto* const weights = static_cast<typename Dot::Whole*>(a.weights);
    for (int r = 0; r < R; ++r) {
        total[r] = whole_weights<Dot, Weights>(a.scores + r * a.padded, a.padded, broadcast(peak[r]),
                                               weights + r * a.padded);
    }
    for (int r = 0; r < R; ++r) {
        inverse[r] =
            1.0f / static_cast<float>(sum(total[r])) + (query_scale[r] * key_scales * 0.0f + not_finite);
    }
    each_tile<R>(a.dim, [&](auto tile, int64_t column) {
        context_tile<Dot, Weights, tile.rows, tile.vecs>(a, row, column, inverse);
    });
}

template <class Dot, class Weights>
void attend_rows_of(int64_t rows, const IntAttention& a, int64_t row, float key_scales) {
    if constexpr (tile_rows >= 6) {
        if (rows == 6) return attend_rows<Dot, Weights, 6>(a, row, key_scales);
        if (rows == 5) return attend_rows<Dot, Weights, 5>(a, row, key_scales);
        if (rows == 4) return attend_rows<Dot, Weights, 4>(a, row, key_scales);
        if (rows == 3) return attend_rows<Dot, Weights, 3>(a, row, key_scales);
        if (rows == 2) return attend_rows<Dot, Weights, 2>(a, row, key_scales);
    }
    attend_rows<Dot, Weights, 1>(a, row, key_scales);
}

template <class Dot, class Weights>
void int_attention(const IntAttention& a) {
    const float key_scales = whole_keys<Dot>(a);
    whole_values<Dot, Weights>(a);
    for (int64_t row = 0; row < a.length;) {
        const int64_t rows = rows_of_tile(a.length - row);
        attend_rows_of<Dot, Weights>(rows, a, row, key_scales);
        row += rows;
    }
}
