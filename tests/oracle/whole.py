"""Profiles ``i16-1`` and ``i8-1`` a second time, straight from docs/numerics.md: their linear layers. Everything else
is canonical.py's."""

from __future__ import annotations

from functools import partial
from typing import NamedTuple

from oracle.canonical import (
    Checkpoint,
    Matrix,
    Vector,
    divide,
    f32,
    fma,
    forward,
    multiply,
    subtract,
)

CHUNK = 384
LEAST = 2.0**-100


class Column(NamedTuple):
    """A chunk of a column of weights."""

    whole: list[int]
    scale: float
    sum: float


class Row(NamedTuple):
    """A chunk of a row of activations: x is about low + scale * whole."""

    whole: list[int]
    scale: float
    low: float


def chunks(x: Vector) -> list[Vector]:
    return [x[i : i + CHUNK] for i in range(0, len(x), CHUNK)]


def column(weights: Vector, profile: str) -> Column:
    largest = max(abs(w) for w in weights)
    if profile == "i8-1":
        step = largest / 127
    else:
        size = 0.0
        for w in weights:
            size += abs(w)  # binary64, ascending
        step = max(largest / 32767, size / 261888)
    scale = 0.0 if step < LEAST else f32(step)
    whole = [round(w / scale) if scale else 0 for w in weights]
    return Column(whole, scale, multiply(f32(sum(whole)), scale))


def row(x: Vector, profile: str) -> Row:
    low, high, most = min(0.0, *x), max(0.0, *x), 255.0
    if profile == "i16-1":
        low, high, most = 0.0, max(high, -low), 8191.0
    size = subtract(high, low)
    if size < LEAST:
        return Row([0] * len(x), 0.0, low)
    inverse = divide(most, size)
    return Row([round(multiply(subtract(v, low), inverse)) for v in x], divide(size, most), low)


def linear(x: Matrix, weight: Matrix, bias: Vector, profile: str) -> Matrix:
    """`weight` is [out, in]."""
    columns = [[column(part, profile) for part in chunks(w)] for w in weight]
    out = []
    for v in x:
        rows = [row(part, profile) for part in chunks(v)]
        y = []
        for parts, b in zip(columns, bias, strict=True):
            acc = b
            for a, w in zip(rows, parts, strict=True):
                total = sum(p * q for p, q in zip(a.whole, w.whole, strict=True))
                assert abs(total) < 2**31
                if profile == "i8-1":
                    acc = fma(a.low, w.sum, acc)
                acc = fma(f32(total), multiply(a.scale, w.scale), acc)
            y.append(acc)
        out.append(y)
    return out


def int_forward(checkpoint: Checkpoint, tokens: list[int], profile: str) -> Vector:
    """The vector of one text."""
    return forward(checkpoint, tokens, partial(linear, profile=profile))
