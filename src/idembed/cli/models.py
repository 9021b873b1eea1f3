"""``idembed models``: the models known by name."""

from __future__ import annotations

from idembed.cli import options
from idembed.cli.output import Output

__all__ = ["models"]


def models(as_json: options.Json = False, quiet: options.Quiet = False) -> None:
    """List the models known by name.

    Any other checkpoint is given by its repository (owner/name) or its folder. In a pipe: name, dimensions,
    longest text in tokens, and whether its files are here, separated by tabs.
    """
    with Output(as_json=as_json, quiet=quiet) as out:
        from idembed.models.hub import known_models

        known = known_models()
        out.result({"models": known})
        if as_json:
            return
        width = max(len(model["name"]) for model in known)
        for model in known:
            if out.styled:
                here = "here" if model["here"] else ""
                print(
                    f"{model['name']:<{width}}  {model['dim']:>5} dimensions  {model['max_length']:>5} tokens  {here}"
                )
            else:
                out.line(*(str(model[field]) for field in ("name", "dim", "max_length", "here")))
