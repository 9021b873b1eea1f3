"""Which instruction sets of x86 are used, by what CPUID and the operating system say."""

import platform
import shutil
import subprocess
from pathlib import Path

import pytest

HERE = Path(__file__).parent
NATIVE = HERE.parents[1] / "native"

FMA, AVX = 1 << 12, 1 << 28  # leaf 1, ecx
AVX2, AVX512 = 1 << 5, 1 << 16 | 1 << 17 | 1 << 30 | 1 << 31  # leaf 7, ebx; F, DQ, BW and VL
AVX512_VNNI = 1 << 11  # leaf 7, ecx
AVX_VNNI = 1 << 4  # leaf 7, subleaf 1, eax
XMM, YMM, ZMM = 0x3, 0x7, 0xE7  # registers that the system saves


@pytest.fixture(scope="module")
def program(tmp_path_factory: pytest.TempPathFactory) -> Path:
    compiler = shutil.which("c++") or shutil.which("g++") or shutil.which("clang++")
    if platform.machine() != "x86_64" or not compiler:
        pytest.skip("needs a compiler on x86-64")
    made = tmp_path_factory.mktemp("cpu") / "names"
    subprocess.run(
        [compiler, "-std=c++17", "-w", f"-I{NATIVE}", str(HERE / "cpu_names.cpp"), "-o", str(made)], check=True
    )
    return made


@pytest.mark.parametrize(
    ("registers", "names"),
    [
        pytest.param((FMA | AVX, AVX2, 0, 0, YMM), "avx2,scalar", id="Haswell, Zen"),
        pytest.param((FMA | AVX, AVX2, 0, AVX_VNNI, YMM), "avxvnni,avx2,scalar", id="Alder Lake"),
        pytest.param((FMA | AVX, AVX2 | AVX512, 0, 0, ZMM), "avx512,avx2,scalar", id="Skylake-SP"),
        pytest.param(
            (FMA | AVX, AVX2 | AVX512, AVX512_VNNI, 0, ZMM), "avx512vnni,avx512,avx2,scalar", id="Ice Lake, Zen 4"
        ),
        pytest.param(
            (FMA | AVX, AVX2 | AVX512, AVX512_VNNI, AVX_VNNI, ZMM),
            "avx512vnni,avx512,avxvnni,avx2,scalar",
            id="Sapphire Rapids, Zen 5",
        ),
        pytest.param(
            (FMA | AVX, AVX2 | AVX512, AVX512_VNNI, AVX_VNNI, YMM),
            "avxvnni,avx2,scalar",
            id="a system that saves no zmm",
        ),
        pytest.param((FMA | AVX, AVX2, 0, AVX_VNNI, XMM), "scalar", id="a system that saves no ymm"),
        pytest.param((AVX, AVX2, 0, AVX_VNNI, YMM), "scalar", id="without FMA"),
        pytest.param((FMA | AVX, 0, 0, AVX_VNNI, YMM), "scalar", id="without AVX2"),
        pytest.param((FMA | AVX, AVX2 | 1 << 16, AVX512_VNNI, 0, ZMM), "avx2,scalar", id="AVX-512 in part"),
        pytest.param((0, 0, 0, 0, 0), "scalar", id="Nehalem"),
    ],
)
def test_a_cpu_uses_what_it_and_the_system_have(program: Path, registers: tuple[int, ...], names: str) -> None:
    printed = subprocess.run([program, *map(hex, registers)], check=True, capture_output=True, text=True).stdout
    assert printed == names + "\n"
