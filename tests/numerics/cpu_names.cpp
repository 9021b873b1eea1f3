// Prints which instruction sets the library would use on an x86 CPU that says this of itself: ecx of leaf 1,
// ebx and ecx of leaf 7, eax of its subleaf 1, and the registers that the system saves, all in hexadecimal.
#define IDEMBED_X86
#define IDEMBED_AVXVNNI
#include <cstdio>

#include "cpu.cpp"

namespace idembed {

const Kernels kernels_scalar = {"scalar"};
const Kernels kernels_avx2 = {"avx2"};
const Kernels kernels_avxvnni = {"avxvnni"};
const Kernels kernels_avx512 = {"avx512"};
const Kernels kernels_avx512vnni = {"avx512vnni"};

}  // namespace idembed

int main(int count, char** words) {
    if (count != 6) return 1;
    const auto number = [&](int i) { return std::strtoull(words[i], nullptr, 16); };
    idembed::Features features;
    features.leaf1_c = static_cast<uint32_t>(number(1));
    features.leaf7_b = static_cast<uint32_t>(number(2));
    features.leaf7_c = static_cast<uint32_t>(number(3));
    features.leaf7_1_a = static_cast<uint32_t>(number(4));
    features.saved = number(5);
    std::puts(idembed::Names(idembed::cpu_with(features)).text);
    return 0;
}
