"""A folder of text and Markdown files, with all folders in it; one file is one row.

The id is the path within the folder with ``/``, and so is metadata ``path``; the rest are ``suffix`` and
``title`` (the first heading, else the file's name without suffix). Nothing in a row changes unless the
file does.

Left out: names that start with a dot; files of other kinds; links to folders (so there are no loops) and
links to files outside the folder; files that are empty or all white space. The last three are reported.
What cannot be read is an error, for a row that is missing is a row to delete.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

from idembed.canonical import check_text
from idembed.errors import SourceError
from idembed.sources.base import Record, Source
from idembed.sources.files import File, decode
from idembed.split import headings

__all__ = ["SUFFIXES", "FolderSource"]

SUFFIXES = (".txt", ".text", ".md", ".markdown", ".rst")
_WITH_HEADINGS = (".md", ".markdown", ".rst")
_PART_SIZE = 1000


class FolderSource(Source):
    """Text files of a folder in the order of their paths (by code point)."""

    split = _PART_SIZE

    def __init__(self, root: Path, name: str, encoding: str = "utf-8") -> None:
        """SourceError if there is no file to read or a folder cannot be listed."""
        super().__init__(name.rstrip("/") or "/")
        self._root = root
        self._encoding = encoding
        self._left_out: list[tuple[str, str]] = []
        self._paths = sorted(self._walk(root, root.resolve(), ""))
        self.size_hint = len(self._paths)
        if not self._paths:
            hint = f"files that end in {', '.join(SUFFIXES)} are read"
            raise SourceError(f"the folder {self.name} has no text files", hint=hint)

    def where(self, position: int) -> str:
        """``docs/cats/siam.md``."""
        return f"{self.name}/{self._paths[position]}"

    def _records(self) -> Iterator[Record]:
        self.skipped = list(self._left_out)
        for position, path in enumerate(self._paths):
            reason = check_text(path)
            if reason:
                raise SourceError(f"the file name {path!a} in {self.name} is not UTF-8", hint="rename the file")
            file = File(self._root / path, self.where(position), self._encoding)
            try:
                text = decode((self._root / path).read_bytes(), file)
            except OSError as error:
                raise SourceError(f"{file.name} cannot be read: {error.strerror or error}") from None
            if not text.strip():
                self.skipped.append((path, "empty"))
                continue
            suffix = Path(path).suffix.lower()
            yield position, path, text, {"path": path, "suffix": suffix, "title": _title(text, path, suffix)}

    def _walk(self, folder: Path, root: Path, prefix: str) -> Iterator[str]:
        try:
            with os.scandir(folder) as found:
                entries = [entry for entry in found if not entry.name.startswith(".")]
        except OSError as error:
            name = f"{self.name}/{prefix}".rstrip("/")
            raise SourceError(f"the folder {name} cannot be read: {error.strerror or error}") from None
        for entry in entries:
            path = prefix + entry.name
            if entry.is_symlink():
                reason = self._why_not_follow(entry, root)
                if reason:
                    self._left_out.append((path, reason))
                elif reason is not None:
                    yield path
            elif entry.is_dir():
                yield from self._walk(folder / entry.name, root, f"{path}/")
            elif _is_text(entry.name):
                if entry.is_file():
                    yield path
                else:
                    self._left_out.append((path, "not a regular file"))

    def _why_not_follow(self, link: os.DirEntry[str], root: Path) -> str | None:
        """An empty string for a link to a file of ours, None for one that is nothing to us."""
        target = Path(os.path.realpath(link.path))
        if target.is_dir():
            return "link to a folder"
        if not _is_text(link.name):
            return None
        if not target.is_relative_to(root):
            return "link to a file outside the folder"
        if not target.is_file():
            raise SourceError(f"{self.name}: the link {link.name!a} leads nowhere", hint="mend or remove it")
        return ""


def _is_text(name: str) -> bool:
    return os.path.splitext(name)[1].lower() in SUFFIXES


def _title(text: str, path: str, suffix: str) -> str:
    found = headings(text) if suffix in _WITH_HEADINGS else []
    return next((heading.title for heading in found if heading.title), Path(path).stem)
