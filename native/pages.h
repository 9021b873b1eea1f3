// Pages of a mapped file.
#ifndef IDEMBED_PAGES_H
#define IDEMBED_PAGES_H

#include <cstdint>

namespace idembed {

// Gives whole pages back to the system: they no longer count as this process's memory, and come from the file
// again when they are read. Does nothing where the system has no such call.
void give_back(const void* begin, int64_t bytes);

}  // namespace idembed
#endif
