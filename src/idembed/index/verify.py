"""Is an index what it says it is? The live database is read and hashed as it is, and compared with itself, with its
model, and with a lock."""

from __future__ import annotations

import contextlib
from collections import Counter
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field
from typing import Any

from idembed.arguments import check_whole
from idembed.errors import DamagedError, OptionError, RetiredModelError
from idembed.index.catalog import Catalog
from idembed.index.ending import refuse_gone_generation
from idembed.index.examine import Defect, Kind, examine_parts, examine_row, may_lack, suspicious
from idembed.index.lock import Lock
from idembed.index.meter import Meter
from idembed.index.recall import recall_at_10
from idembed.index.recompute import recompute
from idembed.index.report import Tell, ignore
from idembed.index.root import Root, RootHasher
from idembed.rows import text_hash
from idembed.shown import number_of
from idembed.stores.base import Generation, Orphans, Store

__all__ = ["Verification", "verify"]

_ROWS = 256
_SAMPLE = 100
_SUSPECTS = 1000


@dataclass(slots=True)
class Verification:
    """What was found. ``defects`` by row and vector; ``root`` of the generation that is searched; ``compared`` vectors
    were computed again by their model, by generation, ``not_compared`` says why those of a generation were not;
    ``orphans`` are records that belong to nothing; ``unsettled`` rows will be looked at by the next sync, and are no
    defects; ``behind``: rows without vectors in generations that are being built, or were left behind; ``lacking``:
    those that search cannot find, as the generation that is searched is one of these; ``differences``
    from the lock, None without one; ``recall``: of approximate search at 10, None where search is exact; ``mended``:
    defects that a repair removed; ``unproven``: why vectors that are searched were not all computed again, as was asked
    for."""

    rows: int = 0
    root: Root | None = None
    defects: list[Defect] = field(default_factory=list)
    compared: dict[int, int] = field(default_factory=dict)
    not_compared: dict[int, str] = field(default_factory=dict)
    orphans: list[Orphans] = field(default_factory=list)
    unsettled: int = 0
    behind: dict[int, int] = field(default_factory=dict)
    lacking: int = 0
    differences: list[str] | None = None
    recall: float | None = None
    mended: int = 0
    unproven: str = ""
    seconds: float = 0.0

    @property
    def ok(self) -> bool:
        """True when nothing is wrong, the lock, if there is one, is right, and what was to be computed again was."""
        return not (self.defects or self.orphans or self.differences or self.unproven or self.lacking)

    @property
    def counts(self) -> dict[str, int]:
        """How many defects there are of each kind."""
        counts = Counter(str(defect.kind) for defect in self.defects)
        counts.update({orphans.kind: orphans.count for orphans in self.orphans})
        return dict(counts)

    def as_dict(self) -> dict[str, Any]:
        """For JSON."""
        root = self.root
        return {
            "ok": self.ok,
            "rows": self.rows,
            "root": root.root if root else None,
            "content": root.content if root else None,
            "vectors": root.vectors if root else None,
            "counts": self.counts,
            "defects": [
                {"kind": str(d.kind), "id": d.id, "generation": d.generation, "part": d.part, "detail": d.detail}
                for d in self.defects
            ],
            "orphans": [asdict(orphans) for orphans in self.orphans],
            "compared": self.compared,
            "not_compared": self.not_compared,
            "unproven": self.unproven or None,
            "unsettled": self.unsettled,
            "behind": self.behind,
            "lacking": self.lacking,
            "lock": self.differences,
            "recall_at_10": self.recall,
            "mended": self.mended,
            "seconds": self.seconds,
        }


