"""What was spent on APIs on this machine: ``spend.jsonl`` in the data folder, a line for each time that one was paid.

No text, no key and no index is in it. A line is appended by one write, so those of several processes do not mix; one
that a crash left torn is passed over, with a warning.
"""

from __future__ import annotations

import datetime as dt
import json
import logging
import math
import os
from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass, fields
from functools import lru_cache
from pathlib import Path
from typing import Any, Final, Literal, get_args

from idembed.errors import IdembedError, OptionError
from idembed.folders import data_folder
from idembed.models.api.adapter import Price
from idembed.shown import number_of

__all__ = ["By", "Purpose", "Spending", "Total", "cost", "ledger", "record", "spendings", "together", "totals"]

_LOG = logging.getLogger(__name__)
Purpose = Literal["document", "query", "probe", "batch"]
By = Literal["model", "day", "month"]
_DIGITS: Final = {"day": 10, "month": 7}
"""How much of ``2026-11-25T…`` names the group."""


@dataclass(frozen=True, slots=True)
class Spending:
    """One payment at ``time`` (in UTC): ``model`` of ``provider`` read ``texts`` with ``tokens`` in all, in so many
    ``requests``, for a ``purpose``. ``dollars``: by the price published on the date ``priced`` (ISO 8601), both None
    where it is not known. ``estimated``: the provider did not say how many tokens there were."""

    time: dt.datetime
    provider: str
    model: str
    purpose: Purpose
    requests: int
    texts: int
    tokens: int
    dollars: float | None
    priced: str | None = None
    estimated: bool = False


@dataclass(slots=True)
class Total:
    """Spendings of one model, day or month (``key``) added up: ``unpriced`` tokens are those whose price is not known,
    so that they are not in ``dollars``, and ``estimated`` ones those that the provider did not count. ``priced``: the
    dates of the oldest and the newest price, None without any."""

    key: str
    requests: int = 0
    texts: int = 0
    tokens: int = 0
    dollars: float = 0.0
    unpriced: int = 0
    estimated: int = 0
    priced: tuple[str, str] | None = None

    def as_dict(self) -> dict[str, Any]:
        """For JSON; dollars to the billionth."""
        return {**asdict(self), "dollars": round(self.dollars, 9)}


def ledger() -> Path:
    """The file; it is made when something is first paid for."""
    return data_folder() / "spend.jsonl"


def cost(tokens: int, price: Price | None, purpose: Purpose = "document") -> float | None:
    """Dollars for so many tokens; None where the price is not known."""
    if price is None:
        return None
    share = price.batch if purpose == "batch" and price.batch is not None else 1.0
    return tokens * price.dollars * share / 1e6


def record(
    provider: str,
    model: str,
    purpose: Purpose,
    *,
    requests: int,
    texts: int,
    tokens: int,
    price: Price | None,
    estimated: bool = False,
    now: dt.datetime | None = None,
) -> Spending:
    """Write down what was paid just now, and return it. Where it cannot be written a warning is logged, once, and
    nothing is raised: the money is spent, and what it was spent on must not be lost."""
    spent = Spending(
        (now or dt.datetime.now(dt.UTC)).astimezone(dt.UTC).replace(microsecond=0),
        provider,
        model,
        purpose,
        requests,
        texts,
        tokens,
        cost(tokens, price, purpose),
        (price.date or None) if price else None,
        estimated,
    )
    try:
        path = ledger()
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        _append(path, _line(spent))
    except (OSError, RuntimeError) as error:  # RuntimeError: there is no home folder
        _warn_of_loss(str(error))
    return spent


