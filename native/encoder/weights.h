// The weights of a BERT-family encoder, packed for the kernels.
#ifndef IDEMBED_ENCODER_WEIGHTS_H
#define IDEMBED_ENCODER_WEIGHTS_H

#include <cstdint>
#include <vector>

#include "../idembed.h"
#include "../kernels.h"
#include "../memory.h"

namespace idembed {

// y = x W^T + b
struct Linear {
    int64_t in, out, panel;
    const float* weight;  // [ceil(out / panel)][in][panel]: W^T in panels of columns, 0 behind the last
    const float* bias;    // [out]
};

struct LayerNorm {
    const float* gamma;  // [hidden]
    const float* beta;   // [hidden]
};

struct Layer {
    Linear query_key_value;    // hidden -> 3 hidden: all queries, all keys, all values
    Linear output;             // hidden -> hidden
    LayerNorm attention_norm;  // after the residual sum
    Linear up;                 // hidden -> intermediate
    Linear down;               // intermediate -> hidden
    LayerNorm output_norm;     // after the residual sum
};

struct Encoder {
    idembed_config config;
    const Kernels* kernels;
    const float* word;      // [vocab, hidden]
    const float* position;  // [positions, hidden]
    const float* type;      // [types, hidden]; a text alone has type 0
    LayerNorm embedding_norm;
    std::vector<Layer> layers;
    Arena memory;

    int64_t hidden() const { return config.hidden; }
    int64_t head_dim() const { return config.hidden / config.heads; }
};

// IDEMBED_OK, IDEMBED_ARGUMENT or IDEMBED_SHAPE.
int32_t check_config(const idembed_config& config);

// Fills `encoder` from tensors in the order of idembed.h. IDEMBED_OK or IDEMBED_NOT_FINITE; throws
// std::bad_alloc.
int32_t pack_weights(const idembed_config& config, const float* const* tensors, const Kernels& kernels,
                     Encoder& encoder);

// `parts` linear layers of one shape, each weight [out, in] and bias [out] as checkpoints store them, side by
// side.
Linear pack_linear(const float* const* weights, const float* const* biases, int64_t parts, int64_t in,
                   int64_t out, int64_t panel, Arena& memory);

// The product y = x W^T + b of x [rows, in] and y [rows, out].
Matmul product(const Linear& layer, const float* x, int64_t rows, float* y);

}  // namespace idembed
#endif
