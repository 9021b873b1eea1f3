"""A model of an API, as any other: texts in, vectors of one space out."""

from __future__ import annotations

import logging
import random
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import replace
from functools import cached_property

import numpy as np
from numpy.typing import ArrayLike

from idembed import native
from idembed.canonical import JSON
from idembed.errors import ApiError, DiskFullError, ModelChangedError, OptionError, TooLongError
from idembed.models import similarity
from idembed.models.api.adapter import Adapter
from idembed.models.api.evidence import Evidence, Keeping, answers, cosines, evidence_of
from idembed.models.api.names import ApiName
from idembed.models.api.probes import PROBES
from idembed.models.api.transport import Transport
from idembed.models.base import API_BATCH_SIZE, Embedded, Journal, Model, OnLong, Receipt, Vectors
from idembed.models.texts import check_numpy_only, checked, chunked, counting, raise_refused, warn_cut
from idembed.space import Side, Space

__all__ = ["ApiModel", "Witnesses"]

_LOG = logging.getLogger(__name__)
_AGAIN = 3600.0
"""After so many seconds the model is looked at again."""
_LOOKS = 3
_PATIENCE = {"document": 600.0, "query": 60.0}
_ITERATED = 512

Witnesses = Callable[[], tuple[Sequence[str], Vectors]]
"""Texts, and the vectors that the model once gave for them, float32 [n, dim]."""


