"""Models of APIs, as models like any other; what is known of them, and how they are known again."""

from __future__ import annotations

import json
import logging
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import idembed
from fakes.api import FakeApi
from idembed import Index, ModelChangedError, ModelError, OptionError, RowError, SpaceMismatchError, TooLongError
from idembed.models.api.evidence import PROBES, Evidence, Keeping, answers, cosines, evidence_of
from idembed.models.api.model import ApiModel
from idembed.models.base import Journal, TruncationWarning

SMALL = "openai:text-embedding-3-small?dimensions=16"
MODEL = "text-embedding-3-small"
ROWS = [{"id": f"r{n}", "text": f"text number {n} of some"} for n in range(40)]


@pytest.fixture
def fake(monkeypatch: pytest.MonkeyPatch) -> Iterator[FakeApi]:
    with FakeApi() as made:
        monkeypatch.setenv("OPENAI_BASE_URL", made.base("openai"))
        monkeypatch.setenv("OPENAI_API_KEY", made.key)
        monkeypatch.setenv("CO_API_URL", made.base("cohere"))
        monkeypatch.setenv("CO_API_KEY", made.key)
        yield made


def load(name: str = SMALL) -> ApiModel:
    model = idembed.load(name)
    assert isinstance(model, ApiModel)
    return model


def asked(fake: FakeApi) -> list[str]:
    """All texts that were asked for, but for the probes."""
    return [text for request in fake.requests for text in request.texts if text not in PROBES]


def probed(fake: FakeApi) -> int:
    """How many probes were asked for."""
    return sum(text in PROBES for request in fake.requests for text in request.texts)


# encode -------------------------------------------------------------------------------------------------------


def test_encode_gives_what_the_provider_says_in_order(fake: FakeApi) -> None:
    vectors = load().encode(["a cat", "a dog", "a cat"])
    assert vectors.dtype == np.float32
    assert np.allclose(vectors[1], fake.vector("openai", MODEL, "a dog", 16), atol=1e-6)
    assert vectors[0].tobytes() == vectors[2].tobytes()
    assert asked(fake) == ["a cat", "a dog"]
    assert np.allclose(np.linalg.norm(vectors, axis=1), 1, atol=1e-6)


def test_one_text_gives_one_vector(fake: FakeApi) -> None:
    assert load().encode("a cat").shape == (16,)
    assert load().encode([]).shape == (0, 16)


def test_questions_and_documents_are_told_apart_where_the_provider_does(fake: FakeApi) -> None:
    model = load("cohere:embed-v4.0?dimensions=256")
    assert np.allclose(
        model.encode_query("a cat"), fake.vector("cohere", "embed-v4.0", "a cat", 256, "query"), atol=1e-6
    )
    document = fake.vector("cohere", "embed-v4.0", "a cat", 256, "document")
    assert np.allclose(model.encode_document("a cat"), document, atol=1e-6)
    assert np.allclose(model.encode("a cat"), document, atol=1e-6)


def test_a_text_that_is_refused_is_named_by_its_position(fake: FakeApi) -> None:
    fake.refuse("bad")
    with pytest.raises(RowError, match="text 1 is refused: ") as caught:
        load().encode(["good", "bad", "good too"])
    assert caught.value.facts["position"] == 1


def test_long_texts_are_cut_with_a_warning_or_are_an_error(fake: FakeApi) -> None:
    long = "wonderful words " * 5000
    with pytest.warns(TruncationWarning, match="1 of 2 texts were cut"):
        load().encode(["short", long])
    with pytest.raises(TooLongError, match="text 1 is too long: it has"):
        load().encode(["short", long], on_long="error")


def test_what_an_api_does_not_take(fake: FakeApi) -> None:
    with pytest.raises(OptionError, match="takes no prompt"):
        load().encode("a", prompt="query: ")
    with pytest.raises(OptionError, match="APIs take no max_length"):
        idembed.load(SMALL, max_length=10)
    with pytest.raises(OptionError, match="a local model takes no dimensions"):
        idembed.load("all-MiniLM-L6-v2", dimensions=3)
    with pytest.raises(OptionError, match="revision='x'"):
        idembed.load(SMALL, revision="x")
    with pytest.raises(RowError, match="text 1 is not a string"):
        load().encode(["a", 3])  # type: ignore[list-item]


