"""KeyedVectors: words, their vectors and their neighbours, in numbers that can be worked out by hand."""

from __future__ import annotations

import logging
import math
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from idembed.errors import IdembedError, ModelError, OptionError, UnknownWordError
from idembed.models.words.keyedvectors import KeyedVectors

WORDS = ["north", "east", "northeast", "south", "far"]
VECTORS = np.array([[0, 2], [3, 0], [1, 1], [0, -1], [8, 6]], np.float32)
HALF = math.sqrt(0.5)


@pytest.fixture
def wv() -> KeyedVectors:
    return KeyedVectors(WORDS, VECTORS, [50, 40, 30, 20, 10])


def random(words: int, dim: int) -> KeyedVectors:
    vectors = np.random.default_rng(7).standard_normal((words, dim)).astype(np.float32)
    return KeyedVectors([f"w{i}" for i in range(words)], vectors)


def close(found: object, expected: object) -> None:
    np.testing.assert_allclose(np.asarray(found, np.float64), np.asarray(expected, np.float64), atol=1e-6)


def pairs(found: list[tuple[str, float]], expected: list[tuple[str, float]]) -> None:
    assert [word for word, _ in found] == [word for word, _ in expected]
    close([cosine for _, cosine in found], [cosine for _, cosine in expected])


# ---- words and vectors --------------------------------------------------------------------------------------


def test_it_is_a_mapping_of_words(wv: KeyedVectors) -> None:
    assert len(wv) == 5
    assert list(wv) == wv.index_to_key == WORDS
    assert wv.key_to_index == {"north": 0, "east": 1, "northeast": 2, "south": 3, "far": 4}
    assert "north" in wv
    assert "west" not in wv
    assert None not in wv
    assert wv.vector_size == 2
    assert repr(wv) == "KeyedVectors(5 words, dim=2)"


def test_a_word_has_a_vector_and_a_list_of_words_a_matrix(wv: KeyedVectors) -> None:
    assert wv["east"].tolist() == [3, 0]
    assert wv[["far", "north", "far"]].tolist() == [[8, 6], [0, 2], [8, 6]]
    assert wv[[]].shape == (0, 2)


def test_a_position_is_a_key_too(wv: KeyedVectors) -> None:
    assert wv[1].tolist() == [3, 0]
    assert wv[[np.int64(4), "east"]].tolist() == [[8, 6], [3, 0]]
    assert 4 in wv
    assert 5 not in wv
    assert -1 not in wv


def test_a_vector_is_a_view_that_cannot_be_written_to(wv: KeyedVectors) -> None:
    assert np.shares_memory(wv["east"], wv.vectors)
    with pytest.raises(ValueError, match="read-only"):
        wv["east"][0] = 1
    assert wv.vectors.flags.writeable


def test_a_vector_of_unit_length(wv: KeyedVectors) -> None:
    close(wv.get_vector("far", norm=True), [0.8, 0.6])
    assert wv["far"].tolist() == [8, 6]


def test_float32_rows_that_lie_apart_are_not_copied() -> None:
    wide = np.zeros((2, 16), np.float32)
    wide[:, :2] = [[3, 4], [1, 0]]
    wv = KeyedVectors(["a", "b"], wide[:, :2])
    assert np.shares_memory(wv.vectors, wide)
    close(wv.similarity("a", "b"), 0.6)
    pairs(wv.most_similar("a"), [("b", 0.6)])


def test_columns_that_lie_apart_are_copied() -> None:
    wv = KeyedVectors(["a", "b"], np.asfortranarray(np.array([[3, 4], [1, 0]], np.float32)))
    close(wv.norms, [5, 1])
    pairs(wv.most_similar("a"), [("b", 0.6)])


def test_indices(wv: KeyedVectors) -> None:
    assert wv.get_index("far") == 4
    assert wv.get_index("west", 7) == 7
    assert wv.get_index("west", 0) == 0
    assert wv.has_index_for("far")
    assert not wv.has_index_for("west")


