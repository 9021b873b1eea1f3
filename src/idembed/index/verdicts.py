"""What was judged of a generation, kept in the index itself, so that a switch can look at it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from idembed.index.catalog import Catalog
from idembed.index.origin import change_meta
from idembed.judge import MARGIN
from idembed.stores.base import Generation, Store

__all__ = ["JUDGED", "JUDGED_ROWS", "Judged", "forget_dropped", "record", "recorded", "rows_judged"]

JUDGED = "judged"
"""The setting that has, by generation, what was judged of it."""
JUDGED_ROWS = "judged_rows"
"""The setting that has, by generation, a sample of the rows there were then (judged_rows.py)."""


@dataclass(frozen=True, slots=True)
class Judged:
    """``verdict`` (GO, NO-GO, INCONCLUSIVE) on a generation against the one of space ``against``, and why; ``weaker``:
    by questions made from the rows themselves; ``when``: ISO 8601, UTC; ``rows_compared`` of ``rows_total`` rows were
    there to be found (0 of 0: not known). ``margin``: the loss of nDCG@10 that was accepted; ``low``, ``mean`` and
    ``high``: how nDCG@10 changed, and the interval (None: not known, or there is no such bound)."""

    verdict: str
    reason: str
    against: str
    questions: int
    weaker: bool
    when: str
    rows_compared: int = 0
    rows_total: int = 0
    margin: float | None = None
    low: float | None = None
    mean: float | None = None
    high: float | None = None

    @property
    def of_a_part(self) -> str:
        """``52 of 5,183 rows`` where it rests on a part of the index; else empty."""
        if self.rows_compared >= self.rows_total:
            return ""
        return f"{self.rows_compared:,} of {self.rows_total:,} rows"

    @property
    def is_lenient(self) -> bool:
        """Whether it was judged GO with a wider margin than usual."""
        return self.verdict == "GO" and self.margin is not None and self.margin > MARGIN

    @property
    def is_worse(self) -> bool:
        """Whether it was judged GO although all of the interval is below 0: it finds less, within the margin."""
        return self.verdict == "GO" and self.high is not None and self.high < 0

    @property
    def measured(self) -> str:
        """``nDCG@10 -0.103, interval -0.120 to -0.080, margin 0.2``, as far as it is known; else empty."""
        if self.mean is None or self.margin is None:
            return ""
        bounds = (
            f", interval {self.low:+.3f} to {self.high:+.3f}" if self.low is not None and self.high is not None else ""
        )
        return f"nDCG@10 {self.mean:+.3f}{bounds}, margin {self.margin:g}"

    def as_dict(self) -> dict[str, Any]:
        """For JSON."""
        return asdict(self)


def record(catalog: Catalog, generation: Generation, judged: Judged, sample: Mapping[str, Any] | None = None) -> None:
    """Keep it, in place of an earlier one on the same generation; ``sample``: of the rows that there were."""

    store, _ = catalog.readable()

    def change(meta: dict[str, Any]) -> None:
        meta[JUDGED] = {**meta.get(JUDGED, {}), str(generation.number): judged.as_dict()}
        meta[JUDGED_ROWS] = {**meta.get(JUDGED_ROWS, {}), str(generation.number): dict(sample or {})}
        _keep_only(store, meta)

    change_meta(store, change)


def forget_dropped(store: Store) -> None:
    """Remove what is kept of generations that are not there any more: settings have little room in some databases."""
    change_meta(store, lambda meta: _keep_only(store, meta))


def _keep_only(store: Store, meta: dict[str, Any]) -> None:
    """Only those that are there now, which is after ``meta`` was read: what was judged meanwhile is not lost."""
    kept = {str(generation.number) for generation in store.generations()}
    for name in (JUDGED, JUDGED_ROWS):
        if name in meta:
            meta[name] = {number: found for number, found in meta[name].items() if number in kept}


def recorded(meta: Mapping[str, Any], generation: Generation, active: Generation | None) -> Judged | None:
    """What was judged of ``generation`` against ``active``, if anything was."""
    found = meta.get(JUDGED, {}).get(str(generation.number))
    judged = Judged(**found) if found else None
    return judged if judged and active and judged.against == active.space.id else None


def rows_judged(meta: Mapping[str, Any], generation: Generation) -> Mapping[str, Any] | None:
    """The sample of the rows that there were when ``generation`` was judged, if there is one."""
    sample: Mapping[str, Any] | None = meta.get(JUDGED_ROWS, {}).get(str(generation.number))
    return sample or None
