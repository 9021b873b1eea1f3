"""Training as its users see it. That the numbers are right is tested in tests/numerics/test_word2vec.py."""

from __future__ import annotations

import gc
import hashlib
import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from idembed import CorpusError, IntegrityError, KeyedVectors, ModelError, OptionError, Word2Vec, load
from idembed.models.words import parameters
from idembed.models.words.tokens import WordTokenizer
from idembed.models.words.training import Matrices

PETS = [line.split() for line in ("the cat sat on the mat", "the dog lay on the rug", "cats and dogs are pets")]


def zipf(words: int, tokens: int, length: int = 12) -> list[list[str]]:
    """Sentences whose word w{i} is the i-th most frequent, nearly."""
    ranks = np.minimum(np.exp(np.random.default_rng(7).random(tokens) * np.log(words)), words).astype(int) - 1
    names = [f"w{rank}" for rank in ranks.tolist()]
    return [names[at : at + length] for at in range(0, tokens, length)]


def sha(model: Word2Vec) -> str:
    return hashlib.sha256(model.wv.vectors.tobytes() + model.syn1neg.tobytes()).hexdigest()


def small(**options: object) -> Word2Vec:
    return Word2Vec(**{"sentences": PETS, "vector_size": 8, "min_count": 1, "epochs": 2, "sample": 0, **options})


# ---- the same bits ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("sg", [0, 1])
def test_workers_change_no_bit(sg: int) -> None:
    sentences = zipf(1500, 40_000)
    found = {sha(Word2Vec(sentences, vector_size=20, min_count=1, sg=sg, epochs=2, workers=n)) for n in (1, 2, 3, 8)}
    assert len(found) == 1


@pytest.mark.parametrize("sg", [0, 1])
def test_a_list_a_generator_and_a_file_give_the_same_bits(tmp_path: Path, sg: int) -> None:
    sentences = zipf(1200, 20_000)
    file = tmp_path / "corpus.txt"
    file.write_text("".join(" ".join(sentence) + "\n" for sentence in sentences))
    options = {"vector_size": 12, "min_count": 2, "sg": sg, "epochs": 1}
    one = Word2Vec(sentences, **options)
    assert sha(Word2Vec((tuple(sentence) for sentence in sentences), **options)) == sha(one)
    assert sha(Word2Vec(corpus_file=file, **options)) == sha(one)


def test_the_hash_seed_of_python_changes_no_bit() -> None:
    code = (
        "import hashlib; from idembed import Word2Vec; "
        "m = Word2Vec([['a', 'b', 'c', 'd'], ['d', 'c', 'e']] * 20, vector_size=8, min_count=1, sg=1); "
        "print(m.wv.index_to_key, hashlib.sha256(m.wv.vectors.tobytes()).hexdigest())"
    )
    printed = {
        subprocess.run(
            [sys.executable, "-c", code],
            env={**os.environ, "PYTHONHASHSEED": seed, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))},
            capture_output=True,
            text=True,
            check=True,
        ).stdout
        for seed in ("0", "1", "random")
    }
    assert len(printed) == 1


def test_another_seed_gives_other_vectors() -> None:
    assert sha(small(seed=2)) != sha(small(seed=1)) == sha(small())


def test_training_in_two_steps_is_training_at_once() -> None:
    whole = small(epochs=4, alpha=0.02, min_alpha=0.02, sample=0.01)
    parts = Word2Vec(vector_size=8, min_count=1, alpha=0.02, min_alpha=0.02, sample=0.01)
    parts.build_vocab(PETS)
    parts.train(PETS, epochs=1)
    parts.train(PETS, epochs=3)
    assert sha(parts) == sha(whole)


def test_the_loss_does_not_depend_on_workers() -> None:
    sentences = zipf(1500, 30_000)
    for sg in (0, 1):
        losses = [
            Word2Vec(
                sentences, vector_size=16, min_count=1, sg=sg, epochs=1, workers=n, compute_loss=True
            ).get_latest_training_loss()
            for n in (1, 2, 5)
        ]
        assert losses[0] == losses[1] == losses[2] > 0


