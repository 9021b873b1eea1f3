#include "sample.h"

#include <algorithm>

namespace idembed {

void Sample::prepare(int64_t most_tokens) {
    const size_t most = static_cast<size_t>(most_tokens);
    kept_.reserve(most);
    words_.reserve(most);
    offsets_.reserve(most);
    sentences_.reserve(most);
}

void Sample::fill(const Pass& pass, const WordStatistics& words, int64_t begin, int64_t end,
                  const Member& member) {
    const int64_t size = end - begin;
    if (member.rank == 0) {
        begin_ = static_cast<uint64_t>(begin);
        kept_.resize(static_cast<size_t>(size));
    }
    member.wait();
    for (int64_t p = member.begin(pieces); p < member.end(pieces); ++p) {
        const int64_t first = size * p / pieces, last = size * (p + 1) / pieces;
        Kept* out = kept_.data() + first;
        uint32_t starts = 0;
        for (int64_t i = first; i < last; ++i) {
            const uint32_t token = static_cast<uint32_t>(pass.tokens[begin + i]);
            starts += token >> 31;
            const uint32_t word = token & 0x7fffffffu;
            const uint64_t random = draw(pass.keep_key, begin_ + static_cast<uint64_t>(i));
            *out = {word, static_cast<uint32_t>(i), starts};
            out += static_cast<uint32_t>(random >> 32) <= words.keep[word];
        }
        piece_[p] = {static_cast<uint32_t>(out - (kept_.data() + first)), starts};
    }
    member.wait();
    if (member.rank == 0) {
        size_ = 0;
        for (const Piece& piece : piece_) size_ += piece.kept;
        words_.resize(size_);
        offsets_.resize(size_);
        sentences_.resize(size_);
    }
    member.wait();
    for (int64_t p = member.begin(pieces); p < member.end(pieces); ++p) {
        uint32_t at = 0, sentence = 0;  // pieces number their sentences from 0
        for (int64_t before = 0; before < p; ++before) {
            at += piece_[before].kept;
            sentence += piece_[before].starts;
        }
        const Kept* kept = kept_.data() + size * p / pieces;
        for (uint32_t i = 0; i < piece_[p].kept; ++i, ++kept, ++at) {
            words_[at] = kept->word;
            offsets_[at] = kept->offset;
            sentences_[at] = sentence + kept->sentence;
        }
    }
    member.wait();
}

}  // namespace idembed
