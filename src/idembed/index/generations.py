"""Which generation is searched: switched, rolled back, dropped, each in one step.

``building`` → ``active`` (switch) → ``standby`` → ``active`` again (roll back) or gone (drop). Every sync keeps all of
them right, so that each may be searched the moment it is made active.
"""

from __future__ import annotations

from typing import cast

from idembed.errors import IncompleteError, OptionError, RefusedError
from idembed.index.build import fill
from idembed.index.catalog import Catalog
from idembed.index.judged_rows import RowChange, change_since
from idembed.index.owner import hold
from idembed.index.report import Tell, ignore, rows_lack
from idembed.index.verdicts import Judged, forget_dropped, recorded, rows_judged
from idembed.judge import MARGIN
from idembed.shown import shell_word
from idembed.stores.base import Generation, lease_of

__all__ = ["drop", "rollback", "switch"]


def switch(catalog: Catalog, number: int | None = None, *, force: bool = False) -> list[str]:
    """Make a generation active in one step: the one that is being built, or ``number``. What should be known about it
    is returned: that nothing was judged, say.

    Raises RefusedError when it was judged NO-GO or rows have no vectors in it, unless ``force``.
    """
    store, _ = catalog.readable()
    target = _target(catalog, number)
    _refuse_no_go(catalog, target, force)  # without waiting for whoever writes
    with hold(store, catalog.wait) as writing:  # another process may have judged, switched or dropped since
        _, active = catalog.readable()
        target = _target(catalog, target.number)
        judged = _refuse_no_go(catalog, target, force)
        changed = change_since(store, rows_judged(store.read_meta()[1], target)) if judged else None
        try:
            store.activate(writing.lease(), target.number, incomplete=force)
        except IncompleteError as error:
            raise _unfinished(catalog, target, error) from None
    warnings = [] if target.space.id == active.space.id else _warnings(judged, changed)
    lacking = sum(1 for _ in store.lacking(target.number)) if force else 0
    if lacking:
        warnings.append(f"{rows_lack(lacking)} yet and cannot be found until the next sync")
    others = [g for g in store.generations() if g.status == "standby" and g.number != active.number]
    warnings += [
        f"generation {g.number} ({g.model}) is on standby too, and kept right by every sync: "
        f"idembed drop {catalog.typed} {g.number}"
        for g in others
    ]
    return warnings


def rollback(catalog: Catalog, *, catch_up: bool = False, tell: Tell = ignore) -> Generation:
    """Make the generation active again that was active last; what is active now becomes standby.

    Raises RefusedError, with the number of rows, when it has fallen behind; ``catch_up`` completes it first.
    """
    store, _ = catalog.readable()
    standby = [g for g in store.generations() if g.status == "standby"]
    if not standby:
        raise OptionError(f"{catalog.name} has no generation on standby", hint="there is nothing to go back to")
    target = max(standby, key=lambda g: g.activated)
    if catch_up and not target.complete:
        fill(catalog, target, on_empty="skip", tell=tell)
    try:
        with hold(store, catalog.wait) as writing:
            catalog.generation(target.number)  # another process may have dropped it meanwhile
            store.activate(writing.lease(), target.number)
    except IncompleteError as error:
        raise RefusedError(
            f"generation {target.number} ({target.model}) has fallen behind: {_lacking(error)}",
            hint=f"nothing was changed. Complete it and roll back: idembed rollback {catalog.typed} --catch-up",
            generation=target.number,
            lacking=error.facts["lacking"],
        ) from None
    return target


def drop(catalog: Catalog, number: int) -> Generation:
    """Remove a generation's vectors for good, and what was judged of it. Raises RefusedError for the active one,
    LeaseHeldError while another process fills it."""
    store, _ = catalog.readable()
    _droppable(catalog, number)
    with hold(store, catalog.wait, lease_of(number)), hold(store, catalog.wait) as writing:
        target = _droppable(catalog, number)  # another process may have switched to it meanwhile
        store.drop_generation(writing.lease(), number)
        forget_dropped(store)
    return target


def _droppable(catalog: Catalog, number: int) -> Generation:
    _, active = catalog.readable()
    target = catalog.generation(number)
    if target.number == active.number:
        raise RefusedError(
            f"generation {number} ({target.model}) is the one that is searched",
            hint=f"make another one active first: idembed switch {catalog.typed}, idembed rollback {catalog.typed}",
        )
    return target


def _target(catalog: Catalog, number: int | None) -> Generation:
    if number is None:
        return catalog.generation(None, "building")
    return catalog.generation(number, "building", "standby")


def _refuse_no_go(catalog: Catalog, target: Generation, force: bool) -> Judged | None:
    """What was judged of it. Raises RefusedError where that is NO-GO, unless ``force``."""
    store, active = catalog.readable()
    judged = recorded(store.read_meta()[1], target, active)
    if judged and judged.verdict == "NO-GO" and not force:
        raise RefusedError(
            f"generation {target.number} ({target.model}) was judged NO-GO: {judged.reason}",
            hint="nothing was changed. Judge it on other questions, drop it, or switch all the same: --force",
            generation=target.number,
        )
    return judged


def _warnings(judged: Judged | None, changed: RowChange | None) -> list[str]:
    if judged is None:
        return ["nothing was judged: idembed judge compares the two on questions before a switch"]
    found = []
    if judged.verdict == "INCONCLUSIVE":
        found.append(f"the last judgement was INCONCLUSIVE: {judged.reason}")
    elif judged.weaker:
        found.append("it was judged on questions made from the rows themselves, which is weaker evidence")
    if judged.of_a_part:
        found.append(
            f"it was judged on {judged.of_a_part}, where less is in the way of what is right: weaker evidence than a "
            "judgement of all"
        )
    why = [f"with a wider margin than the usual {MARGIN:g}"] if judged.is_lenient else []
    why += ["although it finds less than the one before"] if judged.is_worse else []
    if why:
        found.append(f"it was judged GO {', '.join(why)}: {judged.measured}")
    if changed and changed.is_much:
        found.append(f"the index is not what was judged: {changed}; judge it again: idembed judge")
    return found


def _unfinished(catalog: Catalog, target: Generation, error: IncompleteError) -> RefusedError:
    _, active = catalog.readable()
    again = f"idembed upgrade {catalog.typed} --to {shell_word(target.model)}"
    if target.space.id == active.space.id:
        again = f"idembed rebuild {catalog.typed}"
    return RefusedError(
        f"generation {target.number} ({target.model}) is not finished: {_lacking(error)}",
        hint=f"nothing was changed. Finish it: {again}; or switch all the same: --force",
        generation=target.number,
        lacking=error.facts["lacking"],
    )


def _lacking(error: IncompleteError) -> str:
    return f"{rows_lack(cast(int, error.facts['lacking']))} in it"
