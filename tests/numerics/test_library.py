"""The library as a guest in someone's process: loading, choice of kernels, float mode, symbols."""

import itertools
import os
import platform
import shutil
import subprocess
import sys
from pathlib import Path

import core
import numpy as np
import pytest

from idembed import errors, native
from idembed.native import library

X86 = platform.machine().lower() in ("x86_64", "amd64")
ARM64 = platform.machine().lower() in ("aarch64", "arm64")
FLUSH, UP, TOWARDS_ZERO = core.FLUSH, core.UP, core.TOWARDS_ZERO


def run(code: str, **environment: str) -> subprocess.CompletedProcess[str]:
    env = {k: v for k, v in os.environ.items() if k != "IDEMBED_ISA"}
    path = os.pathsep.join(p for p in sys.path if p)
    return subprocess.run(
        [sys.executable, "-c", code],
        env={**env, "PYTHONPATH": path, **environment},
        capture_output=True,
        text=True,
    )


# ---- float mode -------------------------------------------------------------------------------------------


@pytest.mark.skipif(not (X86 or ARM64), reason="these are bits of MXCSR and FPCR")
@pytest.mark.parametrize("mode", [FLUSH, UP, TOWARDS_ZERO, FLUSH | UP])
def test_the_callers_float_mode_changes_nothing_and_comes_back(mode: int) -> None:
    encoder, batch = core.encoder(normalize=False), core.random_texts(30)
    tiny = np.full((3, 16), 1e-20, np.float32)
    dots = native.scores(tiny, tiny[0])  # a denormal: 1.6e-39
    assert 0 < dots[0] < 1.2e-38
    expected = [core.forward(encoder, batch, threads).tobytes() for threads in (1, 3)]
    before = core.float_mode()
    core.float_mode(before | mode)
    try:
        got = [core.forward(encoder, batch, threads).tobytes() for threads in (1, 3)]
        unit = native.scores(tiny, tiny[0])
        after = core.float_mode()
    finally:
        core.float_mode(before)
    assert got == expected
    assert unit.tobytes() == dots.tobytes()
    assert after == before | mode


# ---- choice -----------------------------------------------------------------------------------------------


def test_the_widest_instruction_set_is_used_unless_another_is_forced() -> None:
    for name in native.available_isas():
        assert run("from idembed import native; print(native.isa())", IDEMBED_ISA=name).stdout == name + "\n"
    widest = native.available_isas()[0]
    assert run("from idembed import native; print(native.isa())").stdout == widest + "\n"
    assert run("from idembed import native; print(native.isa())", IDEMBED_ISA="").stdout == widest + "\n"
    assert native.available_isas()[-1] == "scalar"


@pytest.mark.parametrize("name", ["sse9", "AVX2", "avx2,scalar", " "])
def test_an_unknown_instruction_set_is_an_error(name: str) -> None:
    done = run("from idembed import native; native.isa()", IDEMBED_ISA=name)
    assert "NativeLibraryError" in done.stderr
    assert "scalar" in done.stderr
    with pytest.raises(errors.NativeLibraryError, match="instruction set"):
        native.scores(np.ones((1, 4), np.float32), np.ones(4, np.float32), isa=name)
    with pytest.raises(errors.NativeLibraryError):
        core.encoder(name)


def test_a_missing_library_is_a_clear_error(tmp_path: Path) -> None:
    path = str(tmp_path / "nothing.so")
    done = run("from idembed import native; native.isa()", IDEMBED_LIBRARY=path)
    assert f"NativeLibraryError: the native library {path} cannot be loaded" in done.stderr
    assert "unset IDEMBED_LIBRARY" in done.stderr


def test_importing_loads_nothing() -> None:
    code = "from idembed.native import library; assert library.library.cache_info().currsize == 0"
    assert run(code, IDEMBED_LIBRARY="/nowhere").returncode == 0


def test_a_forked_child_computes_too() -> None:
    if not hasattr(os, "fork"):
        pytest.skip("no fork on this system")
    code = """
import os, core
encoder, batch = core.encoder(), core.random_texts(40)
expected = core.forward(encoder, batch, 3).tobytes()
child = os.fork()
if child == 0:
    os._exit(0 if core.forward(encoder, batch, 3).tobytes() == expected else 9)
assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
"""
    done = run(code)
    assert done.returncode == 0, done.stderr


# ---- threads ----------------------------------------------------------------------------------------------


def test_more_threads_than_can_work_are_not_started() -> None:
    assert library.thread_count(1_000) == max(64, os.cpu_count() or 1)


def test_default_threads_obey_the_cgroup(tmp_path: Path) -> None:
    assert 1 <= native.default_threads() <= (os.cpu_count() or 1)
    assert library._cgroup_quota(tmp_path) is None
    (tmp_path / "cpu").mkdir()
    (tmp_path / "cpu" / "cpu.cfs_quota_us").write_text("150000\n")
    (tmp_path / "cpu" / "cpu.cfs_period_us").write_text("100000\n")
    assert library._cgroup_quota(tmp_path) == 1.5
    (tmp_path / "cpu" / "cpu.cfs_quota_us").write_text("-1\n")
    assert library._cgroup_quota(tmp_path) is None
    (tmp_path / "cpu.max").write_text("max 100000\n")
    assert library._cgroup_quota(tmp_path) is None
    (tmp_path / "cpu.max").write_text("300000 100000\n")
    assert library._cgroup_quota(tmp_path) == 3


# ---- symbols ----------------------------------------------------------------------------------------------