def test_counts(wv: KeyedVectors) -> None:
    assert wv.get_vecattr("east", "count") == 40
    with pytest.raises(OptionError, match="no attribute 'weight'"):
        wv.get_vecattr("east", "weight")
    with pytest.raises(OptionError, match="nobody knows the counts"):
        KeyedVectors(["a"], [[1.0]]).get_vecattr("a", "count")


def test_an_unknown_word_is_named_and_is_a_key_error(wv: KeyedVectors) -> None:
    with pytest.raises(KeyError) as caught:
        wv["west"]
    assert type(caught.value) is UnknownWordError
    assert isinstance(caught.value, IdembedError)
    assert str(caught.value).startswith("the word 'west' is not among the 5 words\n  ")
    assert caught.value.facts == {"word": "west"}


# ---- refused ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("words", "vectors", "counts", "message"),
    [
        (["a", "b", "a"], [[1], [2], [3]], None, "'a' comes twice"),
        (["a", "b"], [[1.0]], None, r"2 words need vectors \[2, dim\], not \[1, 1\]"),
        (["a"], [1.0], None, r"not \[1\]"),
        (["a"], [[]], None, r"not \[1, 0\]"),
        (["a", 1], [[1], [2]], None, "word 1 is 1, not a string"),
        (["a", "b"], [[1, 2], [1, math.nan]], None, "vector of 'b' holds NaN"),
        (["a", "b"], [[math.inf, 2], [1, 1]], None, "vector of 'a' holds NaN, infinity"),
        (["a"], np.array([[1e60]]), None, "beyond float32"),
        (["a", "b"], [[1], [2]], [1], r"2 words need as many integer counts, not int64 \[1\]"),
        (["a"], [[1]], [1.5], "integer counts, not float64"),
        (["a"], [[1]], [-1], "below zero"),
    ],
)
def test_what_does_not_fit_together_is_refused(words: list, vectors: object, counts: object, message: str) -> None:
    with pytest.raises(OptionError, match=message):
        KeyedVectors(words, vectors, counts)


def test_no_words_are_no_error() -> None:
    wv = KeyedVectors([], np.empty((0, 3), np.float32))
    assert len(wv) == 0
    assert wv.most_similar(np.ones(3, np.float32)) == []


# ---- norms --------------------------------------------------------------------------------------------------


def test_norms(wv: KeyedVectors) -> None:
    close(wv.norms, [2, 3, math.sqrt(2), 1, 10])
    assert wv.norms is wv.norms
    close(random(77, 33).norms, np.linalg.norm(random(77, 33).vectors, axis=1))


def test_norms_are_computed_again_when_asked() -> None:
    wv = KeyedVectors(["a", "b"], np.array([[1, 0], [1, 1]], np.float32))
    wv.fill_norms()
    wv.vectors[0] = [3, 4]
    wv.fill_norms()
    close(wv.norms, [1, math.sqrt(2)])
    wv.fill_norms(force=True)
    close(wv.norms, [5, math.sqrt(2)])


def test_norms_name_a_word_that_became_infinite() -> None:
    wv = KeyedVectors(["a", "b"], np.ones((2, 2), np.float32))
    wv.vectors[1, 0] = np.inf
    with pytest.raises(ModelError, match="vector of 'b' is not finite"):
        wv.most_similar("a")


# ---- similarity ---------------------------------------------------------------------------------------------


def test_similarity_and_distance(wv: KeyedVectors) -> None:
    close(wv.similarity("north", "far"), 0.6)
    close(wv.similarity("north", "south"), -1)
    close(wv.distance("north", "far"), 0.4)
    assert type(wv.similarity("north", "far")) is float


def test_distances(wv: KeyedVectors) -> None:
    close(wv.distances("north"), [0, 1, 1 - HALF, 2, 0.4])
    close(wv.distances("north", ["far", "south"]), [0.4, 2])
    close(wv.distances(np.array([0.0, 5.0])), [0, 1, 1 - HALF, 2, 0.4])
    assert wv.distances("north").dtype == np.float32