def test_asking_for_the_loss_changes_no_bit() -> None:
    assert sha(small(compute_loss=True)) == sha(small())
    assert small().get_latest_training_loss() == 0


def test_the_loss_falls() -> None:
    seen = []

    class Watch:
        def on_epoch_end(self, model: Word2Vec) -> None:
            seen.append(model.get_latest_training_loss())

    Word2Vec(
        zipf(1500, 60_000),
        vector_size=16,
        min_count=1,
        sg=1,
        epochs=3,
        sample=0,
        compute_loss=True,
        callbacks=[Watch()],
    )
    epochs = np.diff([0, *seen])
    assert epochs[0] > epochs[1] > epochs[2]


@pytest.mark.parametrize("sg", [0, 1])
def test_75_000_words(sg: int) -> None:
    words = [f"w{i}" for i in range(75_000)]
    sentences = [*zipf(75_000, 60_000), *(words[at : at + 25] for at in range(0, 75_000, 25))]
    options = {"vector_size": 16, "min_count": 1, "sg": sg, "epochs": 1, "sample": 0}
    found = {(len(model.wv), sha(model)) for n in (1, 2, 3) for model in [Word2Vec(sentences, workers=n, **options)]}
    assert len(found) == 1
    assert next(iter(found))[0] == 75_000


@pytest.mark.skipif(not hasattr(os, "fork"), reason="there are no forks here")
def test_a_forked_child_trains_its_own_copy() -> None:
    code = (
        "import os, hashlib; from idembed import Word2Vec; S = [['a', 'b', 'c']] * 9; "
        "m = Word2Vec(S, vector_size=8, min_count=1, sample=0); before = m.wv.vectors.tobytes(); pid = os.fork(); "
        "pid or (m.train(S), os._exit(m.wv.vectors.tobytes() == before)); "
        "assert os.waitpid(pid, 0)[1] == 0; assert m.wv.vectors.tobytes() == before"
    )
    path = os.pathsep.join(filter(None, sys.path))
    subprocess.run([sys.executable, "-c", code], env={**os.environ, "PYTHONPATH": path}, check=True)


