"""Open checkpoints of the BERT family, computed by the native encoder."""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from idembed.arguments import check_kind, check_whole
from idembed.errors import OptionError
from idembed.models import similarity
from idembed.models.architectures import architecture_facts
from idembed.models.base import Embedded, Model, OnLong, Receipt, Vectors
from idembed.models.engine import Engine
from idembed.models.files import ModelFiles
from idembed.models.known import known_prompts
from idembed.models.lengths import receipts_of, refuse_long, warn_of_cut
from idembed.models.options import check_batch_size, check_encode_on_long, check_numpy_only, check_on_long, kept_dim
from idembed.models.profiles import DEFAULT, chosen
from idembed.models.settings import check_prompt, read_settings
from idembed.models.texts import check_iterable, counting, listed
from idembed.native import Profile
from idembed.space import Side, Space

__all__ = ["Checkpoint"]


class Checkpoint(Model):
    """A sentence encoder from safetensors, with its own tokenizer, pooling, prompts and maximum length.

    Making one reads only its settings. ``encode`` and its kin give what sentence-transformers gives,
    ``embed`` the vectors of ``space``: for cosine similarity, of unit length even if the checkpoint has no
    Normalize module. May be used by several threads.
    """

    repeatable = True

    def __init__(
        self,
        files: ModelFiles,
        name: str,
        *,
        profile: Profile = DEFAULT,
        threads: int | None = None,
        isa: str | None = None,
        max_length: int | None = None,
        prompts: Mapping[str, str] | None = None,
        default_prompt_name: str | None = None,
    ) -> None:
        """``max_length``, ``prompts`` and ``default_prompt_name`` stand in for the checkpoint's own; prompts that its
        files do not bring are those of the table of known models, unless it was given by its folder;
        ``threads`` and ``isa`` change no bit. Raises UnsupportedModelError for what is not computed here."""
        self.name = name
        self.files = files
        self.profile = profile
        usual = {} if files.source == "folder" else known_prompts(chosen(name, None)[0])
        self.settings = read_settings(files.folder).prompted(usual).changed(max_length, prompts, default_prompt_name)
        self._engine = Engine(files.folder, self.settings, profile, threads, isa)
        self._space: Space | None = None

    @property
    def space(self) -> Space:
        """What the vectors depend on. Files that this machine has not seen before are read and hashed."""
        if self._space is None:
            self._space = self._make_space()
        return self._space

    def _make_space(self) -> Space:
        shape, settings = self.settings.encoder, self.settings
        facts: dict[str, Any] = {
            "architecture": architecture_facts(shape),
            "max_length": settings.max_length,
            "normalize": settings.normalize or settings.similarity == "cosine",
            "pooling": shape.pooling,
            "profile": self.profile,
            "prompts": {"document": settings.prompt_of("document"), "query": settings.prompt_of("query")},
            "tokenizer": self._engine.tokenizer_hash(),
            "weights": self._engine.weights_hash(),
        }
        if settings.dense:
            facts["dense"] = self._engine.dense_facts()
        return Space("checkpoint", settings.dim, settings.similarity, facts)

    def embed(
        self,
        texts: Sequence[str],
        side: Side = "document",
        *,
        on_long: OnLong = "cut",
        progress: Callable[[int], None] | None = None,
    ) -> Embedded:
        """Vectors of the space, float32 [n, dim], with the prompt of ``side`` before every text.

        A text over the maximum length is cut and its receipt says so, without a warning, or refused. Raises RowError
        naming the first text that is no string or holds a lone surrogate.
        """
        check_on_long(on_long)
        prompt = self.settings.prompt_of(side)
        items = listed("texts", texts)
        if on_long == "error":
            self._refuse_long(items, prompt)
        vectors = np.empty((len(items), self.settings.dim), np.float32)
        receipts: list[Receipt] = []
        for (ids, whole), made in self._engine.embedded(items, prompt, self.settings.max_length):
            start = len(receipts)
            receipts += receipts_of(ids, whole, prompt)
            unit = self.settings.normalize or self.settings.similarity == "dot"
            vectors[start : len(receipts)] = made if unit else self._engine.normalize(made)
            if progress is not None:
                progress(len(ids))
        long = {n: r for n, r in enumerate(receipts) if r.truncated} if on_long == "refuse" else {}
        limit = self.settings.max_length
        reasons = {n: f"it has {r.tokens_in_text:,} tokens; {self.name} reads {limit:,}" for n, r in long.items()}
        return Embedded(vectors, receipts, reasons, frozenset(long))

    def receipts(self, texts: Sequence[str], side: Side = "document") -> list[Receipt]:
        """The receipts that ``embed`` would give; loads the tokenizer and no weights."""
        prompt = self.settings.prompt_of(side)
        batches = self._engine.batches(listed("texts", texts), prompt, self.settings.max_length)
        return [receipt for ids, whole in batches for receipt in receipts_of(ids, whole, prompt)]

    # ---- as in sentence-transformers ----------------------------------------------------------------------

    def encode(
        self,
        sentences: str | Iterable[str],
        prompt_name: str | None = None,
        prompt: str | None = None,
        batch_size: int = 32,
        show_progress_bar: bool | None = None,
        output_value: str | None = "sentence_embedding",
        precision: str = "float32",
        convert_to_numpy: bool = True,
        convert_to_tensor: bool = False,
        device: object = None,
        normalize_embeddings: bool = False,
        truncate_dim: int | None = None,
        *,
        on_long: OnLong = "cut",
    ) -> Vectors:
        """Vectors float32 [n, dim] in the order of ``sentences``, or [dim] for a single string.

        ``prompt``, or the one called ``prompt_name``, or the checkpoint's default one is put before every
        text. ``truncate_dim`` keeps the first numbers; only ``normalize_embeddings`` makes the result unit
        length again. ``batch_size`` and ``device`` are accepted and have no influence: no vector depends on
        its neighbours, and all is computed on the CPU.

        Warns once (TruncationWarning) when texts were cut to the maximum length; ``on_long="error"`` raises
        TooLongError instead, before anything is computed. Raises RowError naming the first text that is no
        string or holds a lone surrogate, and OptionError for what only torch can give.
        """
        check_numpy_only(output_value, precision, convert_to_numpy, convert_to_tensor)
        check_batch_size(batch_size)
        check_encode_on_long(on_long)
        items = listed("sentences", [sentences] if isinstance(sentences, str) else sentences)
        dim, before = kept_dim(truncate_dim, self.settings.dim), self._prompt(prompt, prompt_name)
        if on_long == "error":
            self._refuse_long(items, before)
        rows = {text: row for row, text in enumerate(dict.fromkeys(items))}  # a text is computed once
        texts = list(rows)
        vectors = np.empty((len(texts), dim), np.float32)
        cut: dict[str, int] = {}
        done = 0
        with counting(len(texts), shown=bool(show_progress_bar)) as advance:
            for (ids, whole), made in self._engine.embedded(texts, before, self.settings.max_length):
                for at, (read, n) in enumerate(zip(ids, whole, strict=True), done):
                    if n > len(read):
                        cut[texts[at]] = n
                vectors[done : done + len(ids)] = self._shaped(made, dim, normalize_embeddings)
                done += len(ids)
                advance(len(ids))
        if cut:
            places = [place for place, text in enumerate(items) if text in cut]
            which = f"{len(places)} of {len(items)} texts were"
            warn_of_cut(which, self.name, self.settings.max_length, places[0], cut[items[places[0]]])
        if len(texts) < len(items):
            vectors = vectors[[rows[text] for text in items]]
        first: Vectors = vectors[0] if isinstance(sentences, str) else vectors
        return first

    def encode_query(
        self,
        sentences: str | Iterable[str],
        prompt_name: str | None = None,
        prompt: str | None = None,
        *arguments: Any,
        **options: Any,
    ) -> Vectors:
        """``encode`` with the checkpoint's query prompt unless another is given; never the default prompt."""
        if prompt is None and prompt_name is None:
            prompt = self.settings.prompt_of("query")
        return self.encode(sentences, prompt_name, prompt, *arguments, **options)

    def encode_document(
        self,
        sentences: str | Iterable[str],
        prompt_name: str | None = None,
        prompt: str | None = None,
        *arguments: Any,
        **options: Any,
    ) -> Vectors:
        """``encode`` with the checkpoint's document prompt (``document``, ``passage`` or ``corpus``) unless
        another is given; never the default prompt."""
        if prompt is None and prompt_name is None:
            prompt = self.settings.prompt_of("document")
        return self.encode(sentences, prompt_name, prompt, *arguments, **options)

    def encode_iter(
        self,
        sentences: Iterable[str],
        prompt_name: str | None = None,
        prompt: str | None = None,
        normalize_embeddings: bool = False,
        truncate_dim: int | None = None,
    ) -> Iterator[Vectors]:
        """One vector float32 [dim] for each text, in order, in memory that does not grow with their number.

        Reads ahead: about 4,096 tokens a thread, and up to 512 texts. Warns (TruncationWarning) once, when
        the first text is cut. Raises as ``encode``, when it comes to the text in question.
        """
        dim, before = kept_dim(truncate_dim, self.settings.dim), self._prompt(prompt, prompt_name)
        if isinstance(sentences, str):
            raise OptionError("encode_iter takes texts one after another, not one string", hint="use encode")
        check_iterable("sentences", sentences)
        return self._stream(sentences, before, dim, normalize_embeddings)

    def _stream(self, texts: Iterable[str], prompt: str, dim: int, normalize: bool) -> Iterator[Vectors]:
        position, warned = 0, False
        for (ids, whole), made in self._engine.embedded(texts, prompt, self.settings.max_length):
            long = next((at for at, n in enumerate(whole) if n > len(ids[at])), None)
            if long is not None and not warned:
                warned = True
                which = "at least one text was"
                warn_of_cut(which, self.name, self.settings.max_length, position + long, whole[long])
            position += len(ids)
            for vector in self._shaped(made, dim, normalize):
                yield vector.copy()  # one that is kept must not keep its whole batch

    def similarity(self, a: ArrayLike, b: ArrayLike) -> Vectors:
        """float32 [n, m]: cosines, or inner products where the checkpoint asks for them."""
        return similarity.cos_sim(a, b) if self.settings.similarity == "cosine" else similarity.dot_score(a, b)

    @property
    def max_seq_length(self) -> int:
        """Tokens read of a text, the special ones included."""
        return self.settings.max_length

    def with_max_length(self, tokens: int) -> Checkpoint:
        """The same checkpoint reading at most ``tokens`` of a text: another space, the same weights."""
        other = copy.copy(self)
        other.settings = self.settings.changed(tokens)
        other._space = None
        return other

    def on(self, *, threads: int | None = None, isa: str | None = None) -> Checkpoint:
        """The same checkpoint on so many threads, or with the kernels of an instruction set: no bit is another."""
        if threads is not None:
            check_whole("threads", threads)
        check_kind("isa", isa, str | None, "the name of an instruction set")
        other = copy.copy(self)
        other._engine = self._engine.on(threads, isa)
        return other

    def get_embedding_dimension(self) -> int:
        """Numbers in a vector."""
        return self.settings.dim

    get_sentence_embedding_dimension = get_embedding_dimension

    def __repr__(self) -> str:
        return f"Checkpoint({self.name!r}, dim={self.settings.dim}, profile={self.profile!r})"

    # ---- inside -------------------------------------------------------------------------------------------

    def _prompt(self, prompt: str | None, name: str | None) -> str:
        if prompt is None:
            return self.settings.prompt_called(name)
        check_prompt("prompt", prompt)
        return prompt

    def _shaped(self, vectors: Vectors, dim: int, normalize: bool) -> Vectors:
        if dim < self.settings.dim:
            vectors = np.ascontiguousarray(vectors[:, :dim])
        elif self.settings.normalize:
            return vectors  # of unit length already: dividing again would only move last bits
        return self._engine.normalize(vectors) if normalize else vectors

    def _refuse_long(self, texts: Sequence[str], prompt: str) -> None:
        """Tokenise everything first, 1 % of the time of computing it, so that nothing is half done."""
        batches = self._engine.batches(texts, prompt, self.settings.max_length)
        refuse_long((n for _, whole in batches for n in whole), self.name, self.settings.max_length)
