#include "cpu.h"

#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <initializer_list>

#if defined(IDEMBED_X86)
#if defined(_MSC_VER)
#include <intrin.h>
#else
#include <cpuid.h>
#endif
#endif

namespace idembed {
namespace {

struct Cpu {
    bool avx2 = false, avx512 = false, avx512vnni = false, neon = false;
};

#if defined(IDEMBED_X86)

struct Registers {
    uint32_t a, b, c, d;
};

Registers cpuid(uint32_t leaf, uint32_t subleaf) {
    Registers r{};
#if defined(_MSC_VER)
    int out[4];
    __cpuidex(out, static_cast<int>(leaf), static_cast<int>(subleaf));
    r = {static_cast<uint32_t>(out[0]), static_cast<uint32_t>(out[1]), static_cast<uint32_t>(out[2]),
         static_cast<uint32_t>(out[3])};
#else
    __get_cpuid_count(leaf, subleaf, &r.a, &r.b, &r.c, &r.d);
#endif
    return r;
}

// The register sets that the operating system saves: bits 1, 2 for ymm; 5, 6, 7 for the mask registers and
// zmm.
uint64_t saved_registers() {
#if defined(_MSC_VER)
    return _xgetbv(0);
#else
    uint32_t low, high;
    __asm__ volatile("xgetbv" : "=a"(low), "=d"(high) : "c"(0));
    return static_cast<uint64_t>(high) << 32 | low;
#endif
}

Cpu detect() {
    constexpr uint32_t fma = 1u << 12, osxsave = 1u << 27, avx = 1u << 28;  // leaf 1, ecx
    constexpr uint32_t avx2 = 1u << 5;                                      // leaf 7, ebx
    constexpr uint32_t avx512 = 1u << 16 | 1u << 17 | 1u << 30 | 1u << 31;  // F, DQ, BW, VL
    constexpr uint32_t vnni = 1u << 11;                                     // leaf 7, ecx
    Cpu cpu;
    if (cpuid(0, 0).a < 7) return cpu;
    if (const uint32_t need = fma | osxsave | avx; (cpuid(1, 0).c & need) != need) return cpu;
    const uint64_t saved = saved_registers();
    const Registers extended = cpuid(7, 0);
    cpu.avx2 = (saved & 0x6) == 0x6 && (extended.b & avx2) != 0;
    cpu.avx512 = cpu.avx2 && (saved & 0xe6) == 0xe6 && (extended.b & avx512) == avx512;
    cpu.avx512vnni = cpu.avx512 && (extended.c & vnni) != 0;
    return cpu;
}

#else

Cpu detect() {
    Cpu cpu;
#if defined(IDEMBED_ARM64)
    cpu.neon = true;  // there is no 64-bit ARM without it
#endif
    return cpu;
}

#endif

const Cpu& cpu() {
    static const Cpu detected = detect();
    return detected;
}

const Kernels* named(const char* isa) {
    if (std::strcmp(isa, "scalar") == 0) return &kernels_scalar;
#if defined(IDEMBED_X86)
    if (std::strcmp(isa, "avx2") == 0 && cpu().avx2) return &kernels_avx2;
    if (std::strcmp(isa, "avx512") == 0 && cpu().avx512) return &kernels_avx512;
    if (std::strcmp(isa, "avx512vnni") == 0 && cpu().avx512vnni) return &kernels_avx512vnni;
#elif defined(IDEMBED_ARM64)
    if (std::strcmp(isa, "neon") == 0 && cpu().neon) return &kernels_neon;
#endif
    return nullptr;
}

const Kernels* choose() {
    const char* const forced = std::getenv("IDEMBED_ISA");
    if (forced && *forced) return named(forced);
    for (const char* isa : {"avx512vnni", "avx512", "avx2", "neon"}) {
        if (const Kernels* kernels = named(isa)) return kernels;
    }
    return &kernels_scalar;
}

}  // namespace

const Kernels* kernels_for(const char* isa) {
    static const Kernels* const chosen = choose();
    return isa && *isa ? named(isa) : chosen;
}

const char* usable_isas() {
    if (cpu().neon) return "neon,scalar";
    if (cpu().avx512vnni) return "avx512vnni,avx512,avx2,scalar";
    return cpu().avx512 ? "avx512,avx2,scalar" : cpu().avx2 ? "avx2,scalar" : "scalar";
}

}  // namespace idembed
