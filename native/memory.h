// Memory for floats, on cache lines' boundaries, not initialized.
#ifndef IDEMBED_MEMORY_H
#define IDEMBED_MEMORY_H

#include <cstdint>
#include <memory>

namespace idembed {

class Floats {
  public:
    explicit Floats(int64_t size);  // throws std::bad_alloc
    float* data() const { return data_.get(); }

  private:
    struct Free {
        void operator()(float* p) const;
    };
    std::unique_ptr<float, Free> data_;
};

}  // namespace idembed
#endif
