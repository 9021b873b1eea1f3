// What training asks of each instruction set. A row is `stride` floats, a multiple of 16, zeros behind its
// `dim`.
#ifndef IDEMBED_WORD2VEC_WORD_KERNELS_H
#define IDEMBED_WORD2VEC_WORD_KERNELS_H

#include <stdint.h>

#include "word2vec/draws.h"

namespace idembed {

constexpr int most_in_group = 16;  // records whose gradients are computed before any of them is applied

// The two matrices that are trained, [words, stride].
struct Matrices {
    float *inputs, *outputs;
    int64_t stride;
};

struct Pair {
    uint32_t input, output;
};

// One block of skip-gram: `pairs` seen together, and `lonely` input words that are pushed away from
// `negative` words of the noise each; both in groups that take turns.
struct SkipgramBlock {
    Matrices matrices;
    float rate;
    int group;  // records in a group, at most most_in_group
    int negative;
    const Pair* pairs;
    int64_t n_pairs;
    const uint32_t* lonely;
    int64_t n_lonely;
    Noise noise;
    uint64_t key;  // of the block's draws
    double* loss;  // is added to; may be null
};

// The places around a centre that belong to its window, the centre among them.
struct Window {
    uint32_t first, last;
};

// Up to most_in_group centres of a frozen block of CBOW that share their negative words: begin, begin + step,
// ... Those that are alone in their window are passed over.
struct CbowGroup {
    Matrices matrices;          // only read
    const uint32_t* words;      // by place
    const Window* windows;      // by centre
    uint32_t first_place;       // centre c stands at place first_place + c
    uint32_t begin, step, end;  // of centres
    const uint32_t* negatives;  // [negative]
    int negative;
    float rate;
    bool mean;      // the hidden layer is the mean of the window, else the sum
    bool divided;   // what goes back to the window is divided by its length
    float* hidden;  // [centres, stride], is filled
    float* errors;  // [centres, stride], is filled: what each word of the window is to be given
    float* pulls;   // by centre, is filled: times `hidden` is what the centre's word is to be given
    float* pushes;  // [negative, stride], is filled: what each negative word is to be given
    double* loss;   // is added to; may be null
};

// row += scale * sum over i of weights[terms[i]] * from[terms[i]], a row of [.., stride]
struct Addition {
    float* row;
    const float* from;
    const uint32_t* terms;
    int64_t count;
    const float* weights;  // null: all 1
    float scale;
    int64_t stride;
};

// One step in which every gradient is fresh: `hidden` against targets[0], which was seen, and the others,
// which were not. Outputs are changed at once; `error` becomes what `hidden` is to be given.
struct Step {
    float* outputs;
    int64_t stride;
    const float* hidden;
    float* error;
    const uint32_t* targets;
    int count;
    float rate;
    double* loss;
};

struct WordKernels {
    void (*skipgram)(const SkipgramBlock& block);
    void (*cbow)(const CbowGroup& group);
    void (*add)(const Addition& addition);
    void (*learn)(const Step& step);
    // sum [stride] = the sum of the rows of a window's words but for the one at `centre`
    void (*gather)(const float* rows, int64_t stride, const uint32_t* words, Window window, uint32_t centre,
                   float* sum);
    void (*scale)(float* row, float factor, int64_t n);              // n a multiple of 16
    void (*accumulate)(float* row, const float* addend, int64_t n);  // row += addend
};

}  // namespace idembed
#endif
