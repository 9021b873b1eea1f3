"""The library on an emulated CPU without AVX: it loads, chooses the scalar kernels, and computes the same bits."""

import os
import platform
import shutil
import subprocess
from pathlib import Path

import pytest

from idembed import native
from idembed.native.library import library_path

HERE = Path(__file__).parent


@pytest.fixture(scope="module")
def program(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """no_avx.c, linked against the library."""
    compiler = shutil.which("c++") or shutil.which("g++") or shutil.which("clang++")
    if platform.system() != "Linux" or platform.machine() != "x86_64" or not compiler:
        pytest.skip("needs a compiler on Linux, x86-64")
    made = tmp_path_factory.mktemp("no_avx") / "no_avx"
    library = Path(library_path()).resolve()
    source = [
        "-x",
        "c",
        "-std=c11",
        "-Wall",
        "-Wextra",
        "-Werror",
        f"-I{HERE.parents[1] / 'native'}",
        HERE / "no_avx.c",
    ]
    linked = ["-x", "none", library, f"-Wl,-rpath,{library.parent}", "-o", made]
    subprocess.run([compiler, *source, *linked], check=True)
    return made


def output(*command: str | Path, isa: str = "") -> list[str]:
    environment = {**os.environ, "IDEMBED_ISA": isa}
    return subprocess.run(command, env=environment, check=True, capture_output=True, text=True).stdout.split()


def test_every_instruction_set_prints_the_same_hash(program: Path) -> None:
    printed = [output(program, isa=isa) for isa in native.available_isas()]
    assert [isa for isa, _ in printed] == list(native.available_isas())
    assert len({computed for _, computed in printed}) == 1


def test_a_cpu_without_avx_computes_the_same_bits(program: Path) -> None:
    emulator = shutil.which("qemu-x86_64")
    if not emulator:
        pytest.skip("needs qemu-x86_64 (Debian, Ubuntu: apt install qemu-user)")
    assert output(emulator, "-cpu", "Nehalem", program) == ["scalar", output(program)[1]]
