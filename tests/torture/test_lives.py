"""Short lives of an index: processes killed, disks full, files harmed. ``make torture MINUTES=30`` is the long way."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from clocks import clock_jumps_to
from damage import CELLS
from edits import Edit
from harm import another_program, damaged_file
from history import History
from life import step
from places import EDITS, LIVED, LIVES, MODULES, PLACES
from workers import WHY_NOT, Workers

if WHY_NOT:
    pytest.skip(WHY_NOT, allow_module_level=True)

SPLIT_SEED = 3
"""A life whose texts are split, so that every edit is possible."""


@pytest.fixture(scope="module")
def workers() -> Iterator[Workers]:
    with Workers(MODULES) as opened:
        yield opened


@pytest.mark.parametrize(("kind", "seed"), LIVES)
def test_whatever_happens_nothing_is_lost_stale_or_extra(
    workers: Workers, tmp_path: Path, kind: str, seed: int
) -> None:
    with History(workers, tmp_path, kind, seed) as life:
        while len(life.steps) < life.place.steps:
            step(life)
    assert life.faults


@pytest.mark.parametrize(("kind", "edit"), EDITS, ids=lambda value: getattr(value, "name", value))
def test_whatever_another_program_edits_is_not_found_as_it_was_and_is_mended(
    workers: Workers, tmp_path: Path, kind: str, edit: Edit
) -> None:
    with History(workers, tmp_path, kind, SPLIT_SEED) as life:
        life.run(*life.tasks.sync(life.truth))
        another_program(life, edit)


@pytest.mark.parametrize("kind", [kind for kind in LIVED if PLACES[kind].is_shared])
def test_a_writer_whose_lease_another_took_writes_nothing_any_more(workers: Workers, tmp_path: Path, kind: str) -> None:
    with History(workers, tmp_path, kind, SPLIT_SEED) as life:
        life.run(*life.tasks.sync(life.truth))
        clock_jumps_to(life, ahead=True)
    assert life.faults["clock ahead of a live holder"]


@pytest.mark.parametrize("cell", CELLS)
def test_a_flipped_bit_is_seen_and_nothing_wrong_is_found_or_used_again(
    workers: Workers, tmp_path: Path, cell: str
) -> None:
    with History(workers, tmp_path, "sqlite", SPLIT_SEED) as life:
        life.run(*life.tasks.sync(life.truth))
        damaged_file(life, cell)
