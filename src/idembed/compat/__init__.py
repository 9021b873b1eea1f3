"""For programs that change only their imports:

    from idembed.compat import SentenceTransformer, util, simple_preprocess

Vectors are numpy arrays, never tensors. What cannot be given is refused by name.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, Literal

from numpy.typing import ArrayLike

from idembed.compat import util
from idembed.errors import OptionError
from idembed.models import Vectors, load
from idembed.models.checkpoint import Checkpoint
from idembed.models.words.tokens import WordTokenizer

__all__ = ["SentenceTransformer", "simple_preprocess", "util"]


class SentenceTransformer:
    """A checkpoint with the surface of sentence-transformers' class of this name.

    ``device``, ``trust_remote_code`` and ``token`` are accepted and have no influence: all is computed on the
    CPU, no code of a checkpoint is ever run, and the hub's client knows its own token (``HF_TOKEN``). Files
    are found as ``idembed.load`` does, in ``cache_folder`` first; ``local_files_only`` asks no network.
    """

    def __init__(
        self,
        model_name_or_path: str | Path,
        modules: None = None,
        device: object = None,
        prompts: Mapping[str, str] | None = None,
        default_prompt_name: str | None = None,
        similarity_fn_name: str | None = None,
        cache_folder: str | Path | None = None,
        trust_remote_code: bool = False,
        revision: str | None = None,
        local_files_only: bool = False,
        token: object = None,
        use_auth_token: object = None,
        truncate_dim: int | None = None,
        model_kwargs: Mapping[str, object] | None = None,
        tokenizer_kwargs: Mapping[str, object] | None = None,
        config_kwargs: Mapping[str, object] | None = None,
        *,
        processor_kwargs: Mapping[str, object] | None = None,
        backend: str = "torch",
        threads: int | None = None,
    ) -> None:
        if modules is not None:
            raise OptionError("a model cannot be put together from modules here", hint="give a checkpoint")
        if backend not in ("torch", "onnx", "openvino"):
            raise OptionError(f"unknown backend {backend!r}", hint="it has no influence here: leave it out")
        _refuse_given(
            model_kwargs=model_kwargs,
            tokenizer_kwargs=tokenizer_kwargs,
            processor_kwargs=processor_kwargs,
            config_kwargs=config_kwargs,
            use_auth_token=use_auth_token,
        )
        self.device = "cpu"
        self.truncate_dim = truncate_dim
        loaded = load(
            model_name_or_path,
            threads=threads,
            revision=revision,
            prompts=prompts,
            default_prompt_name=default_prompt_name,
            local_only=local_files_only,
            hub_cache=cache_folder,
        )
        if not isinstance(loaded, Checkpoint):
            raise OptionError(
                f"{model_name_or_path} is no checkpoint but word vectors",
                hint=f"idembed.load({str(model_name_or_path)!r}) has encode, encode_query and similarity too",
            )
        self._model = loaded
        own = self.similarity_fn_name
        if similarity_fn_name not in (None, own):
            raise OptionError(
                f"this checkpoint is compared by {own}, not by {similarity_fn_name}",
                hint="util.cos_sim and util.dot_score compute either",
            )

    @property
    def model(self) -> Checkpoint:
        """The checkpoint behind it."""
        return self._model

    @property
    def prompts(self) -> dict[str, str]:
        """Prompts by name."""
        return {"query": "", "document": "", **self._model.settings.prompts}

    @property
    def default_prompt_name(self) -> str | None:
        """The prompt that ``encode`` uses when none is asked for."""
        return self._model.settings.default_prompt_name

    @property
    def similarity_fn_name(self) -> Literal["cosine", "dot"]:
        """How ``similarity`` compares."""
        return self._model.settings.similarity

    @property
    def max_seq_length(self) -> int:
        """Tokens read of a text; may be set, up to the positions the checkpoint has."""
        return self._model.max_seq_length

    @max_seq_length.setter
    def max_seq_length(self, tokens: int) -> None:
        self._model = self._model.with_max_length(tokens)

    def encode(self, sentences: str | Iterable[str] | None = None, *arguments: Any, **options: Any) -> Vectors:
        """As ``Checkpoint.encode``; the texts may also be called ``inputs``."""
        return self._model.encode(_texts(sentences, options), *arguments, **self._options(options))

    def encode_query(self, sentences: str | Iterable[str] | None = None, *arguments: Any, **options: Any) -> Vectors:
        """As ``Checkpoint.encode_query``."""
        return self._model.encode_query(_texts(sentences, options), *arguments, **self._options(options))

    def encode_document(self, sentences: str | Iterable[str] | None = None, *arguments: Any, **options: Any) -> Vectors:
        """As ``Checkpoint.encode_document``."""
        return self._model.encode_document(_texts(sentences, options), *arguments, **self._options(options))

    def similarity(self, embeddings1: ArrayLike, embeddings2: ArrayLike) -> Vectors:
        """float32 [n, m], compared as the checkpoint asks."""
        return self._model.similarity(embeddings1, embeddings2)

    def similarity_pairwise(self, embeddings1: ArrayLike, embeddings2: ArrayLike) -> Vectors:
        """float32 [n]: row i with row i."""
        pairs = util.pairwise_cos_sim if self.similarity_fn_name == "cosine" else util.pairwise_dot_score
        return pairs(embeddings1, embeddings2)

    def get_embedding_dimension(self) -> int:
        """Numbers in a vector, after ``truncate_dim``."""
        dim = self._model.get_embedding_dimension()
        return dim if self.truncate_dim is None else min(dim, self.truncate_dim)

    get_sentence_embedding_dimension = get_embedding_dimension

    def get_max_seq_length(self) -> int:
        """Tokens read of a text."""
        return self.max_seq_length

    def to(self, device: object) -> SentenceTransformer:
        """Itself: there is nowhere else to go."""
        return self

    def eval(self) -> SentenceTransformer:
        """Itself: it is never trained."""
        return self

    def __repr__(self) -> str:
        return f"SentenceTransformer({self._model.name!r})"

    def _options(self, options: dict[str, Any]) -> dict[str, Any]:
        if self.truncate_dim is not None and options.get("truncate_dim") is None:
            options["truncate_dim"] = self.truncate_dim
        return options


def _texts(sentences: str | Iterable[str] | None, options: dict[str, Any]) -> str | Iterable[str]:
    texts: str | Iterable[str] | None = options.pop("inputs", sentences)
    if texts is None:
        raise OptionError("there is nothing to encode", hint="give a text or a list of texts")
    return texts


def _refuse_given(**options: object) -> None:
    """Options that steer torch or transformers would change vectors there, so they are not passed over."""
    given = [f"{name}={value!r}" if name != "use_auth_token" else name for name, value in options.items() if value]
    if given:
        raise OptionError(
            f"not available here: {', '.join(given)}",
            hint="leave it out; a checkpoint is computed as its files say, and the token is taken from HF_TOKEN",
        )


def simple_preprocess(doc: str | bytes, deacc: bool = False, min_len: int = 2, max_len: int = 15) -> list[str]:
    """The lower-case words of ``doc``: runs of Unicode letters and underscores, not beginning with one, of
    ``min_len`` to ``max_len`` characters. ``deacc`` removes accents. The same under every Python: see
    ``WordTokenizer``, which trained word vectors use by default."""
    text = doc.decode("utf-8", errors="ignore") if isinstance(doc, bytes) else doc
    return WordTokenizer(deacc=deacc, min_len=max(1, min_len), max_len=max_len)(text)
