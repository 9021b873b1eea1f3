"""``idembed models``: the models known by name; ``models accept``: another one answers behind a name."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from idembed.cli import options
from idembed.cli.confirm import confirm
from idembed.cli.output import Output
from idembed.cli.progress import Bars
from idembed.errors import OptionError, RefusedError
from idembed.shown import shell_word

if TYPE_CHECKING:
    from idembed.models.api.evidence import Evidence
    from idembed.models.api.model import ApiModel
    from idembed.models.api.offered import Offered

__all__ = ["models"]

models = typer.Typer(invoke_without_command=True)


@models.callback()
def _list(context: typer.Context, as_json: options.Json = False, quiet: options.Quiet = False) -> None:
    """List the models known by name: those for this machine, then those of APIs.

    Any other checkpoint is given by its repository (owner/name) or its folder, any other model of an API as
    provider:model, or http://host/v1#model where the server speaks OpenAI's language. In a pipe: name, dimensions,
    longest text in tokens, and whether its files are here; of an API that is the word api, and dollars for a million
    tokens, the date of that price and the day on which the model ends follow; separated by tabs.
    """
    if context.invoked_subcommand is not None:
        return
    with Output(as_json=as_json, quiet=quiet) as out:
        from idembed.models.api.offered import offered
        from idembed.models.hub import known_models

        known, apis = known_models(), list(offered())
        out.result({"models": known, "apis": [api.as_dict() for api in apis]})
        if not as_json:
            _show(out, known, apis)


def _show(out: Output, known: list[dict[str, Any]], apis: list[Offered]) -> None:
    if not out.styled:
        for model in known:
            out.line(*(str(model[field]) for field in ("name", "dim", "max_length", "here")))
        for api in apis:
            dollars = "" if api.dollars is None else f"{api.dollars:g}"
            out.line(
                api.name, str(api.dim), str(api.max_length or ""), "api", dollars, api.priced or "", api.ends or ""
            )
        return
    width = max(len(name) for name in (*(model["name"] for model in known), *(api.name for api in apis)))
    for model in known:
        line = f"{model['name']:<{width}}  {model['dim']:>5} dimensions  {model['max_length']:>7,} tokens"
        prompts = ", ".join(f'"{prompt.strip()}" before a {side}' for side, prompt in model["prompts"].items())
        print("  ".join([line, *(["here"] if model["here"] else []), *([prompts] if prompts else [])]))
    for api in apis:
        ends = f", ends {'not before ' if api.or_later else 'on '}{api.ends}" if api.ends else ""
        tokens = f"{api.max_length:>7,} tokens" if api.max_length else f"{'':>14}"
        print(f"{api.name:<{width}}  {api.dim:>5} dimensions  {tokens}  {_price(api)}{ends}")


def _price(api: Offered) -> str:
    if api.dollars is None:
        return "price not known"
    dollars = f"{api.dollars:.2f}" if round(api.dollars, 2) == api.dollars else f"{api.dollars:g}"
    return f"${dollars} a million tokens ({api.priced})"


@models.command()
def accept(
    model: Annotated[str, typer.Argument(metavar="MODEL", help="A model of an API: openai:text-embedding-3-small.")],
    yes: options.Yes = False,
    as_json: options.Json = False,
    quiet: options.Quiet = False,
) -> None:
    """Take what answers behind a name now for a model of its own.

    Its vectors cannot be compared with those that were made before, so that it gets a space of its own: the next
    revision of the name. Indexes stay as they are until they are upgraded to it.
    """
    with Output(as_json=as_json, quiet=quiet) as out:
        asked = _of_an_api(model)
        with Bars(quiet=quiet) as bars:
            bars.update("measuring")
            now = asked.measure()
        old, before, cosine = _before(asked, now)
        if before is not None and cosine is not None and cosine >= before.refuse_below:
            raise RefusedError(
                f"{asked.newest_name}: it says what it said on {before.measured} (cosine {cosine:.6f})",
                hint="there is no need for this: nothing was changed",
            )
        confirm(_question(asked, now, old, before, cosine), yes=yes)
        asked.accept(now)
        out.result(
            {
                "model": asked.name,
                "old_revision": old if before else None,
                "revision": asked.revision,
                "space": asked.space.id,
                "measured": now.measured,
                "noise": now.noise,
                "old_measured": before.measured if before else None,
                "old_noise": before.noise if before else None,
                "cosine": cosine,
            }
        )
        if out.talks:
            _say(out, asked, now, old, before, cosine)


def _of_an_api(name: str) -> ApiModel:
    from idembed import models as all_models
    from idembed.models.api.model import ApiModel
    from idembed.models.api.which import is_api_name

    found = all_models.load(name) if is_api_name(name) else None
    if not isinstance(found, ApiModel):
        raise OptionError(
            f"{name} is a model for this machine, which is known by its bytes: there is nothing to accept",
            hint=f"idembed prove {shell_word(name)} shows that it repeats itself; models of APIs are openai:MODEL and "
            "the like",
        )
    found.check_key()
    return found


def _before(asked: ApiModel, now: Evidence) -> tuple[int, Evidence | None, float | None]:
    """The newest revision until now, what is kept of it, and the lowest cosine between that and what is said now (None:
    nothing is kept, or the vectors have another width)."""
    from idembed.models.api.evidence import cosines

    asked.revision = asked.newest
    kept = asked.kept
    if kept is None or kept.dim != now.dim:
        return asked.revision, kept, None
    return asked.revision, kept, float(cosines(now.vectors, kept.vectors).min())


def _question(asked: ApiModel, now: Evidence, old: int, before: Evidence | None, cosine: float | None) -> str:
    if before is None:
        return f"Nothing is known of {asked.name} here. Take what answers now for its revision {old}?"
    what = (
        f"Accept what answers behind {asked.newest_name} now as revision {old + 1}, another space than revision {old}?"
    )
    if cosine is not None and cosine >= before.warn_below:
        same = f"it says what it said on {before.measured} (cosine {cosine:.6f}): there is no need for this"
        return f"{asked.newest_name}: {same}. {what}"
    return f"{what} Indexes of revision {old} are not searched with it until they are upgraded."


def _say(out: Output, asked: ApiModel, now: Evidence, old: int, before: Evidence | None, cosine: float | None) -> None:
    if before is None:
        out.line(f"{asked.name}: what answers now is revision {asked.revision}; nothing was known of it here")
    else:
        out.line(f"{asked.newest_name}: revision {asked.revision}, another space than revision {old}")
    if before and cosine is not None:
        out.line(
            f"lowest cosine with what was said on {before.measured}: {cosine:.6f} "
            f"(between repeats it was {before.noise:.6f})"
        )
    elif before:
        out.line(f"its vectors have {now.dim} numbers, and had {before.dim}")
    out.line(f"lowest cosine between repeats now: {now.noise:.6f}")
    if before:
        out.line(f"next: idembed upgrade INDEX --to {shell_word(asked.newest_name)}")
