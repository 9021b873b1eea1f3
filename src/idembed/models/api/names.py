"""How a model of an API is called: ``openai:text-embedding-3-large?dimensions=256``, ``http://localhost:8080/v1#model``."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from urllib.parse import parse_qsl, quote

from idembed.errors import ModelError, OptionError
from idembed.models.api.which import is_address
from idembed.shown import without_password

__all__ = ["ApiName"]

_MODEL = re.compile(r"[\w.:/@+-]+")
_OPTIONS = ("dimensions", "task", "revision", "price", "location", "region", "api_version", "project")
_SAFE = "/:@.-_~+"


@dataclass(frozen=True, slots=True)
class ApiName:
    """``provider`` (``compatible`` for an address), the ``model`` there, ``endpoint`` (only of ``compatible``), and
    what was asked for. ``revision``: which of the models that answered behind this name (None: the newest accepted);
    ``price`` in dollars for a million tokens, where the table does not know it."""

    provider: str
    model: str
    endpoint: str = ""
    dimensions: int | None = None
    task: str | None = None
    revision: int | None = None
    price: float | None = None
    extra: Mapping[str, str] = field(default_factory=dict)

    @classmethod
    def parse(cls, name: str, providers: Mapping[str, str]) -> ApiName:
        """``providers``: the known ones, and by which name each is known. Raises OptionError that says what is wrong
        with the name, ModelError for an unknown provider."""
        if is_address(name):
            address, _, rest = name.partition("#")
            endpoint, provider = address.rstrip("/"), "compatible"
            if "@" in address.split("/")[2]:
                raise OptionError(
                    f"{without_password(name)!r} has a user or password in it",
                    hint="keys come from the environment: see idembed models --help",
                )
            if not rest:
                raise OptionError(
                    f"{without_password(name)!r} names no model", hint="put it after the address: http://host/v1#model"
                )
        else:
            given, _, rest = name.partition(":")
            endpoint, provider = "", providers.get(given.lower(), "")
            if not provider:
                raise ModelError(
                    f"{name}: there is no provider {given!r}",
                    hint=f"known are {', '.join(sorted(set(providers.values()) - {'compatible'}))}; whatever speaks "
                    "OpenAI's language is http://host/v1#model; a folder begins with ./",
                    provider=given,
                )
        model, _, query = rest.partition("?")
        if not model.strip():
            raise OptionError(f"{without_password(name)!r} names no model", hint=f"{provider}:MODEL")
        if not _MODEL.fullmatch(model) or ".." in model.split("/"):
            raise OptionError(f"{without_password(name)!r}: {model!r} is no name of a model", hint=f"{provider}:MODEL")
        options = _options(name, query)
        return cls(
            provider,
            model,
            endpoint,
            _whole(name, "dimensions", options),
            options.pop("task", None),
            _whole(name, "revision", options),
            _dollars(name, options),
            options,
        )

    def __str__(self) -> str:
        """The name that parses to this again; the shortest one."""
        first = f"{self.endpoint}#{self.model}" if self.provider == "compatible" else f"{self.provider}:{self.model}"
        options = {
            "dimensions": self.dimensions,
            "task": self.task,
            "revision": self.revision,
            "price": None if self.price is None else f"{self.price:g}",
            **self.extra,
        }
        given = [f"{key}={quote(str(value), safe=_SAFE)}" for key, value in options.items() if value is not None]
        return first + ("?" + "&".join(given) if given else "")


def _options(name: str, query: str) -> dict[str, str]:
    options: dict[str, str] = {}
    try:
        pairs = parse_qsl(query, keep_blank_values=True, strict_parsing=bool(query))
    except ValueError:
        raise OptionError(f"{name!r}: what follows ? is not name=value&name=value") from None
    for key, value in pairs:
        if key not in _OPTIONS or key in options or not value:
            what = "given twice" if key in options else "without a value" if key in _OPTIONS else "not known"
            raise OptionError(f"{name!r}: the option {key!r} is {what}", hint=f"there are {', '.join(_OPTIONS)}")
        options[key] = value
    return options


def _whole(name: str, option: str, options: dict[str, str]) -> int | None:
    text = options.pop(option, None)
    if text is None:
        return None
    if not (text.isascii() and text.isdigit() and 1 <= int(text) <= 65_536):
        raise OptionError(f"{name!r}: {option}={text} is not a whole number of 1 or more")
    return int(text)


def _dollars(name: str, options: dict[str, str]) -> float | None:
    text = options.pop("price", None)
    if text is None:
        return None
    try:
        price = float(text)
    except ValueError:
        price = -1.0
    if not 0 <= price < 1e6:
        raise OptionError(f"{name!r}: price={text} is not a number of dollars for a million tokens")
    return price
