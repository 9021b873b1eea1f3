"""An index, what happens to it, and its truth; everything that is done is checked."""

from __future__ import annotations

import random
import shutil
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from answers import check_answers, opened
from checks import check_between, check_exactly
from ledger import Addresses, asked, check_asked, durable, in_index, in_vault, needed, recorded
from place import Place
from places import PLACES
from reports import check_said
from tasks import SCOPES, Tasks
from workers import Outcome, Task, Workers
from world import SPLIT, Truth, root_of
from wrong import refuse

from idembed.index import Index

ONCE = ("switch", "rollback", "drop")
"""Tasks that are not the same when they are done twice."""


class History:
    """An index in a database of a ``kind``, of which ``truth`` says what it must hold; a context manager. In ``folder``
    are its vault and what its processes say. ``seconds`` that each kind of task takes are learnt, to kill in its midst.

    Every step checks; an AssertionError says what was lost, stale, extra, mixed, or embedded again.
    """

    def __init__(self, workers: Workers, folder: Path, kind: str, seed: int) -> None:
        self.workers = workers
        self.folder = folder
        self.place: Place = PLACES[kind](folder / "pets")
        self.copy = self.place.another("copy")
        self.choose = random.Random(seed)
        self.vault = self.choose.random() < 0.4
        split = self.choose.choice([0, 0, SPLIT])
        self.truth = Truth({scope: {} for scope in SCOPES}, split)
        self.tasks = Tasks(self.choose, vault=self.vault, split=split)
        self.copied: Truth | None = None
        self.steps: list[str] = []
        self.faults: Counter[str] = Counter()
        self.seconds: dict[str, float] = {}
        self._stays_open = self.choose.random() < 0.5 and self.place.is_shared
        self._reader: Index | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close_reader()
        if error is not None:
            error.add_note("the last steps: " + "; ".join(self.steps[-12:]))

    def note(self, step: str) -> None:
        self.steps.append(step)

    # Doing -----------------------------------------------------------------------------------------

    def start(self, task: Task) -> int:
        """Begin it; the number of its process."""
        if task["do"] == "merge" and not self._other_vault.exists():
            shutil.copytree(self.folder / "vault", self._other_vault, ignore=shutil.ignore_patterns("in-flight"))
        active = self.truth.active.model if self.truth.active else "old"
        if task["do"] == "copy":
            task = {"to": str(self.copy.url), **task}
        facts = {"vault": self.vault, "split": self.truth.split, "active": active, "url": str(self.place.url)}
        facts["imports"] = self.place.imports
        return self.workers.start({**task, **facts}, self.folder)

    def wait(self, pid: int, what: str) -> None:
        """Until a random moment of such a task, which that process does."""
        self.workers.wait_until_begun(pid)
        time.sleep(self.choose.random() * self.seconds.get(what, 0.1))

    def run(self, task: Task, after: Truth, *, sane: bool = True) -> None:
        """Do it without a fault, and look at everything that came of it. ``sane``: the index was as it should be
        before, so that more can be said of what the task must do."""
        what = task["do"]
        self.note(f"{what} {task.get('scope') or task.get('to') or task.get('number') or ''}".strip())
        before, in_store = self.place.read(), in_vault(self.folder / "vault")
        kept = durable(before, self.folder)
        asked(self.folder)
        outcome = self.workers.end(self.start(task))
        self.seconds[what] = outcome.seconds
        assert outcome.code == 0, f"{what} failed: {outcome}"
        made = asked(self.folder)
        self.check_asked(what, made, in_store if what == "repair" else kept)
        if sane:
            check_said(task, outcome.said, before, after, kept, made)
        self.truth = after
        if what == "copy":
            self.check_copy(outcome.said)
        if what in ("gc", "merge"):
            self._check_vault(what, outcome.said, in_store)

    def durable(self) -> Addresses:
        """Of the vectors that nothing may be embedded for again."""
        return durable(self.place.read(), self.folder)

    def sync_all(self) -> None:
        """Every scope is synced from its source, as it is."""
        for scope in SCOPES:
            task, after = self.tasks.whole(self.truth, scope, dict(self.truth.scopes[scope]))
            self.run(task, after, sane=False)

    def again(self, task: Task, after: Truth) -> None:
        """What was stopped, from the beginning, unless it is done and cannot be done twice."""
        held, is_exact = check_between(self.place, self.truth, after)
        if task["do"] == "copy" and self.copy.read().exists and self._is_searched_still:
            begun = self.truth.copy_begun(self.copied)
            check_between(self.copy, self.copied or Truth({}, self.truth.split), self.truth.copied(self.copied), begun)
        self.truth = held
        if task["do"] in ONCE and held.generations == after.generations:
            self.truth = after
        else:
            self.run(task, after, sane=is_exact)

    # Checking --------------------------------------------------------------------------------------

    def check(self) -> None:
        """Everything in the index, what a search finds, and now and then what verify and lock say."""
        check_exactly(self.place, self.truth)
        if not self.truth.active:
            return
        with self.searching() as index:
            check_answers(index, self.truth)
        if self.choose.random() < 0.3:
            with opened(self.place.url, self.truth) as index:
                found = index.verify(everything=True)
                assert found.ok, found.counts
                assert found.unsettled == 0
                assert index.lock().root == root_of(self.truth)

    def check_asked(self, what: str, made: Counter[bytes], kept: Addresses) -> None:
        if not what.startswith("rebuild"):  # which is there to compute everything again
            check_asked(what, made, kept)

    @contextmanager
    def searching(self) -> Iterator[Index]:
        """The index, opened; in some lives, once and for long."""
        index = self._reader or opened(self.place.url, self.truth)
        if self._stays_open:
            self._reader = index
        try:
            yield index
        finally:
            if not self._stays_open:
                index.close()

    def close_reader(self) -> None:
        if self._reader is not None:
            self._reader.close()
        self._reader = None

    # Other places ----------------------------------------------------------------------------------

    @property
    def _is_searched_still(self) -> bool:
        """Whether the generation that is searched in the copy is here; else nothing gives it vectors of new texts."""
        before = self.copied.active if self.copied else None
        return before is None or before.number in self.truth.copy_begun(self.copied).copies.values()

    @property
    def _other_vault(self) -> Path:
        return self.folder / "other vault"

    def check_copy(self, said: dict[str, Any]) -> None:
        self.copied = self.truth.copied(self.copied)
        check_exactly(self.copy, self.copied)
        with opened(self.copy.url, self.copied) as index:
            check_answers(index, self.copied)
        assert (said["rows"], said["root"]) == (len(self.truth.rows), root_of(self.truth)), said

    def _check_vault(self, what: str, said: int, before: Addresses) -> None:
        """A merge adds what the other has; gc removes what the index does not hold, and nothing else. What another
        program edited it may keep or not."""
        now, found = in_vault(self.folder / "vault"), self.place.read()
        if what == "merge":
            must = may = before | in_vault(self._other_vault)
        else:
            models = {generation.model for generation in self.truth.generations}
            must = before & in_index(found)
            may = before & (recorded(found) | needed(self.truth, self.truth.rows, models))
        refuse(f"the vault after {what}", lost=len(must - now), extra=len(now - may))
        assert what == "merge" or said >= len(before - now), said


def ended(outcome: Outcome, *errors: Any) -> bool:
    """Whether a task that was interfered with came to its end all the same; if not, by one of these errors."""
    assert outcome.code == 0 or outcome.failed_by(*errors), outcome
    return outcome.code == 0
