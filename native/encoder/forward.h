// The forward pass of a block of texts through all layers.
#ifndef IDEMBED_ENCODER_FORWARD_H
#define IDEMBED_ENCODER_FORWARD_H

#include <cstdint>
#include <vector>

#include "../memory.h"
#include "../team.h"
#include "weights.h"

namespace idembed {

struct Text {
    const int32_t* tokens;
    int64_t length;
    float* vector;  // [hidden], where its result goes
};

// Whole texts, one after the other; `rows` is the sum of their lengths. No row of one meets a row of another.
struct Block {
    const Text* texts;
    int64_t count, rows;
};

// Activations as whole numbers.
class IntActivations {
  public:
    IntActivations(int64_t rows, int64_t features);
    IntRows rows() const;

  private:
    int64_t features_;
    Floats whole_, scale_, low_;
};

// What all members of a team share while they work on one block.
struct Activations {
    Activations(const Encoder& encoder, int64_t rows, int64_t inner_columns);

    int64_t inner_columns;       // how many columns of the intermediate layer are held at a time
    Floats hidden;               // [rows, hidden], between the layers
    Floats query_key_value;      // [rows, 3 hidden]
    Floats context;              // [rows, hidden], what the heads attended to
    Floats change;               // [rows, hidden], what a sublayer adds
    Floats inner;                // [rows, inner_columns]
    IntActivations whole;        // [rows, hidden], the left side of the next product
    IntActivations inner_whole;  // [rows, inner_columns]
};

// What each member has for itself: one head's attention. `padded` is the longest text's length rounded up
// to 16.
struct HeadScratch {
    HeadScratch(const Encoder& encoder, int64_t longest);

    Floats keys;     // [head_dim, padded], transposed
    Floats values;   // [padded, head_dim]
    Floats scores;   // [query_rows, padded]
    Floats inverse;  // [query_rows]

    // Of attention in whole numbers, whose keys and values are in the memory above: see IntAttention.
    Floats queries, weights, key_origin, key_scale, start, value_scale;
};

// One member's part. Members of a team larger than 1 share the columns of every product and the heads of
// every text, and wait for each other in between; the bits are the same. Returns false if a vector is not
// finite.
bool forward(const Encoder& encoder, const Block& block, Activations& activations, HeadScratch& scratch,
             const Member& member);

}  // namespace idembed
#endif
