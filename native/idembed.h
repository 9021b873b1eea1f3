// The whole C ABI of idembed's native core.
//
// No files, no JSON, no Python, no exceptions, no state between calls. Every function may be called from any
// thread; one encoder may be used by several threads at once. Nothing is written to an output unless the
// function returns IDEMBED_OK, but for IDEMBED_NOT_FINITE of a forward pass, of idembed_dense_apply and of
// idembed_normalize, and for IDEMBED_RANGE of idembed_block_pack, see there.
//
// `isa` is "scalar", "avx2", "avxvnni", "avx512", "avx512vnni", "neon" or "neondot"; null or "" means the
// library's own choice, see idembed_isa(). No result depends on `isa` or on `threads`: docs/numerics.md
// specifies every bit.
#ifndef IDEMBED_H
#define IDEMBED_H

#include <stdint.h>

#if defined(_WIN32)
#define IDEMBED_API __declspec(dllexport)
#else
#define IDEMBED_API __attribute__((visibility("default")))
#endif

#ifdef __cplusplus
extern "C" {
#endif

#define IDEMBED_ABI 5  // raised whenever anything on this page changes

enum {
    IDEMBED_OK = 0,
    IDEMBED_ARGUMENT = 1,  // a null pointer, a negative count, an unknown pooling, offsets that go backwards
    IDEMBED_ISA = 2,       // an instruction set that is unknown, not compiled in, or not in this CPU
    IDEMBED_SHAPE = 3,  // hidden, hidden / heads and intermediate must be positive multiples of 16; positions
                        // and hidden / heads of an integer profile at most 2^18 and 2^16
    IDEMBED_NOT_FINITE = 4,  // a weight, or a result, is infinite or NaN
    IDEMBED_TOKEN = 5,       // a token id outside 0 .. vocab-1
    IDEMBED_LENGTH = 6,      // a text of no tokens, or of more than `positions`
    IDEMBED_MEMORY = 7,
    IDEMBED_BLOCK = 8,  // a block that is damaged, or packed for something else
    IDEMBED_RANGE = 9   // weights whose products in whole numbers could overflow
};

// IDEMBED_ABI of the library.
IDEMBED_API int32_t idembed_abi(void);

// The choice: the environment's IDEMBED_ISA if set, else the widest that the CPU has; null when IDEMBED_ISA
// names one that cannot be used here.
IDEMBED_API const char* idembed_isa(void);

// All that this CPU can run, widest first: "avx512vnni,avx512,avx2,scalar" or "neondot,neon,scalar".
IDEMBED_API const char* idembed_isas(void);

// ---- encoder ----

typedef struct idembed_encoder idembed_encoder;

enum {
    IDEMBED_MEAN = 0,
    IDEMBED_CLS = 1,
    IDEMBED_MAX = 2,
    IDEMBED_MEAN_SQRT_LEN = 3  // the sum of the tokens, divided by the square root of their number
};

enum { IDEMBED_RELATIVE_BUCKETS = 32 };
enum { IDEMBED_F32_1 = 0, IDEMBED_I16_1 = 1, IDEMBED_I8_1 = 2 };  // profiles

typedef struct {
    int32_t vocab, positions, types, hidden, layers, heads, intermediate;
    int32_t pooling;    // IDEMBED_MEAN, ..
    int32_t normalize;  // 1: divide each vector by its Euclidean norm
    int32_t profile;    // IDEMBED_F32_1, IDEMBED_I16_1 or IDEMBED_I8_1
    float layer_norm_eps;
    int32_t relative;  // 1: a bias by the distance of two tokens is added to their score, as in MPNet
} idembed_config;

// Weights are packed into a block, one piece of memory that begins at a multiple of 64 bytes and may come
// from a file: at first all zeros, every tensor packed into it, then sealed. An encoder reads the block where
// it lies.
#define IDEMBED_CHUNK 1048576  // bytes that have a sum of their own

// What a block depends on.
//
//   tensors  how many are packed
//   bytes    of a block
//   layout   blocks of one layout made from the same tensors have the same bytes; differs between profiles,
//            between some instruction sets, and when a later version packs otherwise
IDEMBED_API int32_t idembed_block_kind(const idembed_config* config, const char* isa, int64_t* tensors,
                                       int64_t* bytes, int64_t* layout);

// clang-format off
// Packs one tensor. They are float32, row-major, in this order (5 + 16 * layers of them, and one more if
// relative):
//
//   word       [vocab, hidden]
//   position   [positions, hidden]
//   token_type [types, hidden]
//   gamma      [hidden]                  beta [hidden]           layer norm
//   relative   [32, heads]               only if config->relative: one row a bucket of distances
//
//   and for each layer
//
//   query      [hidden, hidden]          bias [hidden]
//   key        [hidden, hidden]          bias [hidden]
//   value      [hidden, hidden]          bias [hidden]
//   output     [hidden, hidden]          bias [hidden]
//   gamma      [hidden]                  beta [hidden]           layer norm
//   up         [intermediate, hidden]    bias [intermediate]
//   down       [hidden, intermediate]    bias [hidden]
//   gamma      [hidden]                  beta [hidden]           layer norm
//
// A matrix is [out_features, in_features], as BERT checkpoints store it. Returns IDEMBED_NOT_FINITE for a
// tensor that is not finite, and IDEMBED_RANGE where an integer profile cannot hold it, which its scales exclude.
// clang-format on
IDEMBED_API int32_t idembed_block_pack(const idembed_config* config, const char* isa, int64_t index,
                                       const float* tensor, void* block);

// Writes sums of everything into the block's head.
IDEMBED_API int32_t idembed_block_seal(const idembed_config* config, const char* isa, void* block);

// Compares chunks first .. first+count-1 with their sums, those that there are. Returns IDEMBED_BLOCK if they
// differ. For a block that idembed_encoder_open takes. `is_mapped`: the block is a mapped file, and pages
// that have been compared are given back to the system, so that those that no text reads do not stay in
// memory.
IDEMBED_API int32_t idembed_block_check(const void* block, int64_t first, int64_t count, int32_t is_mapped);

// An encoder of the weights in `block`, which must stay as it is until the encoder is freed. Looks at the
// head only: IDEMBED_BLOCK unless it is whole and says that the block has this size, shape and layout.
IDEMBED_API int32_t idembed_encoder_open(const idembed_config* config, const char* isa, const void* block,
                                         int64_t bytes, idembed_encoder** encoder);

// One vector a text: out [n, hidden]. Text i has the tokens offsets[i] .. offsets[i+1]-1; offsets [n+1] begin
// at 0. Returns IDEMBED_NOT_FINITE when a vector overflowed; `out` then holds no meaning.
IDEMBED_API int32_t idembed_encoder_forward(const idembed_encoder* encoder, const int32_t* tokens,
                                            const int64_t* offsets, int64_t n, float* out, int32_t threads);

IDEMBED_API void idembed_encoder_free(idembed_encoder* encoder);

// ---- a layer behind the pooling ----

typedef struct idembed_dense idembed_dense;

enum { IDEMBED_IDENTITY = 0, IDEMBED_TANH = 1 };

// y = activation(x W^T + bias). Copies and packs weight [out, in] and bias [out]; bias may be null: zeros.
IDEMBED_API int32_t idembed_dense_new(int64_t in, int64_t out, int32_t activation, const float* weight,
                                      const float* bias, const char* isa, idembed_dense** dense);

// x [n, in], y [n, out]. Returns IDEMBED_NOT_FINITE when a number of y is not; `y` then holds no meaning.
IDEMBED_API int32_t idembed_dense_apply(const idembed_dense* dense, const float* x, int64_t n, float* y);

IDEMBED_API void idembed_dense_free(idembed_dense* dense);

// ---- search ----

// out[q * rows + r] = inner product of query q and row r; row r begins at matrix[r * stride].
// `mask` [rows] may be null; where it is 0 the row is not read and its score is -infinity.
IDEMBED_API int32_t idembed_scores(const float* matrix, int64_t rows, int64_t dim, int64_t stride,
                                   const float* queries, int64_t n_queries, const uint8_t* mask, float* out,
                                   int32_t threads, const char* isa);

// clang-format off
// The k best scores with all their ties, never cutting between equals; NaN and -infinity are never returned.
//
//   threshold          the k-th best score (the lowest, when there are fewer than k)
//   above [min(k, n)]  positions whose score is > threshold, best first, equals by position
//   n_above            how many they are, less than k
//   tied [capacity]    positions whose score is == threshold, ascending
//   n_tied             how many there are, even more than capacity: only the first `capacity` are then listed,
//                      call again with more room
// clang-format on
IDEMBED_API int32_t idembed_top_k(const float* scores, int64_t n, int64_t k, int64_t* above, int64_t* n_above,
                                  int64_t* tied, int64_t capacity, int64_t* n_tied, float* threshold);

// Divides each row of [n, dim] in place by max(its Euclidean norm, 1e-12); row r begins at rows[r * stride].
// Returns IDEMBED_NOT_FINITE when a norm is infinite or NaN: all rows were changed by then, and that one
// holds no meaning.
IDEMBED_API int32_t idembed_normalize(float* rows, int64_t n, int64_t dim, int64_t stride, const char* isa);

// ---- words of a file ----

// Distinct words, numbered 0, 1, .. as they first occur, with how often each was read. By one thread at a
// time. A token is a word's number; its sign bit is set where the word begins a sentence.
typedef struct idembed_words idembed_words;

typedef struct {
    int64_t tokens;  // written to `out`
    int64_t lines;   // "\n" in the range
    int64_t bad;     // the first byte that is NUL or not UTF-8, and nothing was done; else -1
} idembed_lines;

IDEMBED_API int32_t idembed_words_new(idembed_words** words);

// clang-format off
// Reads the words that begin in the bytes begin .. end-1 of `text` [bytes], UTF-8: what Python's str.split()
// makes of its lines. A sentence is a line, and "\n" alone ends one. Whole texts are read range by range.
//
//   grow    1: new words get the next numbers; 0: they read as the number of words
//   piece   bytes that a thread takes at a time; no result depends on it
//   starts  in and out: 1 if the next word begins a sentence, as at the beginning of a text
//   out     [end - begin] tokens, of which `lines->tokens` are written; the rest holds no meaning
// clang-format on
IDEMBED_API int32_t idembed_words_read_lines(idembed_words* words, const char* text, int64_t bytes,
                                             int64_t begin, int64_t end, int32_t grow, int64_t piece,
                                             int32_t threads, int32_t* starts, int32_t* out,
                                             idembed_lines* lines);

// Reads n words (at least one, perhaps empty) with one byte `separator` between any two; out [n], no sign
// bits. Returns IDEMBED_LENGTH when there are not n: a word has the separator in it.
IDEMBED_API int32_t idembed_words_read_list(idembed_words* words, const char* text, int64_t bytes,
                                            int32_t separator, int32_t grow, int64_t piece, int32_t threads,
                                            int32_t* out, int64_t n);

// How many words there are, and the bytes of all together.
IDEMBED_API int32_t idembed_words_size(const idembed_words* words, int64_t* n, int64_t* bytes);

// The words: all their bytes one after the other, word i ending at ends[i], read counts[i] times.
IDEMBED_API int32_t idembed_words_list(const idembed_words* words, char* text, int64_t* ends,
                                       int64_t* counts);

IDEMBED_API void idembed_words_free(idembed_words* words);

// Numbers n tokens anew, in place: ids[old] is the new number, or -1 for a word that is left out. The next
// word that is kept begins the sentence then. Returns IDEMBED_TOKEN for a token outside 0 .. n_ids-1, and
// nothing was done. `starts` in and out: 1 if a sentence began before and none of its words was kept yet.
IDEMBED_API int32_t idembed_words_keep(int32_t* tokens, int64_t n, const int32_t* ids, int64_t n_ids,
                                       int32_t* starts, int64_t* kept);

// ---- word vectors ----

typedef struct idembed_word2vec idembed_word2vec;

typedef struct {
    int64_t words;           // in the vocabulary
    int32_t dim;             // numbers in a vector
    int32_t window;          // most words on either side
    int32_t negative;        // words of the noise for each that was seen
    int32_t skipgram;        // 1: skip-gram, 0: continuous bag of words
    int32_t shrink_windows;  // 1: 1 .. window words at random, 0: always window
    int32_t mean;            // CBOW, 1: the hidden layer is the mean of the window, 0: the sum
    int32_t divided;         // CBOW, 1: what goes back to the window is divided by its length
    double keep_threshold;   // word2vec's sample times the words of the corpus; 0: every word is kept
    double noise_exponent;   // noise is drawn by count to this power
    uint64_t seed;
} idembed_word2vec_config;

// One pass over a corpus, of which idembed_word2vec_train takes a part at a time.
typedef struct {
    const int32_t* tokens;  // word ids; the sign bit begins a sentence
    int64_t size;
    uint64_t number;    // passes made before: gives each its own draws
    double first_rate;  // the learning rate falls evenly from this,
    double last_rate;   // at the first token, to this behind the last
} idembed_word2vec_pass;

// `counts` [words] are 1 or more.
IDEMBED_API int32_t idembed_word2vec_new(const idembed_word2vec_config* config, const int64_t* counts,
                                         const char* isa, idembed_word2vec** trainer);

// How many tokens are trained as one: parts of a pass begin and end at multiples of this, or at its end.
IDEMBED_API int64_t idembed_word2vec_chunk(const idembed_word2vec* trainer, int64_t size);

// Trains on tokens begin .. end-1. `inputs` and `outputs` are [words, stride], stride the next multiple of 16
// from dim, zeros behind dim, at best on cache lines' boundaries. `kept` is given the number of tokens that
// were not thinned out; the loss, summed over everything that was seen or drawn, is added to `loss`, which
// may be null. One call at a time. Returns IDEMBED_TOKEN for an id outside 0 .. words-1, before anything is
// changed.
IDEMBED_API int32_t idembed_word2vec_train(idembed_word2vec* trainer, const idembed_word2vec_pass* pass,
                                           int64_t begin, int64_t end, float* inputs, float* outputs,
                                           int64_t* kept, double* loss, int32_t threads);

IDEMBED_API void idembed_word2vec_free(idembed_word2vec* trainer);

// Random vectors for rows first .. first+count-1, each a function of `seed` and its row: rows [count, stride]
IDEMBED_API int32_t idembed_word2vec_start(float* rows, int64_t first, int64_t count, int64_t dim,
                                           uint64_t seed);

// ---- for tests: the parts, one by one ----

enum {
    IDEMBED_TEST_EXP = 0,
    IDEMBED_TEST_ERF = 1,
    IDEMBED_TEST_GELU = 2,
    IDEMBED_TEST_TANH = 3,
    IDEMBED_TEST_INT_GELU = 4  // of the integer profiles
};
IDEMBED_API int32_t idembed_test_map(const char* isa, int32_t function, const float* x, float* out,
                                     int64_t n);
IDEMBED_API int32_t idembed_test_fma(const char* isa, const float* a, const float* b, const float* c,
                                     float* out, int64_t n);
// x and numerators [rows, n], inverse [rows]. `bias` [rows - 1 + n] may be null; that of row r begins at
// bias[rows - 1 - r].
IDEMBED_API int32_t idembed_test_softmax(const char* isa, const float* x, float scale, const float* bias,
                                         float* numerators, float* inverse, int64_t rows, int64_t n);
IDEMBED_API int32_t idembed_test_layer_norm(const char* isa, const float* x, const float* residual,
                                            const float* gamma, const float* beta, float eps, float* out,
                                            int64_t rows, int64_t hidden);
IDEMBED_API int32_t idembed_test_linear(const char* isa, const float* x, const float* weight,
                                        const float* bias, int32_t gelu, float* out, int64_t rows, int64_t in,
                                        int64_t out_features);
// `profile` is IDEMBED_I16_1 or IDEMBED_I8_1.
IDEMBED_API int32_t idembed_test_int_linear(const char* isa, int32_t profile, const float* x,
                                            const float* weight, const float* bias, float* out, int64_t rows,
                                            int64_t in, int64_t out_features);
// This thread's MXCSR or FPCR before it becomes `set`; null only reads.
IDEMBED_API uint64_t idembed_test_float_mode(const uint64_t* set);

#ifdef __cplusplus
}
#endif
#endif
