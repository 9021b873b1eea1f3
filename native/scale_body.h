// Scales of whole numbers, over `Vec`. Included inside an anonymous namespace.

#ifndef IDEMBED_SCALE_BODY_H
#define IDEMBED_SCALE_BODY_H

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

#endif
