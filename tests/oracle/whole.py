"""Profiles ``i16-1`` and ``i8-1`` a second time, straight from docs/numerics.md: linear layers, attention and gelu.
Everything else is canonical.py's."""

from __future__ import annotations

from functools import partial
from typing import NamedTuple

from oracle.canonical import (
    Checkpoint,
    Matrix,
    Vector,
    add,
    bucket,
    divide,
    f32,
    fma,
    forward,
    horner,
    multiply,
    square_root,
    subtract,
)

CHUNK = 384
LEAST = 2.0**-100
LOG2_E = float.fromhex("0x1.715476p+0")
MAGIC = 1.5 * 2**23
GELU = [
    *("0x1.5107dcp-11", "-0x1.451862p-7", "0x1.d78ecap-5", "-0x1.1ea3f8p-3"),
    *("0x1.5e922cp-5", "0x1.903536p-2", "-0x1.0040b8p-1"),
]


class Weights(NamedTuple):
    """Of keys, highest power first, the largest last; the largest value; keys whose products are summed at a time."""

    polynomial: list[str]
    most_value: float
    keys: int
    dither: list[float]


WEIGHTS = {
    "i16-1": Weights(["0x1.c29402p+8", "0x1.effcccp+10", "0x1.62eae4p+12", "0x1.fffp+12"], 2047.0, 128, [0.0] * 256),
    "i8-1": Weights(
        ["0x1.c0df74p+3", "0x1.ee1c40p+5", "0x1.619304p+7", "0x1.fep+7"],
        *(127.0, 512),
        [(99 * key % 256 + 0.5) / 256 - 0.5 for key in range(256)],
    ),
}


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


def gelu(x: float) -> float:
    size = min(4.0, abs(x))
    return fma(size, horner(GELU, size), max(x, 0.0))


# ---- attention ----------------------------------------------------------------------------------------------------


class Symmetric(NamedTuple):
    whole: list[int]
    scale: float


def symmetric(x: Vector, most: float) -> Symmetric:
    high = max(map(abs, x))
    if high < LEAST:
        return Symmetric([0] * len(x), 0.0)
    inverse = divide(most, high)
    return Symmetric([round(multiply(v, inverse)) for v in x], divide(high, most))


def most_feature(dim: int, profile: str) -> float:
    if profile == "i8-1":
        return 127.0
    return float(max(2**b - 1 for b in range(1, 16) if dim * (2**b - 1) ** 2 < 2**31))


def weight(x: float, key: int, of: Weights) -> int:
    """The largest weight times 2 to the power of `x`."""
    x = max(x, -16.0)
    n = subtract(add(x, MAGIC), MAGIC)
    return round(add(horner(of.polynomial, subtract(x, n)) * 2.0**n, of.dither[key % 256]))


def attention(query: Matrix, key: Matrix, value: Matrix, biases: Vector | None, profile: str) -> Matrix:
    """One head: [length, head_dim] each; ``biases`` by bucket."""
    dim, of = len(query[0]), WEIGHTS[profile]
    most = most_feature(dim, profile)
    scale = multiply(LOG2_E, divide(1.0, square_root(float(dim))))
    keys = [symmetric(k, most) for k in key]
    columns = [symmetric(list(column), of.most_value) for column in zip(*value, strict=True)]
    context = []
    for i, q in enumerate(symmetric(row, most) for row in query):
        z = []
        for j, k in enumerate(keys):
            total = sum(a * b for a, b in zip(q.whole, k.whole, strict=True))
            assert abs(total) < 2**31
            start = 0.0 if biases is None else multiply(biases[bucket(j - i)], LOG2_E)
            z.append(fma(f32(total), multiply(multiply(q.scale, scale), k.scale), start))
        peak = max(z)
        weights = [weight(subtract(v, peak), j, of) for j, v in enumerate(z)]
        inverse = divide(1.0, f32(sum(weights)))
        row = []
        for column in columns:
            parts = []
            for begin in range(0, len(weights), of.keys):
                run = slice(begin, begin + of.keys)
                total = sum(a * b for a, b in zip(weights[run], column.whole[run], strict=True))
                assert abs(total) < 2**31
                parts.append(multiply(f32(total), multiply(column.scale, inverse)))
            acc = parts[0]
            for part in parts[1:]:
                acc = add(acc, part)
            row.append(acc)
        context.append(row)
    return context


def int_forward(checkpoint: Checkpoint, tokens: list[int], profile: str) -> Vector:
    """The vector of one text."""
    steps = (partial(linear, profile=profile), partial(attention, profile=profile), gelu)
    return forward(checkpoint, tokens, *steps)
