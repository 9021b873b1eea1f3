#include "block.h"

#include <algorithm>
#include <cstddef>
#include <cstring>
#include <initializer_list>

#include "../pages.h"

namespace idembed {
namespace {

constexpr int64_t page = 4096;
constexpr int64_t stretch = 8;  // chunks that are given back at once

// At the beginning of a block; the sums of the chunks follow, 8 bytes each, then zeros up to a whole page.
struct Head {
    char magic[8];
    uint64_t sum;  // of all bytes of the head behind this number
    uint64_t order;
    BlockKind kind;
};
static_assert(sizeof(Head) == 64, "no gaps: all its bytes are summed");

constexpr char magic[8] = {'i', 'd', 'e', 'm', 'b', 'e', 'd', '\n'};
constexpr uint64_t order = 0x0102030405060708;  // reads otherwise on a machine of the other byte order
constexpr int64_t summed = offsetof(Head, order);

constexpr uint64_t odd = 0x9e3779b97f4a7c15;

uint64_t next(uint64_t state, uint64_t word) {
    const uint64_t x = (state ^ word) * odd;
    return x << 29 | x >> 35;
}

uint64_t next(uint64_t state, const unsigned char* bytes) {
    uint64_t word;
    std::memcpy(&word, bytes, sizeof word);
    return next(state, word);
}

// Eight sums side by side, for each alone would wait for its own products; in variables, as GCC keeps an
// array of them in memory, which takes five times as long. A step takes every word and every state to another
// one, so no change of a single word is lost. No protection from somebody who wants the sum to be right.
uint64_t sum_of(const unsigned char* bytes, int64_t n) {
    uint64_t a = 1, b = 2, c = 3, d = 4, e = 5, f = 6, g = 7, h = 8;
    for (; n >= 64; n -= 64, bytes += 64) {
        a = next(a, bytes);
        b = next(b, bytes + 8);
        c = next(c, bytes + 16);
        d = next(d, bytes + 24);
        e = next(e, bytes + 32);
        f = next(f, bytes + 40);
        g = next(g, bytes + 48);
        h = next(h, bytes + 56);
    }
    for (; n >= 8; n -= 8, bytes += 8) a = next(a, bytes);
    uint64_t sum = odd;
    for (const uint64_t state : {a, b, c, d, e, f, g, h}) sum = next(sum, state);
    return sum;
}

int64_t chunks_of(int64_t bytes) {
    return (bytes + IDEMBED_CHUNK - 1) / IDEMBED_CHUNK;
}

int64_t head_of_chunks(int64_t chunks) {
    return (static_cast<int64_t>(sizeof(Head)) + 8 * chunks + page - 1) / page * page;
}

Head head_of(const void* block) {
    Head head;
    std::memcpy(&head, block, sizeof head);
    return head;
}

const unsigned char* at(const void* block, int64_t offset) {
    return static_cast<const unsigned char*>(block) + offset;
}

// The sum of one chunk; the first goes without the head.
uint64_t sum_of_chunk(const void* block, int64_t bytes, int64_t chunk) {
    const int64_t head = head_of_chunks(chunks_of(bytes));
    const int64_t begin = std::max<int64_t>(chunk * IDEMBED_CHUNK, head);
    return sum_of(at(block, begin), std::min<int64_t>((chunk + 1) * IDEMBED_CHUNK, bytes) - begin);
}

// What the head says that it is.
uint64_t sealed_sum(const void* block, int64_t chunk) {
    uint64_t sum;
    std::memcpy(&sum, at(block, static_cast<int64_t>(sizeof(Head)) + 8 * chunk), sizeof sum);
    return sum;
}

uint64_t sum_of_head(const void* block, int64_t bytes) {
    return sum_of(at(block, summed), head_of_chunks(chunks_of(bytes)) - summed);
}

}  // namespace

int64_t head_bytes(int64_t body) {
    int64_t head = page;
    while (head_of_chunks(chunks_of(head + body)) > head) head += page;
    return head;
}

void seal_block(const BlockKind& kind, void* block) {
    const int64_t chunks = chunks_of(kind.bytes);
    std::memset(block, 0, static_cast<size_t>(head_of_chunks(chunks)));
    Head head{};
    std::memcpy(head.magic, magic, sizeof magic);
    head.order = order;
    head.kind = kind;
    std::memcpy(block, &head, sizeof head);
    for (int64_t i = 0; i < chunks; ++i) {
        const uint64_t sum = sum_of_chunk(block, kind.bytes, i);
        std::memcpy(static_cast<unsigned char*>(block) + sizeof head + 8 * i, &sum, sizeof sum);
    }
    head.sum = sum_of_head(block, kind.bytes);
    std::memcpy(block, &head, sizeof head);
}

bool is_block(const BlockKind& kind, const void* block, int64_t bytes) {
    if (bytes != kind.bytes) return false;
    const Head head = head_of(block);
    return std::memcmp(head.magic, magic, sizeof magic) == 0 && head.order == order &&
           std::memcmp(&head.kind, &kind, sizeof kind) == 0 && head.sum == sum_of_head(block, bytes);
}

bool chunks_are_whole(const void* block, int64_t first, int64_t count, bool is_mapped) {
    const int64_t bytes = head_of(block).kind.bytes;
    const int64_t end = std::min(first + count, chunks_of(bytes));
    for (int64_t begin = first; begin < end; begin += stretch) {
        const int64_t until = std::min(begin + stretch, end);
        for (int64_t i = begin; i < until; ++i) {
            if (sealed_sum(block, i) != sum_of_chunk(block, bytes, i)) return false;
        }
        if (!is_mapped) continue;
        const int64_t offset = begin * IDEMBED_CHUNK;
        give_back(at(block, offset), std::min(until * IDEMBED_CHUNK, bytes) - offset);
    }
    return true;
}

}  // namespace idembed
