"""What an index must hold, in plain Python: rows, parts, vectors, generations, and every hash that stands beside them,
worked out here as docs/ describe them, so that nothing of idembed stands between.

The models make vectors of (their name, the text), so that every stored vector says by which model, and from which text,
it was made.
"""

from __future__ import annotations

import hashlib
import json
import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from functools import cache, cached_property
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "unit"))

from fake_models import FakeModel

DIMS = {"old": 64, "new": 256, "third": 64}
"""The models there are, and their dimensions: powers of four, for which products of vectors are exact; two are equal,
so that a question of the wrong model is not refused for its width."""
SPLIT = 40
"""Characters of a part, where texts are split: no two paragraphs of these texts fit into one."""

Content = dict[str, tuple[str, dict[str, Any]]]
"""Text and metadata by id."""
Span = tuple[int, int]


class WorldModel(FakeModel):
    """Numbers of two sizes, 24 of 64 thrice the other, in an order and with signs that are a hash of (name, text): unit
    vectors, exact in float32."""

    def vector(self, text: str) -> Any:
        if self.name == "third":
            return super().vector(text)  # of one size: of every other one, the words sum to 0
        raw = hashlib.shake_256(f"{self.name}\0{text}".encode()).digest(3 * self.dim)
        signs = np.where(np.frombuffer(raw[: self.dim], np.uint8) & 1, 1.0, -1.0)
        sizes = np.repeat([3.0, 1.0], [3 * self.dim // 8, 5 * self.dim // 8]) / (2 * np.sqrt(self.dim))
        order = np.argsort(np.frombuffer(raw[self.dim :], "<u2"), kind="stable")
        return (signs * sizes[order]).astype(np.float32)


class SlowModel(WorldModel):
    """Four texts take two milliseconds, so that a kill lands in the midst of its work; ``brake`` is called before."""

    batch_size = 4

    def __init__(self, name: str, dim: int, log: Path, brake: Callable[[], None] = lambda: None) -> None:
        super().__init__(name, dim, log)
        self._brake = brake

    def embed(self, texts: Any, *arguments: Any, **options: Any) -> Any:
        self._brake()
        time.sleep(0.002)
        return super().embed(texts, *arguments, **options)


def model(name: str) -> WorldModel:
    """One of the models."""
    return WorldModel(name, DIMS[name])


class Row(NamedTuple):
    """A row as it is stored; the hashes are None where another program edited what they are of."""

    scope: str
    text: str
    metadata: str
    row_hash: bytes | None
    text_hash: bytes | None
    metadata_hash: bytes | None


class Part(NamedTuple):
    """A part as it is stored, with its vector; ``sum`` is worked out where the store keeps none."""

    start: int
    end: int
    text_hash: bytes
    address: bytes
    tokens: int
    truncated: int
    checksum: bytes
    vector: bytes | None
    sum: bytes | None


Spot = tuple[str, int]
"""Where a vector belongs: a row's id and the number of its part."""


@dataclass(frozen=True)
class Generation:
    """``activated``: of two on standby, the greater was searched last. ``whole``: no row may lack vectors in it."""

    number: int
    model: str
    status: str
    activated: int = 0
    whole: bool = True


@dataclass(frozen=True)
class Truth:
    """The rows of each scope, and the generations: by what was done, never by what is found. ``made``: how many
    generations there ever were."""

    scopes: Mapping[str, Content]
    split: int = 0
    generations: tuple[Generation, ...] = ()
    made: int = 0
    copies: Mapping[int, int] = field(default_factory=dict)
    """Of a copy: its generations by the numbers of those that they are copies of."""

    @cached_property
    def rows(self) -> dict[str, Row]:
        """As they must be stored, by id."""
        return {i: _row(i, scope, *row) for scope, content in self.scopes.items() for i, row in content.items()}

    @property
    def contents(self) -> Content:
        """Text and metadata by id, of all scopes."""
        return {row_id: row for content in self.scopes.values() for row_id, row in content.items()}

    @property
    def active(self) -> Generation | None:
        return next((g for g in self.generations if g.status == "active"), None)

    def parts(self, name: str) -> dict[Spot, Part]:
        """Those of every row for one of the models, in order of id and number."""
        return {
            (row_id, number): _part(name, text, span)
            for row_id, (text, _) in sorted(self.contents.items())
            for number, span in enumerate(spans(text, self.split))
        }

    def of(self, *statuses: str) -> list[Generation]:
        return [g for g in self.generations if g.status in statuses]

    # What may happen -------------------------------------------------------------------------------

    def synced(self, scope: str, content: Content) -> Truth:
        """``content`` is the whole truth for its scope. The first row makes the first generation."""
        after = replace(self, scopes={**self.scopes, scope: content})
        if self.generations or not content:
            return after
        return replace(after, generations=(Generation(1, "old", "active", 1),), made=1)

    def without(self, *ids: str) -> Truth:
        scopes = {
            scope: {i: row for i, row in content.items() if i not in ids} for scope, content in self.scopes.items()
        }
        return replace(self, scopes=scopes)

    def built(self, name: str, *, whole: bool = True) -> Truth:
        """A generation of this model is built, or the one that was begun; ``whole``: to its end."""
        begun = next((g for g in self.of("building") if g.model == name), None)
        if begun is None:
            made = Generation(self.made + 1, name, "building", whole=whole)
            return replace(self, generations=(*self.generations, made), made=self.made + 1)
        return self._with(replace(begun, whole=begun.whole or whole))

    def switched(self, number: int) -> Truth:
        """Another generation is searched; the one before is on standby."""
        newest = 1 + max(g.activated for g in self.generations)
        changed = [replace(g, status="standby") for g in self.of("active")]
        changed += [replace(g, status="active", activated=newest) for g in self.generations if g.number == number]
        return self._with(*changed)

    def rolled_back(self) -> Truth:
        return self.switched(max(self.of("standby"), key=lambda g: g.activated).number)

    def dropped(self, number: int) -> Truth:
        return replace(self, generations=tuple(g for g in self.generations if g.number != number))

    def copied(self, before: Truth | None) -> Truth:
        """What a copy of this holds, where the copy was ``before``: the generation that is searched here, and those
        that were copied earlier and are whole here; others there are left as they are."""
        assert self.active is not None
        there = self.copy_begun(before)
        copied = {g.number: there.copies[g.number] for g in self.generations if g.number in there.copies and g.whole}
        kept = set(copied.values())
        there = there._with(*(replace(g, whole=g.number in kept) for g in there.generations))
        searched = copied[self.active.number]
        if there.active is None or there.active.number != searched:
            there = there.switched(searched)
        return replace(there, scopes=self.scopes)

    def copy_begun(self, before: Truth | None) -> Truth:
        """The copy before the first row is written: the generations that it needs are there."""
        assert self.active is not None
        there = before or Truth({}, self.split)
        models = {g.number: g.model for g in there.generations}
        copies = {g.number: m for g in self.generations if models.get(m := there.copies.get(g.number, 0)) == g.model}
        if self.active.number not in copies:
            free = [n for n, name in models.items() if name == self.active.model and n not in copies.values()]
            if not free:
                made = Generation(there.made + 1, self.active.model, "building", whole=False)
                there = replace(there, generations=(*there.generations, made), made=made.number)
                free = [made.number]
            copies[self.active.number] = free[0]
        return replace(there, copies=copies)

    def _with(self, *changed: Generation) -> Truth:
        now = {g.number: g for g in changed}
        return replace(self, generations=tuple(now.get(g.number, g) for g in self.generations))


def canonical(metadata: Mapping[str, Any]) -> str:
    """Canonical JSON of such metadata as is used here."""
    return json.dumps(metadata, sort_keys=True, separators=(",", ":"), ensure_ascii=False)


def spans(text: str, split: int) -> list[Span]:
    """[start, end) of each part: where texts are split, a paragraph each."""
    if not split or len(text) <= split:
        return [(0, len(text))]
    found, start = [], 0
    for paragraph in text.split("\n\n"):
        found.append((start, start + len(paragraph)))
        start += len(paragraph) + 2
    return found


def address_of(name: str, text: str) -> bytes:
    """The name of the vector of a text by one of the models."""
    return _hash(_space_id(name), "document", text)[:16]


def checksum_of(address: bytes, vector: bytes, tokens: int, truncated: int) -> bytes:
    """What stands beside a vector wherever it is kept."""
    ending = tokens.to_bytes(4, "little", signed=True) + bytes([truncated])
    return hashlib.sha256(address + vector + ending).digest()[:8]


def sum_of(vector: bytes) -> bytes:
    """What stands beside a vector where it is searched, so that damage is seen without a hash."""
    total = int(np.frombuffer(vector, "<u4").sum(dtype=np.uint64)) % (1 << 32)
    return total.to_bytes(4, "little")


def root_of(truth: Truth) -> str:
    """The root of the generation that is searched (docs/root.md)."""
    assert truth.active is not None
    content, vectors = [], []
    for (row_id, number), part in truth.parts(truth.active.model).items():
        row = truth.rows[row_id]
        assert row.text_hash is not None
        assert row.metadata_hash is not None
        assert part.vector is not None
        content.append(_hash(row_id, number, row.text_hash, row.metadata_hash, part.address))
        vectors.append(_hash(row_id, number, hashlib.sha256(part.vector).digest()))
    both = [hashlib.sha256(b"".join(sorted(digests))).digest() for digests in (content, vectors)]
    return hashlib.sha256(b"".join(both)).hexdigest()


def _row(row_id: str, scope: str, text: str, metadata: Mapping[str, Any]) -> Row:
    written = canonical(metadata)
    whole = f"{len(row_id)},{len(text)},{row_id}{text}{written}"
    return Row(scope, text, written, _sha(whole)[:16], _sha(text), _sha(written))


@cache
def _part(name: str, text: str, span: Span) -> Part:
    mine = text[span[0] : span[1]]
    vector, address = model(name).vector(mine), address_of(name, mine)
    raw, tokens = vector.astype("<f4").tobytes(), len(mine.split())
    return Part(*span, _sha(text), address, tokens, 0, checksum_of(address, raw, tokens, 0), raw, sum_of(raw))


@cache
def _space_id(name: str) -> str:
    return model(name).space.id


def _sha(text: str) -> bytes:
    return hashlib.sha256(text.encode()).digest()


def _hash(*fields: str | bytes | int) -> bytes:
    """Of fields, each preceded by its length."""
    raw = [f.encode() if isinstance(f, str) else f.to_bytes(4, "little") if isinstance(f, int) else f for f in fields]
    return hashlib.sha256(b"".join(len(f).to_bytes(8, "little") + f for f in raw)).digest()
