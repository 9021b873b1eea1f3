// Many texts on several threads.
#ifndef IDEMBED_ENCODER_SCHEDULE_H
#define IDEMBED_ENCODER_SCHEDULE_H

#include <cstdint>

#include "weights.h"

namespace idembed {

// out [n, hidden]. IDEMBED_OK, IDEMBED_ARGUMENT, IDEMBED_TOKEN, IDEMBED_LENGTH or IDEMBED_NOT_FINITE; throws
// std::bad_alloc.
int32_t encode(const Encoder& encoder, const int32_t* tokens, const int64_t* offsets, int64_t n, float* out,
               int threads);

}  // namespace idembed
#endif
