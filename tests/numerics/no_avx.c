// Prints the library's choice of kernels and a hash of what they compute: test_no_avx.py runs it here and on
// an emulated CPU without AVX, where NumPy itself would not start.
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "idembed.h"

enum { VOCAB = 50, POSITIONS = 20, TYPES = 2, HIDDEN = 32, LAYERS = 2, INTERMEDIATE = 64, TEXTS = 3 };

static uint32_t seed = 1;
static uint64_t hash = 14695981039346656037u;  // FNV-1a

// -0.5 .. 0.5 in steps of 2^-16, each exact.
static float next(void) {
    seed = seed * 1664525u + 1013904223u;
    return (float)((int32_t)(seed >> 16) - 32768) / 65536.0f;
}

static float* numbers(int64_t n) {
    float* const made = (float*)malloc((size_t)n * sizeof(float));
    for (int64_t i = 0; i < n; ++i) made[i] = next();
    return made;
}

static void add(const float* x, int64_t n) {
    const unsigned char* const bytes = (const unsigned char*)x;
    for (int64_t i = 0; i < n * 4; ++i) hash = (hash ^ bytes[i]) * 1099511628211u;
}

static void check(const char* what, int32_t status) {
    if (status == IDEMBED_OK) return;
    fprintf(stderr, "%s: status %d\n", what, (int)status);
    exit(1);
}

int main(void) {
    const idembed_config config = {VOCAB, POSITIONS,    TYPES,        HIDDEN, LAYERS,
                                   2,     INTERMEDIATE, IDEMBED_MEAN, 1,      1e-12f};
    const int64_t outer[] = {VOCAB * HIDDEN, POSITIONS * HIDDEN, TYPES * HIDDEN, HIDDEN, HIDDEN};
    const int64_t square = HIDDEN * HIDDEN, wide = INTERMEDIATE * HIDDEN;
    const int64_t layer[] = {square, HIDDEN, square, HIDDEN,       square, HIDDEN, square, HIDDEN,
                             HIDDEN, HIDDEN, wide,   INTERMEDIATE, wide,   HIDDEN, HIDDEN, HIDDEN};
    const float* tensors[5 + 16 * LAYERS];
    int64_t count = 0;
    for (int i = 0; i < 5; ++i) tensors[count++] = numbers(outer[i]);
    for (int l = 0; l < LAYERS; ++l) {
        for (int i = 0; i < 16; ++i) tensors[count++] = numbers(layer[i]);
    }
    idembed_encoder* encoder = NULL;
    check("idembed_encoder_new", idembed_encoder_new(&config, tensors, count, NULL, &encoder));

    const int64_t offsets[TEXTS + 1] = {0, 1, 18, 25};
    int32_t tokens[25];
    for (int i = 0; i < 25; ++i) tokens[i] = i * 7 % VOCAB;
    float vectors[TEXTS * HIDDEN], scores[TEXTS * TEXTS];
    check("idembed_encoder_forward", idembed_encoder_forward(encoder, tokens, offsets, TEXTS, vectors, 2));
    idembed_encoder_free(encoder);
    add(vectors, TEXTS * HIDDEN);
    check("idembed_scores",
          idembed_scores(vectors, TEXTS, HIDDEN, HIDDEN, vectors, TEXTS, NULL, scores, 1, NULL));
    add(scores, TEXTS * TEXTS);

    float* const rows = numbers(5 * 37);
    check("idembed_normalize", idembed_normalize(rows, 5, 37, 37, NULL));
    add(rows, 5 * 37);
    printf("%s %016" PRIx64 "\n", idembed_isa(), hash);
    return 0;
}
