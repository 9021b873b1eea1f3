"""Is it the model that made the vectors? Found out by an index from elsewhere, in the middle of a sync, by its name."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import idembed
from fakes.api import FakeApi
from idembed import Index, ModelChangedError
from idembed.models.api.http import Exchange
from idembed.models.api.model import ApiModel
from idembed.models.api.probes import PROBES
from idembed.models.base import Journal, TruncationWarning
from idembed.space import address
from idembed.vault import Vault

MODEL = "text-embedding-3-small"
SMALL = f"openai:{MODEL}?dimensions=16"
ROWS = [{"id": f"r{n}", "text": f"text number {n} of some"} for n in range(40)]
MORE = [*ROWS, {"id": "new", "text": "a new text"}]


@pytest.fixture
def fake(monkeypatch: pytest.MonkeyPatch) -> Iterator[FakeApi]:
    with FakeApi() as made:
        monkeypatch.setenv("OPENAI_BASE_URL", made.base("openai"))
        monkeypatch.setenv("OPENAI_API_KEY", made.key)
        yield made


@pytest.fixture(params=["openai", "compatible"])
def name(request: pytest.FixtureRequest, fake: FakeApi) -> str:
    """A model whose width is known, and one whose is not."""
    return SMALL if request.param == "openai" else f"{fake.base('compatible')}#any"


def load(name: str = SMALL) -> ApiModel:
    model = idembed.load(name)
    assert isinstance(model, ApiModel)
    return model


def asked(fake: FakeApi) -> list[str]:
    return [text for request in fake.requests for text in request.texts if text not in PROBES]


def build(path: Path, name: str) -> None:
    with Index(path, name) as index:
        index.sync(ROWS)


# An index from elsewhere -------------------------------------------------------------------------------------


def test_a_machine_that_knows_the_changed_model_finds_out_that_the_index_is_older(
    fake: FakeApi, name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    build(tmp_path / "a.db", name)
    fake.change_model(name.partition("#")[2] or MODEL)
    monkeypatch.setenv("IDEMBED_DATA", str(tmp_path / "another machine"))
    load(name).encode("it is the changed one that is known here")
    count = len(asked(fake))
    with Index(tmp_path / "a.db") as index:
        with pytest.raises(ModelChangedError, match="when the vectors that are kept were made"):
            index.search("text number 7 of some")
        with pytest.raises(ModelChangedError):
            index.sync(MORE)
        assert len(index) == 40
        assert index.get("new") is None
    assert "a new text" not in asked(fake)[count:]
    assert not (tmp_path / "another machine" / "vault").exists()


def test_a_sync_finds_it_out_too(fake: FakeApi, name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    build(tmp_path / "a.db", name)
    fake.change_model(name.partition("#")[2] or MODEL)
    monkeypatch.setenv("IDEMBED_DATA", str(tmp_path / "another machine"))
    load(name).encode("it is the changed one that is known here")
    with Index(tmp_path / "a.db") as index:
        with pytest.raises(ModelChangedError):
            index.sync(MORE)
        assert len(index) == 40
    assert "a new text" not in asked(fake)


def test_an_index_is_compared_once_a_machine(
    fake: FakeApi, name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    build(tmp_path / "a.db", name)
    monkeypatch.setenv("IDEMBED_DATA", str(tmp_path / "another machine"))
    with Index(tmp_path / "a.db") as index:
        index.search("first")
        count = len(asked(fake))
        index.search("second")
    with Index(tmp_path / "a.db") as index:
        index.search("third")
        index.sync(MORE)
    assert asked(fake)[count:] == ["second", "third", "a new text"]


def test_an_index_that_was_closed_is_no_witness_for_another(
    fake: FakeApi, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    build(tmp_path / "a.db", SMALL)
    build(tmp_path / "b.db", SMALL)
    monkeypatch.setenv("IDEMBED_DATA", str(tmp_path / "another machine"))
    model = load()
    with Index(tmp_path / "a.db", model) as index:
        assert index.model is model
    with Index(tmp_path / "b.db", model) as index:
        assert index.search("text number 7 of some", k=1)[0].id == "r7"
    with Index(tmp_path / "a.db", model) as index:
        assert index.search("text number 8 of some", k=1)[0].id == "r8"
    fake.change_model(MODEL)
    monkeypatch.setenv("IDEMBED_DATA", str(tmp_path / "a third machine"))
    model = load()
    model.encode("it is the changed one that is known here")
    for _ in range(2):
        with Index(tmp_path / "a.db", model) as index:
            assert index.model is model
    with Index(tmp_path / "a.db", model) as index, pytest.raises(ModelChangedError):
        index.search("it is met though it was closed before")


# In the middle -----------------------------------------------------------------------------------------------


def test_a_model_that_changes_in_the_middle_of_a_sync_leaves_nothing_of_it(
    fake: FakeApi, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    rows = [{"id": f"r{n}", "text": f"text number {n} of some"} for n in range(2000)]
    model = load()
    model.encode("it is known")
    model.transport.limits = model.transport.limits.__class__(inputs=50)
    sent = []
    send = model.transport.http.send

    def counted(*arguments: Any) -> Exchange:
        sent.append(1)
        if len(sent) == 20:
            fake.change_model(MODEL)
        return send(*arguments)

    monkeypatch.setattr(model.transport.http, "send", counted)
    with Index(tmp_path / "a.db", model, vault=tmp_path / "vault") as index:
        with pytest.raises(ModelChangedError):
            index.sync(rows)
        assert len(index) == 0
    monkeypatch.setattr(model.transport.http, "send", send)
    places = {address(model.space.id, "document", row["text"]): row["text"] for row in rows}
    assert Vault(tmp_path / "vault").get(model.space.id, list(places)) == {}
    fake._generations.clear()  # it is back
    with Index(tmp_path / "a.db", SMALL, vault=tmp_path / "vault") as index:
        assert index.sync(rows).embedded == 2000
    kept = Vault(tmp_path / "vault").get(model.space.id, list(places))
    assert len(kept) == 2000
    for place, text in places.items():
        assert np.allclose(kept[place].vector, fake.vector("openai", MODEL, text, 16), atol=1e-6)


def test_what_was_there_before_stays_when_the_model_changes_in_the_middle(
    fake: FakeApi, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    rows = [{"id": f"n{n}", "text": f"another text, number {n}"} for n in range(2000)]
    with Index(tmp_path / "a.db", SMALL, vault=tmp_path / "vault") as index:
        index.sync(ROWS)
        right = {text: fake.vector("openai", MODEL, text, 16) for text in (row["text"] for row in ROWS)}
        space = index.space
        assert space is not None
        model = load()
    with Index(tmp_path / "a.db", model, vault=tmp_path / "vault") as index:
        model.transport.limits = model.transport.limits.__class__(inputs=50)
        monkeypatch.setattr(fake, "latency", 0.01)
        index.search("it is known")

        def change(progress: object) -> None:
            if len(asked(fake)) > 500 and not fake._generations:
                fake.change_model(MODEL)

        with pytest.raises(ModelChangedError):
            index.sync([*ROWS, *rows], progress=change)
        assert len(index) == 40
        assert index.verify().ok
    kept = Vault(tmp_path / "vault").get(space.id, [address(space.id, "document", text) for text in right])
    assert len(kept) == 40
    for text, vector in right.items():
        assert np.allclose(kept[address(space.id, "document", text)].vector, vector, atol=1e-6)
    assert not Vault(tmp_path / "vault").get(space.id, [address(space.id, "document", row["text"]) for row in rows])


# Cut in silence ----------------------------------------------------------------------------------------------


def test_a_text_that_is_cut_in_silence_is_noticed_by_a_fresh_process(fake: FakeApi) -> None:
    name = f"{fake.base('compatible')}#any"
    load(name).encode("a first text")
    model = load(name)
    assert model.space.dim == 384
    before = model.transport.guess.ratio
    made = model.embed(["many different words in one text " * 200])
    assert made.receipts[0].truncated
    assert made.receipts[0].tokens == 512
    assert model.transport.guess.ratio > 0.8 * before


def test_as_many_tokens_as_a_window_are_no_cut_where_more_was_read_before(fake: FakeApi) -> None:
    model = load(f"{fake.base('compatible')}#any")
    model.encode("a first text")
    ask = model.transport.embed
    ratio = model.transport.guess.ratio
    assert ask(["word" * 450], "document", Journal(), dim=384).receipts[0].truncated is False
    model.transport.guess._ratio = 1.05 * ratio  # it is guessed a little too long
    (receipt,) = ask(["word" * 384], "document", Journal(), dim=384).receipts
    assert (receipt.tokens, receipt.truncated) == (384, False)


def test_vectors_of_texts_that_were_cut_are_passed_over_by_verify(fake: FakeApi, tmp_path: Path) -> None:
    rows = [*ROWS, {"id": "long", "text": "wonderful words " * 5000}]
    with Index(tmp_path / "a.db", SMALL, split=0) as index:
        with pytest.warns(TruncationWarning):
            index.sync(rows)
        found = index.verify(everything=True)
        assert found.ok
        assert found.compared == {1: 40}
        assert found.not_compared == {1: "1 vector of texts that the API cut once, or refuses now"}


# Names -------------------------------------------------------------------------------------------------------


def test_as_many_dimensions_as_the_model_has_are_the_model(fake: FakeApi) -> None:
    plain, stated = f"openai:{MODEL}", f"openai:{MODEL}?dimensions=1536"
    assert load(plain).name == load(stated).name == plain
    load(stated).encode("a cat")
    fake.change_model(MODEL)
    load(stated).accept()
    assert load(plain).name == load(stated).name == f"{plain}?revision=2"
    assert load(plain).space.id == load(stated).space.id == load(f"{stated}&revision=2").space.id
    assert load(plain).kept is not None


def test_of_an_unknown_model_dimensions_may_make_another(fake: FakeApi) -> None:
    plain = f"{fake.base('compatible')}#any"
    assert load(plain).space.dim == load(f"{plain}?dimensions=384").space.dim == 384
    assert load(plain).space.id != load(f"{plain}?dimensions=384").space.id
    assert load(f"{plain}?dimensions=384").kept is None
