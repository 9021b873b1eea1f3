"""Pass after pass over a corpus: learning rates, progress, and an ear for Ctrl-C."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np

from idembed.errors import ModelError
from idembed.native.word2vec import Pass, Trainer, rows, start

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from idembed.models.words.corpus import Corpus

    Floats = NDArray[np.float32]

__all__ = ["Matrices", "Schedule", "Totals", "train_pass"]

_SECONDS: Final = 0.2
"""What a call of the native core aims at: it cannot be interrupted, and costs little beside this."""


@dataclass(frozen=True, slots=True)
class Matrices:
    """What is trained: ``inputs`` float32 [V, dim] are the vectors of the words, ``outputs`` those that predict."""

    inputs: Floats
    outputs: Floats

    @classmethod
    def make(cls, words: int, dim: int, seed: int, before: Matrices | None = None) -> Matrices:
        """Random inputs and outputs of zero, but for the words that were there ``before``, which come first."""
        made = cls(rows(words, dim), rows(words, dim))
        known = 0 if before is None else len(before.inputs)
        if before is not None:
            made.inputs[:known] = before.inputs
            made.outputs[:known] = before.outputs
        start(made.inputs, seed, known)
        return made

    def check(self) -> None:
        """Raise ModelError if a number is no longer finite."""
        for matrix in (self.inputs, self.outputs):
            for begin in range(0, len(matrix), 65_536):
                if not np.isfinite(matrix[begin : begin + 65_536]).all():
                    raise ModelError(
                        "training ran away: vectors became infinite or NaN",
                        hint="take a lower alpha, and a sample of 1e-3 or less",
                    )


@dataclass(frozen=True, slots=True)
class Schedule:
    """The learning rate falls evenly over ``epochs`` passes from ``first`` to ``last``."""

    first: float
    last: float
    epochs: int

    def at(self, epoch: int) -> float:
        """The rate where pass ``epoch`` (from 0) begins."""
        return self.first + (self.last - self.first) * epoch / self.epochs


@dataclass(slots=True)
class Totals:
    """What was trained so far: ``kept`` tokens that were not thinned out, the ``loss``, the ``seconds``."""

    kept: int = 0
    loss: float = 0.0
    seconds: float = 0.0


def train_pass(
    trainer: Trainer,
    corpus: Corpus,
    matrices: Matrices,
    *,
    number: int,
    rates: tuple[float, float],
    threads: int | None,
    loss: bool,
    totals: Totals,
    tell: Callable[[int], None],
) -> None:
    """One pass over ``corpus``, the ``number``-th of the model; ``tell`` gets how many of its tokens are done.

    May be left by an exception (KeyboardInterrupt) between two steps of some 0.2 seconds; the matrices then hold
    what was learned so far.
    """
    size = len(corpus.tokens)
    chunk = trainer.chunk(size)
    given = Pass(corpus.tokens, number, *rates)
    begin, chunks = 0, 1
    while begin < size:
        end = min(begin + chunks * chunk, size)
        started = time.perf_counter()
        so_far = totals.loss if loss else None
        done = trainer.train(given, begin, end, matrices.inputs, matrices.outputs, loss=so_far, threads=threads)
        took = time.perf_counter() - started
        totals.kept += done.kept
        totals.loss = done.loss
        totals.seconds += took
        if took < _SECONDS / 2:
            chunks *= 2
        elif took > 2 * _SECONDS:
            chunks = max(chunks // 2, 1)
        begin = end
        tell(begin)