def verify(
    catalog: Catalog,
    *,
    lock: Lock | None = None,
    sample: int | None = None,
    everything: bool = False,
    meter: Meter | None = None,
    tell: Tell = ignore,
) -> Verification:
    """Look at every row and every vector of every generation, all as of one moment; then compute the vectors of
    ``sample`` rows again, or of all (``everything``), and compare: bytes where the model is repeatable, else cosine
    within its measured noise. Without a ``sample``: of 100 rows, if the model is there and costs nothing."""
    if sample is not None:
        check_whole("sample", sample)
    if sample is not None and sample < 0:
        raise OptionError(f"sample={sample}: it is a number of rows, 0 or more")
    size = _SAMPLE if sample is None else sample
    store, _ = catalog.readable()
    found = Verification(defects=[Defect(Kind.DAMAGE, store.url, detail=line) for line in store.damage()])
    wanted: dict[int, list[str]] = {}
    with store.snapshot():
        _, active = catalog.readable()
        generations = sorted(store.generations(), key=lambda g: g.number != active.number)
        found.rows, splitter = store.count(), store.read_meta()[1].get("splitter")
        for generation in generations:
            with _damage_noted(found, store, generation.number):
                wanted[generation.number] = _look_through(catalog, store, generation, found, size, tell)
        found.lacking = found.behind.get(active.number, 0)
        with _damage_noted(found, store):
            found.orphans = store.orphans()
            lost = store.lost()
            found.defects += [Defect(Kind.LOST_ROW, row_id, detail="another program removed it") for row_id in lost]
            found.unsettled = sum(1 for _ in store.unsettled())
    for generation in generations:
        with _damage_noted(found, store, generation.number):
            ids = None if everything else wanted.get(generation.number, [])
            if sample is None and not everything and not generation.space.repeatable:
                found.not_compared[generation.number] = _not_asked(catalog, generation)
                continue
            compared = recompute(catalog, store, generation, ids, meter or Meter(), tell)
            found.defects += compared.defects
            if compared.vectors:
                found.compared[generation.number] = compared.vectors
            if compared.stopped:
                found.not_compared[generation.number] = compared.stopped
                if (everything or sample) and generation.number == active.number:
                    found.unproven = compared.stopped
            elif compared.passed_over:
                passed = number_of(compared.passed_over, "vector")
                found.not_compared[generation.number] = f"{passed} of texts that the API cut once, or refuses now"
    if lock is not None:
        found.differences = lock.differences(found.root, active, splitter)
    if store.has_ann(active.number):
        recall = recall_at_10(store, active)
        if store.has_ann(active.number):  # a file that is damaged within is found out by the first search
            found.recall = recall
    return found


def _not_asked(catalog: Catalog, generation: Generation) -> str:
    """Why an API is not asked unless that is wanted."""
    try:
        refuse_gone_generation(catalog.name, generation)
    except RetiredModelError as error:
        return error.message
    return f"{generation.model} has its price: ask for a sample, or for all"


@contextlib.contextmanager
def _damage_noted(found: Verification, store: Store, generation: int | None = None) -> Iterator[None]:
    """What cannot be read is a defect, and the rest is looked at."""
    try:
        yield
    except DamagedError as error:
        found.defects.append(Defect(Kind.DAMAGE, store.url, generation, detail=error.message))


def _look_through(
    catalog: Catalog, store: Store, generation: Generation, found: Verification, sample: int, tell: Tell
) -> list[str]:
    """Examine one generation and, in the one that is searched, the rows themselves too. The ids of the rows to compare
    with the model: a sample, and those with suspicious vectors."""
    number, searched = generation.number, generation.status == "active"
    splitter = catalog.splitter()
    wanted = dict.fromkeys(store.sample(sample))
    suspects, done, writer = 0, 0, store.writer()
    with RootHasher() as hasher:
        for done, row in enumerate(store.scan(number), 1):
            of_row = list(examine_row(row))
            if searched:
                found.defects += of_row
                hasher.add(row, text_hash(row.text), text_hash(row.metadata_json))
            if not any(defect.kind in (Kind.TEXT, Kind.EXTRA_ROW) for defect in of_row):
                found.defects += examine_parts(row, generation, splitter)
                if not row.parts and may_lack(row, generation):
                    found.behind[number] = found.behind.get(number, 0) + 1
            if suspects < _SUSPECTS and any(map(suspicious, row.parts)):
                wanted[row.id] = None
                suspects += 1
            if done % _ROWS == 0:
                tell("checking", done, found.rows)
        if searched:
            found.root = hasher.root()
    nobody_wrote = writer[1] == "" and store.writer() == writer
    if searched and nobody_wrote and (missing := store.count() - done) > 0:
        said = f"{number_of(missing, 'row')} that the database counts cannot be read by id"
        found.defects.append(Defect(Kind.DAMAGE, store.url, number, detail=said))
    return list(wanted)
