"""``idembed spend``: what was paid for embedding on this machine."""

from __future__ import annotations

import datetime as dt
from typing import TYPE_CHECKING, Annotated

import typer

from idembed.cli import options
from idembed.cli.output import Output, number_of
from idembed.errors import OptionError
from idembed.shown import dollars_of

if TYPE_CHECKING:
    from idembed.models.api.spend import By, Total

__all__ = ["spend"]


def spend(
    since: Annotated[
        str | None, typer.Option(metavar="AGE|DATE", help="Only what was spent since then: 30d, 12h, 2026-11-01.")
    ] = None,
    by: Annotated[str, typer.Option(metavar="model|day|month", help="What to add up by; days begin in UTC.")] = "model",
    as_json: options.Json = False,
    quiet: options.Quiet = False,
) -> None:
    """Show what was spent on embedding APIs from this machine, by the prices that were published.

    In a pipe: the model, day or month, dollars, tokens, texts, requests, tokens whose price is not known, and tokens
    that the provider did not count, separated by tabs.
    """
    group, start = _by(by), _since(since)
    with Output(as_json=as_json, quiet=quiet) as out:
        from idembed.models.api.spend import ledger, spendings, together, totals

        found = totals(spendings(start), group)
        everything = together(found)
        out.result(
            {
                "ledger": str(ledger()),
                "since": start.isoformat() if start else None,
                "by": group,
                "total": everything.as_dict(),
                "spent": [one.as_dict() for one in found],
            }
        )
        if not as_json:
            _show(out, found, everything, start)


def _show(out: Output, found: list[Total], everything: Total, start: dt.datetime | None) -> None:
    if not out.styled:
        for one in found:
            counts = (one.tokens, one.texts, one.requests, one.unpriced, one.estimated)
            out.line(one.key, f"{one.dollars:.6f}", *map(str, counts))
        return
    when = f" since {start:%Y-%m-%d %H:%M} UTC" if start else ""
    if not found:
        out.line(f"nothing was spent{when}")
        return
    out.line(f"{_described(everything)}{when}{_prices(everything)}")
    for one in found:
        out.line(f"{one.key}: {_described(one)}")
    if everything.unpriced:
        out.line(f"the price of {number_of(everything.unpriced, 'token')} is not known: they are not in the dollars")
    if everything.estimated:
        out.line(f"{number_of(everything.estimated, 'token')} were estimated: the provider did not count them")


def _described(one: Total) -> str:
    dollars = "a price not known" if one.unpriced and one.unpriced == one.tokens else dollars_of(one.dollars)
    counts = f"({number_of(one.texts, 'text')}, {number_of(one.requests, 'request')})"
    return f"{dollars} for {number_of(one.tokens, 'token')} {counts}"


def _prices(one: Total) -> str:
    if one.priced is None:
        return ""
    first, last = one.priced
    return f", at prices of {first}" if first == last else f", at prices of {first} to {last}"


def _by(value: str) -> By:
    if value == "model":
        return "model"
    if value == "day":
        return "day"
    if value == "month":
        return "month"
    raise OptionError(f"--by {value!r}: it takes model, day or month", option="--by")


def _since(value: str | None) -> dt.datetime | None:
    if value is None:
        return None
    try:
        return dt.datetime.combine(dt.date.fromisoformat(value), dt.time(), dt.UTC)
    except ValueError:
        pass
    try:
        return dt.datetime.now(dt.UTC).replace(microsecond=0) - dt.timedelta(seconds=options.age(value, "--since"))
    except (OptionError, OverflowError):
        message = f"--since {value!r}: it is an age such as 30d or 12h, or a date such as 2026-11-01"
        raise OptionError(message, option="--since") from None