def test_similarity_of_two_lists(wv: KeyedVectors) -> None:
    # (0, 2) and (3, 0) have the mean (1.5, 1), in their own lengths; with (8, 6) its cosine is 18 / (10 √3.25).
    close(wv.n_similarity(["north", "east"], ["far"]), 18 / (10 * math.sqrt(3.25)))
    close(wv.n_similarity(["north", "west"], ["far"]), 0.6)
    with pytest.raises(OptionError, match="at least one word"):
        wv.n_similarity([], ["far"])


def test_most_similar_to_a_word(wv: KeyedVectors) -> None:
    expected = [("northeast", HALF), ("far", 0.6), ("east", 0.0), ("south", -1.0)]
    pairs(wv.most_similar("north"), expected)
    pairs(wv.similar_by_word("north"), expected)
    pairs(wv.similar_by_key("north", topn=2), expected[:2])
    assert {type(cosine) for _, cosine in wv.most_similar("north")} == {float}


def test_most_similar_adds_unit_vectors_and_takes_away(wv: KeyedVectors) -> None:
    # north + east − south = (1, 2) in unit vectors; words asked about are not among the answers.
    pairs(
        wv.most_similar(positive=["north", "east"], negative=["south"]),
        [("northeast", 3 / math.sqrt(10)), ("far", 20 / (10 * math.sqrt(5)))],
    )
    pairs(wv.most_similar(negative="north", topn=1), [("south", 1.0)])


def test_most_similar_with_weights(wv: KeyedVectors) -> None:
    # 0.8 east + 0.6 north is the direction of far; a weight among the negative ones counts as it is given.
    pairs(wv.most_similar([("east", 0.8), ("north", 0.6)], topn=1), [("far", 1.0)])
    pairs(wv.most_similar("east", [("north", 0.75)], topn=1), [("far", 1.0)])
    pairs(wv.most_similar([("east", 0.8), (np.array([0, 0.6]), 1.0)], topn=1), [("far", 1.0)])


def test_most_similar_to_vectors(wv: KeyedVectors) -> None:
    expected = [("far", 1.0), ("northeast", 1.4 * HALF)]
    pairs(wv.most_similar(np.array([4.0, 3.0]), topn=2), expected)
    pairs(wv.most_similar([np.array([4.0, 3.0])], topn=2), expected)
    pairs(wv.similar_by_vector([4.0, 3.0], topn=2), expected)
    pairs(wv.similar_by_vector([4.0, 3.0], topn=1, restrict_vocab=3), expected[1:])
    pairs(wv.most_similar(np.array([[4.0, 0.0], [0.0, 3.0]]), topn=2), expected)


def test_a_vector_among_words_keeps_its_length(wv: KeyedVectors) -> None:
    # (0, 3) as it is, and east as (1, 0).
    close(wv.most_similar([np.array([0.0, 3.0]), "east"], topn=None)[0], 3 / math.sqrt(10))


def test_topn(wv: KeyedVectors) -> None:
    assert wv.most_similar("north", topn=0) == []
    assert wv.most_similar("north", topn=-1) == []
    assert len(wv.most_similar("north", topn=3)) == 3
    assert len(wv.most_similar("north", topn=100)) == 4
    close(wv.most_similar("north", topn=None), [1, 0, HALF, -1, 0.6])


def test_only_the_first_words_are_looked_at(wv: KeyedVectors) -> None:
    pairs(wv.most_similar("far", restrict_vocab=2), [("east", 0.8), ("north", 0.6)])
    pairs(wv.similar_by_word("far", restrict_vocab=1), [("north", 0.6)])
    pairs(wv.most_similar("far", restrict_vocab=100, topn=1), [("northeast", 1.4 * HALF)])
    close(wv.most_similar("far", topn=None, restrict_vocab=2), [0.6, 0.8])


