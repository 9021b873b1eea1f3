// Every kernel, once, over `Vec`: 16 float32 lanes. Included, inside an anonymous namespace, by the file of
// each instruction set, which defines first:
//
//   Vec, load, store, load_first (zeros behind `count`), broadcast, add, subtract, multiply, divide, fma,
//   maximum (x > y ? x : y), minimum (x < y ? x : y), select_less (a < b ? x : y), first (lane < count ? x :
//   y), absolute, copy_sign, power_of_two, sum (the tree of numerics.h), largest, square_root (of one float),
//   prefetch
//
//   tile_rows, tile_vecs: the largest tile of accumulators that fits the registers
//
//   what int_kernels_body.h, int_attention_body.h and quantise_body.h, which come at the end, ask for
//
// Whatever these do is IEEE arithmetic in the order written here, so the bits agree on every instruction set.

#include "tile_shape.h"

// ---- functions ----

inline Vec horner(Vec p, Vec x, float coefficient) {
    return fma(p, x, broadcast(coefficient));
}

inline Vec exp_in_range(Vec x) {
    const Vec shifted = fma(x, broadcast(log2_e), broadcast(round_magic));
    const Vec n = subtract(shifted, broadcast(round_magic));
    Vec r = fma(n, broadcast(-ln2_high), x);
    r = fma(n, broadcast(-ln2_low), r);
    Vec p = broadcast(exp_c6);
    p = horner(p, r, exp_c5);
    p = horner(p, r, exp_c4);
    p = horner(p, r, exp_c3);
    p = horner(p, r, exp_c2);
    p = horner(p, r, 1.0f);
    p = horner(p, r, 1.0f);
    return multiply(p, power_of_two(shifted));
}

inline Vec exp(Vec x) {
    const Vec y = select_less(x, broadcast(exp_lowest), broadcast(0.0f), exp_in_range(x));
    return select_less(broadcast(exp_highest), x, broadcast(infinity), y);
}

inline Vec erf(Vec x) {
    const Vec square = multiply(x, x);
    Vec core = broadcast(erf_a6);
    core = horner(core, square, erf_a5);
    core = horner(core, square, erf_a4);
    core = horner(core, square, erf_a3);
    core = horner(core, square, erf_a2);
    core = horner(core, square, erf_a1);
    core = horner(core, square, erf_a0);
    core = fma(x, core, x);

    const Vec size = minimum(absolute(x), broadcast(erf_highest));
    Vec tail = broadcast(erf_b6);
    tail = horner(tail, size, erf_b5);
    tail = horner(tail, size, erf_b4);
    tail = horner(tail, size, erf_b3);
    tail = horner(tail, size, erf_b2);
    tail = horner(tail, size, erf_b1);
    tail = horner(tail, size, erf_b0);
    tail = copy_sign(subtract(broadcast(1.0f), exp_in_range(tail)), x);

    return select_less(absolute(x), broadcast(1.0f), core, tail);
}

// x / 2 (1 + erf(x / sqrt 2))
inline Vec gelu(Vec x) {
    const Vec half = multiply(x, broadcast(0.5f));
    return fma(half, erf(multiply(x, broadcast(sqrt_half))), half);
}

// The same within 2e-4, of the integer profiles: max(x, 0) less a bump that is next to nothing beyond 4.
inline Vec int_gelu(Vec x) {
    const Vec size = minimum(broadcast(int_gelu_highest), absolute(x));  // in this order, NaN stays
    Vec bump = broadcast(int_gelu_c6);
    bump = horner(bump, size, int_gelu_c5);
    bump = horner(bump, size, int_gelu_c4);
    bump = horner(bump, size, int_gelu_c3);
    bump = horner(bump, size, int_gelu_c2);
    bump = horner(bump, size, int_gelu_c1);
    bump = horner(bump, size, int_gelu_c0);
    return fma(size, bump, maximum(x, broadcast(0.0f)));
}