# ---- what is learned ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("options", [{"sg": 1}, {"sg": 0}, {"sg": 0, "cbow_mean": 0, "alpha": 0.05}])
@pytest.mark.parametrize("words", [40, 1400])
def test_words_of_a_topic_come_together(options: dict, words: int) -> None:
    rng = np.random.default_rng(3)
    half = words // 2
    topics = rng.integers(0, 2, 6000)
    sentences = [[f"t{t}_{i}" for i in rng.integers(0, half, 10)] for t in topics.tolist()]
    model = Word2Vec(sentences, vector_size=16, min_count=1, epochs=5, sample=0, **options)
    near = model.wv.most_similar("t0_1", topn=half // 2)
    assert sum(word.startswith("t0_") for word, _ in near) > 0.95 * len(near)


def test_nothing_runs_away_at_a_high_rate() -> None:
    sentence = [word for part in zipf(1200, 200_000) for word in part]
    for sg in (0, 1):
        model = Word2Vec([sentence], vector_size=16, min_count=1, sg=sg, alpha=0.2, sample=0, epochs=1)
        assert np.isfinite(model.wv.vectors).all()
        assert np.isfinite(model.syn1neg).all()


def test_vectors_that_run_away_are_an_error() -> None:
    matrices = Matrices.make(3, 4, seed=1)
    matrices.outputs[1, 2] = np.inf
    with pytest.raises(ModelError, match="training ran away"):
        matrices.check()


def test_gensims_update_is_another() -> None:
    assert small(compat="gensim").parameters.first_rate == 0.025
    assert small().parameters.first_rate == small(alpha=None).parameters.first_rate > 0.1
    assert small(sg=1).parameters.first_rate == small(sg=1, compat="gensim").parameters.first_rate == 0.025
    assert sha(small(compat="gensim", alpha=0.05)) != sha(small(alpha=0.05))
    assert sha(small(compat="gensim", sg=1)) == sha(small(sg=1))


@pytest.mark.parametrize(
    "changed",
    [
        {"window": 2},
        {"negative": 3},
        {"sample": 0.01},
        {"ns_exponent": 0.5},
        {"alpha": 0.1},
        {"min_alpha": 0.01},
        {"sg": 1},
        {"cbow_mean": 0},
        {"shrink_windows": False},
    ],
)
def test_every_parameter_counts(changed: dict) -> None:
    assert sha(small(**changed)) != sha(small())


def test_a_sum_of_a_window_is_trained_at_the_usual_rate() -> None:
    assert small(cbow_mean=0).parameters.first_rate == 0.025
    assert small(cbow_mean=0, compat="gensim").parameters.first_rate == 0.025


def test_numbers_of_numpy(tmp_path: Path) -> None:
    model = small(
        vector_size=np.int64(8),
        epochs=np.int32(2),
        seed=np.int64(1),
        sample=np.float64(0),
        min_count=np.int8(1),
        workers=np.int64(2),
    )
    assert sha(model) == sha(small())
    model.save(tmp_path / "pets.w2v")


def test_shorter_vectors() -> None:
    assert small(vector_size=3).wv.vectors.shape == (13, 3)


# ---- as in gensim -------------------------------------------------------------------------------------------


def test_attributes() -> None:
    model = small()
    assert repr(model) == "Word2Vec(13 words, vector_size=8, CBOW)"
    assert model.wv.index_to_key[:3] == ["the", "on", "cat"]
    assert model.wv.get_vecattr("the", "count") == 4
    assert (model.corpus_count, model.corpus_total_words, model.vector_size, model.epochs) == (3, 17, 8, 2)
    assert model.syn1neg.shape == (13, 8)
    assert model.total_train_time > 0


def test_parameters_by_their_names() -> None:
    model = small(window=3)
    assert (model.window, model.sg, model.negative, model.min_count, model.alpha) == (3, 0, 5, 1, 0.15)
    with pytest.raises(AttributeError, match="Word2Vec has no attribute 'size'"):
        _ = model.size


def test_train_says_how_much_it_trained() -> None:
    model = small()
    assert model.train(PETS, epochs=3) == (51, 51)
    thinned = model.parameters.__class__(sample=0.02, vector_size=8, min_count=1)
    model.parameters = thinned
    assert 0 < model.train(PETS, total_examples=3, epochs=3).kept < 51


def test_callbacks_are_told() -> None:
    told: list[str] = []

    class Watch:
        def on_train_begin(self, model: Word2Vec) -> None:
            told.append("train begins")

        def on_epoch_begin(self, model: Word2Vec) -> None:
            told.append("epoch begins")

        def on_epoch_end(self, model: Word2Vec) -> None:
            told.append(f"epoch ends {len(model.wv.most_similar('cat'))}")

        def on_train_end(self, model: Word2Vec) -> None:
            told.append("train ends")

    small(callbacks=[Watch()])
    assert told == ["train begins", *["epoch begins", "epoch ends 10"] * 2, "train ends"]


def test_neighbours_follow_the_training() -> None:
    model = small()
    before = model.wv.similarity("cat", "dog")
    model.train(PETS, epochs=20)
    assert model.wv.similarity("cat", "dog") != before
    assert model.wv.similarity("cat", "dog") == KeyedVectors(model.wv.index_to_key, model.wv.vectors).similarity(
        "cat", "dog"
    )


def test_new_words_come_behind_the_old_ones() -> None:
    model = small()
    known = model.wv.vectors.copy()
    model.build_vocab([["a", "bird", "sat"], ["a", "bird"]], update=True)
    assert model.wv.index_to_key[13:] == ["a", "bird"]
    assert model.wv.get_vecattr("sat", "count") == 2
    assert model.wv.vectors[:13].tobytes() == known.tobytes()
    assert np.abs(model.wv.vectors[13:]).max() <= 0.5 / 8
    assert model.syn1neg[13:].tolist() == [[0.0] * 8] * 2
    model.train([["a", "bird", "sat"]], epochs=1)
    assert model.wv["bird"].any()


def test_a_vocabulary_built_anew_forgets() -> None:
    model = small()
    model.build_vocab([["x", "y"]])
    fresh = Word2Vec(vector_size=8, min_count=1)
    fresh.build_vocab([["x", "y"]])
    assert sha(model) == sha(fresh)


def test_progress_is_told() -> None:
    told: list[tuple] = []
    small(progress=lambda *state: told.append(state))
    assert told[0] == ("reading", 3, 3)
    assert told[1:] == [("training", 17, 34), ("training", 34, 34)]


def test_sentences_are_read_once() -> None:
    reads = []

    class Corpus:
        def __iter__(self) -> Iterator[list[str]]:
            reads.append(1)
            return iter(PETS)

    small(sentences=Corpus(), epochs=7)
    assert len(reads) == 1


# ---- files --------------------------------------------------------------------------------------------------


def files(folder: Path) -> dict[str, bytes]:
    return {file.name: file.read_bytes() for file in sorted(folder.iterdir())}


def test_training_twice_writes_the_same_bytes(tmp_path: Path) -> None:
    for name, workers in (("a.w2v", 1), ("b.w2v", 3)):
        small(workers=workers).save(tmp_path / name)
    assert files(tmp_path / "a.w2v") == files(tmp_path / "b.w2v")


def test_the_card_records_what_was_done(tmp_path: Path) -> None:
    small(seed=5, tokenizer=WordTokenizer("whitespace")).save(tmp_path / "pets.w2v")
    card = json.loads((tmp_path / "pets.w2v" / "card.json").read_text())
    assert card["kind"] == "word2vec"
    assert card["tokenizer"] == {"kind": "whitespace", "version": 1}
    assert card["training"]["trainer"] == parameters.TRAINER == "word2vec-1"
    assert (card["training"]["seed"], card["training"]["epochs"], card["training"]["vector_size"]) == (5, 2, 8)
    (corpus,) = card["trained_on"]
    assert (corpus["sentences"], corpus["words"], corpus["tokens"]) == (3, 17, 17)
    assert len(corpus["sha256"]) == 64


def test_a_saved_model_goes_on_where_it_was(tmp_path: Path) -> None:
    model = small()
    model.save(tmp_path / "pets.w2v")
    loaded = Word2Vec.load(tmp_path / "pets.w2v")
    assert sha(loaded) == sha(model)
    assert repr(loaded) == repr(model)
    assert loaded.wv.get_vecattr("the", "count") == 4
    model.train(PETS)
    loaded.train(PETS)
    assert sha(loaded) == sha(model)


def test_texts_from_the_words_that_were_trained(tmp_path: Path) -> None:
    small().save(tmp_path / "pets.w2v")
    vectors = load(tmp_path / "pets.w2v").encode(["The cat sat.", "the dog lay"])
    assert vectors.shape == (2, 8)
    assert np.linalg.norm(vectors, axis=1) == pytest.approx([1, 1])


def test_vectors_alone_keep_how_texts_become_words(tmp_path: Path) -> None:
    small(tokenizer=WordTokenizer("whitespace")).wv.save(tmp_path / "v.w2v")
    assert load(tmp_path / "v.w2v").tokenizer == WordTokenizer("whitespace")
    with pytest.raises(ModelError, match="holds vectors only; they cannot be trained on"):
        Word2Vec.load(tmp_path / "v.w2v")


def test_the_card_says_what_was_finished(tmp_path: Path) -> None:
    class Stop:
        def on_epoch_end(self, model: Word2Vec) -> None:
            model.save(tmp_path / f"{len(list(tmp_path.iterdir()))}.w2v")
            if len(list(tmp_path.iterdir())) == 2:
                raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        small(epochs=4, min_alpha=0.01, alpha=0.09, callbacks=[Stop()])
    cards = [json.loads((tmp_path / name / "card.json").read_text()) for name in ("0.w2v", "1.w2v")]
    found = [(card["passes"], *(card["trained_on"][0][name] for name in ("epochs", "last_rate"))) for card in cards]
    assert found == [(1, 1, pytest.approx(0.07)), (2, 2, pytest.approx(0.05))]


def test_another_trainer_is_not_gone_on_with(tmp_path: Path) -> None:
    small().save(tmp_path / "pets.w2v")
    card = tmp_path / "pets.w2v" / "card.json"
    card.write_text(card.read_text().replace('"trainer": "word2vec-1"', '"trainer": "word2vec-2"'))
    with pytest.raises(ModelError, match="its trainer is word2vec-2, not word2vec-1"):
        Word2Vec.load(tmp_path / "pets.w2v")


def test_damaged_vectors_are_an_error(tmp_path: Path) -> None:
    small().save(tmp_path / "pets.w2v")
    file = tmp_path / "pets.w2v" / "vectors.safetensors"
    content = bytearray(file.read_bytes())
    content[-3] ^= 1
    file.write_bytes(content)
    with pytest.raises(IntegrityError, match=r"vectors\.safetensors does not have the bytes that card\.json promises"):
        Word2Vec.load(tmp_path / "pets.w2v")
    with pytest.raises(IntegrityError, match=r"vectors\.safetensors does not have the bytes"):
        load(tmp_path / "pets.w2v").encode(["the cat"])


def test_a_card_that_lacks_something_is_an_error(tmp_path: Path) -> None:
    small().save(tmp_path / "pets.w2v")
    card = tmp_path / "pets.w2v" / "card.json"
    content = json.loads(card.read_text())
    del content["training"]["window"]
    content["training"]["windows"] = 5
    card.write_text(json.dumps(content))
    with pytest.raises(ModelError, match=r"card of .*pets\.w2v cannot be used"):
        Word2Vec.load(tmp_path / "pets.w2v")


# ---- what cannot be -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"hs": 1}, "hs=1: hierarchical softmax is not there"),
        ({"negative": 0}, "negative must be a whole number of 1 to 1024, not 0"),
        ({"null_word": 1}, "null_word=1 is not there"),
        ({"trim_rule": print}, "trim_rule is not there"),
        ({"vector_size": 0}, "vector_size must be a whole number of 1 to 65536, not 0"),
        ({"vector_size": 10.0}, "vector_size must be a whole number of 1 to 65536, not 10.0"),
        ({"window": 0}, "window must be"),
        ({"window": 5000}, "window must be a whole number of 1 to 1024, not 5000"),
        ({"epochs": 0}, "epochs must be"),
        ({"workers": 0}, "workers must be a whole number of 1 to 1024, not 0"),
        ({"alpha": 0}, "alpha is 0: nothing would be learned"),
        ({"alpha": -0.1}, "alpha must be a number of 0 to 1, not -0.1"),
        ({"alpha": float("nan")}, "alpha must be a number of 0 to 1, not nan"),
        ({"min_alpha": 2}, "min_alpha must be"),
        ({"sample": -1}, "sample must be a number of 0 to 1e+15, not -1"),
        ({"sample": 1e308}, "sample must be a number of 0 to 1e+15, not 1e+308"),
        ({"ns_exponent": 9}, "ns_exponent must be a number of -8 to 8, not 9"),
        ({"sg": 2}, "sg must be 0 or 1, not 2"),
        ({"cbow_mean": "yes"}, "cbow_mean must be 0 or 1"),
        ({"seed": "x"}, "seed must be"),
        ({"compat": "fasttext"}, 'compat must be "gensim" or None'),
        ({"min_count": -1}, "min_count must be a whole number of at least 0, not -1"),
        ({"sentences": None, "corpus_file": ["x"]}, "corpus_file is the name of a file, not list"),
        ({"corpus_file": "x"}, "give either sentences or a corpus_file, not both"),
    ],
)
def test_a_value_that_makes_no_sense(options: dict, message: str) -> None:
    with pytest.raises(OptionError) as raised:
        small(**options)
    assert raised.value.message.startswith(message)


