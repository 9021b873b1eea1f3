"""How many threads a call is worth: all for a batch, few for a query, exactly those that were asked for."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

import tiny
from idembed import native
from idembed.models import load
from idembed.models.checkpoint import Checkpoint
from idembed.models.threads import worthwhile

pytestmark = pytest.mark.usefixtures("own_machine")


def minilm(profile: native.Profile) -> native.EncoderConfig:
    return native.EncoderConfig(30522, 512, 2, 384, 6, 12, 1536, profile=profile)


@pytest.mark.parametrize(
    ("profile", "tokens", "threads"),
    [
        ("f32-1", 1, 1),
        ("f32-1", 10, 7),
        ("f32-1", 200, 64),
        ("i16-1", 4, 1),
        ("i16-1", 10, 3),
        ("i16-1", 200, 64),
        ("i8-1", 10, 1),
        ("i8-1", 24, 4),
        ("i8-1", 200, 35),
        ("i8-1", 8192, 64),
    ],
)
def test_a_thread_has_a_third_of_a_millisecond_to_do(profile: native.Profile, tokens: int, threads: int) -> None:
    assert worthwhile(minilm(profile), tokens, 64) == threads


def test_never_more_than_there_are_and_never_none() -> None:
    assert worthwhile(minilm("f32-1"), 8192, 2) == 2
    assert worthwhile(native.EncoderConfig(9, 9, 1, 16, 0, 1, 16), 5, 8) == 1


def counted(model: Checkpoint, monkeypatch: pytest.MonkeyPatch) -> list[int | None]:
    """The threads of each call of the encoder, from now on."""
    seen: list[int | None] = []
    encoder = model._engine._encoder()

    class Watched:
        def forward(self, tokens: np.ndarray, offsets: np.ndarray, threads: int | None = None) -> np.ndarray:
            seen.append(threads)
            return encoder.forward(tokens, offsets, threads)

    monkeypatch.setattr(model._engine, "_loaded_encoder", Watched())
    return seen


def test_a_model_on_all_threads_takes_one_for_little_work(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(native, "default_threads", lambda: 8)
    model = load(tiny.checkpoint(tmp_path / "a"))
    seen = counted(model, monkeypatch)
    model.encode("cat")
    assert seen == [1]


def test_a_model_on_so_many_threads_takes_them(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    model = load(tiny.checkpoint(tmp_path / "a"), threads=5)
    seen = counted(model, monkeypatch)
    model.encode("cat")
    assert seen == [5]


def test_an_engine_on_other_threads_takes_them(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    model = load(tiny.checkpoint(tmp_path / "a"))
    model._engine = model._engine.on(3, None)
    seen = counted(model, monkeypatch)
    model.encode("cat")
    assert seen == [3]
