"""The tests see what they are there to see: with a mistake in the native library that moves bits, they fail."""

from __future__ import annotations

import os
import platform
import re
import shutil
import subprocess
import sys
from collections.abc import Iterable
from pathlib import Path

import pytest
from mutants import GOLDEN, MUTANTS, Mutant, Workshop

from idembed import native
from idembed.errors import ModelNotFoundError
from idembed.models import hub

TESTS = Path(__file__).parents[1]


@pytest.fixture(scope="module")
def workshop(tmp_path_factory: pytest.TempPathFactory) -> Workshop:
    cmake = shutil.which("cmake") or shutil.which("cmake", path=Path(sys.executable).parent)
    if not sys.platform.startswith("linux") or not cmake:
        pytest.skip("needs CMake on Linux (Debian, Ubuntu: apt install cmake)")
    if native.available_isas() == ("scalar",):
        pytest.skip("needs vector instructions: the scalar kernels take too long")
    return Workshop(tmp_path_factory.mktemp("mutants"), cmake)


@pytest.fixture(scope="module")
def unseen() -> set[str]:
    """Tests that need a checkpoint which cannot be had here."""
    try:
        hub.find("all-MiniLM-L6-v2")
    except ModelNotFoundError:
        return {GOLDEN}
    return set()


def failed(library: Path, tests: Iterable[str]) -> set[str]:
    """Those of the tests that fail with this library, with any parameters but scalar kernels, which are slow."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("PYTEST_", "IDEMBED_ISA"))}
    done = subprocess.run(
        [
            sys.executable,
            "-m",
            "pytest",
            "-q",
            "-p",
            "no:cacheprovider",
            "-rf",
            "--tb=no",
            "-k",
            "not scalar",
            *sorted(tests),
        ],
        env=environment | {"IDEMBED_LIBRARY": str(library)},
        cwd=TESTS,
        capture_output=True,
        text=True,
    )
    assert done.returncode in (0, 1), done.stdout + done.stderr
    named = [line.split()[1] for line in done.stdout.splitlines() if line.startswith("FAILED ")]
    return {test for test in tests if any(name == test or name.startswith(f"{test}[") for name in named)}


def test_the_kernels_of_avx_alone_use_it(workshop: Workshop) -> None:
    """Every such instruction has a name in v, and nothing else that a compiler writes has."""
    if platform.machine() != "x86_64" or not shutil.which("objdump"):
        pytest.skip("needs objdump on x86-64")
    workshop.library()
    using = set()
    for path in workshop.objects():
        command = ["objdump", "-d", "--no-show-raw-insn", path]
        code = subprocess.run(command, check=True, capture_output=True, text=True).stdout
        assert re.search(r"^ +[0-9a-f]+:\t(ret|jmp)", code, re.MULTILINE)  # it is code at all
        if re.search(r"^ +[0-9a-f]+:\tv", code, re.MULTILINE):
            using.add(path.name)
    assert using == {path.name for path in workshop.objects() if path.name.startswith("kernels_avx")}
    assert len(using) >= 2


def test_without_a_mistake_they_pass(workshop: Workshop, unseen: set[str]) -> None:
    assert failed(workshop.library(), {test for mutant in MUTANTS for test in mutant.noticed_by} - unseen) == set()


@pytest.mark.parametrize("mutant", MUTANTS, ids=lambda mutant: mutant.name)
def test_a_mistake_is_seen(workshop: Workshop, unseen: set[str], mutant: Mutant) -> None:
    tests = set(mutant.noticed_by) - unseen
    assert failed(workshop.mutated(mutant), tests) == tests
