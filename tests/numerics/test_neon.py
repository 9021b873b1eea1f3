"""The library compiled for 64-bit ARM and emulated here: with dot products, with NEON alone and without it computes
the same bits."""

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

Run = Callable[..., dict[str, str]]


@pytest.fixture(scope="module")
def emulated(tmp_path_factory: pytest.TempPathFactory) -> Run:
    """Runs same_bits.c on 64-bit ARM with this IDEMBED_ISA; ``cpu`` names one of the emulator's, "max" has all."""
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

    def run(isa: str, cpu: str = "max") -> dict[str, str]:
        return same_bits.output(emulator, "-cpu", cpu, "-L", f"/usr/{SYSTEM}", program, isa=isa)

    return cache(run)


@pytest.mark.parametrize("isa", ["neondot", "neon", "scalar"])
def test_arm_computes_the_same_bits(emulated: Run, isa: str) -> None:
    assert emulated(isa) == {"isa": isa, **same_bits.HASHES}


@pytest.mark.parametrize(("cpu", "isa"), [("neoverse-n1", "neondot"), ("cortex-a72", "neon")])
def test_arm_uses_dot_products_where_the_cpu_has_them(emulated: Run, cpu: str, isa: str) -> None:
    """An emulated CPU stops at any instruction that it lacks."""
    assert emulated("", cpu) == {"isa": isa, **same_bits.HASHES}


@pytest.mark.parametrize(("cpu", "isa"), [("cortex-a72", "neondot"), ("max", "avx2")])
def test_arm_refuses_what_the_cpu_lacks(emulated: Run, cpu: str, isa: str) -> None:
    with pytest.raises(subprocess.CalledProcessError) as refused:
        emulated(isa, cpu)
    assert refused.value.stderr == "idembed_isa: status 2\n"
