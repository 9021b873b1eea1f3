// What training needs to know about the words: how often each is kept, which part it belongs to, and the
// noise. All in double with +, -, *, / and square roots only, so that every machine finds the same.
#ifndef IDEMBED_WORD2VEC_VOCABULARY_H
#define IDEMBED_WORD2VEC_VOCABULARY_H

#include <cstddef>
#include <cstdint>
#include <vector>

#include "word2vec/draws.h"

namespace idembed {

constexpr int most_parts = 64;

// x^exponent, x >= 1, the same bits on every machine (libm's pow is not).
double power(double x, double exponent);

// Alias tables over disjoint sets of words.
class NoiseTables {
  public:
    NoiseTables() = default;
    // weights[w] > 0 for word w of set set_of[w], 0 .. sets-1; no set is empty
    NoiseTables(const std::vector<double>& weights, const std::vector<uint8_t>& set_of, int sets);

    Noise of(int set) const {
        return {columns_.data() + begin_[static_cast<size_t>(set)],
                begin_[static_cast<size_t>(set) + 1] - begin_[static_cast<size_t>(set)]};
    }

  private:
    std::vector<Column> columns_;
    std::vector<uint32_t> begin_;
};

struct WordStatistics {
    std::vector<uint32_t> keep;  // a word is kept when 32 random bits are not above
    std::vector<uint8_t> part;
    int parts = 1;
    NoiseTables noise;       // of each part; where there is only one, of all words
    NoiseTables part_noise;  // one set, its words are the parts

    // A word seen `threshold` times is the most frequent of which every occurrence is kept, nearly; 0 keeps
    // all.
    WordStatistics(const int64_t* counts, int64_t words, double threshold, double noise_exponent, int parts);
};

}  // namespace idembed
#endif
