// Trains with several threads, again with one, and compares; test_threads.py compiles it with a sanitizer.
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <vector>

#include "idembed.h"

namespace {

void check(const char* what, int32_t status) {
    if (status == IDEMBED_OK) return;
    std::fprintf(stderr, "%s: status %d\n", what, status);
    std::exit(1);
}

// Both matrices after two passes over two chunks each.
std::vector<float> trained(int32_t skipgram, int64_t words, int32_t threads) {
    constexpr int64_t dim = 16, size = 20000;
    const idembed_word2vec_config config = {words, dim, 3, 5, skipgram, 1, 1, 1, 5.0, 0.75, 1};
    std::vector<int64_t> counts(static_cast<size_t>(words), 1);
    std::vector<int32_t> tokens(static_cast<size_t>(size));
    uint32_t random = 1;
    for (int32_t& token : tokens) {
        uint32_t word = static_cast<uint32_t>(words) - 1;
        for (int level = 0; level < 4; ++level) {
            random = random * 1664525u + 1013904223u;
            word = (random >> 16) * (word + 1) >> 16;
        }
        ++counts[word];
        token = static_cast<int32_t>(word) | (random % 17 == 0 ? INT32_MIN : 0);
    }
    idembed_word2vec* trainer = nullptr;
    check("idembed_word2vec_new", idembed_word2vec_new(&config, counts.data(), nullptr, &trainer));
    std::vector<float> matrices(static_cast<size_t>(2 * words * dim));
    float* const outputs = matrices.data() + words * dim;
    check("idembed_word2vec_start", idembed_word2vec_start(matrices.data(), 0, words, dim, 1));
    for (uint64_t number = 0; number < 2; ++number) {
        const idembed_word2vec_pass pass = {tokens.data(), size, number, 0.1, 0.05};
        int64_t kept;
        double loss = 0;
        check("idembed_word2vec_train", idembed_word2vec_train(trainer, &pass, 0, size, matrices.data(),
                                                               outputs, &kept, &loss, threads));
    }
    idembed_word2vec_free(trainer);
    return matrices;
}

void compare(const char* what, int32_t skipgram, int64_t words, int32_t threads) {
    if (trained(skipgram, words, threads) != trained(skipgram, words, 1)) std::exit(2);
    std::puts(what);
}

}  // namespace

int main() {
    compare("skip-gram", 1, 2000, 4);
    compare("skip-gram, uneven shares", 1, 5000, 3);
    compare("CBOW", 0, 2000, 4);
    compare("few words", 0, 50, 4);
    return 0;
}
