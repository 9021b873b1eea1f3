#include "cpu.h"

#include <cstdint>
#include <cstdlib>
#include <cstring>

#if defined(IDEMBED_X86)
#if defined(_MSC_VER)
#include <intrin.h>
#else
#include <cpuid.h>
#endif
#elif defined(IDEMBED_ARM64)
#if defined(__APPLE__)
#include <sys/sysctl.h>
#elif defined(__linux__)
#include <sys/auxv.h>
#elif defined(_WIN32)
#include <windows.h>
#endif
#endif

namespace idembed {
namespace {

struct Cpu {
    bool avx2 = false, avxvnni = false, avx512 = false, avx512vnni = false, neon = false, neondot = false,
         scalar = true;
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

// What CPUID and the operating system say.
struct Features {
    uint32_t leaf1_c = 0, leaf7_b = 0, leaf7_c = 0, leaf7_1_a = 0;
    uint64_t saved = 0;
};

Features features() {
    Features f;
    constexpr uint32_t osxsave = 1u << 27;
    if (cpuid(0, 0).a < 7) return f;
    f.leaf1_c = cpuid(1, 0).c;
    if (!(f.leaf1_c & osxsave)) return f;
    f.saved = saved_registers();
    const Registers leaf7 = cpuid(7, 0);
    f.leaf7_b = leaf7.b;
    f.leaf7_c = leaf7.c;
    if (leaf7.a >= 1) f.leaf7_1_a = cpuid(7, 1).a;
    return f;
}

Cpu cpu_with(const Features& f) {
    constexpr uint32_t fma = 1u << 12, avx = 1u << 28;                      // leaf 1, ecx
    constexpr uint32_t avx2 = 1u << 5;                                      // leaf 7, ebx
    constexpr uint32_t avx512 = 1u << 16 | 1u << 17 | 1u << 30 | 1u << 31;  // F, DQ, BW, VL
    constexpr uint32_t avx512vnni = 1u << 11;                               // leaf 7, ecx
    constexpr uint32_t avxvnni = 1u << 4;                                   // leaf 7, subleaf 1, eax
    constexpr uint64_t ymm = 0x6, zmm = 0xe6;
    Cpu cpu;
    cpu.avx2 = (f.leaf1_c & fma) && (f.leaf1_c & avx) && (f.leaf7_b & avx2) && (f.saved & ymm) == ymm;
    cpu.avxvnni = cpu.avx2 && (f.leaf7_1_a & avxvnni);
    cpu.avx512 = cpu.avx2 && (f.leaf7_b & avx512) == avx512 && (f.saved & zmm) == zmm;
    cpu.avx512vnni = cpu.avx512 && (f.leaf7_c & avx512vnni);
    return cpu;
}

Cpu detect() {
    return cpu_with(features());
}

#elif defined(IDEMBED_ARM64)

bool has_dot_products() {  // FEAT_DotProd
#if defined(__APPLE__)
    int has = 0;
    size_t size = sizeof has;
    return sysctlbyname("hw.optional.arm.FEAT_DotProd", &has, &size, nullptr, 0) == 0 && has != 0;
#elif defined(__linux__)
    return (getauxval(AT_HWCAP) & 1ul << 20) != 0;  // HWCAP_ASIMDDP
#elif defined(_WIN32)
    return IsProcessorFeaturePresent(43) != 0;  // PF_ARM_V82_DP_INSTRUCTIONS_AVAILABLE
#else
    return false;
#endif
}

Cpu detect() {
    Cpu cpu;
    cpu.neon = true;  // there is no 64-bit ARM without it
    cpu.neondot = has_dot_products();
    return cpu;
}

#else

Cpu detect() {
    return {};
}

#endif

const Cpu& cpu() {
    static const Cpu detected = detect();
    return detected;
}

struct Choice {
    const Kernels* kernels;
    bool Cpu::*usable;
};

// Widest first, and of two as wide the one with dot products.
constexpr Choice choices[] = {
#if defined(IDEMBED_X86)
    {&kernels_avx512vnni, &Cpu::avx512vnni},
    {&kernels_avx512, &Cpu::avx512},
#if defined(IDEMBED_AVXVNNI)
    {&kernels_avxvnni, &Cpu::avxvnni},
#endif
    {&kernels_avx2, &Cpu::avx2},
#elif defined(IDEMBED_ARM64)
    {&kernels_neondot, &Cpu::neondot},
    {&kernels_neon, &Cpu::neon},
#endif
    {&kernels_scalar, &Cpu::scalar},
};

const Kernels* named(const char* isa) {
    for (const Choice& choice : choices) {
        if (cpu().*choice.usable && std::strcmp(isa, choice.kernels->isa) == 0) return choice.kernels;
    }
    return nullptr;
}

const Kernels* choose() {
    const char* const forced = std::getenv("IDEMBED_ISA");
    if (forced && *forced) return named(forced);
    for (const Choice& choice : choices) {
        if (cpu().*choice.usable) return choice.kernels;
    }
    return nullptr;
}

// Of the usable ones.
struct Names {
    char text[128] = "";

    explicit Names(const Cpu& cpu) {
        for (const Choice& choice : choices) {
            if (!(cpu.*choice.usable)) continue;
            if (*text) std::strcat(text, ",");
            std::strcat(text, choice.kernels->isa);
        }
    }
};

}  // namespace

const Kernels* kernels_for(const char* isa) {
    static const Kernels* const chosen = choose();
    return isa && *isa ? named(isa) : chosen;
}

const char* usable_isas() {
    static const Names names(cpu());
    return names.text;
}

}  // namespace idembed
