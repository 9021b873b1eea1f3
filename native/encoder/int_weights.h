// The weights of the integer profiles: whole numbers with a scale for each chunk of each column.
#ifndef IDEMBED_ENCODER_INT_WEIGHTS_H
#define IDEMBED_ENCODER_INT_WEIGHTS_H

#include <cstdint>

#include "../int_kernels.h"

namespace idembed {

// y = x W^T + b in whole numbers.
struct IntLinear {
    int64_t in, out, panel;
    bool i8;
    IntKernels kernels;
    // Chunk after chunk [ceil(out / panel)][features / group][panel][group]: W^T in panels of columns, 0
    // behind the last.
    unsigned char* weight;
    float* scale;  // [chunks][out]
    float* sum;    // [chunks][out], scale times the sum of the whole numbers; profile i8 only
    float* bias;   // [out]

    int64_t padded() const { return (out + panel - 1) / panel * panel; }
    int64_t weight_bytes() const { return padded() * in * kernels.bytes; }

    // The whole numbers of a chunk.
    const unsigned char* chunk_weight(int64_t number) const {
        return weight + number * chunk * padded() * kernels.bytes;
    }
};

// Activations as whole numbers, chunk by chunk of each row.
struct IntRows {
    unsigned char* whole;  // [rows, features]
    float* scale;          // [rows, chunks]
    float* low;            // [rows, chunks]; profile i8 only
    int64_t features, chunks;
};

// One column's part of a chunk. False if products with it could overflow, which its scale excludes.
bool quantise_column(const float* weight, int64_t features, bool i8, int16_t* whole, float* scale,
                     float* sum);

// `rows` rows of W, [rows, in], become columns of W^T from `column` on. False if a product could overflow.
bool pack_columns(const IntLinear& layer, int64_t column, int64_t rows, const float* w);

// The product of a chunk of x with columns 0 .. out-1 of its part of W^T: y = start + ..
IntProduct product(const IntLinear& layer, const IntRows& x, int64_t number, int64_t rows, float* y);

}  // namespace idembed
#endif
