"""The files in which word vectors travel: word2vec's text and binary formats, GloVe's text, any of them gzipped.

Text is a word and its numbers on each line, after a line with the number of words and of numbers, which GloVe
leaves out. Binary has the same first line, then each word, a space, and little-endian float32. Files come from
many programs and over many networks: what does not fit is refused, naming the file and the place in it.
"""

from __future__ import annotations

import contextlib
import gzip
import logging
import re
import warnings
import zlib
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO, NamedTuple, cast

import numpy as np
from numpy.typing import NDArray

from idembed.durable import durable
from idembed.errors import ModelError, ModelNotFoundError, OptionError

__all__ = ["Words", "open_read", "read_binary", "read_counts", "read_text", "write_counts", "write_vectors"]

log = logging.getLogger(__name__)

_BLOCK = 8 << 20  # bytes read at a time
_LONGEST_WORD = 1 << 16  # bytes before the space; more is no word
_WRITE_ROWS = 1024
_NUMERALS = frozenset(b"0123456789+-.eE \r\n")

Floats = NDArray[np.float32]


class Words(NamedTuple):
    """Distinct ``words`` in the file's order, and their ``vectors`` float32 [V, dim], all finite."""

    words: list[str]
    vectors: Floats


@dataclass(frozen=True, slots=True)
class Spelling:
    """How bytes become words: as in ``bytes.decode``."""

    encoding: str = "utf8"
    errors: str = "strict"

    def word(self, raw: bytes, where: str) -> str:
        try:
            return raw.decode(self.encoding, self.errors)
        except LookupError as error:
            raise OptionError(f"{error}", hint="encoding and unicode_errors are those of bytes.decode") from None
        except UnicodeDecodeError as error:
            raise ModelError(
                f"{where}: the word {raw[:40]!r} is not {self.encoding} ({error.reason})",
                hint='give another encoding, or unicode_errors="replace" or "ignore"',
            ) from None


# ---- reading ------------------------------------------------------------------------------------------------


def read_text(
    path: Path, *, header: bool, encoding: str = "utf8", unicode_errors: str = "strict", limit: int | None = None
) -> Words:
    """The first ``limit`` words of a text file (all by default); about 0.2 µs a number.

    Numbers are counted from the right, so a word may hold spaces, as some of GloVe's do. Without ``header``
    the number of numbers is what most of the first ten lines end in. A word that comes again is left
    out, and a warning logged. Raises ModelError naming the line that does not fit.
    """
    with open_read(path) as file:
        counts = _header(file, path) if header else None
        lines = _blocks_of_lines(file)
        block = next(lines, [])
        dim = counts.dim if counts else _dim(block[:10], path)
        wanted = _least(limit, counts.words if counts else None)
        gathered = _Gathered(path, dim, wanted)
        line = 2 if counts else 1
        while block and not gathered.full:
            kept = block if wanted is None else block[: wanted - gathered.seen]
            gathered.add(*_parse_lines(kept, dim, Spelling(encoding, unicode_errors), path, line), "line", line)
            line += len(kept)
            if len(kept) == len(block):
                block = next(lines, [])
        if counts:
            _check_total(gathered.seen, wanted or 0, limit is None and bool(block), path)
        return gathered.done()


def read_binary(
    path: Path, *, encoding: str = "utf8", unicode_errors: str = "strict", limit: int | None = None
) -> Words:
    """The first ``limit`` words (all by default) of word2vec's binary format, with or without line ends
    between the records. A word that comes again is left out, and a warning logged.

    Raises ModelError naming the record that does not fit.
    """
    with open_read(path) as file:
        counts = _header(file, path)
        wanted = _least(limit, counts.words) or 0
        gathered = _Gathered(path, counts.dim, wanted)
        spelling = Spelling(encoding, unicode_errors)
        rest = b""
        while not gathered.full:
            new = file.read(max(_BLOCK, 8 * counts.dim))
            record = gathered.seen + 1
            raw, numbers, rest = _take_records(rest + new, counts.dim, wanted - gathered.seen, path, record)
            words = [spelling.word(word, f"{path}, record {record + at}") for at, word in enumerate(raw)]
            vectors = np.frombuffer(numbers, "<f4").reshape(len(words), counts.dim)
            gathered.add(words, vectors, "record", record)
            if not new:
                break
        _check_total(gathered.seen, wanted, limit is None and _more(rest, file), path)
        return gathered.done()


