"""Qdrant in a folder, by its embedded engine (qdrant-edge-py): each collection is a shard in a folder of its own.

One process at a time may open a shard, so all openings in a process share it. The engine syncs to the disk when it is
told to: after every write. It has no aliases, and optimises when it is told to.
"""

from __future__ import annotations

import json
import os
import secrets
import shutil
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

import numpy as np
import qdrant_edge as edge

from idembed.durable import FULL, sync_folder
from idembed.errors import DamagedError, DiskFullError, StoreError
from idembed.stores.qdrant.points import Between, IndexKind, IsNull, NotThereError, OneOf, OneTest, Point, Scored, Test
from idembed.stores.qdrant.shards import Shards
from idembed.stores.records import RESTORE, Vector

__all__ = ["EdgeDatabase"]

_INDEXED_FROM: Final = 10_000
"""Kilobytes of vectors from which a segment is indexed once that is asked for; below it is scanned, which is faster."""
_IN_USE: Final = "WouldBlock"
_KINDS: Final[dict[IndexKind, Callable[[], Any]]] = {
    "integer": lambda: edge.IntegerIndexParams(lookup=True, range=True, on_disk=True),
    "number": lambda: edge.IntegerIndexParams(lookup=True, range=False, on_disk=True),
    "range": lambda: edge.IntegerIndexParams(lookup=False, range=True, on_disk=True),
    "tenant": lambda: edge.KeywordIndexParams(is_tenant=True, on_disk=True),
    "uuid": lambda: edge.UuidIndexParams(on_disk=True),
}


