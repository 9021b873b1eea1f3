"""Qdrant in a folder, by its embedded engine (qdrant-edge-py): each collection is a shard in a folder of its own.

One process at a time may open a shard, so all openings in a process share it. The engine syncs to the disk when it is
told to: after every write. It has no aliases, and optimises when it is told to.
"""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import Any, Final

import qdrant_edge as edge

from idembed.durable import FULL, sync_folder
from idembed.errors import DamagedError, DiskFullError, StoreError
from idembed.stores.collection.remembered import Remembered
from idembed.stores.disk_usage import files_in, has_room, taken_by
from idembed.stores.qdrant.folders import make_folder, passing_name, refuse_others_folder, sweep
from idembed.stores.qdrant.points import IndexKind, NotThereError, OneOf, OneTest, Point, Scored, Test
from idembed.stores.qdrant.shards import Shards
from idembed.stores.qdrant.words import INDEXED_FROM, Words, as_filter, read_points
from idembed.stores.records import RESTORE, Vector

__all__ = ["EdgeDatabase"]

_IN_USE: Final = "WouldBlock"
_ROOM: Final = 64 << 20
"""Bytes that have to be free for a shard to be opened or written, of which opening takes up to 35 million: the engine
writes by way of memory, and the process of who does that on a full disk is ended by the system."""
_KINDS: Final[dict[IndexKind, Callable[[], Any]]] = {
    "number": lambda: edge.IntegerIndexParams(lookup=True, range=False, on_disk=True),
    "range": lambda: edge.IntegerIndexParams(lookup=False, range=True, on_disk=True),
    "tenant": lambda: edge.KeywordIndexParams(is_tenant=True, on_disk=True),
}
_WORDS: Final = Words(
    all_of=lambda conditions: edge.Filter(must=conditions),
    any_of=lambda conditions: edge.Filter(should=conditions),
    none_of=lambda conditions: edge.Filter(must_not=conditions),
    equal=lambda path, value: edge.FieldCondition(path, match=edge.MatchValue(value)),
    among=lambda path, values: edge.FieldCondition(path, match=edge.MatchAny(values)),
    between=lambda test: edge.FieldCondition(test.path, range=edge.RangeFloat(gte=test.gte, lt=test.lt, lte=test.lte)),
    null=edge.IsNullCondition,
)


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
        folder = self._folder.path
        made = passing_name(folder, "made")
        with self._said():
            refuse_others_folder(folder, self.shown)
            self._refuse_full()
            make_folder(folder)
            self._claim()
            try:
                made.mkdir()
                shard = edge.EdgeShard.create(str(made), _config(dim, indexed_from=0))
                for field, kind in indexes.items():
                    shard.update(edge.UpdateOperation.create_field_index(field, _KINDS[kind]()))
                shard.flush()
                shard.close()
                made.rename(folder / name)
            except BaseException:
                shutil.rmtree(made, ignore_errors=True)
                raise
            sync_folder(folder)
            sweep(folder)

    def drop(self, name: str) -> None:
        with self._said():
            if name not in self.collections():
                return
            self._shard(name).close()
            del self._folder.shards[name]
            self._folder.remembered.pop(name, None)
            (self._folder.path / name).rename(passing_name(self._folder.path, "gone"))
            sync_folder(self._folder.path)
            sweep(self._folder.path)

    def has_our_shape(self, name: str) -> bool:
        with self._said():
            self._shard(name)
            vectors = _kept(self._folder.path / name)["vectors"]
            return set(vectors) == {""} and vectors[""]["distance"] == "Dot"

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
            self._claim()
            self._refuse_full()
            try:
                shards[name] = edge.EdgeShard.load(str(self._folder.path / name))
            except Exception as error:
                meant = self._meant(str(error))
                if type(meant) is StoreError and _IN_USE not in str(error):
                    raise DamagedError(meant.message, hint=RESTORE, url=self.shown) from error
                raise meant from error
        return shards[name]

    # Points ----------------------------------------------------------------------------------------

    def alone(self) -> AbstractContextManager[object]:
        return self._folder.lock

    def remembered(self, name: str) -> Remembered:
        return self._folder.remembered.setdefault(name, Remembered())

    def upsert(self, name: str, requests: Iterable[Sequence[Point]]) -> None:
        with self._said():
            shard = self._shard(name)
            for points in requests:
                self._refuse_full()
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
            return read_points(self._shard(name).retrieve(list(ids), list(fields), vectors))

    def scroll(
        self, name: str, tests: Sequence[Test], begin: str | None, most: int, fields: Sequence[str], *, vectors: bool
    ) -> tuple[list[Point], str | None]:
        request = edge.ScrollRequest(
            offset=begin, limit=most, filter=_filter(tests), with_payload=list(fields), with_vector=vectors
        )
        with self._said():
            found, rest = self._shard(name).scroll(request)
        return read_points(found), None if rest is None else str(rest)

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
        return [Scored(point, one.score) for point, one in zip(read_points(found), found, strict=True)]

    # Approximate search and size -------------------------------------------------------------------

    def build(self, name: str, keep: Callable[[], None]) -> None:
        with self._said():
            if not self.is_built(name):
                self._shard(name).close()
                del self._folder.shards[name]
                path = self._folder.path / name
                config = _config(_kept(path)["vectors"][""]["size"], INDEXED_FROM)
                self._folder.shards[name] = edge.EdgeShard.load(str(path), config)
            self.tidy(name)  # no thread of this process runs meanwhile, for the engine keeps Python's lock
            keep()  # before the folder is let go, so that nobody has taken over what it renews

    def is_built(self, name: str) -> bool:
        with self._said():
            self._shard(name)
            return bool(_kept(self._folder.path / name)["optimizers"]["indexing_threshold"])

    def tidy(self, name: str) -> None:
        with self._said():
            shard = self._shard(name)
            self._refuse_full()
            shard.optimize()
            shard.flush()

    def size(self) -> int:
        with self._said():
            return taken_by(files_in(self._folder.path))

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
            raise StoreError(
                f"{self.shown} cannot be used: {error.strerror or error}",
                hint="is it a folder, and may this user write there?",
                url=self.shown,
            ) from error
        except Exception as error:
            if type(error) not in (Exception, ValueError):  # those the engine raises
                raise
            raise self._meant(str(error)) from error
        except BaseException as error:
            if type(error).__name__ != "PanicException":
                raise
            raise DamagedError(f"{self.shown}: Qdrant broke off: {_first_line(str(error))}", hint=RESTORE) from error

    def _claim(self) -> None:
        if not self._folder.claim():
            raise self._meant(_IN_USE)

    def _refuse_full(self) -> None:
        if not has_room(self._folder.path, _ROOM):
            raise self._meant("No space left")

    def _meant(self, said: str) -> StoreError:
        if _IN_USE in said:
            return StoreError(
                f"{self.shown} is open in another process",
                hint="a folder is for one process at a time: close that program, or run a Qdrant server",
            )
        if "No space left" in said or "os error 28" in said:
            hint = f"what was written before is safe: have {_ROOM >> 20} MB free, or more, and run it again"
            return DiskFullError(f"{self.shown}: the disk is full", hint=hint, url=self.shown)
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


def _filter(tests: Sequence[Test]) -> Any:
    """What has a boolean is left out: the engine's Python binding turns True into 1."""
    return as_filter([test for test in tests if not any(map(_has_boolean, test))], _WORDS)


def _has_boolean(test: OneTest) -> bool:
    return isinstance(test, OneOf) and isinstance(test.values[0], bool)
