#include "skipgram.h"

#include <algorithm>

namespace idembed {

Skipgram::Skipgram(int parts)
    : parts_(parts),
      blocks_(static_cast<int64_t>(parts) * parts),
      counts_(static_cast<size_t>(ranges * blocks_)),
      begin_(static_cast<size_t>(blocks_ + 1)),
      done_(static_cast<size_t>(parts)),
      losses_(static_cast<size_t>(blocks_)) {}

// What is reserved and never touched takes no memory.
void Skipgram::prepare(int64_t chunk, int window, int threads) {
    sample_.prepare(chunk);
    shares_.reserve(static_cast<size_t>(threads));
    pairs_.reserve(static_cast<size_t>(chunk * 2 * window));
    lonely_.reserve(static_cast<size_t>(chunk * 2 * window));
}

void Skipgram::train(const Lesson& lesson, const Member& member) {
    sample_.fill(lesson.pass, lesson.words, lesson.begin, lesson.end, member);
    plan(lesson, member);
    run_ring(lesson, member);
    if (member.rank == 0 && lesson.loss) {
        for (const double loss : losses_) *lesson.loss += loss;
    }
}

// Calls see(input word, output word, block, block of its noise) for every pair of a range, in order.
template <class See>
void Skipgram::each_pair(const Lesson& lesson, int64_t range, See see) const {
    const uint32_t* const words = sample_.words();
    const uint8_t* const part = lesson.words.part.data();
    const Noise part_noise = lesson.words.part_noise.of(0);
    const int64_t size = sample_.size();
    const uint32_t end = static_cast<uint32_t>(size * (range + 1) / ranges);
    const uint64_t places = 2 * static_cast<uint64_t>(lesson.windows.reach) + 1;  // of a window
    for (uint32_t place = static_cast<uint32_t>(size * range / ranges); place < end; ++place) {
        const Window window = sample_.window(place, lesson.pass, lesson.windows);
        const uint32_t output = words[place], output_part = part[output];
        const uint64_t draws = sample_.position(place) * places;
        for (uint32_t other = window.first; other <= window.last; ++other) {
            if (other == place) continue;
            const uint32_t input = words[other], row = part[input] * static_cast<uint32_t>(parts_);
            const uint64_t random = draw(lesson.pass.part_key, draws + (other - window.first));
            const uint32_t noise = pick(part_noise, random);
            see(input, output, row + output_part, row + noise);
        }
    }
}

// A counting sort of the pairs by block. It is stable and each range is counted and placed by itself, so the
// order is that of the corpus, whoever did it.
void Skipgram::plan(const Lesson& lesson, const Member& member) {
    if (member.rank == 0) {
        shares_.assign(static_cast<size_t>(member.size), {});
        for (Done& part : done_) part.steps.store(0, std::memory_order_relaxed);
    }
    for (int64_t r = member.begin(ranges); r < member.end(ranges); ++r) {
        Block* const counts = counts_.data() + r * blocks_;
        std::fill(counts, counts + blocks_, Block{});
        each_pair(lesson, r, [&](uint32_t, uint32_t, uint32_t block, uint32_t noise_block) {
            ++counts[block].pairs;
            ++counts[noise_block].lonely;
        });
    }
    member.wait();
    place_blocks(member);
    if (member.rank == 0) {
        pairs_.resize(begin_.back().pairs);
        lonely_.resize(begin_.back().lonely);
    }
    member.wait();
    for (int64_t r = member.begin(ranges); r < member.end(ranges); ++r) {
        Block* const next = counts_.data() + r * blocks_;
        each_pair(lesson, r, [&](uint32_t input, uint32_t output, uint32_t block, uint32_t noise_block) {
            pairs_[next[block].pairs++] = {input, output};
            lonely_[next[noise_block].lonely++] = input;
        });
    }
    member.wait();
}

// Counts become beginnings: of each block, and of each range's records in it.
void Skipgram::place_blocks(const Member& member) {
    const int64_t first = member.begin(blocks_), last = member.end(blocks_);
    Block& share = shares_[static_cast<size_t>(member.rank)];
    for (int64_t r = 0; r < ranges; ++r) {
        for (int64_t b = first; b < last; ++b) {
            share.pairs += counts_[static_cast<size_t>(r * blocks_ + b)].pairs;
            share.lonely += counts_[static_cast<size_t>(r * blocks_ + b)].lonely;
        }
    }
    member.wait();
    Block at{};
    for (int before = 0; before < member.rank; ++before) {
        at.pairs += shares_[static_cast<size_t>(before)].pairs;
        at.lonely += shares_[static_cast<size_t>(before)].lonely;
    }
    for (int64_t b = first; b < last; ++b) {
        begin_[static_cast<size_t>(b)] = at;
        for (int64_t r = 0; r < ranges; ++r) {
            Block& count = counts_[static_cast<size_t>(r * blocks_ + b)];
            const Block here = at;
            at.pairs += count.pairs;
            at.lonely += count.lonely;
            count = here;
        }
    }
    if (member.rank == member.size - 1) begin_[static_cast<size_t>(blocks_)] = at;
    member.wait();
}

// A block may be trained when its input part has made the steps before, and so has the next input part, which
// had the output part one step ago. Within that, a thread stays with a part for as many steps as it has
// parts, for then its rows are still in the cache: it goes through its parts from the last to the first, each
// a step further than the one before, which is as far as the thread of the next parts was when it came to its
// end.
void Skipgram::run_ring(const Lesson& lesson, const Member& member) {
    const int first = static_cast<int>(member.begin(parts_)), last = static_cast<int>(member.end(parts_));
    const int stay = std::max(parts_ / member.size, 1);
    for (int sweep = 0; (sweep - 1) * stay + 1 < parts_; ++sweep) {
        for (int part = last - 1; part >= first; --part) {
            const int ahead = last - part;
            const int begin = sweep == 0 ? 0 : (sweep - 1) * stay + ahead;
            const int end = std::min(sweep * stay + ahead, parts_);
            const std::atomic<int>& next = done_[static_cast<size_t>((part + 1) % parts_)].steps;
            for (int step = begin; step < end; ++step) {
                Patience patience;
                while (next.load(std::memory_order_acquire) < step) patience.wait();
                train_block(lesson, part, (part + step) % parts_);
                done_[static_cast<size_t>(part)].steps.store(step + 1, std::memory_order_release);
            }
        }
    }
    member.wait();
}

void Skipgram::train_block(const Lesson& lesson, int input_part, int output_part) {
    const size_t number = static_cast<size_t>(input_part * parts_ + output_part);
    const Block begin = begin_[number], end = begin_[number + 1];
    losses_[number] = 0;
    SkipgramBlock block;
    block.matrices = lesson.matrices;
    block.rate = lesson.rate;
    block.group = lesson.group;
    block.negative = lesson.negative;
    block.pairs = pairs_.data() + begin.pairs;
    block.n_pairs = end.pairs - begin.pairs;
    block.lonely = lonely_.data() + begin.lonely;
    block.n_lonely = end.lonely - begin.lonely;
    block.noise = lesson.words.noise.of(output_part);
    block.key = draw(draw(lesson.pass.noise_key, static_cast<uint64_t>(lesson.begin)), number);
    block.loss = lesson.loss ? &losses_[number] : nullptr;
    lesson.kernels.words.skipgram(block);
}

}  // namespace idembed
