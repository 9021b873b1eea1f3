"""An index under one tool, what is true of it, and how far the two are apart: the same code for all tools."""

from __future__ import annotations

import json
import shutil
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from lifecycle_peers import operate

from lifecycle.peer import Entry, from_json
from lifecycle.rows import Embedder, Model, Row

BATCH = 10
FIRST = Model()
Truth = tuple[Sequence[Row], Model]


@dataclass(frozen=True, slots=True)
class Cell:
    """What one target held after one sync; ``old`` and ``new`` count vectors by the model that made them."""

    stale: int
    lost: int
    extra: int
    old: int
    new: int
    embedded: int
    minimum: int | None
    note: str = ""
    refused: bool = False

    @property
    def wrong(self) -> int:
        return self.stale + self.lost + self.extra

    @property
    def mixed(self) -> int:
        """Vectors of another model than most of the index."""
        return min(self.old, self.new)

    @property
    def wasted(self) -> int | None:
        return None if self.minimum is None else max(0, self.embedded - self.minimum)

    def facts(self) -> dict[str, Any]:
        return asdict(self) | {"wrong": self.wrong, "mixed": self.mixed, "wasted": self.wasted}

    def __str__(self) -> str:
        if self.old:
            found = [f"{self.old} old + {self.new} new mixed" if self.new else f"{self.old} old"]
        else:
            found = [f"{self.stale} stale"] if self.stale else []
        found += [f"{count} {name}" for name, count in (("lost", self.lost), ("extra", self.extra)) if count]
        if self.refused:
            return f"{self.note}; {', '.join(found) or '0 wrong, 0 mixed'}"
        cost = f"{self.embedded} embedded" if self.wasted is None else f"w {self.wasted}"
        return "; ".join([*filter(None, [self.note]), f"{', '.join(found) or 'ok'}, {cost}"])


@dataclass(frozen=True, slots=True)
class Kills:
    """The ends of several trials, each killed at another moment and then synced again."""

    ends: list[Cell]
    struck: int
    """How many were killed before they had ended."""

    def facts(self) -> dict[str, Any]:
        wrong = [end.facts() for end in self.ends if end.wrong]
        wasted = [end.wasted for end in self.ends]
        return {"trials": len(self.ends), "struck": self.struck, "wrong_trials": wrong, "wasted": wasted}

    def __str__(self) -> str:
        wrong = [str(end) for end in self.ends if end.wrong]
        wasted = [end.wasted or 0 for end in self.ends]
        cost = "–".join(map(str, sorted({min(wasted), max(wasted)})))
        told = f"{len(wrong)} wrong of {len(self.ends)} trials, {self.struck} of them killed, w {cost}"
        return ": ".join([told, *dict.fromkeys(wrong)])


class Trial:
    """One tool's index in ``folder``, and what is true of it."""

    def __init__(self, peer: str, folder: Path) -> None:
        self._peer = peer
        self._folder = folder
        self._state = folder / "state"
        self._state.mkdir(parents=True, exist_ok=True)
        self._log = folder / "embedded.jsonl"
        self._truth: Truth = ([], FIRST)
        self._accepted: Truth = ([], FIRST)
        """The last truth that was not met with an error before anything was embedded."""
        self._makers: dict[bytes, Model] = {}
        """Which model made a vector: FIRST and that of the scenario, of all texts there were."""
        self._error = ""

    def sync(
        self,
        source: Sequence[Row],
        model: Model = FIRST,
        *,
        force: bool = False,
        kill_after: float | None = None,
        **fault: Any,
    ) -> dict[str, Any]:
        """One sync in a process of its own; ``fault`` as in Embedder. From now on ``source`` and ``model`` are the
        truth."""
        path = self._folder / "rows.json"
        path.write_text(json.dumps(source))
        before = self._embedded()
        embedder = Embedder(model, self._log, BATCH, **fault)
        answer = operate(
            self._peer, self._state, "sync", embedder, kill_after=kill_after, rows=path.resolve(), force=force
        )
        self._error = answer.get("error", "")
        self._truth = (source, model)
        if not self._error or self._embedded() > before:
            self._accepted = self._truth
        for maker in {FIRST, model}:
            vectors = maker.vectors([row["text"] for row in source])
            self._makers.update((vector.tobytes(), maker) for vector in vectors)
        return answer

    def behind_its_back(self, operation: str) -> None:
        """``wipe`` or ``remove`` the target."""
        answer = operate(self._peer, self._state, operation, Embedder())
        if answer:
            raise SystemExit(f"{self._peer}: {operation}: {answer}")

    def cell(self, minimum: int | None = None) -> Cell:
        """What the target holds, compared with the truth; ``minimum`` embeddings since the trial began would do."""
        answer = operate(self._peer, self._state, "dump", Embedder())
        entries = from_json(answer.get("entries", []))
        refused = self._truth is not self._accepted and compare(entries, *self._accepted) == (0, 0, 0)
        notes = [f"{'refused' if refused else 'raises'} ({self._error})"] if self._error else []
        if "error" in answer:
            notes.append(f"unreadable ({answer['error']})")
        truth, model = self._accepted if refused else self._truth
        makers = [self._makers.get(entry.vector) for entry in entries]
        old = sum(maker not in (None, model) for maker in makers)
        new = sum(maker == model for maker in makers)
        counts = compare(entries, truth, model)
        return Cell(*counts, old, new, self._embedded(), minimum, "; ".join(notes), refused)

    def copy(self, folder: Path) -> Trial:
        """Another trial in the same state, nothing embedded yet."""
        shutil.copytree(self._state, folder / "state")
        made = Trial(self._peer, folder)
        made._truth = made._accepted = self._truth
        made._makers = dict(self._makers)
        return made

    def _embedded(self) -> int:
        return self._log.read_text(encoding="utf-8").count("\n") if self._log.exists() else 0


def compare(entries: Sequence[Entry], truth: Sequence[Row], model: Model) -> tuple[int, int, int]:
    """Rows stale, rows lost, entries too many."""
    held: dict[str, list[Entry]] = {}
    for entry in entries:
        held.setdefault(entry.id, []).append(entry)
    stale = lost = extra = 0
    vectors = model.vectors([row["text"] for row in truth])
    for row, vector in zip(truth, vectors, strict=True):
        mine = held.pop(row["id"], [])
        right = [
            entry
            for entry in mine
            if entry.vector == vector.tobytes()
            and entry.text in (None, row["text"])
            and entry.metadata == row["metadata"]
        ]
        stale += bool(mine) and not right
        lost += not mine
        extra += max(0, len(mine) - 1)
    return stale, lost, extra + sum(map(len, held.values()))
