"""What an API's model answered when it was first used here, and how much its answers differ: to know it again by.

The vectors of an API cannot be proved by its name, so that 32 texts are embedded five times at first use. The lowest
cosine among repeats is the model's noise. Later, a few of the texts are embedded again, and must be as near.
"""

from __future__ import annotations

import contextlib
import datetime as dt
import hashlib
import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from idembed.canonical import JSON, canonical_json
from idembed.durable import durable
from idembed.errors import ModelError, OptionError
from idembed.folders import data_folder
from idembed.models.api.probes import PROBES
from idembed.models.base import Vectors

__all__ = ["CALLS", "Evidence", "Keeping", "answers", "cosines", "evidence_of"]

CALLS = 5
_WARN = 0.9999
_REFUSE = 0.99
_BELOW_NOISE = 0.01


@dataclass(frozen=True, slots=True)
class Evidence:
    """``vectors`` float32 [32, dim] of the probes, of unit length; ``noise``, the lowest cosine between two answers to
    the same probe; ``measured``, the day (ISO 8601, UTC); ``tokens``, how many the provider counted for each that was
    guessed (``TokenGuess``)."""

    vectors: Vectors
    noise: float
    measured: str
    tokens: float = 1.0

    @property
    def dim(self) -> int:
        """Numbers in a vector."""
        return int(self.vectors.shape[1])

    @property
    def warn_below(self) -> float:
        """A cosine below this is worth a warning."""
        return min(_WARN, self.noise)

    @property
    def refuse_below(self) -> float:
        """A cosine below this is of another model."""
        return min(_REFUSE, self.noise - _BELOW_NOISE)


def answers(embed: Callable[[Sequence[str]], Vectors]) -> list[Vectors]:
    """What a model says of the probes, five times float32 [32, dim]; every other time they are asked for in opposite
    order, as neighbours must make no difference."""
    found: list[Vectors] = []
    for call in range(CALLS):
        order = slice(None) if call % 2 == 0 else slice(None, None, -1)
        found.append(np.asarray(embed(PROBES[order]), np.float32)[order])
    return found


def evidence_of(found: Sequence[Vectors], tokens: float = 1.0) -> Evidence:
    """What some ``answers`` of today tell; ``tokens`` as in Evidence."""
    noise = min(
        (float(cosines(a, b).min()) for n, a in enumerate(found) for b in found[n + 1 :]),
        default=1.0,
    )
    return Evidence(found[0], min(1.0, noise), dt.datetime.now(dt.UTC).date().isoformat(), tokens)


def cosines(a: Vectors, b: Vectors) -> np.ndarray:
    """float64 [n]: the cosine of each row of ``a`` with that of ``b``. Equal bytes give exactly 1."""
    x, y = a.astype(np.float64), b.astype(np.float64)
    lengths = np.sqrt((x * x).sum(1) * (y * y).sum(1))
    with np.errstate(invalid="ignore", divide="ignore"):
        found = np.where(lengths > 0, (x * y).sum(1) / lengths, 0.0)
    return np.where((a == b).all(axis=1), 1.0, found)


class Keeping:
    """Where the evidence of a model is kept: ``facts`` are those of its space, but for the revision."""

    def __init__(self, facts: dict[str, JSON], folder: Path | None = None) -> None:
        self._folder = folder or data_folder() / "evidence"
        self._facts = facts

    def revision(self) -> int:
        """The newest that was accepted, else 1."""
        path = self._folder / f"{self._name()}.json"
        try:
            found = json.loads(path.read_text("utf-8"))["revision"]
        except (FileNotFoundError, NotADirectoryError):
            return 1
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise _damaged(path) from error
        if type(found) is not int or found < 1:
            raise _damaged(path)
        return found

    def read(self, revision: int) -> Evidence | None:
        """The evidence, None if there is none. Raises ModelError where it is damaged."""
        from safetensors import SafetensorError, safe_open

        path = self._path(revision)
        if not path.is_file():
            return None
        try:
            with safe_open(str(path), framework="np") as file:
                about = file.metadata() or {}
                vectors = file.get_tensor("vectors")
            found = Evidence(vectors, float(about["noise"]), about["measured"], float(about.get("tokens", "1")))
        except (OSError, ValueError, KeyError, SafetensorError) as error:
            raise _damaged(path) from error
        if vectors.dtype != np.float32 or vectors.ndim != 2 or len(vectors) != len(PROBES):
            raise _damaged(path)
        return found

    def write(self, revision: int, evidence: Evidence) -> None:
        """Keep it, durably. Raises OptionError or DiskFullError where it cannot be written."""
        from safetensors.numpy import save

        try:
            self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        except OSError as error:
            raise OptionError(f"{self._folder} cannot be made: {error.strerror}") from error
        about = {
            "noise": repr(evidence.noise),
            "measured": evidence.measured,
            "tokens": repr(evidence.tokens),
            "facts": canonical_json(self._facts),
        }
        with durable(self._path(revision), "wb") as file:
            file.write(save({"vectors": np.ascontiguousarray(evidence.vectors)}, metadata=about))

    def has_met(self, revision: int, place: str) -> bool:
        """Whether what is at ``place`` was compared with this revision's model before, on this machine."""
        try:
            return place in self._met(revision).read_text("utf-8").split("\n")
        except (OSError, ValueError):
            return False

    def note_met(self, revision: int, place: str) -> None:
        """It was, and is what the model says. Where that cannot be noted, it is found out again."""
        with contextlib.suppress(OSError):
            self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)  # at first use it comes before the evidence
            with self._met(revision).open("a", encoding="utf-8") as file:
                file.write(f"{place}\n")

    def accept(self, revision: int, evidence: Evidence) -> None:
        """From now on this revision is the newest."""
        self.write(revision, evidence)
        with durable(self._folder / f"{self._name()}.json", "w") as file:
            file.write(canonical_json({"revision": revision}) + "\n")

    def _met(self, revision: int) -> Path:
        return self._path(revision).with_suffix(".met")

    def _path(self, revision: int) -> Path:
        return self._folder / f"{self._name()}-{revision}.safetensors"

    def _name(self) -> str:
        return hashlib.sha256(canonical_json(self._facts).encode()).hexdigest()[:32]


def _damaged(path: Path) -> ModelError:
    return ModelError(
        f"what is known of this model from earlier is damaged: {path}",
        hint="bring it back from a backup; or remove it, and what the model says now is taken for right",
        file=str(path),
    )
