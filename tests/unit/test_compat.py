"""Programs written for sentence-transformers and gensim, their imports changed."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

import tiny
from idembed.compat import SentenceTransformer, simple_preprocess, util
from idembed.compat.util import cos_sim
from idembed.errors import ModelNotFoundError, OptionError
from idembed.models import TruncationWarning, load, remote

pytestmark = pytest.mark.usefixtures("own_machine")

TEXTS = ["the cat", "a dog sat", "42"]


@pytest.fixture
def model(tmp_path: Path) -> SentenceTransformer:
    own = {"prompts": {"query": "query: "}}
    return SentenceTransformer(str(tiny.checkpoint(tmp_path / "a", own=own)), device="cuda")


def test_it_encodes_as_the_checkpoint_does(model: SentenceTransformer) -> None:
    same = model.model
    assert model.encode(TEXTS).tobytes() == same.encode(TEXTS).tobytes()
    assert model.encode(inputs=TEXTS).tobytes() == same.encode(TEXTS).tobytes()
    assert model.encode(sentences="cat", batch_size=1, show_progress_bar=False).shape == (32,)
    assert model.encode_query("cat").tobytes() == same.encode("query: cat").tobytes()
    assert model.encode_document("cat").tobytes() == same.encode("cat").tobytes()
    assert model.encode(TEXTS, device="cpu", normalize_embeddings=True).shape == (3, 32)


def test_its_facts(model: SentenceTransformer) -> None:
    assert model.get_sentence_embedding_dimension() == 32
    assert model.get_embedding_dimension() == 32
    assert model.prompts == {"query": "query: ", "document": ""}
    assert model.default_prompt_name is None
    assert model.similarity_fn_name == "cosine"
    assert model.device == "cpu"
    assert model.to("cuda").eval() is model


def test_the_maximum_length_may_be_set(model: SentenceTransformer) -> None:
    assert model.max_seq_length == 16
    model.max_seq_length = 4
    assert model.max_seq_length == model.get_max_seq_length() == 4
    with pytest.warns(TruncationWarning):
        assert model.encode("the cat sat").tobytes() == model.encode("the cat").tobytes()
    with pytest.raises(OptionError):
        model.max_seq_length = 1000


def test_truncate_dim_is_for_every_call(tmp_path: Path) -> None:
    folder = tiny.checkpoint(tmp_path / "a")
    model = SentenceTransformer(folder, truncate_dim=8)
    assert model.encode(TEXTS).tobytes() == load(folder).encode(TEXTS)[:, :8].tobytes()
    assert model.encode(TEXTS, truncate_dim=4).shape == (3, 4)
    assert model.get_sentence_embedding_dimension() == 8


def test_prompts_may_be_given(tmp_path: Path) -> None:
    folder = tiny.checkpoint(tmp_path / "a")
    model = SentenceTransformer(folder, prompts={"query": "dog "}, default_prompt_name="query")
    assert model.encode("cat").tobytes() == load(folder).encode("dog cat").tobytes()


@pytest.mark.parametrize("option", [{"modules": []}, {"backend": "x"}, {"similarity_fn_name": "dot"}])
def test_what_cannot_be_given_is_refused(tmp_path: Path, option: dict) -> None:
    with pytest.raises(OptionError):
        SentenceTransformer(tiny.checkpoint(tmp_path / "a"), **option)


@pytest.mark.parametrize(
    "option",
    [
        {"model_kwargs": {"torch_dtype": "float16"}},
        {"tokenizer_kwargs": {"padding_side": "left"}},
        {"processor_kwargs": {"use_fast": False}},
        {"config_kwargs": {"hidden_act": "relu"}},
        {"use_auth_token": "hf_secret"},
    ],
)
def test_options_for_torch_are_refused_by_name_and_fine_when_empty(tmp_path: Path, option: dict) -> None:
    folder = tiny.checkpoint(tmp_path / "a")
    name, value = next(iter(option.items()))
    with pytest.raises(OptionError, match=name) as caught:
        SentenceTransformer(folder, **option)
    assert "hf_secret" not in str(caught.value)
    SentenceTransformer(folder, **{name: None})
    SentenceTransformer(folder, **{name: type(value)()})


def test_local_files_only_asks_no_network(own_machine: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(remote, "fetch", None)
    with pytest.raises(ModelNotFoundError, match="hub: not asked, local_only is set"):
        SentenceTransformer("org/new", local_files_only=True)


def test_cache_folder_is_a_cache_of_the_hub(own_machine: Path) -> None:
    commit = "0123456789abcdef0123456789abcdef01234567"
    cache = own_machine / "models"
    folder = tiny.checkpoint(cache / "models--org--new" / "snapshots" / commit)
    (cache / "models--org--new" / "refs").mkdir()
    (cache / "models--org--new" / "refs" / "main").write_text(commit)
    model = SentenceTransformer("org/new", cache_folder=str(cache), local_files_only=True)
    assert model.model.files.folder == folder


def test_similarities(model: SentenceTransformer) -> None:
    a, b = model.encode(TEXTS), model.encode(TEXTS[::-1])
    np.testing.assert_allclose(model.similarity(a, b), a @ b.T, atol=1e-6)
    np.testing.assert_allclose(model.similarity_pairwise(a, b), (a * b).sum(axis=1), atol=1e-6)


# ---- util -----------------------------------------------------------------------------------------------------


A = [[3.0, 4.0], [0.0, 2.0]]
B = [[4.0, 3.0], [1.0, 0.0], [-3.0, -4.0]]


def test_cos_sim_is_a_matrix_of_cosines() -> None:
    np.testing.assert_allclose(util.cos_sim(A, B), [[0.96, 0.6, -1], [0.6, 0, -0.8]], atol=1e-6)
    assert util.cos_sim([1, 0], [0, 1]).tolist() == [[0.0]]
    assert cos_sim is util.cos_sim


def test_dot_score_is_a_matrix_of_products() -> None:
    assert util.dot_score(A, B).tolist() == [[24, 3, -25], [6, 0, -8]]


def test_pairwise() -> None:
    assert util.pairwise_dot_score(A, B[:2]).tolist() == [24, 0]
    np.testing.assert_allclose(util.pairwise_cos_sim(A, B[:2]), [0.96, 0], atol=1e-6)
    with pytest.raises(OptionError):
        util.pairwise_dot_score(A, B)


def test_normalize_embeddings() -> None:
    np.testing.assert_allclose(util.normalize_embeddings(A), [[0.6, 0.8], [0, 1]], atol=1e-7)
    assert util.normalize_embeddings([0.0, 0.0]).tolist() == [0, 0]


def test_semantic_search_gives_the_best_first() -> None:
    found = util.semantic_search([[1.0, 0.0]], [[0.0, 1.0], [1.0, 0.0], [1.0, 1.0], [2.0, 0.0]], top_k=3)
    assert [[hit["corpus_id"] for hit in hits] for hits in found] == [[1, 3, 2]]
    assert found[0][0]["score"] == 1.0
    products = util.semantic_search([1.0, 0.0], B, score_function=util.dot_score, top_k=99)
    assert products == [
        [
            {"corpus_id": 0, "score": 4.0},
            {"corpus_id": 1, "score": 1.0},
            {"corpus_id": 2, "score": -3.0},
        ]
    ]


def test_among_equals_the_first_of_the_corpus_is_found() -> None:
    found = util.semantic_search([1.0, 0.0], [[0.0, 1.0], [1.0, 0.0], [1.0, 0.0], [1.0, 0.0]], top_k=2)
    assert [hit["corpus_id"] for hit in found[0]] == [1, 2]


def test_semantic_search_does_not_depend_on_chunks() -> None:
    random = np.random.default_rng(0)
    queries, corpus = random.standard_normal((7, 16)), random.standard_normal((50, 16))
    whole = util.semantic_search(queries, corpus)
    assert util.semantic_search(queries, corpus, query_chunk_size=2, corpus_chunk_size=3) == whole
    assert [len(hits) for hits in whole] == [10] * 7


def test_vectors_of_different_length_cannot_be_compared() -> None:
    with pytest.raises(OptionError, match="of 2 and of 3 dimensions"):
        util.cos_sim([1, 2], [1, 2, 3])


# ---- gensim ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("The cat sat on the mat!", ["the", "cat", "sat", "on", "the", "mat"]),
        ("a I 2nd abc123def _under under_score", ["nd", "abc", "def", "under_score"]),
        ("Café ÉTÉ naïve", ["café", "été", "naïve"]),
        ("antidisestablishmentarianism sixteenletterwrd", []),
        ("日本語 привет", ["日本語", "привет"]),
        ("", []),
    ],
)
def test_simple_preprocess(text: str, words: list[str]) -> None:
    assert simple_preprocess(text) == words


def test_simple_preprocess_options() -> None:
    assert simple_preprocess("Café ÉTÉ", deacc=True) == ["cafe", "ete"]
    assert simple_preprocess("a bc def", min_len=1, max_len=2) == ["a", "bc"]
    assert simple_preprocess("naïve".encode()) == ["naïve"]
