#ifndef IDEMBED_WORD2VEC_GROUPING_H
#define IDEMBED_WORD2VEC_GROUPING_H

#include <cstddef>
#include <cstdint>
#include <vector>

namespace idembed {

// Gives the words of a list the rows of a table without repetitions.
class Grouping {
  public:
    explicit Grouping(size_t most_words) {
        size_t size = 16;
        while (size < 2 * most_words) size *= 2;
        slots_.resize(size);
        words_.reserve(most_words);
        rows_.reserve(most_words);
    }

    void begin() {
        ++round_;
        words_.clear();
        rows_.clear();
    }

    void add(uint32_t word) {
        const size_t mask = slots_.size() - 1;
        size_t at = (word * 0x9e3779b1u >> 7) & mask;
        while (slots_[at].round == round_ && slots_[at].word != word) at = (at + 1) & mask;
        if (slots_[at].round != round_) {
            slots_[at] = {round_, word, static_cast<uint32_t>(words_.size())};
            words_.push_back(word);
        }
        rows_.push_back(slots_[at].row);
    }

    const std::vector<uint32_t>& words() const { return words_; }  // by row
    const std::vector<uint32_t>& rows() const { return rows_; }    // by place in the list

  private:
    struct Slot {
        uint64_t round;
        uint32_t word, row;
    };
    uint64_t round_ = 0;
    std::vector<Slot> slots_;
    std::vector<uint32_t> words_, rows_;
};

}  // namespace idembed
#endif
