"""What ``idembed train`` reads: lines of a text file or of standard input, or those of the texts of rows, as words."""

from __future__ import annotations

import codecs
import io
import os
from abc import ABC, abstractmethod
from collections.abc import Iterator
from pathlib import Path
from typing import IO, TYPE_CHECKING, NamedTuple

from idembed.cli.files import ROWS
from idembed.errors import CorpusError, OptionError, SourceError
from idembed.shown import shell_word

if TYPE_CHECKING:
    from idembed.models.words.tokens import WordTokenizer
    from idembed.sources import Source
    from idembed.sources.files import File

__all__ = ["Position", "Sentences", "bytes_read", "open_sentences"]

_DATABASES = (".db", ".sqlite", ".sqlite3", ".idembed", ".lance")  # open_source says what they are
_UNPACKERS = {".xz": "xz -dc", ".bz2": "bzip2 -dc", ".zst": "zstd -dc", ".zip": "unzip -p", ".7z": "7z x -so"}
_LONGEST = 1 << 16
"""Bytes of a line that are made into words at once: what bounds memory, and the wait after Ctrl-C."""
_CONTINUATION = bytes(range(0x80, 0xC0))
"""Bytes with which no character begins."""
_WANTED = "a text file with a sentence a line, a folder of text files, .jsonl, .csv, .parquet, or - for standard input"


class Position(NamedTuple):
    """How far reading is, for a progress bar."""

    done: int
    total: int | None
    unit: str


class Sentences(ABC):
    """The sentences of a source, lists of words, read once and one after the other: a line is a sentence.

    A line of more than 64 KiB is taken as several, cut at spaces. Iterating raises SourceError or
    RowError for what cannot be read, CorpusError where there is no word at all.
    """

    def __init__(self, name: str, tokenizer: WordTokenizer) -> None:
        self.name = name
        self.skipped: list[tuple[str, str]] = []
        """(name, reason) of what was left out, when all is read."""
        self._tokenizer = tokenizer

    def __iter__(self) -> Iterator[list[str]]:
        empty, words = True, 0
        for line in self._lines():
            empty = False
            sentence = self._tokenizer(line)
            words += len(sentence)
            yield sentence
        if not words:
            if empty:
                raise CorpusError(f"{self.name} is empty", file=self.name)
            hint = "see --tokenizer, --min-len and --max-len for what a word is"
            raise CorpusError(f"{self.name} holds no words", hint=hint, file=self.name)

    @property
    @abstractmethod
    def position(self) -> Position:
        """How far it was read."""

    @abstractmethod
    def _lines(self) -> Iterator[str]: ...


def open_sentences(
    source: str, tokenizer: WordTokenizer, *, id_field: str | None = None, text_field: str | None = None
) -> Sentences | Path:
    """What ``source`` holds; a Path where it is a file that native code reads by itself, cut at white space.

    Rows are what the sources of ``sync`` are read as; all other files are text. Raises SourceError if it is not
    there, OptionError for fields that are given without need.
    """
    from idembed.sources import open_source
    from idembed.sources.files import File

    path = Path(source)
    suffix = Path(path.stem).suffix if path.suffix.lower() == ".gz" else path.suffix
    if source != "-" and ("://" in source or path.is_dir() or suffix.lower() in ROWS + _DATABASES):
        return _RowLines(open_source(source, id_field=id_field, text_field=text_field), tokenizer)
    if id_field is not None or text_field is not None:
        raise OptionError("--id-field and --text-field are for rows", hint="a text file has a sentence a line")
    if source == "-":
        return _FileLines(File(None, "standard input"), tokenizer)
    if not path.exists():
        raise SourceError(f"there is no file or folder {source!r}", hint=f"give {_WANTED}")
    if unpacker := _UNPACKERS.get(path.suffix.lower()):
        hint = f"unpack it: {unpacker} {shell_word(source)} | idembed train - -o OUT.w2v"
        raise SourceError(f"{source} is packed", hint=hint)
    if tokenizer.kind == "whitespace" and path.is_file() and path.suffix.lower() != ".gz" and not _has_long_line(path):
        return path
    return _FileLines(File(path, source), tokenizer)


def _has_long_line(path: Path) -> bool:
    """Whether a line would be cut, which native code does not do: some 50 ms for 100 MB."""
    since = 0  # the last line end that was seen
    with path.open("rb") as file:
        while block := file.read(_LONGEST):
            first = block.find(b"\n")
            if since + (first if first >= 0 else len(block)) >= _LONGEST:
                return True
            since = since + len(block) if first < 0 else len(block) - 1 - block.rfind(b"\n")
    return False


def bytes_read(done: int, total: int | None) -> Position:
    """The position in a file of so many bytes."""
    return Position(done // 1_000_000, None if total is None else total // 1_000_000, "MB")


class _FileLines(Sentences):
    """Lines of a file, unpacked if it ends in ``.gz``, or of standard input."""

    def __init__(self, file: File, tokenizer: WordTokenizer) -> None:
        super().__init__(file.name, tokenizer)
        self._file = file
        self._done = 0
        sized = file.path is not None and file.path.is_file() and file.path.suffix.lower() != ".gz"
        self._total = os.stat(file.path).st_size if file.path is not None and sized else None

    @property
    def position(self) -> Position:
        return bytes_read(self._done, self._total)

    def _lines(self) -> Iterator[str]:
        number = 1
        with self._file.opened() as stream:
            for line in _lines_of(stream):
                bare = line.removeprefix(codecs.BOM_UTF8) if self._done == 0 else line
                try:
                    text = bare.decode()
                except UnicodeDecodeError as error:
                    raise self._binary(number, f"holds 0x{bare[error.start]:02X}, which is not UTF-8", line) from None
                if "\0" in text:
                    raise self._binary(number, "holds a NUL byte", line)
                self._done += len(line)
                number += line.endswith(b"\n")
                yield text

    def _binary(self, number: int, why: str, line: bytes) -> CorpusError:
        message = f"{self.name} is not a text file in UTF-8: line {number} {why}"
        wide = line.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)) or "NUL" in why
        hint = f"convert it: iconv -f {'utf-16' if wide else 'latin1'} -t utf-8, for example"
        return CorpusError(message, hint=hint, file=self.name, line=number)


class _RowLines(Sentences):
    """Lines of the texts of rows."""

    def __init__(self, source: Source, tokenizer: WordTokenizer) -> None:
        super().__init__(source.name, tokenizer)
        self._source = source
        self._done = 0

    @property
    def position(self) -> Position:
        return Position(self._done, self._source.size_hint, "rows")

    def _lines(self) -> Iterator[str]:
        for _, row in self._source.rows():
            self._done += 1
            yield from (line.decode() for line in _lines_of(io.BytesIO(row.text.encode())))
        self.skipped = self._source.skipped


def _lines_of(stream: IO[bytes]) -> Iterator[bytes]:
    """Lines with their ends; a very long one in pieces that end behind a space, or between two characters."""
    rest = b""
    while True:
        read = stream.readline(_LONGEST)
        line = rest + read
        if not line:
            return
        end = len(line) if len(read) < _LONGEST or read.endswith(b"\n") else _place_to_cut(line)
        yield line[:end]
        rest = line[end:]


def _place_to_cut(line: bytes) -> int:
    behind_space = line.rfind(b" ") + 1
    if behind_space:
        return behind_space
    last = len(line.rstrip(_CONTINUATION)) - 1  # where the last character begins
    return last if last > 0 else len(line)
