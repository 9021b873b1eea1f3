"""Everything that a proof asks a model on this machine for: steps, each of some texts in one way."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import NamedTuple

import numpy as np

from idembed import native
from idembed.models.base import Model, Vectors
from idembed.models.checkpoint import Checkpoint
from idembed.models.prove import batches
from idembed.models.prove.child import Child, can_fork, can_spawn
from idembed.models.words.texts import WordTexts

__all__ = ["Ask", "LocalModel", "Step", "embedded", "random_step", "steps", "streamed"]

LocalModel = Checkpoint | WordTexts
Ask = Callable[[list[str]], Vectors]
"""Texts to their vectors, float32 [n, dim]."""

_CALLERS = 4
MOST_THREADS = 8
_SLOW = "scalar"
_SLOW_CHARACTERS = 300
"""So much of the shortest texts is enough for kernels that take seventy times as long."""


class Step(NamedTuple):
    """``ask`` for the texts at ``members`` at once."""

    way: str
    members: list[int]
    ask: Ask


def embedded(model: Model) -> Ask:
    """The vectors of texts as documents."""
    return lambda texts: model.embed(texts).vectors


def streamed(model: LocalModel) -> Ask:
    """The same, one after another from ``encode_iter``, which is given a stream."""
    prompt = model.settings.prompt_of("document") if isinstance(model, Checkpoint) else None
    unit = model.space.similarity == "cosine"
    return lambda texts: np.array(list(model.encode_iter(iter(texts), prompt=prompt, normalize_embeddings=unit)))


def steps(model: LocalModel, texts: Sequence[str]) -> Iterator[Step]:
    """Neighbours, order, streams, callers, threads, processes, instruction sets: the same steps every time."""
    everything = list(range(len(texts)))
    yield from _neighbours(model, texts)
    choose = random.Random(1)
    for _ in range(2):
        yield Step("all at once, shuffled", choose.sample(everything, len(texts)), embedded(model))
    for piece in batches.odd_pieces(choose.sample(everything, len(texts))):
        yield Step("streamed in odd pieces", piece, streamed(model))
    yield Step(f"by {_CALLERS} callers at once", choose.sample(everything, len(texts)), _by_callers(model))
    if isinstance(model, Checkpoint):
        for threads in range(1, MOST_THREADS + 1):
            name = f"on {threads} thread{'s' * (threads > 1)}"
            yield Step(name, choose.sample(everything, len(texts)), embedded(model.on(threads=threads)))
        yield from _processes(model, everything, choose)
    yield from _instructions(model, texts, choose)


def random_step(model: LocalModel, texts: Sequence[str], choose: random.Random) -> Step:
    """Any batch, on any number of threads, embedded or streamed."""
    ask = streamed if choose.random() < 0.25 else embedded
    if isinstance(model, Checkpoint):
        model = model.on(threads=choose.randint(1, MOST_THREADS))
    return Step("random batches", batches.random_batch(texts, choose), ask(model))


def _neighbours(model: LocalModel, texts: Sequence[str]) -> Iterator[Step]:
    ask = embedded(model)
    for n in range(len(texts)):
        yield Step("alone, once more", [n], ask)
    for members in batches.every_place(texts):
        yield Step("at every place of batches of 2 to 16, 32 and 64", members, ask)
    for members in batches.large(texts):
        yield Step(f"in batches of {batches.SIZES[0]} to {batches.SIZES[-1]:,}", members, ask)


def _by_callers(model: LocalModel) -> Ask:
    """Each caller asks for every fourth text, all at the same time."""

    def ask(texts: list[str]) -> Vectors:
        with ThreadPoolExecutor(_CALLERS) as pool:
            made = list(pool.map(embedded(model), [texts[n::_CALLERS] for n in range(_CALLERS)]))
        vectors = np.empty((len(texts), made[0].shape[1]), np.float32)
        for n, part in enumerate(made):
            vectors[n::_CALLERS] = part
        return vectors

    return ask


def _processes(model: Checkpoint, everything: list[int], choose: random.Random) -> Iterator[Step]:
    size = len(everything)
    if can_spawn():
        members = choose.sample(everything, size) + choose.sample(everything, size)
        yield Step("in 2 new processes at once", members, lambda texts: _spawned(model, texts[:size], texts[size:]))
    if can_fork():
        members = [n for _ in range(3) for n in choose.sample(everything, size)]
        parts = (slice(0, size), slice(size, 2 * size), slice(2 * size, None))
        yield Step(
            "in a process and 2 forks of it", members, lambda texts: _forked(model, [texts[part] for part in parts])
        )


def _spawned(model: Checkpoint, *lists: list[str]) -> Vectors:
    with Child(model, lists[:1]) as one, Child(model, lists[1:]) as other:
        return np.concatenate([one.vectors(), other.vectors()])


def _forked(model: Checkpoint, lists: list[list[str]]) -> Vectors:
    with Child(model, lists, fork=True) as child:
        return child.vectors()


def _instructions(model: LocalModel, texts: Sequence[str], choose: random.Random) -> Iterator[Step]:
    for isa in native.available_isas():
        members = choose.sample(range(len(texts)), len(texts))
        if isa == _SLOW and isinstance(model, Checkpoint):
            members = _shortest(texts)
        other = model.on(isa=isa) if isinstance(model, Checkpoint) else WordTexts(model.wv, model.name, isa=isa)
        yield Step(f"with {isa} instructions", members, embedded(other))


def _shortest(texts: Sequence[str]) -> list[int]:
    left, found = _SLOW_CHARACTERS, []
    for n in sorted(range(len(texts)), key=lambda n: len(texts[n].encode())):
        left -= len(texts[n].encode())
        if left < 0:
            break
        found.append(n)
    return found
