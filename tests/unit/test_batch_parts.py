"""What a batch is put together from: results by key, jobs on record, packing, addresses, money."""

from __future__ import annotations

import io
import json
import logging
import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from idembed.errors import CostLimitError, ModelError
from idembed.folders import data_folder
from idembed.index.addresses import Addresses
from idembed.index.job import Packing
from idembed.index.meter import Meter
from idembed.models.api.batches.batch import State
from idembed.models.api.batches.desk import Desk, Outcome
from idembed.models.api.batches.journal import JobRecord, Records, new_record
from idembed.models.api.batches.registry import BATCHES
from idembed.models.api.opening import open_api

SPACE = "ab" * 32
A, B, C, D = (bytes([n]) * 16 for n in range(1, 5))
ENDED = State("job", "tag", "ended", ("file",))


def record(*places: bytes, tokens: int = 40) -> JobRecord:
    return new_record(SPACE, "openai:m", Path("/vault"), places, tokens, 0.25, 1)


def line(place: bytes, values: list[float], tokens: int | None = 7) -> dict[str, Any]:
    """A line of OpenAI's results."""
    body = {"data": [{"index": 0, "embedding": values}], "usage": {"total_tokens": tokens}}
    return {"custom_id": place.hex(), "response": {"status_code": 200, "body": body}, "error": None}


def read(lines: list[Any], *places: bytes, state: State = ENDED, name: str = "openai:m") -> tuple[Any, Outcome]:
    """What is kept of results (vectors of two numbers), and what is said of the rest."""
    model = open_api(name)
    file = io.BytesIO(b"".join(json.dumps(one).encode() + b"\n" for one in lines))
    outcome = Outcome()
    with Desk(model.transport, BATCHES[model.adapter.provider]) as desk:
        kept = {}
        for some in desk.vectors([file], state, record(*places), 2, outcome):
            kept |= some
    return {place: (one.vector.tolist(), one.tokens) for place, one in kept.items()}, outcome


# Results ------------------------------------------------------------------------------------------


def test_a_result_is_that_of_the_text_its_key_names() -> None:
    kept, outcome = read([line(B, [0.0, 2.0]), line(A, [1.0, 0.0], 9)], A, B)
    assert kept == {B: ([0.0, 1.0], 7), A: ([1.0, 0.0], 9)}
    assert (outcome.made, outcome.tokens, outcome.guessed, outcome.undone) == (2, 16, False, [])


def test_results_that_nobody_asked_for_are_left_out(caplog: pytest.LogCaptureFixture) -> None:
    stranger = {**line(A, [1.0, 0.0]), "custom_id": "no address"}
    with caplog.at_level(logging.WARNING, "idembed"):
        kept, outcome = read([line(C, [1.0, 0.0]), stranger, line(A, [1.0, 0.0])], A, B)
    assert (list(kept), outcome.made) == ([A], 1)
    assert "results for 2 texts that it was not asked about" in caplog.text


@pytest.mark.parametrize(
    "values", [[math.nan, 1.0], [math.inf, 0.0], [0.0, 0.0], [1.0], [1.0, 0.0, 0.0], None, "not base64!", {}]
)
def test_a_vector_that_cannot_be_used_is_left(values: Any) -> None:
    kept, outcome = read([line(A, values), line(B, [1.0, 0.0])], A, B)
    assert (list(kept), outcome.made, outcome.undone) == ([B], 1, [])


def test_of_several_results_the_first_usable_one_counts() -> None:
    kept, _ = read([line(A, [0.0, 0.0]), line(A, [1.0, 0.0]), line(A, [0.0, 1.0])], A)
    assert kept[A][0] == [1.0, 0.0]


def test_lines_that_cannot_be_read_are_passed_over(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING, "idembed"):
        kept, _ = read(
            [[], "text", {"custom_id": A.hex(), "response": {"status_code": 200}}, line(B, [1.0, 0.0])], A, B
        )
    assert list(kept) == [B]
    assert caplog.text.count("a line of results cannot be read") == 3


def test_an_answer_to_several_texts_is_none() -> None:
    two = line(A, [1.0, 0.0])
    two["response"]["body"]["data"].append({"index": 1, "embedding": [0.0, 1.0]})
    other = line(B, [1.0, 0.0])
    other["response"]["body"]["data"][0]["index"] = 1
    assert read([two, other], A, B)[0] == {}


def test_what_had_no_turn_is_undone() -> None:
    late = {"custom_id": B.hex(), "response": None, "error": {"code": "batch_expired"}}
    bad = {"custom_id": C.hex(), "response": None, "error": {"code": "server_error"}}
    lines = [line(A, [1.0, 0.0]), late, bad]
    assert read(lines, A, B, C, D)[1].undone == [B]
    cut = State("job", "tag", "ended", ("file",), is_cut=True)
    assert read(lines, A, B, C, D, state=cut)[1].undone == [B, C, D]


def test_tokens_that_are_not_said_are_guessed() -> None:
    kept, outcome = read([line(A, [1.0, 0.0], None), line(B, [1.0, 0.0])], A, B)
    assert (kept[A][1], kept[B][1]) == (20, 7)
    assert (outcome.tokens, outcome.guessed) == (27, True)


