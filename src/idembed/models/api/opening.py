"""From a name to a model of an API: adapter, endpoint, key, pacer."""

from __future__ import annotations

import datetime as dt
import os
import re
from dataclasses import replace
from urllib.parse import urlsplit

from idembed.errors import ApiError, OptionError, RetiredModelError
from idembed.models.api.adapter import Adapter, Price, Settings
from idembed.models.api.batches.registry import BATCHES
from idembed.models.api.http import check_endpoint, is_loopback
from idembed.models.api.keys import credential_for
from idembed.models.api.model import ApiModel
from idembed.models.api.names import ApiName
from idembed.models.api.registry import ADAPTERS, ALIASES
from idembed.models.api.retired import notice, retirement
from idembed.models.api.spend import Purpose, record
from idembed.models.api.tokens import TokenGuess, tiktoken_counter
from idembed.models.api.transport import Spent, Transport
from idembed.shown import without_password

__all__ = ["named", "open_api"]

_PART = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]*")


def named(name: str) -> ApiName:
    """The parts of a name. Raises OptionError, ModelError for an unknown provider."""
    return ApiName.parse(name, {provider: provider for provider in ADAPTERS} | dict(ALIASES))


def open_api(name: str, *, dimensions: int | None = None, revision: int | None = None) -> ApiModel:
    """The model called ``name``. Opens no connection, and looks for no key. Raises OptionError for dimensions or a
    task that the model does not have, ApiError where something else that the provider needs is not set."""
    parts = named(name)
    if dimensions is not None:
        if parts.dimensions not in (None, dimensions):
            raise OptionError(f"{name} names other dimensions than dimensions={dimensions}")
        parts = replace(parts, dimensions=dimensions)
    if revision is not None:
        parts = replace(parts, revision=revision)
    adapter = ADAPTERS[parts.provider]
    offer = adapter.offer(parts.model)
    if offer and parts.dimensions == offer.dim:
        parts = replace(parts, dimensions=None)  # as many as it gives unasked
    settings = _settings(adapter, parts)
    _check(adapter, settings, name)
    ending = retirement(adapter.provider, settings.model, settings.endpoint)
    today = dt.datetime.now(dt.UTC).date()
    said = notice(ending, name, today) if ending else None
    if ending and said and ending.state(today) == "gone":
        raise RetiredModelError(
            said.message, hint=said.hint, model=name, date=str(ending.date), successor=ending.successor
        )
    price = parts.price
    if price is None:
        local = is_loopback(urlsplit(settings.endpoint).hostname or "")
        price = offer.price.dollars if offer and offer.price else 0.0 if local and not adapter.needs_key else None
    counter = tiktoken_counter() if adapter.provider in ("openai", "azure") and offer else None
    transport = Transport(
        adapter,
        settings,
        lambda: credential_for(adapter, settings),
        price=price,
        guess=TokenGuess(counter),
    )
    model = ApiModel(adapter, parts, transport)
    known = offer.price if offer else None
    share = BATCHES[adapter.provider].share if adapter.provider in BATCHES else None
    source = known if parts.price is None and known else None if price is None else Price(price, "", "", share)
    what = f"{settings.endpoint}#{settings.model}" if adapter.provider == "compatible" else settings.model

    if ending and said and ending.state(today) == "due":
        transport.ending = f"{said.message}; {said.hint}"

    def on_spent(spent: Spent, purpose: Purpose) -> None:
        record(
            adapter.provider,
            what,
            purpose,
            requests=spent.requests,
            texts=spent.texts,
            tokens=spent.tokens,
            price=source,
            estimated=spent.guessed,
        )

    transport.on_spent = on_spent
    return model


def _settings(adapter: Adapter, parts: ApiName) -> Settings:
    extra = {}
    wanted = {**adapter.extra_variables, **adapter.more_extra_variables}
    for key in parts.extra:
        if key not in wanted:
            raise OptionError(f"{adapter.title} has no option {key!r}", hint=f"leave {key}=… out of {parts}")
    for key, variables in wanted.items():
        value = parts.extra.get(key) or next((found for name in variables if (found := os.environ.get(name))), "")
        if not value and key in adapter.extra_variables:
            raise ApiError(
                f"{adapter.title} needs to know the {key}: {' or '.join(variables)} is not set",
                hint=f"export {variables[0]}=…, or name it: {parts.provider}:{parts.model}?{key}=…",
                provider=adapter.provider,
                variable=variables[0],
            )
        if value and not _PART.fullmatch(value):
            raise OptionError(f"{adapter.title}: {value!r} is no {key}", hint="letters, digits, - . and _")
        if value:
            extra[key] = value
    return Settings(parts.model, _endpoint(adapter, parts, extra), parts.dimensions, parts.task, extra)


def _endpoint(adapter: Adapter, parts: ApiName, extra: dict[str, str]) -> str:
    stated = next((found for name in adapter.endpoint_variables if (found := os.environ.get(name, "").strip())), "")
    endpoint = parts.endpoint or stated or adapter.usual_endpoint(extra)
    if not endpoint:
        raise ApiError(
            f"{adapter.title} needs its address: {' or '.join(adapter.endpoint_variables)} is not set",
            hint=f"export {adapter.endpoint_variables[0]}=https://…",
            provider=adapter.provider,
        )
    if adapter.provider == "ollama":
        endpoint = _ollama(endpoint)
    endpoint = endpoint.rstrip("/")
    check_endpoint(endpoint, adapter.title)
    address = urlsplit(endpoint)
    if "@" in address.netloc or address.query or address.fragment:
        # It is recorded with every index, and shown.
        raise OptionError(
            f"{adapter.title}: the address {without_password(endpoint)} has a user, a password or options in it",
            hint="leave them out: it is recorded in every index; a key has a variable of its own",
        )
    return endpoint


def _ollama(host: str) -> str:
    """What OLLAMA_HOST may be: a host, a port, both, or an address. A server that listens everywhere is here."""
    if "://" not in host:
        host = f"http://{'127.0.0.1' if host.startswith(':') else ''}{host}"
    parts = urlsplit(host)
    if parts.scheme == "http" and parts.port is None:
        host = f"{host.rstrip('/')}:11434"
    return host.replace("://0.0.0.0", "://127.0.0.1")


def _check(adapter: Adapter, settings: Settings, name: str) -> None:
    offer = adapter.offer(settings.model)
    if settings.dimensions is not None and offer and not offer.allows(settings.dimensions):
        some = " to ".join(map(str, offer.dims)) if offer.dims_are_range else ", ".join(map(str, offer.dims))
        raise OptionError(
            f"{name}: {settings.model} has no vectors of {settings.dimensions} numbers",
            hint=f"it has {some or offer.dim}",
        )
    allowed = (*adapter.tasks.values(), *adapter.more_tasks)
    if settings.task is not None and settings.task not in allowed:
        raise OptionError(
            f"{name}: {adapter.title} has no task {settings.task!r}",
            hint=f"it has {', '.join(allowed)}" if allowed else "it has no tasks: leave it out",
        )