inline Vec tanh(Vec x) {
    const Vec square = multiply(x, x);
    Vec core = broadcast(tanh_a5);
    core = horner(core, square, tanh_a4);
    core = horner(core, square, tanh_a3);
    core = horner(core, square, tanh_a2);
    core = horner(core, square, tanh_a1);
    core = horner(core, square, tanh_a0);
    core = fma(multiply(x, square), core, x);

    const Vec size = minimum(broadcast(tanh_highest), absolute(x));  // in this order, NaN stays
    const Vec power = exp_in_range(add(size, size));
    Vec tail = divide(broadcast(2.0f), add(power, broadcast(1.0f)));
    tail = copy_sign(subtract(broadcast(1.0f), tail), x);

    return select_less(absolute(x), broadcast(tanh_bend), core, tail);
}

// ---- matrix product ----

// Where a tile begins in each matrix.
struct Corner {
    const float *a, *b, *start, *row_scale;
    float* c;
    const float* ahead;  // what to fetch meanwhile: this tile's share of the next panel of b
    int64_t ahead_step;  // floats per k
};

// One tile: R rows and V * 16 columns, every output in its own lane of one register for the whole of k.
template <int R, int V>
void tile(const Matmul& m, const Corner& corner) {
    Vec acc[R][V];
    UNROLL for (int r = 0; r < R; ++r) {
        UNROLL for (int v = 0; v < V; ++v) acc[r][v] = load(corner.start + r * m.start_stride + v * lanes);
    }
    const float *a = corner.a, *b = corner.b, *ahead = corner.ahead;
    const int64_t a_stride = m.a_stride, b_stride = m.b_stride, ahead_step = corner.ahead_step;
    for (const float* const a_end = a + m.k; a != a_end; ++a, b += b_stride, ahead += ahead_step) {
        Vec w[V];
        UNROLL for (int v = 0; v < V; ++v) {
            w[v] = load(b + v * lanes);
            prefetch(ahead + v * lanes);
        }
        UNROLL for (int r = 0; r < R; ++r) {
            const Vec x = broadcast(a[r * a_stride]);
            UNROLL for (int v = 0; v < V; ++v) acc[r][v] = fma(x, w[v], acc[r][v]);
        }
    }
    if (corner.row_scale) {
        UNROLL for (int r = 0; r < R; ++r) {
            const Vec scale = broadcast(corner.row_scale[r]);
            UNROLL for (int v = 0; v < V; ++v) acc[r][v] = multiply(acc[r][v], scale);
        }
    }
    UNROLL for (int r = 0; r < R; ++r) {
        UNROLL for (int v = 0; v < V; ++v) store(corner.c + r * m.c_stride + v * lanes, acc[r][v]);
    }
}

using Tile = void (*)(const Matmul&, const Corner&);

template <int R>
Tile tile_of(int64_t vecs) {
    if constexpr (tile_vecs >= 4) {
        if (vecs == 4) return tile<R, 4>;
        if (vecs == 3) return tile<R, 3>;
    }
    if constexpr (tile_vecs >= 2) {
        if (vecs == 2) return tile<R, 2>;
    }
    return tile<R, 1>;
}

inline Tile tile_of(int64_t rows, int64_t vecs) {
    if constexpr (tile_rows >= 6) {
        if (rows == 6) return tile_of<6>(vecs);
        if (rows == 5) return tile_of<5>(vecs);
        if (rows == 4) return tile_of<4>(vecs);
        if (rows == 3) return tile_of<3>(vecs);
        if (rows == 2) return tile_of<2>(vecs);
    }
    return tile_of<1>(vecs);
}

void gelu_rows(float* x, int64_t stride, int64_t rows, int64_t columns) {
    for (int64_t r = 0; r < rows; ++r, x += stride) {
        for (int64_t i = 0; i < columns; i += lanes) store(x + i, gelu(load(x + i)));
    }
}

