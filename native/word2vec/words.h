// Words of a text, each numbered by its first occurrence.
//
// Reading goes on in parallel although the numbers are those of one thread: the members of a team look words
// up in a table that nobody changes meanwhile, and put aside those that it lacks; then the caller's thread
// enters these in the order of the text. After a few megabytes of a language almost every word is known.
#ifndef IDEMBED_WORD2VEC_WORDS_H
#define IDEMBED_WORD2VEC_WORDS_H

#include <cstddef>
#include <cstdint>
#include <vector>

namespace idembed {

constexpr int32_t sentence_start = INT32_MIN;  // the sign bit of a token that begins a sentence

struct Span {
    const char* data;
    int64_t size;
};

// Distinct words in the order of their entry, with how often each was read.
class WordTable {
  public:
    int32_t size() const { return static_cast<int32_t>(counts_.size()); }
    int64_t bytes() const { return static_cast<int64_t>(text_.size()); }
    void list(char* text, int64_t* ends, int64_t* counts) const;  // as idembed_words_list
    void add(int32_t id) { ++counts_[static_cast<size_t>(id)]; }

    // Up to 7 bytes are their own key, so that most words are found in one place; the key of a longer word is
    // a hash with the highest bit set.
    static uint64_t key(Span word);

    // The id of the word with this key, or -1.
    int32_t find(Span word, uint64_t key) const;
    // The same for a word that may be new; throws std::bad_alloc.
    int32_t enter(Span word, uint64_t key);

  private:
    struct Slot {
        uint64_t key;
        int32_t id;  // -1: free
    };
    bool is(int32_t id, Span word) const;
    void grow();
    static void place(std::vector<Slot>& slots, const Slot& slot);

    std::vector<Slot> slots_;    // open addressing; a power of two of them, at most half in use
    std::vector<char> text_;     // all words, one after the other
    std::vector<int64_t> ends_;  // word i ends at ends_[i] in it
    std::vector<int64_t> counts_;
};

// The part of a text in which words may begin, [begin, end) of `bytes`.
struct Range {
    const char* text;
    int64_t bytes, begin, end;
};

struct Reading {
    bool grow;      // new words are entered; else they read as the table's size
    int64_t piece;  // bytes that a thread takes at a time
    int threads;
};

struct Lines {
    int64_t tokens;  // how many were written
    int64_t lines;   // "\n" in the range
    int64_t bad;     // the first byte of the range that is NUL or not UTF-8; -1: none
};

// As idembed_words_read_lines; `starts` says whether the next word begins a sentence, before and after. out
// has room for half as many tokens as there are bytes in the range, plus one a piece. Throws std::bad_alloc.
Lines read_lines(WordTable& table, const Range& range, const Reading& reading, bool& starts, int32_t* out);

// As idembed_words_read_list. False when there are not n words; the table is unchanged then.
bool read_list(WordTable& table, const char* text, int64_t bytes, char separator, const Reading& reading,
               int32_t* out, int64_t n);

// As idembed_words_keep.
int64_t keep_words(int32_t* tokens, int64_t n, const int32_t* ids, bool& starts);

}  // namespace idembed
#endif