def nm(*arguments: str) -> list[str]:
    if not shutil.which("nm") or not sys.platform.startswith("linux"):
        pytest.skip("needs nm on Linux")
    return subprocess.run(["nm", *arguments], check=True, capture_output=True, text=True).stdout.splitlines()


def test_the_library_exports_its_c_functions_and_nothing_else() -> None:
    names = [line.split()[-1] for line in nm("-D", "--defined-only", str(library.library_path()))]
    assert [name for name in names if not name.startswith("idembed_")] == []
    assert len(names) > 10


def test_the_header_and_the_library_name_the_same_functions() -> None:
    header = Path(__file__).parents[2] / "native" / "idembed.h"
    words = header.read_text().replace("*", " ").replace("(", " ( ").split()
    declared = {a for a, b in itertools.pairwise(words) if b == "(" and a.startswith("idembed_")}
    assert declared == {line.split()[-1] for line in nm("-D", "--defined-only", str(library.library_path()))}


AVX512 = ["-mavx512f", "-mavx512dq", "-mavx512bw", "-mavx512vl", "-mfma"]
KERNEL_FLAGS = {"scalar": []} | (
    {"neon": [], "neondot": ["-march=armv8.2-a+dotprod"]}
    if ARM64
    else {
        "avx2": ["-mavx2", "-mfma", "-DIDEMBED_AVXVNNI"],
        "avxvnni": ["-mavx2", "-mfma", "-mavxvnni"],
        "avx512": AVX512,
        "avx512vnni": [*AVX512, "-mavx512vnni"],
    }
)
# With dot products of bytes only products differ from those of another set, whose file has the table of both.
PRODUCTS = {
    "avxvnni": {
        "_ZN7idembed19product_avxvnni_i16ERKNS_10IntProductE",
        "_ZN7idembed18product_avxvnni_i8ERKNS_10IntProductE",
        "_ZN7idembed21attention_avxvnni_i16ERKNS_12IntAttentionE",
        "_ZN7idembed20attention_avxvnni_i8ERKNS_12IntAttentionE",
    },
    "avx512vnni": {
        "_ZN7idembed22product_avx512vnni_i16ERKNS_10IntProductE",
        "_ZN7idembed21product_avx512vnni_i8ERKNS_10IntProductE",
        "_ZN7idembed24attention_avx512vnni_i16ERKNS_12IntAttentionE",
        "_ZN7idembed23attention_avx512vnni_i8ERKNS_12IntAttentionE",
    },
    "neondot": {"_ZN7idembed18product_neondot_i8ERKNS_10IntProductE"},
}
BESIDE = {"avx2": "avxvnni", "avx512": "avx512vnni", "neon": "neondot"}


def table(isa: str) -> str:
    return f"_ZN7idembed{len(f'kernels_{isa}')}kernels_{isa}E"


def compiled(isa: str, optimization: str, made: Path) -> Path:
    """The file of kernels of this instruction set, by itself."""
    compiler = shutil.which("g++") or shutil.which("clang++")
    if not (X86 or ARM64) or not compiler:
        pytest.skip("needs a compiler on x86-64 or 64-bit ARM")
    if (
        isa == "avxvnni"
        and subprocess.run([compiler, "-mavxvnni", "-E", "-x", "c", os.devnull], capture_output=True).returncode
    ):
        pytest.skip("this compiler has no AVX-VNNI")
    native_folder = Path(__file__).parents[2] / "native"
    source = native_folder / f"kernels_{isa}.cpp"
    flags = ["-std=c++17", optimization, "-fno-math-errno", "-w", f"-I{native_folder}", *KERNEL_FLAGS[isa]]
    subprocess.run([compiler, *flags, "-c", str(source), "-o", str(made)], check=True)
    return made


@pytest.mark.parametrize("isa", KERNEL_FLAGS)
def test_a_kernel_file_defines_nothing_that_could_be_linked_elsewhere(isa: str, tmp_path: Path) -> None:
    """An inline function compiled for AVX and merged with its namesake would run on a CPU without AVX."""
    # Not optimized: an inline function that is merely inlined away would go unseen.
    made = compiled(isa, "-O0", tmp_path / "kernels.o")
    shared = {line.split()[-1] for line in nm("--defined-only", "--extern-only", str(made))}
    beside = BESIDE.get(isa)
    assert shared == PRODUCTS.get(isa, {table(isa)} | ({table(beside)} if beside else set()))
    undefined = {line.split()[-1] for line in nm("--undefined-only", str(made))}
    undefined -= PRODUCTS.get(beside or "", set())
    assert undefined <= {"memcpy", "memset", "memmove", "__stack_chk_fail", "_GLOBAL_OFFSET_TABLE_"}


@pytest.mark.skipif(not X86, reason="is about x86-64")
def test_dot_products_of_avxvnni_are_not_coded_as_those_of_avx512(tmp_path: Path) -> None:
    """Both have one name, and the code for AVX-512 would stop a CPU that has AVX-VNNI alone."""
    if not shutil.which("objdump"):
        pytest.skip("needs objdump")
    made = compiled("avxvnni", "-O2", tmp_path / "kernels.o")
    listing = subprocess.run(["objdump", "-d", str(made)], check=True, capture_output=True, text=True).stdout
    first_bytes = {line.split()[1] for line in listing.splitlines() if "vpdp" in line}
    assert first_bytes == {"c4"}  # the prefix VEX; 62 is EVEX
    assert "zmm" not in listing
