#include "int_layers.h"

#include <algorithm>
#include <vector>

#include "../numerics.h"

namespace idembed {
namespace {

// Rows begin .. end-1 of a chunk of x, whose first feature is x[0] and whose whole numbers are chunk `number`
// of `to`.
void quantise_chunk(const IntKernels& kernels, float* x, int64_t x_stride, int64_t columns, bool gelu,
                    const IntRows& to, int64_t number, int64_t begin, int64_t end) {
    Quantise q{};
    q.x = x + begin * x_stride;
    q.x_stride = x_stride;
    q.rows = end - begin;
    q.columns = columns;
    q.gelu = gelu;
    q.whole = to.whole + (begin * to.features + number * chunk) * kernels.bytes;
    q.whole_stride = to.features;
    q.scale = to.scale + begin * to.chunks + number;
    q.low = to.low + begin * to.chunks + number;
    q.scale_stride = to.chunks;
    kernels.quantise(q);
}

// y = x W^T + b, columns begin .. end-1.
void product_of(const IntLinear& layer, const IntRows& x, int64_t rows, int64_t begin, int64_t end,
                float* y) {
    for (int64_t number = 0; number < chunks_of(layer.in); ++number) {
        IntProduct m = product(layer, x, number, rows, y);
        m.begin = begin;
        m.end = end;
        layer.kernels.product(m);
    }
}

// Rows begin .. end-1 of x [rows, layer.in].
void quantise_chunks(const IntLinear& layer, float* x, bool gelu, const IntRows& to, int64_t begin,
                     int64_t end) {
    for (int64_t number = 0; number < chunks_of(layer.in); ++number) {
        const int64_t first = number * chunk;
        quantise_chunk(layer.kernels, x + first, layer.in, std::min(chunk, layer.in - first), gelu, to,
                       number, begin, end);
    }
}

// Members share the rows.
void quantise_rows(const ForwardPass& pass, float* x, const IntLinear& layer, bool gelu,
                   const IntRows& whole) {
    const int64_t rows = pass.block.rows;
    quantise_chunks(layer, x, gelu, whole, pass.member.begin(rows), pass.member.end(rows));
}

}  // namespace

void quantise(const ForwardPass& pass, float* x, const IntLinear& layer, const IntRows& whole) {
    quantise_rows(pass, x, layer, false, whole);
}

void linear(const ForwardPass& pass, const IntLinear& layer, const IntRows& x, float* y) {
    const int64_t begin = pass.member.begin(layer.out / lanes) * lanes;
    product_of(layer, x, pass.block.rows, begin, pass.member.end(layer.out / lanes) * lanes, y);
}

void feed_forward(const ForwardPass& pass, const IntLayer& layer, const IntRows& x, float* y, float* inner,
                  int64_t columns, const IntRows& inner_whole) {
    const IntLinear &up = layer.up, &down = layer.down;
    const int64_t rows = pass.block.rows;
    if (columns >= up.out) {
        linear(pass, up, x, inner);
        pass.member.wait();
        quantise_rows(pass, inner, down, true, inner_whole);
        pass.member.wait();
        linear(pass, down, inner_whole, y);
        return;
    }
    for (int64_t number = 0; number < chunks_of(up.out); ++number) {
        const int64_t first = number * chunk, width = std::min(chunk, up.out - first);
        for (int64_t part = 0; part < chunks_of(up.in); ++part) {
            IntProduct m = product(up, x, part, rows, inner);  // inner [rows, width]
            m.b = static_cast<const unsigned char*>(m.b) + first * m.k * up.kernels.bytes;
            m.b_scale += first;
            m.b_sum += first;
            m.start = part == 0 ? m.start + first : inner;
            m.start_stride = part == 0 ? 0 : columns;
            m.c_stride = columns;
            m.end = width;
            up.kernels.product(m);
        }
        quantise_chunk(down.kernels, inner, columns, width, true, inner_whole, 0, 0, rows);
        IntProduct m = product(down, inner_whole, number, rows, y);
        m.a = inner_whole.whole;
        m.a_scale = inner_whole.scale;
        m.a_low = inner_whole.low;
        down.kernels.product(m);
    }
}

void int_linear(const IntLinear& layer, const float* x, int64_t rows, float* y) {
    std::vector<float> copy(x, x + rows * layer.in);
    const IntActivations whole(rows, layer.in);
    quantise_chunks(layer, copy.data(), false, whole.rows(), 0, rows);
    product_of(layer, whole.rows(), rows, 0, layer.out, y);
}

IntActivations::IntActivations(int64_t rows, int64_t features)
    : features_(features),
      whole_((rows * features + 1) / 2),  // two bytes each
      scale_(rows * chunks_of(features)),
      low_(rows * chunks_of(features)) {}

IntRows IntActivations::rows() const {
    return {reinterpret_cast<unsigned char*>(whole_.data()), scale_.data(), low_.data(), features_,
            chunks_of(features_)};
}

}  // namespace idembed
