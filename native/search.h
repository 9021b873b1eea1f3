// Exact inner products and the best of them.
#ifndef IDEMBED_SEARCH_H
#define IDEMBED_SEARCH_H

#include <cstdint>

#include "kernels.h"

namespace idembed {

struct Matrix {
    const float* data;
    int64_t rows, dim, stride;
};

void scores(const Kernels& kernels, const Matrix& matrix, const float* queries, int64_t n_queries,
            const uint8_t* mask, float* out, int threads);

struct TopK {
    int64_t above, tied;
    float threshold;
};

// As idembed_top_k; throws std::bad_alloc.
TopK top_k(const float* scores, int64_t n, int64_t k, int64_t* above, int64_t* tied, int64_t capacity);

}  // namespace idembed
#endif
