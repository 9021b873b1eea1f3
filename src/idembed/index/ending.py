"""Indexes whose models their providers end: told when they are opened, and not asked for what cannot be had."""

from __future__ import annotations

from datetime import UTC, date, datetime

from idembed.models.api.retired import Retirement, notice, refuse_gone, retirement
from idembed.models.base import Model, RetirementWarning
from idembed.models.caller import warn_caller
from idembed.space import Space
from idembed.stores.base import Generation

__all__ = ["refuse_gone_generation", "refuse_gone_model", "retirement_of", "today", "warn_of_end"]


def today() -> date:
    """By this machine's clock, as in Greenwich."""
    return datetime.now(UTC).date()


def retirement_of(space: Space) -> Retirement | None:
    """What is known of the end of the model that makes a space's vectors; None: nothing, or it is none of an API."""
    if space.kind != "api":
        return None
    provider, model, endpoint = (space.facts.get(name) for name in ("provider", "model", "endpoint"))
    if not isinstance(provider, str) or not isinstance(model, str):
        return None
    return retirement(provider, model, endpoint if isinstance(endpoint, str) else None)


def warn_of_end(index: str, generation: Generation) -> None:
    """A RetirementWarning for who opens an ``index``, if the model of the ``generation`` that it searches ends."""
    found = retirement_of(generation.space)
    if found and found.concerns(today()):
        warn_caller(str(notice(found, generation.model, today(), index)), RetirementWarning)


def refuse_gone_generation(index: str, generation: Generation) -> None:
    """Raise RetiredModelError if the model of a generation is gone; no key and no connection is needed to know it."""
    which = "" if generation.status == "active" else f"generation {generation.number} of {index}"
    refuse_gone(retirement_of(generation.space), generation.model, index, which)


def refuse_gone_model(model: Model) -> None:
    """Raise RetiredModelError if a model, with which something new is to be built, is gone."""
    refuse_gone(retirement_of(model.space), model.name)
