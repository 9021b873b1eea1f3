#include "forward.h"

#include <algorithm>
#include <cmath>
#include <cstring>

#include "../numerics.h"
#include "int_layers.h"

namespace idembed {
namespace {

constexpr int64_t query_rows = 48;  // of one head at a time: their scores stay in the first cache
static_assert(int_attention_rows <= query_rows, "scores of either kind fit the same memory");

// y = x W^T + b, then GELU if asked. Members share the columns.
void linear(const ForwardPass& pass, const Linear& layer, const float* x, float* y, bool gelu = false) {
    Matmul m = product(layer, x, pass.block.rows, y);
    m.begin = pass.member.begin(layer.out / lanes) * lanes;
    m.end = pass.member.end(layer.out / lanes) * lanes;
    m.gelu = gelu;
    pass.kernels.matmul(m);
}

// x = layer_norm(x + change). Members share the rows.
void add_layer_norm(const ForwardPass& pass, const LayerNorm& norm, const float* change, float* x) {
    const int64_t begin = pass.member.begin(pass.block.rows), end = pass.member.end(pass.block.rows);
    const int64_t offset = begin * pass.hidden();
    pass.kernels.add_layer_norm(change + offset, x + offset, end - begin, pass.hidden(), norm.gamma,
                                norm.beta, pass.encoder.config.layer_norm_eps, x + offset);
}

// x = layer_norm((word + token_type) + position)
void embeddings(const ForwardPass& pass, float* x) {
    const Encoder& e = pass.encoder;
    const int64_t hidden = pass.hidden();
    pass.each_text([&](const Text& text, int64_t row) {
        for (int64_t i = 0; i < text.length; ++i) {
            if ((row + i) % pass.member.size != pass.member.rank) continue;
            float* const y = x + (row + i) * hidden;
            pass.kernels.add(e.word + text.tokens[i] * hidden, e.type, y, hidden);
            pass.kernels.add_layer_norm(y, e.position + i * hidden, 1, hidden, e.embedding_norm.gamma,
                                        e.embedding_norm.beta, e.config.layer_norm_eps, y);
        }
    });
}

// context = softmax(Q K^T / sqrt(head_dim) + biases) V, for one head of one text.
void attend(const ForwardPass& pass, int64_t head, const float* query, int64_t length, float* context,
            HeadScratch& scratch) {
    const int64_t hidden = pass.hidden(), dim = pass.encoder.head_dim();
    const int64_t stride = 3 * hidden, padded = round_up_to_lanes(length);
    const float* const key = query + hidden;
    const float* const value = query + 2 * hidden;
    float* const keys = scratch.keys.data();
    float* const values = scratch.values.data();
    for (int64_t i = 0; i < dim; ++i) {
        float* const to = keys + i * padded;
        for (int64_t j = 0; j < length; ++j) to[j] = key[j * stride + i];
        for (int64_t j = length; j < padded; ++j) to[j] = 0;
    }
    for (int64_t j = 0; j < length; ++j) {
        std::memcpy(values + j * dim, value + j * stride, static_cast<size_t>(dim) * sizeof(float));
    }

    const float scale = 1.0f / std::sqrt(static_cast<float>(dim));
    for (int64_t row = 0; row < length; row += query_rows) {
        const int64_t rows = std::min(query_rows, length - row);
        Matmul m{};
        m.a = query + row * stride;  // [rows, dim]
        m.a_stride = stride;
        m.b = keys;  // [dim, padded]
        m.b_stride = padded;
        m.panel_stride = pass.kernels.panel;
        m.c = scratch.scores.data();  // [rows, padded]
        m.c_stride = padded;
        m.rows = rows;
        m.end = padded;
        m.k = dim;
        pass.kernels.matmul(m);

        pass.kernels.softmax(scratch.scores.data(), padded, rows, length, scale,
                             pass.encoder.biases(head, row), scratch.inverse.data());

        m.a = scratch.scores.data();  // [rows, length]
        m.a_stride = padded;
        m.b = values;  // [length, dim]
        m.b_stride = dim;
        m.c = context + row * hidden;  // [rows, dim]
        m.c_stride = hidden;
        m.end = dim;
        m.k = length;
        m.row_scale = scratch.inverse.data();
        pass.kernels.matmul(m);
    }
}

// The same of the integer profiles.
void int_attend(const ForwardPass& pass, int64_t head, const float* query, int64_t length, float* context,
                HeadScratch& scratch) {
    const IntLinear& layer = pass.encoder.int_layers.front().query_key_value;  // all are of one profile
    IntAttention a{};
    a.query = query;
    a.key = query + pass.hidden();
    a.value = query + 2 * pass.hidden();
    a.stride = 3 * pass.hidden();
    a.length = length;
    a.padded = round_up_to_lanes(length);
    a.dim = pass.encoder.head_dim();
    a.scale = log2_e * (1.0f / std::sqrt(static_cast<float>(a.dim)));
    a.bias = pass.encoder.biases(head, 0);
    a.context = context;
    a.context_stride = pass.hidden();
    a.most = layer.i8 ? most_feature_i8 : most_feature(a.dim);
    a.queries = scratch.queries.data();
    a.keys = scratch.keys.data();
    a.key_origin = reinterpret_cast<int32_t*>(scratch.key_origin.data());
    a.values = scratch.values.data();
    a.weights = scratch.weights.data();
    a.scores = scratch.scores.data();
    a.key_scale = scratch.key_scale.data();
    a.start = scratch.start.data();
    a.value_scale = scratch.value_scale.data();
    layer.kernels.attention(a);
}

// Members share the pairs of text and head.
void self_attention(const ForwardPass& pass, const float* query_key_value, float* context,
                    HeadScratch& scratch) {
    const int64_t hidden = pass.hidden(), dim = pass.encoder.head_dim(), heads = pass.encoder.config.heads;
    int64_t pair = 0;
    pass.each_text([&](const Text& text, int64_t row) {
        for (int64_t head = 0; head < heads; ++head) {
            if (pair++ % pass.member.size != pass.member.rank) continue;
            const float* const query = query_key_value + row * 3 * hidden + head * dim;
            float* const to = context + row * hidden + head * dim;
            if (pass.encoder.int_layers.empty()) {
                attend(pass, head, query, text.length, to, scratch);
            } else {
                int_attend(pass, head, query, text.length, to, scratch);
            }
        }
    });
}

// y = gelu(x up^T + b) down^T + b, some columns of the inner layer at a time: the sums of `down` go on from
// where the columns before left them, so the order of every sum is that of the whole.
void feed_forward(const ForwardPass& pass, const Layer& layer, const float* x, float* y, float* inner,
                  int64_t columns) {
    const Linear &up = layer.up, &down = layer.down;
    if (columns >= up.out) {
        linear(pass, up, x, inner, true);
        pass.member.wait();
        linear(pass, down, inner, y);
        return;
    }
    for (int64_t first = 0; first < up.out; first += columns) {
        const int64_t width = std::min(columns, up.out - first);
        Matmul m = product(up, x, pass.block.rows, inner);  // inner [rows, width]
        m.b += first * up.in;                               // `first` is a multiple of the panel
        m.start += first;
        m.c_stride = columns;
        m.end = width;
        m.gelu = true;
        pass.kernels.matmul(m);

        m = product(down, inner, pass.block.rows, y);
        m.a_stride = columns;
        m.b += first * down.panel;  // from row `first` of each panel
        m.k = width;
        if (first > 0) {
            m.start = y;
            m.start_stride = down.out;
        }
        pass.kernels.matmul(m);
    }
}

void float_layer(const ForwardPass& pass, const Layer& layer, Activations& a, HeadScratch& scratch) {
    float* const x = a.hidden.data();
    linear(pass, layer.query_key_value, x, a.query_key_value.data());
    pass.member.wait();
    self_attention(pass, a.query_key_value.data(), a.context.data(), scratch);
    pass.member.wait();
    linear(pass, layer.output, a.context.data(), a.change.data());
    pass.member.wait();
    add_layer_norm(pass, layer.attention_norm, a.change.data(), x);
    pass.member.wait();
    feed_forward(pass, layer, x, a.change.data(), a.inner.data(), a.inner_columns);
    pass.member.wait();
    add_layer_norm(pass, layer.output_norm, a.change.data(), x);
    pass.member.wait();
}

// The same with products of whole numbers, which are made of each product's left side before it.
void int_layer(const ForwardPass& pass, const Layer& norms, const IntLayer& layer, Activations& a,
               HeadScratch& scratch) {
    float* const x = a.hidden.data();
    const IntRows whole = a.whole.rows();
    quantise(pass, x, layer.query_key_value, whole);
    pass.member.wait();
    linear(pass, layer.query_key_value, whole, a.query_key_value.data());
    pass.member.wait();
    self_attention(pass, a.query_key_value.data(), a.context.data(), scratch);
    pass.member.wait();
    quantise(pass, a.context.data(), layer.output, whole);
    pass.member.wait();
    linear(pass, layer.output, whole, a.change.data());
    pass.member.wait();
    add_layer_norm(pass, norms.attention_norm, a.change.data(), x);
    quantise(pass, x, layer.up, whole);  // by the member who has just made these rows
    pass.member.wait();
    feed_forward(pass, layer, whole, a.change.data(), a.inner.data(), a.inner_columns, a.inner_whole.rows());
    pass.member.wait();
    add_layer_norm(pass, norms.output_norm, a.change.data(), x);
}

bool pooling(const ForwardPass& pass, const float* x) {
    const int64_t hidden = pass.hidden();
    const idembed_config& config = pass.encoder.config;
    bool finite = true;
    int64_t index = 0;
    pass.each_text([&](const Text& text, int64_t row) {
        if (index++ % pass.member.size != pass.member.rank) return;
        const float* const rows = x + row * hidden;
        const float count = static_cast<float>(text.length);
        if (config.pooling == IDEMBED_MEAN || config.pooling == IDEMBED_MEAN_SQRT_LEN) {
            const float divisor = config.pooling == IDEMBED_MEAN ? count : std::sqrt(count);
            pass.kernels.mean_pooling(rows, text.length, hidden, divisor, text.vector);
        } else if (config.pooling == IDEMBED_MAX) {
            finite = finite && all_finite(rows, text.length * hidden);  // a comparison would drop a NaN
            pass.kernels.max_pooling(rows, text.length, hidden, text.vector);
        } else {
            std::memcpy(text.vector, rows, static_cast<size_t>(hidden) * sizeof(float));
        }
        for (int64_t i = 0; i < hidden; ++i) finite = finite && std::isfinite(text.vector[i]);
        if (config.normalize)
            finite = std::isfinite(pass.kernels.l2_normalize(text.vector, hidden)) && finite;
    });
    return finite;
}

}  // namespace

Activations::Activations(const Encoder& encoder, int64_t rows, int64_t inner)
    : inner_columns(std::min<int64_t>(inner, encoder.config.intermediate)),
      hidden(rows * encoder.hidden()),
      query_key_value(rows * 3 * encoder.hidden()),
      context(rows * encoder.hidden()),
      change(rows * encoder.hidden()),
      inner(rows * inner_columns),
      whole(encoder.int_layers.empty() ? 0 : rows, encoder.hidden()),
      inner_whole(encoder.int_layers.empty() ? 0 : rows, inner_columns) {}

HeadScratch::HeadScratch(const Encoder& encoder, int64_t longest)
    : keys(encoder.head_dim() * round_up_to_lanes(longest)),
      values(encoder.head_dim() * round_up_to_lanes(longest)),
      scores(std::min(longest, query_rows) * round_up_to_lanes(longest)),
      inverse(query_rows),
      queries(encoder.head_dim() * lanes),  // two bytes of four are used: more than 48 bytes lie behind
      weights(round_up_to_lanes(longest) * int_attention_rows),
      key_origin(round_up_to_lanes(longest)),
      key_scale(round_up_to_lanes(longest)),
      start(round_up_to_lanes(longest)),
      value_scale(encoder.head_dim()) {}

bool forward(const Encoder& encoder, const Block& block, Activations& a, HeadScratch& scratch,
             const Member& member) {
    const ForwardPass pass{encoder, *encoder.kernels, block, member};
    float* const x = a.hidden.data();
    embeddings(pass, x);
    member.wait();
    for (size_t i = 0; i < encoder.layers.size(); ++i) {
        if (encoder.int_layers.empty()) {
            float_layer(pass, encoder.layers[i], a, scratch);
        } else {
            int_layer(pass, encoder.layers[i], encoder.int_layers[i], a, scratch);
        }
    }
    if (!encoder.int_layers.empty()) member.wait();
    return pooling(pass, x);
}

}  // namespace idembed
