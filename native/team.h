// Threads for the length of one call.
//
// A team is started by the call that needs it and joined before the call returns. Nothing runs between calls,
// so nothing spins, and a process that forks leaves nothing behind. Starting a thread costs some 20
// microseconds; the shortest text takes a thousand.
#ifndef IDEMBED_TEAM_H
#define IDEMBED_TEAM_H

#include <atomic>
#include <cstdint>

namespace idembed {

// Round to nearest, denormals kept, no traps, whatever the calling program had set (a library loaded with
// -ffast-math sets "flush to zero" for everyone); the caller's mode comes back at the end.
class FloatMode {
  public:
    FloatMode();
    ~FloatMode();
    FloatMode(const FloatMode&) = delete;
    FloatMode& operator=(const FloatMode&) = delete;

    static uint64_t get();
    static void set(uint64_t mode);

  private:
    uint64_t saved_;
};

// What a thread does while it waits for another: it watches for some microseconds, then lets others run, then
// sleeps for moments, so that it does not keep the one it waits for from the processor.
class Patience {
  public:
    void wait();

  private:
    int turns_ = 0;
};

// Lets `size` threads go on together: all have written what they wrote before any reads it after.
class Barrier {
  public:
    void wait(int size);

  private:
    std::atomic<int> waiting_{0};
    std::atomic<uint32_t> round_{0};
};

// One thread's place in a team.
struct Member {
    int rank, size;
    Barrier* barrier;

    // This member's share of 0 .. n: [begin(n), end(n)).
    int64_t begin(int64_t n) const { return n * rank / size; }
    int64_t end(int64_t n) const { return n * (rank + 1) / size; }
    void wait() const {
        if (size > 1) barrier->wait(size);
    }
};

using Task = void (*)(void* data, const Member& member);

// Runs `task` on up to `threads` threads, the caller's one of them, in the float mode above, and returns when
// all have ended. There are fewer when the system will start no more. `task` must not throw.
void run_team(int threads, Task task, void* data);

template <class F>
void run_team(int threads, F&& f) {
    run_team(threads, [](void* data, const Member& member) { (*static_cast<F*>(data))(member); }, &f);
}

}  // namespace idembed
#endif
