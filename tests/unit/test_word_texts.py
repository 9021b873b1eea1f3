"""Texts from word vectors: what a vector is to the bit, what is no text, and what a name loads."""

from __future__ import annotations

import gzip
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from idembed import load, native
from idembed.compat import SentenceTransformer
from idembed.errors import ModelError, ModelNotFoundError, NoKnownWordError, OptionError, RowError, SpaceMismatchError
from idembed.index import Index
from idembed.models import fingerprint
from idembed.models.base import Receipt, Vectors
from idembed.models.words import folder, sif
from idembed.models.words.keyedvectors import KeyedVectors
from idembed.models.words.texts import WordTexts
from idembed.models.words.word2vec import Word2Vec

pytestmark = pytest.mark.usefixtures("own_machine")

WORDS = ["the", "cat", "dog", "fox"]
COUNTS = [700, 150, 100, 50]
NUMBERS = np.array([[1, 1, 1], [0, 2, 0.5], [0, 1.5, 1], [-1, 0, 0.25]], np.float32)
WEIGHTS = ["0x1.75f50c0000000p-10", "0x1.b203640000000p-8", "0x1.446f860000000p-7", "0x1.4141420000000p-6"]
"""float32 of 0.001 / (0.001 + share of 1,000)."""


def pets(**changes: object) -> KeyedVectors:
    options = {"words": WORDS, "vectors": NUMBERS, "counts": COUNTS, **changes}
    return KeyedVectors(**options)  # type: ignore[arg-type]


@pytest.fixture
def path(tmp_path: Path) -> Path:
    pets().save(tmp_path / "pets.w2v")
    return tmp_path / "pets.w2v"


@pytest.fixture
def model(path: Path) -> WordTexts:
    loaded = load(path)
    assert isinstance(loaded, WordTexts)
    return loaded


def many(words: int = 200, dim: int = 37, texts: int = 300) -> tuple[WordTexts, list[str]]:
    """A model of random vectors, and texts of one word to some hundred."""
    random = np.random.default_rng(3)
    names = [f"w{chr(97 + i // 26)}{chr(97 + i % 26)}" for i in range(words)]
    wv = KeyedVectors(names, random.standard_normal((words, dim)).astype(np.float32), random.integers(1, 99, words))
    lengths = random.geometric(0.1, texts)
    return WordTexts(wv, "many"), [" ".join(random.choice(names, n)) for n in lengths]


# ---- what a vector is ---------------------------------------------------------------------------------------


def test_a_word_weighs_less_the_more_frequent_it_is() -> None:
    weights = sif.word_weights(np.array(COUNTS), 4, 1e-3)
    assert [float(weight).hex() for weight in weights] == WEIGHTS


def test_without_counts_shares_follow_the_rank() -> None:
    weights = sif.word_weights(None, 4, 1e-3)
    harmonic = 1 + 1 / 2 + 1 / 3 + 1 / 4
    expected = [np.float32(1e-3 / (1e-3 + 1 / (rank * harmonic))) for rank in (1, 2, 3, 4)]
    assert weights.tobytes() == np.array(expected).tobytes()
    assert sif.word_weights(np.zeros(4, np.int64), 4, 1e-3).tobytes() == weights.tobytes()


def in_order(model: WordTexts, text: str) -> Vectors:
    """The definition, one rounding at a time."""
    weights = sif.word_weights(model.wv.counts, len(model.wv), 1e-3)
    total, known = np.zeros(model.wv.vector_size, np.float32), 0
    for word in model.tokenizer(text):
        if word in model.wv:
            row = model.wv.get_index(word)
            total = total + weights[row] * model.wv.vectors[row]
            known += 1
    return native.normalize(total / np.float32(known))


def test_a_vector_is_the_weighted_mean_of_unit_length(model: WordTexts) -> None:
    the, cat = (np.float32(float.fromhex(WEIGHTS[row])) * NUMBERS[row] for row in (0, 1))
    expected = native.normalize((the + cat + the) / np.float32(3))
    vector = model.encode("The cat, the xylophone!")
    assert vector.tobytes() == expected.tobytes()
    assert [float(x).hex() for x in vector] == ["0x1.4e6a8a0000000p-3", "0x1.d7b9e20000000p-1", "0x1.6944e40000000p-2"]
    assert np.linalg.norm(vector) == pytest.approx(1)


