"""The contract of a vector database: one set of verbs, one suite (tests/contract) that every store passes."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from typing import Any, Self

from idembed.filters import Condition
from idembed.space import Kept, Space
from idembed.stores.leasing import Leasing
from idembed.stores.records import (
    ROWS,
    Capabilities,
    Filling,
    Generation,
    Lease,
    Match,
    Orphans,
    PartRecord,
    RowHashes,
    RowRecord,
    RowState,
    Status,
    StoredPart,
    StoredRow,
    Vector,
    lease_of,
)

__all__ = [
    "ROWS",
    "Capabilities",
    "Filling",
    "Generation",
    "Kept",
    "Lease",
    "Match",
    "Orphans",
    "PartRecord",
    "RowHashes",
    "RowRecord",
    "RowState",
    "Status",
    "Store",
    "StoredPart",
    "StoredRow",
    "Vector",
    "lease_of",
]


class Store(Leasing):
    """One database. Not shared between threads: open one a thread. A context manager that closes."""

    url: str
    """as given, without any password"""
    capabilities: Capabilities
    format_version: int

    @abstractmethod
    def close(self) -> None:
        """Release the database. A closed store refuses everything else."""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def another(self) -> Callable[[], Store] | None:
        """What opens the same index once more, for a thread that writes while this one reads, or waits for a model;
        None where that gains nothing, or the database is opened once a process."""
        return None

    @abstractmethod
    def snapshot(self) -> AbstractContextManager[None]:
        """All that is read inside is of one state of the database, whoever writes meanwhile, where the database can do
        that (``capabilities.snapshots``). Nothing is written inside."""

    # What the index knows about itself -------------------------------------------------------------

    @abstractmethod
    def read_meta(self) -> tuple[int, dict[str, Any]]:
        """The index's own settings (splitter and the like) and their version, (0, {}) when new."""

    @abstractmethod
    def swap_meta(self, version: int, meta: Mapping[str, Any]) -> bool:
        """Replace the settings if their version is still ``version``; False when it is not."""

    @abstractmethod
    def size(self) -> int:
        """Bytes that the index takes on disk; 0 where that is not known."""

    # Generations -----------------------------------------------------------------------------------

    @abstractmethod
    def generations(self) -> list[Generation]:
        """Every generation that was not dropped, by number."""

    @abstractmethod
    def create_generation(self, lease: Lease, space: Space, model: str, *, activate: bool = False) -> Generation:
        """A new, empty generation with status ``building``; or made and active, as by ``activate``, in one step. It is
        complete if there are no rows."""

    @abstractmethod
    def activate(self, lease: Lease, number: int, *, incomplete: bool = False) -> None:
        """Make it the one searched, in one step; the one before becomes ``standby``. Raises IncompleteError (facts
        ``lacking``) if rows lack vectors in it, unless ``incomplete``: then those rows are unsettled, so that the
        next sync gives them vectors."""

    @abstractmethod
    def complete(self, lease: Lease, number: int) -> int:
        """Look whether the generation is complete, and say so from now on if it is: the number of rows that lack
        vectors in it. Under the lease for filling it."""

    @abstractmethod
    def name_model(self, lease: Lease, number: int, model: str) -> None:
        """Record another name by which the generation's model is loaded: it was moved."""

    @abstractmethod
    def build_ann(self, lease: Lease, number: int) -> None:
        """Make an index over the generation's vectors for approximate search; nothing where there is one that is up to
        date. What is written later is found too: the database keeps the index right, or what is newer is searched
        exactly beside it. Raises StoreError where there can be none (``capabilities.approximate_search``, or vectors of
        too many dimensions)."""

    @abstractmethod
    def has_ann(self, number: int) -> bool:
        """Whether there is such an index for the generation, fit for use."""

    @abstractmethod
    def drop_generation(self, lease: Lease, number: int) -> None:
        """Remove its vectors for good. The active one is refused."""

    # Writing ---------------------------------------------------------------------------------------

    @abstractmethod
    def upsert(self, lease: Lease, rows: Sequence[RowRecord]) -> None:
        """Write the rows and their vectors: all or none, durable on return; the last of equal ids wins. A complete
        generation that a row has no parts for is not complete any more.

        Raises RowError for a row that another scope holds, and StoreError for one without a text that is not there
        (any more): both are looked at within the transaction, whatever a plan saw before.
        """

    @abstractmethod
    def fill(self, lease: Lease, generation: int, rows: Sequence[Filling]) -> int:
        """Write vectors of one generation for rows whose text is still the one they were made from, as ``upsert``
        does; the number of rows. Under the lease for filling it, or the one for writing rows."""

    @abstractmethod
    def delete(self, lease: Lease, ids: Sequence[str]) -> int:
        """Remove rows and their vectors in every generation; the number that existed. Ids that are not there are not
        ``lost`` any more either."""

    @abstractmethod
    def settle(self, lease: Lease, rows: Sequence[RowRecord]) -> int:
        """Give rows their row hash again, of which nothing else is written: those whose text and metadata have these
        hashes, and which have vectors in the active and in every complete generation; the number of rows."""

    @abstractmethod
    def unsettle(self, lease: Lease, ids: Sequence[str], *, texts: bool = False) -> None:
        """Take the row hash from rows, so that the next sync looks at them. ``texts``: their texts are not what they
        were either, so that their vectors are not searched until then."""

    @abstractmethod
    def sweep(self, lease: Lease) -> int:
        """Remove orphans; how many."""

    # Reading: what a plan needs --------------------------------------------------------------------

    @abstractmethod
    def row_hashes(self, scope: str, buckets: range) -> RowHashes:
        """The row hashes of the settled rows of a scope whose bucket (the upper 12 bits of the row hash) is in
        ``buckets``, ascending."""

    @abstractmethod
    def ids_at(self, scope: str, row_hashes: Sequence[bytes]) -> dict[bytes, str]:
        """The ids of rows of a scope by their row hashes."""

    @abstractmethod
    def unsettled(self, scope: str | None = None) -> Iterator[str]:
        """The ids of rows without a row hash, of one scope or all."""

    @abstractmethod
    def lost(self, scope: str | None = None) -> list[str]:
        """The ids of rows that another program removed or renamed, as far as that was noticed, since they were last
        written or deleted."""

    @abstractmethod
    def states(self, ids: Sequence[str], generations: Sequence[int]) -> dict[str, RowState]:
        """The state of each row that exists, by id."""

    @abstractmethod
    def lacking(self, generation: int) -> Iterator[str]:
        """The ids of rows without current vectors in the generation, in the order in which they are read fastest. Rows
        may be written meanwhile."""

    # Reading: rows and vectors ---------------------------------------------------------------------

    @abstractmethod
    def scopes(self) -> dict[str, int]:
        """The number of rows in each scope."""

    @abstractmethod
    def count(self, scope: str | None = None) -> int:
        """The number of rows."""

    @abstractmethod
    def sample(self, count: int) -> list[str]:
        """The ids of at most ``count`` rows spread over all of them; the same ones while no row comes or goes."""

    @abstractmethod
    def get(self, ids: Sequence[str], generation: int | None = None, *, vectors: bool = True) -> dict[str, StoredRow]:
        """The rows that exist, by id; with the parts of ``generation`` when given, and no vector is read unless
        ``vectors``."""

    @abstractmethod
    def scan(
        self,
        generation: int | None = None,
        *,
        after: str | None = None,
        scope: str | None = None,
        vectors: bool = True,
    ) -> Iterator[StoredRow]:
        """Every row in order of id (by code point), resumable after an id. One that is written meanwhile may be missed
        unless ``capabilities.snapshots``, one that is removed may not be given."""

    @abstractmethod
    def vectors_at(self, generation: int, addresses: Sequence[bytes]) -> dict[bytes, Kept]:
        """Vectors that the generation holds, by address (current or not), and whose checksums are right."""

    @abstractmethod
    def search(
        self,
        generation: int,
        queries: Vector,
        k: int,
        where: Sequence[Condition] = (),
        *,
        scope: str | None = None,
        within: int | None = None,
        approximate: bool = False,
    ) -> list[list[Match]]:
        """The ``k`` best current parts for each row of ``queries`` (float32 [n, dim]) by inner product,
        best first, ties by id then part; only rows that satisfy every condition and, if asked, only those that also
        have current vectors in the generation ``within``. ``approximate``: some of the best may be missing, where
        ``build_ann`` was called; scores and order are exact, and as many are found."""

    # Reading: what is wrong ------------------------------------------------------------------------

    @abstractmethod
    def orphans(self) -> list[Orphans]:
        """Records that belong to nothing, by kind; none where a record is whole by its nature."""

    @abstractmethod
    def damage(self) -> list[str]:
        """What the database says is broken in its own files, in its own words; nothing when all is well."""
