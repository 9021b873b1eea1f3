"""``idembed prove``: does a model repeat itself?"""

from __future__ import annotations

import hashlib
import itertools
import json
import os
import pickle
import random
import re
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from api_line import SMALL, Line, fake, line

import tiny
from fakes.api import FakeApi
from idembed import models, native
from idembed.errors import ModelError
from idembed.models import engine, packed
from idembed.models.checkpoint import Checkpoint
from idembed.models.prove import asked, batches, golden, local
from idembed.models.prove.child import Child
from idembed.models.prove.texts import TEXTS, texts_sha256
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


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Few batches, and no processes, which take a second."""
    monkeypatch.setattr(batches, "PLACES", (2, 3))
    monkeypatch.setattr(batches, "SIZES", (17, 33))
    monkeypatch.setattr(asked, "MOST_THREADS", 2)
    for name in ("can_spawn", "can_fork"):
        monkeypatch.setattr(asked, name, lambda: False)


def test_a_checkpoint_gives_the_same_bytes_however_it_is_asked(line: Line, folder: str) -> None:
    code, out, err = line("prove", folder, "--json")
    found = json.loads(out)
    assert (code, err) == (0, "")
    assert (found["kind"], found["ok"], found["stopped"], found["texts"]) == ("local", True, False, 103)
    assert (found["differing_vectors"], found["differing_bits"]) == (0, 0)
    vectors = {way["name"]: way["vectors"] for way in found["ways"]}
    assert found["vectors"] == sum(vectors.values())
    assert vectors.pop("at every place of batches of 2 to 16, 32 and 64") == 6615
    assert vectors.pop("in batches of 17 to 1,024") == 6047
    assert vectors.pop("with scalar instructions") == 25
    assert vectors.pop("in 2 new processes at once") == 2 * 103
    if sys.platform != "darwin":
        assert vectors.pop("in a process and 2 forks of it") == 3 * 103
    assert vectors.pop("all at once, shuffled") == 2 * 103
    assert vectors == {
        "alone, once more": 103,
        "streamed in odd pieces": 103,
        "by 4 callers at once": 103,
        "on 1 thread": 103,
        **{f"on {threads} threads": 103 for threads in range(2, 9)},
        **{f"with {isa} instructions": 103 for isa in native.available_isas()[:-1]},
    }
    model = models.load(folder)
    assert found["sha256"] == hashlib.sha256(model.embed(TEXTS).vectors.tobytes()).hexdigest()
    assert found["space"] == model.space.id


@pytest.mark.usefixtures("quick")
@pytest.mark.parametrize("profile", ["i16", "i8"])
def test_profiles_of_integers_are_proved_too(line: Line, folder: str, profile: str) -> None:
    code, out, _ = line("prove", folder, "--profile", profile, "--json")
    found = json.loads(out)
    assert (code, found["ok"], found["profile"]) == (0, True, f"{profile}-1")
    assert found["vectors"] > 1000


@pytest.mark.usefixtures("quick")
def test_what_is_proved_is_said_line_by_line(line: Line, folder: str) -> None:
    said = line("prove", folder)[1].splitlines()
    assert re.fullmatch(
        r".*, profile f32-1: [0-9,]+ vectors of 103 texts compared with those of each text alone, 0 differing bits",
        said[0],
    )
    assert said[1] == "103 alone, once more"
    assert said[-3].startswith("SHA-256 of the vectors of 103 texts: ")
    assert said[-2] == "golden: of this checkpoint and profile none is recorded"
    assert said[-1] == "verdict: same text, same bits"


@pytest.mark.usefixtures("quick")
def test_other_bytes_are_counted_and_the_first_is_found(
    line: Line, folder: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    embed = Checkpoint.embed

    def moved_in_a_batch_of_33(self: Checkpoint, texts: Any, *arguments: Any, **options: Any) -> Any:
        made = embed(self, texts, *arguments, **options)
        if len(texts) == 33:
            made.vectors.view(np.uint32)[7, 0] ^= 3
        return made

    monkeypatch.setattr(Checkpoint, "embed", moved_in_a_batch_of_33)
    code, out, _ = line("prove", folder)
    said = out.splitlines()
    assert code == 9
    assert said[0].endswith(", 2 differing bits")
    moved = next(text for text in said if text.startswith("other bits"))
    assert re.fullmatch(r"other bits in batches of 17 to 33: 1 of 50 vectors, first text \d+ at place 7 of 33", moved)
    assert said[-1] == "verdict: NOT the same bits; please report it, with the lines above"


@pytest.mark.parametrize(
    ("changed", "expected"),
    [
        ({}, ("matches", "1" * 64, "")),
        ({"sha256": "0" * 64}, ("differs", "0" * 64, "")),
        ({"profile": "f32-2"}, ("none", "", "of this checkpoint and profile none is recorded")),
        ({"weights": "0" * 64}, ("none", "", "of this checkpoint and profile none is recorded")),
        ({"space": "0" * 64}, ("none", "", "it is recorded with another tokenizer, prompt or limit")),
    ],
)
def test_the_hash_is_compared_with_the_golden_one(
    folder: str, monkeypatch: pytest.MonkeyPatch, changed: dict[str, str], expected: tuple[str, str, str]
) -> None:
    space = models.load(folder).space
    facts = {"weights": space.facts["weights"], "profile": "f32-1", "space": space.id, "sha256": "1" * 64}
    manifest = {"texts": texts_sha256(), "checkpoints": [facts | changed]}
    monkeypatch.setattr(golden, "manifest", lambda: manifest)
    assert golden.compare(space, "1" * 64) == expected


@pytest.mark.usefixtures("quick")
def test_other_bits_than_the_golden_ones_disprove_it(line: Line, folder: str, monkeypatch: pytest.MonkeyPatch) -> None:
    recorded = json.loads(line("prove", folder, "--json")[1])["manifest"]
    assert set(recorded) == set(golden.FIELDS)
    manifest = {"texts": texts_sha256(), "checkpoints": [recorded | {"sha256": "0" * 64}]}
    monkeypatch.setattr(golden, "manifest", lambda: manifest)
    code, out, _ = line("prove", folder)
    assert code == 9
    assert out.splitlines()[-2:] == [
        f"golden: differs from {'0' * 64}, which is recorded for this checkpoint: "
        "this machine, or this build, does not compute f32-1",
        "verdict: NOT the same bits; please report it, with the lines above",
    ]


def test_the_fixed_texts_are_those_that_the_golden_hashes_are_of() -> None:
    assert golden.manifest()["texts"] == texts_sha256()
    assert len(TEXTS) == len(set(TEXTS)) == 103
    for one in golden.manifest()["checkpoints"]:
        assert set(one) == set(golden.FIELDS)


@pytest.mark.usefixtures("quick")
def test_word_vectors_are_asked_for_words_that_they_know(line: Line, words: str) -> None:
    Path("own.txt").write_text("wordax wordbx\nnothing known\nwordcx\n", "utf-8")
    code, out, err = line("prove", words, "--json", "--texts", "own.txt")
    found = json.loads(out)
    assert (code, err) == (0, "")
    assert (found["ok"], found["texts"], found["dim"]) == (True, 103, 8)
    assert (found["own_texts"], found["left_out"]) == (2, 1)
    assert not any("thread" in way["name"] for way in found["ways"])


@pytest.mark.usefixtures("quick")
@pytest.mark.parametrize("name", ["own.txt", "own.jsonl"])
def test_own_texts_are_proved_too(line: Line, folder: str, name: str) -> None:
    texts = [f"the cat {n} sat" for n in range(300)]
    rows = (json.dumps({"id": str(n), "text": text}) for n, text in enumerate(texts))
    Path(name).write_text("".join(f"{one}\n" for one in (rows if name.endswith("l") else texts)), "utf-8")
    found = json.loads(line("prove", folder, "--json", "--texts", name)[1])
    vectors = {way["name"]: way["vectors"] for way in found["ways"]}
    assert (found["ok"], found["texts"], found["own_texts"]) == (True, 103, 300)
    assert vectors["own texts, shuffled"] == vectors["own texts, streamed"] == 300
    assert vectors["alone, once more"] == 103 + 100
    said = line("prove", folder, "--texts", name)[1].splitlines()
    assert " vectors of 103 texts and 300 texts of yours compared" in said[0]


@pytest.mark.usefixtures("quick")
def test_random_batches_go_on_until_the_minutes_are_over(folder: str, monkeypatch: pytest.MonkeyPatch) -> None:
    seconds = itertools.count()
    monkeypatch.setattr(local, "time", SimpleNamespace(monotonic=lambda: next(seconds)))
    proof = local.prove_local(models.load(folder), minutes=0.5)
    last = proof.ways[-1]
    assert (last.name, proof.ok, proof.stopped) == ("random batches", True, False)
    assert last.vectors > 29 * 2
    assert proof.seconds == 31  # 30 looks at the clock, and one at the end


@pytest.mark.usefixtures("quick")
def test_ctrl_c_gives_what_was_compared_until_then(line: Line, folder: str, monkeypatch: pytest.MonkeyPatch) -> None:
    def stop(*_: Any, **__: Any) -> Any:
        raise KeyboardInterrupt

    monkeypatch.setattr(Checkpoint, "encode_iter", stop)
    code, out, err = line("prove", folder)
    assert code == 130
    assert out.splitlines()[1:5] == [
        "103 alone, once more",
        "13 at every place of batches of 2 to 16, 32 and 64",
        "50 in batches of 17 to 33",
        "206 all at once, shuffled",
    ]
    assert out.splitlines()[-1] == "interrupted; until then: same text, same bits"
    assert err == "error: interrupted; what was compared is counted\n"
    code, out, _ = line("prove", folder, "--json")
    assert (code, json.loads(out)["stopped"], json.loads(out)["vectors"]) == (130, True, 103 + 13 + 50 + 206)


def test_a_process_that_fails_says_why(folder: str) -> None:
    model = models.load(folder)
    (Path(folder) / "model.safetensors").unlink()
    with Child(model, [["a"]]) as child, pytest.raises(ModelError, match=r"could not embed: .*ModelError"):
        child.vectors()


def test_a_checkpoint_travels_without_its_weights(folder: str) -> None:
    model = models.load(folder)
    expected = model.embed(TEXTS).vectors
    raw = pickle.dumps(model)
    assert len(raw) < 4096
    assert pickle.loads(raw).embed(TEXTS).vectors.tobytes() == expected.tobytes()


def test_another_number_of_threads_shares_the_weights(folder: str) -> None:
    model = models.load(folder, threads=1)
    model.embed(["a"])
    assert model.on(threads=3)._engine._loaded_encoder is model._engine._loaded_encoder
    assert model.on(threads=3)._engine.threads == 3
    assert model.on(isa="scalar")._engine._loaded_encoder is None
    assert (model._engine.threads, model._engine.isa) == (1, None)


def test_weights_that_were_packed_for_the_proof_are_not_kept(
    folder: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("IDEMBED_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(packed, "_SMALLEST", 0)
    monkeypatch.setattr(engine, "settled", lambda identity: True)
    model = models.load(folder)
    model.on(isa="scalar").embed(["a"])
    assert not (tmp_path / "cache" / "packed").exists()
    model.embed(["a"])
    assert len(list((tmp_path / "cache" / "packed").iterdir())) == 1


def test_each_text_of_a_small_batch_comes_to_every_place() -> None:
    turns: dict[int, list[list[int]]] = {}
    for batch in batches.every_place(TEXTS):
        turns.setdefault(len(batch), []).append(batch)
    assert list(turns) == [*range(2, 17), 32, 64]
    for size, made in turns.items():
        assert len(made) == size
        assert {tuple(sorted(place)) for place in zip(*made, strict=True)} == {tuple(sorted(made[0]))}
        assert len(set(made[0])) == (2 if size == 2 else size - 1 if size < 64 else 40)


def test_large_batches_have_empty_long_and_emoji_neighbours_and_duplicates() -> None:
    made = list(batches.large(TEXTS))
    assert tuple(map(len, made)) == batches.SIZES
    assert made == list(batches.large(TEXTS))
    seen = {n for batch in made for n in batch}
    assert seen == set(range(len(TEXTS)))
    assert all(len(set(batch)) < len(batch) for batch in made)


def test_random_batches_have_any_size_from_2_to_1024() -> None:
    choose = random.Random(0)
    sizes = [len(batches.random_batch(TEXTS, choose)) for _ in range(2000)]
    assert (min(sizes), max(sizes) > 1000, max(sizes) <= 1024) == (2, True, True)
    assert 700 < sum(size < 32 for size in sizes) < 1000


def test_odd_pieces_are_all_of_it_in_order() -> None:
    made = list(batches.odd_pieces(range(103)))
    assert [len(piece) for piece in made] == [1, 3, 5, 7, 11, 2, 13, 61]
    assert [n for piece in made for n in piece] == list(range(103))


def test_a_model_that_is_nowhere_is_an_error(line: Line) -> None:
    assert line("prove", "./nowhere")[0] == 4


@pytest.mark.parametrize("minutes", ["-1", "nan", "inf", "1e400"])
def test_minutes_are_a_number_that_ends_and_not_negative(line: Line, minutes: str) -> None:
    code, _, err = line("prove", "./nowhere", "--minutes", minutes)
    assert code == 2
    assert "it is a number of minutes, 0 or more" in err


def test_a_profile_without_a_name_is_no_profile(line: Line, folder: str) -> None:
    code, out, err = line("prove", folder, "--profile", "")
    assert (code, out) == (2, "")
    assert "unknown profile ''" in err


@pytest.mark.parametrize("given", ["own.txt", "-"])
def test_own_texts_of_which_there_is_none_are_an_error(
    line: Line, folder: str, given: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    Path("own.txt").touch()
    monkeypatch.setattr(local, "_alone", None)  # nothing is computed
    with Path("own.txt").open("rb") as empty:
        kept = os.dup(0)
        os.dup2(empty.fileno(), 0)
        try:
            code, out, err = line("prove", folder, "--texts", given)
        finally:
            os.dup2(kept, 0)
            os.close(kept)
    assert (code, out) == (3, "")
    assert f"there is no text in {'standard input' if given == '-' else given}" in err


def test_texts_of_a_file_without_a_name_are_an_error(line: Line, folder: str) -> None:
    code, out, err = line("prove", folder, "--texts", "")
    assert (code, out) == (3, "")
    assert "--texts '' names no file" in err


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


@pytest.mark.parametrize("given", [("--texts", "own.txt"), ("--minutes", "1")])
def test_an_api_takes_no_texts_or_minutes(line: Line, fake: FakeApi, given: tuple[str, str]) -> None:
    code, _, err = line("prove", SMALL, *given)
    assert code == 2
    assert f"{given[0]} is for models on this machine" in err
    assert fake.requests == []


def test_without_a_key_nothing_is_proved(line: Line, fake: FakeApi, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("OPENAI_API_KEY")
    code, _, err = line("prove", SMALL)
    assert code == 4
    assert "OPENAI_API_KEY" in err
    assert fake.requests == []