def test_a_range_of_words_is_looked_at(wv: KeyedVectors) -> None:
    pairs(wv.most_similar("far", clip_start=1, clip_end=3), [("northeast", 1.4 * HALF), ("east", 0.8)])
    pairs(wv.most_similar("northeast", clip_start=1), [("far", 1.4 * HALF), ("east", HALF), ("south", -HALF)])
    pairs(wv.most_similar("far", clip_start=3, restrict_vocab=1), [("north", 0.6)])
    with pytest.raises(OptionError, match="-1 is below zero"):
        wv.most_similar("far", restrict_vocab=-1)


def test_equals_come_in_the_order_of_the_vocabulary() -> None:
    words = [f"w{i}" for i in range(400)]
    wv = KeyedVectors(words, np.tile(np.array([[1, 2]], np.float32), (400, 1)))
    assert [word for word, _ in wv.most_similar("w1", topn=4)] == ["w0", "w2", "w3", "w4"]


def test_what_cannot_be_looked_for_is_refused(wv: KeyedVectors) -> None:
    with pytest.raises(OptionError, match="at least one word"):
        wv.most_similar()
    with pytest.raises(UnknownWordError, match="'west'"):
        wv.most_similar(["north", "west"])
    with pytest.raises(OptionError, match=r"shape \[3\], these words have \[2\]"):
        wv.most_similar(np.ones(3))
    with pytest.raises(OptionError, match="NaN"):
        wv.similar_by_vector([1.0, math.nan])
    with pytest.raises(OptionError, match=r"\('north',\) is not a word"):
        wv.most_similar([("north",)])


def test_a_zero_vector_has_the_cosine_zero() -> None:
    wv = KeyedVectors(["a", "zero"], np.array([[1, 2], [0, 0]], np.float32))
    assert wv.similarity("a", "zero") == 0
    assert wv.most_similar("a") == [("zero", 0.0)]
    assert wv.distances("zero").tolist() == [1, 1]
    assert wv.get_vector("zero", norm=True).tolist() == [0, 0]


def test_closer_than_and_rank(wv: KeyedVectors) -> None:
    assert wv.closer_than("north", "east") == ["northeast", "far"]
    assert wv.rank("north", "east") == 3
    assert wv.rank("north", "northeast") == 1
    with pytest.raises(UnknownWordError, match="'west'"):
        wv.rank("north", "west")


def test_most_similar_to_given(wv: KeyedVectors) -> None:
    assert wv.most_similar_to_given("north", ["south", "far", "east"]) == "far"
    with pytest.raises(OptionError, match="no words to choose from"):
        wv.most_similar_to_given("north", [])


def test_doesnt_match(wv: KeyedVectors) -> None:
    assert wv.doesnt_match(["north", "northeast", "far", "south"]) == "south"
    assert [word for _, word in wv.rank_by_centrality(["south", "north", "northeast"])] == [
        "northeast",
        "north",
        "south",
    ]


def test_rank_by_centrality_in_own_lengths(wv: KeyedVectors) -> None:
    # The mean of (8, 6) and (0, 2) is (4, 4); inner products with it, at unit length.
    (first, second) = wv.rank_by_centrality(["far", "north"], use_norm=False)
    assert (first[1], second[1]) == ("far", "north")
    close([first[0], second[0]], [14 * HALF, 2 * HALF])


def test_unknown_words_are_left_out_of_the_odd_one_with_a_warning(
    wv: KeyedVectors, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.WARNING, "idembed"):
        assert wv.doesnt_match(["north", "west", "far", "south"]) == "south"
    assert "west" in caplog.text
    with pytest.raises(OptionError, match="none of the words"):
        wv.doesnt_match(["west"])


# ---- means --------------------------------------------------------------------------------------------------


def test_mean_of_unit_vectors(wv: KeyedVectors) -> None:
    close(wv.get_mean_vector(["north", "east"]), [0.5, 0.5])
    close(wv.get_mean_vector(["north", "east"], pre_normalize=False), [1.5, 1])
    close(wv.get_mean_vector(["north", "east"], post_normalize=True), [HALF, HALF])


