"""The models of APIs that are known: what they cost, what they read, and when they end."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from idembed.models.api.registry import ADAPTERS
from idembed.models.api.retired import WRITTEN, retirement

__all__ = ["Offered", "offered"]


@dataclass(frozen=True, slots=True)
class Offered:
    """A model by the ``name`` that ``load`` takes: vectors of ``dim`` numbers (or of ``dims`` if asked for: a list, or
    the least and the most where ``dims_are_range``), the longest text in tokens (``max_length``, None: not known),
    ``dollars`` for a million tokens as published on the date ``priced`` (None: not known), and when its provider ends
    it (None: nothing is known of that), perhaps ``or_later``, and what succeeds it then."""

    name: str
    dim: int
    max_length: int | None
    dollars: float | None
    priced: str | None
    ends: str | None = None
    or_later: bool = False
    successor: str | None = None
    dims: list[int] = field(default_factory=list)
    dims_are_range: bool = False

    def as_dict(self) -> dict[str, Any]:
        """For JSON."""
        return {name: getattr(self, name) for name in self.__slots__}


def offered() -> Iterator[Offered]:
    """Those that can be asked, by provider."""
    for provider, adapter in ADAPTERS.items():
        for model, offer in adapter.offers.items():
            end = retirement(provider, model)
            if end and end.state(WRITTEN) == "gone":
                continue
            yield Offered(
                f"{provider}:{model}",
                offer.dim,
                offer.limits.text_tokens,
                offer.price.dollars if offer.price else None,
                offer.price.date if offer.price else None,
                str(end.date) if end else None,
                bool(end and end.or_later),
                end.successor if end else None,
                list(offer.dims),
                offer.dims_are_range,
            )
