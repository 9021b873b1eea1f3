// The C ABI: checks what can be checked, and lets no exception out.
#include "idembed.h"

#include <algorithm>
#include <cmath>
#include <memory>
#include <vector>

#include "cpu.h"
#include "encoder/dense.h"
#include "encoder/int_layers.h"
#include "encoder/schedule.h"
#include "encoder/weights.h"
#include "memory.h"
#include "numerics.h"
#include "search.h"
#include "team.h"
#include "word2vec/trainer.h"
#include "word2vec/words.h"

using namespace idembed;

struct idembed_encoder {
    Encoder encoder;
};

struct idembed_dense {
    Dense dense;
};

struct idembed_words {
    WordTable table;
};

struct idembed_word2vec {
    Trainer trainer;
};

namespace {

constexpr int64_t most_threads = 1024;

// Runs f, which returns a status, in the canonical float mode.
template <class F>
int32_t guarded(F f) {
    try {
        const FloatMode mode;
        return f();
    } catch (...) {
        return IDEMBED_MEMORY;  // nothing here throws but allocations
    }
}

// The same with the kernels of `isa`.
template <class F>
int32_t with_kernels(const char* isa, F f) {
    return guarded([&]() -> int32_t {
        const Kernels* const kernels = kernels_for(isa);
        return kernels ? f(*kernels) : static_cast<int32_t>(IDEMBED_ISA);
    });
}

// The same with a block laid out for them.
template <class F>
int32_t with_layout(const idembed_config* config, const char* isa, void* block, F f) {
    return with_kernels(isa, [&](const Kernels& kernels) -> int32_t {
        if (!config) return IDEMBED_ARGUMENT;
        if (const int32_t status = check_config(*config); status != IDEMBED_OK) return status;
        return f(Layout(*config, kernels, block));
    });
}

bool is_aligned(const void* block) {
    return block && reinterpret_cast<uintptr_t>(block) % block_alignment == 0;
}

}  // namespace

