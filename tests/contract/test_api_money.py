"""What is paid for: no more than is allowed, nearly as much as is allowed, told truly, and never twice."""

from __future__ import annotations

import logging
import shutil
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

import idembed
from fakes.api import FakeApi
from idembed import ApiError, CostLimitError, Index
from idembed.models.api.adapter import Limits
from idembed.models.api.http import Exchange, Http
from idembed.models.api.model import ApiModel
from idembed.models.api.probes import PROBES
from idembed.models.api.spend import spendings
from idembed.models.base import Journal, never

MODEL = "text-embedding-3-small"
SMALL = f"openai:{MODEL}?dimensions=16"
PRICE = 0.02 / 1e6
ROWS = [{"id": f"r{n}", "text": f"text number {n} of some"} for n in range(2000)]


@pytest.fixture
def fake(monkeypatch: pytest.MonkeyPatch) -> Iterator[FakeApi]:
    with FakeApi() as made:
        monkeypatch.setenv("OPENAI_BASE_URL", made.base("openai"))
        monkeypatch.setenv("OPENAI_API_KEY", made.key)
        yield made


@pytest.fixture
def model(fake: FakeApi) -> ApiModel:
    """It is known, and takes 50 texts a request."""
    made = idembed.load(SMALL)
    assert isinstance(made, ApiModel)
    made.encode("it is known")
    made.transport.limits = Limits(inputs=50, tokens=300_000, text_tokens=8192)
    return made


def asked(fake: FakeApi, *, answered: bool = False) -> Counter[str]:
    """How often each text was asked for, or answered."""
    return Counter(
        text
        for request in fake.requests
        for text in request.texts
        if text not in PROBES and text != "it is known" and (request.status == 200 or not answered)
    )


def price(fake: FakeApi, rows: list[dict[str, str]]) -> float:
    return sum(fake.tokens(row["text"]) for row in rows) * PRICE


def ledger() -> float:
    return sum(spending.dollars or 0.0 for spending in spendings())


# A limit of cost ---------------------------------------------------------------------------------------------


def test_a_limit_is_nearly_used_up_never_passed_and_what_was_spent_is_told_truly(
    fake: FakeApi, model: ApiModel, tmp_path: Path
) -> None:
    limit, before = price(fake, ROWS) / 2, ledger()
    with Index(tmp_path / "a.db", model) as index:
        with pytest.raises(CostLimitError) as caught:
            index.sync(ROWS, max_cost=limit)
        spent = ledger() - before
        assert 0.8 * limit <= spent <= limit
        assert limit - spent <= 2 * price(fake, ROWS[-50:])
        assert caught.value.facts["spent"] == pytest.approx(spent)
        assert len(index) == len(asked(fake))


def test_one_request_that_is_dearer_than_what_is_left_is_taken_apart(
    fake: FakeApi, model: ApiModel, tmp_path: Path
) -> None:
    model.transport.limits = Limits(inputs=2048, tokens=300_000, text_tokens=8192)
    limit, before = price(fake, ROWS) / 2, ledger()
    with Index(tmp_path / "a.db", model) as index:
        with pytest.raises(CostLimitError):
            index.sync(ROWS, max_cost=limit)
        assert 0.8 * limit <= ledger() - before <= limit
        assert len(index) > 800


def test_no_more_is_set_aside_for_a_text_than_the_model_reads(fake: FakeApi, model: ApiModel) -> None:
    class Purse(Journal):
        most = 0.0

        def reserve(self, texts: int, dollars: float, stopped: object = never) -> None:
            self.most = max(self.most, dollars)

    purse = Purse()
    (receipt,) = model.embed_with(["wonderful words " * 655_360], purse).receipts
    assert receipt.truncated
    assert 0 < purse.most <= 8192 * PRICE * 1.0001


def test_nothing_may_be_spent_and_nothing_is_asked_for(fake: FakeApi, tmp_path: Path) -> None:
    with Index(tmp_path / "a.db", SMALL) as index, pytest.raises(CostLimitError):
        index.sync(ROWS[:10], max_cost=0)
    assert fake.requests == []
    assert ledger() == 0.0


# What was paid for is kept -----------------------------------------------------------------------------------


def fail_after(monkeypatch: pytest.MonkeyPatch, fake: FakeApi, model: ApiModel, requests: int) -> None:
    """After so many more requests the quota is used up."""
    send: Callable[..., Exchange] = Http.send.__get__(model.transport.http)
    sent: list[int] = []

    def counted(*arguments: Any) -> Exchange:
        sent.append(1)
        if len(sent) > requests:
            fake.out_of_quota = True
        return send(*arguments)

    monkeypatch.setattr(model.transport.http, "send", counted)


def test_without_a_vault_what_was_made_before_an_error_is_in_the_index(
    fake: FakeApi, model: ApiModel, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fail_after(monkeypatch, fake, model, 12)
    with Index(tmp_path / "a.db", model, vault="none") as index:
        with pytest.raises(ApiError, match="quota"):
            index.sync(ROWS)
        made = asked(fake, answered=True)
        assert 0 < len(made) < 2000
        assert len(index) == len(made)
        fail_after(monkeypatch, fake, model, 10_000)
        fake.out_of_quota = False
        index.sync(ROWS)
        assert len(index) == 2000
    again = asked(fake, answered=True)
    assert len(again) == 2000
    assert set(again.values()) == {1}


def test_where_the_vault_cannot_be_written_the_index_keeps_what_was_paid_for(
    fake: FakeApi, model: ApiModel, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    vault = tmp_path / "vault"
    with Index(tmp_path / "a.db", model, vault=vault) as index:
        index.sync(ROWS[:100], allow_mass_deletion=True)
    shutil.rmtree(vault)
    vault.write_text("a file in its place")
    with caplog.at_level(logging.WARNING), Index(tmp_path / "a.db", model, vault=vault) as index:
        assert index.sync(ROWS[:300]).embedded == 200
        assert len(index) == 300
        assert index.sync(ROWS[:300]).embedded == 0
        assert index.verify().ok
    assert "is kept in the index alone" in caplog.text
    assert set(asked(fake).values()) == {1}
