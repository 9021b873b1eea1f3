"""Where rows come from: ``open_source`` looks at what it is given and picks the format, one file each."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

from idembed.errors import OptionError, SourceError
from idembed.sources.base import Fields, Source
from idembed.sources.files import File, check_encoding

__all__ = ["Source", "open_source"]

_POSSIBLE = (
    "a source is a path (.jsonl, .ndjson, .csv, .tsv, .json, .parquet, or a folder of text files), '-' for"
    " JSON lines on standard input, postgresql://…?query=…, a table (pandas, polars, Arrow), or an iterable of"
    " dicts, Rows or (id, text) pairs"
)
_PACKED = (".jsonl", ".ndjson", ".csv", ".tsv", ".json")
_DATABASES = (".db", ".sqlite", ".sqlite3", ".idembed", ".lance")


def open_source(
    source: object, *, id_field: str | None = None, text_field: str | None = None, encoding: str | None = None
) -> Source:
    """The source behind a path, a table or an iterable.

    ``id_field`` and ``text_field`` name the id and the text ("id" and "text"); ``encoding`` is for text files
    (UTF-8). Integer ids become their decimal digits, so 1 and "1" are one id. Raises SourceError if it is not
    there or of no known kind, OptionError for an option that makes no sense with it.
    """
    fields = Fields.of(id_field, text_field)
    given = id_field is not None or text_field is not None
    if isinstance(source, Source):
        return source
    if isinstance(source, str | os.PathLike):
        return _open_path(os.fspath(source), fields, check_encoding(encoding), given)
    if encoding is not None:
        raise OptionError("encoding is for files", hint="leave it out")
    table = _table(source)
    if table is not None:
        return table(source, fields)
    if isinstance(source, bytes | bytearray | memoryview) or hasattr(source, "read"):
        raise SourceError(f"{type(source).__name__} is not a source", hint="give the path of the file")
    if not isinstance(source, Iterable):
        raise SourceError(f"{type(source).__name__} is not a source", hint=_POSSIBLE)
    from idembed.sources.iterable import IterableSource

    return IterableSource(source, fields, fields_given=given)


def _table(source: object) -> Callable[[Any, Fields], Source] | None:
    """What reads this table, found without importing the library it comes from."""
    kinds = {(kind.__module__.partition(".")[0], kind.__name__) for kind in type(source).__mro__}
    if ("pandas", "DataFrame") in kinds:
        from idembed.sources.pandas import PandasSource

        return PandasSource
    if ("polars", "DataFrame") in kinds or ("polars", "LazyFrame") in kinds:
        from idembed.sources.polars import PolarsSource

        return PolarsSource
    if hasattr(source, "__arrow_c_stream__") or ("pyarrow", "RecordBatch") in kinds:
        from idembed.sources.arrow import ArrowSource

        return ArrowSource
    return None


def _open_path(path: str, fields: Fields, encoding: str, given: bool) -> Source:
    from idembed.sources.jsonl import JsonlSource

    if path == "-":
        return JsonlSource(File(None, "standard input", encoding), fields)
    if "://" in path:
        return _open_url(path, fields)
    if not path:
        raise SourceError("'' names no source", hint="an unset variable? The current folder is '.'")
    place = Path(path)
    name = place.name or path
    if place.is_dir() and place.suffix.lower() not in _DATABASES:
        from idembed.sources.folder import FolderSource

        if given:
            raise OptionError("id_field and text_field are not for a folder", hint="a file's path is its id")
        return FolderSource(place, name if name not in ("", ".", "..") else path, encoding)
    suffix = place.suffix.lower()
    if suffix in _DATABASES:
        raise _database(name)
    if not place.exists():
        raise SourceError(f"there is no file or folder {path!r}", hint=_POSSIBLE)
    if suffix == ".gz" and Path(place.stem).suffix.lower() in _PACKED:
        suffix = Path(place.stem).suffix.lower()
    return _open_file(place, suffix, File(place, name, encoding), fields)


def _open_file(place: Path, suffix: str, file: File, fields: Fields) -> Source:
    if suffix in (".jsonl", ".ndjson"):
        from idembed.sources.jsonl import JsonlSource

        return JsonlSource(file, fields)
    if suffix in (".csv", ".tsv"):
        from idembed.sources.delimited import DelimitedSource

        return DelimitedSource(file, fields, "," if suffix == ".csv" else "\t")
    if suffix == ".json":
        from idembed.sources.jsonlist import JsonListSource

        return JsonListSource(file, fields)
    if suffix == ".parquet":
        from idembed.sources.arrow import ParquetSource

        return ParquetSource(place, file.name, fields)
    from idembed.sources.folder import SUFFIXES

    if _is_sqlite(place):
        raise _database(file.name)
    hint = "for text files, give their folder" if suffix in SUFFIXES else _POSSIBLE
    if not place.is_file():
        hint = "a pipe is read as JSON lines from standard input: give '-'"
    raise SourceError(f"{file.name} is of no kind that is read", hint=hint)


def _database(name: str) -> SourceError:
    return SourceError(f"{name} is a database, not a source", hint=f"were source and index swapped? {_POSSIBLE}")


def _open_url(url: str, fields: Fields) -> Source:
    scheme = url.partition("://")[0]
    if scheme.lower() not in ("postgresql", "postgres"):
        raise SourceError(
            f"a {scheme}:// address is not a source",
            hint="files are read from disk: fetch it first; if it is the index, the two were swapped",
        )
    try:
        from idembed.sources.postgres import PostgresSource
    except ImportError as error:
        raise SourceError(
            f"reading from Postgres needs psycopg, which is not installed ({error})",
            hint='pip install "idembed[postgres]"',
        ) from None
    return PostgresSource(url, fields)


def _is_sqlite(place: Path) -> bool:
    try:
        with place.open("rb") as stream:
            return stream.read(16) == b"SQLite format 3\0"
    except OSError:
        return False
