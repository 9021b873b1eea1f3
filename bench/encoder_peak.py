"""The peak of this machine's arithmetic, by encoder_peak.c, and how many operations a checkpoint needs."""

from __future__ import annotations

import json
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

from peers import FOLDER, ROOT

SOURCE = ROOT / "bench" / "encoder_peak.c"
BINARY = FOLDER / "encoder_peak"

Peak = dict[str, float | None]
"""Operations a second of ``fp32``, ``int16``, ``int8``; None where the processor has no such instruction."""


@dataclass(frozen=True, slots=True)
class Operations:
    """A multiplication and an addition are two."""

    products: float
    """With weights."""
    attention: float
    """Of queries with keys, and of their weights with values."""


def compiled() -> bool:
    """Whether there is a program that measures the peak; it is made when there is a compiler."""
    if BINARY.exists() and BINARY.stat().st_mtime > SOURCE.stat().st_mtime:
        return True
    compiler = shutil.which("cc") or shutil.which("gcc") or shutil.which("clang")
    if not compiler:
        return False
    FOLDER.mkdir(exist_ok=True)
    return not subprocess.run([compiler, "-O2", "-pthread", "-o", BINARY, SOURCE]).returncode


def measured(threads: int, seconds: float = 0.15) -> Peak:
    """Takes so many seconds for each kind."""
    printed = subprocess.check_output([BINARY, str(threads), str(seconds)], text=True)
    return {kind: value and 1e9 * value for kind, value in json.loads(printed).items()}


def operations(model: Path, lengths: list[int]) -> Operations:
    """What texts of so many tokens need, padding left out."""
    shape = json.loads((model / "config.json").read_text())
    layers, hidden, wide = shape["num_hidden_layers"], shape["hidden_size"], shape["intermediate_size"]
    a_token = layers * 2 * (4 * hidden * hidden + 2 * hidden * wide)
    return Operations(a_token * sum(lengths), layers * 2 * 2 * hidden * sum(n * n for n in lengths))
