"""A provider that is down, busy, or refuses: no row is blamed for it, no storm breaks out, and it ends in time."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from scripted import DIM, Reply, good, refusal, scripted

import idembed
from fakes.api import FakeApi
from fakes.vertex import Vertex
from idembed import ApiError, Index
from idembed.models.api.adapter import Settings
from idembed.models.api.http import Http
from idembed.models.api.keys import KeyCredential
from idembed.models.api.model import ApiModel
from idembed.models.api.pacing import Pacer
from idembed.models.api.registry import ADAPTERS
from idembed.models.api.transport import Transport
from idembed.models.base import Embedded, Journal

TITAN = "bedrock:amazon.titan-embed-text-v2:0?dimensions=256"
MODEL = "text-embedding-3-small"
SMALL = f"openai:{MODEL}?dimensions=16"


@pytest.fixture
def fake(monkeypatch: pytest.MonkeyPatch) -> Iterator[FakeApi]:
    with FakeApi() as made:
        monkeypatch.setenv("OPENAI_BASE_URL", made.base("openai"))
        monkeypatch.setenv("OPENAI_API_KEY", made.key)
        monkeypatch.setenv("AWS_ENDPOINT_URL_BEDROCK_RUNTIME", made.base("bedrock"))
        monkeypatch.setenv("AWS_BEARER_TOKEN_BEDROCK", made.key)
        monkeypatch.setenv("AWS_REGION", "us-east-1")
        yield made


@pytest.fixture
def hasty(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody waits long."""
    for module in ("verdicts", "pacing", "call"):
        monkeypatch.setattr(f"idembed.models.api.{module}.backoff", lambda failures: 0.002)


def numbered(count: int) -> list[str]:
    return [f"text number {n} of many" for n in range(count)]


def rows(texts: list[str]) -> list[dict[str, str]]:
    return [{"id": f"r{n}", "text": text} for n, text in enumerate(texts)]


def ask(transport: Transport, texts: list[str], dim: int | None = DIM, patience: float = 20.0) -> Embedded:
    return transport.embed(texts, "document", Journal(), dim=dim, patience=patience)


def to(fake: FakeApi, provider: str, model: str, **extra: str) -> Transport:
    adapter = ADAPTERS[provider]
    settings = Settings(model, fake.base(provider).rstrip("/"), None, extra=extra)
    transport = Transport(
        adapter, settings, lambda: KeyCredential(adapter, fake.key), price=0.1, http=Http("A provider", seconds=5.0)
    )
    transport.__dict__["pacer"] = Pacer(adapter.limits(settings))
    return transport


# Nobody is blamed --------------------------------------------------------------------------------------------


@pytest.mark.usefixtures("hasty")
def test_a_text_that_was_refused_for_the_rate_and_then_met_an_outage_is_not_to_blame() -> None:
    def script(text: str, before: int) -> Reply:
        if text != "text number 3 of many" or before > 4:
            return good()
        return refusal(503) if before == 4 else refusal(429, retry_after="0.01")

    transport, http = scripted(script)
    made = ask(transport, numbered(60))
    assert not made.refused
    assert http.texts.count("text number 3 of many") == 6


@pytest.mark.usefixtures("hasty")
def test_half_of_all_requests_fail_and_no_text_is_to_blame(fake: FakeApi) -> None:
    model = idembed.load(TITAN)
    assert isinstance(model, ApiModel)
    model.encode("it is known")
    fake.faults(server_error=0.5)
    made = model.embed(numbered(60))
    assert not made.refused
    right = [fake.vector("bedrock", "amazon.titan-embed-text-v2:0", text, 256) for text in numbered(60)]
    assert np.allclose(made.vectors, np.stack(right), atol=1e-6)


@pytest.mark.usefixtures("hasty")
def test_in_an_outage_a_sync_deletes_no_row_and_an_upgrade_leaves_none_out(fake: FakeApi, tmp_path: Path) -> None:
    with Index(tmp_path / "a.db", SMALL) as index:
        index.sync(rows(numbered(60)))
        idembed.load(TITAN).encode("it is known")
        fake.faults("bedrock", server_error=0.5)
        report = index.upgrade(TITAN)
        assert (report.complete, report.embedded) == (True, 60)
        index.switch(force=True)
        report = index.sync(rows([f"{text}, changed" for text in numbered(60)]))
        assert (report.changed, report.deleted, report.aside) == (60, 0, ())
        assert len(index) == 60
        assert index.verify().ok


# No storm ----------------------------------------------------------------------------------------------------