def test_a_wrong_option_is_refused_before_anything_is_asked_for(fake: FakeApi) -> None:
    model: Any = load()
    with pytest.raises(OptionError, match=r'^on_long=\'skip\': it is "cut", "error" or "refuse"$'):
        model.embed(["a cat"], on_long="skip")
    with pytest.raises(OptionError, match=r'^on_long=\'skip\': it is "cut", "error" or "refuse"$'):
        model.embed_with(["a cat"], Journal(), "query", on_long="skip")
    with pytest.raises(OptionError, match=r'^on_long=\'refuse\': it is "cut" or "error"$'):
        model.encode(["a cat"], on_long="refuse")
    with pytest.raises(OptionError, match=r"^truncate_dim must be at least 1, not 0$"):
        model.encode(["a cat"], truncate_dim=0)
    assert fake.requests == []


def test_dimensions_by_keyword_are_those_of_the_name(fake: FakeApi) -> None:
    assert idembed.load(f"openai:{MODEL}", dimensions=16).name == SMALL
    assert idembed.load(SMALL, dimensions=16).name == SMALL
    with pytest.raises(OptionError, match="names other dimensions"):
        idembed.load(SMALL, dimensions=17)


def test_a_model_that_nobody_knows_is_asked_how_wide_it_is(fake: FakeApi) -> None:
    model = load(fake.base("compatible") + "#any")
    assert model.space.dim == 384
    asked_once = len(fake.requests)
    assert load(fake.base("compatible") + "#any").space.dim == 384
    assert len(fake.requests) == asked_once


# Evidence -------------------------------------------------------------------------------------------------------


def test_at_first_use_32_texts_are_asked_for_five_times_later_three_of_them(fake: FakeApi) -> None:
    load().encode("a cat")
    assert probed(fake) == 160
    load().encode("a dog")
    assert probed(fake) == 163
    model = load()
    model.encode("a bird")
    model.encode_query("a fish")
    assert probed(fake) == 166


def test_noise_is_the_lowest_cosine_between_repeats(fake: FakeApi) -> None:
    assert load().evidence().noise == 1.0
    fake.noise = 0.02
    noisy = load("openai:text-embedding-3-small?dimensions=32").evidence()
    assert 0.998 < noisy.noise < 0.9999
    assert noisy.warn_below == noisy.noise
    assert noisy.refuse_below == pytest.approx(noisy.noise - 0.01)


@pytest.mark.parametrize(
    ("noise", "warn", "refuse"), [(1.0, 0.9999, 0.99), (0.99995, 0.9999, 0.98995), (0.99, 0.99, 0.98)]
)
def test_thresholds_are_relative_to_the_noise(noise: float, warn: float, refuse: float) -> None:
    evidence = Evidence(np.ones((32, 2), np.float32), noise, "2026-11-25")
    assert evidence.warn_below == pytest.approx(warn)
    assert evidence.refuse_below == pytest.approx(refuse)


def test_neighbours_must_make_no_difference() -> None:
    """A server whose vectors depend on the place in the request is found out by the opposite order."""

    def by_place(texts: object) -> np.ndarray:
        angle = np.linspace(0, 1, len(texts))  # type: ignore[arg-type]
        return np.stack([np.cos(angle), np.sin(angle)], axis=1).astype(np.float32)

    assert evidence_of(answers(by_place)).noise < 0.6


def test_equal_bytes_have_a_cosine_of_exactly_one() -> None:
    a = np.array([[0.1, 0.7, 0.3], [1, 0, 0], [0, 0, 0]], np.float32)
    assert cosines(a, a).tolist() == [1.0, 1.0, 1.0]
    assert cosines(a, -a)[:2].tolist() == pytest.approx([-1.0, -1.0])


def test_another_model_behind_the_name_is_found_out(fake: FakeApi) -> None:
    load().encode("a cat")
    fake.change_model(MODEL)
    for ask in (load().encode, load().encode_query):
        with pytest.raises(ModelChangedError, match="is not the model that it was") as caught:
            ask("a dog")
        assert f"idembed models accept '{SMALL}'" in caught.value.hint
    assert caught.value.exit_code == 4


