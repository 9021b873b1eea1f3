"""Does a model on this machine repeat itself? Each text alone, then in every way that there is, bytes compared."""

from __future__ import annotations

import hashlib
import random
import time
import warnings
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from idembed.models.base import TruncationWarning, Vectors
from idembed.models.prove import golden
from idembed.models.prove.asked import LocalModel, Step, embedded, random_step, steps, streamed
from idembed.models.prove.golden import Golden
from idembed.models.prove.tally import Tally, Way
from idembed.models.prove.texts import TEXTS
from idembed.models.texts import chunked
from idembed.models.words.texts import WordTexts

__all__ = ["LocalProof", "Progress", "prove_local"]

Progress = Callable[[str, int, int | None, str], None]
"""Given a phase, how much of it is done, of how much (None: not known), and of what."""

_KNOWN_WORDS = 6
"""Words of a text that is made of those that a model knows."""
_SAMPLE = 100
"""So many of somebody's own texts go through everything; all others are embedded alone, in batches and streamed."""


@dataclass(frozen=True, slots=True)
class LocalProof:
    """``texts`` fixed ones and ``own_texts`` that were given were embedded alone, and again in several ``ways``.

    ``sha256`` is of the vectors of the fixed texts, float32 little-endian, one after another; ``golden`` what is known
    of it. ``stopped``: Ctrl-C came before the end.
    """

    model: str
    space: str
    profile: str
    weights: str
    dim: int
    texts: int
    own_texts: int
    left_out: int
    """Of the own texts: those of no word that the model knows."""
    sha256: str
    golden: Golden
    ways: tuple[Way, ...]
    seconds: float
    stopped: bool

    @property
    def vectors(self) -> int:
        """How many vectors were compared with those of their texts alone."""
        return sum(way.vectors for way in self.ways)

    @property
    def differing_vectors(self) -> int:
        """How many of them were others."""
        return sum(way.differing for way in self.ways)

    @property
    def differing_bits(self) -> int:
        """In how many bits they differed."""
        return sum(way.bits for way in self.ways)

    @property
    def ok(self) -> bool:
        """Whether no bit differed, from the golden ones neither."""
        return not self.differing_vectors and self.golden.state != "differs"

    def as_dict(self) -> dict[str, Any]:
        """All of it, for JSON; ``manifest`` is what ``golden.json`` records."""
        names = ("model", "space", "profile", "dim", "texts", "own_texts", "left_out", "sha256", "stopped", "ok")
        counts = ("vectors", "differing_vectors", "differing_bits")
        return {
            "kind": "local",
            **{name: getattr(self, name) for name in (*names, *counts)},
            "seconds": round(self.seconds, 1),
            "golden": self.golden._asdict(),
            "manifest": {name: getattr(self, name) for name in golden.FIELDS},
            "ways": [way._asdict() for way in self.ways],
        }


def prove_local(
    model: LocalModel,
    own_texts: Iterable[str] = (),
    *,
    minutes: float = 0,
    progress: Progress | None = None,
) -> LocalProof:
    """Embed the fixed texts, and ``own_texts``, in every way that there is, then random batches until ``minutes`` are
    over since the call. Ctrl-C ends it with what was compared so far, unless that is nothing yet (KeyboardInterrupt).
    """
    began = time.monotonic()
    tell = progress or (lambda phase, done, total, unit: None)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", TruncationWarning)  # texts longer than a model reads are among them
        texts = fixed_texts(model)
        tell("each text alone", 0, None, "texts")
        fixed, alone = len(texts), _alone(model, texts)
        sha256 = hashlib.sha256(alone.astype("<f4", copy=False).tobytes()).hexdigest()
        own = _Own(model, own_texts)
        tally, stopped = Tally(), False
        try:
            own.compare(tally, tell)
            texts, alone = [*texts, *own.sample], np.concatenate([alone, own.vectors(alone.shape[1])])
            names = [f"text {n}" for n in range(fixed)] + [f"own text {n}" for n in own.numbers]
            _all_steps(model, texts, names, alone, tally, tell)
            _until(began, 60 * minutes, model, texts, names, alone, tally, tell)
        except KeyboardInterrupt:
            if not tally.vectors:
                raise
            stopped = True
    return LocalProof(
        model=model.name,
        space=model.space.id,
        profile=str(model.space.facts["profile"]),
        weights=str(model.space.facts["weights"]),
        dim=alone.shape[1],
        texts=fixed,
        own_texts=own.count,
        left_out=own.left_out,
        sha256=sha256,
        golden=golden.compare(model.space, sha256),
        ways=tally.ways,
        seconds=time.monotonic() - began,
        stopped=stopped,
    )


