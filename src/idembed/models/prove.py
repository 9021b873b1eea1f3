"""Does a model repeat itself? A local one must give the same bytes however it is asked; of an API it is measured how
much its answers differ, and whether they are those of the model that was measured before."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from idembed import native
from idembed.models.api.evidence import CALLS, Evidence, cosines, evidence_of
from idembed.models.api.probes import PROBES
from idembed.models.base import Model, Vectors
from idembed.models.checkpoint import Checkpoint
from idembed.models.words.texts import WordTexts

if TYPE_CHECKING:
    from idembed.models.api.model import ApiModel

__all__ = ["ApiProof", "LocalProof", "Way", "prove_api", "prove_local"]

_SLOW = "scalar"
_SLOW_TEXTS = 4
"""So many of the shortest texts are enough for the kernels that take seventy times as long."""
_KNOWN_WORDS = 6
"""Words of a text that is made of those that a model knows."""


class Way(NamedTuple):
    """One way of asking: how many ``texts`` were asked for so, and whether all vectors had the ``same`` bytes."""

    name: str
    texts: int
    same: bool


@dataclass(frozen=True, slots=True)
class LocalProof:
    """``texts`` were embedded in several ``ways``; ``sha256`` is of all their vectors in the first of them, float32
    little-endian, one after another."""

    model: str
    space: str
    dim: int
    texts: int
    sha256: str
    ways: tuple[Way, ...]

    @property
    def same(self) -> int:
        """In how many ways all bytes were the same."""
        return sum(way.same for way in self.ways)

    @property
    def ok(self) -> bool:
        """Whether they were in all."""
        return self.same == len(self.ways)

    def as_dict(self) -> dict[str, Any]:
        """All of it, for JSON."""
        ways = [way._asdict() for way in self.ways]
        return {"kind": "local", **asdict(self), "ways": ways, "same": self.same, "ok": self.ok}


@dataclass(frozen=True, slots=True)
class ApiProof:
    """``texts`` were asked for ``calls`` times: ``noise`` is the lowest cosine between two answers to one of them, and
    ``identical`` of them had the same bytes every time. A cosine below ``warn_below`` is warned of, below
    ``refuse_below`` refused; by the evidence that is ``kept`` (the day it was measured, None: none is), else by this
    one. ``cosine``: the lowest between the answers and those that are kept; ``problem``: what is wrong, and
    ``advice`` what to do."""

    model: str
    dim: int
    texts: int
    calls: int
    noise: float
    identical: int
    warn_below: float
    refuse_below: float
    measured: str
    kept: str | None = None
    kept_noise: float | None = None
    cosine: float | None = None
    problem: str = ""
    advice: str = ""

    @property
    def ok(self) -> bool:
        """Whether it is the model that it was, as far as that is known."""
        return not self.problem

    @property
    def drifts(self) -> bool:
        """Whether it differs from before by more than its noise, and not by so much that it is another model."""
        return self.ok and self.cosine is not None and self.cosine < self.warn_below

    def as_dict(self) -> dict[str, Any]:
        """All of it, for JSON."""
        return {"kind": "api", **asdict(self), "ok": self.ok}


def prove_api(model: ApiModel) -> ApiProof:
    """Measure it now; nothing is kept. Raises ApiError."""
    answers = model.answers()
    now, kept = evidence_of(answers), model.kept
    identical = sum(all((answers[0][n] == other[n]).all() for other in answers) for n in range(len(PROBES)))
    limits = kept or now
    cosine = float(cosines(now.vectors, kept.vectors).min()) if kept and kept.dim == now.dim else None
    problem, advice = _problem(model, kept, now, cosine)
    return ApiProof(
        model.name,
        now.dim,
        len(PROBES),
        CALLS,
        now.noise,
        identical,
        limits.warn_below,
        limits.refuse_below,
        now.measured,
        kept.measured if kept else None,
        kept.noise if kept else None,
        cosine,
        problem,
        advice,
    )


def _problem(model: ApiModel, kept: Evidence | None, now: Evidence, cosine: float | None) -> tuple[str, str]:
    if kept is None:
        return "", ""
    if cosine is None:
        accept = f"idembed models accept '{model.newest_name}'"
        return f"{model.name} gives vectors of {now.dim} numbers, and gave {kept.dim} on {kept.measured}", accept
    if cosine >= kept.refuse_below:
        return "", ""
    error = model.changed(cosine, kept, kept.measured)
    return error.message, error.hint


def prove_local(model: Checkpoint | WordTexts, progress: Callable[[int, int], None] | None = None) -> LocalProof:
    """Embed some texts in every way that there is; ``progress`` gets how many are done, and of how many."""
    texts = _texts(model)
    asked = [*_orders(model), *_machines(model)]
    first = _embedded(model, texts)
    ways = [Way("all at once", len(texts), True)]
    for name, embed, few in asked:
        if progress is not None:
            progress(len(ways), len(asked) + 1)
        some = sorted(range(len(texts)), key=lambda n: len(texts[n]))[:_SLOW_TEXTS] if few else range(len(texts))
        found = embed([texts[n] for n in some])
        ways.append(Way(name, len(some), found.tobytes() == first[list(some)].tobytes()))
    digest = hashlib.sha256(first.astype("<f4", copy=False).tobytes()).hexdigest()
    return LocalProof(model.name, model.space.id, first.shape[1], len(texts), digest, tuple(ways))


_Asked = tuple[str, Callable[[list[str]], Vectors], bool]
"""The name of a way, how texts are asked for in it, and whether only few of them are."""


def _embedded(model: Model, texts: Sequence[str]) -> Vectors:
    return model.embed(texts).vectors


def _orders(model: Model) -> Iterator[_Asked]:
    """With other neighbours in the batch."""
    yield "one by one", lambda texts: np.concatenate([_embedded(model, [text]) for text in texts]), False
    yield "five at a time", lambda texts: _pieces(model, texts, 5), False
    yield "in the opposite order", lambda texts: _embedded(model, texts[::-1])[::-1], False
    yield "each beside the longest", lambda texts: _beside_the_longest(model, texts), False


def _pieces(model: Model, texts: list[str], size: int) -> Vectors:
    return np.concatenate([_embedded(model, texts[at : at + size]) for at in range(0, len(texts), size)])


def _beside_the_longest(model: Model, texts: list[str]) -> Vectors:
    longest = max(texts, key=len)
    return _embedded(model, [text for pair in texts for text in (longest, pair)])[1::2]


def _machines(model: Checkpoint | WordTexts) -> Iterator[_Asked]:
    """With other threads, and with every instruction set that this machine has."""
    if isinstance(model, Checkpoint):
        for threads in (1, 2, 3):
            yield f"on {threads} thread{'s' * (threads > 1)}", _remade(model, threads, None), False
    for isa in native.available_isas():
        yield f"with {isa} instructions", _remade(model, None, isa), isa == _SLOW and isinstance(model, Checkpoint)


def _remade(model: Checkpoint | WordTexts, threads: int | None, isa: str | None) -> Callable[[list[str]], Vectors]:
    """Asks the same model, opened anew."""

    def ask(texts: list[str]) -> Vectors:
        if isinstance(model, WordTexts):
            return _embedded(WordTexts(model.wv, model.name, isa=isa), texts)
        return _embedded(Checkpoint(model.files, model.name, profile=model.profile, threads=threads, isa=isa), texts)

    return ask


def _texts(model: Model) -> list[str]:
    """The probes; of word vectors those that have a known word, and in the others' stead texts of known words."""
    if not isinstance(model, WordTexts):
        return list(PROBES)
    receipts = model.receipts(PROBES)
    found = [text for text, receipt in zip(PROBES, receipts, strict=True) if receipt.tokens]
    words = model.wv.index_to_key
    for at in range(len(PROBES) - len(found)):
        text = " ".join(words[(at * _KNOWN_WORDS + n) % len(words)] for n in range(_KNOWN_WORDS))
        found += [text] if model.receipts([text])[0].tokens else []
    return found
