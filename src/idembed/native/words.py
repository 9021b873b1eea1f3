"""Counting and numbering the words of a text, in parallel, and leaving words out of a numbered corpus.

A *token* is an int32: the number of a word, with the sign bit set where the word begins a sentence.
"""

from __future__ import annotations

import ctypes
import weakref
from typing import TYPE_CHECKING, Final, NamedTuple

import numpy as np

from idembed.native.library import Status, check, library, thread_count

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Tokens = NDArray[np.int32]

__all__ = ["PIECE", "SENTENCE_START", "Keeper", "Lines", "WordList", "WordTable"]

SENTENCE_START: Final = -(1 << 31)
"""The sign bit of a token that begins a sentence."""
PIECE: Final = 64 << 10
"""Bytes that a thread takes at a time: small enough to share out evenly, and some 300 µs of work."""


class Lines(NamedTuple):
    """What a range of lines gave: its tokens, and how many lines end in it. ``bad`` is the offset of the first
    byte that is NUL or not UTF-8, in which case nothing was read, or -1."""

    tokens: Tokens
    lines: int
    bad: int


class WordList(NamedTuple):
    """Distinct words: `counts` int64 [n], and word i as UTF-8 in ``text[ends[i - 1] : ends[i]]``."""

    text: bytes
    ends: NDArray[np.int64]
    counts: NDArray[np.int64]

    def word(self, i: int) -> str:
        """Word i."""
        return self.text[int(self.ends[i - 1]) if i else 0 : int(self.ends[i])].decode()


class _Lines(ctypes.Structure):
    _fields_ = (("tokens", ctypes.c_int64), ("lines", ctypes.c_int64), ("bad", ctypes.c_int64))


class WordTable:
    """Words numbered 0, 1, … as they first occur, and how often each was read. Used by one thread at a time.

    No result depends on `threads` or on `piece`. With ``grow=False`` a word that is not in the table reads as
    ``len(table)``.
    """

    __slots__ = ("__weakref__", "_finalizer", "_handle", "_piece", "_starts", "_threads")

    def __init__(self, *, threads: int | None = None, piece: int = PIECE) -> None:
        core = library()
        self._threads = thread_count(threads)
        self._piece = piece
        self._starts = ctypes.c_int32(1)
        self._handle = ctypes.c_void_p()
        check(core.idembed_words_new(ctypes.byref(self._handle)))
        self._finalizer = weakref.finalize(self, core.idembed_words_free, self._handle)

    def __len__(self) -> int:
        return self._size()[0]

    def read_lines(self, text: NDArray[np.uint8], begin: int, end: int, out: Tokens, *, grow: bool = True) -> Lines:
        """The words that begin in bytes `begin` to `end` of `text`: ``line.split()`` of its lines, which only
        "\\n" ends. A text is read from its beginning, range by range; the result lies in `out`, int32 with room
        for ``end - begin``."""
        if not 0 <= begin <= end <= len(text) or len(out) < end - begin:
            raise ValueError(f"bytes {begin} to {end} of {len(text)} do not fit {len(out)} tokens")
        found = _Lines()
        status = library().idembed_words_read_lines(
            *(self._handle, text.ctypes.data, len(text), begin, end, grow, self._piece, self._threads),
            *(ctypes.byref(self._starts), out.ctypes.data, ctypes.byref(found)),
        )
        check(status)
        return Lines(out[: found.tokens], found.lines, found.bad)

    def read_list(self, text: bytes, separator: int, out: Tokens, *, grow: bool = True) -> bool:
        """Numbers the ``len(out)`` words of `text`, at least one, between any two of which lies the byte
        `separator`. False, and nothing read, if there is another number of words. No token begins a sentence."""
        status = library().idembed_words_read_list(
            *(self._handle, text, len(text), separator, grow, self._piece, self._threads, out.ctypes.data, len(out)),
        )
        if status == Status.LENGTH:
            return False
        check(status)
        return True

    def words(self) -> WordList:
        """A copy of what the table holds."""
        n, size = self._size()
        text, ends, counts = np.empty(size, np.uint8), np.empty(n, np.int64), np.empty(n, np.int64)
        check(library().idembed_words_list(self._handle, text.ctypes.data, ends.ctypes.data, counts.ctypes.data))
        return WordList(text.tobytes(), ends, counts)

    def close(self) -> None:
        """Free the words now."""
        self._finalizer()

    def _size(self) -> tuple[int, int]:
        n, size = ctypes.c_int64(), ctypes.c_int64()
        check(library().idembed_words_size(self._handle, ctypes.byref(n), ctypes.byref(size)))
        return n.value, size.value


class Keeper:
    """Numbers tokens anew and leaves words out; the next word that is kept begins the sentence then.

    `ids` is int32 [words]: the new number of each word, or -1 to leave it out."""

    __slots__ = ("_ids", "_starts")

    def __init__(self, ids: Tokens) -> None:
        self._ids = np.ascontiguousarray(ids, np.int32)
        self._starts = ctypes.c_int32(0)

    def keep(self, tokens: Tokens) -> Tokens:
        """The corpus' next tokens, changed in place: what is left of them. ValueError for an unknown number."""
        if tokens.dtype != np.int32 or tokens.ndim != 1 or not tokens.flags.c_contiguous:
            raise ValueError("tokens must be int32 [n]")
        kept = ctypes.c_int64()
        status = library().idembed_words_keep(
            *(tokens.ctypes.data, len(tokens), self._ids.ctypes.data, len(self._ids)),
            *(ctypes.byref(self._starts), ctypes.byref(kept)),
        )
        if status == Status.TOKEN:
            raise ValueError(f"a token is not a number of {len(self._ids)} words")
        check(status)
        return tokens[: kept.value]
