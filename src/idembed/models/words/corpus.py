"""A corpus as word ids, 4 bytes a token, in memory or in a nameless temporary file."""

from __future__ import annotations

import contextlib
import hashlib
import mmap
import sys
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import IO, TYPE_CHECKING, Final, NamedTuple, Self

import numpy as np

from idembed.durable import FULL
from idembed.errors import CorpusError, DiskFullError
from idembed.native.words import SENTENCE_START

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from idembed.models.words.vocabulary import Vocabulary

    Tokens = NDArray[np.int32]

__all__ = ["MEMORY_LIMIT", "SENTENCE_START", "Corpus", "Encoded", "TokenStore"]

MEMORY_LIMIT: Final = 1 << 30
"""Bytes of tokens above which a corpus lies in a temporary file."""
_STEP: Final = 1 << 20  # tokens that are changed or hashed at a time
_HASH_NAME: Final = b"idembed corpus 1\0"


@dataclass(frozen=True)
class Corpus:
    """Sentences as ids of a vocabulary's words; words that are not in it are left out.

    * `tokens`: int32 [n], read-only; a token with SENTENCE_START (the sign bit) set begins a sentence. Perhaps a
      memory map of an unlinked temporary file.
    * `sentences`: how many there are, with those that are empty or of which nothing is left.
    * `words`: tokens before any was left out.
    """

    tokens: Tokens
    sentences: int
    words: int

    def sha256(self, vocabulary: Vocabulary) -> str:
        """Hexadecimal SHA-256 of all that a trainer sees: the vocabulary's words, the numbers of sentences and of
        words, and the tokens. The same wherever the sentences came from."""
        digest = hashlib.sha256(_HASH_NAME)
        digest.update(len(vocabulary).to_bytes(8, "little"))
        for word in vocabulary.words:
            text = word.encode()
            digest.update(len(text).to_bytes(4, "little") + text)
        digest.update(self.sentences.to_bytes(8, "little") + self.words.to_bytes(8, "little"))
        for begin in range(0, len(self.tokens), _STEP):
            tokens = np.ascontiguousarray(self.tokens[begin : begin + _STEP])
            digest.update((tokens if sys.byteorder == "little" else tokens.byteswap()).data)
        return digest.hexdigest()


class Encoded(NamedTuple):
    """A corpus and the vocabulary whose ids it holds."""

    vocabulary: Vocabulary
    corpus: Corpus


class TokenStore:
    """Tokens that come one after the other; grows by what it is given, without a second copy.

    Above `memory_limit` bytes they lie in a temporary file that has no name. Raises DiskFullError. A context
    manager that lets go of the file."""

    __slots__ = ("_file", "_limit", "_memory", "_size")

    def __init__(self, memory_limit: int = MEMORY_LIMIT) -> None:
        self._memory = bytearray()
        self._file: IO[bytes] | None = None
        self._limit = memory_limit
        self._size = 0  # bytes

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._drop()

    def __len__(self) -> int:
        return self._size // 4

    def append(self, tokens: Tokens) -> None:
        """Add a copy of `tokens` (int32 [n])."""
        self._size += tokens.nbytes
        if self._file is None and self._size <= self._limit:
            self._memory += tokens.data
            return
        with self._disk():
            if self._file is None:
                self._file = tempfile.TemporaryFile(prefix="idembed-")  # noqa: SIM115 (`close` closes it)
                self._file.write(self._memory)
                self._memory = bytearray()
            self._file.write(tokens.data)

    def change(self, change: Callable[[Tokens], Tokens]) -> None:
        """Replace the tokens, piece by piece in order, by what `change` makes of them; it may return fewer."""
        if self._file is None:
            self._change_memory(change)
        else:
            with self._disk():
                self._change_file(self._file, change)

    def close(self) -> Tokens:
        """The tokens, read-only. The store is empty then."""
        size, self._size = self._size, 0
        if self._file is not None and size:
            with self._disk():
                self._file.flush()
                mapped = mmap.mmap(self._file.fileno(), size, access=mmap.ACCESS_READ)
            self._drop()
            return np.frombuffer(mapped, np.int32)
        tokens = np.frombuffer(self._memory, np.int32)
        tokens.flags.writeable = False
        self._drop()
        return tokens

    def _drop(self) -> None:
        self._memory = bytearray()
        if self._file is not None:
            with contextlib.suppress(OSError):  # what is still in its buffer may not fit on the disk
                self._file.close()
            self._file = None

    @contextlib.contextmanager
    def _disk(self) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            self._drop()
            full = error.errno in FULL
            raise (DiskFullError if full else CorpusError)(
                f"the temporary copy of the corpus cannot be written: {error.strerror or error}",
                hint="set TMPDIR to a folder with room for 4 bytes a word of the corpus",
            ) from error

    def _change_memory(self, change: Callable[[Tokens], Tokens]) -> None:
        self._size = 4 * _change_array(np.frombuffer(self._memory, np.int32), change)
        del self._memory[self._size :]

    def _change_file(self, file: IO[bytes], change: Callable[[Tokens], Tokens]) -> None:
        end = 0
        for begin in range(0, self._size, 4 * _STEP):
            file.seek(begin)
            changed = change(np.frombuffer(bytearray(file.read(4 * _STEP)), np.int32))
            file.seek(end)
            file.write(changed.data)
            end += changed.nbytes
        file.truncate(end)
        self._size = end


def _change_array(tokens: Tokens, change: Callable[[Tokens], Tokens]) -> int:
    end = 0
    for begin in range(0, len(tokens), _STEP):
        changed = change(tokens[begin : begin + _STEP])
        tokens[end : end + len(changed)] = changed
        end += len(changed)
    return end