def read_counts(path: Path, *, encoding: str = "utf8", unicode_errors: str = "strict") -> dict[str, int]:
    """How often each word was seen, of a file with a word and its count on each line (word2vec's
    ``-save-vocab``). Raises ModelError naming the line that is something else."""
    spelling = Spelling(encoding, unicode_errors)
    counts = {}
    with open_read(path) as file:
        for number, line in enumerate(file, 1):
            word, count = _split(line, 1)
            if not count.isdigit():
                raise ModelError(f"{path}, line {number} is not a word and a count: {line[:60]!r}", file=str(path))
            counts[spelling.word(word, f"{path}, line {number}")] = int(count)
    return counts


@contextlib.contextmanager
def open_read(path: Path) -> Iterator[IO[bytes]]:
    """The file's bytes, unpacked when its name ends in ``.gz``. Whatever goes wrong with it, here or in the
    block, is a ModelError naming it."""
    try:
        with path.open("rb") as file:
            yield file if path.suffix.lower() != ".gz" else cast("IO[bytes]", gzip.GzipFile(fileobj=file))
    except FileNotFoundError as error:
        raise ModelNotFoundError(f"there is no file {path}", file=str(path)) from error
    except (EOFError, zlib.error, gzip.BadGzipFile) as error:
        raise ModelError(
            f"{path} is cut off, damaged or not gzip ({error})", hint="fetch it again", file=str(path)
        ) from error
    except OSError as error:
        raise ModelError(f"{path} cannot be read: {error.strerror or error}", file=str(path)) from error


_HINT_TEXT = "is it the binary format (binary=True), or gzip under a name without .gz?"
_HINT_BINARY = "is it the text format (binary=False), or gzip under a name without .gz?"


class _Counts(NamedTuple):
    words: int
    dim: int


def _header(file: IO[bytes], path: Path) -> _Counts:
    line = file.readline(200)
    fields = line.split()
    if not line:
        raise ModelError(f"{path} is empty", file=str(path))
    if len(fields) != 2 or not all(field.isdigit() for field in fields) or int(fields[1]) < 1:
        raise ModelError(
            f"{path}: the first line is not the number of words and of numbers, but {line[:60]!r}",
            hint="files of GloVe have no such line: use load_glove_format, or no_header=True",
            file=str(path),
        )
    return _Counts(int(fields[0]), int(fields[1]))


def _dim(lines: list[bytes], path: Path) -> int:
    """How many numbers stand in a line, of a file that does not say so: what most of its first lines end in."""
    if not lines:
        raise ModelError(f"{path} is empty", file=str(path))
    numbers = [_numbers_at_the_end(line.split()) for line in lines]
    if len(lines) > 1 and numbers[1] > 1 and re.fullmatch(rb"\d+ +%d\s*" % numbers[1], lines[0]):
        raise ModelError(
            f"{path} begins with the numbers of words and dimensions: {lines[0][:60]!r}",
            hint="it is word2vec's text format: use load_word2vec_format, without no_header",
            file=str(path),
        )
    dim = max(sorted(set(numbers)), key=numbers.count)
    if not dim:
        raise ModelError(f"{path}: the first lines are no words with numbers", hint=_HINT_TEXT, file=str(path))
    return dim


def _numbers_at_the_end(fields: list[bytes]) -> int:
    count = 0
    for field in reversed(fields[1:]):
        if _numbers(field, 1) is None:
            break
        count += 1
    return count


def _blocks_of_lines(file: IO[bytes]) -> Iterator[list[bytes]]:
    """Whole lines, many at a time, without empty ones at the end of the file."""
    rest, held = b"", 0  # empty lines are held back until another line follows
    while block := file.read(_BLOCK):
        *lines, rest = (rest + block).split(b"\n")
        whole = [b""] * held + lines
        lines = _without_empty_end(whole)
        held = len(whole) - len(lines)
        if lines:
            yield lines
    if rest.strip():
        yield [b""] * held + [rest]


def _without_empty_end(lines: list[bytes]) -> list[bytes]:
    end = len(lines)
    while end and not lines[end - 1].strip():
        end -= 1
    return lines[:end]


