"""Texts into requests: by count, by tokens, and by bytes."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from idembed.models.api.adapter import Limits

__all__ = ["Item", "Pack", "json_bytes", "packed"]

_LONE = 0.9
"""A text that is guessed to have more than this share of the tokens that the model reads goes alone: should it be too
long, it fails no other."""


@dataclass(slots=True)
class Item:
    """One text on its way: ``position`` among those that were asked for; ``sent`` is what is left of it where it was
    cut; ``tokens`` by guess; ``failures`` of its own."""

    position: int
    text: str
    tokens: int
    sent: str = ""
    cut: bool = False
    cuts: int = 0
    failures: int = 0
    is_counted: bool = False
    """Whether it was told to the journal."""

    def __post_init__(self) -> None:
        self.sent = self.sent or self.text


@dataclass(slots=True)
class Pack:
    """Texts of one request. It failed for the first time at ``since`` and last at ``failed_at`` (0: never);
    ``attempts`` are its failures while others got through, ``failures`` all but those for the rate, which are
    ``refusals``; ``peeled`` texts were taken out."""

    items: list[Item]
    since: float = 0.0
    failed_at: float = 0.0
    attempts: int = 0
    failures: int = 0
    refusals: int = 0
    peeled: int = 0

    @property
    def tokens(self) -> int:
        """By guess."""
        return sum(item.tokens for item in self.items)

    def halves(self) -> list[Pack]:
        """Two packs of it."""
        middle = len(self.items) // 2
        return [Pack(self.items[:middle]), Pack(self.items[middle:])]

    def without(self, one: Item) -> list[Pack]:
        """One text alone, and the others."""
        return [Pack([item for item in self.items if item is not one], peeled=self.peeled + 1), Pack([one])]


def packed(items: Iterable[Item], limits: Limits, high: float, alone: int | None = None) -> Iterator[Pack]:
    """The items in packs, in order; ``high``: by how much more than the guess the tokens of a pack may be. Texts of
    ``alone`` tokens or more, and those near the most that the model reads, go alone."""
    pack: list[Item] = []
    tokens = size = 0
    for item in items:
        needs, weighs = item.tokens, json_bytes(item.sent)
        near = limits.text_tokens is not None and needs * high > limits.text_tokens * _LONE
        if near or (alone is not None and needs >= alone):
            yield Pack([item])
            continue
        full = (
            len(pack) >= limits.inputs
            or (limits.tokens is not None and (tokens + needs) * high > limits.tokens)
            or size + weighs > limits.bytes
        )
        if pack and full:
            yield Pack(pack)
            pack, tokens, size = [], 0, 0
        pack.append(item)
        tokens += needs
        size += weighs
    if pack:
        yield Pack(pack)


def json_bytes(text: str) -> int:
    """What a text takes in a request, with its quotes and comma."""
    if text.isascii() and text.isprintable() and '"' not in text and "\\" not in text:
        return len(text) + 4
    return len(json.dumps(text, ensure_ascii=False).encode("utf-8", "surrogatepass")) + 2
