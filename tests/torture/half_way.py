"""What may be found in a store without transactions whose writer was stopped: a row that was being written may be
half-way, and says so by not being settled, or it is as it was, or as it should become."""

from __future__ import annotations

import json
from dataclasses import replace

from stored import Stored
from world import Content, Row, Truth
from wrong import refuse


def check_rows_half_way(found: Stored, held: Truth, before: Truth, after: Truth) -> None:
    """No row is lost or extra; every text and all metadata are those of ``before`` or ``after``, of one of them where
    the row is settled; every vector that counts is the one of the text that stands there. ``held`` has the generations
    there are."""
    known = before.rows.keys() | after.rows.keys()
    possible = {i: [truth.rows[i] for truth in (before, after) if i in truth.rows] for i in known}
    here = {row_id: row for row_id, row in found.rows.items() if row_id in known}
    refuse(
        "rows of a process that was stopped",
        lost=len(before.rows.keys() & after.rows.keys() - found.rows.keys()),
        extra=len(found.rows.keys() - known),
        stale=sum(not _may_be(row, possible[row_id]) for row_id, row in here.items()),
    )
    truth = replace(held, scopes=_scopes(here))
    wrong = 0
    for generation in held.generations:
        should = truth.parts(generation.model)
        for spot, part in found.parts[generation.number].items():
            row = here.get(spot[0])
            if row is not None and part.text_hash == row.text_hash:
                wrong += part != should.get(spot)
    refuse("vectors of a process that was stopped", stale=wrong)


def _may_be(row: Row, possible: list[Row]) -> bool:
    if row.row_hash is not None:
        return row in possible
    texts = [(one.scope, one.text, row.text_hash and one.text_hash) for one in possible]
    metadata = [(one.metadata, row.metadata_hash and one.metadata_hash) for one in possible]
    return (row.scope, row.text, row.text_hash) in texts and (row.metadata, row.metadata_hash) in metadata


def _scopes(rows: dict[str, Row]) -> dict[str, Content]:
    scopes: dict[str, Content] = {}
    for row_id, row in rows.items():
        scopes.setdefault(row.scope, {})[row_id] = (row.text, json.loads(row.metadata))
    return scopes
