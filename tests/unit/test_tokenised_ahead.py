"""The next texts are tokenised while a batch is computed: same bytes, errors in their place, no thread left behind."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

import tiny
from idembed.errors import RowError
from idembed.models import load, tokenised
from idembed.models.beside import Beside
from idembed.models.checkpoint import Checkpoint
from idembed.models.tokenised import Batch, Batches

pytestmark = pytest.mark.usefixtures("own_machine")

CHUNK = 256  # texts that are tokenised at once
WORDS = [f"{a} {b}." for a in ("cat", "dog", "the mat", "é", "") for b in "abcdefghijklmnopqrstuvwxyz"] * 8


@pytest.fixture
def model(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Checkpoint:
    """One whose batches are full after 64 tokens, so that each chunk has many."""
    monkeypatch.setattr(tokenised, "_TOKENS_A_THREAD", 32)
    return load(tiny.checkpoint(tmp_path / "made"), threads=2)


def alive() -> list[str]:
    return [thread.name for thread in threading.enumerate() if thread.name == "idembed-beside"]


def test_vectors_are_those_of_each_text_alone(model: Checkpoint) -> None:
    alone = {text: model.encode(text).tobytes() for text in set(WORDS)}
    assert [v.tobytes() for v in model.encode_iter(WORDS)] == [alone[text] for text in WORDS]
    assert [v.tobytes() for v in model.encode(WORDS)] == [alone[text] for text in WORDS]
    assert [v.tobytes() for v in model.embed(WORDS).vectors] == [alone[text] for text in WORDS]


def test_the_next_chunk_is_tokenised_by_another_thread_meanwhile(
    model: Checkpoint, monkeypatch: pytest.MonkeyPatch
) -> None:
    tokenised_by: list[str] = []
    encode = model._engine._tokenizer().encode
    monkeypatch.setattr(
        model._engine._loaded_tokenizer,
        "encode",
        lambda texts: (tokenised_by.append(threading.current_thread().name), encode(texts))[1],
    )
    list(model.encode_iter(WORDS))
    assert tokenised_by == ["MainThread", *["idembed-beside"] * (len(tokenised_by) - 1)]
    assert len(tokenised_by) == -(-len(WORDS) // CHUNK)


def test_one_chunk_takes_no_thread(model: Checkpoint, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Beside, "__enter__", None)
    assert model.encode(WORDS[:CHUNK]).shape == (CHUNK, 32)


def test_no_thread_is_there_while_vectors_are_the_callers(model: Checkpoint) -> None:
    for _ in model.encode_iter(WORDS):
        assert alive() == []


def test_a_stream_that_is_given_up_leaves_no_thread(model: Checkpoint) -> None:
    stream = model.encode_iter(WORDS)
    next(stream)
    stream.close()
    assert alive() == []


def test_all_before_a_bad_text_is_given_first(model: Checkpoint) -> None:
    given: list[bytes] = []
    stream = model.encode_iter([*WORDS[:600], 5, *WORDS])
    with pytest.raises(RowError, match="text 600 is not a string"):
        given.extend(vector.tobytes() for vector in stream)
    assert len(given) == 600
    assert alive() == []


def test_an_error_of_the_source_is_the_callers(model: Checkpoint) -> None:
    def source() -> Iterator[str]:
        yield from WORDS[:300]
        raise OSError("the line is dead")

    given: list[bytes] = []
    with pytest.raises(OSError, match="the line is dead"):
        given.extend(vector.tobytes() for vector in model.encode_iter(source()))
    assert len(given) == 300
    assert alive() == []


def test_the_source_is_read_by_the_callers_thread(model: Checkpoint) -> None:
    readers: set[str] = set()

    def source() -> Iterator[str]:
        for text in WORDS:
            readers.add(threading.current_thread().name)
            yield text

    list(model.encode_iter(source()))
    assert readers == {"MainThread"}


@pytest.mark.parametrize("error", [KeyboardInterrupt, MemoryError])
def test_an_interrupt_while_a_batch_is_computed_leaves_no_thread(
    model: Checkpoint, monkeypatch: pytest.MonkeyPatch, error: type[BaseException]
) -> None:
    def interrupted(ids: list[list[int]]) -> None:
        raise error

    monkeypatch.setattr(model._engine, "forward", interrupted)
    with pytest.raises(error):
        model.encode(WORDS)
    assert alive() == []


def test_a_tokenizer_that_fails_raises_when_its_texts_are_due(
    model: Checkpoint, monkeypatch: pytest.MonkeyPatch
) -> None:
    encode = model._engine._tokenizer().encode

    def fails(texts: list[str]) -> list[list[int]]:
        if threading.current_thread() is not threading.main_thread():
            raise ValueError("no such piece")
        return encode(texts)

    monkeypatch.setattr(model._engine._loaded_tokenizer, "encode", fails)
    stream = model.encode_iter(WORDS)
    for _ in range(200):
        next(stream)
    with pytest.raises(ValueError, match="no such piece"):
        list(stream)
    assert alive() == []


def test_where_no_thread_starts_the_vectors_are_the_same(model: Checkpoint, monkeypatch: pytest.MonkeyPatch) -> None:
    expected = model.encode(WORDS).tobytes()

    def refused(thread: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    monkeypatch.setattr(threading.Thread, "start", refused)
    assert model.encode(WORDS).tobytes() == expected


# ---- the parts ----------------------------------------------------------------------------------------------


def test_work_beside_has_ended_when_the_block_has() -> None:
    done = []
    with Beside(lambda: (time.sleep(0.05), done.append(1))):
        assert done == []
    assert done == [1]


def test_work_beside_gives_what_it_returned_or_raised() -> None:
    with Beside(lambda: 7) as given:
        pass
    with Beside(lambda: [][0]) as failed:
        pass
    assert given.result() == 7
    with pytest.raises(IndexError):
        failed.result()


def test_an_error_of_the_block_comes_before_one_of_the_work() -> None:
    with pytest.raises(ZeroDivisionError), Beside(lambda: [][0]):
        _ = 1 / 0


def test_batches_are_full_at_so_many_tokens_for_each_thread(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tokenised, "_TOKENS_A_THREAD", 3)
    batches = Batches(threads=2)
    texts = Batch([[1, 2], [3, 4, 5], [6], [7, 8]], [2, 9, 1, 2])
    assert list(batches.add(texts)) == [([[1, 2], [3, 4, 5], [6]], [2, 9, 1])]
    assert list(batches.add(Batch([[9]], [1]))) == []
    assert list(batches.rest()) == [([[7, 8], [9]], [2, 1])]
    assert list(batches.rest()) == []


def test_vectors_of_a_batch_do_not_change_when_the_next_is_made(model: Checkpoint) -> None:
    stream = model._engine.embedded(WORDS, "", 16)
    first = next(stream)[1]
    kept = first.copy()
    list(stream)
    assert np.array_equal(first, kept)
