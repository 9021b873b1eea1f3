"""What a request is expected to take of the rate, and may cost: as was learned since its texts were looked at."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator

import pytest

from fakes.api import FakeApi
from idembed.models.api.adapter import Settings
from idembed.models.api.http import Http
from idembed.models.api.keys import KeyCredential
from idembed.models.api.pacing import Pacer
from idembed.models.api.registry import ADAPTERS
from idembed.models.api.transport import Transport
from idembed.models.base import Journal

DIM = 16
TEXTS = [f"text number {n} of many, in 128 requests of 32 texts each" for n in range(4096)]


class Paid(Journal):
    """What was set aside for each request in dollars, and what it cost, in the order in which they ended."""

    def __init__(self) -> None:
        self.settled: list[tuple[float, float]] = []

    def settle(self, reserved: float, dollars: float) -> None:
        self.settled.append((reserved, dollars))


class Noted(Pacer):
    """The tokens of every request that was admitted."""

    def __init__(self) -> None:
        super().__init__(ADAPTERS["compatible"].usual)
        self.tokens: list[int] = []

    def admit(self, inputs: int, tokens: int, stopped: Callable[[], bool], patience: float = math.inf) -> int:
        self.tokens.append(tokens)
        return super().admit(inputs, tokens, stopped, patience)


@pytest.fixture
def transport() -> Iterator[Transport]:
    with FakeApi() as fake:
        settings = Settings("m", fake.base("compatible"), DIM)
        adapter = ADAPTERS["compatible"]
        made = Transport(adapter, settings, lambda: KeyCredential(adapter, None), price=1.0, http=Http(adapter.title))
        made.__dict__["pacer"] = Noted()
        yield made
        made.http.close()


@pytest.mark.parametrize("ratio", [0.5, 1.0, 2.0])
def test_once_learned_enough_is_set_aside_and_not_much_more_taken_of_the_rate(
    transport: Transport, ratio: float
) -> None:
    transport.guess.begin(ratio)
    paid = Paid()
    transport.embed(TEXTS, "document", paid, dim=DIM)
    later = paid.settled[64:]
    assert len(later) == 64
    assert all(cost <= reserved <= 1.5 * cost for reserved, cost in later)
    costs = sorted(round(cost * 1e6) for _, cost in later)
    admitted = sorted(transport.pacer.tokens[64:])  # type: ignore[attr-defined]
    assert costs[0] <= admitted[0]
    assert admitted[-1] <= 1.15 * costs[-1]
