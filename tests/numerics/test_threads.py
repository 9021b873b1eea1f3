"""Training by four threads under ThreadSanitizer: it sees no two of them meet at a row, or at anything else."""

import platform
import shutil
import subprocess
from pathlib import Path

import pytest

HERE = Path(__file__).parent
NATIVE = HERE.parents[1] / "native"
SANITIZED = ["-std=c++17", "-O1", "-g", "-fsanitize=thread", "-pthread", "-ffp-contract=off", f"-I{NATIVE}"]
RACE = """
#include <thread>
int main() {
    int shared = 0;
    std::thread other([&] { shared = 1; });
    shared = 2;
    other.join();
    return shared == 3;
}
"""


def build(compiler: str, made: Path, *sources: Path) -> subprocess.CompletedProcess[str]:
    command = [compiler, *SANITIZED, *map(str, sources), "-o", str(made)]
    return subprocess.run(command, capture_output=True, text=True)


def run(program: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run([program], capture_output=True, text=True, timeout=120)


@pytest.fixture(scope="module")
def compiler(tmp_path_factory: pytest.TempPathFactory) -> str:
    """A compiler whose ThreadSanitizer finds a race where there is one."""
    found = shutil.which("c++") or shutil.which("g++") or shutil.which("clang++")
    if platform.system() != "Linux" or not found:
        pytest.skip("needs a compiler on Linux")
    folder = tmp_path_factory.mktemp("race")
    (folder / "race.cpp").write_text(RACE)
    built = build(found, folder / "race", folder / "race.cpp")
    if built.returncode != 0:
        pytest.skip(f"{found} has no ThreadSanitizer (Debian, Ubuntu: apt install libtsan2)")
    if "data race" not in run(folder / "race").stderr:
        pytest.skip("ThreadSanitizer does not work on this machine")
    return found


def test_threads_never_meet_while_training(compiler: str, tmp_path: Path) -> None:
    # Without IDEMBED_X86 or IDEMBED_ARM64 there are the scalar kernels only, which all are made from one text.
    sources = [source for source in sorted(NATIVE.rglob("*.cpp")) if not source.stem.startswith("kernels_")]
    program = tmp_path / "threads"
    built = build(compiler, program, HERE / "threads.cpp", NATIVE / "kernels_scalar.cpp", *sources)
    assert built.returncode == 0, built.stderr
    done = run(program)
    assert done.stderr == ""
    assert done.returncode == 0
    assert done.stdout == "skip-gram\nskip-gram, uneven shares\nCBOW\nfew words\n"
