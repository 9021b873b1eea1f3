#include "trainer.h"

#include <algorithm>

#include "numerics.h"
#include "team.h"

namespace idembed {
namespace {

// Below this every block of the parallel methods would hold nearly all words.
constexpr int64_t fewest_words = 1000;
constexpr int64_t words_in_part = 64;  // at least
constexpr int64_t shortest_chunk = 16384, longest_chunk = 262144;
constexpr int64_t usual_window = 5, widest_window = 80;  // of the longest chunk, of one of shortest_chunk

int parts_for(int64_t words) {
    int parts = 1;
    while (parts < most_parts && words >= 2 * parts * words_in_part) parts *= 2;
    return words < fewest_words ? 1 : parts;
}

// Records in a group. Their gradients are computed before any is applied, so where the same words come again
// and again, a row may go too far by as many of them: all 16 do no harm at the usual rate of 0.025, none may
// wait at 0.1. At a rate of 0.2, groups of two still kept training from running away, groups of four did not.
int group_for(float rate) {
    constexpr float limit = 0.0101f;
    const float records = limit / std::max(rate * rate, 1e-6f);
    return static_cast<int>(std::clamp(records, 1.0f, static_cast<float>(most_in_group)));
}

}  // namespace

Trainer::Trainer(const idembed_word2vec_config& config, const int64_t* counts, const Kernels& kernels)
    : config_(config),
      kernels_(kernels),
      words_(counts, config.words, config.keep_threshold, config.noise_exponent,
             config.skipgram ? parts_for(config.words) : 1) {
    const int64_t stride = round_up_to_lanes(config.dim);
    if (config.words < fewest_words) {
        serial_ = std::make_unique<Serial>(stride, config.negative, config.skipgram != 0);
    } else if (config.skipgram) {
        skipgram_ = std::make_unique<Skipgram>(words_.parts);
    } else {
        cbow_ = std::make_unique<Cbow>(stride, config.negative);
    }
}

// A thirty-second of the pass, so that the learning rate falls smoothly; but no more work or memory than a
// chunk has with the usual parameters, down to a length that is still worth sorting.
int64_t Trainer::chunk(int64_t tokens) const {
    constexpr int64_t usual_work = 6 * 100;  // of a pair: 5 negative words and the one seen, 100 dimensions
    const int64_t work = std::max((1 + int64_t{config_.negative}) * config_.dim, usual_work);
    const int64_t least = shortest_chunk * widest_window / std::max<int64_t>(config_.window, widest_window);
    const int64_t most = longest_chunk * usual_window * usual_work / (config_.window * work);
    return std::clamp(tokens / 32, least, std::clamp(most, least, longest_chunk));
}

// All memory that a chunk can need, before the team starts: its members must not throw.
void Trainer::prepare(int64_t chunk, int threads) {
    if (serial_) serial_->prepare(chunk);
    if (skipgram_) skipgram_->prepare(chunk, config_.window, threads);
    if (cbow_) cbow_->prepare(chunk, config_.window, threads);
}

int64_t Trainer::train(const idembed_word2vec_pass& given, int64_t begin, int64_t end, float* inputs,
                       float* outputs, double* loss, int threads) {
    const Pass pass(given.tokens, config_.seed, given.number);
    const int64_t size = chunk(given.size);
    int64_t kept = 0;
    if (!cbow_) threads = std::min(threads, words_.parts);  // others would have nothing to do
    prepare(size, threads);
    run_team(threads, [&](const Member& member) {
        for (int64_t first = begin; first < end; first += size) {
            const double done = static_cast<double>(first) / static_cast<double>(given.size);
            const auto rate =
                static_cast<float>(given.first_rate + (given.last_rate - given.first_rate) * done);
            const Lesson lesson{
                kernels_,
                words_,
                pass,
                {inputs, outputs, round_up_to_lanes(config_.dim)},
                {config_.window, config_.shrink_windows != 0},
                config_.negative,
                config_.mean != 0,
                config_.divided != 0,
                first,
                std::min(first + size, end),
                rate,
                group_for(rate),
                loss,
            };
            const auto take_part = [&](auto& method) {
                method.train(lesson, member);
                if (member.rank == 0) kept += method.kept();
                member.wait();
            };
            if (serial_) take_part(*serial_);
            if (skipgram_) take_part(*skipgram_);
            if (cbow_) take_part(*cbow_);
        }
    });
    return kept;
}

void start_vectors(float* rows, int64_t first, int64_t count, int64_t dim, int64_t stride, uint64_t seed) {
    const uint64_t key = stream_key(seed, 0, Use::start);
    for (int64_t r = 0; r < count; ++r) {
        float* const row = rows + r * stride;
        const uint64_t of_row = draw(key, static_cast<uint64_t>(first + r));
        for (int64_t k = 0; k < dim; ++k) {
            const auto random = static_cast<float>(draw(of_row, static_cast<uint64_t>(k)) >> 40);  // 24 bits
            row[k] = (random * 0x1p-24f - 0.5f) / static_cast<float>(dim);
        }
        std::fill(row + dim, row + stride, 0.0f);
    }
}

}  // namespace idembed
