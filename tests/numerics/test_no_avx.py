"""The library without Python around it, and on an emulated CPU without AVX: it loads, chooses the scalar kernels, and
computes the same bits."""

import platform
import shutil
from pathlib import Path

import pytest
import same_bits

from idembed import native
from idembed.native.library import library_path


@pytest.fixture(scope="module")
def program(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """same_bits.c for this machine."""
    compiler = shutil.which("c++") or shutil.which("g++") or shutil.which("clang++")
    if platform.system() != "Linux" or not compiler:
        pytest.skip("needs a compiler on Linux")
    return same_bits.build(compiler, Path(library_path()).resolve(), tmp_path_factory.mktemp("here") / "same_bits")


def test_every_instruction_set_computes_the_same_bits(program: Path) -> None:
    for isa in native.available_isas():
        assert same_bits.output(program, isa=isa) == {"isa": isa, **same_bits.HASHES}


def test_a_cpu_without_avx_computes_the_same_bits(program: Path) -> None:
    if platform.machine() != "x86_64":
        pytest.skip("is about x86-64")
    emulator = shutil.which("qemu-x86_64") or shutil.which("qemu-x86_64-static")
    if not emulator:
        pytest.skip("needs qemu-x86_64 (Debian, Ubuntu: apt install qemu-user)")
    assert same_bits.output(emulator, "-cpu", "Nehalem", program) == {"isa": "scalar", **same_bits.HASHES}