def _parse_lines(lines: list[bytes], dim: int, spelling: Spelling, path: Path, first: int) -> tuple[list[str], Floats]:
    """The words and numbers of ``lines``, the first of which is line ``first`` of the file.

    All numbers are parsed in one call (0.14 µs each); only when it fails is the culprit looked for.
    """
    pairs = [_split(line, dim) for line in lines]
    numbers = _numbers(b" ".join([rest for _, rest in pairs]), len(lines) * dim)
    if numbers is None:
        raise _culprit(lines, dim, path, first)
    words = [spelling.word(word, f"{path}, line {at}") for at, (word, _) in enumerate(pairs, first)]
    return words, numbers.reshape(len(lines), dim)


def _split(line: bytes, dim: int) -> tuple[bytes, bytes]:
    """The word, which may hold spaces, and its numbers; (b"", b"") when there are not enough."""
    line = line.strip()
    if line.count(b" ") == dim and b"  " not in line and b"\t" not in line:  # nearly every line, and four times as fast
        word, _, numbers = line.partition(b" ")
        return word, numbers
    parts = line.rsplit(None, dim)
    return (parts[0], b" ".join(parts[1:])) if len(parts) == dim + 1 else (b"", b"")


def _numbers(text: bytes, expected: int) -> Floats | None:
    """Numbers with white space between, or None when they are not ``expected`` ones."""
    with warnings.catch_warnings():
        warnings.simplefilter("error")  # numpy before 2.3 warns where it stopped reading, later ones raise
        try:
            found = np.fromstring(text, np.float32, sep=" ")
        except (DeprecationWarning, RuntimeWarning, ValueError):
            return None
    return found if len(found) == expected else None


def _culprit(lines: list[bytes], dim: int, path: Path, first: int) -> ModelError:
    for number, line in enumerate(lines, first):
        word, rest = _split(line, dim)
        where = f"{path}, line {number}"
        if not word:
            return ModelError(
                f"{where} is not a word and {dim} numbers: {line[:60]!r}",
                hint="is the file cut off? " + _HINT_TEXT,
                file=str(path),
                line=number,
            )
        for field in rest.split(b" "):
            if _numbers(field, 1) is None:
                return ModelError(
                    f"{where}: {field[:40]!r} is not a number", hint=_HINT_TEXT, file=str(path), line=number
                )
    return ModelError(f"{path}: lines {first} to {first + len(lines) - 1} cannot be read", file=str(path))


def _take_records(chunk: bytes, dim: int, most: int, path: Path, record: int) -> tuple[list[bytes], bytes, bytes]:
    """Up to ``most`` whole records at the start of ``chunk``: their words, their numbers, and what is left."""
    size = 4 * dim
    words: list[bytes] = []
    numbers: list[bytes] = []
    at = 0
    while len(words) < most:
        space = chunk.find(b" ", at, at + _LONGEST_WORD)
        if space < 0 and len(chunk) - at >= _LONGEST_WORD:
            raise ModelError(f"{path}, record {record + len(words)} has no word", hint=_HINT_BINARY, file=str(path))
        if space < 0 or space + 1 + size > len(chunk):
            break
        vector = chunk[space + 1 : space + 1 + size]
        if record == 1 and not words and _NUMERALS.issuperset(vector):
            raise ModelError(f"{path} holds numbers as text", hint=_HINT_BINARY, file=str(path))
        words.append(chunk[at:space].lstrip(b"\n"))
        numbers.append(vector)
        at = space + 1 + size
    return words, b"".join(numbers), chunk[at:]


def _more(rest: bytes, file: IO[bytes]) -> bool:
    """Whether anything but line ends follows."""
    return bool(rest.strip(b"\r\n") or file.read(_BLOCK).strip(b"\r\n"))


def _check_total(seen: int, promised: int, more: bool, path: Path) -> None:
    if seen < promised or more:
        found = f"ends after {seen:,}" if seen < promised else "has more"
        raise ModelError(
            f"{path}: the first line promises {promised:,} words, the file {found}",
            hint="the file is cut off or was put together wrongly; limit= reads the first words of a longer one",
            file=str(path),
        )


def _least(limit: int | None, words: int | None) -> int | None:
    if limit is not None and limit < 1:
        raise OptionError(f"limit must be at least 1, not {limit}")
    return min((n for n in (limit, words) if n is not None), default=None)


