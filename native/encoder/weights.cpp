#include "weights.h"

#include <algorithm>
#include <cmath>
#include <cstring>

#include "../numerics.h"

namespace idembed {
namespace {

bool all_finite(const float* x, int64_t n) {
    constexpr uint32_t exponent = 0x7f800000;  // all of its bits: infinity or NaN
    uint32_t bad = 0;
    for (int64_t i = 0; i < n; ++i) {
        uint32_t bits;
        std::memcpy(&bits, x + i, sizeof bits);
        bad |= (bits & exponent) == exponent;
    }
    return bad == 0;
}

float* copy_floats(const float* from, int64_t n, Arena& memory) {
    float* const to = memory.take(n);
    std::memcpy(to, from, static_cast<size_t>(n) * sizeof(float));
    return to;
}

// Takes the caller's tensors one after the other.
class Reader {
  public:
    Reader(const float* const* tensors, int64_t panel, Arena& memory)
        : next_(tensors), panel_(panel), memory_(memory) {}
    bool finite() const { return finite_; }

    const float* copy(int64_t size) { return copy_floats(take(size), size, memory_); }

    LayerNorm layer_norm(int64_t hidden) {
        const float* const gamma = copy(hidden);
        return {gamma, copy(hidden)};
    }

    Linear linear(int64_t in, int64_t out, int parts = 1) {
        const float *weights[3], *biases[3];
        for (int part = 0; part < parts; ++part) {
            weights[part] = take(out * in);
            biases[part] = take(out);
        }
        return pack_linear(weights, biases, parts, in, out, panel_, memory_);
    }

  private:
    const float* take(int64_t size) {
        finite_ = finite_ && all_finite(*next_, size);
        return *next_++;
    }

    const float* const* next_;
    int64_t panel_;
    Arena& memory_;
    bool finite_ = true;
};

}  // namespace

Linear pack_linear(const float* const* weights, const float* const* biases, int64_t parts, int64_t in,
                   int64_t out, int64_t panel, Arena& memory) {
    const int64_t columns = parts * out;
    float* to = memory.take((columns + panel - 1) / panel * panel * in);
    float* const bias = memory.take(columns);
    const Linear linear{in, columns, panel, to, bias};
    std::vector<const float*> rows;  // of W: what each column of W^T is made of
    for (int64_t c = 0; c < columns; ++c) {
        rows.push_back(weights[c / out] + c % out * in);
        bias[c] = biases[c / out][c % out];
    }
    for (int64_t first = 0; first < columns; first += panel) {
        const int64_t width = std::min(panel, columns - first);
        const float* const* const row = rows.data() + first;
        for (int64_t i = 0; i < in; ++i, to += panel) {
            for (int64_t c = 0; c < width; ++c) to[c] = row[c][i];
            for (int64_t c = width; c < panel; ++c) to[c] = 0;
        }
    }
    return linear;
}

Matmul product(const Linear& layer, const float* x, int64_t rows, float* y) {
    Matmul m{};
    m.a = x;
    m.a_stride = layer.in;
    m.b = layer.weight;
    m.b_stride = layer.panel;
    m.panel_stride = layer.panel * layer.in;
    m.c = y;
    m.c_stride = layer.out;
    m.rows = rows;
    m.end = layer.out;
    m.k = layer.in;
    m.start = layer.bias;
    return m;
}

int32_t check_config(const idembed_config& c) {
    if (c.vocab < 1 || c.positions < 1 || c.types < 1 || c.layers < 0 || c.layers > 1024 ||
        c.pooling < IDEMBED_MEAN || c.pooling > IDEMBED_MAX || c.normalize < 0 || c.normalize > 1 ||
        !(c.layer_norm_eps > 0) || !std::isfinite(c.layer_norm_eps)) {
        return IDEMBED_ARGUMENT;
    }
    constexpr int32_t widest = 1 << 20;  // far beyond any checkpoint; sizes stay far below 2^63
    if (c.hidden < lanes || c.heads < 1 || c.intermediate < lanes || c.hidden > widest || c.heads > widest ||
        c.intermediate > widest || c.hidden % (lanes * c.heads) != 0 || c.intermediate % lanes != 0) {
        return IDEMBED_SHAPE;
    }
    return IDEMBED_OK;
}

int32_t pack_weights(const idembed_config& config, const float* const* tensors, const Kernels& kernels,
                     Encoder& encoder) {
    const int64_t hidden = config.hidden, intermediate = config.intermediate;
    Reader reader(tensors, kernels.panel, encoder.memory);
    encoder.config = config;
    encoder.kernels = &kernels;
    encoder.word = reader.copy(config.vocab * hidden);
    encoder.position = reader.copy(config.positions * hidden);
    encoder.type = reader.copy(config.types * hidden);
    encoder.embedding_norm = reader.layer_norm(hidden);
    for (int i = 0; i < config.layers; ++i) {
        Layer layer{};
        layer.query_key_value = reader.linear(hidden, hidden, 3);
        layer.output = reader.linear(hidden, hidden);
        layer.attention_norm = reader.layer_norm(hidden);
        layer.up = reader.linear(hidden, intermediate);
        layer.down = reader.linear(intermediate, hidden);
        layer.output_norm = reader.layer_norm(hidden);
        encoder.layers.push_back(layer);
        if (!reader.finite()) return IDEMBED_NOT_FINITE;
    }
    return reader.finite() ? IDEMBED_OK : IDEMBED_NOT_FINITE;
}

}  // namespace idembed
