"""all-MiniLM-L6-v2 in whole numbers: nearly the vectors of f32, and the same ones whatever is done to them."""

from __future__ import annotations

import hashlib
from pathlib import Path

import numpy as np
import pytest

from idembed import native
from idembed.models import load
from idembed.models.prove import golden
from idembed.models.prove.texts import TEXTS as GOLDEN_TEXTS

TEXTS = [
    "The cat sat on the mat.",
    "A dog slept on the rug.",
    "Quantum entanglement defies classical intuition.",
    "Tacos taste best with fresh salsa.",
    "",
    "🚀",
    "Wie komme ich zum Bahnhof?",
    "日本語の文",
    "C++ 3.14 a_b x@y.z",
    "yes",
    "no " * 100,
    " ".join(f"word{n}" for n in range(60)),
]


@pytest.mark.parametrize(("profile", "least", "mean"), [("i16", 0.99999, 0.999995), ("i8", 0.99, 0.997)])
def test_every_vector_is_close_to_that_of_f32(minilm: Path, profile: str, least: float, mean: float) -> None:
    exact, vectors = load(minilm).encode(TEXTS), load(minilm, profile).encode(TEXTS)
    cosines = (exact * vectors).sum(axis=1)
    assert cosines.min() > least
    assert cosines.mean() > mean
    np.testing.assert_allclose(np.linalg.norm(vectors, axis=1), 1, atol=1e-6)


@pytest.mark.parametrize("profile", ["i16", "i8"])
def test_batches_order_threads_and_instruction_sets_are_the_same(minilm: Path, profile: str) -> None:
    expected = load(minilm, profile).encode(TEXTS)
    assert np.stack([load(minilm, profile, 1).encode(text) for text in TEXTS]).tobytes() == expected.tobytes()
    assert load(minilm, profile, 3).encode(TEXTS[::-1])[::-1].tobytes() == expected.tobytes()
    for isa in native.available_isas():
        some = slice(0, 2) if isa == "scalar" else slice(None)
        assert load(minilm, profile, isa=isa).encode(TEXTS[some]).tobytes() == expected[some].tobytes(), isa


@pytest.mark.parametrize("profile", ["i16", "i8"])
def test_its_vectors_are_the_golden_ones(minilm: Path, profile: str) -> None:
    model = load(minilm, profile)
    sha256 = hashlib.sha256(model.embed(GOLDEN_TEXTS).vectors.tobytes()).hexdigest()
    assert golden.compare(model.space, sha256).state == "matches"