def test_vectors_are_the_same_bits_in_any_company_and_order() -> None:
    model, texts = many()
    whole = model.encode(texts)
    assert [vector.tobytes() for vector in whole] == [in_order(model, text).tobytes() for text in texts]
    assert model.encode(texts[::-1])[::-1].tobytes() == whole.tobytes()
    assert np.stack([model.encode(text) for text in texts]).tobytes() == whole.tobytes()
    assert np.stack(list(model.encode_iter(iter(texts)))).tobytes() == whole.tobytes()
    assert model.encode_query(texts).tobytes() == model.encode_document(texts).tobytes() == whole.tobytes()


def test_a_long_text_is_summed_in_pieces_with_the_same_bits(monkeypatch: pytest.MonkeyPatch) -> None:
    model, texts = many()
    long = " ".join(texts)
    expected = in_order(model, long).tobytes()
    assert model.encode([long, "waa"])[0].tobytes() == expected
    monkeypatch.setattr(sif, "_BLOCK", 100)
    assert model.encode(long).tobytes() == expected
    assert model.encode([long] * 9)[8].tobytes() == expected  # all nine in step


def test_rows_that_lie_apart_are_the_same_rows() -> None:
    model, texts = many()
    padded = np.zeros((200, 48), np.float32)
    padded[:, :37] = model.wv.vectors
    apart = WordTexts(KeyedVectors(model.wv.index_to_key, padded[:, :37], model.wv.counts), "apart")
    assert apart.wv.vectors.strides == (192, 4)
    assert apart.encode(texts).tobytes() == model.encode(texts).tobytes()
    assert apart.space == model.space


def test_every_process_gives_the_same_bits(path: Path, model: WordTexts) -> None:
    code = (
        f"import idembed; model = idembed.load({str(path)!r})\n"
        "print(model.encode('a dog, the cat').tobytes().hex(), model.space.id)"
    )
    expected = f"{model.encode('a dog, the cat').tobytes().hex()} {model.space.id}"
    for seed in ("0", "1", "random"):
        environment = {**os.environ, "PYTHONHASHSEED": seed}
        run = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=True)
        assert run.stdout.strip() == expected


def test_words_that_cancel_one_another_leave_a_zero_vector() -> None:
    model = WordTexts(pets(words=["up", "down"], vectors=np.array([[1, 2], [-1, -2]], np.float32), counts=[5, 5]), "x")
    assert model.encode("up down").tolist() == [0, 0]


# ---- texts, receipts, and texts without known words ----------------------------------------------------------


def test_receipts_count_known_and_unknown_words(model: WordTexts) -> None:
    texts = ["The cat, the xylophone!", "a fox 42", "dog"]
    expected = [Receipt(3, unknown=1), Receipt(1), Receipt(1)]
    assert model.receipts(texts) == expected
    assert model.embed(texts).receipts == expected
    assert model.receipts(["xylophones play", ""]) == [Receipt(0, unknown=2), Receipt(0)]
    assert model.receipts([]) == []


def test_progress_counts_texts(model: WordTexts) -> None:
    seen: list[int] = []
    assert model.embed(["a cat"] * 600, progress=seen.append).vectors.shape == (600, 3)
    assert seen == [256, 256, 88]


