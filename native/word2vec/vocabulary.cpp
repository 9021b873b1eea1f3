#include "vocabulary.h"

#include <algorithm>
#include <cmath>
#include <cstring>

namespace idembed {
namespace {

constexpr double two_to_32 = 4294967296.0;

uint32_t share_of_32_bits(double share) {
    const double bits = share * two_to_32;
    if (!(bits > 0)) return 0;  // NaN too, of a threshold next to 0
    return bits >= two_to_32 - 1 ? UINT32_MAX : static_cast<uint32_t>(bits);
}

// log2 of x = m 2^e by the series of artanh((m - 1) / (m + 1)), whose argument is below 1/3.
double log2_of(double x) {
    int exponent = 0;
    while (x >= 2) x /= 2, ++exponent;
    while (x < 1) x *= 2, --exponent;
    const double t = (x - 1) / (x + 1), square = t * t;
    double sum = 0, power_of_t = t;
    for (int i = 1; i < 40; i += 2) {
        sum += power_of_t / i;
        power_of_t *= square;
    }
    constexpr double two_over_ln2 = 2.8853900817779268;
    return exponent + two_over_ln2 * sum;
}

double exp2_of(double x) {
    int whole = static_cast<int>(x < 0 ? x - 0.5 : x + 0.5);
    constexpr double ln2 = 0.69314718055994531;
    const double y = (x - whole) * ln2;
    double sum = 1, term = 1;
    for (int i = 1; i < 20; ++i) {
        term = term * y / i;
        sum += term;
    }
    for (; whole > 0; --whole) sum *= 2;
    for (; whole < 0; ++whole) sum /= 2;
    return sum;
}

// (sqrt(count / threshold) + 1) threshold / count, as word2vec.c has it
double keep_probability(double count, double threshold) {
    return threshold > 0 ? (std::sqrt(count / threshold) + 1) * (threshold / count) : 1;
}

// Walker's alias method: columns that hold too little are filled up from those that hold too much.
void fill_columns(const std::vector<uint32_t>& words, const std::vector<double>& weights, Column* columns) {
    const size_t n = words.size();
    double total = 0;
    for (const uint32_t word : words) total += weights[word];
    std::vector<double> share(n);
    std::vector<uint32_t> small, large;
    for (size_t i = 0; i < n; ++i) {
        share[i] = weights[words[i]] / total * static_cast<double>(n);
        (share[i] < 1 ? small : large).push_back(static_cast<uint32_t>(i));
        columns[i] = {UINT32_MAX, words[i], words[i]};
    }
    while (!small.empty() && !large.empty()) {
        const uint32_t poor = small.back(), rich = large.back();
        small.pop_back();
        columns[poor].threshold = share_of_32_bits(share[poor]);
        columns[poor].other = words[rich];
        share[rich] -= 1 - share[poor];
        if (share[rich] < 1) {
            large.pop_back();
            small.push_back(rich);
        }
    }
}

}  // namespace

double power(double x, double exponent) {
    if (exponent == 0.75) return std::sqrt(x) * std::sqrt(std::sqrt(x));
    if (exponent == 1) return x;
    return exp2_of(exponent * log2_of(x));
}

NoiseTables::NoiseTables(const std::vector<double>& weights, const std::vector<uint8_t>& set_of, int sets)
    : columns_(weights.size()) {
    std::vector<std::vector<uint32_t>> members(static_cast<size_t>(sets));
    for (size_t w = 0; w < weights.size(); ++w) members[set_of[w]].push_back(static_cast<uint32_t>(w));
    begin_.push_back(0);
    for (const std::vector<uint32_t>& words : members) {
        fill_columns(words, weights, columns_.data() + begin_.back());
        begin_.push_back(begin_.back() + static_cast<uint32_t>(words.size()));
    }
}

WordStatistics::WordStatistics(const int64_t* counts, int64_t words, double threshold, double noise_exponent,
                               int parts_wanted)
    : parts(parts_wanted) {
    const size_t n = static_cast<size_t>(words), p = static_cast<size_t>(parts);
    std::vector<double> load(p), mass(n), part_mass(p);
    keep.resize(n);
    part.resize(n);
    for (size_t w = 0; w < n; ++w) {
        const double count = static_cast<double>(counts[w]);
        const double kept = std::min(keep_probability(count, threshold), 1.0);
        keep[w] = share_of_32_bits(kept);
        // The part with the least to do so far; the first words are the most frequent. An empty part comes
        // first.
        const size_t lightest =
            w < p ? w : static_cast<size_t>(std::min_element(load.begin(), load.end()) - load.begin());
        part[w] = static_cast<uint8_t>(lightest);
        load[lightest] += kept * count;
        mass[w] = power(count, noise_exponent);
        part_mass[lightest] += mass[w];
    }
    noise = NoiseTables(mass, part, parts);
    part_noise = NoiseTables(part_mass, std::vector<uint8_t>(p), 1);
}

}  // namespace idembed
