"""One request's way through the fake: key, fault, limits, vectors, reply."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from fakes import faults
from fakes.limits import Taken
from fakes.provider import Provider
from fakes.wire import Ask, Call, Refusal, Reply

if TYPE_CHECKING:
    from fakes.api import FakeApi

__all__ = ["Request", "arrived", "exchange"]

ERRORS = (500, 502, 503)


@dataclass(slots=True)
class Request:
    """What the fake remembers of a request. It is in the log from its arrival on, and filled in as it is dealt with."""

    time: float  # monotonic seconds, at arrival
    provider: str
    path: str  # after the provider's name, without the query
    headers: Mapping[str, str]  # lower-case names; values that hold a key are hidden
    model: str = ""
    texts: tuple[str, ...] = ()
    tokens: int = 0  # as the provider counts them: after cutting
    status: int = 0  # 0: no reply was sent
    fault: str = ""
    told: float | None = None  # seconds the client was told to wait
    finished: float | None = field(default=None)  # monotonic seconds, when the reply was sent or the connection closed


def exchange(fake: FakeApi, provider: Provider, call: Call, seen: Request) -> Reply | None:
    """The reply, or None where there will be none. What is left to the server is in `seen.fault`: cut and slow."""
    taken: list[Taken] = []
    try:
        reply = answered(fake, provider, call, seen, taken)
    except Refusal as refusal:
        seen.told = refusal.facts.get("wait") if provider.tells_wait else None
        reply = provider.refuse(refusal, call)
    if reply is None:
        return None
    told = provider.limit_headers(taken[0]) if taken else {}
    seen.status = reply.status
    return Reply(reply.status, reply.body, {**told, **reply.headers}, reply.content_type)


def answered(fake: FakeApi, provider: Provider, call: Call, seen: Request, taken: list[Taken]) -> Reply | None:
    if not provider.authorised(call, fake.key):
        raise Refusal("auth")
    if len(call.body) > provider.most_bytes(call):
        raise Refusal("too_large")
    fault = fake.faulty.draw(provider.name)
    if fault in faults.BEFORE:
        seen.fault = fault
        if fault == "stall":
            fake.closing.wait(fake.stall_seconds)
            return None
        if fault == "server_error":
            raise Refusal("server", status=ERRORS[fake.faulty.pick(len(ERRORS))])
        raise Refusal("rate_limit", wait=fake.retry_after if fault == "rate_limit" else None)
    if fault == "not_json":
        seen.fault = fault
        return Reply(200, b"<html><body>One moment, please.</body></html>", content_type="text/html")
    other = provider.other(call, fake)
    if other is None:
        if fake.out_of_quota and provider.has_quota:
            raise Refusal("quota")
        seen.texts = named_texts(call)
        ask = provider.read(call, fake)
        seen.model, seen.texts, seen.tokens = ask.model, ask.texts, sum(ask.tokens)
        spend(fake, provider, ask, taken)
        if not fake.refused.isdisjoint(ask.texts):
            raise Refusal("bad_row")
        fake.closing.wait(fake.latency)
        other = vectors_reply(fake, provider, ask, seen, fault)
    if fault in faults.ON_THE_WIRE:
        seen.fault = fault
    return other


def spend(fake: FakeApi, provider: Provider, ask: Ask, taken: list[Taken]) -> None:
    """Take the request out of the provider's buckets, or refuse it."""
    limits = fake.limits.get(provider.name)
    if limits is None:
        return
    took = limits.take({"requests": 1, "tokens": sum(ask.tokens), "inputs": len(ask.texts)})
    taken.append(took)
    if took.short is not None:
        raise Refusal(
            "rate_limit",
            model=ask.model,
            wait=None if took.too_large else took.wait,
            short=took.short,
            limit=took.limit[took.short],
            asked=took.asked[took.short],
            too_large=took.too_large,
        )


def vectors_reply(fake: FakeApi, provider: Provider, ask: Ask, seen: Request, fault: str) -> Reply:
    rows = faults.Rows(fake.vectors_of(provider, ask), range(len(ask.used)))
    if fault and fault not in faults.ON_THE_WIRE:
        spoiled = faults.spoil(fault, rows, fake.faulty, provider.indexed)
        if spoiled is not None:
            seen.fault, rows = fault, spoiled
    return Reply(200, provider.write(ask, rows.vectors, rows.order, rows.nulls))


def named_texts(call: Call) -> tuple[str, ...]:
    """The texts of a request that may yet be found wrong, where they are told as most providers tell them."""
    body = call.json()
    named = next((body[name] for name in ("input", "texts", "inputText") if name in body), ())
    listed = [named] if isinstance(named, str) else named if isinstance(named, list) else []
    return tuple(text for text in listed if isinstance(text, str))


def arrived(provider: str, path: str, headers: Mapping[str, str]) -> Request:
    hidden = {"authorization", "api-key", "x-goog-api-key", "x-amz-security-token"}
    shown = {name: "(hidden)" if name in hidden else value for name, value in headers.items()}
    return Request(time.monotonic(), provider, path, shown)