@pytest.mark.parametrize(
    ("sentences", "message"),
    [
        ([], "there is no sentence"),
        ([[], []], "there is no word in any of 2 sentences"),
        (["a string"], "sentence 0 is a string; a sentence is a list of words"),
        ("a string", "the sentences are a string"),
        ([["a", 1]], "word 1 of sentence 0 is not a string but int"),
        ([["a"], ["b", None]], "word 1 of sentence 1 is not a string but NoneType"),
        (5, "the sentences are of type int"),
    ],
)
def test_sentences_that_are_none(sentences: object, message: str) -> None:
    with pytest.raises(CorpusError) as raised:
        small(sentences=sentences)
    assert raised.value.message.startswith(message)


def test_a_vocabulary_emptied_by_min_count() -> None:
    with pytest.raises(
        CorpusError, match="no word is left: min_count is 5, and the most frequent of 13 distinct words"
    ):
        Word2Vec(PETS)


def test_files_that_cannot_be_read(tmp_path: Path) -> None:
    (tmp_path / "binary").write_bytes(b"a b\nc \x00 d\n")
    for name, message in (("nothing", "there is no file"), ("binary", "NUL byte"), ("", "is a folder")):
        with pytest.raises(CorpusError, match=message):
            Word2Vec(corpus_file=tmp_path / name)


