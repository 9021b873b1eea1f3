"""What one provider's part of the fake has to say: who may ask, what is asked, what is answered, how it refuses."""

from __future__ import annotations

import base64
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from fakes import vectors
from fakes.limits import Taken
from fakes.wire import Ask, Call, Refusal, Reply

if TYPE_CHECKING:
    from fakes.api import FakeApi

__all__ = ["Model", "Provider", "base64_rows", "bearer", "counted", "texts_of"]


FILE_LIMIT = 200 * 2**20  # bytes


@dataclass(frozen=True, slots=True)
class Model:
    """A model's limits: `dims` are the widths one may ask for, `dim` the one it has unless asked."""

    dim: int
    window: int  # tokens a text
    dims: Sequence[int] = ()
    batch_tokens: int = 0  # tokens a request, 0: no limit of its own
    batch_inputs: int = 0


class Provider:
    """One provider. A request runs through `authorised`, `other`, `read` and `write`; what goes wrong, `refuse`."""

    name = ""
    base = ""  # what follows the name in the base URL that clients are given
    family = ""  # whose vectors: providers of one family sell the same models
    indexed = True  # rows of a reply say whose they are
    tells_wait = True  # its refusals for a limit say how long to wait
    has_quota = True  # it can be out of quota
    body_limit = 32 * 2**20  # bytes
    models: Mapping[str, Model] = {}

    def model(self, name: str) -> Model:
        return self.models[name]

    def has_sides(self, model: str) -> bool:
        """Whether documents and queries get different vectors."""
        return False

    def most_bytes(self, call: Call) -> int:
        """How large the body of this request may be."""
        return FILE_LIMIT if call.path.endswith("/files") else self.body_limit

    def authorised(self, call: Call, key: str) -> bool:
        return bearer(call) == key

    def other(self, call: Call, fake: FakeApi) -> Reply | None:
        """The reply where something else than vectors is asked for (files, batches), or None."""
        return None

    def read(self, call: Call, fake: FakeApi) -> Ask:
        raise NotImplementedError

    def write(self, ask: Ask, found: np.ndarray, order: Sequence[int], nulls: frozenset[int]) -> bytes:
        """The body: row i of `found` is said to be text `order[i]`'s; rows in `nulls` are null."""
        raise NotImplementedError

    def refuse(self, refusal: Refusal, call: Call) -> Reply:
        raise NotImplementedError

    def limit_headers(self, taken: Taken) -> dict[str, str]:
        """What a reply tells about the limits."""
        return {}


def bearer(call: Call) -> str | None:
    scheme, _, key = call.headers.get("authorization", "").partition(" ")
    return key.strip() if scheme.lower() == "bearer" else None


def texts_of(value: Any) -> tuple[str, ...] | None:
    """A string, or a list of strings with at least one in it; None where it is neither."""
    if isinstance(value, str):
        return (value,)
    if isinstance(value, list) and value and all(isinstance(text, str) for text in value):
        return tuple(value)
    return None


def counted(texts: Sequence[str]) -> tuple[int, ...]:
    return tuple(map(vectors.tokens, texts))


def base64_rows(found: np.ndarray) -> list[bytes]:
    """Each row's little-endian float32 in base64, as a JSON string."""
    return [b'"' + base64.b64encode(row.tobytes()) + b'"' for row in np.asarray(found, dtype="<f4")]
