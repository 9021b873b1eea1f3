// Training word vectors: one method, the same words, pass after pass.
#ifndef IDEMBED_WORD2VEC_TRAINER_H
#define IDEMBED_WORD2VEC_TRAINER_H

#include <cstdint>
#include <memory>

#include "idembed.h"
#include "kernels.h"
#include "word2vec/cbow.h"
#include "word2vec/serial.h"
#include "word2vec/skipgram.h"

namespace idembed {

class Trainer {
  public:
    Trainer(const idembed_word2vec_config& config, const int64_t* counts, const Kernels& kernels);

    int64_t words() const { return config_.words; }
    int64_t chunk(int64_t tokens) const;
    // Returns how many tokens were not thinned out.
    int64_t train(const idembed_word2vec_pass& pass, int64_t begin, int64_t end, float* inputs,
                  float* outputs, double* loss, int threads);

  private:
    void prepare(int64_t chunk, int threads);

    const idembed_word2vec_config config_;
    const Kernels& kernels_;
    const WordStatistics words_;
    std::unique_ptr<Serial> serial_;  // one of the three
    std::unique_ptr<Skipgram> skipgram_;
    std::unique_ptr<Cbow> cbow_;
};

// Random vectors within +-0.5 / dim, each a function of (seed, row) only.
void start_vectors(float* rows, int64_t first, int64_t count, int64_t dim, int64_t stride, uint64_t seed);

}  // namespace idembed
#endif
