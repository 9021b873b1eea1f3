"""What may be done to an index, at random, and the truth after it."""

from __future__ import annotations

import random
from collections.abc import Callable

from workers import Task
from world import SPLIT, Content, Truth

SCOPES = ("default", "other")
Choice = tuple[Task, Truth]


class Tasks:
    """Chooses what to do next, given the truth."""

    def __init__(self, choose: random.Random, *, vault: bool, split: int) -> None:
        self._choose = choose
        self._vault = vault
        self._split = split
        self._fresh = 1000

    def any(self, truth: Truth) -> Choice:
        """One of all that is possible."""
        if not truth.rows:
            return self.sync(truth)
        possible: list[Callable[[Truth], Choice]] = [self.sync] * 4 + [self._upsert, self._delete, _copy, _repair]
        if self._vault:
            possible += [_merge, _gc]
        if self.upgrades(truth):
            possible += [self._upgrade] * 3
        if any(g.whole for g in truth.of("building")):
            possible += [self._switch] * 3
        if truth.of("standby"):
            possible += [_rollback, self._drop]
        if len(truth.generations) < 3:
            possible.append(_rebuild)
        return self._choose.choice(possible)(truth)

    def of(self, what: str, truth: Truth) -> Choice:
        """One of that kind, which must be possible."""
        known: dict[str, Callable[[Truth], Choice]] = {
            "sync": self.sync,
            "delete": self._delete,
            "switch": self._switch,
            "rollback": _rollback,
            "drop": self._drop,
            "rebuild": _rebuild,
            "copy": _copy,
        }
        return known[what](truth)

    # Rows ------------------------------------------------------------------------------------------

    def sync(self, truth: Truth, scope: str = "") -> Choice:
        """A sync of a scope in which all that can happen to rows has happened."""
        choose, scope = self._choose, scope or self._choose.choice(SCOPES)
        content = dict(truth.scopes[scope])
        for _ in range(choose.randrange(1, 40)):
            content.setdefault(f"{scope}-{self._next()}", (self._text(), {"n": choose.randrange(5)}))
        for row_id in self._some(content, 7):
            content[row_id] = (self._changed(content[row_id][0]), content[row_id][1])
        for row_id in self._some(content, 7):
            content[row_id] = (content[row_id][0], {"n": choose.randrange(100), "deep": {"é": [None, 1.5]}})
        for row_id in self._some(content, 5):
            del content[row_id]
        ids = sorted(content)
        for one, other in zip(*[iter(choose.sample(ids, len(ids) // 8 * 2))] * 2, strict=True):
            content[one], content[other] = content[other], content[one]
        for row_id in self._some(content, 3):  # to another id
            content[f"{scope}-{self._next()}"] = content.pop(row_id)
        return self.whole(truth, scope, content)

    def whole(self, truth: Truth, scope: str, content: Content) -> Choice:
        """A sync that makes the scope so."""
        rows = list(content.items())
        self._choose.shuffle(rows)
        return {"do": "sync", "scope": scope, "rows": dict(rows)}, truth.synced(scope, content)

    def twin(self, truth: Truth, scope: str, row_id: str) -> Choice:
        """One more row with the text of another."""
        content = truth.scopes[scope]
        rows: Content = {f"{scope}-{self._next()}": (content[row_id][0], {})}
        return {"do": "upsert", "scope": scope, "rows": rows}, truth.synced(scope, {**content, **rows})

    def _upsert(self, truth: Truth) -> Choice:
        scope = self._choose.choice(SCOPES)
        content = truth.scopes[scope]
        rows: Content = {i: (self._changed(content[i][0]), {"up": 1}) for i in self._some(content, 3)}
        rows[f"{scope}-{self._next()}"] = (self._text(), {"up": 1})
        return {"do": "upsert", "scope": scope, "rows": rows}, truth.synced(scope, {**content, **rows})

    def _delete(self, truth: Truth) -> Choice:
        ids = self._choose.sample(sorted(truth.rows), min(5, len(truth.rows) - 1))
        return {"do": "delete", "ids": [*ids, "nobody"]}, truth.without(*ids)

    def _some(self, content: Content, most: int) -> list[str]:
        return self._choose.sample(sorted(content), min(len(content), self._choose.randrange(most + 1)))

    def _text(self) -> str:
        """Often one that is, or was, somewhere already; where texts are split, often a long one."""
        if self._split and self._choose.random() < 0.5:
            return "\n\n".join(self._paragraph() for _ in range(self._choose.randrange(2, 5)))
        return f"text {self._number()}"

    def _changed(self, text: str) -> str:
        """Another text; of a long one, often only one part is another, or gone, or new, or they changed places."""
        parts = text.split("\n\n")
        if len(parts) == 1 or self._choose.random() < 0.3:
            return self._text()
        at = self._choose.randrange(len(parts))
        changes: list[Callable[[], object]] = [
            lambda: parts.__setitem__(at, self._paragraph()),
            lambda: parts.insert(at, self._paragraph()),
            lambda: parts.reverse(),
        ]
        if len(parts) > 2:
            changes.append(lambda: parts.pop(at))
        self._choose.choice(changes)()
        return "\n\n".join(parts)

    def _paragraph(self) -> str:
        paragraph = f"a paragraph with the number {self._number()}"
        assert SPLIT / 2 < len(paragraph) < SPLIT
        return paragraph

    def _number(self) -> int:
        return self._choose.randrange(60) if self._choose.random() < 0.5 else self._next()

    def _next(self) -> int:
        self._fresh += 1
        return self._fresh

    # Generations -----------------------------------------------------------------------------------

    def upgrades(self, truth: Truth) -> list[str]:
        """The models to which an upgrade may begin, or go on."""
        assert truth.active is not None
        begun = [g.model for g in truth.of("building") if not g.whole and g.model != truth.active.model]
        taken = {g.model for g in truth.generations}
        return begun or [name for name in ("old", "new", "third") if name not in taken]

    def _upgrade(self, truth: Truth) -> Choice:
        name, until = self._choose.choice(self.upgrades(truth)), self._choose.choice([None, None, 0.3])
        return {"do": "upgrade", "to": name, "until": until}, truth.built(name, whole=until is None)

    def _switch(self, truth: Truth) -> Choice:
        number = self._choose.choice([g.number for g in truth.of("building") if g.whole])
        return {"do": "switch", "number": number}, truth.switched(number)

    def _drop(self, truth: Truth) -> Choice:
        number = self._choose.choice(truth.of("standby", "building")).number
        return {"do": "drop", "number": number}, truth.dropped(number)


def _rollback(truth: Truth) -> Choice:
    return {"do": "rollback"}, truth.rolled_back()


def _rebuild(truth: Truth) -> Choice:
    assert truth.active is not None
    return {"do": "rebuild"}, truth.built(truth.active.model)


def _copy(truth: Truth) -> Choice:
    return {"do": "copy"}, truth


def _repair(truth: Truth) -> Choice:
    return {"do": "repair"}, truth


def _merge(truth: Truth) -> Choice:
    return {"do": "merge"}, truth


def _gc(truth: Truth) -> Choice:
    return {"do": "gc"}, truth
