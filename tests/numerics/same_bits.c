// Prints the library's choice of kernels, then a line for each area with a hash of what it computes. The
// tests run it on this machine and on emulated ones, where NumPy would not start or is not installed;
// same_bits.py knows what must come out.
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "idembed.h"

// ---- numbers to compute with, and the hash ----

static uint32_t seed;
static uint64_t hash;  // FNV-1a

static void begin(void) {
    seed = 1;
    hash = 14695981039346656037u;
}

static void end(const char* area) {
    printf("%s %016" PRIx64 "\n", area, hash);
}

static uint32_t random16(void) {
    seed = seed * 1664525u + 1013904223u;
    return seed >> 16;
}

// -0.5 .. 0.5 in steps of 2^-16, each exact.
static float next(void) {
    return (float)((int32_t)random16() - 32768) / 65536.0f;
}

static float large(void) {
    return next() * 8;
}

// Any finite float, denormal ones among them.
static float finite(void) {
    uint32_t bits = random16() << 16 | random16();
    if ((bits & 0x7f800000u) == 0x7f800000u) bits ^= 0x00800000u;
    float x;
    memcpy(&x, &bits, sizeof x);
    return x;
}

static float* numbers(int64_t n, float (*one)(void)) {
    float* const made = (float*)malloc((size_t)n * sizeof(float));
    for (int64_t i = 0; i < n; ++i) made[i] = one();
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

// ---- the areas ----

// Texts of every length to 20; sizes that are no powers of two, so that scales and means round.
static void encoder(const char* area, int32_t relative) {
    enum { VOCAB = 50, TYPES = 2, HIDDEN = 48, LAYERS = 2, HEADS = 1, INTERMEDIATE = 80, TEXTS = 20 };
    enum { TOKENS = TEXTS * (TEXTS + 1) / 2 };
    static const int32_t poolings[] = {IDEMBED_MEAN, IDEMBED_CLS, IDEMBED_MAX, IDEMBED_MEAN_SQRT_LEN};
    const int count_of_poolings = relative ? 4 : 3;
    const int64_t outer[] = {VOCAB * HIDDEN, TEXTS * HIDDEN, TYPES * HIDDEN, HIDDEN, HIDDEN};
    const int64_t square = HIDDEN * HIDDEN, wide = INTERMEDIATE * HIDDEN;
    const int64_t layer[] = {square, HIDDEN, square, HIDDEN,       square, HIDDEN, square, HIDDEN,
                             HIDDEN, HIDDEN, wide,   INTERMEDIATE, wide,   HIDDEN, HIDDEN, HIDDEN};
    int64_t offsets[TEXTS + 1] = {0};
    float* tensors[6 + 16 * LAYERS];
    int32_t tokens[TOKENS];
    static float vectors[TEXTS * HIDDEN];
    int64_t count = 0;
    begin();
    // With large gammas a token's own share outweighs the biases, and tokens stay apart.
    for (int i = 0; i < 5; ++i) tensors[count++] = numbers(outer[i], i == 3 ? large : next);
    if (relative) tensors[count++] = numbers(IDEMBED_RELATIVE_BUCKETS * HEADS, large);
    for (int l = 0; l < LAYERS; ++l) {
        for (int i = 0; i < 16; ++i) tensors[count++] = numbers(layer[i], i == 8 || i == 14 ? large : next);
    }
    // Half of each token's vector is zeros of both signs: the larger of two is the one that came first.
    for (int i = 0; i < HIDDEN / 2; ++i) {
        tensors[count - 2][i] = 0.0f;
        tensors[count - 1][i] = -0.0f;
    }
    for (int i = 0; i < TEXTS; ++i) offsets[i + 1] = offsets[i] + i + 1;
    for (int i = 0; i < TOKENS; ++i) tokens[i] = i * 7 % VOCAB;
    for (int i = 0; i < count_of_poolings; ++i) {
        const idembed_config config = {VOCAB,        TEXTS,       TYPES, HIDDEN,        LAYERS, HEADS,
                                       INTERMEDIATE, poolings[i], 1,     IDEMBED_F32_1, 1e-12f, relative};
        int64_t wanted, bytes, layout;
        check("idembed_block_kind", idembed_block_kind(&config, NULL, &wanted, &bytes, &layout));
        check("as many tensors", wanted == count ? IDEMBED_OK : IDEMBED_ARGUMENT);
        void* const memory = calloc(1, (size_t)bytes + 64);
        void* const block = (void*)(((uintptr_t)memory + 63) / 64 * 64);
        for (int64_t t = 0; t < count; ++t) {
            check("idembed_block_pack", idembed_block_pack(&config, NULL, t, tensors[t], block));
        }
        check("idembed_block_seal", idembed_block_seal(&config, NULL, block));
        idembed_encoder* made = NULL;
        check("idembed_encoder_open", idembed_encoder_open(&config, NULL, block, bytes, &made));
        check("idembed_block_check", idembed_block_check(block, 0, bytes / IDEMBED_CHUNK + 1, 0));
        check("idembed_encoder_forward", idembed_encoder_forward(made, tokens, offsets, TEXTS, vectors, 2));
        idembed_encoder_free(made);
        free(memory);
        add(vectors, TEXTS * HIDDEN);
    }
    for (int i = 0; i < count; ++i) free(tensors[i]);
    end(area);
}

// A layer that is no multiple of 16 wide, with tanh and without.
static void dense(void) {
    enum { IN = 37, OUT = 21, ROWS = 70 };
    begin();
    float* const weight = numbers(OUT * IN, next);
    float* const bias = numbers(OUT, next);
    float* const x = numbers(ROWS * IN, next);
    float y[ROWS * OUT];
    for (int32_t activation = IDEMBED_IDENTITY; activation <= IDEMBED_TANH; ++activation) {
        idembed_dense* made = NULL;
        check("idembed_dense_new",
              idembed_dense_new(IN, OUT, activation, weight, activation ? bias : NULL, NULL, &made));
        check("idembed_dense_apply", idembed_dense_apply(made, x, ROWS, y));
        idembed_dense_free(made);
        add(y, ROWS * OUT);
    }
    free(weight);
    free(bias);
    free(x);
    end("dense");
}

// What the small one above is too small for: several heads, more columns within than are computed at a time
// (256), texts longer than the queries of a head that are computed at a time (48), weights of more than a
// panel (64); in each profile. The longest text may have more keys than profile i16 sums at a time (128).
static void wide_encoder(const char* area, int32_t relative, int32_t profile, int32_t intermediate,
                         int64_t longest) {
    enum { VOCAB = 20, HIDDEN = 96, HEADS = 3 };
    enum { TEXTS = 4, TOKENS = 1 + 150 + 17 + 2 };
    const int64_t offsets[TEXTS + 1] = {0, 1, 1 + longest, 18 + longest, 20 + longest};
    const int64_t square = HIDDEN * HIDDEN, inner = intermediate * HIDDEN;
    const int64_t sizes[] = {VOCAB * HIDDEN, longest * HIDDEN, HIDDEN, HIDDEN, HIDDEN,       square,
                             HIDDEN,         square,           HIDDEN, square, HIDDEN,       square,
                             HIDDEN,         HIDDEN,           HIDDEN, inner,  intermediate, inner,
                             HIDDEN,         HIDDEN,           HIDDEN};
    const idembed_config config = {VOCAB,        (int32_t)longest, 1, HIDDEN,  1,      HEADS,
                                   intermediate, IDEMBED_MEAN,     1, profile, 1e-12f, relative};
    int64_t wanted, bytes, layout;
    int32_t tokens[TOKENS];
    float vectors[TEXTS * HIDDEN];
    begin();
    check("idembed_block_kind", idembed_block_kind(&config, NULL, &wanted, &bytes, &layout));
    void* const memory = calloc(1, (size_t)bytes + 64);
    void* const block = (void*)(((uintptr_t)memory + 63) / 64 * 64);
    for (int64_t t = 0; t < wanted; ++t) {
        const int64_t at = relative && t > 5 ? t - 1 : t;
        const int64_t size = relative && t == 5 ? IDEMBED_RELATIVE_BUCKETS * HEADS : sizes[at];
        float* const tensor = numbers(size, at == 3 || at == 13 || at == 19 ? large : next);
        check("idembed_block_pack", idembed_block_pack(&config, NULL, t, tensor, block));
        free(tensor);
    }
    check("idembed_block_seal", idembed_block_seal(&config, NULL, block));
    for (int i = 0; i < TOKENS; ++i) tokens[i] = i * 7 % VOCAB;
    for (int32_t threads = 1; threads <= 3; threads += 2) {
        idembed_encoder* made = NULL;
        check("idembed_encoder_open", idembed_encoder_open(&config, NULL, block, bytes, &made));
        check("idembed_encoder_forward",
              idembed_encoder_forward(made, tokens, offsets, TEXTS, vectors, threads));
        idembed_encoder_free(made);
        add(vectors, TEXTS * HIDDEN);
    }
    free(memory);
    end(area);
}

// The linear layer of an integer profile: tiles of every number of rows, a whole chunk and a short one. The
// first rows and columns are as large as whole numbers get, all of one sign; then come zeros, and columns of
// the smallest scale and a large one.
static void int_linear(const char* area, int32_t profile) {
    enum { ROWS = 19, IN = 400, OUT = 80 };
    begin();
    float* const x = numbers(ROWS * IN, next);
    float* const weight = numbers(OUT * IN, next);
    float* const bias = numbers(OUT, next);
    float y[ROWS * OUT];
    for (int i = 0; i < IN; ++i) {
        x[i] = 1;
        x[IN + i] = -1;
        x[2 * IN + i] = 0;
        weight[i] = 1;
        weight[IN + i] = -1;
        weight[2 * IN + i] = 0;
        weight[3 * IN + i] *= 0x1p-91f;
        weight[4 * IN + i] *= 0x1p+91f;
    }
    for (int64_t rows = 1; rows <= ROWS; ++rows) {
        check("idembed_test_int_linear",
              idembed_test_int_linear(NULL, profile, x, weight, bias, y, rows, IN, OUT));
        add(y, rows * OUT);
    }
    free(x);
    free(weight);
    free(bias);
    end(area);
}

// All dimensions to 37: whole steps of 16 and every kind of rest.
static void search(void) {
    enum { ROWS = 11, QUERIES = 6, STRIDE = 37 };
    begin();
    float* const rows = numbers(ROWS * STRIDE, next);
    float* const queries = numbers(QUERIES * STRIDE, next);
    float scores[QUERIES * ROWS];
    for (int dim = 1; dim <= STRIDE; ++dim) {
        check("idembed_scores",
              idembed_scores(rows, ROWS, dim, STRIDE, queries, QUERIES, NULL, scores, 1, NULL));
        add(scores, QUERIES * ROWS);
    }
    check("idembed_normalize", idembed_normalize(rows, ROWS, STRIDE, STRIDE, NULL));
    add(rows, ROWS * STRIDE);
    free(rows);
    free(queries);
    end("search");
}

// Floats of every size, and as many where the functions bend. The result of infinities is not specified.
static void functions(void) {
    enum { N = 20000 };
    static const char* const names[] = {"exp", "erf", "gelu", "tanh", "int_gelu"};
    for (int32_t function = IDEMBED_TEST_EXP; function <= IDEMBED_TEST_INT_GELU; ++function) {
        begin();
        float* const x = numbers(2 * N, finite);
        float* const y = (float*)malloc(2 * N * sizeof(float));
        for (int i = N; i < 2 * N; ++i) x[i] = next() * (i % 2 ? 16 : 256);
        check("idembed_test_map", idembed_test_map(NULL, function, x, y, 2 * N));
        add(y, 2 * N);
        free(x);
        free(y);
        end(names[function]);
    }
}

static void fused(void) {
    enum { N = 20000 };
    begin();
    float* const a = numbers(N, finite);
    float* const b = numbers(N, finite);
    float* const c = numbers(N, finite);
    float y[N];
    for (int i = 0; i < N; ++i) {
        if (i % 2) b[i] = next();  // so that fewer overflow
        const float product = a[i] * b[i];
        if (i % 3 && isfinite(product)) c[i] = -product;  // leaves what rounding lost
    }
    check("idembed_test_fma", idembed_test_fma(NULL, a, b, c, y, N));
    add(y, N);
    free(a);
    free(b);
    free(c);
    end("fma");
}

// A pass of 2 threads over sentences of 1 to 40 words, frequent ones among them.
static void word2vec(const char* area, int32_t skipgram, int64_t words) {
    enum { DIM = 20, STRIDE = 32, TOKENS = 1200 };
    const idembed_word2vec_config config = {words, DIM, 4, 6, skipgram, 1, 1, 1, 30.0, 0.75, 1};
    const size_t size = (size_t)words * STRIDE;
    int64_t* const counts = (int64_t*)malloc((size_t)words * sizeof(int64_t));
    float* const inputs = (float*)malloc(size * sizeof(float));
    float* const outputs = (float*)calloc(size, sizeof(float));
    int32_t tokens[TOKENS];
    begin();
    for (int64_t i = 0; i < words; ++i) counts[i] = 1;
    for (int i = 0, left = 0; i < TOKENS; ++i, --left) {
        // A number below one below one ..: small ones are frequent.
        uint32_t word = (uint32_t)words - 1;
        for (int level = 0; level < 4; ++level) word = random16() * (word + 1) >> 16;
        ++counts[word];
        tokens[i] = (int32_t)word;
        if (left == 0) {
            left = 1 + (int)(random16() % 40);
            tokens[i] |= INT32_MIN;
        }
    }
    idembed_word2vec* trainer = NULL;
    check("idembed_word2vec_new", idembed_word2vec_new(&config, counts, NULL, &trainer));
    check("idembed_word2vec_start", idembed_word2vec_start(inputs, 0, words, DIM, 1));
    int64_t kept;
    double loss = 0;
    const idembed_word2vec_pass pass = {tokens, TOKENS, 3, 0.2, 0.05};
    check("idembed_word2vec_train",
          idembed_word2vec_train(trainer, &pass, 0, TOKENS, inputs, outputs, &kept, &loss, 2));
    idembed_word2vec_free(trainer);
    add(inputs, (int64_t)size);
    add(outputs, (int64_t)size);
    const float numbers[] = {(float)kept, (float)loss};
    add(numbers, 2);
    free(counts);
    free(inputs);
    free(outputs);
    end(area);
}

// A caller's rounding towards zero and flushing of denormals changes nothing, and is there again afterwards.
static void float_mode(void) {
#if defined(__x86_64__)
    const uint64_t other = 0x1f80 | 3 << 13 | 1 << 15 | 1 << 6;
#else
    const uint64_t other = 3 << 22 | 1 << 24;
#endif
    const uint64_t before = idembed_test_float_mode(&other);
    encoder("float_mode", 0);
    const uint64_t after = idembed_test_float_mode(&before);
    if (after != other) {
        fprintf(stderr, "the float mode became %" PRIx64 "\n", after);
        exit(1);
    }
}

int main(void) {
    if (!idembed_isa()) check("idembed_isa", IDEMBED_ISA);
    printf("isa %s\n", idembed_isa());
    encoder("encoder", 0);
    encoder("relative", 1);
    wide_encoder("wide_encoder", 0, IDEMBED_F32_1, 272, 50);
    wide_encoder("wide_relative", 1, IDEMBED_F32_1, 272, 50);
    wide_encoder("i16", 0, IDEMBED_I16_1, 784, 50);
    wide_encoder("i8", 0, IDEMBED_I8_1, 784, 50);
    wide_encoder("i16_long", 1, IDEMBED_I16_1, 16, 150);
    wide_encoder("i8_long", 1, IDEMBED_I8_1, 16, 150);
    int_linear("i16_linear", IDEMBED_I16_1);
    int_linear("i8_linear", IDEMBED_I8_1);
    dense();
    search();
    functions();
    fused();
    word2vec("skipgram", 1, 1000);
    word2vec("cbow", 0, 1000);
    word2vec("few_words_skipgram", 1, 50);
    word2vec("few_words_cbow", 0, 50);
    float_mode();
    return 0;
}
