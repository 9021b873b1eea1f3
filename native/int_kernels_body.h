// The products of int_kernels.h, once, over `Vec`. Defined before, as Vec is:
//
//   Ints (16 int32 lanes), zero_ints, to_floats
//   a `Dot`: what it multiplies (Whole), how many of them a lane takes (group), how they come into registers
//   (broadcast; load, which gives Weights) and acc += products (dot)

#include "tile_shape.h"

// Where a tile begins in each matrix.
template <class Whole>
struct IntCorner {
    const Whole *a, *b;
    const Whole* ahead;  // what to fetch meanwhile: this tile's share of the next panel of b
    int64_t ahead_step;  // whole numbers per step
    const float *a_scale, *a_low, *b_scale, *b_sum, *start;
    float* c;

    // The tile of `row`; where b begins stays as it is.
    void go_to(const IntProduct& m, int64_t row, int64_t column) {
        a = static_cast<const Whole*>(m.a) + row * m.a_stride;
        a_scale = m.a_scale + row * m.a_scale_stride;
        a_low = m.a_low + row * m.a_scale_stride;
        start = m.start + row * m.start_stride + column;
        c = m.c + row * m.c_stride + column;
    }
};

// One tile: R rows and V * 16 columns.
template <class Dot, bool Low, int R, int V>
void int_tile(const IntProduct& m, const IntCorner<typename Dot::Whole>& corner) {
    constexpr int64_t lane = Dot::group, vec = lanes * lane, panel = tile_vecs * vec;
    Ints acc[R][V];
    UNROLL for (int r = 0; r < R; ++r) {
        UNROLL for (int v = 0; v < V; ++v) acc[r][v] = zero_ints();
    }
    const auto *a = corner.a, *b = corner.b, *ahead = corner.ahead;
    const int64_t a_stride = m.a_stride, ahead_step = corner.ahead_step;
    for (const auto* const a_end = a + m.k; a != a_end; a += lane, b += panel, ahead += ahead_step) {
        typename Dot::Weights w[V];
        UNROLL for (int v = 0; v < V; ++v) w[v] = Dot::load(b + v * vec);
        prefetch(reinterpret_cast<const float*>(ahead));
        UNROLL for (int r = 0; r < R; ++r) {
            const auto x = Dot::broadcast(a + r * a_stride);
            UNROLL for (int v = 0; v < V; ++v) acc[r][v] = Dot::dot(acc[r][v], x, w[v]);
        }
    }
    UNROLL for (int v = 0; v < V; ++v) {
        const Vec b_scale = load(corner.b_scale + v * lanes);
        UNROLL for (int r = 0; r < R; ++r) {
            Vec start = load(corner.start + r * m.start_stride + v * lanes);
            if (Low) {
                const Vec low = broadcast(corner.a_low[r * m.a_scale_stride]);
                start = fma(low, load(corner.b_sum + v * lanes), start);
            }
            const Vec scale = multiply(broadcast(corner.a_scale[r * m.a_scale_stride]), b_scale);
            store(corner.c + r * m.c_stride + v * lanes, fma(to_floats(acc[r][v]), scale, start));
        }
    }
}

template <class Dot, bool Low, int R>
auto int_tile_of(int64_t vecs) {
    if constexpr (tile_vecs >= 4) {
        if (vecs == 4) return int_tile<Dot, Low, R, 4>;
        if (vecs == 3) return int_tile<Dot, Low, R, 3>;
    }
    if constexpr (tile_vecs >= 2) {
        if (vecs == 2) return int_tile<Dot, Low, R, 2>;
    }
    return int_tile<Dot, Low, R, 1>;
}

template <class Dot, bool Low>
auto int_tile_of(int64_t rows, int64_t vecs) {
    if constexpr (tile_rows >= 6) {
        if (rows == 6) return int_tile_of<Dot, Low, 6>(vecs);
        if (rows == 5) return int_tile_of<Dot, Low, 5>(vecs);
        if (rows == 4) return int_tile_of<Dot, Low, 4>(vecs);
        if (rows == 3) return int_tile_of<Dot, Low, 3>(vecs);
        if (rows == 2) return int_tile_of<Dot, Low, 2>(vecs);
    }
    return int_tile_of<Dot, Low, 1>(vecs);
}

// Low: activations of profile i8, whose whole numbers count from a low of their own.
template <class Dot, bool Low>
void int_product(const IntProduct& m) {
    using Whole = typename Dot::Whole;
    constexpr int64_t panel = tile_vecs * lanes;
    const int64_t tiles = (m.rows + tile_rows - 1) / tile_rows;
    for (int64_t column = m.begin; column < m.end;) {
        const int64_t inside = column % panel, room = panel - inside, left = m.end - column;
        const int64_t width = left < room ? left : room;
        IntCorner<Whole> corner;
        corner.b = static_cast<const Whole*>(m.b) + (column - inside) * m.k + inside * Dot::group;
        corner.ahead = corner.b + panel * m.k;
        corner.ahead_step = panel * Dot::group / tiles;
        corner.b_scale = m.b_scale + column;
        corner.b_sum = m.b_sum + column;
        for (int64_t row = 0; row < m.rows; corner.ahead += m.k / Dot::group * corner.ahead_step) {
            const int64_t rows = rows_of_tile(m.rows - row);
            corner.go_to(m, row, column);
            int_tile_of<Dot, Low>(rows, width / lanes)(m, corner);
            row += rows;
        }
        column += width;
    }
}
