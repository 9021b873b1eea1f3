#include "schedule.h"

#include <algorithm>
#include <atomic>
#include <vector>

#include "forward.h"

// Two ways to work, and the same bits from both:
//
// * Blocks: each thread takes the next block of whole texts through all layers by itself. The weights are
// then read
//   once per block and the activations stay in the thread's own cache.
// * Together: where there are fewer blocks than threads (a lone text above all), all threads share the
// columns of each
//   product of one block.
namespace idembed {
namespace {

constexpr int64_t block_rows = 96;  // tokens: enough to hide the reading of weights, few enough for the cache
constexpr int64_t fewest_rows = 24;     // a block gets no smaller to feed another thread
constexpr int64_t together_rows = 512;  // a block that all threads share
constexpr int64_t inner_columns = 256;  // of the intermediate layer at a time; a multiple of every panel

int32_t check_texts(const Encoder& encoder, const int32_t* tokens, const int64_t* offsets, int64_t n) {
    if (offsets[0] != 0) return IDEMBED_ARGUMENT;
    for (int64_t i = 0; i < n; ++i) {
        if (offsets[i + 1] < offsets[i]) return IDEMBED_ARGUMENT;
    }
    for (int64_t i = 0; i < n; ++i) {
        const int64_t length = offsets[i + 1] - offsets[i];
        if (length < 1 || length > encoder.config.positions) return IDEMBED_LENGTH;
    }
    for (int64_t i = 0; i < offsets[n]; ++i) {
        if (tokens[i] < 0 || tokens[i] >= encoder.config.vocab) return IDEMBED_TOKEN;
    }
    return IDEMBED_OK;
}

// Fills blocks with texts in order, up to `rows` tokens; a longer text has a block of its own.
std::vector<Block> make_blocks(const std::vector<Text>& texts, int64_t rows) {
    std::vector<Block> blocks;
    for (const Text& text : texts) {
        if (blocks.empty() || blocks.back().rows + text.length > rows) blocks.push_back({&text, 0, 0});
        blocks.back().count += 1;
        blocks.back().rows += text.length;
    }
    return blocks;
}

int64_t most_rows(const std::vector<Block>& blocks) {
    int64_t most = 0;
    for (const Block& block : blocks) most = std::max(most, block.rows);
    return most;
}

}  // namespace

int32_t encode(const Encoder& encoder, const int32_t* tokens, const int64_t* offsets, int64_t n, float* out,
               int threads) {
    if (const int32_t status = check_texts(encoder, tokens, offsets, n); status != IDEMBED_OK) return status;
    if (n == 0) return IDEMBED_OK;

    std::vector<Text> texts(static_cast<size_t>(n));
    for (int64_t i = 0; i < n; ++i) {
        texts[static_cast<size_t>(i)] = {tokens + offsets[i], offsets[i + 1] - offsets[i],
                                         out + i * encoder.hidden()};
    }
    // The longest first, so that no thread begins a long one when the others are about to end.
    std::stable_sort(texts.begin(), texts.end(),
                     [](const Text& a, const Text& b) { return a.length > b.length; });
    const int64_t longest = texts.front().length, total = offsets[n];

    const int64_t share = total / (4 * threads);
    std::vector<Block> blocks =
        make_blocks(texts, threads == 1 ? block_rows : std::clamp(share, fewest_rows, block_rows));
    const bool together = threads > 1 && static_cast<int64_t>(blocks.size()) < threads;
    if (together) blocks = make_blocks(texts, together_rows);
    if (!together)
        threads = static_cast<int>(std::min<int64_t>(threads, static_cast<int64_t>(blocks.size())));

    // All memory is taken before the team starts: a member cannot fail.
    const int64_t rows = most_rows(blocks);
    std::vector<Activations> activations;
    std::vector<HeadScratch> scratch;
    for (int i = 0; i < threads; ++i) {
        if (i == 0 || !together) {
            activations.emplace_back(encoder, rows,
                                     together                     ? encoder.config.intermediate
                                     : encoder.int_layers.empty() ? inner_columns
                                                                  : chunk);
        }
        scratch.emplace_back(encoder, longest);
    }

    std::atomic<size_t> next{0};
    std::atomic<bool> finite{true};
    run_team(threads, [&](const Member& member) {
        HeadScratch& own = scratch[static_cast<size_t>(member.rank)];
        if (together) {
            for (const Block& block : blocks) {
                if (!forward(encoder, block, activations[0], own, member)) finite = false;
                member.wait();
            }
            return;
        }
        const Member alone{0, 1, nullptr};
        for (size_t i; (i = next.fetch_add(1)) < blocks.size();) {
            if (!forward(encoder, blocks[i], activations[static_cast<size_t>(member.rank)], own, alone))
                finite = false;
        }
    });
    return finite ? IDEMBED_OK : IDEMBED_NOT_FINITE;
}

}  // namespace idembed