void matmul(const Matmul& m) {
    constexpr int64_t panel = tile_vecs * lanes;
    static const float zeros[panel] = {};
    const int64_t tiles = (m.rows + tile_rows - 1) / tile_rows;
    for (int64_t column = m.begin; column < m.end;) {
        const int64_t inside = column % panel;
        const int64_t room = panel - inside, left = m.end - column;
        const int64_t width = left < room ? left : room;
        Corner corner;
        corner.b = m.b + column / panel * m.panel_stride + inside;
        corner.ahead = corner.b + m.panel_stride;
        corner.ahead_step = m.b_stride / tiles;
        for (int64_t row = 0; row < m.rows; corner.ahead += m.k * corner.ahead_step) {
            const int64_t rows = rows_of_tile(m.rows - row);
            corner.a = m.a + row * m.a_stride;
            corner.start = m.start ? m.start + row * m.start_stride + column : zeros;
            corner.row_scale = m.row_scale ? m.row_scale + row : nullptr;
            corner.c = m.c + row * m.c_stride + column;
            tile_of(rows, width / lanes)(m, corner);
            if (m.gelu) gelu_rows(corner.c, m.c_stride, rows, width);
            row += rows;
        }
        column += width;
    }
}

// ---- rows of features ----

template <bool Biased>
void softmax_rows(float* x, int64_t stride, int64_t rows, int64_t keys, float scale, const float* bias,
                  float* inverse) {
    const Vec scales = broadcast(scale);
    const Vec nothing = broadcast(-infinity);
    for (int64_t r = 0; r < rows; ++r, x += stride) {
        const auto scaled = [=](int64_t i) {
            if constexpr (Biased) return fma(load(x + i), scales, load(bias - r + i));
            return multiply(load(x + i), scales);
        };
        Vec peaks = nothing;
        for (int64_t i = 0; i < keys; i += lanes) {
            peaks = maximum(first(scaled(i), keys - i, nothing), peaks);
        }
        const Vec peak = broadcast(largest(peaks));
        Vec sums = broadcast(0.0f);
        for (int64_t i = 0; i < keys; i += lanes) {
            const Vec e = exp(subtract(scaled(i), peak));
            const Vec kept = first(e, keys - i, broadcast(0.0f));
            store(x + i, kept);
            sums = add(sums, kept);
        }
        inverse[r] = 1.0f / sum(sums);
    }
}

void softmax(float* x, int64_t stride, int64_t rows, int64_t keys, float scale, const float* bias,
             float* inverse) {
    if (bias)
        softmax_rows<true>(x, stride, rows, keys, scale, bias, inverse);
    else
        softmax_rows<false>(x, stride, rows, keys, scale, nullptr, inverse);
}

void add_layer_norm(const float* x, const float* residual, int64_t rows, int64_t hidden, const float* gamma,
                    const float* beta, float eps, float* y) {
    const float n = static_cast<float>(hidden);
    for (int64_t r = 0; r < rows; ++r, x += hidden, residual += hidden, y += hidden) {
        Vec sums = broadcast(0.0f);
        for (int64_t i = 0; i < hidden; i += lanes) {
            const Vec value = add(load(x + i), load(residual + i));
            store(y + i, value);
            sums = add(sums, value);
        }
        const Vec mean = broadcast(sum(sums) / n);
        Vec squares = broadcast(0.0f);
        for (int64_t i = 0; i < hidden; i += lanes) {
            const Vec centred = subtract(load(y + i), mean);
            squares = fma(centred, centred, squares);
        }
        const Vec inverse = broadcast(1.0f / square_root(sum(squares) / n + eps));
        for (int64_t i = 0; i < hidden; i += lanes) {
            const Vec normal = multiply(subtract(load(y + i), mean), inverse);
            store(y + i, fma(normal, load(gamma + i), load(beta + i)));
        }
    }
}

void add_arrays(const float* x, const float* y, float* out, int64_t n) {
    for (int64_t i = 0; i < n; i += lanes) store(out + i, add(load(x + i), load(y + i)));
}

void mean_pooling(const float* x, int64_t rows, int64_t hidden, float divisor, float* out) {
    const Vec divisors = broadcast(divisor);
    for (int64_t i = 0; i < hidden; i += lanes) {
        Vec sums = load(x + i);
        for (int64_t r = 1; r < rows; ++r) sums = add(sums, load(x + r * hidden + i));
        store(out + i, divide(sums, divisors));
    }
}

void max_pooling(const float* x, int64_t rows, int64_t hidden, float* out) {
    for (int64_t i = 0; i < hidden; i += lanes) {
        Vec peaks = load(x + i);
        for (int64_t r = 1; r < rows; ++r) peaks = maximum(load(x + r * hidden + i), peaks);
        store(out + i, peaks);
    }
}

