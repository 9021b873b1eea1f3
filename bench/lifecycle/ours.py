"""idembed. The index is one SQLite file, and there is nothing else: no bookkeeping beside it, no vault."""

from __future__ import annotations

import contextlib
import json
import sqlite3
from collections.abc import Callable, Sequence
from typing import Any

import idembed.native.library
import idembed.sources.iterable
import idembed.stores.sqlite  # noqa: F401
from idembed import Index
from idembed.errors import OptionError
from idembed.models.base import Embedded, Model, OnLong, Receipt
from idembed.space import Side, Space
from lifecycle.peer import Entry, Peer
from lifecycle.rows import Embedder, Row


class Dummy(Model):
    """Its space names its weights, as that of a checkpoint does. Its vectors do not have unit length, hence "dot"."""

    repeatable = True

    def __init__(self, embedder: Embedder) -> None:
        self._embedder = embedder
        self.name = embedder.model.name
        self.batch_size = embedder.batch or Model.batch_size

    @property
    def space(self) -> Space:
        return Space("dummy", self._embedder.model.dim, "dot", {"weights": self._embedder.model.weights})

    def receipts(self, texts: Sequence[str], side: Side = "document") -> list[Receipt]:
        return [Receipt(1)] * len(texts)

    def embed(
        self,
        texts: Sequence[str],
        side: Side = "document",
        *,
        on_long: OnLong = "cut",
        progress: Callable[[int], None] | None = None,
    ) -> Embedded:
        return Embedded(self._embedder.embed(texts), self.receipts(texts, side))


class Idembed(Peer):
    target = "index.db"
    vault: Any = "none"
    can_force = True

    def sync(self, rows: Sequence[Row], force: bool) -> object:
        model = Dummy(self.embedder)
        if force:
            self._change_to(model)
        with Index(self.folder / self.target, model, vault=self.vault) as index:
            return index.sync(rows)

    def _change_to(self, model: Dummy) -> None:
        """What the error says when the model is not the one that the index was built with."""
        index = Index(self.folder / self.target, models=[model, Dummy(Embedder())], vault=self.vault)
        with index, contextlib.suppress(OptionError):  # it already is of that model
            index.upgrade(model)
            index.switch()

    def dump(self) -> list[Entry]:
        """With SQL, so that nothing of idembed stands between the file and who judges it."""
        with self._sql() as sql:
            (number,) = sql.execute("SELECT number FROM generations WHERE status = 'active'").fetchone()
            found = sql.execute(
                "SELECT id, text, metadata, coalesce(vector, x'') FROM rows LEFT JOIN texts USING (key) "
                f"LEFT JOIN parts_{number} USING (key) LEFT JOIN vectors_{number} USING (vid)"
            )
            return [Entry(row_id, text, json.loads(metadata), vector) for row_id, text, metadata, vector in found]

    def wipe(self) -> None:
        with self._sql() as sql, sql:
            sql.execute("DELETE FROM rows")

    def _sql(self) -> contextlib.closing[sqlite3.Connection]:
        return contextlib.closing(sqlite3.connect(f"file:{self.folder / self.target}?mode=rw", uri=True))


class IdembedVault(Idembed):
    """The same with every vector kept by its address in a folder beside the index."""

    @property
    def vault(self) -> Any:
        return self.folder / "vault"
