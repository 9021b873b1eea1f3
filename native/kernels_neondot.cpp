// 64-bit ARM with dot products of bytes (FEAT_DotProd, optional from Armv8.2 and part of Armv8.4): the
// products of profile i8. Everything else is in kernels_neon.cpp.
//
// `sdot` multiplies signed bytes. Weights are signed; activations, 0 .. 255, are stored less 128, and the sum
// of p q is that of (p - 128) q and 128 times the sum of q: whole numbers, and so exact. No sum is beyond
// 384 * 128 * 127 for the first and as much for the second, 2^24 together.
#include <arm_neon.h>

#include "int_kernels.h"
#include "numerics.h"

namespace idembed {
namespace {

#include "vec_neon.h"

// Of int_kernels_body.h the products here take the corner and the shapes of tiles only.
constexpr int64_t group = 4, panel = lanes;
static_assert(tile_vecs == 1, "a row of a tile is one Ints");

#include "int_kernels_body.h"

using Corner = IntCorner<int8_t>;

// 128 times the sum of each column's whole numbers. b_sum is that sum, at most 384 * 127 and exact in a
// float, times the scale; so the quotient, rounded twice, is less than 0.01 from it. Where the scale is 0,
// the quotient is NaN and becomes 0, as the sum is. Where b_sum is infinite, so is the output, whatever this
// gives.
inline int32x4_t origin(const float* b_sum, const float* b_scale) {
    return vshlq_n_s32(vcvtnq_s32_f32(vdivq_f32(vld1q_f32(b_sum), vld1q_f32(b_scale))), 7);
}

// sums[r] += products of four features, which stand in lane `Lane` of x[r], with each of the panel's columns.
template <int Lane, int R>
inline void add_products(Ints (&sums)[R], const int8x16_t (&x)[R], const int8_t* b) {
    const int8x16_t first = vld1q_s8(b);
    UNROLL for (int r = 0; r < R; ++r) sums[r].a = vdotq_laneq_s32(sums[r].a, first, x[r], Lane);
    const int8x16_t second = vld1q_s8(b + 16);
    UNROLL for (int r = 0; r < R; ++r) sums[r].b = vdotq_laneq_s32(sums[r].b, second, x[r], Lane);
    const int8x16_t third = vld1q_s8(b + 32);
    UNROLL for (int r = 0; r < R; ++r) sums[r].c = vdotq_laneq_s32(sums[r].c, third, x[r], Lane);
    const int8x16_t fourth = vld1q_s8(b + 48);
    UNROLL for (int r = 0; r < R; ++r) sums[r].d = vdotq_laneq_s32(sums[r].d, fourth, x[r], Lane);
}

// One tile: R rows of one panel. An activation's register holds 16 features, four of which each `sdot` takes.
template <int R>
void tile(const IntProduct& m, const Corner& corner, const Ints& start_of_sums) {
    Ints sums[R];
    UNROLL for (int r = 0; r < R; ++r) sums[r] = start_of_sums;
    const int8_t *a = corner.a, *b = corner.b, *ahead = corner.ahead;
    for (const int8_t* const a_end = a + m.k; a != a_end; a += 4 * group, b += 4 * group * panel) {
        int8x16_t x[R];
        UNROLL for (int r = 0; r < R; ++r) x[r] = vld1q_s8(a + r * m.a_stride);
        add_products<0>(sums, x, b);
        add_products<1>(sums, x, b + group * panel);
        add_products<2>(sums, x, b + 2 * group * panel);
        add_products<3>(sums, x, b + 3 * group * panel);
        UNROLL for (int i = 0; i < 4; ++i)
            prefetch(reinterpret_cast<const float*>(ahead + i * corner.ahead_step));
        ahead += 4 * corner.ahead_step;
    }
    const Vec b_scale = load(corner.b_scale), b_sum = load(corner.b_sum);
    UNROLL for (int r = 0; r < R; ++r) {
        const Vec low = broadcast(corner.a_low[r * m.a_scale_stride]);
        const Vec start = fma(low, b_sum, load(corner.start + r * m.start_stride));
        const Vec scale = multiply(broadcast(corner.a_scale[r * m.a_scale_stride]), b_scale);
        store(corner.c + r * m.c_stride, fma(to_floats(sums[r]), scale, start));
    }
}

using Tile = void (*)(const IntProduct&, const Corner&, const Ints&);

}  // namespace

void product_neondot_i8(const IntProduct& m) {
    static constexpr Tile tiles_of[] = {tile<1>, tile<2>, tile<3>, tile<4>, tile<5>, tile<6>};
    const int64_t tiles = (m.rows + tile_rows - 1) / tile_rows;
    for (int64_t column = m.begin; column < m.end; column += panel) {
        Corner corner;
        corner.b = static_cast<const int8_t*>(m.b) + column * m.k;
        corner.ahead = corner.b + panel * m.k;
        corner.ahead_step = panel * group / tiles;
        corner.b_scale = m.b_scale + column;
        corner.b_sum = m.b_sum + column;
        const float *sum = corner.b_sum, *scale = corner.b_scale;
        const Ints start_of_sums = {origin(sum, scale), origin(sum + 4, scale + 4),
                                    origin(sum + 8, scale + 8), origin(sum + 12, scale + 12)};
        for (int64_t row = 0; row < m.rows; corner.ahead += m.k / group * corner.ahead_step) {
            const int64_t rows = rows_of_tile(m.rows - row);
            corner.go_to(m, row, column);
            tiles_of[rows - 1](m, corner, start_of_sums);
            row += rows;
        }
    }
}

}  // namespace idembed
