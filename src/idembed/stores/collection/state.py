"""What an index in collections knows about itself, as it is read from its documents.

``state/lease/<name>`` is who may write, ``state/generation/<n>`` one generation, ``state/numbers`` which number comes
next and which generation is the active one where the database has no pointer. They are changed within ``alone``.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any, Final

from idembed.errors import DamagedError
from idembed.stores.collection.engine import Engine
from idembed.stores.generation_rules import needed_of, one_of, space_of
from idembed.stores.records import RESTORE, Generation, Status

__all__ = ["FLAT", "Known", "State", "forget", "lease_name", "read", "write", "write_numbers"]

_BEGIN: Final = "state/"
_GENERATION: Final = "state/generation/"
_LEASE: Final = "state/lease/"
_NUMBERS: Final = "state/numbers"
FLAT: Final = 1.001
"""The bound on the length of vectors of a generation to begin with: those of length 1 are within it."""


@dataclass(frozen=True, slots=True)
class Known:
    """One generation as it is recorded."""

    number: int
    space: str
    """canonical JSON"""
    model: str
    complete: bool = False
    looking: str = ""
    """names who is finding out whether it is complete; emptied by who writes a row without vectors for it"""
    activated: int = 0
    norm: float = FLAT
    """no vector is longer"""

    def shown(self, active: int | None) -> Generation:
        status: Status = "active" if self.number == active else "standby" if self.activated else "building"
        space = space_of(self.number, self.space)
        return Generation(self.number, space, self.model, status, self.complete, self.activated)


@dataclass(frozen=True, slots=True)
class State:
    """All of it at one moment."""

    place: str
    """the URL without any password"""
    known: dict[int, Known]
    active: int | None
    upcoming: int
    """the number of the next generation; none is used twice"""
    leases: dict[str, dict[str, Any]]
    making: int | None
    """the generation whose collection is being made, or was when its maker died"""

    @property
    def generations(self) -> list[Generation]:
        return [one.shown(self.active) for one in self.known.values()]

    def one(self, number: int) -> Generation:
        """Generation ``number``, or a StoreError that lists those there are."""
        return one_of(self.generations, number, self.place, url=self.place)

    @property
    def home(self) -> int | None:
        """The generation whose records say what rows there are: the active one, or the oldest before one is active."""
        return self.active if self.active is not None else min(self.known, default=None)

    @property
    def needed(self) -> dict[int, bool]:
        """Every generation by number, and whether a row needs vectors in it to be settled."""
        return needed_of(self.generations)

    @property
    def dims(self) -> dict[int, int]:
        return {generation.number: generation.space.dim for generation in self.generations}

    @property
    def last_activated(self) -> int:
        return max((one.activated for one in self.known.values()), default=0)


def lease_name(name: str) -> str:
    """The document of the lease called ``name``."""
    return f"{_LEASE}{name}"


def read(engine: Engine) -> State:
    """The pointer of the database says which generation is active, whatever is recorded of it: a process may have been
    killed after it moved the pointer."""
    found = engine.documents(_BEGIN)
    known = {}
    for name, body in found.items():
        if name.startswith(_GENERATION):
            known[int(body["number"])] = _known(engine, body)
    numbers = found.get(_NUMBERS, {})
    pointer = engine.pointer()
    active = pointer if pointer in known else numbers.get("active")
    active = active if active in known else None
    known = dict(sorted(known.items()))
    if active is not None:
        last = max(one.activated for one in known.values())
        mine = known[active]
        if mine.activated < last or not last:
            known[active] = Known(**{**asdict(mine), "activated": last + 1})
    leases = {name.removeprefix(_LEASE): body for name, body in found.items() if name.startswith(_LEASE)}
    upcoming = max(int(numbers.get("upcoming", 1)), *(number + 1 for number in known), 1)
    making = numbers.get("making")
    return State(engine.url, known, active, upcoming, leases, None if making in known else making)


def _known(engine: Engine, body: dict[str, Any]) -> Known:
    try:
        return Known(**body)
    except TypeError:
        raise DamagedError(
            f"{engine.url}: what is recorded of generation {body.get('number')} cannot be read", hint=RESTORE
        ) from None


def write(engine: Engine, generation: Known) -> None:
    """Record one generation. Within ``alone``."""
    engine.put_document(f"{_GENERATION}{generation.number}", asdict(generation))


def forget(engine: Engine, number: int) -> None:
    """Record that there is no such generation any more. Within ``alone``."""
    engine.remove_documents([f"{_GENERATION}{number}"])


def write_numbers(engine: Engine, upcoming: int, active: int | None, making: int | None = None) -> None:
    """Record which number comes next, which generation is active, and which is being made. Within ``alone``."""
    engine.put_document(_NUMBERS, {"upcoming": upcoming, "active": active, "making": making})
