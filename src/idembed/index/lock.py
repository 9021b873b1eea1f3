"""The lock: a small JSON file, fit for git, that says what an index holds."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from importlib import metadata
from pathlib import Path, PurePath
from typing import Any, TypeGuard

from idembed.errors import LockError
from idembed.index.catalog import Catalog
from idembed.index.report import Tell, ignore
from idembed.index.root import Root, compute_root
from idembed.shown import escape_unsafe, number_of
from idembed.stores.base import Generation

__all__ = ["Lock", "lock_of", "read_lock"]

_FORMAT = 1
_DIGEST = re.compile("[0-9a-f]{64}")


@dataclass(frozen=True, slots=True)
class Lock:
    """``root``, ``content`` and ``vectors`` of the generation that is searched (hex; see root.py), its number of
    ``rows`` and of ``parts``; ``generations`` as {space, model, status}, where a model of this machine is known by its
    file's name; the ``splitter``; ``versions`` of what wrote it: of the format, of idembed, of the store's schema.

    Raises LockError when these are not what they should be, or ``root`` is not that of ``content`` and ``vectors``."""

    root: str
    content: str
    vectors: str
    rows: int
    parts: int
    generations: list[dict[str, str]]
    splitter: dict[str, Any] | None
    versions: dict[str, Any]

    def __post_init__(self) -> None:
        for name in ("root", "content", "vectors"):
            if not _is_digest(getattr(self, name)):
                raise LockError(f"{name!r} is not a hash of 64 hex digits")
        for name in ("rows", "parts"):
            if not _is_count(getattr(self, name)):
                raise LockError(f"{name!r} is not a number of {name}")
        if not isinstance(self.generations, list) or not all(map(_is_generation, self.generations)):
            raise LockError("'generations' is not a list of space, model and status")
        if not isinstance(self.splitter, dict | None):
            raise LockError("'splitter' is not an object")
        version = self.versions.get("format") if isinstance(self.versions, dict) else None
        if not _is_count(version) or version != _FORMAT:
            raise LockError(f"'versions' does not say that it is of format {_FORMAT}")
        both = bytes.fromhex(self.content) + bytes.fromhex(self.vectors)
        if hashlib.sha256(both).hexdigest() != self.root:
            raise LockError("its root is not that of its content and vectors, so that it was edited")

    def to_json(self) -> str:
        """The file: sorted, indented, with a line end; equal locks have equal bytes. What could act on a terminal (the
        names of models come from the database) is escaped."""
        text = json.dumps(asdict(self), indent=2, sort_keys=True, ensure_ascii=False)
        return "\n".join(map(escape_unsafe, text.split("\n"))) + "\n"

    def differences(self, now: Root | None, searched: Generation, splitter: Mapping[str, Any] | None) -> list[str]:
        """How what was found differs from what is locked, in words; empty when it does not. ``now`` None: the index
        could not be read to its end. Of generations, only the one that is ``searched`` is compared: others come and go,
        and what is searched stays the same."""
        if now is None:
            return ["nothing could be compared: the index cannot be read to its end"]
        found = []
        if now.rows != self.rows or now.parts != self.parts:
            here = f"{number_of(now.rows, 'row')} with {number_of(now.parts, 'vector')}"
            found.append(f"{here}; locked are {self.rows:,} with {self.parts:,}")
        if now.content != self.content:
            found.append(f"content {now.content[:16]}…; locked is {self.content[:16]}…: rows, texts, metadata or model")
        if now.vectors != self.vectors:
            found.append(f"vectors {now.vectors[:16]}…; locked are {self.vectors[:16]}…")
        locked = [g for g in self.generations if g["status"] == "active"]
        if [g["space"] for g in locked] != [searched.space.id]:
            spaces = " and ".join(_named(g["space"], g["model"]) for g in locked) or "none"
            found.append(f"space {_named(searched.space.id, _portable(searched.model))}; locked is {spaces}")
        if splitter != self.splitter:
            found.append(f"{_split(splitter)}; locked is: {_split(self.splitter)}")
        return found


def _named(space: str, model: str) -> str:
    return f"{space[:16]}… ({model})"


def _split(splitter: Mapping[str, Any] | None) -> str:
    if not splitter:
        return "texts are not split"
    return f"texts are split at {splitter.get('size')} characters by {splitter.get('name')} {splitter.get('version')}"


def lock_of(catalog: Catalog, tell: Tell = ignore) -> Lock:
    """The lock of the index, as of one moment."""
    store, _ = catalog.readable()
    with store.snapshot():
        root = compute_root(catalog, tell)
        splitter, generations = catalog.splitter(), store.generations()
    return Lock(
        root.root,
        root.content,
        root.vectors,
        root.rows,
        root.parts,
        [{"space": g.space.id, "model": _portable(g.model), "status": g.status} for g in generations],
        splitter.recorded() if splitter else None,
        {"format": _FORMAT, "idembed": metadata.version("idembed"), "schema": store.format_version},
    )


def _portable(model: str) -> str:
    """A model's name without the folders of this machine."""
    return PurePath(model).name if PurePath(model).is_absolute() else model


def read_lock(path: str | Path) -> Lock:
    """The lock in a file. Raises LockError when there is none, when it is not one, or was edited, and when it is of a
    newer format."""
    try:
        value = json.loads(Path(path).read_text("utf-8"))
    except OSError as error:
        raise LockError(
            f"{path} cannot be read: {error.strerror}", hint="idembed lock INDEX > FILE makes a lock", file=str(path)
        ) from error
    except (ValueError, RecursionError):
        raise _no_lock(path, "it is not JSON") from None
    if not isinstance(value, dict):
        raise _no_lock(path, "it is not an object")
    versions = value.get("versions")
    version = versions.get("format") if isinstance(versions, dict) else None
    if _is_count(version) and version > _FORMAT:
        raise LockError(
            f"{path} was written by a newer idembed (format {version})",
            hint="upgrade idembed: pip install -U idembed",
            file=str(path),
        )
    names = {field.name for field in fields(Lock)}
    for name in sorted(names ^ value.keys()):
        raise _no_lock(path, f"{name!r} is missing" if name in names else f"it has an unknown {name!r}")
    try:
        return Lock(**value)
    except LockError as error:
        raise _no_lock(path, error.message) from None


def _no_lock(path: str | Path, reason: str) -> LockError:
    return LockError(
        f"{path} is not a lock: {reason}", hint="idembed lock INDEX > idembed.lock makes one", file=str(path)
    )


def _is_count(value: object) -> TypeGuard[int]:
    return type(value) is int and value >= 0


def _is_digest(value: object) -> TypeGuard[str]:
    return isinstance(value, str) and _DIGEST.fullmatch(value) is not None


def _is_generation(value: object) -> bool:
    return (
        isinstance(value, dict)
        and value.keys() == {"space", "model", "status"}
        and all(isinstance(fact, str) for fact in value.values())
    )
