"""Texts to a provider and vectors back, through a provider that misbehaves."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np
import pytest

from fakes.api import FakeApi
from idembed.errors import ApiError, CostLimitError
from idembed.models.api.adapter import Settings
from idembed.models.api.http import Exchange, Http
from idembed.models.api.keys import KeyCredential
from idembed.models.api.pacing import Pacer
from idembed.models.api.registry import ADAPTERS
from idembed.models.api.transport import Spent, Transport
from idembed.models.base import Embedded, Journal, OnLong, never

DIM = 16
MODEL = "text-embedding-3-small"


@pytest.fixture
def fake() -> Iterator[FakeApi]:
    with FakeApi() as made:
        made.stall_seconds = 5.0
        yield made


@pytest.fixture
def transport(fake: FakeApi) -> Iterator[Transport]:
    made = to(fake)
    yield made
    made.http.close()


def to(fake: FakeApi, provider: str = "openai", model: str = MODEL, key: str = "", dim: int | None = DIM) -> Transport:
    adapter = ADAPTERS[provider]
    settings = Settings(model, fake.base(provider).rstrip("/"), dim)
    http = Http(adapter.title, seconds=5.0, read_seconds=0.5)
    transport = Transport(adapter, settings, lambda: KeyCredential(adapter, key or fake.key), price=0.02, http=http)
    transport.__dict__["pacer"] = Pacer(adapter.limits(settings))
    return transport


def ask(
    transport: Transport, texts: Sequence[str], on_long: OnLong = "cut", journal: Journal | None = None
) -> Embedded:
    return transport.embed(texts, "document", journal or Journal(), dim=DIM, on_long=on_long, patience=20.0)


def numbered(count: int) -> list[str]:
    return [f"text number {n} of many" for n in range(count)]


def right(fake: FakeApi, texts: Sequence[str]) -> np.ndarray:
    return np.stack([fake.vector("openai", MODEL, text, DIM) for text in texts])


def assert_right(fake: FakeApi, texts: Sequence[str], made: Embedded) -> None:
    assert not made.refused
    assert np.allclose(made.vectors, right(fake, texts), atol=1e-6)


@pytest.mark.parametrize(
    "fault",
    [
        "rate_limit",
        "rate_limit_bare",
        "server_error",
        "shuffle",
        "short",
        "long",
        "duplicate",
        "nan",
        "zero",
        "null",
        "wrong_width",
        "cut",
        "not_json",
        "slow",
        "stall",
    ],
)
def test_after_any_fault_every_vector_is_right(fake: FakeApi, transport: Transport, fault: str) -> None:
    texts = numbered(50)
    fake.next_fault(fault)
    assert_right(fake, texts, ask(transport, texts))
    assert len(fake.requests) <= 2


def test_a_good_answer_is_asked_for_once(fake: FakeApi, transport: Transport) -> None:
    texts = numbered(5000)
    assert_right(fake, texts, ask(transport, texts))
    assert sorted(len(request.texts) for request in fake.requests) == [904, 2048, 2048]


def test_a_vector_that_cannot_be_used_is_asked_for_alone(fake: FakeApi, transport: Transport) -> None:
    texts = numbered(50)
    fake.next_fault("nan")
    assert_right(fake, texts, ask(transport, texts))
    assert [len(request.texts) for request in fake.requests] == [50, 1]


def test_a_text_that_never_gets_a_vector_is_set_aside(fake: FakeApi, transport: Transport) -> None:
    for _ in range(3):
        fake.next_fault("nan")
    made = ask(transport, ["a text"])
    assert made.refused == {0: "a vector with NaN or infinity came back for it, 3 times"}
    assert len(fake.requests) == 3


def test_one_text_that_is_refused_is_found_and_the_others_go_on(fake: FakeApi, transport: Transport) -> None:
    texts = numbered(64)
    fake.refuse(texts[41])
    made = ask(transport, texts)
    assert list(made.refused) == [41]
    good = [n for n in range(64) if n != 41]
    assert np.allclose(made.vectors[good], right(fake, texts)[good], atol=1e-6)
    assert len(fake.requests) <= 2 * 6 + 1
    assert made.too_long == frozenset()


def test_an_empty_text_is_not_sent(fake: FakeApi, transport: Transport) -> None:
    made = ask(transport, ["", "a text"])
    assert made.refused == {0: "it is empty"}
    assert [request.texts for request in fake.requests] == [("a text",)]
    assert ask(transport, ["", ""]).refused == {0: "it is empty", 1: "it is empty"}


# Too long ------------------------------------------------------------------------------------------------


def test_a_text_that_is_too_long_is_cut_as_little_as_can_be_known(fake: FakeApi, transport: Transport) -> None:
    long = "wonderful words " * 5000
    made = ask(transport, ["short", long, "another"])
    assert not made.refused
    assert [receipt.truncated for receipt in made.receipts] == [False, True, False]
    (sent,) = [r.texts[0] for r in fake.requests if r.status == 200 and len(r.texts[0]) > 1000]
    assert long.startswith(sent)
    assert 0.75 * 8192 <= fake.tokens(sent) <= 8192
    assert np.allclose(made.vectors[1], fake.vector("openai", MODEL, sent, DIM), atol=1e-6)
    assert made.receipts[1].tokens_in_text > 8192


def test_a_text_that_is_too_long_is_refused_where_that_is_wanted(fake: FakeApi, transport: Transport) -> None:
    texts = ["short", "wonderful words " * 5000, "another"]
    made = ask(transport, texts, "refuse")
    assert list(made.refused) == [1]
    assert "tokens; text-embedding-3-small reads 8,192" in made.refused[1]
    assert made.too_long == {1}
    assert np.allclose(made.vectors[[0, 2]], right(fake, [texts[0], texts[2]]), atol=1e-6)


def test_texts_that_are_longer_than_guessed_cost_one_request_each(fake: FakeApi, transport: Transport) -> None:
    texts = numbered(20)
    texts[7] = "漢" * 9000
    transport.guess._ratio = 0.2  # it is far too low
    made = ask(transport, texts, "refuse")
    assert list(made.refused) == [7]
    assert len(fake.requests) <= 4


def test_where_texts_are_cut_in_silence_it_is_noticed(fake: FakeApi) -> None:
    transport = to(fake, "compatible", "any", dim=None)
    short = [f"some words of a text {n} " * 4 for n in range(160)]
    transport.embed(short, "document", Journal(), dim=None)
    long = "many different words in one text " * 200
    made = transport.embed(["a short one", long], "document", Journal(), dim=384)
    assert [receipt.truncated for receipt in made.receipts] == [False, True]
    refused = transport.embed(["a short one", long], "document", Journal(), dim=384, on_long="refuse")
    assert list(refused.refused) == [1]
    assert refused.too_long == {1}
    transport.http.close()


# Too much in a request -------------------------------------------------------------------------------------


def test_requests_keep_to_the_tokens_of_a_request(fake: FakeApi, transport: Transport) -> None:
    texts = [f"{n} " + "word " * 1000 for n in range(400)]
    assert_right(fake, texts, ask(transport, texts))
    assert max(request.tokens for request in fake.requests) <= 300_000
    assert sum(request.status == 200 for request in fake.requests) <= 4


def test_a_request_that_is_too_much_is_halved_and_the_limit_remembered(fake: FakeApi) -> None:
    transport = to(fake, "compatible", "any", dim=None)
    transport.limits = transport.limits.__class__(inputs=100)
    texts = numbered(200)
    made = transport.embed(texts, "document", Journal(), dim=384)
    assert not made.refused
    assert transport.limits.inputs <= 32
    failed = [request for request in fake.requests if request.status != 200]
    assert len(failed) <= 8
    transport.http.close()


# Errors that end it -----------------------------------------------------------------------------------------


def test_a_wrong_key_ends_it_at_once(fake: FakeApi) -> None:
    transport = to(fake, key="sk-wrong-key-abcdefgh")
    with pytest.raises(ApiError, match="status 401") as caught:
        ask(transport, numbered(10))
    assert "sk-wrong" not in str(caught.value)
    assert caught.value.facts["status"] == 401
    assert len(fake.requests) == 1
    transport.http.close()


def test_an_unknown_model_ends_it_at_once(fake: FakeApi) -> None:
    transport = to(fake, model="text-embedding-9")
    with pytest.raises(ApiError, match="OpenAI, text-embedding-9"):
        ask(transport, numbered(10))
    assert len(fake.requests) == 1
    transport.http.close()


def test_a_quota_that_is_used_up_is_not_waited_for(fake: FakeApi, transport: Transport) -> None:
    fake.out_of_quota = True
    began = time.monotonic()
    with pytest.raises(ApiError, match="quota"):
        ask(transport, numbered(10))
    assert len(fake.requests) == 1
    assert time.monotonic() - began < 10


def test_another_width_than_that_of_the_space_ends_it(fake: FakeApi, transport: Transport) -> None:
    with pytest.raises(ApiError, match="vectors of 16 numbers came back, this space has 20"):
        transport.embed(["a text"], "document", Journal(), dim=20, patience=20.0)


def test_when_every_text_is_refused_it_is_not_the_texts(fake: FakeApi, transport: Transport) -> None:
    texts = numbered(400)
    for text in texts:
        fake.refuse(text)
    with pytest.raises(ApiError, match="every text is refused"):
        ask(transport, texts)
    assert len(fake.requests) < 200


def test_a_provider_that_never_answers_is_given_up(
    fake: FakeApi, transport: Transport, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("idembed.models.api.pacing.backoff", lambda failures: 0.2)
    fake.faults(rate_limit_bare=1.0)
    with pytest.raises(ApiError, match=r"for 1 s|nothing may be sent for") as caught:
        transport.embed(["a text"], "document", Journal(), dim=DIM, patience=1.0)
    assert caught.value.hint in ("what was embedded is kept: run it again, and it goes on", "ask again later")


def test_what_it_takes_too_long_to_wait_for_is_for_somebody_else_to_decide(fake: FakeApi, transport: Transport) -> None:
    fake.retry_after = 7200.0
    fake.next_fault("rate_limit")
    with pytest.raises(ApiError, match=r"it asks to wait for 2.0 hours"):
        ask(transport, ["a text"])


def test_what_was_made_before_an_error_was_handed_over(fake: FakeApi, transport: Transport) -> None:
    class Keeps(Journal):
        def __init__(self) -> None:
            self.positions: list[int] = []

        def made(self, positions: Sequence[int], made: Embedded) -> None:
            self.positions.extend(positions)
            fake.out_of_quota = True

    keeps = Keeps()
    texts = numbered(2048 * 30)
    fake.latency = 0.02
    with pytest.raises(ApiError, match="quota"):
        ask(transport, texts, journal=keeps)
    answered = sum(len(request.texts) for request in fake.requests if request.status == 200)
    assert 0 < len(keeps.positions) == answered < len(texts)


# Waiting ----------------------------------------------------------------------------------------------------


def test_nobody_asks_before_the_time_that_was_told(
    fake: FakeApi, transport: Transport, monkeypatch: pytest.MonkeyPatch
) -> None:
    sent: list[float] = []
    refused: list[float] = []
    send = transport.http.send

    def timed(*arguments: Any) -> Exchange:
        sent.append(time.monotonic())
        exchange = send(*arguments)
        if exchange.status == 429:
            refused.append(time.monotonic())
        return exchange

    monkeypatch.setattr(transport.http, "send", timed)
    fake.retry_after = 0.6
    ask(transport, ["first"])
    fake.faults(rate_limit=0.3)
    texts = numbered(2048 * 12)
    assert_right(fake, texts, ask(transport, texts))
    assert refused
    for at in refused:
        # What was admitted just before the refusal was known may be sent just after it.
        assert not [begun for begun in sent if at + 0.3 < begun < at + 0.59]


# Money ------------------------------------------------------------------------------------------------------


class Purse(Journal):
    """Notes what is reserved and settled; has ``dollars``."""

    def __init__(self, dollars: float = 1e9) -> None:
        self.dollars = dollars
        self.reserved = 0.0
        self.spent = 0.0
        self.most_reserved = 0.0
        self.texts = 0
        self._lock = threading.Lock()

    def reserve(self, texts: int, dollars: float, stopped: Callable[[], bool] = never) -> None:
        with self._lock:
            if self.spent + self.reserved + dollars > self.dollars:
                raise CostLimitError("no more")
            self.reserved += dollars
            self.texts += texts
            self.most_reserved = max(self.most_reserved, self.spent + self.reserved)

    def settle(self, reserved: float, dollars: float) -> None:
        with self._lock:
            self.reserved -= reserved
            self.spent += dollars


def test_cost_is_reserved_before_and_settled_by_what_was_counted(fake: FakeApi, transport: Transport) -> None:
    purse, spent = Purse(), []
    transport.on_spent = lambda what, purpose: spent.append((what, purpose))
    texts = numbered(5000)
    ask(transport, texts, journal=purse)
    tokens = sum(map(fake.tokens, texts))
    assert purse.spent == pytest.approx(tokens * 0.02 / 1e6)
    assert purse.reserved == pytest.approx(0.0)
    assert purse.most_reserved >= purse.spent
    assert purse.texts == 5000
    assert spent == [(Spent(3, 5000, tokens, pytest.approx(purse.spent), False), "document")]


def test_a_text_that_is_asked_for_again_is_counted_once(fake: FakeApi, transport: Transport) -> None:
    purse = Purse()
    for fault in ("server_error", "short"):
        fake.next_fault(fault)
    ask(transport, numbered(10), journal=purse)
    assert purse.texts == 10


def test_nothing_is_sent_that_would_pass_the_limit(fake: FakeApi, transport: Transport) -> None:
    texts = numbered(2048 * 20)
    price = sum(map(fake.tokens, texts)) * 0.02 / 1e6
    purse = Purse(price / 2)
    with pytest.raises(CostLimitError):
        ask(transport, texts, journal=purse)
    assert 0 < purse.spent <= price / 2


def test_receipts_share_out_what_was_counted(fake: FakeApi, transport: Transport) -> None:
    texts = ["one", "two words", "a few more words than that"]
    made = ask(transport, texts)
    assert sum(receipt.tokens for receipt in made.receipts) == sum(map(fake.tokens, texts))
    assert all(receipt.tokens > 0 for receipt in made.receipts[1:])


# Ending -----------------------------------------------------------------------------------------------------


def test_ctrl_c_ends_it_at_once_and_keeps_what_came(fake: FakeApi, transport: Transport) -> None:
    class Interrupted(Journal):
        count = 0

        def made(self, positions: Sequence[int], made: Embedded) -> None:
            self.count += len(positions)
            raise KeyboardInterrupt

    fake.latency = 0.3
    journal = Interrupted()
    began = time.monotonic()
    with pytest.raises(KeyboardInterrupt):
        ask(transport, numbered(2048 * 40), journal=journal)
    assert time.monotonic() - began < 15
    assert journal.count == 2048
    time.sleep(0.5)
    asked = len(fake.requests)
    time.sleep(0.5)
    assert len(fake.requests) == asked


def test_several_threads_share_one_transport(fake: FakeApi, transport: Transport) -> None:
    results: dict[int, Embedded] = {}
    texts = {n: [f"thread {n} text {i}" for i in range(300)] for n in range(6)}
    threads = [threading.Thread(target=lambda n=n: results.update({n: ask(transport, texts[n])})) for n in texts]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for n, made in results.items():
        assert_right(fake, texts[n], made)
    assert len(results) == 6
