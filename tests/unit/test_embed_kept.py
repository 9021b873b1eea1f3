"""What an API made is written as it comes."""

from __future__ import annotations

from pathlib import Path
from typing import cast

import numpy as np
import pytest

from idembed.index import embed
from idembed.index.embed import Embedder
from idembed.models.base import Embedded, Journal, Model, OnLong, Receipt
from idembed.space import Side, Space
from idembed.stores.base import Generation
from idembed.vault import Vault

SPACE = Space("api", 2, "cosine", {"provider": "fake"})


class Slow(Model):
    """Says one text, and then for a long time nothing."""

    name = "slow"
    repeatable = False

    def __init__(self, vault: Vault) -> None:
        self.vault = vault
        self.kept: list[int] = []

    @property
    def space(self) -> Space:
        return SPACE

    def embed_with(
        self, texts: object, journal: Journal, side: Side = "document", *, on_long: OnLong = "cut"
    ) -> Embedded:
        made = Embedded(np.array([[0, 1], [1, 0]], np.float32), [Receipt(1), Receipt(1)])
        for position in (0, 1):
            journal.made([position], Embedded(made.vectors[position : position + 1], [Receipt(1)]))
            for _ in range(3):
                clock.now += 0.06
                journal.alive()
                self.kept.append(sum(stats.vectors for stats in self.vault.stats()))
        return made

    embed = receipts = embed_with  # type: ignore[assignment]


class Clock:
    now = 100.0

    def monotonic(self) -> float:
        return self.now


clock = Clock()


def test_what_an_api_made_is_written_within_a_tenth_of_a_second(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(embed, "time", clock)
    vault = Vault(tmp_path)
    model = Slow(vault)
    generation = cast(Generation, type("G", (), {"space": SPACE}))
    Embedder(generation, lambda: model, [], keep_in=vault).parts(
        [embed.Work("a", "one", [(0, 3)]), embed.Work("b", "two", [(0, 3)])]
    )
    assert model.kept == [0, 1, 1, 2, 2, 2]
