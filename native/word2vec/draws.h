// Random numbers, and words, by position: the n-th draw of a stream is a function of (stream, n) and of
// nothing else, so that it does not matter who draws it, or when.
//
// The stream of key k is that of SplitMix64 (Steele, Lea, Flood 2014) started at k.
#ifndef IDEMBED_WORD2VEC_DRAWS_H
#define IDEMBED_WORD2VEC_DRAWS_H

#include <stdint.h>

// Static, not inline: files compiled for other instruction sets include this too and must keep their copy.

namespace idembed {

[[maybe_unused]] static uint64_t mixed(uint64_t z) {
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
    return z ^ (z >> 31);
}

[[maybe_unused]] static uint64_t draw(uint64_t key, uint64_t n) {
    return mixed(key + (n + 1) * 0x9e3779b97f4a7c15u);
}

// 0 .. bound-1 from 32 random bits.
[[maybe_unused]] static uint32_t below(uint32_t bits, uint32_t bound) {
    return static_cast<uint32_t>(static_cast<uint64_t>(bits) * bound >> 32);
}

// One column of an alias table (Walker 1977): of the draws that fall here, `threshold` / 2^32 go to `word`.
struct Column {
    uint32_t threshold, word, other;
};

// A distribution over words.
struct Noise {
    const Column* columns;
    uint32_t size;
};

[[maybe_unused]] static const Column& column_of(const Noise& noise, uint64_t random) {
    return noise.columns[below(static_cast<uint32_t>(random >> 32), noise.size)];
}

[[maybe_unused]] static uint32_t pick(const Noise& noise, uint64_t random) {
    const Column& column = column_of(noise, random);
    return static_cast<uint32_t>(random) < column.threshold ? column.word : column.other;
}

}  // namespace idembed
#endif
