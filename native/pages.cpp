#include "pages.h"

#if defined(__unix__) || defined(__APPLE__)
#include <sys/mman.h>

#include <cstddef>
#endif

namespace idembed {

void give_back([[maybe_unused]] const void* begin, [[maybe_unused]] int64_t bytes) {
#ifdef MADV_DONTNEED
    madvise(const_cast<void*>(begin), static_cast<size_t>(bytes), MADV_DONTNEED);
#endif
}

}  // namespace idembed
