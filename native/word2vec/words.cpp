#include "words.h"

#include <algorithm>
#include <atomic>
#include <cstring>
#include <new>

#include "../team.h"

namespace idembed {
namespace {

constexpr int64_t thread_bytes = 32 << 10;  // less is not worth starting a thread

// ---- hashing ----

template <class T>
T load(const char* p) {
    T value;
    std::memcpy(&value, p, sizeof value);
    return value;
}

// 1 to 8 bytes, the first the lowest.
uint64_t load_few(const char* p, int64_t n) {
    const auto byte = [&](int64_t i) { return static_cast<uint64_t>(static_cast<uint8_t>(p[i])) << 8 * i; };
#if !defined(__BYTE_ORDER__) || __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__
    if (n == 8) return load<uint64_t>(p);
    if (n >= 4) return load<uint32_t>(p) | static_cast<uint64_t>(load<uint32_t>(p + n - 4)) << 8 * (n - 4);
    return byte(0) | byte(n / 2) | byte(n - 1);
#else
    uint64_t few = 0;
    for (int64_t i = 0; i < n; ++i) few |= byte(i);
    return few;
#endif
}

uint64_t mix(uint64_t x) {
    x *= 0x9e3779b97f4a7c15u;
    return x ^ x >> 32;
}

// ---- white space: what str.split() of Python splits at ----

enum Class : uint8_t { in_word, white, newline, perhaps };  // perhaps: may begin white space of several bytes

struct Classes {
    Class of[256] = {};
    constexpr Classes() {
        for (int c = 0x09; c <= 0x0d; ++c) of[c] = white;
        for (int c = 0x1c; c <= 0x20; ++c) of[c] = white;
        of['\n'] = newline;
        for (const int c : {0xc2, 0xe1, 0xe2, 0xe3}) of[c] = perhaps;
    }
};
constexpr Classes classes;

Class class_of(char c) {
    return classes.of[static_cast<uint8_t>(c)];
}

// Bytes of the white space of several bytes at p, of which `left` are there; 0 if there is none.
int wide_white(const char* p, int64_t left) {
    const auto byte = [&](int i) { return i < left ? static_cast<uint8_t>(p[i]) : 0; };
    switch (byte(0)) {
        case 0xc2:  // U+0085, U+00A0
            return byte(1) == 0x85 || byte(1) == 0xa0 ? 2 : 0;
        case 0xe1:  // U+1680
            return byte(1) == 0x9a && byte(2) == 0x80 ? 3 : 0;
        case 0xe2:  // U+2000 .. U+200A, U+2028, U+2029, U+202F; U+205F
            if (byte(1) == 0x80) {
                const int last = byte(2);
                return (last >= 0x80 && last <= 0x8a) || last == 0xa8 || last == 0xa9 || last == 0xaf ? 3 : 0;
            }
            return byte(1) == 0x81 && byte(2) == 0x9f ? 3 : 0;
        case 0xe3:  // U+3000
            return byte(1) == 0x80 && byte(2) == 0x80 ? 3 : 0;
        default:
            return 0;
    }
}

// ---- UTF-8 ----

// Bytes of the character at p, of which `left` are there; 0 if it is NUL or not UTF-8.
int character(const char* p, int64_t left) {
    const auto byte = [&](int i) { return i < left ? static_cast<uint8_t>(p[i]) : 0; };
    const auto follows = [&](int i) { return (byte(i) & 0xc0) == 0x80; };
    const int lead = byte(0), second = byte(1);
    if (lead < 0x80) return lead != 0;
    if (lead < 0xc2 || lead > 0xf4 || !follows(1)) return 0;
    if (lead < 0xe0) return 2;
    if (!follows(2)) return 0;
    if (lead < 0xf0) {  // neither overlong nor a surrogate
        return (lead == 0xe0 && second < 0xa0) || (lead == 0xed && second > 0x9f) ? 0 : 3;
    }
    if (!follows(3)) return 0;  // neither overlong nor beyond U+10FFFF
    return (lead == 0xf0 && second < 0x90) || (lead == 0xf4 && second > 0x8f) ? 0 : 4;
}

// Where the first character begins that begins at `at` or later. What belongs to none is left to be found.
int64_t next_character(const char* text, int64_t bytes, int64_t at) {
    for (int64_t lead = at - 1; lead >= 0 && lead >= at - 3; --lead) {
        if ((static_cast<uint8_t>(text[lead]) & 0xc0) == 0x80) continue;
        return std::max(at, lead + std::max(character(text + lead, bytes - lead), 1));
    }
    return at;
}

// Where the first character that is NUL or not UTF-8 begins, of those that begin in the piece; -1: nowhere.
int64_t find_bad(const Range& piece) {
    int64_t at = next_character(piece.text, piece.bytes, piece.begin);
    while (at < piece.end) {
        if (piece.end - at >= 8) {
            const auto eight = load<uint64_t>(piece.text + at);
            const uint64_t high = 0x8080808080808080u, ones = 0x0101010101010101u;
            if (((eight | (eight - ones)) & high) == 0) {  // all of 1 .. 127
                at += 8;
                continue;
            }
        }
        const int size = character(piece.text + at, piece.bytes - at);
        if (size == 0) return at;
        at += size;
    }
    return -1;
}

// ---- pieces ----

// Calls word(span, starts) for each word that begins in the piece, where `starts` says that a "\n" lies
// between it and the word before, or the piece's beginning; returns the same for the piece's end.
template <class F>
bool each_word(const Range& piece, F&& word) {
    const char* const text = piece.text;
    const auto white_at = [&](int64_t i) -> int {  // bytes of the white space at i
        const Class c = class_of(text[i]);
        return c == in_word ? 0 : c == perhaps ? wide_white(text + i, piece.bytes - i) : 1;
    };
    int64_t at = next_character(text, piece.bytes, piece.begin);
    if (at > 0) {  // the rest of a word that began before
        int64_t before = at - 1;
        while (before > 0 && before > at - 4 && (static_cast<uint8_t>(text[before]) & 0xc0) == 0x80) --before;
        if (white_at(before) == 0) {
            while (at < piece.end && white_at(at) == 0) ++at;
        }
    }
    bool starts = false;
    while (at < piece.end) {
        if (const int size = white_at(at); size != 0) {
            starts |= text[at] == '\n';
            at += size;
            continue;
        }
        const int64_t begin = at;
        do {
            ++at;
        } while (at < piece.bytes && white_at(at) == 0);
        word(Span{text + begin, at - begin}, starts);
        starts = false;
    }
    return starts;
}

// Calls word(span) for each word that begins in the piece; the last one may be empty and begin at `bytes`.
template <class F>
void each_item(const Range& piece, char separator, F&& word) {
    const char *const text = piece.text, *const end = text + piece.bytes;
    const char* at = text + piece.begin;
    const auto stop = [&](const char* p) {
        while (p < end && *p != separator) ++p;
        return p;
    };
    if (piece.begin > 0 && at[-1] != separator) {
        while (at < text + piece.end && at < end && *at != separator) ++at;
        ++at;
    }
    while (at < text + piece.end) {
        const char* const last = stop(at);
        word(Span{at, last - at});
        at = last + 1;
    }
}

// A word that the table lacked.
struct Unknown {
    Span word;
    uint64_t key;
    int32_t* token;
};

// What one piece gave.
struct Piece {
    int32_t* tokens = nullptr;
    int64_t n = 0;
    std::vector<Unknown> unknown;
    bool ends_line = false;  // as each_word returns it
    int64_t lines = 0, bad = -1;