def test_while_everything_fails_few_requests_are_sent() -> None:
    transport, http = scripted(lambda text, before: refusal(503))
    with pytest.raises(ApiError, match="Too busy"):
        ask(transport, numbered(100), patience=2.0)
    began = http.times[0]
    assert sum(at - began < 2.0 for at in http.times) < 25


def test_to_be_told_to_wait_for_no_time_again_and_again_is_no_leave_to_storm() -> None:
    transport, http = scripted(lambda text, before: refusal(429, retry_after="0"))
    with pytest.raises(ApiError, match="Too busy"):
        ask(transport, numbered(100), patience=3.0)
    began = http.times[0]
    assert sum(at - began < 3.0 for at in http.times) < 15


# Too much ----------------------------------------------------------------------------------------------------


def test_how_many_texts_are_taken_at_once_is_learned_soon(fake: FakeApi, monkeypatch: pytest.MonkeyPatch) -> None:
    few = replace(Vertex.models["text-embedding-005"], batch_inputs=5)
    monkeypatch.setattr(Vertex, "models", {**Vertex.models, "text-embedding-005": few})
    transport = to(fake, "vertex", "text-embedding-005", project="p", location="us-central1")

    class Purse(Journal):
        reserved = most = 0.0
        texts = 0

        def reserve(self, texts: int, dollars: float, stopped: object = None) -> None:
            self.texts += texts
            self.reserved += dollars
            self.most = max(self.most, self.reserved)

        def settle(self, reserved: float, dollars: float) -> None:
            self.reserved -= reserved

    purse, texts = Purse(), numbered(200)
    made = transport.embed(texts, "document", purse, dim=768, patience=20.0)
    transport.http.close()
    assert not made.refused
    assert sum(request.status != 200 for request in fake.requests) < 20
    assert transport.limits.inputs in (3, 4, 5)
    assert purse.texts == 200
    assert purse.most <= 2 * sum(map(fake.tokens, texts)) * 0.1 / 1e6
    assert purse.reserved == pytest.approx(0.0)


def test_more_than_a_minutes_tokens_at_once_are_sent_in_parts(fake: FakeApi) -> None:
    fake.limit("openai", tokens_per_minute=12_000)
    transport = to(fake, "openai", MODEL)
    transport.guess.begin(7 / 8)  # so that no time is lost by caution
    texts = [f"exactly seven tokens {n:07}" for n in range(1729)]
    assert sum(map(fake.tokens, texts)) == 12_103
    made = ask(transport, texts, dim=1536)
    transport.http.close()
    assert not made.refused
    assert np.allclose(made.vectors[-1], fake.vector("openai", MODEL, texts[-1], 1536), atol=1e-6)
    assert sum(request.status == 429 for request in fake.requests) <= 2


# It ends -----------------------------------------------------------------------------------------------------


def test_when_a_hundred_texts_are_refused_in_a_row_it_is_not_the_texts(fake: FakeApi) -> None:
    transport = to(fake, "openai", MODEL)
    assert not ask(transport, ["a text that is taken"], dim=1536).refused
    texts = numbered(100)
    for text in texts:
        fake.refuse(text)
    with pytest.raises(ApiError, match="every text is refused"):
        ask(transport, texts, dim=1536)
    transport.http.close()


def test_a_few_texts_that_are_refused_are_set_aside(fake: FakeApi) -> None:
    transport = to(fake, "openai", MODEL)
    texts = numbered(63)
    for text in texts:
        fake.refuse(text)
    assert len(ask(transport, texts, dim=1536).refused) == 63
    transport.http.close()


def test_an_error_ends_a_throttled_sync_at_once(fake: FakeApi, tmp_path: Path) -> None:
    model = idembed.load(SMALL)
    model.encode("it is known")
    fake.out_of_quota = True
    fake.latency = 0.3
    with Index(tmp_path / "a.db", model) as index:
        began = time.monotonic()
        with pytest.raises(ApiError, match="quota"):
            index.sync(rows(numbered(6000)), throttle=50)
        assert time.monotonic() - began < 10.0


@pytest.mark.parametrize("status", [429, 503])
def test_a_question_does_not_wait_as_long_as_the_provider_told_a_sync_to(status: int) -> None:
    transport, http = scripted(lambda text, before: refusal(status, retry_after="300"))
    began = time.monotonic()
    with pytest.raises(ApiError, match=r"Too busy\.: it asks to wait for 5 minutes"):
        ask(transport, ["a first question"], patience=60.0)
    with pytest.raises(ApiError, match=r"nothing may be sent for (299|30\d) s"):
        ask(transport, ["another"], patience=60.0)
    assert time.monotonic() - began < 5.0
    assert http.texts == ["a first question"]
