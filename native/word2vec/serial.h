// Both methods for vocabularies of a few words: one centre after the other, every gradient fresh, negative
// words that equal the centre passed over. Where a few words are in every block, sharing and delaying would
// change what is learned; and there is nothing to divide between threads.
#ifndef IDEMBED_WORD2VEC_SERIAL_H
#define IDEMBED_WORD2VEC_SERIAL_H

#include <vector>

#include "memory.h"
#include "word2vec/lesson.h"

namespace idembed {

class Serial {
  public:
    Serial(int64_t stride, int negative, bool skipgram);

    void prepare(int64_t chunk) { sample_.prepare(chunk); }

    // Every member of the team calls this, with the same lesson; the first does the work.
    void train(const Lesson& lesson, const Member& member);

    int64_t kept() const { return sample_.size(); }  // of the tokens of the last lesson

  private:
    void train_centre(const Lesson& lesson, uint32_t place);
    void learn(const Lesson& lesson, const float* hidden, uint32_t centre, uint64_t first_draw);

    int64_t stride_;
    bool skipgram_;
    Sample sample_;
    std::vector<uint32_t> targets_;
    Floats hidden_, error_;
};

}  // namespace idembed
#endif
