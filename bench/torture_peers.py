"""What becomes of an index when rows are edited, the model fails, the process is killed, the database is emptied, the
model is another: with each tool as it is released, and with us.

200 rows, embedder batches of 10, a fresh process for each sync; then another reads back what the target holds. Every
vector tells which text and which weights made it, so each entry is compared with the truth by id, vector, text and
metadata: the same code for all. A cell says how many rows are

    stale   there, but not as the source and the model say
    lost    not there
    extra   there, but not in the source, or once more than there
    old     stale because another model made the vector; "old + new mixed" where one index holds both

and w, the texts embedded beyond the minimum (which the row names; it takes it that vectors are found again by content),
or the number embedded. A sync that raises an error, embeds nothing and leaves exactly what was true before it is
"refused"; where no error is named, none was raised.
"""

from __future__ import annotations

import argparse
import itertools
import tempfile
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

from lifecycle.rows import Model, Row, rows
from lifecycle.trial import FIRST, Cell, Kills, Trial
from lifecycle_peers import PEERS
from peers import finish

BASE = rows(200)
SLOW = 0.03
"""Seconds a batch, where the moment matters."""
KILLS = 10
Begin = Callable[[], Trial]
"""Gives an index of BASE."""
Found = Iterator[tuple[str, Cell | Kills]]
"""Rows of the table and what is in them."""


def with_texts_edited(source: Sequence[Row], count: int) -> list[Row]:
    """The first ``count`` texts are others."""
    return [{**row, "text": f"edited {row['text']}"} for row in source[:count]] + list(source[count:])


def with_texts_swapped(source: Sequence[Row], one: int, other: int) -> list[Row]:
    made = [dict(row) for row in source]
    made[one]["text"], made[other]["text"] = made[other]["text"], made[one]["text"]
    return made


def metadata_edited(begin: Begin) -> Found:
    trial = begin()
    edited = [
        {**row, "metadata": {**row["metadata"], "tag": "edited"}} if number % 20 == 0 else row
        for number, row in enumerate(BASE)
    ]
    trial.sync(edited)
    yield "metadata of 10 rows edited (0)", trial.cell(minimum=0)


def swapped_in_one_batch(begin: Begin) -> Found:
    trial = begin()
    swapped = with_texts_swapped(BASE, 3, 7)
    trial.sync(swapped)
    yield "texts of two rows swapped, in one batch (0)", trial.cell(minimum=0)
    trial.sync(swapped)
    trial.sync(swapped)
    yield "… after two more syncs", trial.cell(minimum=0)


def swapped_far_apart(begin: Begin) -> Found:
    trial = begin()
    trial.sync(with_texts_swapped(BASE, 3, 153))
    yield "the same, 150 rows apart (0)", trial.cell(minimum=0)


def copied(begin: Begin) -> Found:
    trial = begin()
    trial.sync([*BASE, {**BASE[5], "id": "row-new"}])
    yield "a known text under a new id (0)", trial.cell(minimum=0)


def deleted(begin: Begin) -> Found:
    trial = begin()
    trial.sync([row for number, row in enumerate(BASE) if number % 20])
    yield "10 rows deleted (0)", trial.cell(minimum=0)


def keys_in_another_order(begin: Begin) -> Found:
    trial = begin()
    trial.sync([{**row, "metadata": dict(reversed(row["metadata"].items()))} for row in BASE])
    yield "the same metadata, keys in another order (0)", trial.cell(minimum=0)


def model_fails(begin: Begin) -> Found:
    trial = begin()
    edited = with_texts_edited(BASE, 50)
    trial.sync(edited, fail_in=3, seconds=SLOW)
    yield "50 texts edited, the model fails in batch 3", trial.cell()
    trial.sync(edited)
    yield "… after the rerun (50)", trial.cell(minimum=50)


def killed_in_a_batch(begin: Begin) -> Found:
    trial = begin()
    edited = with_texts_edited(BASE, 50)
    trial.sync(edited, die_in=3, seconds=SLOW)
    yield "50 texts edited, kill -9 in batch 3", trial.cell()
    trial.sync(edited)
    yield "… after the rerun (50)", trial.cell(minimum=50)


