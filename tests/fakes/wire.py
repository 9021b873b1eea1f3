"""What goes in and out of the fake: a request as it came, a reply as it leaves, a refusal on its way to one."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

__all__ = ["Ask", "Call", "Refusal", "Reply", "json_reply", "json_rows"]

NINE_DIGITS = np.array([list(b"%03d" % n) for n in range(1000)], dtype=np.uint8)  # three digits at a time


@dataclass(frozen=True, slots=True)
class Call:
    """A request as it came; `path` is what follows the provider's name, without the query."""

    method: str
    path: str
    query: Mapping[str, str]
    headers: Mapping[str, str]  # names in lower case
    body: bytes
    raw_path: str = ""  # as sent, the provider's name included, not decoded

    def json(self) -> dict[str, Any]:
        """The body's JSON object; Refusal("not_json") where it is none."""
        try:
            read = json.loads(self.body)
        except ValueError as error:
            raise Refusal("not_json") from error
        if not isinstance(read, dict):
            raise Refusal("not_json")
        return read


@dataclass(frozen=True, slots=True)
class Ask:
    """A request for vectors, found to be right."""

    model: str
    texts: tuple[str, ...]  # as sent
    used: tuple[str, ...]  # what is embedded: the same, or cut where the provider cuts
    tokens: tuple[int, ...]  # of `used`
    dim: int
    side: str = ""  # "" where the model knows no sides
    full: int = 0  # a prefix of a unit vector of this width, not normalised again; 0: unit length at `dim`
    options: Mapping[str, Any] = field(default_factory=dict)  # what the provider's `write` wants to know again


class Refusal(Exception):  # noqa: N818 - it is an answer, not an error of the fake
    """The request is refused: `kind` picks the provider's status and body, `facts` fill it."""

    def __init__(self, kind: str, **facts: Any) -> None:
        super().__init__(kind)
        self.kind = kind
        self.facts = facts


@dataclass(frozen=True, slots=True)
class Reply:
    """A reply as it leaves."""

    status: int
    body: bytes
    headers: Mapping[str, str] = field(default_factory=dict)
    content_type: str = "application/json"


def json_reply(status: int, body: object, headers: Mapping[str, str] | None = None) -> Reply:
    return Reply(status, json.dumps(body).encode(), headers or {})


def json_rows(vectors: np.ndarray) -> list[bytes]:
    """Each row of a float array [n, dim] as a JSON list.

    json.dumps takes half a microsecond a number, which at 2048 x 64 would be most of a request's time. These vectors
    have nine decimals (vectors.py), so that whole arrays are written at once and read back to the same float32.
    Rows with a number that is not finite, or 10 or more, take the slow way.
    """
    vectors = np.asarray(vectors, dtype=np.float64)
    if not np.isfinite(vectors).all() or np.abs(vectors).max(initial=0) >= 9.99:
        return [json.dumps(row).encode() for row in vectors.tolist()]
    units = np.rint(np.abs(vectors) * 1e9).astype(np.int64)
    out = np.empty((*vectors.shape, 13), dtype=np.uint8)
    out[..., 0] = ord(",")
    out[:, :1, 0] = ord("[")
    out[..., 1] = np.where(vectors < 0, ord("-"), ord(" "))
    out[..., 2] = ord("0") + units // 1_000_000_000
    out[..., 3] = ord(".")
    out[..., 4:7] = NINE_DIGITS[units // 1_000_000 % 1000]
    out[..., 7:10] = NINE_DIGITS[units // 1000 % 1000]
    out[..., 10:13] = NINE_DIGITS[units % 1000]
    return [row.tobytes() + b"]" for row in out]