def test_before_there_is_a_vocabulary() -> None:
    model = Word2Vec()
    for use in (lambda: model.wv, lambda: model.train(PETS), lambda: model.save("x"), lambda: model.syn1neg):
        with pytest.raises(ModelError, match="there is no vocabulary yet"):
            use()
    with pytest.raises(ModelError, match="there is no vocabulary to update"):
        model.build_vocab(PETS, update=True)


def test_training_on_words_that_are_all_unknown() -> None:
    with pytest.raises(CorpusError, match="none of the 2 words is in the vocabulary"):
        small().train([["x", "y"]])


def test_one_word_is_no_error() -> None:
    assert np.isfinite(Word2Vec([["a"] * 50], vector_size=4, min_count=1).wv["a"]).all()


# ---- stopping -----------------------------------------------------------------------------------------------


@pytest.mark.skipif(sys.platform == "win32", reason="signals are another thing there")
def test_interrupting_takes_less_than_a_second() -> None:
    model = Word2Vec(vector_size=100, min_count=1, sg=1, epochs=1000)
    sentences = zipf(3000, 300_000)
    model.build_vocab(sentences)
    sent = []

    def interrupt() -> None:
        sent.append(time.monotonic())
        os.kill(os.getpid(), signal.SIGINT)

    timer = threading.Timer(2.0, interrupt)
    gc.collect()
    gc.disable()  # an exception that comes within a finalizer of what other tests left is ignored by Python
    timer.start()
    try:
        with pytest.raises(KeyboardInterrupt):
            model.train(sentences)
    finally:
        timer.cancel()
        gc.enable()
    assert time.monotonic() - sent[0] < 1.5  # a second, and what a busy machine adds
    assert np.isfinite(model.wv.vectors).all()
    fresh = KeyedVectors(model.wv.index_to_key, model.wv.vectors)
    assert model.wv.most_similar("w5") == fresh.most_similar("w5")
