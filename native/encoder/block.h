// The block of packed weights: one piece of memory that says of itself what it is and whether it is whole, so
// that it can be kept in a file and read from there without a copy.
//
// It begins with a head, whole pages of it, and goes on with what weights.h lays out. Every part begins at a
// multiple of 64 bytes. The head holds a sum of itself and one of every chunk of 1 MiB: changing one word
// anywhere always changes a sum.
#ifndef IDEMBED_ENCODER_BLOCK_H
#define IDEMBED_ENCODER_BLOCK_H

#include <cstdint>

#include "../idembed.h"

namespace idembed {

// What the places of everything in a block depend on.
struct BlockKind {
    int64_t bytes;   // of the whole block
    int64_t layout;  // idembed_encoder_layout
    int32_t vocab, positions, types, hidden, layers, intermediate;
};

constexpr int64_t block_alignment = 64;

constexpr int64_t round_up_to_alignment(int64_t bytes) {
    return (bytes + block_alignment - 1) / block_alignment * block_alignment;
}

// The size of the head of a block whose other parts have `body` bytes.
int64_t head_bytes(int64_t body);

// Writes the head of a block whose other parts are complete.
void seal_block(const BlockKind& kind, void* block);

// True if the head is whole and says `kind`. `bytes` may be read.
bool is_block(const BlockKind& kind, const void* block, int64_t bytes);

// True if the chunks first .. first+count-1 that there are hold what was sealed. The head must be whole.
// Pages of a mapped file are given back one stretch after the other.
bool chunks_are_whole(const void* block, int64_t first, int64_t count, bool is_mapped);

}  // namespace idembed
#endif
