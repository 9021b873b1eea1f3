// The weights of a BERT-family encoder, as they lie in a block (block.h).
#ifndef IDEMBED_ENCODER_WEIGHTS_H
#define IDEMBED_ENCODER_WEIGHTS_H

#include <cstdint>
#include <vector>

#include "../idembed.h"
#include "../kernels.h"
#include "../numerics.h"
#include "block.h"
#include "int_weights.h"

namespace idembed {

// y = x W^T + b
struct Linear {
    int64_t in, out, panel;
    float* weight;  // [ceil(out / panel)][in][panel]: W^T in panels of columns, 0 behind the last
    float* bias;    // [out]
};

struct LayerNorm {
    float* gamma;  // [hidden]
    float* beta;   // [hidden]
};

struct Layer {
    Linear query_key_value;    // hidden -> 3 hidden: all queries, all keys, all values
    Linear output;             // hidden -> hidden
    LayerNorm attention_norm;  // after the residual sum
    Linear up;                 // hidden -> intermediate
    Linear down;               // intermediate -> hidden
    LayerNorm output_norm;     // after the residual sum
};

// The products of a layer in an integer profile.
struct IntLayer {
    IntLinear query_key_value, output, up, down;
};

// Biases that a head has where a text has so many positions.
constexpr int64_t relative_stride(int64_t positions) {
    return 2 * positions - 1 + lanes - 1;
}

// Written while a block is packed, only read ever after.
struct Encoder {
    idembed_config config;
    const Kernels* kernels;
    float* word;      // [vocab, hidden]
    float* position;  // [positions, hidden]
    float* type;      // [types, hidden]; a text alone has type 0
    LayerNorm embedding_norm;
    float* relative;  // [heads, relative_stride]: the bias of each distance; null: none
    std::vector<Layer> layers;
    std::vector<IntLayer> int_layers;  // in an integer profile; the layers then have their norms only

    int64_t hidden() const { return config.hidden; }
    int64_t head_dim() const { return config.hidden / config.heads; }

    // Where the biases of one head for the token at `row` begin: that of the key at j stands at [j].
    const float* biases(int64_t head, int64_t row) const {
        return relative ? relative + head * relative_stride(config.positions) + config.positions - 1 - row
                        : nullptr;
    }
};

// Where one tensor [rows, in] goes: as it is, or turned into columns of a linear layer, from `column` on.
struct Place {
    float* to;
    int64_t rows, in;
    int64_t panel;  // 0: as it is
    int64_t column;
    int64_t positions;  // > 0: biases by bucket, which are spread over the distances of so many positions
    const IntLinear* whole;  // columns of this one, not of a layer at `to`; else null
};

// A block and everything in it: a pure function of the config's shape and profile and of how the kernels want
// weights to lie.
class Layout {
  public:
    // The block may be null when only its kind is wanted.
    Layout(const idembed_config& config, const Kernels& kernels, void* block);

    const Encoder& encoder() const { return encoder_; }
    BlockKind kind() const;
    const std::vector<Place>& places() const { return places_; }  // of the tensors, in the order of idembed.h

  private:
    float* take(int64_t floats);
    Linear linear(int64_t in, int64_t out);
    IntLinear int_linear(int64_t in, int64_t out);
    LayerNorm layer_norm();
    void put(float* to, int64_t rows, int64_t in = 1);
    void put(const Linear& layer, int64_t column, int64_t rows);
    void put(const IntLinear& layer, int64_t column, int64_t rows);
    void put(const LayerNorm& norm);
    template <class AnyLayer>
    void put_layer(const AnyLayer& layer, const Layer& norms);

    Encoder encoder_;
    std::vector<Place> places_;
    unsigned char* block_;
    int64_t bytes_;  // taken so far
};

bool all_finite(const float* x, int64_t n);

// IDEMBED_OK, IDEMBED_ARGUMENT or IDEMBED_SHAPE.
int32_t check_config(const idembed_config& config);

// A number for the way in which these kernels want weights of this profile packed.
int64_t layout_number(const idembed_config& config, const Kernels& kernels);

// Puts a tensor into its place. IDEMBED_OK, IDEMBED_NOT_FINITE or IDEMBED_RANGE.
int32_t pack_tensor(const Place& place, const float* tensor);

// The product y = x W^T + b of x [rows, in] and y [rows, out].
Matmul product(const Linear& layer, const float* x, int64_t rows, float* y);

}  // namespace idembed
#endif
