"""What providers' errors have in common: the sentence in them, and the kind that an HTTP status suggests."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from typing import Any

from idembed.models.api.adapter import Fault

__all__ = ["by_status", "message_in", "seconds_in"]

_MOST = 300
_WAITING = (408, 409, 425, 429, 500, 502, 503, 504, 520, 522, 524, 529)
_DURATION = re.compile(
    r"(?:(\d+(?:\.\d+)?)d)?(?:(\d+(?:\.\d+)?)h)?(?:(\d+(?:\.\d+)?)m(?!s))?(?:(\d+(?:\.\d+)?)s)?(?:(\d+(?:\.\d+)?)ms)?"
)


def message_in(body: Any) -> str:
    """The sentence in an error's body, at most 300 characters of it; "" where there is none."""
    found = _sentence(body)
    return " ".join(found.split())[:_MOST]


def _sentence(body: Any) -> str:
    if isinstance(body, str):
        return body
    if isinstance(body, list) and body:
        return _sentence(body[0])
    if isinstance(body, Mapping):
        for name in ("message", "error", "detail", "msg", "error_message", "title"):
            if name in body and (found := _sentence(body[name])):
                return found
    return ""


def by_status(status: int, body: Any) -> Fault:
    """What the status alone says; an adapter asks this last."""
    said = message_in(body)
    reason = f"status {status}" + (f": {said}" if said else "")
    if status == 401:
        # Some providers repeat a part of the key here.
        return Fault("fatal", "status 401", "the key is not accepted")
    if status == 402:
        return Fault("fatal", reason, "the account has no credit left")
    if status == 403:
        return Fault("fatal", reason, "the key may not use this model, or not from here")
    if status in (404, 405, 410):
        return Fault("fatal", reason, "look at the model's name and the endpoint; idembed models lists what is known")
    if status == 413:
        return Fault("split", reason)
    if status in _WAITING or status >= 500:
        return Fault("wait", reason)
    if status in (400, 422):
        return Fault("row", reason)
    return Fault("fatal", reason)


def seconds_in(duration: str) -> float | None:
    """``1m30.5s``, ``250ms``, ``34s`` or ``6`` in seconds; None for anything else."""
    text = duration.strip()
    try:
        number = float(text)
        return number if math.isfinite(number) else None
    except ValueError:
        pass
    match = _DURATION.fullmatch(text)
    if not text or match is None:
        return None
    parts = [float(part) if part else 0.0 for part in match.groups()]
    return sum(part * scale for part, scale in zip(parts, (86400.0, 3600.0, 60.0, 1.0, 0.001), strict=True))