class _Gathered:
    """Words and rows as they come. The matrix grows in place (the system moves pages, nothing is copied), so
    that a wrong number in the first line reserves nothing and no second matrix is needed at the end."""

    def __init__(self, path: Path, dim: int, wanted: int | None) -> None:
        self.seen = 0
        """Words of the file so far, those left out included."""
        self._path, self._wanted = path, wanted
        self._index: dict[str, None] = {}
        self._rows = np.empty((0, dim), np.float32)
        self._again: list[str] = []

    @property
    def full(self) -> bool:
        return self._wanted is not None and self.seen >= self._wanted

    def add(self, words: list[str], vectors: Floats, unit: str, first: int) -> None:
        finite = np.isfinite(vectors).all(axis=1)
        if not finite.all():
            at = int(np.argmin(finite))
            raise ModelError(
                f"{self._path}, {unit} {first + at}: the vector of {words[at]!r} holds NaN, infinity or a number "
                "beyond float32",
                file=str(self._path),
            )
        self.seen += len(words)
        before = len(self._index)
        kept = [at for at, word in enumerate(words) if self._new(word)]
        total = len(self._index)
        if total > len(self._rows):
            room = min(max(total, len(self._rows) * 3 // 2), self._wanted or (1 << 62))
            self._rows.resize((room, self._rows.shape[1]), refcheck=False)
        self._rows[before:total] = vectors if len(kept) == len(words) else vectors[kept]

    def _new(self, word: str) -> bool:
        if word in self._index:
            self._again.append(word)
            return False
        self._index[word] = None
        return True

    def done(self) -> Words:
        if self._again:
            log.warning(
                "%s: %d words came again and only their first vector was kept, such as %r",
                self._path,
                len(self._again),
                self._again[0],
            )
        self._rows.resize((len(self._index), self._rows.shape[1]), refcheck=False)
        return Words(list(self._index), self._rows)


# ---- writing ------------------------------------------------------------------------------------------------


def write_vectors(
    path: Path, words: Sequence[str], vectors: Floats, order: Iterable[int], *, binary: bool, header: bool
) -> None:
    """Words and vectors in ``order``, whole or not at all, gzipped when the name ends in ``.gz``.

    Numbers are written with as few digits as give the same float32 back. Raises OptionError for a word that
    would not be read back, before anything is written; otherwise as ``durable``.
    """
    raw = [_spelled(word, binary) for word in words]
    at = np.fromiter(order, np.int64)
    with _open_write(path) as file:
        if header:
            file.write(f"{len(words)} {vectors.shape[1]}\n".encode())
        for start in range(0, len(at), _WRITE_ROWS):
            chosen = at[start : start + _WRITE_ROWS]
            rows = vectors[chosen].astype("<f4", copy=False)
            if binary:
                file.write(b"".join([raw[i] + b" " + row.tobytes() for i, row in zip(chosen, rows, strict=True)]))
            else:
                lines = [raw[i] + f" {' '.join(map(str, row))}\n".encode() for i, row in zip(chosen, rows, strict=True)]
                file.write(b"".join(lines))


def write_counts(path: Path, words: Sequence[str], counts: NDArray[np.int64], order: Iterable[int]) -> None:
    """A word and its count on each line. Raises as ``write_vectors``."""
    raw = [_spelled(word, binary=False) for word in words]
    with _open_write(path) as file:
        file.write(b"".join([raw[i] + f" {counts[i]}\n".encode() for i in order]))


def _spelled(word: str, binary: bool) -> bytes:
    try:
        raw = word.encode()
    except UnicodeEncodeError:
        raise OptionError(f"the word {word!a} holds a lone surrogate and cannot be written") from None
    if not raw or raw != raw.strip() or b"\n" in raw or (binary and b" " in raw):
        raise OptionError(
            f"the word {word!r} cannot be written: these files part words at white space",
            hint="save() keeps every word as it is",
        )
    return raw


@contextlib.contextmanager
def _open_write(path: Path) -> Iterator[IO[bytes]]:
    with durable(path, "wb") as file:
        if path.suffix.lower() != ".gz":
            yield file
            return
        # No name and no time in it: equal vectors are equal bytes.
        with gzip.GzipFile("", "wb", 6, file, mtime=0) as packed:
            yield cast("IO[bytes]", packed)
