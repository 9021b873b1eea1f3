"""Training of word vectors: one trainer for one vocabulary, fed a part of a corpus at a time."""

from __future__ import annotations

import ctypes
import mmap
import weakref
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, NamedTuple

import numpy as np

from idembed.native.library import Status, check, isa_name, library, thread_count

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Floats = NDArray[np.float32]
    Ints = NDArray[np.int64]
    Tokens = NDArray[np.int32]

__all__ = ["MOST_DIM", "MOST_NEGATIVE", "MOST_WINDOW", "Method", "Pass", "Trained", "Trainer", "rows", "start"]

MOST_DIM: Final = 65_536
MOST_WINDOW: Final = 1024
MOST_NEGATIVE: Final = 1024
_LANES: Final = 16


class _Config(ctypes.Structure):
    _fields_ = (
        ("words", ctypes.c_int64),
        *((name, ctypes.c_int32) for name in ("dim", "window", "negative", "skipgram", "shrink_windows")),
        *((name, ctypes.c_int32) for name in ("mean", "divided")),
        *((name, ctypes.c_double) for name in ("keep_threshold", "noise_exponent")),
        ("seed", ctypes.c_uint64),
    )


class _Pass(ctypes.Structure):
    _fields_ = (
        ("tokens", ctypes.c_void_p),
        ("size", ctypes.c_int64),
        ("number", ctypes.c_uint64),
        ("first_rate", ctypes.c_double),
        ("last_rate", ctypes.c_double),
    )


@dataclass(frozen=True, slots=True)
class Method:
    """What is trained and how; the fields of `idembed_word2vec_config`, which idembed.h explains."""

    dim: int
    window: int
    negative: int
    skipgram: bool
    shrink_windows: bool
    mean: bool
    divided: bool
    keep_threshold: float
    noise_exponent: float
    seed: int


class Pass(NamedTuple):
    """One pass over a corpus: `tokens` int32 [n] (the sign bit begins a sentence), how many passes came before,
    and the learning rate at its first token and behind its last."""

    tokens: Tokens
    number: int
    first_rate: float
    last_rate: float


class Trained(NamedTuple):
    """How many tokens were not thinned out, and the loss so far, if it was asked for (else 0)."""

    kept: int
    loss: float


class Trainer:
    """Trains two matrices on a corpus. Nothing depends on `threads` or `isa` but the time it takes."""

    __slots__ = ("__weakref__", "_finalizer", "_handle", "_shape")

    def __init__(self, method: Method, counts: Ints, *, isa: str | None = None) -> None:
        """`counts` int64 [words]: how often each word occurs, 1 or more."""
        core = library()
        counts = np.ascontiguousarray(counts, np.int64)
        config = _Config(
            *(len(counts), method.dim, method.window, method.negative, method.skipgram, method.shrink_windows),
            *(method.mean, method.divided, method.keep_threshold, method.noise_exponent, method.seed),
        )
        handle = ctypes.c_void_p()
        status = core.idembed_word2vec_new(
            ctypes.byref(config), counts.ctypes.data, isa_name(isa), ctypes.byref(handle)
        )
        if status == Status.ARGUMENT:
            raise ValueError(f"cannot train {len(counts)} words by {method}")
        check(status, isa=isa)
        self._handle: Final = handle
        self._shape: Final = (len(counts), method.dim)
        self._finalizer = weakref.finalize(self, core.idembed_word2vec_free, handle)

    def chunk(self, size: int) -> int:
        """How many tokens of a corpus of `size` are trained as one, some 50 ms of work."""
        return int(library().idembed_word2vec_chunk(self._handle, size))

    def train(
        self,
        corpus: Pass,
        begin: int,
        end: int,
        inputs: Floats,
        outputs: Floats,
        *,
        loss: float | None = None,
        threads: int | None = None,
    ) -> Trained:
        """Train on tokens `begin` to `end`, both multiples of `chunk(len(corpus.tokens))` or the corpus's end.

        `inputs` and `outputs` are float32 [words, dim] from `rows`; they are changed in place. The loss of all that
        is seen or drawn is added to `loss`, one number after the other, so it does not matter how many calls make it.
        """
        tokens = corpus.tokens
        if tokens.dtype != np.int32 or not tokens.flags.c_contiguous:
            raise ValueError("tokens must be contiguous int32 [n]")
        for matrix in (inputs, outputs):
            flat = (4 * _stride(self._shape[1]), 4)
            if matrix.dtype != np.float32 or matrix.shape != self._shape or matrix.strides != flat:
                raise ValueError(f"the matrices must be float32 {list(self._shape)} made by rows()")
            if not matrix.flags.writeable:
                raise ValueError("the matrices are read-only")
        if not (0 <= corpus.first_rate <= 1 and 0 <= corpus.last_rate <= 1):
            raise ValueError(f"learning rates are 0 to 1, not {corpus.first_rate} and {corpus.last_rate}")
        described = _Pass(tokens.ctypes.data, len(tokens), corpus.number, corpus.first_rate, corpus.last_rate)
        kept, total = ctypes.c_int64(), ctypes.c_double(loss or 0.0)
        status = library().idembed_word2vec_train(
            self._handle,
            ctypes.byref(described),
            begin,
            end,
            inputs.ctypes.data,
            outputs.ctypes.data,
            ctypes.byref(kept),
            None if loss is None else ctypes.byref(total),
            thread_count(threads),
        )
        if status == Status.TOKEN:
            raise ValueError(f"a token is outside the vocabulary of {self._shape[0]} words")
        if status == Status.ARGUMENT:
            raise ValueError(f"tokens {begin} to {end} of {len(tokens)} are no whole chunks")
        check(status)
        return Trained(kept.value, total.value)


def rows(n: int, dim: int) -> Floats:
    """Zeros float32 [n, dim], laid out as training wants them: rows padded with zeros to multiples of 16 floats,
    on huge pages where there are such."""
    stride = _stride(dim)
    size = max(4 * n * stride, 1)
    if hasattr(mmap, "MAP_PRIVATE"):  # else a forked child would train its parent's matrices, on small pages
        memory = mmap.mmap(-1, size, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)
    else:
        memory = mmap.mmap(-1, size)
    if hasattr(mmap, "MADV_HUGEPAGE"):
        memory.madvise(mmap.MADV_HUGEPAGE)
    return np.frombuffer(memory, np.float32, n * stride).reshape(n, stride)[:, :dim]


def start(matrix: Floats, seed: int, first: int = 0) -> None:
    """Random numbers within ±0.5 / dim for the rows of `matrix` (from `rows`) from `first` on; a row depends on
    the seed and on its place only."""
    count, dim = matrix.shape
    check(
        library().idembed_word2vec_start(
            matrix[first:].ctypes.data, first, count - first, dim, ctypes.c_uint64(seed & (2**64 - 1))
        )
    )


def _stride(dim: int) -> int:
    return (dim + _LANES - 1) // _LANES * _LANES
