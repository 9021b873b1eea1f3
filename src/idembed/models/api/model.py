"""A model of an API, as any other: texts in, vectors of one space out."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import replace
from functools import cached_property, partial
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from idembed import native
from idembed.canonical import JSON
from idembed.errors import ApiError, OptionError, TooLongError
from idembed.models import similarity
from idembed.models.api.adapter import Adapter
from idembed.models.api.evidence import Evidence, Keeping
from idembed.models.api.journals import Paid, Told
from idembed.models.api.names import ApiName
from idembed.models.api.once import each_once
from idembed.models.api.recognised import Recognised
from idembed.models.api.transport import Transport
from idembed.models.base import API_BATCH_SIZE, Embedded, Journal, OnLong, Receipt, Vectors
from idembed.models.options import check_encode_on_long, check_numpy_only, check_on_long, kept_dim
from idembed.models.texts import checked, chunked, counting, raise_refused, warn_cut
from idembed.space import Side, Space

__all__ = ["ApiModel"]

_PATIENCE = {"document": 600.0, "query": 60.0}


class ApiModel(Recognised):
    """A provider's model. ``encode`` and its kin give what ``embed`` gives, of unit length. Same text, same vector
    holds for what is kept (in an index, in the vault): a provider does not give the same bytes twice.

    Making one opens no connection. The first texts are preceded by a measurement (``evidence.py``): 160 short texts,
    once a machine; later runs ask for three of them. May be used by several threads.
    """

    repeatable = False
    batch_size = API_BATCH_SIZE

    def __init__(self, adapter: Adapter, name: ApiName, transport: Transport) -> None:
        """``transport``: to the model that ``name`` names. ``name.revision`` None: the newest that was accepted."""
        self.adapter = adapter
        self.transport = transport
        self._settings = transport.settings
        self._name = name
        super().__init__(Keeping(dict(self._facts())), name.revision)

    @property
    def name(self) -> str:  # type: ignore[override]
        """As ``load`` takes it."""
        return str(replace(self._name, revision=self.revision if self.revision > 1 else None))

    @property
    def newest_name(self) -> str:
        """The name of whichever revision was accepted last."""
        return str(replace(self._name, revision=None))

    def _facts(self) -> dict[str, JSON]:
        """Of the space, but for the revision. What a model is that nobody knows may depend on whether dimensions were
        asked for; of a known one, the dimension says it all."""
        settings, adapter = self._settings, self.adapter
        offer = adapter.offer(settings.model)
        return {
            "provider": adapter.provider,
            "endpoint": settings.endpoint,
            "model": settings.model,
            "dimensions": settings.dimensions or (offer.dim if offer else None),
            "task": {"document": adapter.task(settings, "document"), "query": adapter.task(settings, "query")},
        }

    @property
    def space(self) -> Space:
        """What the vectors depend on. Where nobody says how many numbers a vector has, the model is asked."""
        facts = {name: value for name, value in self._facts().items() if name != "dimensions" or self._is_unknown}
        return Space("api", self._dim, "cosine", {**facts, "revision": self.revision})

    @property
    def _is_unknown(self) -> bool:
        return self.adapter.offer(self._settings.model) is None

    @cached_property
    def _dim(self) -> int:
        if self._settings.dimensions is not None:
            return self._settings.dimensions
        offer = self.adapter.offer(self._settings.model)
        return offer.dim if offer else self.evidence(Journal()).dim

    @property
    def dollars_per_million_tokens(self) -> float | None:  # type: ignore[override]
        """As the table or the name says; None: not known."""
        return self.transport.known_price

    def check_key(self) -> None:
        """Raise ApiError where there is no key; nothing is asked for."""
        _ = self.transport.credential

    # Inside ---------------------------------------------------------------------------------------------------

    def assume(self, dim: int) -> None:
        """As ``Recognised.assume``."""
        self.__dict__.setdefault("_dim", dim)

    @property
    def tokens_guessed(self) -> float:
        """Tokens that the provider counted for each that bytes alone make."""
        return self.transport.guess.ratio

    def _known(self) -> Evidence | None:
        found = super()._known()
        if found is not None:
            self.transport.guess.begin(found.tokens)
        return found

    def probe(self, texts: Sequence[str], journal: Journal | None) -> Vectors:
        """As ``Recognised.probe``. Raises ApiError also where the provider does not take plain sentences."""
        dim = self.__dict__.get("_dim") or self._settings.dimensions
        if dim is None and (offer := self.adapter.offer(self._settings.model)):
            dim = offer.dim
        made = self.transport.embed(texts, "document", Paid(journal), dim=dim, purpose="probe", patience=180.0)
        if made.refused:
            reason = next(iter(made.refused.values()))
            raise ApiError(
                f"{self.adapter.title}, {self._settings.model}: it does not take plain sentences: {reason}",
                hint="look at the model's name and its options",
                provider=self.adapter.provider,
                model=self._settings.model,
            )
        return made.vectors

    # As every model ------------------------------------------------------------------------------------------

    def embed(
        self,
        texts: Sequence[str],
        side: Side = "document",
        *,
        on_long: OnLong = "cut",
        progress: Callable[[int], None] | None = None,
    ) -> Embedded:
        """As ``Model.embed``. Equal texts are asked for once. Raises ApiError."""
        return self.embed_with(texts, Told(progress) if progress else Journal(), side, on_long=on_long)

    def embed_with(
        self, texts: Sequence[str], journal: Journal, side: Side = "document", *, on_long: OnLong = "cut"
    ) -> Embedded:
        check_on_long(on_long)
        items = checked(texts)
        if not items:
            return Embedded(np.empty((0, self._dim), np.float32), [])
        if side == "query" and self.is_known:
            made = self.beside_a_look(lambda: self._embed(items, journal, side, on_long), journal)
        else:
            self.look(journal)
            made = self._embed(items, journal, side, on_long)
            self.look_after(len(items), journal)
        if made.too_long and on_long == "error":
            position = min(made.too_long)
            raise TooLongError(
                f"text {position} is too long: {made.refused[position]}",
                hint='split it, or let it be cut with on_long="cut"',
                position=position,
            )
        return made

    def _embed(self, texts: list[str], journal: Journal, side: Side, on_long: OnLong) -> Embedded:
        def ask(some: list[str], told: Journal) -> Embedded:
            patience = _PATIENCE[side]
            return self.transport.embed(some, side, told, dim=self._dim, on_long=on_long, patience=patience)

        return each_once(texts, journal, ask)

    def receipts(self, texts: Sequence[str], side: Side = "document") -> list[Receipt]:
        """Tokens are guessed (``TokenGuess``), and a text counts as truncated where it surely is: the provider is not
        asked."""
        limit, guess = self.transport.limits.text_tokens, self.transport.guess
        self._known()  # what was counted before, for the guess
        surely = 1.0 if guess.is_exact else 2.0
        receipts = []
        for text in checked(texts):
            tokens = guess.of(text)
            long = limit is not None and tokens > limit * surely
            receipts.append(Receipt(limit, True, tokens) if long and limit else Receipt(tokens))
        return receipts

    # As in sentence-transformers -------------------------------------------------------------------------------

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
        side: Side = "document",
    ) -> Vectors:
        """Vectors float32 [n, dim] in the order of ``sentences``, or [dim] for a single string, of unit length.

        They are what the provider says now: keep them, or use an index, which does. ``batch_size`` and ``device`` have
        no influence. Warns once (TruncationWarning) when texts were cut; ``on_long="error"`` raises TooLongError.
        Raises RowError naming the first text that the provider refuses, OptionError for prompts (the provider has its
        own) and what only torch can give.
        """
        check_numpy_only(output_value, precision, convert_to_numpy, convert_to_tensor)
        check_encode_on_long(on_long)
        if side not in ("document", "query"):
            raise OptionError(f"side={side!r}: it is document or query")
        if prompt is not None or prompt_name is not None:
            raise OptionError(
                f"{self.name} takes no prompt", hint="encode_query and encode_document tell the provider what is what"
            )
        items = checked([sentences] if isinstance(sentences, str) else sentences)
        dim = kept_dim(truncate_dim, self._dim)
        with counting(len(items), shown=bool(show_progress_bar)) as advance:
            made = self.embed(items, side, on_long="refuse" if on_long == "error" else on_long, progress=advance)
        raise_refused(made)
        if cut := sum(receipt.truncated for receipt in made.receipts):
            warn_cut(f"{cut} of {len(items)} texts were cut to the tokens that {self.name} reads")
        vectors = self._shaped(made.vectors, dim, normalize_embeddings)
        first: Vectors = vectors[0] if isinstance(sentences, str) else vectors
        return first

    def encode_query(self, sentences: str | Iterable[str], *arguments: object, **options: object) -> Vectors:
        """``encode`` for questions, where the provider tells them from documents."""
        return self.encode(sentences, *arguments, **options, side="query")  # type: ignore[arg-type]

    def encode_document(self, sentences: str | Iterable[str], *arguments: object, **options: object) -> Vectors:
        """``encode`` for documents."""
        return self.encode(sentences, *arguments, **options, side="document")  # type: ignore[arg-type]

    def encode_iter(
        self, sentences: Iterable[str], normalize_embeddings: bool = False, truncate_dim: int | None = None
    ) -> Iterator[Vectors]:
        """One vector float32 [dim] for each text, in order, reading ahead up to 256 texts."""
        if isinstance(sentences, str):
            raise OptionError("encode_iter takes texts one after another, not one string", hint="use encode")
        dim = kept_dim(truncate_dim, self._dim)
        for texts in chunked(sentences):
            made = self.embed(texts)
            raise_refused(made)
            for vector in self._shaped(made.vectors, dim, normalize_embeddings):
                yield vector.copy()

    def similarity(self, a: ArrayLike, b: ArrayLike) -> Vectors:
        """Cosines float32 [n, m]."""
        return similarity.cos_sim(a, b)

    def get_embedding_dimension(self) -> int:
        """Numbers in a vector."""
        return self._dim

    get_sentence_embedding_dimension = get_embedding_dimension

    @property
    def max_seq_length(self) -> int | None:
        """Tokens that are read of a text; None where the provider does not say."""
        return self.transport.limits.text_tokens

    def __reduce__(self) -> tuple[Any, ...]:
        """For other processes: opened anew there, with the keys that are there."""
        from idembed.models import load

        return partial(load, revision=str(self.revision)), (self.name,)

    def __repr__(self) -> str:
        return f"ApiModel({self.name!r})"

    def _shaped(self, vectors: Vectors, dim: int, normalize: bool) -> Vectors:
        if dim == vectors.shape[1]:
            return vectors
        shorter = np.ascontiguousarray(vectors[:, :dim])
        return native.normalize(shorter) if normalize else shorter
