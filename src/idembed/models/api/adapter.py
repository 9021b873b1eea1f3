"""What an adapter of a provider is: pure functions from texts to a request, and from an answer to vectors.

An adapter opens no connection, reads no clock and no environment, and knows no key; the transport does all that.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar, Literal, NamedTuple

from idembed.space import Side

__all__ = ["Adapter", "Answer", "Fault", "FaultKind", "Limits", "Offer", "Price", "Request", "Settings"]


@dataclass(frozen=True, slots=True)
class Settings:
    """What is asked of a provider: its ``model`` at an ``endpoint`` (a base URL without a slash at its end), vectors of
    ``dimensions`` numbers (None: as many as the model gives), for a ``task`` (None: documents and questions are told
    apart); ``extra`` has what one provider alone needs, such as a region."""

    model: str
    endpoint: str
    dimensions: int | None = None
    task: str | None = None
    extra: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Limits:
    """What one request may hold: ``inputs`` texts, ``tokens`` of them together and ``text_tokens`` of each, ``bytes``
    of body (None: not known, or none). ``requests_per_minute``, ``inputs_per_minute`` and ``tokens_per_minute``: the
    provider's published rates, where its answers do not tell them."""

    inputs: int
    tokens: int | None = None
    text_tokens: int | None = None
    bytes: int = 8_000_000
    requests_per_minute: float | None = None
    inputs_per_minute: float | None = None
    tokens_per_minute: float | None = None


@dataclass(frozen=True, slots=True)
class Price:
    """``dollars`` for a million tokens, as published at ``source`` on ``date`` (ISO 8601). ``batch``: the share of it
    that the provider's batch endpoint costs (None: there is none)."""

    dollars: float
    date: str
    source: str
    batch: float | None = None


@dataclass(frozen=True, slots=True)
class Offer:
    """A model as its provider describes it: vectors of ``dim`` numbers, or of ``dims`` when asked for (empty: no
    others; a range as (least, most) where ``dims_are_range``), ``limits`` and ``price`` (None: not known)."""

    dim: int
    limits: Limits
    price: Price | None = None
    dims: tuple[int, ...] = ()
    dims_are_range: bool = False

    def allows(self, dimensions: int) -> bool:
        """Whether vectors of so many numbers can be asked for."""
        if self.dims_are_range:
            return self.dims[0] <= dimensions <= self.dims[1]
        return dimensions == self.dim or dimensions in self.dims


@dataclass(frozen=True, slots=True)
class Request:
    """A POST of ``body`` as JSON to ``url``; ``headers`` beside those of the key."""

    url: str
    body: Mapping[str, Any]
    headers: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Answer:
    """What a provider said, unchecked: a vector for each text (numbers, or the base64 of little-endian float32, or
    None), ``indices`` that say for which text each is (None: in order), ``tokens`` that it counted in all
    (None: it does not say) or for each text, and which texts it ``truncated`` (None: it does not say)."""

    vectors: Sequence[Any]
    indices: Sequence[Any] | None = None
    tokens: int | None = None
    text_tokens: Sequence[int] | None = None
    truncated: Sequence[bool] | None = None


FaultKind = Literal["wait", "long", "split", "row", "fatal"]


class Fault(NamedTuple):
    """Why a request failed, and so what to do.

    ``wait``: ask again, ``after`` so many seconds if it was said. ``long``: a text has more tokens than the model
    reads (``tokens`` of them, if it was said). ``split``: there was too much in the request. ``row``: one of the texts
    cannot be taken. ``fatal``: asking again is for nothing; ``hint`` says what to do. ``which``: which of the request's
    texts it is about, from 0, if it was said.
    """

    kind: FaultKind
    reason: str
    hint: str = ""
    after: float | None = None
    tokens: int | None = None
    which: int | None = None


class Adapter(ABC):
    """One provider. Made once, without state."""

    provider: ClassVar[str]
    """As in ``openai:text-embedding-3-small``."""
    title: ClassVar[str]
    """As people write it."""
    endpoint: ClassVar[str] = ""
    """The base URL, without a slash at its end; empty where there is no common one. ``{region}`` and the like are
    replaced by the settings' ``extra``."""
    endpoint_variables: ClassVar[tuple[str, ...]] = ()
    """Environment variables that may name another base URL; the first one that is set counts."""
    key_variables: ClassVar[tuple[str, ...]] = ()
    """Environment variables of the key; the first one that is set counts."""
    credential: ClassVar[Literal["key", "google", "aws"]] = "key"
    """What shows who asks: a key, or what the credentials of Google or AWS on this machine make."""
    needs_key: ClassVar[bool] = True
    extra_variables: ClassVar[Mapping[str, tuple[str, ...]]] = {}
    """What ``extra`` must hold, and the environment variables that it is taken from."""
    more_extra_variables: ClassVar[Mapping[str, tuple[str, ...]]] = {}
    """What ``extra`` may hold besides, and the environment variables that it is taken from."""
    offers: ClassVar[Mapping[str, Offer]] = {}
    """The models that are known; others are asked for all the same."""
    usual: ClassVar[Limits]
    """The limits of a model that is not known."""
    tasks: ClassVar[Mapping[Side, str]] = {}
    """What a text of each side is called in requests (part of the space); empty where the provider has no sides."""
    more_tasks: ClassVar[tuple[str, ...]] = ()
    """Tasks that may be asked for instead, for both sides."""
    tells_truncation: ClassVar[bool] = True
    """Whether a text that is too long is an error, or is said to be cut; False: it may be cut in silence."""

    def usual_endpoint(self, extra: Mapping[str, str]) -> str:
        """The base URL where nothing else is named: ``endpoint`` with ``extra`` in it. Raises KeyError where ``extra``
        lacks something."""
        return self.endpoint.format_map(extra)

    def offer(self, model: str) -> Offer | None:
        """What is known of a model, None if nothing is."""
        return self.offers.get(model)

    def limits(self, settings: Settings) -> Limits:
        """Of the model, else the usual ones."""
        offer = self.offer(settings.model)
        return offer.limits if offer else self.usual

    def task(self, settings: Settings, side: Side) -> str | None:
        """The name of the task of one side; None where there are no tasks."""
        return settings.task or self.tasks.get(side)

    def authorization(self, key: str) -> Mapping[str, str]:
        """The headers that show the key."""
        return {"Authorization": f"Bearer {key}"}

    @abstractmethod
    def request(self, settings: Settings, texts: Sequence[str], side: Side) -> Request:
        """The request for these texts, which are within the limits. A text that is too long shall be an error."""

    @abstractmethod
    def answer(self, body: Any, settings: Settings) -> Answer:
        """A successful answer's JSON. Raises KeyError, TypeError, ValueError, IndexError or AttributeError where it is
        not what the provider promises."""

    @abstractmethod
    def fault(self, status: int, body: Any, settings: Settings) -> Fault:
        """Why a request failed: ``body`` is the answer's JSON, or its text where it is none. What headers say about
        waiting is read by the transport."""