def test_mean_is_divided_by_the_sum_of_absolute_weights(wv: KeyedVectors) -> None:
    close(wv.get_mean_vector(["north", "east"], weights=[3, -1]), [-0.25, 0.75])
    close(wv.get_mean_vector(["north", "west", "east"], weights=[3, 5, -1]), [-0.25, 0.75])


def test_a_vector_in_a_mean_is_taken_as_it_is(wv: KeyedVectors) -> None:
    close(wv.get_mean_vector(["north", np.array([4.0, 1.0])]), [2, 1])


def test_unknown_words_in_a_mean(wv: KeyedVectors) -> None:
    close(wv.get_mean_vector(["west"]), [0, 0])
    with pytest.raises(UnknownWordError, match="'west'"):
        wv.get_mean_vector(["north", "west"], ignore_missing=False)
    with pytest.raises(OptionError, match=r"1 words have weights of the shape \[2\]"):
        wv.get_mean_vector(["north"], weights=[1, 2])
    with pytest.raises(OptionError, match="at least one word"):
        wv.get_mean_vector([])


# ---- bits ---------------------------------------------------------------------------------------------------

BITS = """
import hashlib
from test_keyedvectors import random
wv = random(500, 37)
digest = hashlib.sha256(wv.norms.tobytes())
digest.update(wv.most_similar(["w1", "w2"], ["w3"], topn=None).tobytes())
digest.update(wv.distances("w5").tobytes())
digest.update(repr((wv.similarity("w1", "w2"), wv.n_similarity(["w1", "w7"], ["w2"]))).encode())
print(digest.hexdigest())
"""


def test_all_numbers_are_the_same_on_every_instruction_set() -> None:
    from idembed import native

    def bits(isa: str) -> str:
        folder = str(Path(__file__).parent)
        environment = os.environ | {"IDEMBED_ISA": isa, "PYTHONPATH": os.pathsep.join([folder, *sys.path])}
        run = subprocess.run([sys.executable, "-c", BITS], env=environment, capture_output=True, text=True, check=True)
        return run.stdout

    assert len({bits(isa) for isa in native.available_isas()}) == 1


def test_a_similarity_does_not_depend_on_how_many_words_there_are() -> None:
    large = random(3000, 50)
    few = KeyedVectors(large.index_to_key[:21], large.vectors[:21])
    whole = large.most_similar("w3", topn=None)
    assert few.most_similar("w3", topn=None).tobytes() == whole[:21].tobytes()
    assert large.most_similar("w3", topn=None, clip_start=5, clip_end=9).tobytes() == whole[5:9].tobytes()


# ---- files --------------------------------------------------------------------------------------------------


def test_saved_and_loaded(wv: KeyedVectors, tmp_path: Path) -> None:
    wv.save(tmp_path / "a.w2v")
    again = KeyedVectors.load(tmp_path / "a.w2v")
    assert again.index_to_key == WORDS
    assert again.vectors.tobytes() == VECTORS.tobytes()
    assert again.counts.tolist() == [50, 40, 30, 20, 10]
    pairs(again.most_similar("north", topn=1), [("northeast", HALF)])


def test_loaded_vectors_are_a_map_unless_memory_is_asked_for(wv: KeyedVectors, tmp_path: Path) -> None:
    wv.save(str(tmp_path / "a.w2v"))
    assert isinstance(KeyedVectors.load(tmp_path / "a.w2v").vectors.base, np.memmap)
    assert isinstance(KeyedVectors.load(str(tmp_path / "a.w2v"), mmap="r").vectors.base, np.memmap)
    assert KeyedVectors.load(tmp_path / "a.w2v", mmap=False).vectors.flags.writeable


