// What the steps of a forward pass are given.
#ifndef IDEMBED_ENCODER_PASS_H
#define IDEMBED_ENCODER_PASS_H

#include "forward.h"

namespace idembed {

struct ForwardPass {
    const Encoder& encoder;
    const Kernels& kernels;
    const Block& block;
    const Member& member;

    int64_t hidden() const { return encoder.hidden(); }

    // Calls f(text, its first row).
    template <class F>
    void each_text(F f) const {
        int64_t row = 0;
        for (int64_t i = 0; i < block.count; ++i) {
            f(block.texts[i], row);
            row += block.texts[i].length;
        }
    }
};

}  // namespace idembed
#endif
