#include "search.h"

#include <algorithm>
#include <atomic>
#include <functional>
#include <limits>
#include <vector>

#include "team.h"

namespace idembed {
namespace {

constexpr int64_t chunk_bytes = 256 << 10;  // what a thread takes at a time
constexpr int64_t thread_bytes = 2 << 20;   // less is not worth starting a thread
constexpr float lowest = -std::numeric_limits<float>::infinity();

// Scores of the rows begin .. end.
void score_rows(const Kernels& kernels, const Matrix& m, const float* queries, int64_t n_queries,
                const uint8_t* mask, float* out, int64_t begin, int64_t end) {
    for (int64_t row = begin; row < end;) {
        if (mask && !mask[row]) {
            for (int64_t q = 0; q < n_queries; ++q) out[q * m.rows + row] = lowest;
            ++row;
            continue;
        }
        int64_t stop = mask ? row + 1 : end;
        while (stop < end && mask[stop]) ++stop;
        kernels.dots(m.data + row * m.stride, stop - row, m.stride, queries, n_queries, m.dim, out + row,
                     m.rows);
        row = stop;
    }
}

// Whether one of the `count` scores is at least `least`; NaN is not.
bool any_from(const float* scores, int64_t count, float least) {
    int found = 0;
    for (int64_t i = 0; i < count; ++i) found |= scores[i] >= least;
    return found != 0;
}

// Calls visit(i) for scores that may be at least `least()`, in order; those of blocks without any are passed
// over.
template <typename Least, typename Visit>
void visit_from(const float* scores, int64_t n, Least least, Visit visit) {
    constexpr int64_t block = 256;
    for (int64_t begin = 0; begin < n; begin += block) {
        const int64_t end = std::min(begin + block, n);
        if (!any_from(scores + begin, end - begin, least())) continue;
        for (int64_t i = begin; i < end; ++i) visit(i);
    }
}

}  // namespace

void scores(const Kernels& kernels, const Matrix& matrix, const float* queries, int64_t n_queries,
            const uint8_t* mask, float* out, int threads) {
    const int64_t row_bytes = std::max<int64_t>(matrix.dim, 1) * static_cast<int64_t>(sizeof(float));
    const int64_t chunk = std::max<int64_t>(chunk_bytes / row_bytes, 16);
    const int64_t worth = matrix.rows * row_bytes / thread_bytes * std::max<int64_t>(n_queries / 16, 1) + 1;
    std::atomic<int64_t> next{0};
    run_team(static_cast<int>(std::min<int64_t>(threads, worth)), [&](const Member&) {
        for (int64_t begin; (begin = next.fetch_add(chunk)) < matrix.rows;) {
            score_rows(kernels, matrix, queries, n_queries, mask, out, begin,
                       std::min(begin + chunk, matrix.rows));
        }
    });
}

TopK top_k(const float* scores, int64_t n, int64_t k, int64_t* above, int64_t* tied, int64_t capacity) {
    // The k best values, the worst of them on top. NaN is greater than nothing, so it never enters.
    std::vector<float> best;
    best.reserve(static_cast<size_t>(k));
    float worst = lowest;
    visit_from(
        scores, n, [&] { return worst; },
        [&](int64_t i) {
            if (!(scores[i] > worst)) return;
            if (static_cast<int64_t>(best.size()) == k) {
                std::pop_heap(best.begin(), best.end(), std::greater<>());
                best.back() = scores[i];
            } else {
                best.push_back(scores[i]);
            }
            std::push_heap(best.begin(), best.end(), std::greater<>());
            if (static_cast<int64_t>(best.size()) == k) worst = best.front();
        });
    TopK found{0, 0, best.empty() ? lowest : best.front()};
    if (best.empty()) return found;
    visit_from(
        scores, n, [&] { return found.threshold; },
        [&](int64_t i) {
            if (scores[i] > found.threshold) {
                above[found.above++] = i;
            } else if (scores[i] == found.threshold) {
                if (found.tied < capacity) tied[found.tied] = i;
                ++found.tied;
            }
        });
    std::stable_sort(above, above + found.above, [&](int64_t a, int64_t b) { return scores[a] > scores[b]; });
    return found;
}

}  // namespace idembed
