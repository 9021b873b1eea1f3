"""Word pairs and analogies: correlations against tables, answers against vectors that can be drawn."""

from __future__ import annotations

import gzip
import math
from pathlib import Path

import numpy as np
import pytest

from idembed.errors import OptionError
from idembed.models.words.evaluation import pearson, spearman
from idembed.models.words.keyedvectors import KeyedVectors

# Capitals stand one step from their countries: b − a + c is exactly d.
WORDS = ["paris", "france", "rome", "italy", "berlin", "germany", "Rome"]
VECTORS = [
    [1, 0, 0, 1],
    [1, 0, 0, -1],
    [0, 1, 0, 1],
    [0, 1, 0, -1],
    [0, 0, 1, 1],
    [0, 0, 1, -1],
    [-1, -1, -1, 0],
]


@pytest.fixture
def wv() -> KeyedVectors:
    return KeyedVectors(WORDS, VECTORS)


def wrote(path: Path, text: str) -> Path:
    path.write_text(text, encoding="utf-8")
    return path


# ---- correlations -------------------------------------------------------------------------------------------

X = [10.0, 8.0, 13.0, 9.0, 11.0, 14.0, 6.0, 4.0, 12.0, 7.0, 5.0]
Y = [8.04, 6.95, 7.58, 8.81, 8.33, 9.96, 7.24, 4.26, 10.84, 4.82, 5.68]


def test_pearson_of_anscombes_first_set() -> None:
    assert pearson(X, Y) == pytest.approx((0.81642051634484, 0.00216962887308), abs=1e-12)


def test_spearman_of_anscombes_first_set() -> None:
    assert spearman(X, Y) == pytest.approx((0.81818181818182, 0.00208314484048), abs=1e-12)


def test_equals_share_the_mean_of_their_ranks() -> None:
    # Ranks 1, 2.5, 2.5, 4 against 1, 2, 3, 4: 4.5 / sqrt(4.5 · 5).
    assert spearman([1.0, 2.0, 2.0, 3.0], [1.0, 2.0, 3.0, 4.0]).statistic == pytest.approx(math.sqrt(0.9))


def test_chance_of_small_samples() -> None:
    # With two degrees of freedom Student's distribution has a closed form: p = 1 − |r|; with one, 2/π · acos|r|.
    assert pearson([1.0, 2.0, 3.0, 4.0], [1.0, 3.0, 2.0, 4.0]) == pytest.approx((0.8, 0.2))
    r = pearson([1.0, 2.0, 3.0], [1.0, 3.0, 2.5])
    assert r.pvalue == pytest.approx(2 / math.pi * math.acos(r.statistic))
    assert pearson([1.0, 2.0, 3.0, 4.0], [4.0, 2.0, 3.0, 1.0]) == pytest.approx((-0.8, 0.2))


def test_chance_of_no_and_of_perfect_correlation() -> None:
    assert pearson([1.0, 2.0, 3.0], [1.0, 0.0, 1.0]) == pytest.approx((0.0, 1.0))
    assert pearson([1.0, 2.0, 3.0], [2.0, 4.0, 6.0]) == (1.0, 0.0)
    assert pearson([1.0, 2.0], [5.0, 3.0]) == (-1.0, 1.0)


def test_chance_of_a_large_sample() -> None:
    x = [math.cos(2 * math.pi * i / 1000) for i in range(1000)]
    y = [0.1 * a + math.sqrt(0.99) * math.sin(2 * math.pi * i / 1000) for i, a in enumerate(x)]
    assert pearson(x, y) == pytest.approx((0.1, 0.0015441161074), abs=1e-12)


def test_what_does_not_vary_has_no_correlation() -> None:
    assert all(math.isnan(value) for value in pearson([0.1, 0.1, 0.1], [1.0, 2.0, 3.0]))
    assert all(math.isnan(value) for value in spearman([1.0, 2.0, 3.0], [0.1, 0.1, 0.1]))
    assert math.isnan(spearman([1.0, 2.0], [1.0, 2.0]).pvalue)


# ---- word pairs ---------------------------------------------------------------------------------------------

PAIRS = "#paris\tparis\t-9\nParis\tFrance\t1.0\nparis\tparis\t10\nrome\tparis\t6\nmadrid\tspain\t9\nnonsense\n\n"


def test_word_pairs(wv: KeyedVectors, tmp_path: Path) -> None:
    # Cosines 0, 1 and 0.5 against 1, 10 and 6.
    r, rho, unknown = wv.evaluate_word_pairs(wrote(tmp_path / "pairs.tsv", PAIRS))
    assert r.statistic == pytest.approx(4.5 / math.sqrt(0.5 * 122 / 3))
    assert rho == (1.0, 0.0)
    assert unknown == 25.0


