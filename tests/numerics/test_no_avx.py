"""The library without Python around it, and on an emulated CPU without AVX: it loads, chooses the scalar kernels, and
computes the same bits."""

import platform
import shutil
import signal
import subprocess
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
    found = {isa: same_bits.output(program, isa=isa) for isa in native.available_isas()}
    for isa, made in found.items():
        assert made == {"isa": isa, **same_bits.HASHES}


@pytest.fixture(scope="module")
def nehalem(tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    """The command that runs a program on an emulated CPU of 2008, which stops at any instruction of AVX."""
    if platform.machine() != "x86_64":
        pytest.skip("is about x86-64")
    emulator = shutil.which("qemu-x86_64") or shutil.which("qemu-x86_64-static")
    compiler = shutil.which("cc") or shutil.which("gcc") or shutil.which("clang")
    if not emulator or not compiler:
        pytest.skip("needs a compiler and qemu-x86_64 (Debian, Ubuntu: apt install qemu-user)")
    avx = tmp_path_factory.mktemp("nehalem") / "avx"
    source = 'int main(void) { __asm__ volatile("vpxor %xmm0, %xmm0, %xmm0"); return 0; }'
    subprocess.run([compiler, "-x", "c", "-", "-o", avx], input=source, text=True, check=True)
    command = [emulator, "-cpu", "Nehalem"]
    assert subprocess.run([*command, avx], capture_output=True).returncode == -signal.SIGILL
    return command


def test_a_cpu_without_avx_computes_the_same_bits(nehalem: list[str], program: Path) -> None:
    found = same_bits.output(*nehalem, program)
    assert found == {"isa": "scalar", **same_bits.HASHES}


def test_a_cpu_without_avx_refuses_it(nehalem: list[str], program: Path) -> None:
    with pytest.raises(subprocess.CalledProcessError) as refused:
        same_bits.output(*nehalem, program, isa="avx2")
    assert refused.value.stderr == "idembed_isa: status 2\n"