def spendings(since: dt.datetime | None = None) -> Iterator[Spending]:
    """What was recorded, at ``since`` or later, in the order in which it was written; nothing where there is no file.
    Damaged lines are left out, and counted in a warning. Raises IdembedError for a file that cannot be read."""
    path, damaged = ledger(), 0
    try:
        with path.open("rb") as lines:
            for line in lines:
                if not line.strip():
                    continue
                found = _parsed(line)
                damaged += found is None
                if found and (since is None or found.time >= since):
                    yield found
    except FileNotFoundError:
        return
    except OSError as error:
        hint = "it says what was spent on APIs; IDEMBED_DATA names the folder that it is in"
        raise IdembedError(f"{path} cannot be read: {error.strerror}", hint=hint) from error
    if damaged:
        _LOG.warning("%s: %s left out", path, number_of(damaged, "damaged line"))


def totals(found: Iterable[Spending], by: By = "model") -> list[Total]:
    """Spendings added up by model (``openai:text-embedding-3-small``), day or month (of UTC), in order of that."""
    if by not in get_args(By):
        raise OptionError(f"by={by!r}: it is {', '.join(get_args(By)[:-1])} or {get_args(By)[-1]}")
    groups: dict[str, Total] = {}
    for one in found:
        key = f"{one.provider}:{one.model}" if by == "model" else one.time.isoformat()[: _DIGITS[by]]
        into = groups.setdefault(key, Total(key))
        into.requests += one.requests
        into.texts += one.texts
        into.tokens += one.tokens
        into.dollars += one.dollars or 0.0
        into.unpriced += one.tokens if one.dollars is None else 0
        into.estimated += one.tokens if one.estimated else 0
        into.priced = _span(into.priced, (one.priced, one.priced) if one.priced else None)
    return [groups[key] for key in sorted(groups)]


def together(found: Iterable[Total], key: str = "total") -> Total:
    """All of them as one."""
    result = Total(key)
    for one in found:
        for name in ("requests", "texts", "tokens", "dollars", "unpriced", "estimated"):
            setattr(result, name, getattr(result, name) + getattr(one, name))
        result.priced = _span(result.priced, one.priced)
    return result


def _span(one: tuple[str, str] | None, other: tuple[str, str] | None) -> tuple[str, str] | None:
    if one is None or other is None:
        return one or other
    return min(one[0], other[0]), max(one[1], other[1])


def _line(spent: Spending) -> bytes:
    time = spent.time.strftime("%Y-%m-%dT%H:%M:%SZ")
    return json.dumps({**asdict(spent), "time": time}, ensure_ascii=False).encode("utf-8", "backslashreplace") + b"\n"


def _append(path: Path, line: bytes) -> None:
    """One write. A line that was torn before is ended first, so that it does not spoil this one too."""
    how = os.O_RDWR | os.O_APPEND | os.O_CREAT | getattr(os, "O_BINARY", 0)
    file = os.open(path, how, 0o600)
    try:
        if size := os.fstat(file).st_size:
            os.lseek(file, size - 1, os.SEEK_SET)  # for reading: what is written goes to the end all the same
            if os.read(file, 1) != b"\n":
                line = b"\n" + line
        if os.write(file, line) < len(line):
            raise OSError(f"{path} took only a part of a line")
    finally:
        os.close(file)


def _parsed(line: bytes) -> Spending | None:
    """None for what is not a whole record. What a later version adds to one is passed over."""
    try:
        value = json.loads(line)
        known = {field.name: value[field.name] for field in fields(Spending)}
        time = dt.datetime.fromisoformat(known.pop("time"))
        is_whole = (
            time.tzinfo is not None
            and all(isinstance(known[name], str) for name in ("provider", "model", "purpose"))
            and all(type(known[name]) is int for name in ("requests", "texts", "tokens"))
            and (known["dollars"] is None or math.isfinite(known["dollars"]))
            and isinstance(known["priced"], str | None)
        )
        return Spending(time.astimezone(dt.UTC), **known) if is_whole else None
    except (ValueError, TypeError, KeyError, OverflowError):
        return None


@lru_cache(1)
def _warn_of_loss(reason: str) -> None:
    """Said once of each reason in a row: there may be a thousand requests to come."""
    _LOG.warning("what was spent cannot be written down, and idembed spend will not know of it: %s", reason)