def test_what_answers_now_can_be_accepted_as_another_space(fake: FakeApi) -> None:
    before = load()
    before.encode("a cat")
    fake.change_model(MODEL)
    model = load()
    model.accept()
    assert (model.name, load().name) == (f"{SMALL}&revision=2",) * 2
    assert load().space.id == load(f"{SMALL}&revision=2").space.id != before.space.id
    assert load(f"{SMALL}&revision=1").space.id == before.space.id
    assert load().encode("a dog").shape == (16,)
    with pytest.raises(ModelChangedError):
        load(f"{SMALL}&revision=1").encode("a dog")


def test_noise_within_what_was_measured_is_no_change(fake: FakeApi) -> None:
    fake.noise = 0.02
    load().encode("a cat")
    for _ in range(5):
        load().encode("a dog")


def test_a_small_difference_is_warned_of(fake: FakeApi, caplog: pytest.LogCaptureFixture) -> None:
    load().encode("a cat")
    fake.noise = 0.05
    with caplog.at_level(logging.WARNING):
        load().encode("a dog")
    assert "answers a little differently than it did" in caplog.text


def test_damaged_evidence_is_not_taken_for_none(fake: FakeApi, monkeypatch: pytest.MonkeyPatch) -> None:
    model = load()
    model.encode("a cat")
    (path,) = Path(Keeping({})._folder).glob("*.safetensors")
    path.write_bytes(path.read_bytes()[:100])
    with pytest.raises(ModelError, match="what is known of this model from earlier is damaged"):
        load().encode("a cat")


