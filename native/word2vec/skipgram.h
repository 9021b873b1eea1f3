// Skip-gram with negative sampling, for any number of threads the bits of one.
//
// The words are dealt into parts. A chunk's pairs are sorted into blocks (input part, output part), and so
// are the inputs that are to be pushed away from noise: (input part, part of their noise). At step s the
// thread that owns input part i trains block (i, i + s): no two threads ever touch the same row, and a block
// begins when the one before it in its output part has ended. The order of all updates of a row is thus
// fixed, and no row is copied or merged.
#ifndef IDEMBED_WORD2VEC_SKIPGRAM_H
#define IDEMBED_WORD2VEC_SKIPGRAM_H

#include <atomic>
#include <cstdint>
#include <vector>

#include "team.h"
#include "word2vec/lesson.h"

namespace idembed {

class Skipgram {
  public:
    explicit Skipgram(int parts);

    void prepare(int64_t chunk, int window, int threads);

    // Every member of the team calls this, with the same lesson.
    void train(const Lesson& lesson, const Member& member);

    int64_t kept() const { return sample_.size(); }  // of the tokens of the last lesson

  private:
    static constexpr int ranges = 32;  // of places, planned by themselves; fixed

    struct Block {
        uint32_t pairs, lonely;  // where its records begin; of how many there are while counting
    };
    struct alignas(64) Done {
        std::atomic<int> steps;
    };

    template <class See>
    void each_pair(const Lesson& lesson, int64_t range, See see) const;
    void plan(const Lesson& lesson, const Member& member);
    void place_blocks(const Member& member);
    void run_ring(const Lesson& lesson, const Member& member);
    void train_block(const Lesson& lesson, int input_part, int output_part);

    int parts_;
    int64_t blocks_;
    Sample sample_;
    std::vector<Block> counts_;  // [ranges, blocks]
    std::vector<Block> begin_;   // [blocks + 1]
    std::vector<Block> shares_;  // of each thread's blocks
    std::vector<Pair> pairs_;
    std::vector<uint32_t> lonely_;
    std::vector<Done> done_;      // steps that each input part has made
    std::vector<double> losses_;  // of each block
};

}  // namespace idembed
#endif
