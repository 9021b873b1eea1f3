"""all-MiniLM-L6-v2: the right vectors, and the same ones whatever is done to them."""

from __future__ import annotations

import hashlib
import os
import random
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest

from idembed import native
from idembed.models import load
from idembed.models.checkpoint import Checkpoint
from idembed.models.prove import golden
from idembed.models.prove.texts import TEXTS

EXAMPLES = Path(__file__).parents[2] / "examples"
SENTENCES = [
    "The cat sat on the mat.",
    "A dog slept on the rug.",
    "Quantum entanglement defies classical intuition.",
    "Tacos taste best with fresh salsa.",
]
COSINES = [0.468, 0.031, 0.053, 0.049, -0.119, -0.014]
WORDS = (
    "the of and vector search meaning rain Paris algorithm blue seven never because river music naïve Ünïcödé "
    "STRAẞE ﬁne 日本語 한국어 привет مرحبا नमस्ते 🚀 👩🏽\u200d💻 e\u0301 … “quoted” C++ 3.14 a_b x@y.z"
)


def some_texts(n: int, longest: int, seed: int = 0) -> list[str]:
    """Texts of 0 to ``longest`` words, every tenth a repetition; the same ones for the same seed."""
    choose = random.Random(seed)
    texts = ["", " ", "\n\t", "🚀", "[SEP]", "a" * 150, "\u200b", "\x00"]
    while len(texts) < n:
        if len(texts) % 10 == 9:
            texts.append(choose.choice(texts))
        else:
            length = int(longest ** choose.random())
            texts.append(" ".join(choose.choices(WORDS.split(), k=length)))
    return texts[:n]


@pytest.fixture(scope="module")
def model(minilm: Path) -> Checkpoint:
    return load(minilm)


@pytest.fixture(scope="module")
def texts() -> list[str]:
    return some_texts(2000, 24)


@pytest.fixture(scope="module")
def vectors(model: Checkpoint, texts: list[str]) -> np.ndarray:
    return model.encode(texts)


def same(a: np.ndarray | Sequence[np.ndarray], b: np.ndarray) -> bool:
    return np.asarray(a).tobytes() == b.tobytes()


def test_the_example_prints_the_published_cosines(minilm: Path) -> None:
    printed = subprocess.run(
        [sys.executable, str(EXAMPLES / "similarity.py")], check=True, capture_output=True, text=True, timeout=120
    ).stdout
    assert [float(line.split()[0]) for line in printed.splitlines()] == COSINES


def test_the_cosines_of_four_sentences(model: Checkpoint) -> None:
    cosines = model.similarity(model.encode(SENTENCES), model.encode(SENTENCES))
    pairs = [cosines[i, j] for i in range(4) for j in range(i + 1, 4)]
    np.testing.assert_allclose(pairs, COSINES, atol=6e-4)


def test_its_space_is_this_one(model: Checkpoint) -> None:
    facts = model.space.facts
    assert (model.space.dim, model.space.similarity, facts["max_length"], facts["pooling"]) == (
        384,
        "cosine",
        256,
        "mean",
    )
    assert facts["tokenizer"] == "05fc7600d4f02a54e3c7d8a210168519c129786f3e22c68e0271ace8c6a5dd9b"
    assert facts["weights"] == "62ee3a1350dd0d30ed0101082afa58ae595aa9b90b9f2b82c9a70c5dc526f8b8"


def test_all_vectors_have_unit_length(vectors: np.ndarray) -> None:
    np.testing.assert_allclose(np.linalg.norm(vectors.astype(np.float64), axis=1), 1, atol=1e-6)


def test_embed_and_encode_and_stream_agree(model: Checkpoint, texts: list[str], vectors: np.ndarray) -> None:
    assert same(model.embed(texts[:200]).vectors, vectors[:200])
    assert same(list(model.encode_iter(iter(texts[:200]))), vectors[:200])


def test_a_text_alone_is_the_same(model: Checkpoint, texts: list[str], vectors: np.ndarray) -> None:
    for i in range(0, len(texts), 10):
        assert same(model.encode(texts[i]), vectors[i]), texts[i]