def fixed_texts(model: LocalModel) -> list[str]:
    """The fixed texts; of word vectors those that have a known word, and in the others' stead texts of known words."""
    if not isinstance(model, WordTexts):
        return list(TEXTS)
    found = [text for text, receipt in zip(TEXTS, model.receipts(TEXTS), strict=True) if receipt.tokens]
    words = model.wv.index_to_key
    for at in range(len(TEXTS) - len(found)):
        text = " ".join(words[(at * _KNOWN_WORDS + n) % len(words)] for n in range(_KNOWN_WORDS))
        found += [text] if model.receipts([text])[0].tokens else []
    return found


def _alone(model: LocalModel, texts: Sequence[str]) -> Vectors:
    return np.concatenate([model.embed([text]).vectors for text in texts])


def _all_steps(
    model: LocalModel, texts: list[str], names: list[str], alone: Vectors, tally: Tally, tell: Progress
) -> None:
    total = sum(len(step.members) for step in steps(model, texts))
    before = tally.vectors
    for step in steps(model, texts):
        tell(step.way, tally.vectors - before, total, "vectors")
        _take(step, texts, names, alone, tally)


def _until(
    began: float,
    seconds: float,
    model: LocalModel,
    texts: list[str],
    names: list[str],
    alone: Vectors,
    tally: Tally,
    tell: Progress,
) -> None:
    choose = random.Random(60)
    while (passed := time.monotonic() - began) < seconds:
        tell("random batches", int(passed), int(seconds), "s")
        _take(random_step(model, texts, choose), texts, names, alone, tally)


def _take(step: Step, texts: list[str], names: list[str], alone: Vectors, tally: Tally) -> None:
    found = step.ask([texts[n] for n in step.members])
    size = len(step.members)
    tally.compare(
        step.way,
        found,
        alone[step.members],
        lambda row: f"{names[step.members[row]]} at place {row} of {size}",
    )


class _Own:
    """Somebody's own texts, which may be more than memory holds: a part at a time, and a fair sample of them, with the
    ``numbers`` by which they are found again: 0 is the first, those that were left out counted."""

    def __init__(self, model: LocalModel, texts: Iterable[str]) -> None:
        self.model = model
        self.count = self.left_out = 0
        self.sample: list[str] = []
        self.numbers: list[int] = []
        self._texts = texts
        self._kept: list[Vectors] = []

    def compare(self, tally: Tally, tell: Progress) -> None:
        choose = random.Random(5)
        ask, stream = embedded(self.model), streamed(self.model)
        for part in chunked(self._texts):
            first = self.count + self.left_out
            numbers = [first + n for n in self._readable(part)]
            known = [part[n - first] for n in numbers]
            if not known:
                continue
            tell("own texts", self.count, None, "texts")
            alone = _alone(self.model, known)
            order = choose.sample(range(len(known)), len(known))
            shuffled = [known[n] for n in order]

            def where(row: int, order: list[int] = order, numbers: list[int] = numbers) -> str:
                return f"own text {numbers[order[row]]} at place {row} of {len(order)}"

            tally.compare("own texts, shuffled", ask(shuffled), alone[order], where)
            tally.compare("own texts, streamed", stream(shuffled), alone[order], where)
            self._sample(numbers, known, alone, choose)

    def vectors(self, dim: int) -> Vectors:
        """Those of the sample, alone."""
        return np.array(self._kept, np.float32).reshape(len(self.sample), dim)

    def _readable(self, part: list[str]) -> list[int]:
        """The places of those that have a vector."""
        if self.model.reads_every_text:
            return list(range(len(part)))
        known = [place for place, receipt in enumerate(self.model.receipts(part)) if receipt.tokens]
        self.left_out += len(part) - len(known)
        return known

    def _sample(self, numbers: list[int], known: list[str], alone: Vectors, choose: random.Random) -> None:
        """Each text that was seen is in the sample with the same chance (Vitter's algorithm R)."""
        for number, text, vector in zip(numbers, known, alone, strict=True):
            self.count += 1
            if len(self.sample) < _SAMPLE:
                self.sample.append(text)
                self.numbers.append(number)
                self._kept.append(vector.copy())  # a row of an array would keep all of it
            elif (place := choose.randrange(self.count)) < _SAMPLE:
                self.sample[place], self.numbers[place], self._kept[place] = text, number, vector.copy()