class EdgeDatabase:
    """The collections in the folder ``path``, which is made when the first is."""

    is_server = False

    def __init__(self, path: Path, shown: str) -> None:
        self.shown = shown
        self._folder = Shards.enter(Path(os.path.realpath(path)))

    def close(self) -> None:
        self._folder.leave()

    # Collections -----------------------------------------------------------------------------------

    def collections(self) -> set[str]:
        with self._said():
            if not self._folder.path.exists():
                return set()
            return {one.name for one in self._folder.path.iterdir() if one.is_dir() and not one.name.startswith(".")}

    def create(self, name: str, dim: int, indexes: Mapping[str, IndexKind]) -> None:
        made = self._folder.path / f".made-{secrets.token_hex(6)}"
        with self._said():
            made.mkdir(parents=True)
            shard = edge.EdgeShard.create(str(made), _config(dim, indexed_from=0))
            for field, kind in indexes.items():
                shard.update(edge.UpdateOperation.create_field_index(field, _KINDS[kind]()))
            shard.flush()
            shard.close()
            made.rename(self._folder.path / name)
            sync_folder(self._folder.path)
            self._sweep()

    def drop(self, name: str) -> None:
        with self._said():
            if name not in self.collections():
                return
            self._shard(name).close()
            del self._folder.shards[name]
            gone = self._folder.path / f".gone-{secrets.token_hex(6)}"
            (self._folder.path / name).rename(gone)
            sync_folder(self._folder.path)
            self._sweep()

    def _sweep(self) -> None:
        """Remove what was dropped, and what was not made to its end."""
        for left in self._folder.path.glob(".*-*"):
            shutil.rmtree(left)

    def complete(self, name: str, indexes: Mapping[str, IndexKind]) -> None:
        with self._said():
            self._shard(name)  # it was made with them, or not at all

    def alias(self, alias: str) -> str | None:
        return None

    def move_alias(self, alias: str, name: str) -> None:
        return

    def _shard(self, name: str) -> edge.EdgeShard:
        """Within the lock."""
        shards = self._folder.shards
        if name not in shards:
            if not (self._folder.path / name).is_dir():
                raise NotThereError(f"{self.shown}: there is no collection {name}", hint="was it dropped meanwhile?")
            try:
                shards[name] = edge.EdgeShard.load(str(self._folder.path / name))
            except Exception as error:
                meant = self._meant(str(error))
                if type(meant) is StoreError and _IN_USE not in str(error):
                    raise DamagedError(meant.message, hint=RESTORE, url=self.shown) from error
                raise meant from error
        return shards[name]

    # Points ----------------------------------------------------------------------------------------

    def upsert(self, name: str, requests: Iterable[Sequence[Point]]) -> None:
        with self._said():
            shard = self._shard(name)
            for points in requests:
                made = [edge.Point(one.id, _numbers(one.vector), one.payload) for one in points]
                shard.update(edge.UpdateOperation.upsert_points(made))
            shard.flush()

    def delete(self, name: str, ids: Sequence[str]) -> None:
        with self._said():
            shard = self._shard(name)
            shard.update(edge.UpdateOperation.delete_points(list(ids)))
            shard.flush()

    def retrieve(self, name: str, ids: Sequence[str], fields: Sequence[str], *, vectors: bool) -> list[Point]:
        with self._said():
            return _points(self._shard(name).retrieve(list(ids), list(fields), vectors))

    def scroll(
        self, name: str, tests: Sequence[Test], begin: str | None, most: int, fields: Sequence[str], *, vectors: bool
    ) -> tuple[list[Point], str | None]:
        request = edge.ScrollRequest(
            offset=begin, limit=most, filter=_filter(tests), with_payload=list(fields), with_vector=vectors
        )
        with self._said():
            found, rest = self._shard(name).scroll(request)
        return _points(found), None if rest is None else str(rest)

    def count(self, name: str, tests: Sequence[Test]) -> int:
        with self._said():
            return self._shard(name).count(edge.CountRequest(filter=_filter(tests), exact=True))

    def query(
        self, name: str, vector: Vector, most: int, tests: Sequence[Test], fields: Sequence[str], *, exact: bool
    ) -> list[Scored]:
        request = edge.QueryRequest(
            query=edge.Query.Nearest(_numbers(vector)),
            filter=_filter(tests),
            limit=most,
            params=edge.SearchParams(exact=exact),
            with_payload=list(fields),
            with_vector=True,
        )
        with self._said():
            found = self._shard(name).query(request)
        return [Scored(point, one.score) for point, one in zip(_points(found), found, strict=True)]

    # Approximate search and size -------------------------------------------------------------------

    def build(self, name: str) -> None:
        with self._said():
            self._shard(name).close()
            del self._folder.shards[name]
            path = self._folder.path / name
            config = _config(_kept(path)["vectors"][""]["size"], _INDEXED_FROM)
            self._folder.shards[name] = edge.EdgeShard.load(str(path), config)
            self.tidy(name)

    def is_built(self, name: str) -> bool:
        with self._said():
            self._shard(name)
            return bool(_kept(self._folder.path / name)["optimizers"]["indexing_threshold"])

    def tidy(self, name: str) -> None:
        with self._said():
            shard = self._shard(name)
            shard.optimize()
            shard.flush()

    def size(self) -> int:
        with self._said():
            files = [one.stat() for one in self._folder.path.rglob("*") if one.is_file()]
            return sum(getattr(one, "st_blocks", -(-one.st_size // 512)) * 512 for one in files)

    def damage(self, name: str) -> list[str]:
        try:
            with self._said():
                self._shard(name).info()
        except DamagedError as error:
            return [error.message]
        return []

    @contextmanager
    def _said(self) -> Iterator[None]:
        """One at a time, and what the engine raises in our words."""
        try:
            with self._folder.lock:
                yield
        except StoreError:
            raise
        except OSError as error:
            if error.errno in FULL:
                raise self._meant("No space left") from error
            raise StoreError(f"{self.shown} cannot be used: {error.strerror or error}") from error
        except Exception as error:
            if type(error) not in (Exception, ValueError):  # those the engine raises
                raise
            raise self._meant(str(error)) from error
        except BaseException as error:
            if type(error).__name__ != "PanicException":
                raise
            raise DamagedError(f"{self.shown}: Qdrant broke off: {_first_line(str(error))}", hint=RESTORE) from error

    def _meant(self, said: str) -> StoreError:
        if _IN_USE in said:
            return StoreError(
                f"{self.shown} is open in another process",
                hint="a folder is for one process at a time: close that program, or run a Qdrant server",
            )
        if "No space left" in said or "os error 28" in said:
            hint = "what was written before is safe: free some space and run it again"
            return DiskFullError(f"{self.shown}: the disk is full", hint=hint)
        return StoreError(f"{self.shown}: Qdrant says: {_first_line(said)}")


def _first_line(said: str) -> str:
    return said.partition("\n")[0][:200]


def _kept(path: Path) -> dict[str, Any]:
    """The settings of a shard, as they lie on the disk."""
    kept: dict[str, Any] = json.loads((path / "edge_config.json").read_text())
    return kept


def _config(dim: int, indexed_from: int) -> edge.EdgeConfig:
    return edge.EdgeConfig(
        vectors=edge.EdgeVectorParams(size=dim, distance=edge.Distance.Dot),
        on_disk_payload=True,
        optimizers=edge.EdgeOptimizersConfig(indexing_threshold=indexed_from),
    )


def _numbers(vector: Vector | None) -> list[float]:
    assert vector is not None
    numbers: list[float] = vector.tolist()
    return numbers


def _points(found: Sequence[Any]) -> list[Point]:
    return [
        Point(str(one.id), one.payload or {}, None if one.vector is None else np.array(one.vector, np.float32))
        for one in found
    ]


def _filter(tests: Sequence[Test]) -> edge.Filter | None:
    """None for no tests. What has a boolean is left out: the engine's Python binding turns True into 1."""
    said: list[Any] = [
        _condition(test[0]) if len(test) == 1 else edge.Filter(should=[_condition(one) for one in test])
        for test in tests
        if not any(isinstance(one, OneOf) and isinstance(one.values[0], bool) for one in test)
    ]
    return edge.Filter(must=said) if said else None


def _condition(test: OneTest) -> edge.FieldCondition | edge.IsNullCondition:
    if isinstance(test, OneOf):
        if len(test.values) == 1:
            return edge.FieldCondition(test.path, match=edge.MatchValue(test.values[0]))
        return edge.FieldCondition(test.path, match=edge.MatchAny(list(test.values)))  # type: ignore[arg-type]
    if isinstance(test, Between):
        return edge.FieldCondition(test.path, range=edge.RangeFloat(gte=test.gte, lt=test.lt, lte=test.lte))
    assert isinstance(test, IsNull)
    return edge.IsNullCondition(test.path)
