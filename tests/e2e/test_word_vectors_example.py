"""``examples/word_vectors.py``: the toy prints the same bytes however it is run; the real corpus shows more."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

EXAMPLE = Path(__file__).parents[2] / "examples" / "word_vectors.py"
pytestmark = pytest.mark.skipif(not EXAMPLE.exists(), reason="needs the source tree")
# The numbers shown, and a hash of all bits of both matrices.
TOY = f"""
import hashlib, runpy, sys
workers = int(sys.argv[1])
example = runpy.run_path({str(EXAMPLE)!r})
example["toy"](workers)
model = example["four_sentences"](workers)
print(hashlib.sha256(model.wv.vectors.tobytes() + model.syn1neg.tobytes()).hexdigest())
"""


def run(*arguments: str, hash_seed: str = "random") -> str:
    env = {**os.environ, "PYTHONHASHSEED": hash_seed}
    done = subprocess.run(
        [sys.executable, *arguments], env=env, capture_output=True, text=True, timeout=120, check=False
    )
    assert (done.returncode, done.stderr) == (0, "")
    return done.stdout


@pytest.fixture(scope="module")
def first() -> str:
    return run("-c", TOY, "1", hash_seed="0")


def test_the_toy_shows_two_cosines_and_says_that_they_prove_nothing(first: str) -> None:
    lines = first.splitlines()
    assert lines[0] == "Four sentences:"
    assert re.fullmatch(r"  cosine\(cat, dog\) = -?0\.\d{6}", lines[1])
    assert re.fullmatch(r"  cosine\(cat, fox\) = -?0\.\d{6}", lines[2])
    wins = re.fullmatch(r"  They prove nothing: cat is nearer to dog than to fox with (\d+) of 20 seeds\.", lines[3])
    assert wins is not None
    assert 3 < int(wins[1]) < 17


@pytest.mark.parametrize("workers", ["2", "3", "4", "5", "6", "7", "8"])
def test_the_toy_is_the_same_for_any_number_of_workers(first: str, workers: str) -> None:
    assert run("-c", TOY, workers) == first


@pytest.mark.parametrize("hash_seed", ["0", "1", "random"])
def test_the_toy_is_the_same_for_any_hash_seed(first: str, hash_seed: str) -> None:
    assert run("-c", TOY, "2", hash_seed=hash_seed) == first


@pytest.mark.slow
def test_a_real_corpus_shows_more() -> None:
    shown = run(str(EXAMPLE))
    assert re.search(r"[\d,]+ words of Python's documentation strings:", shown)
    assert shown.endswith("read is nearer to write than to class with 3 of 3 seeds.\n")
