"""Random histories of edits, upgrades, switches, rollbacks and edits by other programs, in one process, against the
truth; when one is wrong, hypothesis finds the shortest."""

from __future__ import annotations

import json
import random
import shutil
import tempfile
from pathlib import Path
from typing import Any

import pytest
from answers import check_answers, opened
from checks import check_exactly
from damage import check_verify
from edits import perform
from hypothesis import HealthCheck, assume, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)
from ledger import asked, check_asked, durable
from places import PLACES
from reports import check_said
from stored import compare
from tasks import Tasks
from world import DIMS, SPLIT, Content, Truth, model, root_of

from idembed.errors import RefusedError
from idembed.index import Index

IDS = st.integers(0, 11).map(lambda n: f"r{n}")
LONG = "\n\n".join(f"a paragraph with the number {n}" for n in range(3))
TEXTS = st.integers(0, 7).map(lambda n: f"text {n}") | st.sampled_from([LONG, LONG[:-1] + "7", LONG[::-1]])
METADATA = st.sampled_from([{}, {"n": 1}, {"n": 1.5, "é": [None, True]}])
CONTENT = st.dictionaries(IDS, st.tuples(TEXTS, METADATA), min_size=1)
SCOPE = "default"


class Life(RuleBasedStateMachine):
    """One scope of a dozen rows and a few texts, so that duplicates, swaps and moves are the rule. The truth is known
    by what was done alone."""

    kind: str

    def __init__(self) -> None:
        super().__init__()
        self.folder = Path(tempfile.mkdtemp(prefix="idembed-history-"))
        self.place = PLACES[self.kind](self.folder / "pets")
        self.copies = 0
        self.truth = Truth({SCOPE: {}}, SPLIT)
        self.tasks = Tasks(random.Random(0), vault=True, split=SPLIT)

    def teardown(self) -> None:
        if self.place.can_be_removed:
            self.place.remove()
        shutil.rmtree(self.folder)

    @property
    def content(self) -> Content:
        return dict(self.truth.scopes[SCOPE])

    def opened(self) -> Index:
        return opened(self.place.url, self.truth, self.folder / "asked", vault=self.folder / "vault")

    def sync(self, content: Content, *, sane: bool = True) -> None:
        """The scope becomes so; nothing durable is embedded again, and the report says what was done."""
        task, after = self.tasks.whole(self.truth, SCOPE, content)
        before = self.place.read()
        kept = durable(before, self.folder)
        asked(self.folder)
        rows = [{"id": i, "text": text, "metadata": metadata} for i, (text, metadata) in task["rows"].items()]
        with self.opened() as index:
            report = index.sync(rows, allow_mass_deletion=True, allow_empty=True)
            assert index.plan(rows).is_empty
        made = asked(self.folder)
        check_asked("sync", made, kept)
        if sane:
            check_said(task, json.loads(json.dumps(report.as_dict())), before, after, kept, made)
        self.truth = after

    @initialize(content=CONTENT)
    def begin(self, content: Content) -> None:
        self.sync(content)

    # Rows ----------------------------------------------------------------------------------------------

    @rule(content=CONTENT)
    def becomes(self, content: Content) -> None:
        self.sync(content)

    @rule(row_id=IDS, text=TEXTS, metadata=METADATA)
    def upsert(self, row_id: str, text: str, metadata: dict[str, Any]) -> None:
        with self.opened() as index:
            index.upsert([{"id": row_id, "text": text, "metadata": metadata}])
        self.truth = self.truth.synced(SCOPE, {**self.content, row_id: (text, metadata)})

    @rule(one=IDS, other=IDS)
    def swap(self, one: str, other: str) -> None:
        content = self.content
        if one in content and other in content:
            self.sync({**content, one: content[other], other: content[one]})

    @precondition(lambda self: len(self.content) > 1)
    @rule(row_id=IDS)
    def delete(self, row_id: str) -> None:
        with self.opened() as index:
            assert index.delete(row_id) == (row_id in self.content)
        self.truth = self.truth.without(row_id)

    @precondition(lambda self: self.content and self.place.edits)
    @rule(row_id=IDS, data=st.data())
    def another_program(self, row_id: str, data: Any) -> None:
        """It edits the active generation: what it edited is not found by the text that it had, and is mended."""
        edit = data.draw(st.sampled_from(self.place.edits))
        assert self.truth.active is not None
        assume(row_id in self.content)
        parts = sum(owner == row_id for owner, _ in self.truth.parts("old"))
        assume(edit.applies(parts, len(self.content)))
        question = self.content[row_id][0].split("\n\n")[0]
        seen = perform(edit, self.place, self.truth, row_id, self.truth.active.number)
        with self.opened() as index:
            if not seen.perhaps:
                check_answers(index, seen.truth, seen.hidden, asked=[question])
            check_verify(index.verify(everything=True), compare(self.place.read(), self.truth))
        self.sync(self.content, sane=False)

    # Generations ---------------------------------------------------------------------------------------

    @rule(name=st.sampled_from(sorted(DIMS)), until=st.sampled_from([None, 0.4]))
    def upgrade(self, name: str, until: float | None) -> None:
        if any(g.model == name and g.status != "building" for g in self.truth.generations):
            return
        with self.opened() as index:
            report = index.upgrade(model(name), until=until)
        assert report.complete or until
        whole = report.total == len(self.content) and report.complete
        self.truth = self.truth.built(name, whole=whole)

    @precondition(lambda self: self.truth.of("building"))
    @rule(data=st.data())
    def switch(self, data: Any) -> None:
        chosen = data.draw(st.sampled_from(self.truth.of("building")))
        lacking = {i for i, _ in self.truth.parts(chosen.model)} - {
            i for i, _ in self.place.read().parts[chosen.number]
        }
        with self.opened() as index:
            if lacking:
                with pytest.raises(RefusedError):
                    index.switch(chosen.number)
                return
            index.switch(chosen.number)
        self.truth = self.truth.switched(chosen.number)

    @precondition(lambda self: self.truth.of("standby"))
    @rule()
    def rollback(self) -> None:
        after = self.truth.rolled_back()
        with self.opened() as index:
            found = index.rollback(catch_up=True)
        assert after.active is not None
        assert (found.number, found.model) == (after.active.number, after.active.model)
        self.truth = after

    @precondition(lambda self: self.truth.of("standby", "building"))
    @rule(data=st.data())
    def drop(self, data: Any) -> None:
        number = data.draw(st.sampled_from(self.truth.of("standby", "building"))).number
        with self.opened() as index:
            index.drop(number)
        self.truth = self.truth.dropped(number)

    @precondition(lambda self: self.truth.rows and len(self.truth.generations) < 3)
    @rule()
    def rebuild(self) -> None:
        assert self.truth.active is not None
        with self.opened() as index:
            assert index.rebuild().same_root
        self.truth = self.truth.built(self.truth.active.model)

    @precondition(lambda self: self.truth.active)
    @rule()
    def copy(self) -> None:
        self.copies += 1
        copy = self.place.another(f"copy {self.copies}")
        with self.opened() as index:
            assert index.copy(copy.url).root == index.lock().root == root_of(self.truth)
        check_exactly(copy, self.truth.copied(None))
        if copy.can_be_removed:
            copy.remove()

    # Always --------------------------------------------------------------------------------------------

    @invariant()
    def nothing_is_lost_stale_or_extra(self) -> None:
        check_exactly(self.place, self.truth)

    @invariant()
    def answers_are_right_and_verify_finds_nothing(self) -> None:
        if self.truth.active:
            with self.opened() as index:
                check_answers(index, self.truth)
                found = index.verify(sample=0)
                assert found.ok, found.counts


@pytest.mark.parametrize("kind", PLACES)
def test_nothing_is_lost_stale_or_extra_whatever_is_done(kind: str) -> None:
    life = type("Life", (Life,), {"kind": kind})
    run_state_machine_as_test(
        life,
        settings=settings(
            max_examples=PLACES[kind].examples,
            stateful_step_count=12,
            deadline=None,
            derandomize=True,
            suppress_health_check=list(HealthCheck),
        ),
    )
