#include "memory.h"

#include <algorithm>
#include <new>

#if defined(__linux__)
#include <sys/mman.h>
#endif

#include "numerics.h"

namespace idembed {
namespace {

constexpr std::align_val_t cache_line{64}, huge_page{size_t{2} << 20};
constexpr int64_t chunk = 8 << 20;  // floats: 32 MB

}  // namespace

Floats::Floats(int64_t size)
    : data_(static_cast<float*>(::operator new(static_cast<size_t>(size) * sizeof(float), cache_line))) {}

void Floats::Free::operator()(float* p) const {
    ::operator delete(p, cache_line);
}

float* Arena::take(int64_t size) {
    size = round_up_to_lanes(size);
    if (size > left_) {
        const int64_t wanted = std::max(size, chunk);
        const size_t bytes = static_cast<size_t>(wanted) * sizeof(float);
        next_ = static_cast<float*>(::operator new(bytes, huge_page));
        chunks_.emplace_back(next_);
        left_ = wanted;
#if defined(MADV_HUGEPAGE)
        madvise(next_, bytes, MADV_HUGEPAGE);  // if it fails, small pages do as well
#endif
    }
    float* const taken = next_;
    next_ += size;
    left_ -= size;
    return taken;
}

void Arena::Free::operator()(float* p) const {
    ::operator delete(p, huge_page);
}

}  // namespace idembed