class ApiModel(Model):
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
        self.witnesses: Witnesses | None = None
        """Asked for when the model is measured: evidence from elsewhere, such as of an index."""
        self._settings = transport.settings
        self._keeping = Keeping(dict(self._facts()))
        newest = self._keeping.revision()
        self.revision = name.revision or newest
        self._name = name
        self._lock = threading.RLock()
        self._looked_at: float | None = None
        self._evidence: Evidence | None = None

    @property
    def name(self) -> str:  # type: ignore[override]
        """As ``load`` takes it."""
        return str(replace(self._name, revision=self.revision if self.revision > 1 else None))

    @property
    def newest_name(self) -> str:
        """The name of whichever revision was accepted last."""
        return str(replace(self._name, revision=None))

    def _facts(self) -> dict[str, JSON]:
        settings, adapter = self._settings, self.adapter
        return {
            "provider": adapter.provider,
            "endpoint": settings.endpoint,
            "model": settings.model,
            "dimensions": settings.dimensions,
            "task": {"document": adapter.task(settings, "document"), "query": adapter.task(settings, "query")},
        }

    @property
    def space(self) -> Space:
        """What the vectors depend on. Where nobody says how many numbers a vector has, the model is asked."""
        facts = self._facts()
        del facts["dimensions"]
        return Space("api", self._dim, "cosine", {**facts, "revision": self.revision})

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

    @property
    def least_cosine(self) -> float | None:  # type: ignore[override]
        """What two answers to one text may differ by, as it was measured."""
        evidence = self._evidence or self._keeping.read(self.revision)
        return evidence.refuse_below if evidence else None

    def check_key(self) -> None:
        """Raise ApiError where there is no key; nothing is asked for."""
        _ = self.transport.credential

    def ready(self, journal: Journal | None = None) -> None:
        """As ``Model.ready``: it is looked at (``look``)."""
        self.look(journal)

    # Evidence ------------------------------------------------------------------------------------------------

    def evidence(self, journal: Journal | None = None) -> Evidence:
        """What is known of the model; measured, and kept, the first time. Raises ModelChangedError when it does not
        say what the witnesses have."""
        with self._lock:
            if self._evidence is None:
                self._evidence = self._keeping.read(self.revision)
            if self._evidence is None:
                found = self.measure(journal)
                self._confirm(found, journal)
                try:
                    self._keeping.write(self.revision, found)
                except (OptionError, DiskFullError) as error:
                    _LOG.warning("what is known of %s cannot be kept: %s", self.name, error.message)
                self._evidence = found
                self._looked_at = time.monotonic()
            return self._evidence

    def answers(self, journal: Journal | None = None) -> list[Vectors]:
        """What the model says of the 32 probes now, five times float32 [32, dim]."""
        return answers(lambda texts: self._probe(texts, journal))

    def measure(self, journal: Journal | None = None) -> Evidence:
        """The evidence as it is now: 32 texts, five times. Nothing is kept."""
        found = self.answers(journal)
        return evidence_of(found, self.transport.guess.ratio)

    @property
    def kept(self) -> Evidence | None:
        """The evidence of this revision that is kept on this machine, if there is any. Nobody is asked."""
        return self._keeping.read(self.revision)

    @property
    def newest(self) -> int:
        """The newest revision that is known on this machine."""
        return max(self.revision, self._keeping.revision())

    def look(self, journal: Journal | None = None) -> None:
        """Ask for a few of the probes again, if that was not done lately. Raises ModelChangedError when another model
        answers; warns when it is nearly so."""
        with self._lock:
            evidence = self.evidence(journal)
            if self._looked_at is not None and time.monotonic() - self._looked_at < _AGAIN:
                return
            chosen = sorted(random.sample(range(len(PROBES)), _LOOKS))
            now = self._probe([PROBES[n] for n in chosen], journal)
            self._judge(float(cosines(now, evidence.vectors[chosen]).min()), evidence, evidence.measured)
            self._looked_at = time.monotonic()

    def accept(self, evidence: Evidence | None = None) -> Evidence:
        """Take what answers now for a model of its own: another revision, and so another space. ``evidence``: what was
        measured just now (None: that is done)."""
        with self._lock:
            evidence = evidence or self.measure()
            newest = self.newest
            self.revision = newest + 1 if self._keeping.read(newest) else newest
            self._keeping.accept(self.revision, evidence)
            self._evidence = evidence
            self._looked_at = time.monotonic()
            return evidence

    def _confirm(self, evidence: Evidence, journal: Journal | None) -> None:
        if self.witnesses is None:
            return
        texts, vectors = self.witnesses()
        if texts:
            lowest = float(cosines(self._probe(texts, journal), vectors).min())
            self._judge(lowest, evidence, "the vectors that are kept were made")

    def changed(self, lowest: float, evidence: Evidence, when: str) -> ModelChangedError:
        """The error for a model that answers by a cosine of ``lowest`` otherwise than it did ``when``."""
        upgrade = f"idembed upgrade INDEX --to '{self.newest_name}'"
        if self.newest > self.revision:
            what = f"What was accepted since is revision {self.newest}: {upgrade}"
        else:
            accept = f"idembed models accept '{self.newest_name}'"
            what = f"To use what answers now, as a space of its own: {accept}, then {upgrade}"
        return ModelChangedError(
            f"{self.name} is not the model that it was: the cosine between what it says now and what it said "
            f"({when}) is {lowest:.4f}, and was {evidence.noise:.6f} at the least between repeats",
            hint=f"vectors of two models cannot be compared. {what}",
            provider=self.adapter.provider,
            model=self.name,
            cosine=lowest,
        )

    def _judge(self, lowest: float, evidence: Evidence, when: str) -> None:
        if lowest < evidence.refuse_below:
            raise self.changed(lowest, evidence, when)
        if lowest < evidence.warn_below:
            _LOG.warning(
                "%s answers a little differently than it did (%s): cosine %.6f, between repeats %.6f",
                self.name,
                when,
                lowest,
                evidence.noise,
            )

    def _probe(self, texts: Sequence[str], journal: Journal | None) -> Vectors:
        dim = self.__dict__.get("_dim") or self._settings.dimensions
        if dim is None and (offer := self.adapter.offer(self._settings.model)):
            dim = offer.dim
        made = self.transport.embed(texts, "document", _Paid(journal), dim=dim, purpose="probe", patience=180.0)
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
        return self.embed_with(texts, _Told(progress) if progress else Journal(), side, on_long=on_long)

    def embed_with(
        self, texts: Sequence[str], journal: Journal, side: Side = "document", *, on_long: OnLong = "cut"
    ) -> Embedded:
        items = checked(texts)
        if not items:
            return Embedded(np.empty((0, self._dim), np.float32), [])
        if side == "query" and self._is_known():
            made = self._beside_a_look(lambda: self._embed(items, journal, side, on_long), journal)
        else:
            self.look(journal)
            made = self._embed(items, journal, side, on_long)
        if made.too_long and on_long == "error":
            position = min(made.too_long)
            raise TooLongError(
                f"text {position} is too long: {made.refused[position]}",
                hint='split it, or let it be cut with on_long="cut"',
                position=position,
            )
        return made

    def _is_known(self) -> bool:
        """Whether it was measured before; if not, that comes first, and in the caller's thread, as witnesses are."""
        return self._evidence is not None or self._keeping.read(self.revision) is not None

    def _beside_a_look(self, ask: Callable[[], Embedded], journal: Journal) -> Embedded:
        """A question waits for its answer; that the model is the same is found out meanwhile."""
        errors: list[BaseException] = []

        def look() -> None:
            try:
                self.look(journal)
            except BaseException as error:
                errors.append(error)

        thread = threading.Thread(target=look, name="idembed-look", daemon=True)
        thread.start()
        made = ask()
        thread.join()
        if errors:
            raise errors[0]
        return made

    def _embed(self, texts: list[str], journal: Journal, side: Side, on_long: OnLong) -> Embedded:
        places: dict[str, list[int]] = {}
        for position, text in enumerate(texts):
            places.setdefault(text, []).append(position)
        if len(places) == len(texts):
            return self._ask(texts, journal, side, on_long)
        unique = list(places.values())
        made = self._ask(list(places), _Spread(journal, unique), side, on_long)
        order = np.empty(len(texts), np.int64)
        for number, positions in enumerate(unique):
            order[positions] = number
        refused = {p: reason for n, reason in made.refused.items() for p in unique[n]}
        long = frozenset(p for n in made.too_long for p in unique[n])
        return Embedded(made.vectors[order], [made.receipts[n] for n in order], refused, long)

    def _ask(self, texts: list[str], journal: Journal, side: Side, on_long: OnLong) -> Embedded:
        return self.transport.embed(texts, side, journal, dim=self._dim, on_long=on_long, patience=_PATIENCE[side])

    def receipts(self, texts: Sequence[str], side: Side = "document") -> list[Receipt]:
        """Tokens are guessed (``TokenGuess``), and a text counts as truncated where it surely is: the provider is not
        asked."""
        limit, guess = self.transport.limits.text_tokens, self.transport.guess
        if not guess.is_learned and (known := self._evidence or self._keeping.read(self.revision)):
            guess.begin(known.tokens)
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
        if prompt is not None or prompt_name is not None:
            raise OptionError(
                f"{self.name} takes no prompt", hint="encode_query and encode_document tell the provider what is what"
            )
        items = checked([sentences] if isinstance(sentences, str) else sentences)
        with counting(len(items), shown=bool(show_progress_bar)) as advance:
            made = self.embed(items, side, on_long="refuse" if on_long == "error" else on_long, progress=advance)
        raise_refused(made)
        if cut := sum(receipt.truncated for receipt in made.receipts):
            warn_cut(f"{cut} of {len(items)} texts were cut to the tokens that {self.name} reads")
        vectors = self._shaped(made.vectors, truncate_dim, normalize_embeddings)
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
        for texts in chunked(sentences):
            made = self.embed(texts)
            raise_refused(made)
            for vector in self._shaped(made.vectors, truncate_dim, normalize_embeddings):
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

    def __repr__(self) -> str:
        return f"ApiModel({self.name!r})"

    def _shaped(self, vectors: Vectors, truncate_dim: int | None, normalize: bool) -> Vectors:
        if truncate_dim is None or truncate_dim >= vectors.shape[1]:
            return vectors
        if truncate_dim < 1:
            raise OptionError(f"truncate_dim must be at least 1, not {truncate_dim}")
        shorter = np.ascontiguousarray(vectors[:, :truncate_dim])
        return native.normalize(shorter) if normalize else shorter


