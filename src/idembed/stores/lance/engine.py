"""One index in LanceDB: a folder of tables, one for documents (``idembed``) and one for each collection (``g1`` …)."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import timedelta
from functools import partial
from typing import Any, Final, TypeVar

import pyarrow as pa
from lancedb.expr import Expr

from idembed.errors import DamagedError, NotAnIndexError, StoreError
from idembed.filters import Condition
from idembed.stores.collection.engine import (
    KEYS,
    STANDING,
    Among,
    Engine,
    Fields,
    Key,
    Nearest,
    Record,
    Standing,
)
from idembed.stores.disk_usage import files_in, taken_by
from idembed.stores.lance import search
from idembed.stores.lance.failures import mapped
from idembed.stores.lance.fields import (
    COLUMNS,
    DOCUMENTS,
    KEY,
    chunks,
    columns_of,
    documents_table,
    key_of,
    records_of,
    schema_of,
)
from idembed.stores.lance.filters import among_expr, any_of, is_nothing
from idembed.stores.lance.folders import refuse_others_folder
from idembed.stores.lance.place import place_of
from idembed.stores.lance.reading import batches, counted
from idembed.stores.lance.tables import MissingTableError, Tables
from idembed.stores.lance.waiting import meanwhile
from idembed.stores.lance.written import Recent
from idembed.stores.records import Capabilities, Vector

__all__ = ["LanceEngine"]

T = TypeVar("T")
_DOCUMENTS: Final = "idembed"
_COLLECTION: Final = re.compile(r"g(0|[1-9][0-9]*)")
_REQUEST_BYTES: Final = 64_000_000
"""Of one commit, about."""
_KEYS_AT_ONCE: Final = 2000
_RETENTION: Final = timedelta(minutes=10)
"""How long the versions of a collection before the newest stay readable: questions under way are answered sooner."""
_SHORT_RETENTION: Final = timedelta(minutes=1)
"""That of the documents, which are small and written often."""


class LanceEngine(Engine):
    """LanceDB in this process, over files or an object store (``place_of`` says what URLs there are)."""

    capabilities = Capabilities(
        exact_readback=True,
        atomic_switch=False,
        transactions=False,
        approximate_search=True,
        concurrent_writers=False,
        snapshots=False,
        max_key=512,
        max_text=100_000_000,
        max_metadata=50_000_000,
        max_dim=65_536,
    )
    most_near = 10_000

    def __init__(self, url: str) -> None:
        """Nothing is read or made until a verb needs it. Raises OptionError for a URL of no such place."""
        place = place_of(url)
        self.url = place.shown
        self._folder = place.folder
        self._tables = Tables(place)
        self._is_closed = False
        self._recent = Recent()
        self._seen: tuple[int, dict[str, str]] = (0, {})

    def close(self) -> None:
        self._is_closed = True
        self._tables.close()

    def another(self) -> Callable[[], Engine] | None:
        """Where files are near, writing takes the processor that makes vectors, and nothing is gained."""
        return None if self._folder is not None else partial(LanceEngine, self.url)

    # Documents -------------------------------------------------------------------------------------

    def documents(self, begin: str = "") -> dict[str, dict[str, Any]]:
        with self._speaking() as tables:
            try:
                found = tables.read(_DOCUMENTS, self._bodies)
            except MissingTableError:
                return {}
        return {name: json.loads(body) for name, body in found.items() if name.startswith(begin)}

    def put_document(self, name: str, body: Mapping[str, Any]) -> None:
        written = documents_table({name: json.dumps(body, ensure_ascii=False)})
        with self._speaking() as tables:
            try:
                tables.upsert(_DOCUMENTS, "name", written, retention=_SHORT_RETENTION)
            except MissingTableError:
                if self._folder is not None:
                    refuse_others_folder(self._folder, self.url)
                tables.create(_DOCUMENTS, DOCUMENTS)
                tables.upsert(_DOCUMENTS, "name", written, retention=_SHORT_RETENTION)

    def remove_documents(self, names: Sequence[str]) -> None:
        with self._speaking() as tables:
            if names and _DOCUMENTS in tables.names():
                tables.write(_DOCUMENTS, partial(_delete, any_of("name", names)), retention=_SHORT_RETENTION)

    # Collections -----------------------------------------------------------------------------------

    def collections(self) -> set[int]:
        with self._speaking() as tables:
            found = (_COLLECTION.fullmatch(name) for name in tables.names())
            return {int(match.group(1)) for match in found if match}

    def create(self, number: int, dim: int) -> None:
        with self._speaking() as tables:
            if f"g{number}" in tables.names():
                raise NotAnIndexError(
                    f"{self.url}: there is a table g{number} already, which is not of this index",
                    hint="name another folder",
                    url=self.url,
                )
            tables.create(f"g{number}", schema_of(dim))

    def drop(self, number: int) -> None:
        with self._speaking() as tables:
            if f"g{number}" not in tables.names():
                return
            try:
                tables.read(f"g{number}", lambda table: self._refuse_others(table, schema_of(1)))
            except MissingTableError:
                return
            except (DamagedError, RuntimeError, ValueError, OSError):
                if not tables.may_go(f"g{number}"):
                    raise
            tables.drop(f"g{number}")

    def pointer(self) -> int | None:
        with self._speaking():
            return None

    def point(self, number: int) -> None:
        with self._speaking():
            return

    # Records ---------------------------------------------------------------------------------------

    def put(self, number: int, records: Sequence[Record]) -> None:
        name = f"g{number}"
        with self._speaking() as tables:
            schema, known = tables.read(name, lambda table: table.schema), tables.remembered(name, tables.state(name))
            known.forget(record.id for record in records)
            for some in chunks(records, _REQUEST_BYTES):
                tables.upsert(name, KEY, columns_of(some, schema), retention=_RETENTION)
            known.learn(records)

    def remove(self, number: int, keys: Sequence[Key]) -> None:
        name = f"g{number}"
        with self._speaking() as tables:
            tables.remembered(name, tables.state(name)).forget(key.id for key in keys)
            for meant in _in_turn([key_of(key) for key in keys]):
                tables.write(name, partial(_delete, meant), retention=_RETENTION)

    def standing(self, number: int, ids: Sequence[str]) -> dict[str, Standing]:
        name = f"g{number}"
        with self._speaking() as tables:
            found, unknown = tables.remembered(name, tables.state(name)).among(ids)
        return found | (super().standing(number, unknown) if unknown else {})

    def fetch(self, number: int, keys: Sequence[Key], fields: Fields) -> dict[Key, Record]:
        name, wanted = f"g{number}", KEYS | fields
        found: dict[Key, Record] = {}
        with self._speaking() as tables:
            state = tables.state(name)
            if (again := self._recent.again(name, state, wanted, keys)) is not None:
                return again
            known = tables.remembered(name, state)
            for meant in _in_turn(tables.possible(name, state, [key_of(key) for key in keys])):
                read = tables.read(name, partial(_fetched, meant, wanted))
                found |= {record.key: record for record in records_of(read, wanted)}
            if wanted >= STANDING:
                known.learn(found.values())
        self._recent.keep(name, state, wanted, keys, found)
        return found

    def find(self, number: int, among: Among, fields: Fields) -> Iterator[list[Record]]:
        wanted = KEYS | fields
        with self._speaking() as tables:
            handle = tables.apart(f"g{number}")
            found = iter(()) if is_nothing(among) else batches(handle, among_expr(among), wanted)
        while True:
            with self._speaking():
                batch = next(found, None)
            if batch is None:
                return
            yield records_of(batch, wanted)

    def count(self, number: int, among: Among) -> int:
        if is_nothing(among):
            return 0
        with self._speaking() as tables:
            return tables.read(f"g{number}", lambda table: counted(table, among_expr(among)))

    def near(
        self, number: int, query: Vector, most: int, where: Sequence[Condition], scope: str | None, *, exact: bool
    ) -> Nearest:
        with self._speaking() as tables:
            return tables.read(f"g{number}", lambda table: search.near(table, query, most, where, scope, exact=exact))

    # Approximate search and size -------------------------------------------------------------------

    def build_ann(self, number: int, keep: Callable[[], None]) -> None:
        with self._speaking() as tables:
            apart = Tables(tables.place)  # the thread that uses it may outlive the waiting
            meanwhile(lambda: apart.write(f"g{number}", search.build_ann), keep)

    def has_ann(self, number: int) -> bool:
        with self._speaking() as tables:
            return tables.read(f"g{number}", search.has_ann)

    def size(self) -> int:
        with self._speaking():
            return 0 if self._folder is None else taken_by(files_in(self._folder))

    def damage(self) -> list[str]:
        said = []
        with self._speaking() as tables:
            ours = [name for name in tables.names() if name == _DOCUMENTS or _COLLECTION.fullmatch(name)]
        for name in sorted(ours):
            try:
                with self._speaking() as tables:
                    for _ in tables.apart(name).search().limit(None).to_batches(1000):
                        pass
            except StoreError as error:
                said.append(f"{name}: {error.message}")
            said += [f"{name}: a version was given up, as after a power cut: {path}" for path in tables.set_aside(name)]
        return said

    def tidy(self, number: int) -> None:
        with self._speaking() as tables:
            tables.tidy(f"g{number}", _RETENTION)

    def _bodies(self, table: Any) -> dict[str, str]:
        """All documents: read again when there is another version, which takes a tenth of the time to find out."""
        version = table.version
        if self._seen[0] != version:
            self._refuse_others(table, DOCUMENTS)
            found = table.search().limit(None).to_arrow()
            names, bodies = found.column("name").to_pylist(), found.column("body").to_pylist()
            self._seen = version, dict(zip(names, bodies, strict=True))
        return self._seen[1]

    @contextmanager
    def _speaking(self) -> Iterator[Tables]:
        """What fails within is said in our words."""
        if self._is_closed:
            raise StoreError(f"{self.url} is closed", hint="open it again", url=self.url)
        with mapped(self.url):
            yield self._tables

    def _refuse_others(self, table: Any, schema: pa.Schema) -> None:
        """Another program's table is neither read nor removed."""
        if table.schema.names != schema.names:
            raise NotAnIndexError(
                f"{self.url} has a table {table.name} that is not of idembed", hint="name another folder", url=self.url
            )


def _delete(meant: Expr, table: Any) -> None:
    table.delete(meant)


def _fetched(meant: Expr, fields: Fields, table: Any) -> pa.Table:
    return table.search().select([COLUMNS[field] for field in sorted(fields)]).where(meant).limit(None).to_arrow()


def _in_turn(keys: Sequence[str]) -> Iterator[Expr]:
    """What is true of some of the keys at a time."""
    for i in range(0, len(keys), _KEYS_AT_ONCE):
        yield any_of(KEY, keys[i : i + _KEYS_AT_ONCE])
