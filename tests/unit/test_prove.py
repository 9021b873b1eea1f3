"""``idembed prove``: does a model repeat itself?"""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from api_line import SMALL, Line, fake, line

import tiny
from fakes.api import FakeApi
from idembed import models, native
from idembed.models.api.probes import PROBES
from idembed.models.checkpoint import Checkpoint
from idembed.models.words.keyedvectors import KeyedVectors

__all__ = ["fake", "line"]


@pytest.fixture
def folder(tmp_path: Path) -> str:
    """A tiny checkpoint."""
    return str(tiny.checkpoint(tmp_path / "tiny"))


@pytest.fixture
def words(tmp_path: Path) -> str:
    """Word vectors that know few words, none of the probes'."""
    names = [f"word{chr(97 + n)}x" for n in range(20)]
    made = KeyedVectors(names, np.random.default_rng(0).standard_normal((20, 8)).astype(np.float32))
    made.save(tmp_path / "few.w2v")
    return str(tmp_path / "few.w2v")


# On this machine -------------------------------------------------------------------------------------------


def test_a_checkpoint_gives_the_same_bytes_however_it_is_asked(line: Line, folder: str) -> None:
    code, out, err = line("prove", folder, "--json")
    found = json.loads(out)
    assert (code, err) == (0, "")
    assert (found["kind"], found["ok"], found["texts"]) == ("local", True, 32)
    assert found["same"] == len(found["ways"])
    names = [way["name"] for way in found["ways"]]
    assert {"all at once", "one by one", "five at a time", "in the opposite order", "each beside the longest"} < {
        *names
    }
    assert {"on 1 thread", "on 2 threads", "on 3 threads"} < {*names}
    assert {f"with {isa} instructions" for isa in native.available_isas()} < {*names}
    model = models.load(folder)
    assert found["sha256"] == hashlib.sha256(model.embed(PROBES).vectors.tobytes()).hexdigest()
    assert found["space"] == model.space.id


def test_what_is_proved_is_said_in_two_lines(line: Line, folder: str) -> None:
    said = line("prove", folder)[1].splitlines()
    ways = 8 + len(native.available_isas())
    assert said[0].endswith(f": the same bytes in {ways} of {ways} ways")
    assert said[1].startswith("SHA-256 of the vectors of 32 texts: ")
    assert len(said) == 2


def test_other_bytes_are_found_and_named(line: Line, folder: str, monkeypatch: pytest.MonkeyPatch) -> None:
    embed = Checkpoint.embed

    def moved_alone(self: Checkpoint, texts: Any, *arguments: Any, **options: Any) -> Any:
        made = embed(self, texts, *arguments, **options)
        if len(texts) == 1:
            made.vectors[0, 0] = np.nextafter(made.vectors[0, 0], np.float32(2))
        return made

    monkeypatch.setattr(Checkpoint, "embed", moved_alone)
    code, out, _ = line("prove", folder)
    ways = 8 + len(native.available_isas())
    assert code == 9
    assert out.splitlines()[0].endswith(f"the same bytes in {ways - 1} of {ways} ways")
    assert out.splitlines()[2:] == ["other bytes one by one"]


def test_word_vectors_are_asked_for_words_that_they_know(line: Line, words: str) -> None:
    code, out, err = line("prove", words, "--json")
    found = json.loads(out)
    assert (code, err) == (0, "")
    assert (found["ok"], found["texts"], found["dim"]) == (True, 32, 8)
    assert not any("thread" in way["name"] for way in found["ways"])


def test_a_model_that_is_nowhere_is_an_error(line: Line) -> None:
    assert line("prove", "./nowhere")[0] == 4


# Of an API -------------------------------------------------------------------------------------------------


def test_the_noise_of_an_api_is_measured_and_nothing_is_kept(line: Line, fake: FakeApi) -> None:
    for _ in range(2):
        code, out, err = line("prove", SMALL)
        assert (code, err) == (0, "")
        assert out.splitlines() == [
            f"{SMALL}: lowest cosine between repeats 1.000000000 (32 texts, 5 times)",
            "32 of 32 texts had the same bytes every time",
            "nothing is kept of it here yet: the first use will measure it",
            "warned of below 0.999900, refused below 0.990000",
        ]
    assert sum(len(request.texts) for request in fake.requests) == 2 * 5 * 32


def test_a_noisy_api_is_the_same_model_all_the_same(line: Line, fake: FakeApi) -> None:
    fake.noise = 0.02
    line("models", "accept", SMALL, "--yes")
    found = json.loads(line("prove", SMALL, "--json")[1])
    assert (found["ok"], found["identical"], found["texts"], found["calls"]) == (True, 0, 32, 5)
    assert 0.998 < found["noise"] < 0.9999
    assert found["warn_below"] == found["kept_noise"]
    assert found["refuse_below"] == pytest.approx(found["kept_noise"] - 0.01)
    assert 0.998 < found["cosine"] < 0.9999
    assert found["kept"] == found["measured"]


def test_an_api_that_drifts_is_told_of(line: Line, fake: FakeApi) -> None:
    line("models", "accept", SMALL, "--yes")
    fake.noise = 0.05
    code, out, _ = line("prove", SMALL)
    assert code == 0
    assert "it answers a little differently than it did" in out.splitlines()


def test_another_model_behind_the_name_is_found(line: Line, fake: FakeApi) -> None:
    line("models", "accept", SMALL, "--yes")
    fake.change_model("text-embedding-3-small")
    code, out, _ = line("prove", SMALL)
    assert code == 9
    assert f"{SMALL} is not the model that it was" in out.splitlines()[-2]
    assert f"idembed models accept '{SMALL}', then idembed upgrade INDEX --to '{SMALL}'" in out.splitlines()[-1]
    code, out, _ = line("prove", SMALL, "--json")
    found = json.loads(out)
    assert (code, found["ok"]) == (9, False)
    assert found["cosine"] < found["refuse_below"]
    assert found["problem"].startswith(f"{SMALL} is not the model that it was")


def test_the_advice_never_leads_back_to_an_old_revision(line: Line, fake: FakeApi) -> None:
    for _ in range(2):
        line("models", "accept", SMALL, "--yes")
        fake.change_model("text-embedding-3-small")
    advice = line("prove", SMALL)[1].splitlines()[-1]
    assert "revision" not in advice


def test_without_a_key_nothing_is_proved(line: Line, fake: FakeApi, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("OPENAI_API_KEY")
    code, _, err = line("prove", SMALL)
    assert code == 4
    assert "OPENAI_API_KEY" in err
    assert fake.requests == []