class _Paid(Journal):
    """What a probe costs is paid as everything else; what it gives is nobody's business."""

    def __init__(self, journal: Journal | None) -> None:
        self._journal = journal or Journal()

    def reserve(self, texts: int, dollars: float) -> None:
        self._journal.reserve(0, dollars)

    def settle(self, reserved: float, dollars: float) -> None:
        self._journal.settle(reserved, dollars)


class _Told(Journal):
    """Tells how many texts are done."""

    def __init__(self, progress: Callable[[int], None]) -> None:
        self._progress = progress

    def made(self, positions: Sequence[int], made: Embedded) -> None:
        self._progress(len(positions))


class _Spread(Journal):
    """For texts that were given several times: what is made of one is made of all."""

    def __init__(self, journal: Journal, places: list[list[int]]) -> None:
        self._journal = journal
        self._places = places

    def reserve(self, texts: int, dollars: float) -> None:
        self._journal.reserve(texts, dollars)

    def settle(self, reserved: float, dollars: float) -> None:
        self._journal.settle(reserved, dollars)

    def alive(self) -> None:
        self._journal.alive()

    def made(self, positions: Sequence[int], made: Embedded) -> None:
        numbers = [n for n, position in enumerate(positions) for _ in self._places[position]]
        again = Embedded(
            made.vectors[numbers],
            [made.receipts[n] for n in numbers],
            {k: made.refused[n] for k, n in enumerate(numbers) if n in made.refused},
            frozenset(k for k, n in enumerate(numbers) if n in made.too_long),
        )
        self._journal.made([p for position in positions for p in self._places[position]], again)
