"""Copies of the native library with one mistake each, of the kind that moves bits and nothing else."""

from __future__ import annotations

import platform
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

__all__ = ["GOLDEN", "MUTANTS", "Mutant", "Workshop"]

ROOT = Path(__file__).parents[2]
ROUND_UP = "1 << 22" if platform.machine().lower() in ("aarch64", "arm64") else "1 << 14"  # of FPCR, of MXCSR

ORACLE = "numerics/test_encoder.py::test_forward_equals_the_oracle_bit_for_bit"
SAME_BITS = "numerics/test_no_avx.py::test_every_instruction_set_computes_the_same_bits"
ALONE = "numerics/test_encoder.py::test_a_text_alone_equals_itself_in_any_batch_and_order"
THREADS = "numerics/test_encoder.py::test_threads_change_nothing"
FLOAT_MODE = "numerics/test_library.py::test_the_callers_float_mode_changes_nothing_and_comes_back"
GOLDEN = "e2e/test_minilm.py::test_its_vectors_are_the_golden_ones[None]"


@dataclass(frozen=True, slots=True)
class Mutant:
    """``file`` of native/ with every ``old`` replaced by its ``new``, and the tests that must fail of it."""

    name: str
    file: str
    edits: tuple[tuple[str, str], ...]
    noticed_by: tuple[str, ...]


MUTANTS = (
    Mutant(
        "a product's sum over k is two partial sums",
        "kernels_body.h",
        (
            (
                "    for (const float* const a_end = a + m.k; a != a_end; ++a, b += b_stride, ahead += ahead_step) {\n",
                """    Vec half[R][V];
    const float* const middle = a + m.k / 2;
    for (const float* const a_end = a + m.k; a != a_end; ++a, b += b_stride, ahead += ahead_step) {
        if (a == middle) {
            UNROLL for (int r = 0; r < R; ++r) {
                UNROLL for (int v = 0; v < V; ++v) {
                    half[r][v] = acc[r][v];
                    acc[r][v] = broadcast(0.0f);
                }
            }
        }
""",
            ),
            (
                "    if (corner.row_scale) {\n",
                """    UNROLL for (int r = 0; r < R; ++r) {
        UNROLL for (int v = 0; v < V; ++v) acc[r][v] = add(half[r][v], acc[r][v]);
    }
    if (corner.row_scale) {
""",
            ),
        ),
        (ORACLE, SAME_BITS, GOLDEN),
    ),
    Mutant(
        "exp is that of the mathematical library",
        "kernels_body.h",
        (
            (
                "inline Vec exp(Vec x) {\n",
                """inline Vec exp(Vec x) {
    float each[lanes];
    store(each, x);
    for (int l = 0; l < lanes; ++l) each[l] = __builtin_expf(each[l]);
    return load(each);
}

inline Vec own_exp(Vec x) {
""",
            ),
        ),
        (ORACLE, SAME_BITS, GOLDEN),
    ),
    Mutant(
        "the mean counts padding, to the longest text of the block",
        "encoder/forward.cpp",
        (
            (
                "? count : std::sqrt(count);",
                "? static_cast<float>(pass.block.texts[0].length) : std::sqrt(count);",
            ),
        ),
        (ALONE, SAME_BITS, GOLDEN),
    ),
    Mutant(
        "one thread rounds upwards",
        "team.cpp",
        (
            (
                "                const FloatMode workers_mode;\n",
                f"""                const FloatMode workers_mode;
                if (rank == 1) FloatMode::set(FloatMode::get() | {ROUND_UP});
""",
            ),
        ),
        (THREADS, SAME_BITS),
    ),
    Mutant(
        "the caller's float mode stays as it is",
        "team.cpp",
        (("    set(canonical_mode);\n", ""),),
        (FLOAT_MODE, SAME_BITS),
    ),
)


class Workshop:
    """A copy of the native sources and its build, in which one file at a time is another."""

    def __init__(self, folder: Path, cmake: str) -> None:
        self._source, self._build, self._cmake = folder / "source", folder / "build", cmake
        shutil.copytree(ROOT / "native", self._source / "native")
        shutil.copy(ROOT / "CMakeLists.txt", self._source)
        self._run("-S", str(self._source), "-B", str(self._build))

    def library(self) -> Path:
        """The library as the sources are now."""
        self._run("--build", str(self._build), "--parallel", "2")
        return self._build / "libidembed.so"

    def objects(self) -> list[Path]:
        """What each file was compiled to, when the library was last made."""
        return sorted(self._build.rglob("*.cpp.o"))

    def mutated(self, mutant: Mutant) -> Path:
        """The library with that mistake; the sources are right again afterwards."""
        path = self._source / "native" / mutant.file
        right = path.read_text("utf-8")
        wrong = right
        for old, new in mutant.edits:
            assert wrong.count(old) == 1, f"{mutant.file} has {wrong.count(old)} times: {old}"
            wrong = wrong.replace(old, new)
        path.write_text(wrong, "utf-8")
        try:
            return self.library()
        finally:
            path.write_text(right, "utf-8")

    def _run(self, *arguments: str) -> None:
        done = subprocess.run([self._cmake, *arguments], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        assert done.returncode == 0, done.stdout
