// Continuous bag of words with negative sampling, for any number of threads the bits of one.
//
// A chunk is trained in blocks of 512 centres. While a block is read, both matrices are frozen: every
// centre's gradients are computed from the same rows. Then each row that the block touched is changed once,
// by whoever owns it, by the sum of what its centres have for it in their order. Staleness is thus bounded by
// a block, and a row that many centres want to change is changed by no more than `most_updates` of them
// would.
#ifndef IDEMBED_WORD2VEC_CBOW_H
#define IDEMBED_WORD2VEC_CBOW_H

#include <cstdint>
#include <vector>

#include "memory.h"
#include "team.h"
#include "word2vec/grouping.h"
#include "word2vec/lesson.h"

namespace idembed {

class Cbow {
  public:
    Cbow(int64_t stride, int negative);

    void prepare(int64_t chunk, int window, int threads);

    // Every member of the team calls this, with the same lesson.
    void train(const Lesson& lesson, const Member& member);

    int64_t kept() const { return sample_.size(); }  // of the tokens of the last lesson

  private:
    static constexpr uint32_t centres_in_block = 512;

    // How a block changes the rows of one matrix: that of words[r] by terms[begin[r]] .. terms[begin[r + 1] -
    // 1].
    struct Changes {
        std::vector<uint32_t> words, begin, terms;
        std::vector<int32_t> updates;  // by row: how many records stand behind its terms

        void reserve(size_t most_words, size_t most_terms);
    };
    struct Block {
        uint32_t first, size, groups;     // its centres are the places first .. first + size - 1
        std::vector<Window> windows;      // by centre
        std::vector<uint32_t> negatives;  // [groups, negative]
        Changes inputs, outputs;
    };

    void plan(const Lesson& lesson, const Member& member);
    void plan_block(const Lesson& lesson, Block& block, Grouping& grouping) const;
    template <class Each>
    static void list_terms(Changes& changes, const Grouping& grouping, Each each);
    void compute(const Lesson& lesson, const Block& block, const Member& member);
    void apply(const Lesson& lesson, const Block& block, const Member& member);

    int64_t stride_;
    int negative_;
    Sample sample_;
    std::vector<Block> blocks_;
    std::vector<Grouping> groupings_;  // of each member
    int64_t n_blocks_ = 0;
    Floats hidden_;               // [centres_in_block + pushes, stride]: hidden layers, then pushes
    Floats errors_;               // [centres_in_block, stride]
    std::vector<float> pulls_;    // weights of the rows of hidden_: of centres their gradients, of pushes 1
    std::vector<double> losses_;  // of each group
};

}  // namespace idembed
#endif
