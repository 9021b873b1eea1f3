// Which kernels this machine can run, and which are used.
#ifndef IDEMBED_CPU_H
#define IDEMBED_CPU_H

#include "kernels.h"

namespace idembed {

// The kernels of this name, "scalar" or one of those in docs/numerics.md; for null or "" those that the
// environment variable IDEMBED_ISA names, and without it the widest. Null when the name is unknown or this
// CPU lacks them.
const Kernels* kernels_for(const char* isa);

// "avx512vnni,avx512,avx2,scalar": those that this CPU can run, widest first.
const char* usable_isas();

}  // namespace idembed
#endif
