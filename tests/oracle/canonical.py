"""Profile ``f32-1`` a second time: plain Python, one number at a time, straight from docs/numerics.md.

It shares nothing with the C++ code but the specification. Every number is a Python float that holds a
float32 value. ``+ - * /`` and square root are carried out in double and rounded to float32, which equals
rounding once (53 bits are more than 2 * 24 + 1); only fma needs exact fractions. A vector is a list of
floats, a matrix a list of rows.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from fractions import Fraction

import numpy as np

Vector = list[float]
Matrix = list[Vector]
Linear = Callable[[Matrix, Matrix, Vector], Matrix]
Attention = Callable[[Matrix, Matrix, Matrix, Vector | None], Matrix]
LANES = 16


# ---- numbers ----------------------------------------------------------------------------------------------


def f32(x: float) -> float:
    return float(np.float32(x))


def nearest_float32(x: Fraction) -> float:
    """The float32 nearest to `x`, ties to even; `x` is not 0."""
    exponent = math.floor(math.log2(abs(x.numerator)) - math.log2(x.denominator))
    while abs(x) >= Fraction(2) ** (exponent + 1):
        exponent += 1
    while abs(x) < Fraction(2) ** exponent:
        exponent -= 1
    quantum = Fraction(2) ** (max(exponent, -126) - 23)  # below 2^-126 the numbers are evenly spaced
    rounded = round(x / quantum) * quantum
    if abs(rounded) >= 2**128:
        return math.copysign(math.inf, x)
    return math.copysign(float(rounded), x)


def fma(a: float, b: float, c: float) -> float:
    if not (math.isfinite(a) and math.isfinite(b) and math.isfinite(c)):
        return a * b + c
    exact = Fraction(a) * Fraction(b) + Fraction(c)
    if exact == 0:
        return a * b + c  # the sign of zero
    return nearest_float32(exact)


def add(a: float, b: float) -> float:
    return f32(a + b)


def subtract(a: float, b: float) -> float:
    return f32(a - b)


def multiply(a: float, b: float) -> float:
    return f32(a * b)


def divide(a: float, b: float) -> float:
    return f32(a / b)


def square_root(a: float) -> float:
    return f32(math.sqrt(a))


def horner(coefficients: list[str], x: float) -> float:
    """Highest power first."""
    y = float.fromhex(coefficients[0])
    for coefficient in coefficients[1:]:
        y = fma(y, x, float.fromhex(coefficient))
    return y


# ---- functions --------------------------------------------------------------------------------------------

EXP = ["0x1.6a23ccp-10", "0x1.123a20p-7", "0x1.5558f2p-5", "0x1.555492p-3", "0x1.fffffcp-2", "1", "1"]
ERF_CORE = [
    *("0x1.496ab0p-14", "-0x1.a3f734p-11", "0x1.5405bap-8", "-0x1.b7f90ep-6"),
    *("0x1.ce2cf8p-4", "-0x1.81273ep-2", "0x1.06eba8p-3"),
]
ERF_TAIL = [
    *("0x1.852d52p-13", "-0x1.814ce0p-9", "0x1.654224p-6", "-0x1.a60a84p-4"),
    *("-0x1.46c584p-1", "-0x1.2085b2p+0", "-0x1.72e6acp-12"),
]


def exp(x: float) -> float:
    if x < -87:
        return 0.0
    if x > 88:
        return math.inf
    # x log2(e) rounded to an integer, as one rounding of the exact product; its float32 is n.
    magic = 1.5 * 2**23
    n = subtract(fma(x, float.fromhex("0x1.715476p+0"), magic), magic)
    r = fma(n, -float.fromhex("0x1.62e4p-1"), x)
    r = fma(n, -float.fromhex("0x1.7f7d1cp-20"), r)
    return multiply(horner(EXP, r), 2.0**n)


def erf(x: float) -> float:
    if abs(x) < 1:
        return fma(x, horner(ERF_CORE, multiply(x, x)), x)
    size = min(abs(x), f32(3.93))
    return math.copysign(subtract(1.0, exp(horner(ERF_TAIL, size))), x)


def gelu(x: float) -> float:
    half = multiply(x, 0.5)
    return fma(half, erf(multiply(x, f32(math.sqrt(0.5)))), half)


TANH_CORE = [
    *("0x1.c753ccp-10", "-0x1.f5d36ep-8", "0x1.5f785ap-6", "-0x1.b97d3cp-5", "0x1.110db8p-3", "-0x1.55554ap-2"),
]


def tanh(x: float) -> float:
    if abs(x) < 0.75:
        square = multiply(x, x)
        return fma(multiply(x, square), horner(TANH_CORE, square), x)
    size = min(abs(x), 9.25)
    power = exp(add(size, size))
    return math.copysign(subtract(1.0, divide(2.0, add(power, 1.0))), x)


# ---- sums -------------------------------------------------------------------------------------------------


def tree(lane: Vector) -> float:
    """Join 16 lanes: lane l takes lane l + 8, then l + 4, l + 2, l + 1."""
    for half in (8, 4, 2, 1):
        lane = [add(lane[i], lane[i + half]) for i in range(half)]
    return lane[0]


def total(x: Vector) -> float:
    lane = [0.0] * LANES
    for i, value in enumerate(x):
        lane[i % LANES] = add(lane[i % LANES], value)
    return tree(lane)


def dot(x: Vector, y: Vector) -> float:
    """As if x and y were padded with zeros to a multiple of 16."""
    padding = [0.0] * (-len(x) % LANES)
    lane = [0.0] * LANES
    for i, (a, b) in enumerate(zip(x + padding, y + padding, strict=True)):
        lane[i % LANES] = fma(a, b, lane[i % LANES])
    return tree(lane)


def chain(start: float, x: Vector, y: Vector) -> float:
    """start + x0 y0 + x1 y1 + .., one accumulator, ascending."""
    acc = start
    for a, b in zip(x, y, strict=True):
        acc = fma(a, b, acc)
    return acc


# ---- layers -----------------------------------------------------------------------------------------------


def linear(x: Matrix, weight: Matrix, bias: Vector) -> Matrix:
    """`weight` is [out, in]."""
    return [[chain(b, row, w) for w, b in zip(weight, bias, strict=True)] for row in x]


def layer_norm(x: Vector, gamma: Vector, beta: Vector, eps: float) -> Vector:
    n = float(len(x))
    mean = divide(total(x), n)
    centred = [subtract(v, mean) for v in x]
    variance = divide(dot(centred, centred), n)
    inverse = divide(1.0, square_root(add(variance, f32(eps))))
    return [fma(multiply(c, inverse), g, b) for c, g, b in zip(centred, gamma, beta, strict=True)]


def softmax(scores: Vector, scale: float, bias: Vector | None = None) -> tuple[Vector, float]:
    """Numerators and the inverse of their sum."""
    if bias is None:
        z = [multiply(s, scale) for s in scores]
    else:
        z = [fma(s, scale, b) for s, b in zip(scores, bias, strict=True)]
    peak = max(z)
    numerators = [exp(subtract(v, peak)) for v in z]
    return numerators, divide(1.0, total(numerators))


SHARED_FROM = (8, 12, 16, 23, 32, 46, 64, 91)
"""The shortest distances of buckets 8 to 15: shorter ones have a bucket each."""


def bucket(distance: int) -> int:
    """Of a key that comes ``distance`` tokens after the query."""
    size = abs(distance)
    near = size if size < 8 else 7 + sum(size >= first for first in SHARED_FROM)
    return near + 16 if distance > 0 else near


def attention(query: Matrix, key: Matrix, value: Matrix, biases: Vector | None = None) -> Matrix:
    """One head: [length, head_dim] each; ``biases`` by bucket."""
    scale = divide(1.0, square_root(float(len(query[0]))))
    columns = [list(column) for column in zip(*value, strict=True)]
    context = []
    for i, q in enumerate(query):
        bias = None if biases is None else [biases[bucket(j - i)] for j in range(len(key))]
        numerators, inverse = softmax([chain(0.0, q, k) for k in key], scale, bias)
        context.append([multiply(chain(0.0, numerators, column), inverse) for column in columns])
    return context


def self_attention(
    q: Matrix, k: Matrix, v: Matrix, heads: int, relative: Matrix | None = None, attention: Attention = attention
) -> Matrix:
    """`relative` is [buckets, heads]."""
    dim = len(q[0]) // heads
    parts = []
    for head in range(heads):
        own = slice(head * dim, (head + 1) * dim)
        biases = None if relative is None else [row[head] for row in relative]
        parts.append(attention([r[own] for r in q], [r[own] for r in k], [r[own] for r in v], biases))
    return [[value for part in parts for value in part[i]] for i in range(len(q))]


def add_layer_norm(x: Matrix, change: Matrix, gamma: Vector, beta: Vector, eps: float) -> Matrix:
    return [
        layer_norm([add(c, v) for c, v in zip(cs, vs, strict=True)], gamma, beta, eps)
        for cs, vs in zip(change, x, strict=True)
    ]


def mean_pooling(x: Matrix, *, square_root_of_length: bool = False) -> Vector:
    count = float(len(x))
    divisor = square_root(count) if square_root_of_length else count
    out = []
    for column in zip(*x, strict=True):
        acc = column[0]
        for value in column[1:]:
            acc = add(acc, value)
        out.append(divide(acc, divisor))
    return out


def max_pooling(x: Matrix) -> Vector:
    out = []
    for column in zip(*x, strict=True):
        peak = column[0]
        for value in column[1:]:
            peak = value if value > peak else peak
        out.append(peak)
    return out


def pooled(x: Matrix, pooling: str) -> Vector:
    if pooling == "cls":
        return x[0]
    if pooling == "max":
        return max_pooling(x)
    return mean_pooling(x, square_root_of_length=pooling == "mean_sqrt_len_tokens")


def dense(x: Vector, weight: Matrix, bias: Vector | None, activation: str) -> Vector:
    """`weight` is [out, in]."""
    made = linear([x], weight, bias or [0.0] * len(weight))[0]
    return [tanh(v) for v in made] if activation == "tanh" else made


def normalize(x: Vector) -> Vector:
    norm = square_root(dot(x, x))
    divisor = max(norm, f32(1e-12))
    return [divide(v, divisor) for v in x]


@dataclass(frozen=True)
class Checkpoint:
    """`tensors` in the order of idembed.h, as NumPy arrays."""

    heads: int
    layers: int
    pooling: str
    normalize: bool
    eps: float
    tensors: list[np.ndarray]
    relative: bool = False


def forward(
    checkpoint: Checkpoint,
    tokens: list[int],
    linear: Linear = linear,
    attention: Attention = attention,
    gelu: Callable[[float], float] = gelu,
) -> Vector:
    """The vector of one text; another profile has other steps."""
    tensors = iter(checkpoint.tensors)

    def take() -> list:
        return next(tensors).tolist()

    eps = checkpoint.eps
    word, position, token_type, gamma, beta = take(), take(), take(), take(), take()
    relative = take() if checkpoint.relative else None
    x = []
    for i, token in enumerate(tokens):
        both = [add(w, t) for w, t in zip(word[token], token_type[0], strict=True)]
        x.append(layer_norm([add(b, p) for b, p in zip(both, position[i], strict=True)], gamma, beta, eps))
    for _ in range(checkpoint.layers):
        q, k, v = (linear(x, take(), take()) for _ in range(3))
        context = self_attention(q, k, v, checkpoint.heads, relative, attention)
        x = add_layer_norm(x, linear(context, take(), take()), take(), take(), eps)
        inner = [[gelu(value) for value in row] for row in linear(x, take(), take())]
        x = add_layer_norm(x, linear(inner, take(), take()), take(), take(), eps)
    vector = pooled(x, checkpoint.pooling)
    return normalize(vector) if checkpoint.normalize else vector