    void add(const WordTable& table, Span word, int32_t start) {
        const uint64_t key = WordTable::key(word);
        int32_t* const token = tokens + n++;
        const int32_t id = table.find(word, key);
        *token = (id < 0 ? 0 : id) | start;
        if (id < 0) unknown.push_back({word, key, token});
    }
};

// Runs read(part, piece) for each piece of the range; a piece of s bytes may write room(s) tokens to `out`.
template <class Room, class F>
std::vector<Piece> read_pieces(const Range& range, const Reading& reading, int32_t* out, Room&& room,
                               F&& read) {
    const int64_t size = range.end - range.begin;
    std::vector<Piece> pieces(static_cast<size_t>((size + reading.piece - 1) / reading.piece));
    const auto count = static_cast<int64_t>(pieces.size());
    std::atomic<int64_t> next{0};
    std::atomic<bool> failed{false};
    const int64_t worth = std::min(count, size / thread_bytes + 1);
    run_team(static_cast<int>(std::min<int64_t>(reading.threads, worth)), [&](const Member&) {
        for (int64_t i; (i = next.fetch_add(1)) < count;) {
            const int64_t begin = range.begin + i * reading.piece;
            Piece& piece = pieces[static_cast<size_t>(i)];
            piece.tokens = out + i * room(reading.piece);
            try {
                read({range.text, range.bytes, begin, std::min(begin + reading.piece, range.end)}, piece);
            } catch (const std::bad_alloc&) {
                failed = true;
            }
        }
    });
    if (failed) throw std::bad_alloc();
    return pieces;
}

// Enters what was unknown, in the order of the text, and counts.
void settle(WordTable& table, bool grow, Piece& piece) {
    for (const Unknown& unknown : piece.unknown) {
        *unknown.token |= grow ? table.enter(unknown.word, unknown.key) : table.size();
    }
    for (int64_t i = 0; i < piece.n; ++i) {
        const int32_t id = piece.tokens[i] & ~sentence_start;
        if (id < table.size()) table.add(id);
    }
}

}  // namespace

// ---- the table ----

uint64_t WordTable::key(Span word) {
    const char* p = word.data;
    int64_t n = word.size;
    auto key = static_cast<uint64_t>(n);
    if (n == 0) return 0;
    if (n < 8) return key << 56 | load_few(p, n);
    for (; n > 8; p += 8, n -= 8) key = mix(key ^ load<uint64_t>(p));
    return mix(key ^ load_few(p, n)) | uint64_t{1} << 63;
}

void WordTable::list(char* text, int64_t* ends, int64_t* counts) const {
    std::copy(text_.begin(), text_.end(), text);
    std::copy(ends_.begin(), ends_.end(), ends);
    std::copy(counts_.begin(), counts_.end(), counts);
}

int32_t WordTable::find(Span word, uint64_t key) const {
    if (slots_.empty()) return -1;
    const size_t mask = slots_.size() - 1;
    for (size_t i = mix(key) & mask;; i = (i + 1) & mask) {
        const Slot& slot = slots_[i];
        if (slot.id < 0) return -1;
        if (slot.key == key && (key >> 63 == 0 || is(slot.id, word))) return slot.id;
    }
}

bool WordTable::is(int32_t id, Span word) const {
    const auto i = static_cast<size_t>(id);
    const int64_t begin = i == 0 ? 0 : ends_[i - 1];
    return ends_[i] - begin == word.size &&
           std::memcmp(text_.data() + begin, word.data, static_cast<size_t>(word.size)) == 0;
}

int32_t WordTable::enter(Span word, uint64_t key) {
    int32_t id = find(word, key);
    if (id >= 0) return id;
    id = size();
    if (id == INT32_MAX) throw std::bad_alloc();  // ids have 31 bits, and one means "unknown"
    if (2 * (counts_.size() + 1) > slots_.size()) grow();
    text_.insert(text_.end(), word.data, word.data + word.size);
    ends_.push_back(static_cast<int64_t>(text_.size()));
    counts_.push_back(0);
    place(slots_, {key, id});
    return id;
}

void WordTable::grow() {
    std::vector<Slot> larger(std::max<size_t>(2 * slots_.size(), 1024), Slot{0, -1});
    for (const Slot& slot : slots_) {
        if (slot.id >= 0) place(larger, slot);
    }
    slots_.swap(larger);
}

void WordTable::place(std::vector<Slot>& slots, const Slot& slot) {
    const size_t mask = slots.size() - 1;
    size_t i = mix(slot.key) & mask;
    while (slots[i].id >= 0) i = (i + 1) & mask;
    slots[i] = slot;
}

// ---- reading ----

Lines read_lines(WordTable& table, const Range& range, const Reading& reading, bool& starts, int32_t* out) {
    const auto room = [](int64_t bytes) { return (bytes + 1) / 2; };
    const auto read = [&](const Range& part, Piece& piece) {
        piece.bad = find_bad(part);
        if (piece.bad >= 0) return;
        piece.lines = std::count(part.text + part.begin, part.text + part.end, '\n');
        piece.ends_line = each_word(
            part, [&](Span word, bool first) { piece.add(table, word, first ? sentence_start : 0); });
    };
    std::vector<Piece> pieces = read_pieces(range, reading, out, room, read);
    Lines lines{0, 0, -1};
    for (const Piece& piece : pieces) {
        if (piece.bad >= 0) return {0, 0, piece.bad};
    }
    for (Piece& piece : pieces) {
        settle(table, reading.grow, piece);
        lines.lines += piece.lines;
        if (piece.n > 0 && starts) piece.tokens[0] |= sentence_start;
        starts = piece.ends_line || (piece.n == 0 && starts);
        std::memmove(out + lines.tokens, piece.tokens, static_cast<size_t>(piece.n) * sizeof *out);
        lines.tokens += piece.n;
    }
    return lines;
}

bool read_list(WordTable& table, const char* text, int64_t bytes, char separator, const Reading& reading,
               int32_t* out, int64_t n) {
    // A word may begin at every byte, and behind the last one; so that `out` need not be as long, a piece's
    // place in it is the number of words before.
    const Range range{text, bytes, 0, bytes + 1};
    const int64_t size = reading.piece;
    std::vector<int64_t> before(static_cast<size_t>(bytes / size + 2), 0);
    for (int64_t i = 0; i <= bytes / size; ++i) {
        const int64_t begin = i * size, end = std::min(begin + size, bytes);
        before[static_cast<size_t>(i) + 1] =
            before[static_cast<size_t>(i)] + std::count(text + begin, text + end, separator);
    }
    if (before.back() != n - 1) return false;
    // Word k + 1 begins behind separator k.
    const auto first = [&](const Range& part) {
        const int64_t words = before[static_cast<size_t>(part.begin / size)] + 1;
        return part.begin == 0 ? 0 : words - (text[part.begin - 1] == separator ? 1 : 0);
    };
    const auto room = [](int64_t) { return int64_t{0}; };
    const auto read = [&](const Range& part, Piece& piece) {
        piece.tokens = out + first(part);
        each_item(part, separator, [&](Span word) { piece.add(table, word, 0); });
    };
    for (Piece& piece : read_pieces(range, reading, out, room, read)) settle(table, reading.grow, piece);
    return true;
}

int64_t keep_words(int32_t* tokens, int64_t n, const int32_t* ids, bool& starts) {
    int64_t kept = 0;
    for (int64_t i = 0; i < n; ++i) {
        starts |= tokens[i] < 0;
        const int32_t id = ids[tokens[i] & ~sentence_start];
        if (id < 0) continue;
        tokens[kept++] = id | (starts ? sentence_start : 0);
        starts = false;
    }
    return kept;
}

}  // namespace idembed
