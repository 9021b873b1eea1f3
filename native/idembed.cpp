// The C ABI: checks what can be checked, and lets no exception out.
#include "idembed.h"

#include <algorithm>
#include <cmath>
#include <memory>
#include <vector>

#include "cpu.h"
#include "encoder/schedule.h"
#include "encoder/weights.h"
#include "numerics.h"
#include "search.h"
#include "team.h"

using namespace idembed;

struct idembed_encoder {
    Encoder encoder;
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

int32_t idembed_encoder_new(const idembed_config* config, const float* const* tensors, int64_t count,
                            const char* isa, idembed_encoder** encoder) {
    return with_kernels(isa, [&](const Kernels& kernels) -> int32_t {
        if (!config || !tensors || !encoder) return IDEMBED_ARGUMENT;
        if (const int32_t status = check_config(*config); status != IDEMBED_OK) return status;
        if (count != 5 + 16 * static_cast<int64_t>(config->layers)) return IDEMBED_ARGUMENT;
        for (int64_t i = 0; i < count; ++i) {
            if (!tensors[i]) return IDEMBED_ARGUMENT;
        }
        std::unique_ptr<idembed_encoder> made(new idembed_encoder);
        const int32_t status = pack_weights(*config, tensors, kernels, made->encoder);
        if (status == IDEMBED_OK) *encoder = made.release();
        return status;
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

// ---- for tests ----

int32_t idembed_test_map(const char* isa, int32_t function, const float* x, float* out, int64_t n) {
    return with_kernels(isa, [&](const Kernels& kernels) -> int32_t {
        if (function < IDEMBED_TEST_EXP || function > IDEMBED_TEST_GELU) return IDEMBED_ARGUMENT;
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

int32_t idembed_test_softmax(const char* isa, const float* x, float scale, float* numerators, float* inverse,
                             int64_t rows, int64_t n) {
    return with_kernels(isa, [&](const Kernels& kernels) -> int32_t {
        const int64_t stride = round_up_to_lanes(n);
        std::vector<float> padded(static_cast<size_t>(rows * stride),
                                  1e30f);  // what stands behind must not matter
        for (int64_t r = 0; r < rows; ++r) std::copy(x + r * n, x + r * n + n, padded.begin() + r * stride);
        kernels.softmax(padded.data(), stride, rows, n, scale, inverse);
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
        Arena memory;
        const Linear layer = pack_linear(&weight, &bias, 1, in, out_features, kernels.panel, memory);
        Matmul m = product(layer, x, rows, out);
        m.gelu = gelu != 0;
        kernels.matmul(m);
        return IDEMBED_OK;
    });
}

uint64_t idembed_test_float_mode(const uint64_t* set) {
    const uint64_t mode = FloatMode::get();
    if (set) FloatMode::set(*set);
    return mode;
}

}  // extern "C"
