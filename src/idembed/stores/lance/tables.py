"""The tables of one index: opened, locked, made durable."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext
from datetime import timedelta
from functools import partial
from pathlib import Path
from typing import Any, Final, TypeVar

import lancedb
import pyarrow as pa

from idembed.durable import sync_folder
from idembed.errors import StoreError
from idembed.stores.collection.remembered import Remembered
from idembed.stores.lance.disk import Synced
from idembed.stores.lance.failures import is_missing, patiently
from idembed.stores.lance.folders import make_folder
from idembed.stores.lance.lock import BusyError, locked
from idembed.stores.lance.place import Place
from idembed.stores.lance.recovery import is_suspect, is_without_data, may_go, set_aside, step_back
from idembed.stores.lance.upkeep import Due, keep, wants
from idembed.stores.lance.written import State, Written, state_of

__all__ = ["MissingTableError", "Tables"]

_AT_ONCE: Final = timedelta(0)
"""Every reading begins by looking for a newer version, so that what others wrote is seen."""
_MENDED_AFTER: Final = 1.0
T = TypeVar("T")


class MissingTableError(StoreError):
    """A table is not there (any more)."""


class Tables:
    """LanceDB's tables in one place. Handles stay open; what others wrote is seen at each reading."""

    def __init__(self, place: Place) -> None:
        self.place = place
        self._db: Any = None
        self._open: dict[str, Any] = {}
        self._synced: dict[str, Synced] = {}
        self._due: dict[str, Due] = {}
        self._written: dict[str, Written] = {}

    def close(self) -> None:
        """Let go of all handles."""
        self._open.clear()
        self._db = None

    def names(self) -> list[str]:
        """The tables that are there, others' too."""
        found: list[str] = []
        token = None
        while self._is_there():
            page = patiently(partial(self._page, token))
            found += page.tables
            token = page.page_token
            if not token:
                break
        return found

    def read(self, name: str, reading: Callable[[Any], T]) -> T:
        """``reading(table)``. Raises MissingTableError, also where another program dropped the table meanwhile."""
        try:
            return patiently(lambda: reading(self._table(name)))
        except (RuntimeError, ValueError) as error:
            if not is_missing(error):
                raise
            self._open.pop(name, None)
            raise self._missing(name) from error

    def apart(self, name: str) -> Any:
        """Another handle of the table, which stays at the version that is the newest now."""
        handle = self.read(name, lambda table: self._connected().open_table(name))
        handle.checkout(handle.version)
        return handle

    def write(
        self, name: str, commit: Callable[[Any], object], *, rows: int = 0, retention: timedelta | None = None
    ) -> None:
        """``commit(table)``, by one writer at a time, on the disk on return. ``rows``: about how many it writes;
        ``retention``: how long the versions before stay readable where it is time to tidy up."""
        self._opened(name)
        with self._alone(name):
            self.read(name, partial(self._look, name))
            self.read(name, commit)
            self._sync(name)
            due = self._due.setdefault(name, Due())
            if retention is not None and due.is_now(rows) and wants(self._table(name), due, self._versions(name)):
                self._keep(name, due, retention)
            if (state := self._state(name)) is not None:
                self._known(name).leave(state)

    def upsert(self, name: str, key: str, records: pa.Table, *, retention: timedelta) -> None:
        """Write records of different keys, each replacing the one of its key, as by ``write``."""

        def commit(table: Any) -> None:
            keys, state = records.column(key).to_pylist(), self._state(name)
            if state is not None and self._known(name).are_new(table, state, keys):
                table.add(records)
            else:
                merging = table.merge_insert(key).when_matched_update_all().when_not_matched_insert_all()
                merging.execute(records)

        self.write(name, commit, rows=records.num_rows, retention=retention)

    def state(self, name: str) -> State | None:
        """Another one after each commit; None where that is not known for certain."""
        return self.read(name, lambda table: self._state(name))

    def possible(self, name: str, state: State | None, keys: Sequence[str]) -> Sequence[str]:
        """Those of the keys that may be there, in that state."""
        if state is None:
            return keys
        return self.read(name, lambda table: self._known(name).possible(table, state, keys))

    def remembered(self, name: str, state: State | None) -> Remembered:
        """What is known of the rows of a collection in that state; nothing where that is not known for certain. Whoever
        writes after it was looked at makes it another state."""
        if state is None:
            return Remembered()
        self.read(name, lambda table: self._known(name).look(table, state))
        return self._known(name).remembered

    def tidy(self, name: str, retention: timedelta) -> None:
        """Put together what there is, and remove old versions."""
        self._opened(name)
        with self._alone(name):
            self._keep(name, self._due.setdefault(name, Due()), retention)

    def create(self, name: str, schema: pa.Schema) -> None:
        """A new table, unless it is there."""
        if self.place.folder is not None:
            make_folder(self.place.folder, self.place.shown)
        with self._alone(name):
            self._forget(name)
            patiently(lambda: self._connected().create_table(name, schema=schema, exist_ok=True))
            self._sync(name)
            self._sync_folder()

    def drop(self, name: str) -> None:
        """Remove a table, if it is there."""
        if self._is_there():
            with self._alone(name):
                self._forget(name)
                patiently(lambda: self._connected().drop_table(name, ignore_missing=True))
                self._sync_folder()

    def may_go(self, name: str) -> bool:
        """Whether nothing of others is lost with a table that cannot be opened."""
        path = self._path(name)
        return path is not None and may_go(path)

    def set_aside(self, name: str) -> list[Path]:
        """The files of versions that were given up after a power cut."""
        path = self._path(name)
        return [] if path is None else set_aside(path)

    def _opened(self, name: str) -> None:
        """Open it before the lock is taken, which mending takes as well."""
        self.read(name, lambda table: None)

    def _table(self, name: str) -> Any:
        if name not in self._open:
            if not self._is_there():
                raise self._missing(name)
            self._mend(name)
            self._open[name] = self._connected().open_table(name)
        return self._open[name]

    def _connected(self) -> Any:
        if self._db is None:
            self._db = lancedb.connect(self.place.uri, read_consistency_interval=_AT_ONCE)
        return self._db

    def _page(self, token: str | None) -> Any:
        return self._connected().list_tables(page_token=token, limit=1000)

    def _is_there(self) -> bool:
        """Whether there is something: to connect would make the folder."""
        return self.place.folder is None or self.place.folder.is_dir()

    def _path(self, name: str) -> Path | None:
        return None if self.place.folder is None else self.place.folder / f"{name}.lance"

    def _alone(self, name: str) -> AbstractContextManager[None]:
        """Where there are no files to lock, LanceDB looks for conflicts at each commit."""
        lock = self._lock(name)
        return nullcontext() if lock is None else locked(lock)

    def _lock(self, name: str) -> Path | None:
        folder = self.place.folder
        return folder / f"{name}.lock" if folder is not None and folder.is_dir() else None

    def _sync(self, name: str) -> None:
        if (path := self._path(name)) is not None:
            self._synced.setdefault(name, Synced(path)).sync()

    def _sync_folder(self) -> None:
        if self.place.folder is not None:
            sync_folder(self.place.folder)

    def _versions(self, name: str) -> Path | None:
        path = self._path(name)
        return None if path is None else path / "_versions"

    def _state(self, name: str) -> State | None:
        versions = self._versions(name)
        return None if versions is None else state_of(versions)

    def _look(self, name: str, table: Any) -> None:
        """Forget what is not known any more: nothing is said of what others write after this."""
        if (state := self._state(name)) is not None:
            self._known(name).look(table, state)

    def _known(self, name: str) -> Written:
        return self._written.setdefault(name, Written())

    def _keep(self, name: str, due: Due, retention: timedelta) -> None:
        table = self.read(name, lambda table: table)
        keep(table, due, retention, self._versions(name), lambda: self._sync(name))

    def _forget(self, name: str) -> None:
        self._open.pop(name, None)
        self._synced.pop(name, None)
        self._due.pop(name, None)
        self._written.pop(name, None)

    def _mend(self, name: str) -> None:
        """Go back to what can be read, after a power cut. Whoever has the lock did that."""
        path, lock = self._path(name), self._lock(name)
        if path is None or lock is None or not path.is_dir() or not is_suspect(path):
            return
        try:
            with locked(lock, _MENDED_AFTER):
                if is_without_data(path):
                    self._connected().drop_table(name, ignore_missing=True)
                elif is_suspect(path):
                    step_back(path)
        except BusyError:
            return  # whoever writes to it mended it first

    def _missing(self, name: str) -> MissingTableError:
        return MissingTableError(f"{self.place.shown} has no table {name}", url=self.place.shown)