def test_a_text_that_was_cut_in_silence_is_left() -> None:
    def of(place: bytes, tokens: int) -> dict[str, Any]:
        return {"key": place.hex(), "response": {"embedding": {"values": [1.0, 0.0]}, "tokenCount": tokens}}

    kept, _ = read([of(A, 2048), of(B, 2047)], A, B, name="google:gemini-embedding-001")
    assert list(kept) == [B]


# On record ----------------------------------------------------------------------------------------


def test_a_record_comes_back_as_it_was() -> None:
    records, one = Records(SPACE), record(B, A)
    records.make()
    records.write(one)
    assert (data_folder() / "batches" / SPACE / f"{one.tag}.json").is_file()
    assert records.read(Path("/vault")) == [one]
    assert one.addresses() == [A, B]
    assert one.texts == 2
    assert records.read(Path("/another")) == []
    records.remove(one)
    assert records.read(Path("/vault")) == []


def test_the_tag_is_that_of_the_texts_the_space_and_the_vault() -> None:
    assert record(A, B).tag == record(B, A).tag
    tags = {record(A).tag, record(A, B).tag}
    tags.add(new_record("cd" * 32, "openai:m", Path("/vault"), [A], 1, 0.0, 1).tag)
    tags.add(new_record(SPACE, "openai:m", Path("/other"), [A], 1, 0.0, 1).tag)
    assert len(tags) == 4


@pytest.mark.parametrize("change", [{"version": 2}, {"places": "ab"}, {"job": None}, {"tokens": "1"}, {"more": 1}])
def test_a_record_that_is_not_whole_is_named(change: dict[str, Any]) -> None:
    records, one = Records(SPACE), record(A)
    records.make()
    records.write(one)
    path = records.folder / f"{one.tag}.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), **change}))
    with pytest.raises(ModelError, match=one.tag):
        records.read(Path("/vault"))


# Packing ------------------------------------------------------------------------------------------


def test_a_job_is_packed_within_what_the_provider_takes(monkeypatch: pytest.MonkeyPatch) -> None:
    batch = BATCHES["openai"]
    monkeypatch.setattr(type(batch), "most_texts", 2)
    packing = Packing(batch, 8)
    packing.add(A, b"x", 5)
    assert packing.fits(b"x", 5, None)
    assert not packing.fits(b"x", 6, 10)
    assert not packing.fits(b"x" * 64_000_000, 5, None)
    packing.add(B, b"y", 5)
    assert not packing.fits(b"x", 5, None)
    assert (packing.content(), packing.tokens) == (b"xy", 10)
    packing.clear()
    assert packing.fits(b"x" * 64_000_001, 6, 5)


def test_wide_vectors_make_smaller_jobs() -> None:
    packing = Packing(BATCHES["google"], 4_000_000)  # results of 56 MB each, of which 1 GB may come
    for n in range(17):
        assert packing.fits(b"x", 1, None)
        packing.add(bytes([n]) * 16, b"x", 1)
    assert not packing.fits(b"x", 1, None)


def test_only_texts_that_surely_are_not_too_long_go() -> None:
    packing = Packing(BATCHES["openai"], 8)
    assert packing.may_go(900, 1000, 1.0, silent=False)
    assert not packing.may_go(901, 1000, 1.0, silent=False)
    assert not packing.may_go(600, 1000, 1.6, silent=False)
    assert packing.may_go(10_000, None, 1.6, silent=False)
    assert packing.may_go(499, 1000, 1.6, silent=True)
    assert not packing.may_go(500, 1000, 1.0, silent=True)
    assert not packing.may_go(256, None, 1.0, silent=True)


# Addresses and money ------------------------------------------------------------------------------


def test_addresses_are_put_in_once_and_taken_once() -> None:
    with Addresses() as some:
        assert some.add([A, B, A]) == {A, B}
        assert some.add([B, C]) == {C}
        assert some.take([A, D]) == {A}
        assert some.take([A]) == set()
        assert some.add([A]) == {A}


def test_texts_of_a_batch_do_not_wait_for_the_rate() -> None:
    now, slept = [0.0], []

    def sleep(seconds: float) -> None:
        slept.append(seconds)
        now[0] += seconds

    meter = Meter(None, 10.0, clock=lambda: now[0], sleep=sleep)
    meter.promise(1000, 0.0)
    now[0] = 3600.0
    meter.reserve(5, 0.0)
    assert slept == []
    meter.reserve(5, 0.0)
    assert sum(slept) == pytest.approx(0.5)


def test_what_an_earlier_run_promised_is_not_free() -> None:
    meter = Meter(1.0)
    meter.promised(10, 0.9)
    with pytest.raises(CostLimitError, match="under way"):
        meter.reserve(1, 0.2)
    meter.settle(0.9, 0.3)
    meter.reserve(1, 0.2)
    assert meter.dollars == pytest.approx(0.3)


def test_an_earlier_promise_over_the_limit_is_kept_all_the_same() -> None:
    meter = Meter(0.1)
    meter.promised(10, 0.9)
    meter.settle(0.9, 0.8)
    assert np.isclose(meter.dollars, 0.8)
