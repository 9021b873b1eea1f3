"""Sentences and files become corpora of word ids."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest

from idembed.errors import CorpusError, DiskFullError, OptionError
from idembed.models.words import corpus as corpus_module
from idembed.models.words.corpus import SENTENCE_START, Encoded, TokenStore
from idembed.models.words.corpusfile import encode_file, learn_file
from idembed.models.words.sentences import encode_sentences, learn_sentences
from idembed.models.words.vocabulary import Vocabulary, VocabularyRules

ALL = VocabularyRules(min_count=1)
PETS = [["the", "cat", "sat"], [], ["a", "cat", "and", "the", "dog"], ["dog"]]


def rules(**changes: object) -> VocabularyRules:
    return VocabularyRules(**{"min_count": 1, **changes})


def sentences_of(encoded: Encoded) -> list[list[str]]:
    """The corpus as words; sentences of which nothing is left are not there."""
    sentences: list[list[str]] = []
    for token in encoded.corpus.tokens.tolist():
        if token < 0:
            sentences.append([])
        sentences[-1].append(encoded.vocabulary.words[token & ~SENTENCE_START])
    return sentences


def counts_of(vocabulary: Vocabulary) -> dict[str, int]:
    return dict(zip(vocabulary.words, vocabulary.counts.tolist(), strict=True))


def random_sentences() -> list[list[str]]:
    random = np.random.default_rng(0)
    words = (random.pareto(0.8, 200_000) * 2).astype(np.int64) % 20_000
    lengths = random.integers(0, 60, 6_000)
    cuts = np.cumsum(lengths)
    return [[f"w{i}" if i % 3 else f"wörter{i}" for i in part.tolist()] for part in np.split(words, cuts)]


# ---- vocabulary ---------------------------------------------------------------------------------------------


def test_words_come_by_falling_count_and_equals_by_first_occurrence() -> None:
    vocabulary, corpus = learn_sentences(PETS, ALL)
    assert counts_of(vocabulary) == {"the": 2, "cat": 2, "dog": 2, "sat": 1, "a": 1, "and": 1}
    assert vocabulary.words == ["the", "cat", "dog", "sat", "a", "and"]
    s = SENTENCE_START
    assert corpus.tokens.tolist() == [0 | s, 1, 3, 4 | s, 1, 5, 0, 2, 2 | s]
    assert (corpus.sentences, corpus.words) == (4, 9)
    assert corpus.tokens.dtype == np.int32
    assert not corpus.tokens.flags.writeable


def test_unsorted_words_come_by_first_occurrence() -> None:
    vocabulary = learn_sentences(PETS, rules(sorted_vocab=False)).vocabulary
    assert vocabulary.words == ["the", "cat", "sat", "a", "and", "dog"]
    assert vocabulary.counts.tolist() == [2, 2, 1, 1, 1, 2]


def test_rare_words_are_left_out_and_the_next_word_begins_the_sentence() -> None:
    encoded = learn_sentences(PETS, rules(min_count=2))
    assert encoded.vocabulary.words == ["the", "cat", "dog"]
    assert sentences_of(encoded) == [["the", "cat"], ["cat", "the", "dog"], ["dog"]]
    assert (encoded.corpus.sentences, encoded.corpus.words) == (4, 9)


@pytest.mark.parametrize(
    ("most", "kept"), [(1, "a"), (2, "a"), (3, "abc"), (4, "abc"), (5, "abc"), (6, "abcdef"), (7, "abcdef")]
)
def test_max_final_vocab_keeps_equals_together(most: int, kept: str) -> None:
    # Counts 3, 2, 2, 1, 1, 1: as gensim, the least count is one more than that of the first word beyond.
    assert learn_sentences([list("aaabbccdef")], rules(max_final_vocab=most)).vocabulary.words == list(kept)


def test_max_final_vocab_never_lowers_min_count() -> None:
    assert learn_sentences([list("aaabbccdef")], rules(min_count=3, max_final_vocab=6)).vocabulary.words == ["a"]


def test_max_vocab_size_forgets_rare_words_while_counting() -> None:
    # More than 2 words after every sentence from the second on: those counted less than 1, 2, 3 times go.
    sentences = [["a", "b"], ["a", "c"], ["a", "d"], ["a", "b"], ["b"]]
    vocabulary, corpus = learn_sentences(sentences, rules(max_vocab_size=2))
    assert counts_of(vocabulary) == {"a": 4, "b": 2}
    assert (len(corpus.tokens), corpus.words) == (7, 9)  # what was forgotten and came again is encoded everywhere


def test_max_vocab_size_needs_sentences_that_begin_anew() -> None:
    with pytest.raises(OptionError, match="can be read only once"):
        learn_sentences(iter(PETS), rules(max_vocab_size=10))


@pytest.mark.parametrize(
    "wrong",
    [{"min_count": -1}, {"min_count": 1.5}, {"min_count": None}, {"max_final_vocab": 0}, {"max_vocab_size": True}],
)
def test_rules_that_make_no_sense_are_refused(wrong: dict[str, object]) -> None:
    with pytest.raises(OptionError, match=next(iter(wrong))):
        VocabularyRules(**wrong)


# ---- sentences ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "form",
    [
        iter,
        tuple,
        lambda s: (x for x in s),
        lambda s: (tuple(x) for x in s),
        lambda s: [iter(x) for x in s],
        lambda s: [np.array(x, dtype=str) for x in s],
        lambda s: [dict.fromkeys(x) for x in s],
    ],
)
def test_any_iterable_of_sentences_gives_the_same(form: Callable) -> None:
    vocabulary, corpus = learn_sentences(form(PETS), ALL)
    expected, same = learn_sentences(PETS, ALL)
    assert vocabulary.words == expected.words
    assert all(type(word) is str for word in vocabulary.words)
    assert corpus.tokens.tolist() == same.tokens.tolist()


def test_a_large_corpus_is_what_python_counts() -> None:
    sentences = random_sentences()
    encoded = learn_sentences(sentences, ALL)
    assert sentences_of(encoded) == [s for s in sentences if s]
    counts: dict[str, int] = {}
    for sentence in sentences:
        for word in sentence:
            counts[word] = counts.get(word, 0) + 1
    assert list(counts_of(encoded.vocabulary).items()) == sorted(counts.items(), key=lambda item: -item[1])


def test_words_may_hold_anything_but_lone_surrogates() -> None:
    odd = [["", "a b", "\n", "\0", "\x1f", "\n\0\x1f", "日本 語", "🚀"], ["", "\n", "a\nb"]]
    encoded = learn_sentences(odd, ALL)
    assert sentences_of(encoded) == odd
    assert counts_of(encoded.vocabulary)["\n"] == 2


def test_a_known_vocabulary_leaves_out_other_words() -> None:
    vocabulary = Vocabulary(["cat", "dog", "a\nb"], np.array([5, 4, 3]))
    corpus = encode_sentences([["the", "cat", "and", "dog"], ["bird"], ["a", "dog", "a\nb"]], vocabulary)
    s = SENTENCE_START
    assert corpus.tokens.tolist() == [0 | s, 1, 1 | s, 2]
    assert (corpus.sentences, corpus.words) == (3, 8)


def test_new_words_come_after_the_known_ones() -> None:
    base = Vocabulary(["cat", "dog", "emu"], np.array([5, 4, 1]))
    new = [["dog", "owl", "fox", "fox", "dog"], ["owl", "fox", "cat", "yak", "ant", "ant"]]
    vocabulary, corpus = learn_sentences(new, rules(min_count=2), base=base)
    assert counts_of(vocabulary) == {"cat": 6, "dog": 6, "emu": 1, "fox": 3, "owl": 2, "ant": 2}
    assert vocabulary.words == ["cat", "dog", "emu", "fox", "owl", "ant"]
    s = SENTENCE_START
    assert corpus.tokens.tolist() == [1 | s, 4, 3, 3, 1, 4 | s, 3, 0, 5, 5]
    assert base.counts.tolist() == [5, 4, 1]


def test_progress_says_how_many_sentences_there_are(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("idembed.models.words.sentences._BATCH", 3)
    monkeypatch.setattr("idembed.models.words.sentences._GROUP", 2)
    calls: list[tuple[int, int | None]] = []
    learn_sentences(PETS, ALL, progress=lambda done, total: calls.append((done, total)))
    learn_sentences(iter(PETS), ALL, progress=lambda done, total: calls.append((done, total)))
    assert calls == [(2, 4), (4, 4), (2, None), (4, None)]


@pytest.mark.parametrize("size", [1, 2, 3, 100])
def test_long_sentences_are_read_in_parts(size: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("idembed.models.words.sentences._BATCH", size)
    sentences = [*PETS, ["the"] * 1000, [], ["cat", "dog"], ["dog"] * 501]
    encoded = learn_sentences(sentences, ALL)
    assert sentences_of(encoded) == [sentence for sentence in sentences if sentence]
    assert (encoded.corpus.sentences, encoded.corpus.words) == (8, 1512)
    with pytest.raises(CorpusError, match="word 499 of sentence 1 is not a string but int"):
        learn_sentences([["a"], ["a"] * 499 + [1]], ALL)


# ---- sentences that are none --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("sentences", "message"),
    [
        ("the cat", "the sentences are a string"),
        (None, "the sentences are of type NoneType"),
        (["the cat", "a dog"], "sentence 0 is a string"),
        ([["a"], "the cat"], "sentence 1 is a string"),
        ([["a"], b"the cat"], "sentence 1 is of type bytes"),
        ([["a"], 7], "sentence 1 is of type int"),
        ([["a"], None], "sentence 1 is of type NoneType"),
        ([["a"], {"a", "b"}], "sentence 1 is a set, which has no order"),
        ([["a"], [], ["b", 7]], "word 1 of sentence 2 is not a string but int"),
        ([["a"], ["b", b"c"]], "word 1 of sentence 1 is not a string but bytes"),
        ([["a"], ["b", ["c"]]], "word 1 of sentence 1 is not a string but list"),
        ([["a", None]], "word 1 of sentence 0 is not a string but NoneType"),
        ([["a"]] * 100_000 + [["b", 1.5]], "word 1 of sentence 100000 is not a string but float"),
        ([["a", "b\ud800"]], r"word 1 of sentence 0 holds a lone surrogate \(U\+D800\)"),
        ([], "there is no sentence"),
        (iter([]), "there is no sentence"),
        ([[], []], "there is no word in any of 2 sentences"),
    ],
)
def test_what_is_no_sentence_is_named(sentences: object, message: str) -> None:
    with pytest.raises(CorpusError, match=message):
        learn_sentences(sentences, ALL)
    if not isinstance(sentences, Iterator):
        with pytest.raises(CorpusError, match=message):
            learn_sentences(sentences, rules(max_vocab_size=10))
        with pytest.raises(CorpusError, match=message):
            encode_sentences(sentences, Vocabulary(["a"], np.array([1])))


def test_an_error_of_the_callers_own_passes_through() -> None:
    def broken() -> Iterator[list[str]]:
        yield ["a"]
        raise TypeError("mine")

    with pytest.raises(TypeError, match="mine"):
        learn_sentences(broken(), ALL)


def test_a_vocabulary_emptied_by_min_count_says_what_there_was() -> None:
    with pytest.raises(CorpusError) as caught:
        learn_sentences(PETS, rules(min_count=5))
    assert str(caught.value) == (
        "no word is left: min_count is 5, and the most frequent of 6 distinct words occurs 2 times\n"
        "  lower min_count to 2 or less, or give more text"
    )
    assert caught.value.facts == {"distinct": 6, "largest_count": 2, "min_count": 5}


def test_a_vocabulary_emptied_by_max_final_vocab_says_why() -> None:
    with pytest.raises(CorpusError, match="max_final_vocab=2 leaves out all 3 distinct words"):
        learn_sentences([["a", "b", "c"]], rules(max_final_vocab=2))


def test_a_corpus_without_any_known_word_is_refused() -> None:
    with pytest.raises(CorpusError, match="none of the 9 words is in the vocabulary"):
        encode_sentences(PETS, Vocabulary(["bird"], np.array([1])))


# ---- files --------------------------------------------------------------------------------------------------


def saved(tmp_path: Path, text: str | bytes) -> Path:
    path = tmp_path / "corpus.txt"
    path.write_bytes(text.encode() if isinstance(text, str) else text)
    return path


TEXTS = [
    "the cat\nthe dog\n",
    "the cat\nthe dog",
    "\n\n the cat \r\n\n\tthe\u00a0dog\u3000the\x0bcat\x1cdog\n\n",
    "one line only, one end",
    "\ufeffmark first\nfirst",
    "a\rb\x85c\u2028a\n",
    "\n".join(" ".join(sentence) for sentence in random_sentences()),
]


@pytest.mark.parametrize("text", TEXTS, ids=range(len(TEXTS)))
@pytest.mark.parametrize("changes", [{}, {"min_count": 2}, {"sorted_vocab": False}, {"max_vocab_size": 3}])
def test_a_file_gives_what_its_split_lines_give(tmp_path: Path, text: str, changes: dict[str, object]) -> None:
    path = saved(tmp_path, text)
    with path.open(encoding="utf-8-sig", newline="\n") as file:
        lines = [line.split() for line in file]
    expected, corpus = learn_sentences(lines, rules(**changes))
    for threads in (1, 3):
        vocabulary, same = learn_file(path, rules(**changes), threads=threads)
        assert vocabulary.words == expected.words
        assert vocabulary.counts.tolist() == expected.counts.tolist()
        assert (same.sentences, same.words) == (corpus.sentences, corpus.words)
        np.testing.assert_array_equal(same.tokens, corpus.tokens)
        assert same.sha256(vocabulary) == corpus.sha256(expected)


@pytest.mark.parametrize("threads", [1, 2, 3, 8])
def test_threads_and_pieces_change_nothing(tmp_path: Path, threads: int) -> None:
    path = saved(tmp_path, TEXTS[-1])
    expected = learn_file(path, rules(min_count=3), threads=1)
    for piece in (7, 999, 1 << 16):
        vocabulary, corpus = learn_file(path, rules(min_count=3), threads=threads, piece=piece)
        assert vocabulary.words == expected.vocabulary.words
        assert corpus.sha256(vocabulary) == expected.corpus.sha256(expected.vocabulary)


def test_a_file_with_a_known_vocabulary(tmp_path: Path) -> None:
    path = saved(tmp_path, "the cat and dog\nbird\na dog emu\n")
    vocabulary = Vocabulary(["cat", "dog", "emu"], np.array([5, 4, 3]))
    s = SENTENCE_START
    assert encode_file(path, vocabulary).tokens.tolist() == [0 | s, 1, 1 | s, 2]
    grown, corpus = learn_file(path, ALL, base=vocabulary)
    assert grown.words == ["cat", "dog", "emu", "the", "and", "bird", "a"]
    assert grown.counts.tolist() == [6, 6, 4, 1, 1, 1, 1]
    assert corpus.tokens.tolist() == [3 | s, 0, 4, 1, 5 | s, 6 | s, 1, 2]


def test_progress_of_a_file_counts_bytes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("idembed.models.words.corpusfile._FIRST", 4)
    monkeypatch.setattr("idembed.models.words.corpusfile._RANGE", 10)
    calls: list[tuple[int, int | None]] = []
    learn_file(saved(tmp_path, "the cat and the dog at home"), ALL, progress=lambda *both: calls.append(both))
    assert calls == [(4, 27), (8, 27), (16, 27), (26, 27), (27, 27)]


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"", "corpus.txt is empty"),
        (b" \n\n", "corpus.txt holds no words"),
        (b"the cat\nthe d\0g", r"corpus.txt is not a text file in UTF-8: byte 13, in line 2, is a NUL byte"),
        (b"caf\xe9\n", r"byte 3, in line 1, is not UTF-8 \(byte 0xe9\)"),
        (b"\x1f\x8b\x08\0", "(?s)byte 1, in line 1, is not UTF-8.*decompress it first"),
    ],
)
def test_a_file_that_is_no_text_is_refused(tmp_path: Path, data: bytes, message: str) -> None:
    path = saved(tmp_path, data)
    for changes in ({}, {"max_vocab_size": 10}):
        with pytest.raises(CorpusError, match=message):
            learn_file(path, rules(**changes))
    with pytest.raises(CorpusError, match=message):
        encode_file(path, Vocabulary(["the"], np.array([1])))


def test_a_file_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    with pytest.raises(CorpusError, match=r"there is no file .*missing\.txt"):
        learn_file(tmp_path / "missing.txt", ALL)
    with pytest.raises(CorpusError, match=r"is a folder; a corpus is one file"):
        learn_file(tmp_path, ALL)


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="needs named pipes")
def test_a_pipe_is_refused_without_waiting_for_its_writer(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(CorpusError, match="pipe is not a regular file"):
        learn_file(tmp_path / "pipe", ALL)


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() == 0, reason="root may read every file")
def test_a_file_without_permission_is_named(tmp_path: Path) -> None:
    path = saved(tmp_path, "the cat")
    path.chmod(0)
    with pytest.raises(CorpusError, match=r"corpus\.txt cannot be read: Permission denied"):
        learn_file(path, ALL)


# ---- the store of tokens ------------------------------------------------------------------------------------


@pytest.mark.parametrize("limit", [0, 100, 1 << 30])
def test_a_large_corpus_lies_in_a_file_and_is_the_same(limit: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(corpus_module, "_STEP", 1000)
    sentences = random_sentences()
    vocabulary, corpus = learn_sentences(sentences, rules(min_count=3), memory_limit=limit)
    expected, same = learn_sentences(sentences, rules(min_count=3))
    assert corpus.sha256(vocabulary) == same.sha256(expected)
    assert not corpus.tokens.flags.writeable


def test_a_store_changes_tokens_piece_by_piece(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(corpus_module, "_STEP", 3)
    for limit in (0, 8, 1000):
        store = TokenStore(limit)
        store.append(np.arange(5, dtype=np.int32))
        store.append(np.arange(5, 10, dtype=np.int32))
        store.change(lambda tokens: tokens[tokens % 3 > 0] * np.int32(2))
        assert len(store) == 6
        assert store.close().tolist() == [2, 4, 8, 10, 14, 16]
        assert store.close().tolist() == []


def test_a_full_disk_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    if not Path("/dev/full").exists():
        pytest.skip("needs /dev/full")
    full = Path("/dev/full").open("wb")  # noqa: SIM115
    monkeypatch.setattr("tempfile.TemporaryFile", lambda **_: full)
    with pytest.raises(DiskFullError, match="temporary copy of the corpus cannot be written"):
        learn_sentences([["a"] * 5000], ALL, memory_limit=0)
    assert full.closed


def test_the_temporary_file_is_let_go_after_an_error() -> None:
    with pytest.raises(CorpusError, match="no word is left"):  # a file left open would warn, and so fail
        learn_sentences(PETS, rules(min_count=9), memory_limit=0)


def test_the_hash_covers_words_sentences_and_tokens() -> None:
    def sha(sentences: list[list[str]], **changes: object) -> str:
        vocabulary, corpus = learn_sentences(sentences, rules(**changes))
        return corpus.sha256(vocabulary)

    assert sha([["a", "b"], ["a"]]) == "3080d3b795d8eb837a781178d5620d941199001e0709437d0c4655090ff8976f"
    different = [
        sha([["a", "b"], ["a"]]),
        sha([["a", "c"], ["a"]]),
        sha([["a", "b", "a"]]),
        sha([["a", "b"], ["a"], []]),
        sha([["a", "b"], ["a", "c"]]),
        sha([["ab", ""], ["ab"]]),
    ]
    assert len(set(different)) == 6


# ---- what editors and long texts bring ----------------------------------------------------------------------


def test_a_byte_order_mark_is_no_part_of_the_first_word(tmp_path: Path) -> None:
    file = tmp_path / "corpus.txt"
    file.write_bytes(b"\xef\xbb\xbfcat dog\ncat\n")
    for chosen in (VocabularyRules(min_count=1), VocabularyRules(min_count=1, max_vocab_size=9)):
        assert learn_file(file, chosen).vocabulary.words == ["cat", "dog"]


def test_long_sentences_are_not_gathered() -> None:
    held: list[int] = []

    def sentences() -> Iterator[list[str]]:
        for i in range(20):
            held.append(i)
            yield [f"w{i}"] * 50_000

    done: list[tuple[int, int]] = []
    learn_sentences(sentences(), rules(min_count=1), progress=lambda read, total: done.append((read, len(held))))
    assert max(ahead - read for read, ahead in done) == 1
