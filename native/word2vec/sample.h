// A chunk of the corpus with its frequent words thinned out.
#ifndef IDEMBED_WORD2VEC_SAMPLE_H
#define IDEMBED_WORD2VEC_SAMPLE_H

#include <cstdint>
#include <vector>

#include "team.h"
#include "word2vec/draws.h"
#include "word2vec/vocabulary.h"
#include "word2vec/word_kernels.h"
#include "word2vec/words.h"

namespace idembed {

// What a draw is for: each use has a stream of its own in each pass.
enum class Use : uint64_t { start, keep, window, noise_part, noise };

inline uint64_t stream_key(uint64_t seed, uint64_t pass, Use use) {
    return draw(draw(draw(seed, 0), pass), static_cast<uint64_t>(use));
}

// One pass over a corpus.
struct Pass {
    const int32_t* tokens;  // word ids, with sentence_start
    uint64_t keep_key, window_key, part_key, noise_key;

    Pass(const int32_t* corpus, uint64_t seed, uint64_t number)
        : tokens(corpus),
          keep_key(stream_key(seed, number, Use::keep)),
          window_key(stream_key(seed, number, Use::window)),
          part_key(stream_key(seed, number, Use::noise_part)),
          noise_key(stream_key(seed, number, Use::noise)) {}
};

struct WindowRule {
    int reach;    // words on either side
    bool shrink;  // 1 .. reach at random for each centre, else always reach
};

// What is left of the tokens begin .. end-1. Place i holds the i-th of them.
class Sample {
  public:
    void prepare(int64_t most_tokens);  // takes the memory for so many; throws std::bad_alloc

    // Takes part in filling it; every member of the team calls this.
    void fill(const Pass& pass, const WordStatistics& words, int64_t begin, int64_t end,
              const Member& member);

    uint32_t size() const { return size_; }
    const uint32_t* words() const { return words_.data(); }
    uint64_t position(uint32_t place) const { return begin_ + offsets_[place]; }

    // The places around `place` that belong to its window, itself among them.
    Window window(uint32_t place, const Pass& pass, WindowRule rule) const {
        uint32_t reach = static_cast<uint32_t>(rule.reach);
        if (rule.shrink) {
            reach -= below(static_cast<uint32_t>(draw(pass.window_key, position(place)) >> 32), reach);
        }
        Window window{place, place};
        const uint32_t sentence = sentences_[place];
        while (reach > 0 && window.first > 0 && place - window.first < reach &&
               sentences_[window.first - 1] == sentence) {
            --window.first;
        }
        while (window.last + 1 < size_ && window.last - place < reach &&
               sentences_[window.last + 1] == sentence) {
            ++window.last;
        }
        return window;
    }

  private:
    struct Kept {
        uint32_t word, offset, sentence;
    };
    struct Piece {
        uint32_t kept, starts;
    };
    static constexpr int pieces = 32;  // fixed, so that nothing depends on the number of threads

    uint64_t begin_ = 0;
    uint32_t size_ = 0;
    Piece piece_[pieces];
    std::vector<Kept> kept_;
    std::vector<uint32_t> words_, offsets_, sentences_;
};

}  // namespace idembed
#endif
