"""Harm that others do to an index: edits, damage, removal."""

from __future__ import annotations

import os
import shutil
import sqlite3
from contextlib import closing
from dataclasses import replace

from answers import check_answers, check_answers_of_damaged, opened
from damage import CELLS, Autopsy, check_verify, do_damage
from edits import Edit, Seen, choose_edit, perform
from history import History, ended
from stored import Wrong, compare
from tasks import SCOPES
from world import Truth

from idembed.errors import DamagedError, RefusedError
from idembed.index import Index


def another_program(life: History, *edits: Edit) -> None:
    """Another program edits the index (one of these ``edits``, or any): what it edited is not found, verify says what
    it was, and the next sync mends."""
    edit, victim, number = choose_edit(life.choose, life.truth, edits or life.place.edits)
    life.note(f"another program: {edit.name}, {victim} (generation {number})")
    life.faults[f"edit by another program: {edit.name}"] += 1
    question = life.truth.contents[victim][0].split("\n\n")[0]
    with life.searching() as index:
        check_answers(index, life.truth, asked=[question])
        seen = perform(edit, life.place, life.truth, victim, number)
        _check_seen(index, seen, question)
    with opened(life.place.url, life.truth) as index:
        _check_seen(index, seen, question)
        wrong = _wrong(life)
        assert wrong, "nothing was edited"
        check_verify(index.verify(everything=True), wrong)
    if life.choose.random() < 0.3:
        _copy_of_what_is_wrong(life)
    if life.vault and life.choose.random() < 0.3:
        life.run({"do": "gc"}, life.truth, sane=False)
    if life.choose.random() < 0.4:
        _repair(life)
    life.sync_all()
    life.check()


def _check_seen(index: Index, seen: Seen, question: str) -> None:
    if seen.perhaps:
        check_answers_of_damaged(index, seen.truth, seen.perhaps, asked=[question, "edited"])
    else:
        check_answers(index, seen.truth, seen.hidden, asked=[question, "edited"])


def _repair(life: History) -> None:
    """Repair mends the vectors of rows whose texts are right, and no more is wrong than before."""
    before = _wrong(life)
    life.run({"do": "repair"}, life.truth, sane=False)
    after = _wrong(life)
    assert not after.vectors, f"left as they were: {sorted(after.vectors)}"
    assert after.rows <= before.rows, f"also wrong now: {sorted(after.rows - before.rows)}"
    assert not after.orphans


def _wrong(life: History) -> Wrong:
    return compare(life.place.read(), life.truth)


def _copy_of_what_is_wrong(life: History) -> None:
    """It is refused, or is right: what is wrong does not spread."""
    place = life.place.another(f"copy {len(life.steps)} of what is wrong")
    outcome = life.workers.end(life.start({"do": "copy", "to": str(place.url)}))
    whole = ended(outcome, RefusedError, DamagedError)
    here, there = life.place.read().rows, place.read()
    assert there.exists or not whole
    gone = life.truth.rows.keys() - (here if whole else there.rows).keys()  # also there
    truth = life.truth.without(*gone)
    wrong = compare(there, truth.copied(None) if whole else replace(truth.copy_begun(None), scopes=truth.scopes))
    assert not wrong, f"what was wrong is copied: {wrong}"
    if place.can_be_removed:
        place.remove()


def _reuse_of_what_is_wrong(life: History) -> None:
    """A new row with the text of one whose vector is wrong gets the right one."""
    before = _wrong(life).vectors
    for row_id in sorted({row_id for _, row_id, _ in before} & life.truth.rows.keys())[:1]:
        scope = life.truth.rows[row_id].scope
        task, after = life.tasks.twin(life.truth, scope, row_id)
        life.run(task, after, sane=False)
        spread = _wrong(life).vectors - before
        assert not spread, f"wrong vectors were used again: {sorted(spread)}"


def index_gone(life: History) -> None:
    """Somebody removed the index: the next sync makes it anew, from the vault as far as it goes."""
    life.close_reader()
    life.note("the index is removed")
    life.faults["index removed"] += 1
    for place in (life.place, life.copy):
        place.remove()
    before = life.truth
    life.truth, life.copied = Truth({scope: {} for scope in SCOPES}, before.split), None
    for scope in sorted(SCOPES, key=lambda scope: not before.scopes[scope]):  # the first rows make the index
        life.run(*life.tasks.whole(life.truth, scope, dict(before.scopes[scope])))
    life.check()


def damaged_vault(life: History) -> None:
    """A segment of the vault is cut off or has a flipped bit; then a sync."""
    segments = sorted((life.folder / "vault").glob("[0-9a-f]*/*.safetensors"))
    if not segments:
        return
    victim = life.choose.choice(segments)
    life.note(f"{victim.name}: {do_damage(life.choose, victim, cells=())}")
    life.faults["damaged vault"] += 1
    life.run(*life.tasks.sync(life.truth))
    life.check()


def damaged_file(life: History, *cells: str) -> None:
    """A flipped bit (in one of ``cells``, if given, else anywhere), or a cut, in the database: no wrong answer, and
    verify says what is wrong. What is wrong with rows and vectors is repaired and synced; else the backup is put back.
    """
    file = life.place.file
    assert file is not None
    life.close_reader()
    with closing(sqlite3.connect(file)) as db:
        db.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    with opened(file, life.truth) as index:
        lock = index.lock()
    backup = life.folder / "backup.db"
    shutil.copy(file, backup)
    life.note(f"damage: {do_damage(life.choose, file, cells or CELLS)}")
    autopsy = Autopsy(file, backup, life.truth)
    life.faults[f"damaged database, {autopsy.what}"] += 1
    autopsy.check_answers()
    autopsy.check_verify(lock)
    if autopsy.can_be_mended:
        _copy_of_what_is_wrong(life)
        _reuse_of_what_is_wrong(life)
        if life.vault:
            life.run({"do": "gc"}, life.truth, sane=False)
        _repair(life)
        life.sync_all()
    else:
        life.place.remove()
        os.replace(backup, file)
    life.check()