extern "C" {

int32_t idembed_abi(void) {
    return IDEMBED_ABI;
}

const char* idembed_isa(void) {
    const Kernels* const kernels = kernels_for(nullptr);
    return kernels ? kernels->isa : nullptr;
}

const char* idembed_isas(void) {
    return usable_isas();
}

int32_t idembed_block_kind(const idembed_config* config, const char* isa, int64_t* tensors, int64_t* bytes,
                           int64_t* layout) {
    if (!tensors || !bytes || !layout) return IDEMBED_ARGUMENT;
    return with_layout(config, isa, nullptr, [&](const Layout& laid_out) -> int32_t {
        *tensors = static_cast<int64_t>(laid_out.places().size());
        *bytes = laid_out.kind().bytes;
        *layout = laid_out.kind().layout;
        return IDEMBED_OK;
    });
}

int32_t idembed_block_pack(const idembed_config* config, const char* isa, int64_t index, const float* tensor,
                           void* block) {
    if (!tensor || !is_aligned(block)) return IDEMBED_ARGUMENT;
    return with_layout(config, isa, block, [&](const Layout& layout) -> int32_t {
        const auto& places = layout.places();
        if (index < 0 || index >= static_cast<int64_t>(places.size())) return IDEMBED_ARGUMENT;
        return pack_tensor(places[static_cast<size_t>(index)], tensor);
    });
}

int32_t idembed_block_seal(const idembed_config* config, const char* isa, void* block) {
    if (!is_aligned(block)) return IDEMBED_ARGUMENT;
    return with_layout(config, isa, block, [&](const Layout& layout) -> int32_t {
        seal_block(layout.kind(), block);
        return IDEMBED_OK;
    });
}

int32_t idembed_block_check(const void* block, int64_t first, int64_t count, int32_t is_mapped) {
    if (!is_aligned(block) || first < 0 || count < 0) return IDEMBED_ARGUMENT;
    return chunks_are_whole(block, first, count, is_mapped != 0) ? IDEMBED_OK : IDEMBED_BLOCK;
}

int32_t idembed_encoder_open(const idembed_config* config, const char* isa, const void* block, int64_t bytes,
                             idembed_encoder** encoder) {
    if (!encoder || !is_aligned(block)) return IDEMBED_ARGUMENT;
    return with_layout(config, isa, const_cast<void*>(block), [&](const Layout& layout) -> int32_t {
        if (!is_block(layout.kind(), block, bytes)) return IDEMBED_BLOCK;
        *encoder = new idembed_encoder{layout.encoder()};
        return IDEMBED_OK;
    });
}

int32_t idembed_encoder_forward(const idembed_encoder* encoder, const int32_t* tokens, const int64_t* offsets,
                                int64_t n, float* out, int32_t threads) {
    return guarded([&]() -> int32_t {
        if (!encoder || !offsets || n < 0 || threads < 1 || threads > most_threads) return IDEMBED_ARGUMENT;
        if (n > 0 && (!tokens || !out)) return IDEMBED_ARGUMENT;
        return encode(encoder->encoder, tokens, offsets, n, out, threads);
    });
}

void idembed_encoder_free(idembed_encoder* encoder) {
    delete encoder;
}

int32_t idembed_dense_new(int64_t in, int64_t out, int32_t activation, const float* weight, const float* bias,
                          const char* isa, idembed_dense** dense) {
    return with_kernels(isa, [&](const Kernels& kernels) -> int32_t {
        constexpr int64_t widest = 1 << 20;
        if (in < 1 || in > widest || out < 1 || out > widest || !weight || !dense) return IDEMBED_ARGUMENT;
        if (activation < IDEMBED_IDENTITY || activation > IDEMBED_TANH) return IDEMBED_ARGUMENT;
        if (!all_finite(weight, out * in) || (bias && !all_finite(bias, out))) return IDEMBED_NOT_FINITE;
        *dense = new idembed_dense{make_dense(in, out, activation == IDEMBED_TANH, weight, bias, kernels)};
        return IDEMBED_OK;
    });
}

int32_t idembed_dense_apply(const idembed_dense* dense, const float* x, int64_t n, float* y) {
    return guarded([&]() -> int32_t {
        if (!dense || n < 0 || (n > 0 && (!x || !y))) return IDEMBED_ARGUMENT;
        return apply(dense->dense, x, n, y) ? IDEMBED_OK : IDEMBED_NOT_FINITE;
    });
}

void idembed_dense_free(idembed_dense* dense) {
    delete dense;
}

int32_t idembed_scores(const float* matrix, int64_t rows, int64_t dim, int64_t stride, const float* queries,
                       int64_t n_queries, const uint8_t* mask, float* out, int32_t threads, const char* isa) {
    return with_kernels(isa, [&](const Kernels& kernels) -> int32_t {
        if (rows < 0 || dim < 0 || stride < dim || n_queries < 0 || threads < 1 || threads > most_threads) {
            return IDEMBED_ARGUMENT;
        }
        if (rows == 0 || n_queries == 0) return IDEMBED_OK;
        if (!matrix || !queries || !out) return IDEMBED_ARGUMENT;
        scores(kernels, {matrix, rows, dim, stride}, queries, n_queries, mask, out, threads);
        return IDEMBED_OK;
    });
}

int32_t idembed_top_k(const float* scores, int64_t n, int64_t k, int64_t* above, int64_t* n_above,
                      int64_t* tied, int64_t capacity, int64_t* n_tied, float* threshold) {
    return guarded([&]() -> int32_t {
        if (n < 0 || k < 1 || capacity < 0 || !n_above || !n_tied || !threshold) return IDEMBED_ARGUMENT;
        if ((n > 0 && (!scores || !above)) || (capacity > 0 && !tied)) return IDEMBED_ARGUMENT;
        const TopK found = top_k(scores, n, k < n ? k : n, above, tied, capacity);
        *n_above = found.above;
        *n_tied = found.tied;
        *threshold = found.threshold;
        return IDEMBED_OK;
    });
}

int32_t idembed_normalize(float* rows, int64_t n, int64_t dim, int64_t stride, const char* isa) {
    return with_kernels(isa, [&](const Kernels& kernels) -> int32_t {
        if (n < 0 || dim < 1 || stride < dim || (n > 0 && !rows)) return IDEMBED_ARGUMENT;
        bool finite = true;
        for (int64_t r = 0; r < n; ++r)
            finite = std::isfinite(kernels.l2_normalize(rows + r * stride, dim)) && finite;
        return finite ? IDEMBED_OK : IDEMBED_NOT_FINITE;
    });
}

// ---- words of a file ----

int32_t idembed_words_new(idembed_words** words) {
    return guarded([&]() -> int32_t {
        if (!words) return IDEMBED_ARGUMENT;
        *words = new idembed_words;
        return IDEMBED_OK;
    });
}

int32_t idembed_words_read_lines(idembed_words* words, const char* text, int64_t bytes, int64_t begin,
                                 int64_t end, int32_t grow, int64_t piece, int32_t threads, int32_t* starts,
                                 int32_t* out, idembed_lines* lines) {
    return guarded([&]() -> int32_t {
        if (!words || !starts || !lines || begin < 0 || end < begin || bytes < end) return IDEMBED_ARGUMENT;
        if (piece < 1 || threads < 1 || threads > most_threads) return IDEMBED_ARGUMENT;
        *lines = {0, 0, -1};
        if (begin == end) return IDEMBED_OK;
        if (!text || !out) return IDEMBED_ARGUMENT;
        bool first = *starts != 0;
        const Lines read =
            read_lines(words->table, {text, bytes, begin, end}, {grow != 0, piece, threads}, first, out);
        *starts = first;
        *lines = {read.tokens, read.lines, read.bad};
        return IDEMBED_OK;
    });
}

int32_t idembed_words_read_list(idembed_words* words, const char* text, int64_t bytes, int32_t separator,
                                int32_t grow, int64_t piece, int32_t threads, int32_t* out, int64_t n) {
    return guarded([&]() -> int32_t {
        if (!words || !text || bytes < 0 || separator < 0 || separator > 255 || !out || n < 1) {
            return IDEMBED_ARGUMENT;
        }
        if (piece < 1 || threads < 1 || threads > most_threads) return IDEMBED_ARGUMENT;
        const Reading reading{grow != 0, piece, threads};
        const bool all = read_list(words->table, text, bytes, static_cast<char>(separator), reading, out, n);
        return all ? IDEMBED_OK : IDEMBED_LENGTH;
    });
}

int32_t idembed_words_size(const idembed_words* words, int64_t* n, int64_t* bytes) {
    if (!words || !n || !bytes) return IDEMBED_ARGUMENT;
    *n = words->table.size();
    *bytes = words->table.bytes();
    return IDEMBED_OK;
}

int32_t idembed_words_list(const idembed_words* words, char* text, int64_t* ends, int64_t* counts) {
    if (!words || !text || !ends || !counts) return IDEMBED_ARGUMENT;
    words->table.list(text, ends, counts);
    return IDEMBED_OK;
}

void idembed_words_free(idembed_words* words) {
    delete words;
}

int32_t idembed_words_keep(int32_t* tokens, int64_t n, const int32_t* ids, int64_t n_ids, int32_t* starts,
                           int64_t* kept) {
    if (n < 0 || n_ids < 0 || !starts || !kept || (n > 0 && (!tokens || !ids))) return IDEMBED_ARGUMENT;
    for (int64_t i = 0; i < n; ++i) {
        if ((tokens[i] & ~sentence_start) >= n_ids) return IDEMBED_TOKEN;
    }
    bool first = *starts != 0;
    *kept = keep_words(tokens, n, ids, first);
    *starts = first;
    return IDEMBED_OK;
}

// ---- word vectors ----

int32_t idembed_word2vec_new(const idembed_word2vec_config* config, const int64_t* counts, const char* isa,
                             idembed_word2vec** trainer) {
    return with_kernels(isa, [&](const Kernels& kernels) -> int32_t {
        if (!config || !counts || !trainer) return IDEMBED_ARGUMENT;
        const idembed_word2vec_config& c = *config;
        const auto within = [](int64_t x, int64_t least, int64_t most) { return x >= least && x <= most; };
        if (!within(c.words, 1, INT32_MAX) || !within(c.dim, 1, 65536) || !within(c.window, 1, 1024) ||
            !within(c.negative, 1, 1024) || !(c.keep_threshold >= 0) || !(std::fabs(c.noise_exponent) <= 8)) {
            return IDEMBED_ARGUMENT;
        }
        if (std::any_of(counts, counts + c.words, [](int64_t count) { return count < 1; }))
            return IDEMBED_ARGUMENT;
        *trainer = new idembed_word2vec{Trainer(c, counts, kernels)};
        return IDEMBED_OK;
    });
}

int64_t idembed_word2vec_chunk(const idembed_word2vec* trainer, int64_t size) {
    return trainer ? trainer->trainer.chunk(size) : 0;
}

int32_t idembed_word2vec_train(idembed_word2vec* trainer, const idembed_word2vec_pass* pass, int64_t begin,
                               int64_t end, float* inputs, float* outputs, int64_t* kept, double* loss,
                               int32_t threads) {
    return guarded([&]() -> int32_t {
        if (!trainer || !pass || begin < 0 || end < begin || threads < 1 || threads > most_threads) {
            return IDEMBED_ARGUMENT;
        }
        if (end > pass->size || (end > begin && (!pass->tokens || !inputs || !outputs)) || !kept) {
            return IDEMBED_ARGUMENT;
        }
        const auto is_rate = [](double rate) { return rate >= 0 && rate <= 1; };  // NaN is none
        if (!is_rate(pass->first_rate) || !is_rate(pass->last_rate)) return IDEMBED_ARGUMENT;
        const int64_t chunk = trainer->trainer.chunk(pass->size);
        if (begin % chunk != 0 || (end % chunk != 0 && end != pass->size)) return IDEMBED_ARGUMENT;
        const auto words = static_cast<uint32_t>(trainer->trainer.words());
        uint32_t largest = 0;
        for (int64_t i = begin; i < end; ++i) {
            largest = std::max(largest, static_cast<uint32_t>(pass->tokens[i] & ~sentence_start));
        }
        if (largest >= words) return IDEMBED_TOKEN;
        *kept = trainer->trainer.train(*pass, begin, end, inputs, outputs, loss, threads);
        return IDEMBED_OK;
    });
}

void idembed_word2vec_free(idembed_word2vec* trainer) {
    delete trainer;
}

int32_t idembed_word2vec_start(float* rows, int64_t first, int64_t count, int64_t dim, uint64_t seed) {
    return guarded([&]() -> int32_t {
        if (first < 0 || count < 0 || dim < 1 || (count > 0 && !rows)) return IDEMBED_ARGUMENT;
        start_vectors(rows, first, count, dim, round_up_to_lanes(dim), seed);
        return IDEMBED_OK;
    });
}

// ---- for tests ----

int32_t idembed_test_map(const char* isa, int32_t function, const float* x, float* out, int64_t n) {
    return with_kernels(isa, [&](const Kernels& kernels) -> int32_t {
        if (function < IDEMBED_TEST_EXP || function > IDEMBED_TEST_INT_GELU) return IDEMBED_ARGUMENT;
        kernels.map(static_cast<Function>(function), x, out, n);
        return IDEMBED_OK;
    });
}

int32_t idembed_test_fma(const char* isa, const float* a, const float* b, const float* c, float* out,
                         int64_t n) {
    return with_kernels(isa, [&](const Kernels& kernels) -> int32_t {
        kernels.fma(a, b, c, out, n);
        return IDEMBED_OK;
    });
}

int32_t idembed_test_softmax(const char* isa, const float* x, float scale, const float* bias,
                             float* numerators, float* inverse, int64_t rows, int64_t n) {
    return with_kernels(isa, [&](const Kernels& kernels) -> int32_t {
        const int64_t stride = round_up_to_lanes(n);
        std::vector<float> padded(static_cast<size_t>(rows * stride),
                                  1e30f);  // what stands behind must not matter
        for (int64_t r = 0; r < rows; ++r) std::copy(x + r * n, x + r * n + n, padded.begin() + r * stride);
        std::vector<float> biases;
        if (bias) {
            biases.assign(bias, bias + rows - 1 + n);
            biases.resize(static_cast<size_t>(rows - 1 + stride), 1e30f);
        }
        kernels.softmax(padded.data(), stride, rows, n, scale, bias ? biases.data() + rows - 1 : nullptr,
                        inverse);
        for (int64_t r = 0; r < rows; ++r) {
            std::copy(padded.begin() + r * stride, padded.begin() + r * stride + n, numerators + r * n);
        }
        return IDEMBED_OK;
    });
}

int32_t idembed_test_layer_norm(const char* isa, const float* x, const float* residual, const float* gamma,
                                const float* beta, float eps, float* out, int64_t rows, int64_t hidden) {
    return with_kernels(isa, [&](const Kernels& kernels) -> int32_t {
        if (hidden % lanes != 0) return IDEMBED_SHAPE;
        kernels.add_layer_norm(x, residual, rows, hidden, gamma, beta, eps, out);
        return IDEMBED_OK;
    });
}

int32_t idembed_test_linear(const char* isa, const float* x, const float* weight, const float* bias,
                            int32_t gelu, float* out, int64_t rows, int64_t in, int64_t out_features) {
    return with_kernels(isa, [&](const Kernels& kernels) -> int32_t {
        if (out_features % lanes != 0) return IDEMBED_SHAPE;
        const int64_t panels = (out_features + kernels.panel - 1) / kernels.panel;
        Floats packed(panels * kernels.panel * in), start(out_features);
        const Linear layer{in, out_features, kernels.panel, packed.data(), start.data()};
        pack_tensor({layer.weight, out_features, in, layer.panel, 0, 0, nullptr}, weight);
        std::copy(bias, bias + out_features, layer.bias);
        Matmul m = product(layer, x, rows, out);
        m.gelu = gelu != 0;
        kernels.matmul(m);
        return IDEMBED_OK;
    });
}

int32_t idembed_test_int_linear(const char* isa, int32_t profile, const float* x, const float* weight,
                                const float* bias, float* out, int64_t rows, int64_t in,
                                int64_t out_features) {
    return with_kernels(isa, [&](const Kernels& kernels) -> int32_t {
        if (out_features % lanes != 0 || in % lanes != 0) return IDEMBED_SHAPE;
        if (profile != IDEMBED_I16_1 && profile != IDEMBED_I8_1) return IDEMBED_ARGUMENT;
        const bool i8 = profile == IDEMBED_I8_1;
        IntLinear layer{in,      out_features, kernels.panel, i8,     i8 ? kernels.i8 : kernels.i16,
                        nullptr, nullptr,      nullptr,       nullptr};
        std::vector<unsigned char> memory(static_cast<size_t>(layer.weight_bytes()));
        std::vector<float> scale(static_cast<size_t>(chunks_of(in) * out_features)), sum(scale.size());
        std::vector<float> own_bias(bias, bias + out_features);
        layer.weight = memory.data();
        layer.scale = scale.data();
        layer.sum = sum.data();
        layer.bias = own_bias.data();
        if (!pack_columns(layer, 0, out_features, weight)) return IDEMBED_RANGE;
        int_linear(layer, x, rows, out);
        return IDEMBED_OK;
    });
}

uint64_t idembed_test_float_mode(const uint64_t* set) {
    const uint64_t mode = FloatMode::get();
    if (set) FloatMode::set(*set);
    return mode;
}

}  // extern "C"
