// Floats to whole numbers, over `Vec`, included behind kernels_body.h. Defined before: store_whole(Whole*,
// Vec), which rounds to the nearest whole number, ties to even.

inline float smallest(Vec x) {
    return 0.0f - largest(subtract(broadcast(0.0f), x));
}

// What a row's whole numbers are computed with.
struct Scale {
    float low, inverse, scale;
};

// Of values from `low` to `high`, `most` whole numbers apart. `poison` is 0, or NaN where a value is infinite
// or NaN: then so is all that is computed with the scale.
inline Scale scale_of(float low, float high, float most, float poison) {
    const float range = high - low;
    if (range < least_range) return {low, 0.0f, poison};
    return {low, most / range, range / most + poison};
}

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

template <class Range, class Whole>
void quantise(const Quantise& q) {
    for (int64_t r = 0; r < q.rows; ++r) {
        float* const x = q.x + r * q.x_stride;
        Range range;
        Vec poison = broadcast(0.0f);
        for (int64_t i = 0; i < q.columns; i += lanes) {
            Vec value = load(x + i);
            if (q.gelu) {
                value = gelu(value);
                store(x + i, value);
            }
            range.see(value);
            poison = fma(value, broadcast(0.0f), poison);
        }
        const Scale scale = range.scale(sum(poison));
        Whole* const whole = static_cast<Whole*>(q.whole) + r * q.whole_stride;
        const Vec inverse = broadcast(scale.inverse), low = broadcast(scale.low);
        for (int64_t i = 0; i < q.columns; i += lanes) {
            const Vec value = load(x + i);
            store_whole(whole + i, multiply(Range::has_low ? subtract(value, low) : value, inverse));
        }
        q.scale[r * q.scale_stride] = scale.scale;
        if (Range::has_low) q.low[r * q.scale_stride] = scale.low;
    }
}