def test_a_text_without_known_words_is_named_before_anything_is_computed(
    model: WordTexts, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(WordTexts, "_means", None)
    texts = ["a cat"] * 300 + ["xylophones \x1b[31mplay\n\u202e", "dog"]
    for call in (model.encode, model.embed):
        with pytest.raises(NoKnownWordError) as caught:
            call(texts)
        assert caught.value.message == (
            f"text 300 has no word that {model.name} knows: 'xylophones \\x1b[31mplay\\n\\u202e'"
        )
        assert caught.value.facts == {"position": 300, "unknown": 2}
        assert caught.value.exit_code == 3
    with pytest.raises(NoKnownWordError, match=rf"text 0 .*: '{'x' * 40}…'\n"):
        model.encode("x" * 41)


def test_a_stream_goes_on_to_the_text_in_question(model: WordTexts) -> None:
    stream = model.encode_iter(["a cat"] * 256 + ["nothing"])
    assert next(stream).shape == (3,)
    with pytest.raises(NoKnownWordError, match="text 256 has no word"):
        list(stream)


def test_texts_that_are_none_are_refused_by_position(model: WordTexts) -> None:
    for call in (model.encode, model.embed, model.receipts, lambda texts: list(model.encode_iter(texts))):
        with pytest.raises(RowError, match="text 1 is not a string but int"):
            call(["cat", 7])  # type: ignore[list-item, operator]
        with pytest.raises(RowError, match="text 1 holds a lone surrogate"):
            call(["cat", "dog \ud800"])  # type: ignore[operator]
    with pytest.raises(OptionError, match="expected a list"):
        model.embed("cat")


def test_shapes_and_options(model: WordTexts) -> None:
    assert model.encode([]).shape == (0, 3)
    assert model.encode("cat").shape == (3,)
    assert model.encode(["cat"], truncate_dim=2).tolist() == model.encode(["cat"])[:, :2].tolist()
    assert np.linalg.norm(model.encode("the cat", truncate_dim=2, normalize_embeddings=True)) == pytest.approx(1)
    assert model.encode("the cat", normalize_embeddings=True).tobytes() == model.encode("the cat").tobytes()
    assert model.encode("cat", batch_size=1, device="cuda", show_progress_bar=False).shape == (3,)
    assert model.get_embedding_dimension() == model.get_sentence_embedding_dimension() == 3
    assert model.similarity(model.encode(["cat"]), model.encode(["cat", "fox"]))[0, 0] == pytest.approx(1)
    assert repr(model) == f"WordTexts({model.name!r}, words=4, dim=3, profile='f32-1')"


@pytest.mark.parametrize(
    "options",
    [
        {"prompt": "query: "},
        {"prompt_name": "query"},
        {"convert_to_tensor": True},
        {"batch_size": 0},
        {"truncate_dim": 0},
        {"truncate_dim": 1.5},
    ],
)
def test_options_that_word_vectors_cannot_take_are_refused(model: WordTexts, options: dict) -> None:
    with pytest.raises(OptionError):
        model.encode("cat", **options)


def test_an_unknown_on_long_is_refused_though_no_text_is_too_long(model: WordTexts) -> None:
    asked: Any = model
    assert asked.embed(["cat"], on_long="refuse").refused == {}
    assert asked.encode("cat", on_long="error").tobytes() == asked.encode("cat").tobytes()
    with pytest.raises(OptionError, match=r'^on_long=\'skip\': it is "cut", "error" or "refuse"$'):
        asked.embed(["cat"], on_long="skip")
    with pytest.raises(OptionError, match=r'^on_long=\'refuse\': it is "cut" or "error"$'):
        asked.encode("cat", on_long="refuse")
    with pytest.raises(OptionError, match=r'^on_long=None: "cut" or "error" is needed'):
        asked.encode("cat", on_long=None)


# ---- the space ------------------------------------------------------------------------------------------------


def test_the_space_says_all_that_a_vector_depends_on(model: WordTexts) -> None:
    assert (model.space.kind, model.space.dim, model.space.similarity) == ("word2vec", 3, "cosine")
    assert model.space.facts == {
        "a": 0.001,
        "frequency": "counts",
        "pooling": "sif",
        "profile": "f32-1",
        "tokenizer": {
            "kind": "simple",
            "deacc": False,
            "min_len": 2,
            "max_len": 15,
            "unicode": "14.0.0",
            "version": 1,
        },
        "weights": "cbbac459c4f0d84398ba49e6754797cfec08359d5f5d22fba52ca6275f58cc47",
        "words": 4,
    }


@pytest.mark.parametrize(
    "change",
    [
        {"vectors": NUMBERS + np.float32(2**-20)},
        {"words": ["the", "cat", "dog", "wolf"]},
        {"counts": [700, 150, 100, 51]},
        {"counts": None},
        {"card": {"tokenizer": {"kind": "whitespace", "version": 1}}},
    ],
)
def test_whatever_moves_a_vector_is_another_space(model: WordTexts, change: dict) -> None:
    assert WordTexts(pets(**change), model.name).space != model.space


def test_where_it_lies_and_how_it_came_to_be_are_no_part_of_it(model: WordTexts, tmp_path: Path) -> None:
    pets(card={"corpus": "another"}).save(tmp_path / "other.w2v")
    assert load(tmp_path / "other.w2v").space == WordTexts(pets(), "in memory").space == model.space


def test_the_hash_is_remembered_by_the_files(path: Path, model: WordTexts, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fingerprint, "_SETTLED_NS", -(10**18))
    space = model.space
    monkeypatch.setattr(WordTexts, "_hash", None)
    assert load(path).space == space


def test_files_that_change_after_they_were_opened_are_noticed(path: Path, model: WordTexts) -> None:
    pets(counts=[1, 1, 1, 1]).save(path)
    with pytest.raises(ModelError, match="changed after it was opened"):
        _ = model.space
    assert load(path).space == WordTexts(pets(counts=[1, 1, 1, 1]), "x").space


def test_a_vector_that_is_not_finite_is_named(tmp_path: Path) -> None:
    numbers = NUMBERS.copy()
    numbers[2, 1] = np.nan
    folder.write(tmp_path / "nan.w2v", folder.Stored(WORDS, None, numbers, None, {}))
    with pytest.raises(ModelError, match="the vector of 'dog' holds NaN or infinity"):
        _ = load(tmp_path / "nan.w2v").space


def test_a_tokenizer_that_is_not_known_here_is_refused(tmp_path: Path) -> None:
    pets(card={"tokenizer": {"kind": "simple", "version": 9}}).save(tmp_path / "new.w2v")
    with pytest.raises(ModelError, match="not known here"):
        load(tmp_path / "new.w2v")
    with pytest.raises(ModelError, match="has no words"):
        WordTexts(KeyedVectors([], np.empty((0, 3), np.float32)), "none")


# ---- what a name loads ----------------------------------------------------------------------------------------


def test_a_folder_of_any_name_is_known_by_its_card(path: Path, model: WordTexts) -> None:
    other = shutil.copytree(path, path.with_name("animals"))
    assert load(other).space == load(str(other)).space == model.space
    assert model.name == str(path.resolve())


def test_the_matrix_is_mapped_not_read(model: WordTexts) -> None:
    assert not model.wv.vectors.flags.writeable
    assert isinstance(model.wv.vectors.base, np.memmap)


@pytest.mark.parametrize(
    ("name", "write"),
    [
        ("x.vec", lambda wv, file: wv.save_word2vec_format(file)),
        ("x.BIN", lambda wv, file: wv.save_word2vec_format(file, binary=True)),
        ("x.bin.gz", lambda wv, file: wv.save_word2vec_format(file, binary=True)),
        ("x.glove", lambda wv, file: wv.save_glove_format(file)),
        ("x.glove.txt.gz", lambda wv, file: wv.save_glove_format(file)),
    ],
)
def test_files_of_other_programs(name: str, write: Callable[[KeyedVectors, Path], None], tmp_path: Path) -> None:
    write(pets(), tmp_path / name)
    loaded = load(tmp_path / name)
    assert loaded.space == WordTexts(pets(counts=None), "x").space
    assert loaded.space.facts["frequency"] == "zipf"


def test_a_folder_with_such_an_ending_is_what_it_holds(tmp_path: Path) -> None:
    (tmp_path / "x.bin").mkdir()
    with pytest.raises(ModelNotFoundError, match="not a whole checkpoint"):
        load(tmp_path / "x.bin")


def test_a_pickle_is_refused_with_a_way_out(tmp_path: Path) -> None:
    (tmp_path / "x.kv").write_bytes(b"\x80\x04")
    with pytest.raises(ModelError, match=r"a pickle of gensim's.*\n.*save_word2vec_format"):
        load(tmp_path / "x.kv")


@pytest.mark.parametrize("name", ["none.w2v", "./none.w2v", "none.vec", "none.kv", "org/none.bin.gz"])
def test_what_is_not_there_is_named(name: str) -> None:
    with pytest.raises(ModelNotFoundError, match=f"no word vectors at {name}"):
        load(name)


def test_damaged_files_are_named(path: Path, tmp_path: Path) -> None:
    (path / "vocabulary.json").unlink()
    with pytest.raises(ModelError, match=r"vocabulary\.json"):
        load(path)
    with gzip.open(tmp_path / "x.vec.gz", "wb") as file:
        file.write(b"2 3\ncat 1 2 3\n")
    with pytest.raises(ModelError, match=r"x\.vec\.gz"):
        load(tmp_path / "x.vec.gz")


@pytest.mark.parametrize(
    "option",
    [{"revision": "main"}, {"max_length": 8}, {"prompts": {"query": "q "}}, {"default_prompt_name": "query"}],
)
def test_options_of_checkpoints_are_refused_by_name(path: Path, option: dict) -> None:
    with pytest.raises(OptionError, match=f"word vectors take no {next(iter(option))}"):
        load(path, **option)
    load(path, threads=2, isa="scalar", local_only=True)


def test_no_instruction_set_moves_a_bit(path: Path, model: WordTexts) -> None:
    expected = model.encode("the cat and the dog").tobytes()
    for isa in native.available_isas():
        assert load(path, isa=isa).encode("the cat and the dog").tobytes() == expected


def test_word_vectors_are_no_sentence_transformer(path: Path) -> None:
    with pytest.raises(OptionError, match="is no checkpoint but word vectors"):
        SentenceTransformer(path)


# ---- an index -------------------------------------------------------------------------------------------------


def test_an_index_is_built_on_them_and_opened_without_naming_them(path: Path, tmp_path: Path) -> None:
    rows = [{"id": "1", "text": "the cat"}, {"id": "2", "text": "a dog"}, {"id": "3", "text": "xylophones"}]
    with Index(tmp_path / "pets.db", str(path)) as index:
        with pytest.raises(NoKnownWordError, match=f"the text of row '3' has no word that {path} knows"):
            index.sync(rows)
        assert not (tmp_path / "pets.db").exists()
        report = index.sync(rows, on_empty="skip")
        assert (report.added, report.skipped) == (2, (("3", f"its text has no word that {path} knows"),))
    with Index(tmp_path / "pets.db") as index:
        assert [hit.id for hit in index.search("dogs and a dog")] == ["2", "1"]
        with pytest.raises(NoKnownWordError, match=r"query 0 has no word that .* knows: 'xylophones'"):
            index.search("xylophones")
    pets(counts=None).save(path)
    with pytest.raises(SpaceMismatchError, match='frequency: "counts" here, "zipf" there'):
        Index(tmp_path / "pets.db", str(path))


def test_an_index_whose_model_was_moved_says_so_and_takes_it_from_elsewhere(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("IDEMBED_CACHE", str(tmp_path / "cache"))
    sentences = [["cat", "sat", "mat"], ["dog", "lay", "rug"]] * 5
    Word2Vec(sentences, vector_size=4, min_count=1, sample=0).save(tmp_path / "pets.w2v")
    with Index(tmp_path / "p.db", model=str(tmp_path / "pets.w2v")) as index:
        index.sync([{"id": "a", "text": "cat mat"}])
    (tmp_path / "pets.w2v").rename(tmp_path / "moved.w2v")
    with (
        Index(tmp_path / "p.db") as index,
        pytest.raises(ModelNotFoundError, match=r"p\.db was built with .*pets\.w2v, which is not there any more") as e,
    ):
        index.search("cat")
    assert "idembed search --model" in e.value.hint
    with Index(tmp_path / "p.db", model=str(tmp_path / "moved.w2v")) as index:
        assert [hit.id for hit in index.search("cat")] == ["a"]


def test_a_model_that_was_trained_anew_is_said_to_have_changed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("IDEMBED_CACHE", str(tmp_path / "cache"))
    sentences = [["cat", "sat", "mat"], ["dog", "lay", "rug"]] * 5
    for seed in (1, 2):
        Word2Vec(sentences, vector_size=4, min_count=1, sample=0, seed=seed).save(tmp_path / "pets.w2v")
        if seed == 1:
            with Index(tmp_path / "p.db", model=str(tmp_path / "pets.w2v")) as index:
                index.sync([{"id": "a", "text": "cat mat"}])
    with Index(tmp_path / "p.db") as index, pytest.raises(SpaceMismatchError) as raised:
        index.search("cat")
    assert "what lies there was changed since" in raised.value.hint