@pytest.mark.parametrize("size", [3, 64, 777])
def test_batches_are_the_same(model: Checkpoint, texts: list[str], vectors: np.ndarray, size: int) -> None:
    part = 600
    batches = [model.embed(texts[i : min(i + size, part)]).vectors for i in range(0, part, size)]
    assert same(np.concatenate(batches), vectors[:part])


def test_any_order_is_the_same(model: Checkpoint, texts: list[str], vectors: np.ndarray) -> None:
    order = list(range(len(texts)))
    random.Random(7).shuffle(order)
    assert same(model.encode([texts[i] for i in order]), vectors[order])


@pytest.mark.parametrize("threads", [1, 2, 3, 5, 8])
def test_threads_are_the_same(minilm: Path, texts: list[str], vectors: np.ndarray, threads: int) -> None:
    assert same(load(minilm, threads=threads).encode(texts[:500]), vectors[:500])


@pytest.mark.parametrize("isa", [None, "avx2", "avxvnni", "avx512", "avx512vnni", "neon", "neondot"])
def test_its_vectors_are_the_golden_ones(minilm: Path, isa: str | None) -> None:
    if isa not in (None, *native.available_isas()):
        pytest.skip(f"this CPU has no {isa}")
    model = load(minilm, isa=isa)
    sha256 = hashlib.sha256(model.embed(TEXTS).vectors.tobytes()).hexdigest()
    assert golden.compare(model.space, sha256).state == "matches"


@pytest.mark.parametrize("isa", ["avx2", "avxvnni", "avx512", "avx512vnni", "neon", "neondot"])
def test_instruction_sets_are_the_same(minilm: Path, texts: list[str], vectors: np.ndarray, isa: str) -> None:
    if isa not in native.available_isas():
        pytest.skip(f"this CPU has no {isa}")
    assert same(load(minilm, isa=isa).encode(texts[:1000]), vectors[:1000])


def test_the_scalar_reference_is_the_same(minilm: Path) -> None:
    short = [text for text in some_texts(200, 2, seed=3) if len(text) < 9][:24]
    assert len(short) == 24
    assert same(load(minilm, isa="scalar").encode(short), load(minilm).encode(short))


@pytest.mark.parametrize("isa", ["avx2", "neon", "scalar"])
def test_another_process_is_the_same(minilm: Path, isa: str) -> None:
    if isa not in native.available_isas():
        pytest.skip(f"this CPU has no {isa}")
    code = (
        "import sys, hashlib, idembed\n"
        "print(hashlib.sha256(idembed.load(sys.argv[1]).encode(sys.argv[2:]).tobytes()).hexdigest())"
    )
    printed = subprocess.run(
        [sys.executable, "-c", code, str(minilm), *SENTENCES[:1]],
        check=True,
        capture_output=True,
        text=True,
        timeout=120,
        env=os.environ | {"IDEMBED_ISA": isa},
    ).stdout
    assert printed.strip() == hashlib.sha256(load(minilm).encode(SENTENCES[:1]).tobytes()).hexdigest()


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
@pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")
def test_a_forked_child_is_the_same_and_warns_of_nothing(minilm: Path) -> None:
    code = (
        "import os, sys, idembed\n"
        "model = idembed.load(sys.argv[1])\n"
        "texts = ['one', 'two words', 'three short words'] * 30\n"
        "before = model.encode(texts).tobytes()\n"
        "child = os.fork()\n"
        "if child == 0:\n"
        "    os._exit(0 if model.encode(texts).tobytes() == before else 9)\n"
        "assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0\n"
        "assert model.encode(texts).tobytes() == before"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, str(minilm)], check=True, capture_output=True, text=True, timeout=120
    )
    assert done.stderr == ""


def test_long_texts_are_cut_at_256_tokens(model: Checkpoint) -> None:
    assert model.receipts(["word " * 254, "word " * 255])[0].truncated is False
    receipt = model.receipts(["word " * 400])[0]
    assert (receipt.tokens, receipt.truncated, receipt.tokens_in_text) == (256, True, 402)
    with pytest.warns(UserWarning, match="1 of 1 texts were cut to the 256 tokens"):
        cut = model.encode("word " * 400)
    assert same(cut, model.encode("word " * 254))
