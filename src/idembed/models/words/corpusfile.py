"""A file with a sentence a line as a corpus of word ids, counted and encoded in native code.

The same corpus as ``[line.split() for line in file]`` gives: words are what ``str.split()`` makes, and "\\n" alone
ends a sentence. The file is mapped, so it must not shrink while it is read.
"""

from __future__ import annotations

import mmap
import os
import stat
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Final

import numpy as np

from idembed.errors import CorpusError
from idembed.models.words.corpus import MEMORY_LIMIT, Corpus, Encoded, TokenStore
from idembed.models.words.sentences import Progress, check_some_words, choose_from, count_pruned, table_of
from idembed.models.words.vocabulary import Vocabulary, VocabularyRules, ids_of
from idembed.native.words import PIECE, Keeper, WordTable

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["encode_file", "learn_file"]

_FIRST: Final = 64 << 10  # bytes read at once: the first ones, whose words are all new, by one thread,
_RANGE: Final = 8 << 20  # then twice as many each time up to this, some 50 ms of work
_GZIP: Final = b"\x1f\x8b"
_MARK: Final = b"\xef\xbb\xbf"  # of UTF-8, which some editors put first


def learn_file(
    path: str | os.PathLike[str],
    rules: VocabularyRules,
    *,
    base: Vocabulary | None = None,
    threads: int | None = None,
    memory_limit: int = MEMORY_LIMIT,
    progress: Progress | None = None,
    piece: int = PIECE,
) -> Encoded:
    """The vocabulary of a UTF-8 file, and its corpus; `base` as in `learn_sentences`.

    No result depends on `threads`, or on `piece`, the bytes that a thread takes at a time. Raises CorpusError
    naming the file: missing, unreadable, not a file, without words, or binary (then with byte and line).
    """
    if rules.max_vocab_size is not None:
        _mapped(path)  # says what is wrong with it
        vocabulary = count_pruned(_Lines(Path(path)), rules, base)
        corpus = encode_file(
            path, vocabulary, threads=threads, memory_limit=memory_limit, progress=progress, piece=piece
        )
        return Encoded(vocabulary, corpus)
    with TokenStore(memory_limit) as store:
        table = WordTable(threads=threads, piece=piece)
        sentences, words = _read(path, table, store, progress, grow=True)
        vocabulary, ids = choose_from(table, rules, base)
        store.change(Keeper(ids).keep)
        return Encoded(vocabulary, Corpus(store.close(), sentences, words))


def encode_file(
    path: str | os.PathLike[str],
    vocabulary: Vocabulary,
    *,
    threads: int | None = None,
    memory_limit: int = MEMORY_LIMIT,
    progress: Progress | None = None,
    piece: int = PIECE,
) -> Corpus:
    """The file with the ids of `vocabulary`; words that it lacks are left out. Errors as `learn_file`."""
    table = table_of(vocabulary, threads=threads, piece=piece)
    with TokenStore(memory_limit) as store:
        sentences, words = _read(path, table, store, progress, grow=False)
        store.change(Keeper(ids_of(vocabulary)).keep)
        return check_some_words(Corpus(store.close(), sentences, words))


def _read(
    path: str | os.PathLike[str], table: WordTable, store: TokenStore, progress: Progress | None, *, grow: bool
) -> tuple[int, int]:
    whole = _mapped(path)
    mark = len(_MARK) if whole[: len(_MARK)].tobytes() == _MARK else 0
    text = whole[mark:]
    size = len(text)
    out = np.empty(min(size, _RANGE), np.int32)
    sentences = words = begin = 0
    while begin < size:
        end = min(size, begin + min(_RANGE, max(_FIRST, begin)))
        found = table.read_lines(text, begin, end, out, grow=grow)
        if found.bad >= 0:
            raise _binary(path, whole, mark + found.bad)
        store.append(found.tokens)
        sentences += found.lines
        words += len(found.tokens)
        begin = end
        if progress is not None:
            progress(begin, size)
    if size and text[-1] != ord("\n"):
        sentences += 1
    if words == 0:
        raise CorpusError(
            f"{os.fspath(path)} holds no words" if size else f"{os.fspath(path)} is empty", file=str(path)
        )
    return sentences, words


def _mapped(path: str | os.PathLike[str]) -> NDArray[np.uint8]:
    """The bytes of the file, read-only, not copied."""
    name = os.fspath(path)
    try:
        mode = os.stat(path).st_mode
        if stat.S_ISDIR(mode):
            raise CorpusError(f"{name} is a folder; a corpus is one file with a sentence a line", file=name)
        if not stat.S_ISREG(mode):  # to open a pipe would wait for its writer
            raise CorpusError(f"{name} is not a regular file", hint="save it to a file first", file=name)
        with open(path, "rb") as file:
            if os.fstat(file.fileno()).st_size == 0:
                return np.empty(0, np.uint8)
            return np.frombuffer(mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ), np.uint8)
    except FileNotFoundError:
        raise CorpusError(f"there is no file {name}", file=name) from None
    except OSError as error:
        raise CorpusError(f"{name} cannot be read: {error.strerror or error}", file=name) from None


def _binary(path: str | os.PathLike[str], text: NDArray[np.uint8], bad: int) -> CorpusError:
    name = os.fspath(path)
    line = 1 + sum(int(np.count_nonzero(text[i : min(i + _RANGE, bad)] == ord("\n"))) for i in range(0, bad, _RANGE))
    what = "a NUL byte" if text[bad] == 0 else f"not UTF-8 (byte 0x{int(text[bad]):02x})"
    packed = text[:2].tobytes() == _GZIP
    return CorpusError(
        f"{name} is not a text file in UTF-8: byte {bad}, in line {line}, is {what}",
        hint="decompress it first" if packed else "convert it: iconv -f latin1 -t utf-8, for example",
        file=name,
        byte=bad,
        line=line,
    )


class _Lines:
    """The lines of a file as lists of words, each time anew; what is not UTF-8 is for `_read` to find."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def __iter__(self) -> Iterator[list[str]]:
        with self._path.open(encoding="utf-8-sig", errors="replace", newline="\n") as file:
            for line in file:
                yield line.split()
