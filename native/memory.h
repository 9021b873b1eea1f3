// Memory for floats, on cache lines' boundaries, not initialized.
#ifndef IDEMBED_MEMORY_H
#define IDEMBED_MEMORY_H

#include <cstdint>
#include <memory>
#include <vector>

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

// Gives out memory that lives as long as itself, from large chunks on huge pages: weights are read from end
// to end, and the hardware reads ahead no farther than a page.
class Arena {
  public:
    float* take(int64_t size);  // throws std::bad_alloc

  private:
    struct Free {
        void operator()(float* p) const;
    };
    std::vector<std::unique_ptr<float, Free>> chunks_;
    float* next_ = nullptr;
    int64_t left_ = 0;
};

}  // namespace idembed
#endif
