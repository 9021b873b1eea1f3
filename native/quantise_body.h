// Floats to whole numbers, over `Vec`, included by kernels_body.h at its end. Defined before: to_ints (the
// nearest whole numbers, ties to even), store_whole(Whole*, Ints).

#include "scale_body.h"

// The row's activations themselves, and their scale: i8.
struct FromLow {
    static constexpr bool has_low = true;
    Vec low = broadcast(0.0f), high = broadcast(0.0f);
    void see(Vec x) {
        low = minimum(x, low);
        high = maximum(x, high);
    }
    Scale scale(float poison) const { return scale_of(smallest(low), largest(high), most_i8, poison); }
};

// i16
struct Symmetric {
    static constexpr bool has_low = false;
    Vec peak = broadcast(0.0f);
    void see(Vec x) { peak = maximum(absolute(x), peak); }
    Scale scale(float poison) const { return scale_of(0.0f, largest(peak), most_i16, poison); }
};

// The scale of a row, whose gelu is taken first if it is asked for.
template <class Range>
Scale scale_row(const Quantise& q, float* x) {
    Range range;
    Vec poison = broadcast(0.0f);
    for (int64_t i = 0; i < q.columns; i += lanes) {
        Vec value = load(x + i);
        poison = fma(value, broadcast(0.0f), poison);
        if (q.gelu) {
            value = int_gelu(value);
            store(x + i, value);
        }
        range.see(value);
    }
    return range.scale(sum(poison));
}

// Some rows' scales first, then their whole numbers: a scale is a long chain of steps, which the next row's
// hide.
template <class Range, class Whole>
void quantise(const Quantise& q) {
    constexpr int64_t most_rows = 8;
    Scale scales[most_rows];
    for (int64_t begin = 0; begin < q.rows; begin += most_rows) {
        const int64_t end = q.rows - begin < most_rows ? q.rows : begin + most_rows;
        for (int64_t r = begin; r < end; ++r) {
            const Scale scale = scale_row<Range>(q, q.x + r * q.x_stride);
            scales[r - begin] = scale;
            q.scale[r * q.scale_stride] = scale.scale;
            if (Range::has_low) q.low[r * q.scale_stride] = scale.low;
        }
        for (int64_t r = begin; r < end; ++r) {
            const float* const x = q.x + r * q.x_stride;
            Whole* const whole = static_cast<Whole*>(q.whole) + r * q.whole_stride;
            const Vec inverse = broadcast(scales[r - begin].inverse), low = broadcast(scales[r - begin].low);
            for (int64_t i = 0; i < q.columns; i += lanes) {
                const Vec value = load(x + i);
                const Vec steps = multiply(Range::has_low ? subtract(value, low) : value, inverse);
                store_whole(whole + i, to_ints(steps));
            }
        }
    }
}
