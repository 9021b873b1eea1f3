"""The library compiled for 64-bit ARM and emulated here: with NEON and without it computes the same bits."""

import platform
import shutil
import subprocess
import sys
from collections.abc import Callable
from functools import cache
from pathlib import Path

import pytest
import same_bits

SYSTEM = "aarch64-linux-gnu"
ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def emulated(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], dict[str, str]]:
    """Runs same_bits.c on 64-bit ARM with this IDEMBED_ISA."""
    if platform.machine() in ("aarch64", "arm64"):
        pytest.skip("this machine is one: test_no_avx.py runs the program as it is")
    compiler = shutil.which(f"{SYSTEM}-g++")
    emulator = shutil.which("qemu-aarch64") or shutil.which("qemu-aarch64-static")
    cmake = shutil.which("cmake") or shutil.which("cmake", path=Path(sys.executable).parent)
    if not (compiler and emulator and cmake):
        pytest.skip(
            "needs a cross compiler and qemu (Debian, Ubuntu: apt install g++-aarch64-linux-gnu qemu-user cmake)"
        )
    made = tmp_path_factory.mktemp("neon")
    target = ["-DCMAKE_SYSTEM_NAME=Linux", "-DCMAKE_SYSTEM_PROCESSOR=aarch64", f"-DCMAKE_CXX_COMPILER={compiler}"]
    configure = [cmake, "-S", ROOT, "-B", made, *target]
    for command in configure, [cmake, "--build", made, "--parallel", "2"]:
        done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        assert done.returncode == 0, done.stdout
    program = same_bits.build(compiler, made / "libidembed.so", made / "same_bits")
    return cache(lambda isa: same_bits.output(emulator, "-L", f"/usr/{SYSTEM}", program, isa=isa))


@pytest.mark.parametrize("isa", ["neon", "scalar"])
def test_arm_computes_the_same_bits(emulated: Callable[[str], dict[str, str]], isa: str) -> None:
    assert emulated(isa) == {"isa": isa, **same_bits.HASHES}


def test_arm_uses_neon_unless_told_otherwise(emulated: Callable[[str], dict[str, str]]) -> None:
    assert emulated("")["isa"] == "neon"


def test_arm_has_no_avx(emulated: Callable[[str], dict[str, str]]) -> None:
    with pytest.raises(subprocess.CalledProcessError) as refused:
        emulated("avx2")
    assert refused.value.stderr == "idembed_isa: status 2\n"
