#include "cbow.h"

#include <algorithm>
#include <cmath>

namespace idembed {
namespace {

// As many updates of a row in one block as count in full: 32, or fewer at a learning rate above 0.1. At a
// rate of 0.2, 16 kept training from running away and 32 did not.
float most_updates(float rate) {
    return std::floor(std::clamp(3.21f / std::max(rate, 1e-6f), 1.0f, 32.0f));
}

}  // namespace

Cbow::Cbow(int64_t stride, int negative)
    : stride_(stride),
      negative_(negative),
      hidden_(stride * (centres_in_block + negative * (centres_in_block / most_in_group))),
      errors_(stride * centres_in_block),
      pulls_(static_cast<size_t>(centres_in_block + negative * (centres_in_block / most_in_group)), 1.0f),
      losses_(centres_in_block / most_in_group) {}

// What is reserved and never touched takes no memory.
void Cbow::prepare(int64_t chunk, int window, int threads) {
    sample_.prepare(chunk);
    const size_t size = centres_in_block, reach = static_cast<size_t>(window);
    const size_t negatives = size / most_in_group * static_cast<size_t>(negative_);
    blocks_.resize(static_cast<size_t>(chunk) / size + 1);
    for (Block& block : blocks_) {
        block.windows.reserve(size);
        block.negatives.reserve(negatives);
        block.inputs.reserve(size + 2 * reach, size * 2 * reach);
        block.outputs.reserve(size + negatives, size + negatives);
    }
    while (groupings_.size() < static_cast<size_t>(threads)) {
        groupings_.emplace_back(size + std::max(2 * reach, negatives));
    }
}

void Cbow::Changes::reserve(size_t most_words, size_t most_terms) {
    words.reserve(most_words);
    begin.reserve(most_words + 1);
    updates.reserve(most_words);
    terms.reserve(most_terms);
}

void Cbow::train(const Lesson& lesson, const Member& member) {
    sample_.fill(lesson.pass, lesson.words, lesson.begin, lesson.end, member);
    plan(lesson, member);
    for (int64_t b = 0; b < n_blocks_; ++b) {
        const Block& block = blocks_[static_cast<size_t>(b)];
        compute(lesson, block, member);
        member.wait();
        if (member.rank == 0 && lesson.loss) {
            for (uint32_t g = 0; g < block.groups; ++g) *lesson.loss += losses_[g];
        }
        apply(lesson, block, member);
        member.wait();
    }
}

void Cbow::plan(const Lesson& lesson, const Member& member) {
    if (member.rank == 0) {
        n_blocks_ = (static_cast<int64_t>(sample_.size()) + centres_in_block - 1) / centres_in_block;
    }
    member.wait();
    Grouping& grouping = groupings_[static_cast<size_t>(member.rank)];
    for (int64_t b = member.begin(n_blocks_); b < member.end(n_blocks_); ++b) {
        Block& block = blocks_[static_cast<size_t>(b)];
        block.first = static_cast<uint32_t>(b) * centres_in_block;
        block.size = std::min(sample_.size() - block.first, centres_in_block);
        plan_block(lesson, block, grouping);
    }
    member.wait();
}

void Cbow::plan_block(const Lesson& lesson, Block& block, Grouping& grouping) const {
    const uint32_t* const words = sample_.words();
    const uint32_t size = block.size, negative = static_cast<uint32_t>(negative_);

    block.windows.resize(size);
    for (uint32_t c = 0; c < size; ++c) {
        block.windows[c] = sample_.window(block.first + c, lesson.pass, lesson.windows);
    }
    block.groups = (size + most_in_group - 1) / most_in_group;
    block.negatives.resize(block.groups * negative);
    const Noise noise = lesson.words.noise.of(0);
    const uint64_t key = draw(lesson.pass.noise_key, sample_.position(block.first));
    for (uint32_t i = 0; i < block.groups * negative; ++i) block.negatives[i] = pick(noise, draw(key, i));

    // The words around the block, by place, as rows; `reach` before its first centre comes the first of them.
    const uint32_t reach = static_cast<uint32_t>(lesson.windows.reach);
    const uint32_t from = block.first - std::min(block.first, reach);
    const uint32_t to = std::min(sample_.size(), block.first + size + reach);
    grouping.begin();
    for (uint32_t place = from; place < to; ++place) grouping.add(words[place]);
    list_terms(block.inputs, grouping, [&](auto add) {
        for (uint32_t c = 0; c < size; ++c) {
            const Window window = block.windows[c];
            for (uint32_t place = window.first; place < block.first + c; ++place) add(place - from, c, 1);
            for (uint32_t place = block.first + c + 1; place <= window.last; ++place) add(place - from, c, 1);
        }
    });
    // The words of the centres, then the negative words.
    grouping.begin();
    for (uint32_t c = 0; c < size; ++c) grouping.add(words[block.first + c]);
    for (const uint32_t word : block.negatives) grouping.add(word);
    list_terms(block.outputs, grouping, [&](auto add) {
        for (uint32_t c = 0; c < size; ++c) {
            if (block.windows[c].first < block.windows[c].last) add(c, c, 1);
        }
        for (uint32_t g = 0, i = 0; g < block.groups; ++g) {
            const int32_t records = static_cast<int32_t>((size - g + block.groups - 1) / block.groups);
            for (uint32_t t = 0; t < negative; ++t, ++i) add(size + i, centres_in_block + i, records);
        }
    });
}

// `each` calls its argument for every (item of the grouping, term, updates) in the order of adding.
template <class Each>
void Cbow::list_terms(Changes& changes, const Grouping& grouping, Each each) {
    const std::vector<uint32_t>& row_of = grouping.rows();
    changes.words = grouping.words();
    changes.updates.assign(changes.words.size(), 0);
    changes.begin.assign(changes.words.size() + 1, 0);
    uint32_t* const end = changes.begin.data() + 1;  // of each row's terms: first how many there are
    each([&](uint32_t item, uint32_t, int32_t updates) {
        ++end[row_of[item]];
        changes.updates[row_of[item]] += updates;
    });
    uint32_t at = 0;
    for (size_t row = 0; row < changes.words.size(); ++row) {
        const uint32_t count = end[row];
        end[row] = at;
        at += count;
    }
    changes.terms.resize(at);
    each([&](uint32_t item, uint32_t term, int32_t) { changes.terms[end[row_of[item]]++] = term; });
}

void Cbow::compute(const Lesson& lesson, const Block& block, const Member& member) {
    CbowGroup group;
    group.matrices = lesson.matrices;
    group.words = sample_.words();
    group.windows = block.windows.data();
    group.first_place = block.first;
    group.step = block.groups;
    group.end = block.size;
    group.negative = negative_;
    group.rate = lesson.rate;
    group.mean = lesson.mean;
    group.divided = lesson.divided;
    group.hidden = hidden_.data();
    group.errors = errors_.data();
    group.pulls = pulls_.data();
    for (int64_t g = member.begin(block.groups); g < member.end(block.groups); ++g) {
        group.begin = static_cast<uint32_t>(g);
        group.negatives = block.negatives.data() + g * negative_;
        group.pushes = hidden_.data() + (centres_in_block + g * negative_) * stride_;
        losses_[static_cast<size_t>(g)] = 0;
        group.loss = lesson.loss ? &losses_[static_cast<size_t>(g)] : nullptr;
        lesson.kernels.words.cbow(group);
    }
}

void Cbow::apply(const Lesson& lesson, const Block& block, const Member& member) {
    const float most = most_updates(lesson.rate);
    const auto change = [&](const Changes& changes, float* matrix, const float* from, const float* weights) {
        // Each member takes rows with about as many terms.
        const auto row_at = [&](int64_t share) {
            const auto term =
                static_cast<uint32_t>(static_cast<int64_t>(changes.terms.size()) * share / member.size);
            return std::lower_bound(changes.begin.begin(), changes.begin.end() - 1, term) -
                   changes.begin.begin();
        };
        const int64_t end = member.rank + 1 == member.size ? static_cast<int64_t>(changes.words.size())
                                                           : row_at(member.rank + 1);
        for (int64_t i = row_at(member.rank); i < end; ++i) {
            const size_t r = static_cast<size_t>(i);
            if (changes.begin[r] == changes.begin[r + 1]) continue;
            Addition addition;
            addition.row = matrix + changes.words[r] * stride_;
            addition.from = from;
            addition.terms = changes.terms.data() + changes.begin[r];
            addition.count = changes.begin[r + 1] - changes.begin[r];
            addition.weights = weights;
            addition.scale = most / std::max(static_cast<float>(changes.updates[r]), most);
            addition.stride = stride_;
            lesson.kernels.words.add(addition);
        }
    };
    change(block.inputs, lesson.matrices.inputs, errors_.data(), nullptr);
    change(block.outputs, lesson.matrices.outputs, hidden_.data(), pulls_.data());
}

}  // namespace idembed
