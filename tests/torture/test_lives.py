"""Short lives of an index: processes killed, disks full, files harmed. ``make torture MINUTES=30`` is the long way."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from damage import CELLS
from edits import EDITS, Edit
from harm import another_program, damaged_file
from history import History
from life import step
from workers import WHY_NOT, Workers

if WHY_NOT:
    pytest.skip(WHY_NOT, allow_module_level=True)

STEPS = 20
SPLIT_SEED = 3
"""A life whose texts are split, so that every edit is possible."""


@pytest.fixture(scope="module")
def workers() -> Iterator[Workers]:
    with Workers() as opened:
        yield opened


@pytest.mark.parametrize("seed", range(8))
def test_whatever_happens_nothing_is_lost_stale_or_extra(workers: Workers, tmp_path: Path, seed: int) -> None:
    with History(workers, tmp_path, seed) as life:
        while len(life.steps) < STEPS:
            step(life)
    assert life.faults


@pytest.mark.parametrize("edit", EDITS, ids=lambda edit: edit.name)
def test_whatever_another_program_edits_is_not_found_as_it_was_and_is_mended(
    workers: Workers, tmp_path: Path, edit: Edit
) -> None:
    with History(workers, tmp_path, SPLIT_SEED) as life:
        life.run(*life.tasks.sync(life.truth))
        another_program(life, edit)


@pytest.mark.parametrize("cell", CELLS)
def test_a_flipped_bit_is_seen_and_nothing_wrong_is_found_or_used_again(
    workers: Workers, tmp_path: Path, cell: str
) -> None:
    with History(workers, tmp_path, SPLIT_SEED) as life:
        life.run(*life.tasks.sync(life.truth))
        damaged_file(life, cell)