def test_unknown_pairs_may_count_as_zero(wv: KeyedVectors, tmp_path: Path) -> None:
    path = wrote(tmp_path / "pairs.tsv", PAIRS)
    r, rho, unknown = wv.evaluate_word_pairs(path, dummy4unknown=True)
    assert unknown == 25.0
    assert r.statistic == pytest.approx(pearson([1, 10, 6, 9], [0, 1, 0.5, 0]).statistic)
    assert rho.statistic == pytest.approx(spearman([1, 10, 6, 9], [0, 1, 0.5, 0]).statistic)


def test_pairs_in_their_own_case(wv: KeyedVectors, tmp_path: Path) -> None:
    _, _, unknown = wv.evaluate_word_pairs(wrote(tmp_path / "pairs.tsv", PAIRS), case_insensitive=False)
    assert unknown == 50.0


def test_pairs_of_the_first_words(wv: KeyedVectors, tmp_path: Path) -> None:
    path = wrote(tmp_path / "p", "paris\tparis\t3\nfrance\tparis\t1\nfrance\trome\t2\n")
    assert wv.evaluate_word_pairs(path, restrict_vocab=2)[2] == pytest.approx(100 / 3)
    assert wv.evaluate_word_pairs(path, restrict_vocab=None)[2] == 0


def test_pairs_with_another_delimiter_and_encoding_and_packed(wv: KeyedVectors, tmp_path: Path) -> None:
    words = KeyedVectors(["père", "mère", "île"], np.eye(3) + 1)
    (tmp_path / "pairs.gz").write_bytes(gzip.compress("père,mère,3\nmère,mère,9\nîle,père,3\n".encode("latin-1")))
    r, _, unknown = words.evaluate_word_pairs(str(tmp_path / "pairs.gz"), delimiter=",", encoding="latin-1")
    assert r.statistic == pytest.approx(1)
    assert unknown == 0


def test_of_words_that_differ_in_case_the_first_is_taken(wv: KeyedVectors, tmp_path: Path) -> None:
    # ROME is rome, which agrees with itself, and not Rome.
    r, _, _ = wv.evaluate_word_pairs(wrote(tmp_path / "p", "Rome\trome\t9\nparis\tfrance\t1\nparis\tItaly\t2\n"))
    assert r.statistic > 0.8


def test_pairs_that_cannot_be_used(wv: KeyedVectors, tmp_path: Path) -> None:
    with pytest.raises(OptionError, match="there is no file"):
        wv.evaluate_word_pairs(tmp_path / "missing.tsv")
    with pytest.raises(OptionError, match="p has 1 scored pairs") as caught:
        wv.evaluate_word_pairs(wrote(tmp_path / "p", "paris\tparis\t3\nmadrid\tparis\t1\n"))
    assert "1 pairs have a word that the vectors lack" in str(caught.value)
    (tmp_path / "q").write_bytes(b"p\xe8re\tparis\t3\n")
    with pytest.raises(OptionError, match="q cannot be read: 'utf-8' codec"):
        wv.evaluate_word_pairs(tmp_path / "q")


# ---- analogies ----------------------------------------------------------------------------------------------

QUESTIONS = """: capitals
Paris France Rome Italy
rome italy berlin germany
paris france rome germany
: missing
paris france madrid spain
three words only
"""
UPPER = [("PARIS", "FRANCE", "ROME", "ITALY"), ("ROME", "ITALY", "BERLIN", "GERMANY")]


def test_analogies(wv: KeyedVectors, tmp_path: Path) -> None:
    wrong = ("PARIS", "FRANCE", "ROME", "GERMANY")
    accuracy, sections = wv.evaluate_word_analogies(wrote(tmp_path / "q.txt", QUESTIONS))
    assert accuracy == pytest.approx(2 / 3)
    assert sections == [
        {"section": "capitals", "correct": UPPER, "incorrect": [wrong]},
        {"section": "missing", "correct": [], "incorrect": []},
        {"section": "Total accuracy", "correct": UPPER, "incorrect": [wrong]},
    ]


def test_questions_with_unknown_words_may_count_as_wrong(wv: KeyedVectors, tmp_path: Path) -> None:
    accuracy, sections = wv.evaluate_word_analogies(wrote(tmp_path / "q.txt", QUESTIONS), dummy4unknown=True)
    assert accuracy == 0.5
    assert sections[1]["incorrect"] == [("PARIS", "FRANCE", "MADRID", "SPAIN")]


