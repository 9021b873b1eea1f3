"""Opening files and reading their lines, with errors that say where in the file."""

from __future__ import annotations

import codecs
import gzip
import io
import sys
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, NamedTuple

from idembed.errors import OptionError, SourceError

__all__ = ["File", "check_encoding", "decode"]

_BOMS = ((codecs.BOM_UTF32_LE, "UTF-32"), (codecs.BOM_UTF16_LE, "UTF-16"), (codecs.BOM_UTF16_BE, "UTF-16"))


class File(NamedTuple):
    """A file to read, or standard input if ``path`` is None; ``name`` is for messages."""

    path: Path | None
    name: str
    encoding: str = "utf-8"

    @contextmanager
    def opened(self) -> Iterator[IO[bytes]]:
        """The bytes, unpacked if the name ends in ``.gz``. Every failure to read is a SourceError."""
        if self.path is None:
            if sys.stdin is None:
                raise SourceError("standard input is closed", hint="give a file, or pipe something in")
            yield sys.stdin.buffer
            return
        try:
            with self.path.open("rb") as stream:
                if self.path.suffix.lower() != ".gz":
                    yield stream
                    return
                with io.BufferedReader(gzip.GzipFile(fileobj=stream, mode="rb"), 1 << 18) as unpacked:
                    yield unpacked
        except (EOFError, zlib.error, gzip.BadGzipFile) as error:
            hint = "it seems cut off or is not gzip: make or fetch it again"
            raise SourceError(f"{self.name} cannot be unpacked: {error}", hint=hint, file=self.name) from None
        except OSError as error:
            raise SourceError(f"{self.name} cannot be read: {error.strerror or error}", file=self.name) from None

    def lines(self) -> Iterator[str]:
        """Decoded lines with their ends (LF or CR LF); a byte order mark is not part of the first."""
        number = 0
        encoding = self.encoding
        with self.opened() as stream:
            for raw in stream:
                number += 1
                if number == 1:
                    raw = raw.removeprefix(codecs.BOM_UTF8) if encoding == "utf-8" else raw
                try:
                    line = raw.decode(encoding)
                except UnicodeDecodeError as error:
                    before = stream.tell() - len(raw) if stream.seekable() else None
                    raise _undecodable(self, error, before, number) from None
                yield line


def decode(data: bytes, file: File) -> str:
    """The text of a whole file, without a byte order mark; SourceError naming the first wrong byte."""
    bare = data.removeprefix(codecs.BOM_UTF8) if file.encoding == "utf-8" else data
    try:
        return bare.decode(file.encoding)
    except UnicodeDecodeError as error:
        line = bare.count(b"\n", 0, error.start) + 1
        raise _undecodable(file, error, len(data) - len(bare), line) from None


def check_encoding(encoding: str | None) -> str:
    """Python's name of the encoding, UTF-8 if None; OptionError if lines cannot be found in it."""
    try:
        name = codecs.lookup("utf-8" if encoding is None else encoding).name.removesuffix("-sig")
        splits = "a\n".encode(name) == b"a\n"
    except (LookupError, TypeError):
        raise OptionError(f"encoding {encoding!r} is not known", hint="the default is utf-8") from None
    if not splits:
        raise OptionError(f"files in {name} are not read", hint="convert them to UTF-8 first, e.g. with iconv")
    return name


def _undecodable(file: File, error: UnicodeDecodeError, before: int | None, line: int) -> SourceError:
    wrong = error.object[error.start]
    place = f"byte {error.start} of line {line}" if before is None else f"byte {before + error.start} (line {line})"
    message = f"{file.name} is not {file.encoding.upper()}: {place} is 0x{wrong:02X}"
    hint = "convert it to UTF-8"
    for bom, name in _BOMS:
        if line == 1 and bytes(error.object).startswith(bom):
            hint = f"it seems to be {name}: convert it to UTF-8"
            break
    return SourceError(message, hint=hint, file=file.name, line=line)
