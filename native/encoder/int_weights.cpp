#include "int_weights.h"

#include <algorithm>
#include <cmath>
#include <cstring>

namespace idembed {
namespace {

// The nearest whole number, ties to even; |x| < 2^51.
double nearest(double x) {
    constexpr double magic = 0x1.8p52;
    return (x + magic) - magic;
}

constexpr double most_weight_i16 = 32767, most_weight_i8 = 127;

// The sum of the absolute whole numbers of a column's chunk is no more than this and half a unit for each, so
// products with activations of up to 8191 stay below 2^31: (261888 + 193) * 8191 = 2146705471.
constexpr double most_sum_i16 = 261888;

}  // namespace

bool quantise_column(const float* weight, int64_t features, bool i8, int16_t* whole, float* scale,
                     float* sum) {
    double largest = 0, size = 0;
    for (int64_t i = 0; i < features; ++i) {
        const double w = std::fabs(static_cast<double>(weight[i]));
        largest = w > largest ? w : largest;
        size += w;
    }
    double step = largest / (i8 ? most_weight_i8 : most_weight_i16);
    if (!i8 && size / most_sum_i16 > step) step = size / most_sum_i16;
    const float rounded = step < 0x1p-100 ? 0.0f : static_cast<float>(step);
    int64_t total = 0, absolute = 0;
    for (int64_t i = 0; i < features; ++i) {
        const double q =
            rounded == 0 ? 0 : nearest(static_cast<double>(weight[i]) / static_cast<double>(rounded));
        whole[i] = static_cast<int16_t>(q);
        total += whole[i];
        absolute += std::abs(static_cast<int>(whole[i]));
    }
    *scale = rounded;
    *sum = static_cast<float>(total) * rounded;
    constexpr int64_t most = 0x7fffffff;
    return absolute * static_cast<int64_t>(i8 ? most_i8 : most_i16) <= most;
}

bool pack_columns(const IntLinear& layer, int64_t column, int64_t rows, const float* w) {
    const int64_t group = layer.kernels.group, bytes = layer.kernels.bytes, panel = layer.panel;
    bool safe = true;
    for (int64_t c = column; c < column + rows; ++c, w += layer.in) {
        for (int64_t first = 0; first < layer.in; first += chunk) {
            const int64_t features = std::min(chunk, layer.in - first), at = first / chunk * layer.out + c;
            int16_t whole[chunk];
            float sum;
            safe = quantise_column(w + first, features, layer.i8, whole, &layer.scale[at], &sum) && safe;
            if (layer.i8) layer.sum[at] = sum;
            unsigned char* const to =
                layer.weight +
                (first * layer.padded() + c / panel * panel * features + c % panel * group) * bytes;
            for (int64_t i = 0; i < features; ++i) {
                unsigned char* const one = to + (i / group * panel * group + i % group) * bytes;
                if (bytes == 1) {
                    *one = static_cast<unsigned char>(whole[i]);
                } else {
                    std::memcpy(one, whole + i, sizeof whole[i]);
                }
            }
        }
    }
    return safe;
}

IntProduct product(const IntLinear& layer, const IntRows& x, int64_t number, int64_t rows, float* y) {
    IntProduct m{};
    m.a = x.whole + number * chunk * layer.kernels.bytes;
    m.a_stride = x.features;
    m.a_scale = x.scale + number;
    m.a_low = x.low + number;
    m.a_scale_stride = x.chunks;
    m.b = layer.chunk_weight(number);
    m.b_scale = layer.scale + number * layer.out;
    m.b_sum = layer.sum + number * layer.out;
    m.start = number == 0 ? layer.bias : y;
    m.start_stride = number == 0 ? 0 : layer.out;
    m.c = y;
    m.c_stride = layer.out;
    m.rows = rows;
    m.end = layer.out;
    m.k = std::min(chunk, layer.in - number * chunk);
    return m;
}

}  // namespace idembed