def test_a_card_is_kept(tmp_path: Path) -> None:
    KeyedVectors(["a"], [[1.0]], card={"kind": "word2vec", "training": {"seed": 1}}).save(tmp_path / "a.w2v")
    KeyedVectors.load(tmp_path / "a.w2v").save(tmp_path / "b.w2v")
    card = KeyedVectors.load(tmp_path / "b.w2v").card
    assert (card["kind"], card["training"]) == ("vectors", {"seed": 1})
    assert (tmp_path / "a.w2v/card.json").read_bytes() == (tmp_path / "b.w2v/card.json").read_bytes()
    KeyedVectors.load(tmp_path / "a.w2v").save(tmp_path / "b.w2v")  # may be replaced


def test_vectors_without_a_card_say_what_they_are(wv: KeyedVectors, tmp_path: Path) -> None:
    wv.save(tmp_path / "a.w2v")
    assert KeyedVectors.load(tmp_path / "a.w2v").card["kind"] == "vectors"


def test_word2vec_files_with_counts(tmp_path: Path) -> None:
    wv = KeyedVectors(["rare", "often", "same"], np.eye(3, dtype=np.float32), [1, 5, 1])
    wv.save_word2vec_format(tmp_path / "v.txt", tmp_path / "counts.txt")
    assert (tmp_path / "counts.txt").read_text() == "often 5\nrare 1\nsame 1\n"
    again = KeyedVectors.load_word2vec_format(tmp_path / "v.txt", tmp_path / "counts.txt")
    assert again.index_to_key == ["often", "rare", "same"]
    assert again.counts.tolist() == [5, 1, 1]
    assert again["often"].tolist() == [0, 1, 0]


def test_words_of_equal_count_keep_their_order(tmp_path: Path) -> None:
    wv = random(100, 2)
    equal = KeyedVectors(wv.index_to_key, wv.vectors, [3] * 99 + [4])
    equal.save_glove_format(tmp_path / "v")
    assert KeyedVectors.load_glove_format(tmp_path / "v").index_to_key == ["w99", *wv.index_to_key[:99]]


def test_counts_must_be_there_to_be_written_and_whole_to_be_read(tmp_path: Path) -> None:
    wv = KeyedVectors(["a", "b"], [[1.0], [2.0]])
    with pytest.raises(OptionError, match="no counts to write"):
        wv.save_word2vec_format(tmp_path / "v.txt", tmp_path / "counts.txt")
    assert list(tmp_path.iterdir()) == []
    wv.save_word2vec_format(tmp_path / "v.txt")
    (tmp_path / "counts.txt").write_text("a 3\n")
    with pytest.raises(ModelError, match=r"counts\.txt has no count of 'b'"):
        KeyedVectors.load_word2vec_format(tmp_path / "v.txt", tmp_path / "counts.txt")


@pytest.mark.parametrize("name", ["v.bin", "v.bin.gz"])
def test_word2vec_binary_files(wv: KeyedVectors, tmp_path: Path, name: str) -> None:
    wv.save_word2vec_format(tmp_path / name, binary=True)
    again = KeyedVectors.load_word2vec_format(str(tmp_path / name), binary=True, limit=2)
    assert again.index_to_key == ["north", "east"]
    assert again.vectors.tolist() == [[0, 2], [3, 0]]
    with pytest.raises(OptionError, match="binary format cannot be read without its first line"):
        KeyedVectors.load_word2vec_format(tmp_path / name, binary=True, no_header=True)


def test_glove_files(wv: KeyedVectors, tmp_path: Path) -> None:
    wv.save_glove_format(tmp_path / "v.txt.gz")
    for again in (
        KeyedVectors.load_glove_format(tmp_path / "v.txt.gz"),
        KeyedVectors.load_word2vec_format(tmp_path / "v.txt.gz", no_header=True),
    ):
        assert again.index_to_key == WORDS
        assert again.vectors.tobytes() == VECTORS.tobytes()
    assert KeyedVectors.load_glove_format(tmp_path / "v.txt.gz", limit=1).index_to_key == ["north"]
