#include "memory.h"

#include <new>

namespace idembed {
namespace {

constexpr std::align_val_t cache_line{64};

}  // namespace

Floats::Floats(int64_t size)
    : data_(static_cast<float*>(::operator new(static_cast<size_t>(size) * sizeof(float), cache_line))) {}

void Floats::Free::operator()(float* p) const {
    ::operator delete(p, cache_line);
}

}  // namespace idembed