def killed_anywhere(begin: Begin) -> Found:
    """The moments are spread over the time that a sync takes which nobody disturbs."""
    edited = with_texts_edited(BASE, 50)
    whole = begin().sync(edited, seconds=SLOW)["seconds"]
    ends, struck = [], 0
    for number in range(KILLS):
        trial = begin()
        answer = trial.sync(edited, seconds=SLOW, kill_after=whole * (number + 0.5) / KILLS)
        struck += "killed" in answer
        trial.sync(edited)
        ends.append(trial.cell(minimum=50))
    yield f"the same, kill -9 at {KILLS} moments, then a rerun (50)", Kills(ends, struck)


def emptied(begin: Begin) -> Found:
    trial = begin()
    trial.behind_its_back("wipe")
    trial.sync(BASE)
    yield "target emptied by another program, then a sync", trial.cell()
    yield from forced(trial, BASE)


def removed(begin: Begin) -> Found:
    trial = begin()
    trial.behind_its_back("remove")
    trial.sync(BASE)
    yield "target's files removed, then a sync", trial.cell()
    yield from forced(trial, BASE)


def other_model(model: Model, title: str) -> Callable[[Begin], Found]:
    def scenario(begin: Begin) -> Found:
        trial = begin()
        edited = with_texts_edited(BASE, 10)
        trial.sync(BASE, model)
        yield f"{title}, then a sync", trial.cell()
        trial.sync(edited, model)
        yield "… then 10 texts edited", trial.cell()
        yield from forced(trial, edited, model)

    return scenario


def forced(trial: Trial, source: Sequence[Row], model: Model = FIRST) -> Found:
    """Nothing, for a tool that has no such option."""
    if "cannot" not in trial.sync(source, model, force=True):
        yield "… then forced", trial.cell()


SCENARIOS: dict[str, Callable[[Begin], Found]] = {
    "1": metadata_edited,
    "2": swapped_in_one_batch,
    "2b": swapped_far_apart,
    "3": copied,
    "4": deleted,
    "5": keys_in_another_order,
    "6": model_fails,
    "7": killed_in_a_batch,
    "7k": killed_anywhere,
    "8": emptied,
    "8b": removed,
    "9": other_model(Model(FIRST.name, "2"), "other weights under the same name"),
    "10s": other_model(Model("other", "2"), "a model of another name, same dimension"),
    "10": other_model(Model("other", "2", 512), "a model of another name and dimension"),
}


def prepare(peer: str, folder: Path) -> Trial:
    """An index of BASE, all of it right."""
    trial = Trial(peer, folder)
    answer = trial.sync(BASE)
    cell = trial.cell(minimum=len(BASE))
    if cell.wrong or cell.wasted:
        raise SystemExit(f"{peer}: the first sync came to {cell}: {answer}")
    return trial


def run(scenario: str, prepared: Trial, folder: Path) -> Found:
    """What the scenario finds, each of its trials on a copy of the prepared one."""
    with tempfile.TemporaryDirectory(dir=folder) as work:
        number = itertools.count()
        yield from SCENARIOS[scenario](lambda: prepared.copy(Path(work) / str(next(number))))


def markdown(table: dict[tuple[str, str], dict[str, str]], peers: Sequence[str]) -> str:
    lines = [f"| # | scenario (minimum embeddings) | {' | '.join(peers)} |", "|---" * (len(peers) + 2) + "|"]
    order = list(SCENARIOS)
    for (scenario, title), cells in sorted(table.items(), key=lambda row: order.index(row[0][0])):
        lines.append(f"| {scenario} | {title} | {' | '.join(cells.get(peer, 'no such option') for peer in peers)} |")
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", nargs="+", choices=SCENARIOS, default=list(SCENARIOS), metavar="SCENARIO")
    parser.add_argument("--peer", nargs="+", choices=PEERS, default=list(PEERS))
    options = parser.parse_args()
    table: dict[tuple[str, str], dict[str, str]] = {}
    cells: dict[str, dict[str, Any]] = {}
    with tempfile.TemporaryDirectory() as folder:
        for peer in options.peer:
            prepared = prepare(peer, Path(folder) / peer)
            for scenario in options.only:
                for title, found in run(scenario, prepared, Path(folder)):
                    print(f"{peer:13} {scenario:3} {title}: {found}", flush=True)
                    table.setdefault((scenario, title), {})[peer] = str(found)
                    cells.setdefault(peer, {})[f"{scenario} {title}"] = found.facts()
    print("\n" + markdown(table, options.peer) + "\n")
    finish({"bench": "torture_peers", "rows": len(BASE), "cells": cells})


if __name__ == "__main__":
    main()
