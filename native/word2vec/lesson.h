// What one chunk is trained with, whatever the method.
#ifndef IDEMBED_WORD2VEC_LESSON_H
#define IDEMBED_WORD2VEC_LESSON_H

#include <cstdint>

#include "kernels.h"
#include "word2vec/sample.h"
#include "word2vec/vocabulary.h"

namespace idembed {

struct Lesson {
    const Kernels& kernels;
    const WordStatistics& words;
    const Pass& pass;
    Matrices matrices;
    WindowRule windows;
    int negative;
    bool mean;           // CBOW: the hidden layer is the mean of its window, else the sum
    bool divided;        // CBOW: what goes back to a window is divided by its length
    int64_t begin, end;  // of the chunk, in tokens
    float rate;
    int group;     // records whose gradients are computed before any is applied
    double* loss;  // null when nobody asked
};

}  // namespace idembed
#endif
