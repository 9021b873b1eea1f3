"""Rows and their vectors from one store to another: what differs, bucket by bucket and round by round."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence

import numpy as np

from idembed.chunks import chunks
from idembed.errors import DamagedError, MassDeletionError
from idembed.index.handover import Handover
from idembed.index.owner import Writing
from idembed.index.pace import batches
from idembed.index.report import Tell
from idembed.rows import BUCKETS, ROW_HASH_BYTES, text_hash
from idembed.stores.base import Filling, Generation, Lease, PartRecord, RowRecord, Store, StoredPart, StoredRow

__all__ = ["Transfer", "refuse_mass_deletion"]

_ROWS = 500
_ROUNDS = 10
_ROWS_AT_ONCE = 1 << 20
_BYTES = 8 << 20
_FIRST = 50
"""Rows that are read at once before it is known how large they are."""


class Transfer:
    """What was ``copied``, ``deleted`` and ``filled`` (rows that were there, and got the vectors of a generation) so
    far. ``pairs``: the generation there by the number of the one here."""

    def __init__(
        self, source: Store, target: Store, writing: Writing, pairs: Mapping[int, Generation], tell: Tell
    ) -> None:
        self._source = source
        self._target = target
        self._writing = writing
        self._pairs = pairs
        self.tell = tell
        self.copied = 0
        self.deleted = 0
        self.filled = 0
        self._total = source.count()
        self._at_once = _FIRST

    def run(self, *, allow_mass_deletion: bool) -> None:
        """Copy what differs; round after round where the source has no snapshots and may be written meanwhile.

        Raises MassDeletionError before a later round that would delete so much (the first is for the caller to look
        at), DamagedError for what is not as it was written, and must not spread."""
        for turn in range(1 if self._source.capabilities.snapshots else _ROUNDS):
            before = self.copied, self.deleted, self.filled
            if turn and not allow_mass_deletion:
                refuse_mass_deletion(self._source, self._target)
            self._delete()  # first, as a row may come back in another scope
            self._fill()  # before changed rows come, which a generation that is only there has no vectors of
            self._copy()
            if before == (self.copied, self.deleted, self.filled):
                return

    def _delete(self) -> None:
        """What is not here, or in another scope."""
        for ids in _suspects(self._source, self._target):
            here, there = self._source.states(ids, ()), self._target.states(ids, ())
            gone = [row_id for row_id in there if row_id not in here or here[row_id].scope != there[row_id].scope]
            self.deleted += self._target.delete(self._writing.lease(), gone)
        for ids in chunks(self._target.lost(), _ROWS):  # another program removed them there; they may be gone here too
            here = self._source.states(ids, ())
            self._target.delete(self._writing.lease(), [row_id for row_id in ids if row_id not in here])

    def _fill(self) -> None:
        complete = {generation.number for generation in self._target.generations() if generation.complete}
        for number, there in self._pairs.items():
            if there.number in complete:
                continue
            ids = chunks(self._target.lacking(there.number), _ROWS)
            fillings = (one for some in ids for piece in self._pieces(some) for one in self._fillings(piece, number))

            def fill(store: Store, parcel: tuple[Lease, list[Filling]], number: int = there.number) -> int:
                return store.fill(parcel[0], number, parcel[1])

            with Handover(self._target, fill, self._filled, self._writing.keep) as handover:
                for batch in batches(self._target, fillings, _ROWS):
                    handover.give((self._writing.lease(), batch))

    def _filled(self, _: object, rows: int) -> None:
        self.filled += rows
        self._said()

    def _fillings(self, ids: Sequence[str], number: int) -> list[Filling]:
        rows = self._source.get(ids, number).values()
        self._note(rows)
        return [Filling(row.id, row.text_hash, parts) for row in rows if (parts := _parts(row))]

    def _pieces(self, ids: Sequence[str]) -> Iterator[Sequence[str]]:
        """So many at a time that their rows are some megabytes, to go by those that were read before."""
        begin = 0
        while begin < len(ids):
            end = begin + min(self._at_once, _ROWS)
            yield ids[begin:end]
            begin = end

    def _note(self, rows: Collection[StoredRow]) -> None:
        """How large rows are that were read."""
        if size := sum(map(_size, rows)):
            self._at_once = max(1, len(rows) * _BYTES // size)

    def _copy(self) -> None:
        differing = _differing(self._source, self._target)
        self._write(sorted(self._source.ids_at(scope, hashes).values()) for scope, hashes in differing)

    def _write(self, ids: Iterable[Sequence[str]]) -> None:
        """These rows as they are here; while some are written, the next are read."""

        def upsert(store: Store, parcel: tuple[Lease, list[RowRecord]]) -> int:
            store.upsert(*parcel)
            return len(parcel[1])

        records = (record for some in ids for piece in self._pieces(some) for record in self._records(piece))
        with Handover(self._target, upsert, self._copied, self._writing.keep) as handover:
            for batch in batches(self._target, records, _ROWS):
                handover.give((self._writing.lease(), batch))

    def _copied(self, _: object, rows: int) -> None:
        self.copied += rows
        self._said()

    def _said(self) -> None:
        self.tell("copying", self.copied + self.filled, self._total)

    def _records(self, ids: Sequence[str]) -> list[RowRecord]:
        by_generation = {there.number: self._source.get(ids, here) for here, there in self._pairs.items()}
        for rows in by_generation.values():
            self._note(rows.values())
        return list(self._settled(by_generation))

    def _settled(self, by_generation: Mapping[int, Mapping[str, StoredRow]]) -> Iterator[RowRecord]:
        """The rows that are settled, with their vectors in every generation that has them."""
        for row in next(iter(by_generation.values())).values():
            if not row.row_hash:
                continue
            if (text_hash(row.text), text_hash(row.metadata_json)) != (row.text_hash, row.metadata_hash):
                raise DamagedError(f"row {row.id!r} is damaged", hint="mend it first: sync its source")
            found = {number: _parts(rows[row.id]) for number, rows in by_generation.items() if row.id in rows}
            parts = {number: made for number, made in found.items() if made}
            yield RowRecord(
                row.id, row.scope, row.text, row.text_hash, row.metadata_json, row.metadata_hash, row.row_hash, parts
            )

    def mend(self, number: int) -> bool:
        """Write those rows again that have the hashes of those here, and are not what they are here, in the generation
        ``number``: they were damaged there, or got other vectors here. Whether there were any."""
        before = self.copied
        for ids in chunks((row.id for row in self._source.scan(vectors=False)), _ROWS):
            here, there = self._source.get(ids, number), self._target.get(ids, self._pairs[number].number)
            wrong = [i for i in ids if i in here and i in there and _contents(here[i]) != _contents(there[i])]
            if wrong:
                self._write([wrong])
            self._writing.keep()
        return self.copied > before


def refuse_mass_deletion(source: Store, target: Store) -> None:
    """Raise MassDeletionError if the source has less than half of the rows of the target, in whatever scopes."""
    stored, gone = target.count(), 0
    for ids in _suspects(source, target):
        here, there = source.states(ids, ()), target.states(ids, ())
        gone += len(there.keys() - here.keys())
    if 2 * gone > stored:
        raise MassDeletionError(
            f"this copy would delete {gone:,} of the {stored:,} rows of {target.url}, which {source.url} does not have",
            hint="they are still there. If they shall go, allow it: allow_mass_deletion=True, --allow-mass-deletion; "
            "else copy to another place",
        )


def _suspects(source: Store, target: Store) -> Iterator[list[str]]:
    """The ids of rows there that are not as they are here, some hundred at a time."""
    for scope, hashes in _differing(target, source):
        yield list(target.ids_at(scope, hashes).values())
    yield from chunks(target.unsettled(), _ROWS)


def _differing(one: Store, other: Store) -> Iterator[tuple[str, list[bytes]]]:
    """The row hashes that one store has and the other has not, some hundred at a time, each with its scope."""
    for scope, count in one.scopes().items():
        step = max(1, BUCKETS * _ROWS_AT_ONCE // max(1, count, other.count(scope)))
        for begin in range(0, BUCKETS, step):
            buckets = range(begin, min(BUCKETS, begin + step))
            mine, theirs = one.row_hashes(scope, buckets), other.row_hashes(scope, buckets)
            raw = np.setdiff1d(mine, theirs, assume_unique=True).tobytes()
            hashes = (raw[i : i + ROW_HASH_BYTES] for i in range(0, len(raw), ROW_HASH_BYTES))
            for chunk in chunks(hashes, _ROWS):
                yield scope, chunk


def _parts(row: StoredRow) -> list[PartRecord]:
    """What was written of a row's vectors; nothing unless all of them are of its text. Raises DamagedError for one that
    is not as it was written."""
    return [_part(row, part) for part in row.parts] if all(map(row.has_current, row.parts)) else []


def _part(row: StoredRow, part: StoredPart) -> PartRecord:
    if not part.is_whole:
        raise DamagedError(f"the vector of row {row.id!r} is damaged", hint="mend it first: idembed verify --repair")
    return PartRecord(part.part, part.span, part.address, part.vector, part.tokens, part.truncated)


def _bytes(part: StoredPart) -> bytes:
    return b"" if part.vector is None else part.vector.astype("<f4", copy=False).tobytes()


def _size(row: StoredRow) -> int:
    """Bytes of a row that was read, about: more than none."""
    vectors = sum(part.vector.nbytes for part in row.parts if part.vector is not None)
    return len(row.id) + len(row.text) + len(row.metadata_json) + vectors


def _contents(row: StoredRow) -> tuple[object, ...]:
    parts = [(p.part, p.span, p.address, p.tokens, p.truncated, p.checksum, _bytes(p)) for p in row.parts]
    return row.text, row.metadata_json, parts
