#include "team.h"

#include <chrono>
#include <exception>
#include <thread>
#include <vector>

#if defined(IDEMBED_X86)
#include <xmmintrin.h>
#endif

namespace idembed {
namespace {

#if defined(IDEMBED_X86)
constexpr uint64_t canonical_mode = 0x1f80;  // MXCSR: all exceptions masked, round to nearest, no FTZ, no DAZ
#else
constexpr uint64_t canonical_mode = 0;  // FPCR: the same
#endif

void pause() {
#if defined(IDEMBED_X86)
    _mm_pause();
#endif
}

}  // namespace

uint64_t FloatMode::get() {
#if defined(IDEMBED_X86)
    return _mm_getcsr();
#elif defined(__aarch64__)
    uint64_t mode;
    __asm__ volatile("mrs %0, fpcr" : "=r"(mode));
    return mode;
#else
    return canonical_mode;
#endif
}

void FloatMode::set(uint64_t mode) {
#if defined(IDEMBED_X86)
    _mm_setcsr(static_cast<unsigned>(mode));
#elif defined(__aarch64__)
    __asm__ volatile("msr fpcr, %0" : : "r"(mode));
#else
    (void)mode;
#endif
}

FloatMode::FloatMode() : saved_(get()) {
    set(canonical_mode);
}

FloatMode::~FloatMode() {
    set(saved_);
}

void Patience::wait() {
    constexpr int watching = 2000, yielding = 2100;
    ++turns_;
    if (turns_ < watching) return pause();
    if (turns_ < yielding) return std::this_thread::yield();
    std::this_thread::sleep_for(std::chrono::microseconds(50));
}

void Barrier::wait(int size) {
    const uint32_t round = round_.load(std::memory_order_relaxed);
    if (waiting_.fetch_add(1, std::memory_order_acq_rel) == size - 1) {
        waiting_.store(0, std::memory_order_relaxed);
        round_.store(round + 1, std::memory_order_release);
        return;
    }
    Patience patience;
    while (round_.load(std::memory_order_acquire) == round) patience.wait();
}

void run_team(int threads, Task task, void* data) {
    const FloatMode mode;
    Barrier barrier;
    std::atomic<int> gate{0};  // the team's size, which is known only when all have started
    std::vector<std::thread> workers;
    try {
        workers.reserve(static_cast<size_t>(threads));
        for (int rank = 1; rank < threads; ++rank) {
            workers.emplace_back([&, rank] {
                const FloatMode workers_mode;
                int size;
                while ((size = gate.load(std::memory_order_acquire)) == 0) std::this_thread::yield();
                task(data, {rank, size, &barrier});
            });
        }
    } catch (const std::exception&) {
        // No more threads: those that did start do the work.
    }
    const int size = static_cast<int>(workers.size()) + 1;
    gate.store(size, std::memory_order_release);
    task(data, {0, size, &barrier});
    for (std::thread& worker : workers) worker.join();
}

}  // namespace idembed