def test_questions_in_their_own_case(wv: KeyedVectors, tmp_path: Path) -> None:
    accuracy, sections = wv.evaluate_word_analogies(wrote(tmp_path / "q.txt", QUESTIONS), case_insensitive=False)
    assert accuracy == 0.5
    assert sections[0]["correct"] == [("rome", "italy", "berlin", "germany")]


def test_questions_about_the_first_words(wv: KeyedVectors, tmp_path: Path) -> None:
    path = wrote(tmp_path / "q.txt", QUESTIONS)
    accuracy, sections = wv.evaluate_word_analogies(path, restrict_vocab=4)
    assert accuracy == 1.0
    assert sections[0] == {"section": "capitals", "correct": UPPER[:1], "incorrect": []}


def test_the_answer_is_not_a_word_of_the_question_in_another_case(tmp_path: Path) -> None:
    # Nearest to b − a + c is C, then d; C is c under another spelling.
    wv = KeyedVectors(["a", "b", "c", "C", "d"], [[1, 0, 0], [1, 0.1, 0], [0, 0, 1], [0, 0.1, 1], [0, 0.3, 1]])
    path = wrote(tmp_path / "q.txt", ": s\na b c d\n")
    assert wv.evaluate_word_analogies(path)[0] == 1.0
    assert wv.evaluate_word_analogies(path, case_insensitive=False)[0] == 0.0


def test_five_words_beside_those_of_the_question_are_looked_at(tmp_path: Path) -> None:
    # Nearest to b − a + c are the four spellings of cc and the one more of b, then d.
    words = ["a", "b", "cc", "Cc", "cC", "CC", "B", "d"]
    vectors = [[1, 0, 0], [1, 0, 0], *([[0, 0, 1]] * 4), [0, 0.1, 1], [0, 0.3, 1]]
    path = wrote(tmp_path / "q.txt", ": s\na b cc d\n")
    assert KeyedVectors(words, vectors).evaluate_word_analogies(path)[0] == 1.0


def test_words_beyond_the_first_are_no_candidates(tmp_path: Path) -> None:
    words = ["a", "b", "c", "d", *(f"beyond{i}" for i in range(6))]
    wv = KeyedVectors(words, [[1, 0, 0], [1, 0, 0], [0, 0, 1], [0, 0.3, 1], *([[0, 0.1, 1]] * 6)])
    path = wrote(tmp_path / "q.txt", ": s\na b c d\n")
    assert wv.evaluate_word_analogies(path, restrict_vocab=4)[0] == 1.0
    assert wv.evaluate_word_analogies(path)[0] == 0.0


def test_many_questions_are_answered_as_one_by_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from idembed.models.words import evaluation

    rng = np.random.default_rng(5)
    wv = KeyedVectors([f"w{i}" for i in range(60)], rng.standard_normal((60, 8)))
    questions = [[f"w{i}" for i in rng.permutation(60)[:3]] for _ in range(100)]
    best = [wv.most_similar([b, c], [a], topn=1)[0][0] for a, b, c in questions]
    lines = [" ".join([*question, answer]) for question, answer in zip(questions, best, strict=True)]
    path = wrote(tmp_path / "q.txt", "\n".join([": all", *lines, "w1 w2 w3 w1"]))
    monkeypatch.setattr(evaluation, "_BATCH_BYTES", 1)  # batches of 16
    accuracy, sections = wv.evaluate_word_analogies(path, case_insensitive=False)
    assert accuracy == 100 / 101
    assert sections[0]["incorrect"] == [("w1", "w2", "w3", "w1")]


def test_when_no_question_can_be_answered_accuracy_is_zero(wv: KeyedVectors, tmp_path: Path) -> None:
    accuracy, sections = wv.evaluate_word_analogies(wrote(tmp_path / "q.txt", ": s\none two three four\n"))
    assert accuracy == 0.0
    assert sections[-1] == {"section": "Total accuracy", "correct": [], "incorrect": []}


def test_analogies_that_cannot_be_used(wv: KeyedVectors, tmp_path: Path) -> None:
    with pytest.raises(OptionError, match="line 1: a section"):
        wv.evaluate_word_analogies(wrote(tmp_path / "q.txt", "paris france rome italy\n"))
    with pytest.raises(OptionError, match="no questions of four words"):
        wv.evaluate_word_analogies(wrote(tmp_path / "q.txt", ": s\none two three\n"))
    with pytest.raises(OptionError, match="there is no file"):
        wv.evaluate_word_analogies(tmp_path / "missing.txt")