def test_without_a_place_to_keep_it_evidence_lasts_as_long_as_the_model(
    fake: FakeApi, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("IDEMBED_DATA", str(tmp_path / "file" / "no-folder"))
    model = load()
    assert model.encode("a cat").shape == (16,)
    model.encode("a dog")
    assert probed(fake) == 160
    assert "cannot be kept" in caplog.text


# In an index ------------------------------------------------------------------------------------------------


def test_an_index_asks_for_each_distinct_text_once_in_all_its_life(fake: FakeApi, tmp_path: Path) -> None:
    with Index(tmp_path / "a.db", SMALL) as index:
        report = index.sync(ROWS)
    assert (report.embedded, len(asked(fake))) == (40, 40)
    probes = 5 * sum(map(fake.tokens, PROBES))
    assert report.dollars == pytest.approx((report.tokens + probes) * 0.02 / 1e6)
    with Index(tmp_path / "a.db") as index:
        assert index.sync(ROWS).embedded == 0
        assert index.search("text number 7 of some", k=1)[0].id == "r7"
        assert index.verify(everything=True).ok
    (tmp_path / "a.db").unlink()
    with Index(tmp_path / "a.db", SMALL) as index:
        assert index.sync(ROWS).embedded == 0  # the vault has them


def test_an_index_on_a_noisy_api_copies_and_rebuilds_to_the_same_root(fake: FakeApi, tmp_path: Path) -> None:
    fake.noise = 0.01
    with Index(tmp_path / "a.db", SMALL) as index:
        index.sync(ROWS)
        count = len(asked(fake))
        root = index.lock().root
        assert index.estimate_rebuild().texts == 0
        report = index.rebuild()
        assert (report.embedded, report.same_root) == (0, True)
        index.copy(tmp_path / "b.db")
    with Index(tmp_path / "b.db") as copied:
        assert copied.lock().root == root
    assert len(asked(fake)) == count


def test_a_text_that_the_api_refuses_sets_its_row_aside(fake: FakeApi, tmp_path: Path) -> None:
    fake.refuse("text number 3 of some")
    with Index(tmp_path / "a.db", SMALL) as index:
        report = index.sync(ROWS)
        assert [row_id for row_id, _ in report.aside] == ["r3"]
        assert len(index) == 39


def test_what_is_too_long_is_as_on_long_says(fake: FakeApi, tmp_path: Path) -> None:
    rows = [*ROWS, {"id": "long", "text": "wonderful words " * 5000}]
    with Index(tmp_path / "skip.db", SMALL, split=0) as index:
        report = index.sync(rows, on_long="skip")
        assert [row_id for row_id, _ in report.aside] == ["long"]
        assert (len(index), report.truncated) == (40, 0)
    with Index(tmp_path / "error.db", SMALL, split=0) as index, pytest.raises(TooLongError, match="row 'long'"):
        index.sync(rows, on_long="error")
    with Index(tmp_path / "cut.db", SMALL, split=0) as index:
        with pytest.warns(TruncationWarning):
            report = index.sync(rows)
        assert (len(index), report.truncated) == (41, 1)


def test_what_a_guess_took_for_short_enough_is_as_on_long_says_too(fake: FakeApi, tmp_path: Path) -> None:
    rows = [*ROWS, {"id": "long", "text": "word " * 8400}]  # not surely too long by the guess of the first moment
    with Index(tmp_path / "skip.db", SMALL, split=0, vault="none") as index:
        assert [row_id for row_id, _ in index.sync(rows, on_long="skip").aside] == ["long"]
    with (
        Index(tmp_path / "error.db", SMALL, split=0, vault="none") as index,
        pytest.raises(TooLongError, match="row 'long'"),
    ):
        index.sync(rows, on_long="error")


def test_a_limit_of_cost_stops_and_the_next_sync_goes_on(fake: FakeApi, tmp_path: Path) -> None:
    rows = [{"id": f"r{n}", "text": f"text number {n} of some"} for n in range(9000)]
    price = sum(fake.tokens(str(row["text"])) for row in rows) * 0.02 / 1e6
    load().encode("warm")
    with Index(tmp_path / "a.db", SMALL) as index:
        with pytest.raises(idembed.CostLimitError):
            index.sync(rows, max_cost=0.6 * price)
        first = len(asked(fake))
        assert 0 < first < 9000
        assert index.sync(rows).embedded == 9001 - first
    assert len(asked(fake)) == 9001


def test_without_a_price_a_limit_cannot_be_kept(fake: FakeApi, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    model = load()
    model.transport.known_price = None
    with Index(tmp_path / "a.db", model) as index, pytest.raises(OptionError, match="max_cost cannot be kept"):
        index.sync(ROWS, max_cost=1.0)
    assert asked(fake) == []


def test_a_missing_key_leaves_no_empty_index_behind(
    fake: FakeApi, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("OPENAI_API_KEY")
    with Index(tmp_path / "a.db", SMALL) as index, pytest.raises(idembed.ApiError, match="no key for OpenAI"):
        index.sync(ROWS)
    assert not (tmp_path / "a.db").exists()


def test_a_host_that_is_not_there_leaves_no_empty_index_behind(
    fake: FakeApi, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OPENAI_BASE_URL", "http://127.0.0.1:9/v1")
    monkeypatch.setattr("idembed.models.api.call._UNREACHED", 0.1)
    with Index(tmp_path / "a.db", SMALL) as index, pytest.raises(idembed.ApiError, match="cannot be reached"):
        index.sync(ROWS)
    assert not (tmp_path / "a.db").exists()


def test_what_a_plan_costs_is_guessed_by_what_the_provider_counted_before(fake: FakeApi, tmp_path: Path) -> None:
    rows = [{"id": f"r{n}", "text": "Ein längerer Satz über größere Fische, " * 20} for n in range(3)]
    with Index(tmp_path / "a.db", SMALL) as index:
        (unaware,) = index.plan(rows).estimates
    load().encode("a cat")
    model = load()
    with Index(tmp_path / "a.db", model) as index:
        (aware,) = index.plan(rows).estimates
    assert model.transport.guess.ratio == model.evidence().tokens != 1.0
    assert aware.tokens != unaware.tokens


def test_an_index_from_elsewhere_says_that_the_model_is_another_one(
    fake: FakeApi, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with Index(tmp_path / "a.db", SMALL) as index:
        index.sync(ROWS)
    fake.change_model(MODEL)
    monkeypatch.setenv("IDEMBED_DATA", str(tmp_path / "another machine"))
    with Index(tmp_path / "a.db") as index:
        with pytest.raises(ModelChangedError, match="the vectors that are kept were made"):
            index.search("text number 7 of some")
        assert [hit.id for hit in index.search(id="r7", k=1)]
    assert not list((tmp_path / "another machine").rglob("*.safetensors"))


def test_an_index_keeps_the_revision_that_it_was_built_with(fake: FakeApi, tmp_path: Path) -> None:
    with Index(tmp_path / "a.db", SMALL) as index:
        index.sync(ROWS)
    fake.change_model(MODEL)
    load().accept()
    with Index(tmp_path / "a.db") as index:
        with pytest.raises(ModelChangedError):
            index.search("text number 7 of some")
        index.upgrade(SMALL)
        index.switch(force=True)
        assert index.search("text number 7 of some", k=1)[0].id == "r7"
    with Index(tmp_path / "a.db") as index:
        assert index.space is not None
        assert index.space.facts["revision"] == 2
        assert index.search("text number 8 of some", k=1)[0].id == "r8"


def test_another_space_is_refused_with_what_differs(fake: FakeApi, tmp_path: Path) -> None:
    with Index(tmp_path / "a.db", SMALL) as index:
        index.sync(ROWS)
    with pytest.raises(SpaceMismatchError, match="dim: 16 here, 1536 there"):
        Index(tmp_path / "a.db", f"openai:{MODEL}")


def test_verify_asks_an_api_only_when_it_is_told_to(fake: FakeApi, tmp_path: Path) -> None:
    with Index(tmp_path / "a.db", SMALL) as index:
        index.sync(ROWS)
        count = len(asked(fake))
        assert index.verify().ok
        assert len(asked(fake)) == count
        assert index.verify(sample=5).compared == {1: 5}
        assert len(asked(fake)) == count + 5
        stopped = index.verify(everything=True, max_cost=1e-9)
        assert not stopped.ok
        assert "limit" in stopped.unproven
    assert len(asked(fake)) == count + 5


def test_vectors_that_an_api_made_before_are_taken_over(fake: FakeApi, tmp_path: Path) -> None:
    fake.noise = 0.005
    made = load().encode([row["text"] for row in ROWS])
    lines = [json.dumps({**row, "vector": vector.tolist()}) for row, vector in zip(ROWS, made, strict=True)]
    (tmp_path / "old.jsonl").write_text("\n".join(lines))
    count = len(asked(fake))
    found = Index.adopt(tmp_path / "old.jsonl", model=SMALL, to=tmp_path / "new.db", sample=10)
    assert (found.rows, found.sampled) == (40, 10)
    assert len(asked(fake)) == count + 10
    with Index(tmp_path / "new.db") as index:
        assert index.search("text number 7 of some", k=1)[0].id == "r7"
        assert index.sync(ROWS).embedded == 0
        assert index.verify(sample=40).ok


def test_vectors_of_another_model_are_not_taken_over(fake: FakeApi, tmp_path: Path) -> None:
    lines = [json.dumps({**row, "vector": [1.0] * 16}) for row in ROWS]
    (tmp_path / "old.jsonl").write_text("\n".join(lines))
    with pytest.raises(SpaceMismatchError, match="are not those of openai"):
        Index.adopt(tmp_path / "old.jsonl", model=SMALL, to=tmp_path / "new.db")
    assert not (tmp_path / "new.db").exists()


def test_an_upgrade_from_one_api_to_another_is_built_judged_switched_and_rolled_back(
    fake: FakeApi, tmp_path: Path
) -> None:
    other = "cohere:embed-v4.0?dimensions=256"
    with Index(tmp_path / "a.db", SMALL) as index:
        index.sync(ROWS)
        estimate = index.estimate_upgrade(other)
        assert estimate.dollars == pytest.approx(estimate.tokens * 0.12 / 1e6)
        report = index.upgrade(other, max_cost=1.0)
        assert (report.complete, report.embedded) == (True, 40)
        assert report.dollars > 0
        index.switch(force=True)
        assert index.search("text number 7 of some", k=3)
        index.sync([*ROWS, {"id": "new", "text": "a new text"}])
        assert asked(fake).count("a new text") == 2
        index.rollback()
        assert index.search("a new text", k=1)[0].id == "new"
    with Index(tmp_path / "a.db") as index:
        assert index.model.name == SMALL
