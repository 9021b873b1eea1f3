#include "weights.h"

#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <cstring>

#include "../int_attention.h"
#include "../numerics.h"

namespace idembed {
namespace {

constexpr int64_t pack_version = 1;  // raised whenever the same tensors would give other bytes

// Which of MPNet's 32 biases belongs to a key that comes `distance` tokens after the query: 16 for those at
// or before it, 16 for those after it. Distances below 8 have one each, the others share: a step of the
// square root of 2 each, and from 91 on all the last.
int64_t relative_bucket(int64_t distance) {
    constexpr int64_t half = IDEMBED_RELATIVE_BUCKETS / 2, single = half / 2;
    const int64_t side = distance > 0 ? half : 0, size = std::abs(distance);
    if (size < single) return side + size;
    int64_t shared = 0;
    while (shared < half - single - 1 && size * size >= single * single << (shared + 1)) ++shared;
    return side + single + shared;
}

// [buckets, heads] becomes one bias for every head and distance -(positions-1) .. positions-1, and zeros
// behind, which kernels read and do not use: [heads, stride].
void pack_relative(const Place& place, const float* buckets) {
    const int64_t stride = relative_stride(place.positions);
    for (int64_t head = 0; head < place.in; ++head) {
        float* const to = place.to + head * stride;
        for (int64_t i = 0; i < 2 * place.positions - 1; ++i) {
            to[i] = buckets[relative_bucket(i - (place.positions - 1)) * place.in + head];
        }
    }
}

// Rows of W become columns of W^T, as many at once as one panel holds.
void pack_columns(const Place& place, const float* w) {
    for (int64_t row = 0; row < place.rows;) {
        const int64_t inside = (place.column + row) % place.panel;
        const int64_t width = std::min(place.panel - inside, place.rows - row);
        float* to = place.to + (place.column + row - inside) * place.in + inside;
        const float* const from = w + row * place.in;
        for (int64_t i = 0; i < place.in; ++i, to += place.panel) {
            for (int64_t c = 0; c < width; ++c) to[c] = from[c * place.in + i];
        }
        row += width;
    }
}

}  // namespace

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

Layout::Layout(const idembed_config& config, const Kernels& kernels, void* block)
    : encoder_{config, &kernels, nullptr, nullptr, nullptr, {}, nullptr, {}, {}},
      block_(static_cast<unsigned char*>(block)),
      bytes_(0) {
    const int64_t hidden = config.hidden, intermediate = config.intermediate;
    // Twice: where the parts begin depends on the size of the head, and that on the size of all of them.
    for (int pass = 0; pass < 2; ++pass) {
        if (pass == 1) bytes_ = head_bytes(bytes_);
        encoder_.layers.clear();
        encoder_.int_layers.clear();
        for (int i = 0; i < config.layers; ++i) {  // first what every text reads
            if (config.profile == IDEMBED_F32_1) {
                encoder_.layers.push_back({linear(hidden, 3 * hidden), linear(hidden, hidden), layer_norm(),
                                           linear(hidden, intermediate), linear(intermediate, hidden),
                                           layer_norm()});
                continue;
            }
            encoder_.int_layers.push_back({int_linear(hidden, 3 * hidden), int_linear(hidden, hidden),
                                           int_linear(hidden, intermediate),
                                           int_linear(intermediate, hidden)});
            encoder_.layers.push_back({{}, {}, layer_norm(), {}, {}, layer_norm()});
        }
        encoder_.embedding_norm = layer_norm();
        if (config.relative) encoder_.relative = take(config.heads * relative_stride(config.positions));
        encoder_.type = take(config.types * hidden);
        encoder_.position = take(config.positions * hidden);
        encoder_.word = take(config.vocab * hidden);  // last: a text reads a few of its rows
    }
    put(encoder_.word, config.vocab, hidden);
    put(encoder_.position, config.positions, hidden);
    put(encoder_.type, config.types, hidden);
    put(encoder_.embedding_norm);
    if (config.relative) {
        places_.push_back(
            {encoder_.relative, IDEMBED_RELATIVE_BUCKETS, config.heads, 0, 0, config.positions, nullptr});
    }
    for (size_t i = 0; i < encoder_.layers.size(); ++i) {
        const Layer& layer = encoder_.layers[i];
        if (encoder_.int_layers.empty()) {
            put_layer(layer, layer);
        } else {
            put_layer(encoder_.int_layers[i], layer);
        }
    }
}

template <class AnyLayer>
void Layout::put_layer(const AnyLayer& layer, const Layer& norms) {
    const int64_t hidden = encoder_.hidden();
    for (int64_t part = 0; part < 3; ++part) put(layer.query_key_value, part * hidden, hidden);
    put(layer.output, 0, hidden);
    put(norms.attention_norm);
    put(layer.up, 0, layer.up.out);
    put(layer.down, 0, hidden);
    put(norms.output_norm);
}

BlockKind Layout::kind() const {
    const idembed_config& c = encoder_.config;
    const int64_t layout = layout_number(c, *encoder_.kernels);
    return {bytes_, layout, c.vocab, c.positions, c.types, c.hidden, c.layers, c.intermediate};
}

float* Layout::take(int64_t floats) {
    unsigned char* const taken = block_ ? block_ + bytes_ : nullptr;
    bytes_ += round_up_to_alignment(floats * static_cast<int64_t>(sizeof(float)));
    return reinterpret_cast<float*>(taken);
}

Linear Layout::linear(int64_t in, int64_t out) {
    Linear layer{in, out, encoder_.kernels->panel, nullptr, nullptr};
    layer.weight = take((out + layer.panel - 1) / layer.panel * layer.panel * in);
    layer.bias = take(out);
    return layer;
}

IntLinear Layout::int_linear(int64_t in, int64_t out) {
    const Kernels& kernels = *encoder_.kernels;
    IntLinear layer{in,      out,     kernels.panel, encoder_.config.profile == IDEMBED_I8_1, {}, nullptr,
                    nullptr, nullptr, nullptr};
    layer.kernels = layer.i8 ? kernels.i8 : kernels.i16;
    layer.weight = reinterpret_cast<unsigned char*>(take((layer.weight_bytes() + 3) / 4));
    layer.scale = take(chunks_of(in) * out);
    layer.sum = layer.i8 ? take(chunks_of(in) * out) : layer.scale;
    layer.bias = take(out);
    return layer;
}

LayerNorm Layout::layer_norm() {
    float* const gamma = take(encoder_.hidden());
    return {gamma, take(encoder_.hidden())};
}

void Layout::put(float* to, int64_t rows, int64_t in) {
    places_.push_back({to, rows, in, 0, 0, 0, nullptr});
}

void Layout::put(const Linear& layer, int64_t column, int64_t rows) {
    places_.push_back({layer.weight, rows, layer.in, layer.panel, column, 0, nullptr});
    put(layer.bias ? layer.bias + column : nullptr, rows);
}

void Layout::put(const IntLinear& layer, int64_t column, int64_t rows) {
    places_.push_back({nullptr, rows, layer.in, layer.panel, column, 0, &layer});
    put(layer.bias ? layer.bias + column : nullptr, rows);
}

void Layout::put(const LayerNorm& norm) {
    put(norm.gamma, encoder_.hidden());
    put(norm.beta, encoder_.hidden());
}

int64_t layout_number(const idembed_config& config, const Kernels& kernels) {
    int64_t whole = 0;
    if (config.profile != IDEMBED_F32_1) {
        const IntKernels& own = config.profile == IDEMBED_I8_1 ? kernels.i8 : kernels.i16;
        whole = own.group << 4 | own.bytes;
    }
    return pack_version << 32 | static_cast<int64_t>(config.profile) << 16 | whole << 8 | kernels.panel;
}

int32_t pack_tensor(const Place& place, const float* tensor) {
    const int64_t size = place.rows * place.in;
    if (!all_finite(tensor, size)) return IDEMBED_NOT_FINITE;
    if (place.whole) {
        if (!pack_columns(*place.whole, place.column, place.rows, tensor)) return IDEMBED_RANGE;
    } else if (place.panel > 0) {
        pack_columns(place, tensor);
    } else if (place.positions > 0) {
        pack_relative(place, tensor);
    } else {
        std::memcpy(place.to, tensor, static_cast<size_t>(size) * sizeof(float));
    }
    return IDEMBED_OK;
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
    if (c.profile < IDEMBED_F32_1 || c.profile > IDEMBED_I8_1 || c.vocab < 1 || c.positions < 1 ||
        c.types < 1 || c.layers < 0 || c.layers > 1024 || c.pooling < IDEMBED_MEAN ||
        c.pooling > IDEMBED_MEAN_SQRT_LEN || c.normalize < 0 || c.normalize > 1 || c.relative < 0 ||
        c.relative > 1 || !(c.layer_norm_eps > 0) || !std::isfinite(c.layer_norm_eps)) {
        return IDEMBED_ARGUMENT;
    }
    constexpr int32_t widest = 1 << 20;  // far beyond any checkpoint; sizes stay far below 2^63
    if (c.hidden < lanes || c.heads < 1 || c.intermediate < lanes || c.hidden > widest || c.heads > widest ||
        c.intermediate > widest || c.hidden % (lanes * c.heads) != 0 || c.intermediate % lanes != 0) {
        return IDEMBED_SHAPE;
    }
    if (c.profile != IDEMBED_F32_1 &&
        (c.positions > most_int_keys || c.hidden / c.heads > most_int_head_dim)) {
        return IDEMBED_SHAPE;
    }
    return IDEMBED_OK;
}

}  // namespace idembed
