#include "dense.h"

#include <algorithm>

namespace idembed {

Dense make_dense(int64_t in, int64_t out, bool tanh, const float* weight, const float* bias,
                 const Kernels& kernels) {
    const int64_t columns = round_up_to_lanes(out), panel = kernels.panel;
    const int64_t size = (columns + panel - 1) / panel * panel * in;
    Dense dense{{}, out, tanh, &kernels, Floats(size), Floats(columns)};
    dense.linear = {in, columns, panel, dense.weight.data(), dense.bias.data()};
    std::fill_n(dense.linear.weight, size, 0.0f);
    std::fill_n(dense.linear.bias, columns, 0.0f);
    pack_tensor({dense.linear.weight, out, in, panel, 0, 0, nullptr}, weight);
    if (bias) std::copy_n(bias, out, dense.linear.bias);
    return dense;
}

bool apply(const Dense& dense, const float* x, int64_t n, float* y) {
    constexpr int64_t most_rows = 64;
    const int64_t columns = dense.linear.out;
    const Floats sums(std::min(n, most_rows) * columns);
    for (int64_t first = 0; first < n; first += most_rows) {
        const int64_t rows = std::min(most_rows, n - first);
        dense.kernels->matmul(product(dense.linear, x + first * dense.linear.in, rows, sums.data()));
        if (!all_finite(sums.data(), rows * columns)) return false;  // tanh would hide it
        for (int64_t r = 0; r < rows; ++r) {
            float* const to = y + (first + r) * dense.out;
            const float* const from = sums.data() + r * columns;
            if (dense.tanh)
                dense.kernels->map(Function::tanh, from, to, dense.out);
            else
                std::copy(from, from + dense.out, to);
        }
    }
    return true;
}

}  // namespace idembed
