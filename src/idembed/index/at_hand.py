"""The models that an index was opened with, and those that it loaded since."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from functools import cached_property

from idembed import models
from idembed.errors import ModelNotFoundError, SpaceMismatchError
from idembed.models.api.recognised import Recognised
from idembed.models.base import API_BATCH_SIZE, Model
from idembed.models.profiles import chosen
from idembed.shown import shell_word
from idembed.stores.base import Generation

__all__ = ["DEFAULT_MODEL", "ModelsAtHand", "mismatch"]

DEFAULT_MODEL = "all-MiniLM-L6-v2"


class ModelsAtHand:
    """``given``: the model that was asked for, or its name; ``others``: models of generations that are not searched.
    None is loaded until it is needed."""

    def __init__(self, given: str | Model | None, others: Sequence[str | Model]) -> None:
        self.given = given
        self._others = list(others)
        self._by_space: dict[str, Model] = {}

    @cached_property
    def asked(self) -> Model:
        """The model that was asked for, else the one of a new index by default; its space unchecked."""
        return _loaded(DEFAULT_MODEL if self.given is None else self.given)

    def know(self, model: Model) -> None:
        """Use this model for the generations of its space."""
        self._by_space[model.space.id] = model

    def of(self, generation: Generation, index: str) -> Model:
        """The model of a generation: one that was given, or the recorded one, which is then known by its own space."""
        known = self.known(generation)
        if known is None:
            known = _recorded(generation, index)
            self.know(known)
        return known

    def known(self, generation: Generation) -> Model | None:
        """The model of a generation if it was given, or loaded since."""
        while self._others:
            self.know(_loaded(self._others.pop()))
        if self.given is not None:
            self.know(self.asked)
        return self._by_space.get(generation.space.id)

    def batch_size_of(self, generation: Generation) -> int:
        """How many texts its model is best given at once; no model is loaded to know it."""
        given = [self.given, *self._others, self._by_space.get(generation.space.id)]
        known = [model for model in given if isinstance(model, Model) and model.space.id == generation.space.id]
        if known:
            return known[0].batch_size
        return API_BATCH_SIZE if generation.space.kind == "api" else Model.batch_size

    def forget(self) -> None:
        """Let go of what was loaded."""
        self._by_space.clear()
        self.__dict__.pop("asked", None)


def _loaded(model: str | Model) -> Model:
    return models.load(model) if isinstance(model, str) else model


def _recorded(generation: Generation, index: str) -> Model:
    name, facts = generation.model, generation.space.facts
    try:
        if generation.space.kind == "api":
            model = models.load(name, revision=str(facts["revision"]))  # the newest accepted one may be another
            if isinstance(model, Recognised):
                model.assume(generation.space.dim)
            return model
        return models.load(name)
    except ModelNotFoundError as error:
        which = "" if generation.status == "active" else f"generation {generation.number} of "
        raise ModelNotFoundError(
            f"{which}{index} was built with {name}, which is not there any more: {error.message}",
            hint="bring it back, or say where it is now: Index(…, model=…), idembed search --model …",
            model=name,
        ) from error


def mismatch(index: str, generations: Iterable[Generation], generation: Generation, model: Model) -> SpaceMismatchError:
    """The error of a ``model`` that is not of the space of a ``generation``, one of the ``generations`` there are."""
    facts = [str(difference) for difference in generation.space.differences(model.space)]
    others = [g for g in generations if g.space.id == model.space.id]
    typed = shell_word(index)
    advice = _use_other(typed, generation, others[0], model) if others else _use_same(typed, generation, model)
    which = index if generation.status == "active" else f"generation {generation.number} of {index}"
    return SpaceMismatchError(
        f"{which} was built with {generation.model}; the vectors of {model.name} as it is now are of "
        f"another space (here: the index, there: the model). {'; '.join(facts)}",
        hint=f"vectors of two spaces cannot be compared: {advice}",
        differences=facts,
    )


def _use_other(index: str, generation: Generation, other: Generation, model: Model) -> str:
    """What to do where the model is that of an ``other`` generation."""
    if other.status == "active":
        return f"bring {generation.model} back, or let that generation go: idembed drop {index} {generation.number}"
    if not other.complete and other.status == "building":
        return (
            f"generation {other.number} is being built of that space: go on with idembed upgrade {index} "
            f"--to {shell_word(model.name)}, then judge and switch"
        )
    return f"generation {other.number} ({other.status}) has that space: idembed switch {index} {other.number}"


def _use_same(index: str, generation: Generation, model: Model) -> str:
    """What to do where no generation is of the model's space: have that of the index, or move the index."""
    upgrade = f"idembed upgrade {index} --to {shell_word(model.name)}"
    differ = [difference.name for difference in generation.space.differences(model.space)]
    if differ == ["profile"]:
        same = f"{chosen(model.name, None)[0]}?profile={generation.space.facts['profile']}"
        return (
            f"only the profile differs. Name that of the index: --model {shell_word(same)}; or move the index to the "
            f"other: {upgrade}"
        )
    if generation.model != model.name:
        return f"open the index without naming a model to use the one it records, or move it to the other: {upgrade}"
    if differ == ["endpoint"]:
        return (
            f"it was built at {generation.space.facts['endpoint']}: name that address in the environment, as it was "
            f"then (docs/apis.md), or move the index: {upgrade}"
        )
    return (
        "what lies there was changed since: bring back what the index was built with, or move the index to "
        f"what is there now: {upgrade}"
    )