// ---- inner products ----

// Rows and queries of n features, as if padded with zeros to a multiple of 16.
template <int R, int Q>
void dots_of(const float* rows, int64_t stride, const float* queries, int64_t n, float* out,
             int64_t out_stride) {
    Vec acc[R][Q];
    UNROLL for (int r = 0; r < R; ++r) {
        UNROLL for (int q = 0; q < Q; ++q) acc[r][q] = broadcast(0.0f);
    }
    int64_t i = 0;
    for (; i + lanes <= n; i += lanes) {
        Vec query[Q];
        UNROLL for (int q = 0; q < Q; ++q) query[q] = load(queries + q * n + i);
        UNROLL for (int r = 0; r < R; ++r) {
            const Vec row = load(rows + r * stride + i);
            UNROLL for (int q = 0; q < Q; ++q) acc[r][q] = fma(row, query[q], acc[r][q]);
        }
    }
    if (i < n) {
        UNROLL for (int q = 0; q < Q; ++q) {
            const Vec query = load_first(queries + q * n + i, n - i);
            UNROLL for (int r = 0; r < R; ++r) {
                acc[r][q] = fma(load_first(rows + r * stride + i, n - i), query, acc[r][q]);
            }
        }
    }
    UNROLL for (int q = 0; q < Q; ++q) {
        UNROLL for (int r = 0; r < R; ++r) out[q * out_stride + r] = sum(acc[r][q]);
    }
}

template <int R>
void dots_of_rows(const float* rows, int64_t stride, const float* queries, int64_t n_queries, int64_t n,
                  float* out, int64_t out_stride) {
    int64_t q = 0;
    if constexpr (tile_vecs >= 4) {
        for (; q + 4 <= n_queries; q += 4) {
            dots_of<R, 4>(rows, stride, queries + q * n, n, out + q * out_stride, out_stride);
        }
    }
    for (; q < n_queries; ++q)
        dots_of<R, 1>(rows, stride, queries + q * n, n, out + q * out_stride, out_stride);
}

void dots(const float* rows, int64_t count, int64_t stride, const float* queries, int64_t n_queries,
          int64_t n, float* out, int64_t out_stride) {
    int64_t r = 0;
    // One query takes the rows one after the other, as they lie in memory, which is what it waits for: twice
    // as fast as four side by side. Several queries read a row from the cache.
    for (; n_queries > 1 && r + 4 <= count; r += 4) {
        dots_of_rows<4>(rows + r * stride, stride, queries, n_queries, n, out + r, out_stride);
    }
    for (; r < count; ++r)
        dots_of_rows<1>(rows + r * stride, stride, queries, n_queries, n, out + r, out_stride);
}

float l2_normalize(float* x, int64_t n) {
    float square;
    dots_of<1, 1>(x, n, x, n, &square, 1);
    const float norm = square_root(square);
    const float divisor = norm > smallest_norm ? norm : smallest_norm;
    for (int64_t i = 0; i < n; ++i) x[i] = x[i] / divisor;
    return norm;
}

// ---- functions of arrays; fma for tests only ----

inline void store_first(float* out, Vec value, int64_t count) {
    float all[lanes];
    store(all, value);
    for (int64_t i = 0; i < count && i < lanes; ++i) out[i] = all[i];
}

void map(Function function, const float* x, float* out, int64_t n) {
    for (int64_t i = 0; i < n; i += lanes) {
        const Vec value = load_first(x + i, n - i);
        store_first(out + i,
                    function == Function::exp        ? exp(value)
                    : function == Function::erf      ? erf(value)
                    : function == Function::gelu     ? gelu(value)
                    : function == Function::int_gelu ? int_gelu(value)
                                                     : tanh(value),
                    n - i);
    }
}

void fma_arrays(const float* a, const float* b, const float* c, float* out, int64_t n) {
    for (int64_t i = 0; i < n; i += lanes) {
        const int64_t count = n - i;
        store_first(out + i,
                    fma(load_first(a + i, count), load_first(b + i, count), load_first(c + i, count)), count);
    }
}

// ---- whole numbers ----

#include "int_attention_body.h"
#include "int_kernels_body.h"
#include "quantise_body.h"
