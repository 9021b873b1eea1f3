"""Derive the coefficients of exp, erf and tanh in profile ``f32-1``, and of gelu and the weights of attention in the
integer profiles: ``python derive_polynomials.py`` prints them.

All are weighted least-squares fits driven to equal ripples by Lawson's iteration (C. L. Lawson, 1961): solve,
multiply each point's weight by its error, solve again. The worst relative error then is the smallest; of gelu in
the integer profiles it is the absolute error.
"""

from __future__ import annotations

import math

import numpy as np


def minimax(columns: np.ndarray, target: np.ndarray, weight: np.ndarray, rounds: int = 200) -> np.ndarray:
    """c that makes the largest ``weight * |columns @ c - target|`` as small as possible."""
    scale = np.abs(columns).max(axis=0)
    lawson = np.full(len(target), 1 / len(target))
    best, answer = math.inf, np.zeros(columns.shape[1])
    for _ in range(rounds):
        w = np.sqrt(lawson) * weight
        c = np.linalg.lstsq(columns / scale * w[:, None], target * w, rcond=None)[0] / scale
        error = weight * np.abs(columns @ c - target)
        if error.max() < best:
            best, answer = error.max(), c
        lawson *= error + 1e-30
        lawson /= lawson.sum()
    return answer


def chebyshev(low: float, high: float, n: int) -> np.ndarray:
    return low + (high - low) * (np.cos(np.pi * (np.arange(n) + 0.5) / n) + 1) / 2


def derive_exp() -> np.ndarray:
    """c2 .. c6 of exp(r) = 1 + r + c2 r^2 + .. + c6 r^6 for |r| <= ln(2) / 2, and a little more."""
    r = chebyshev(-0.34675, 0.34675, 2001)
    columns = np.stack([r**i for i in range(2, 7)], axis=1)
    return minimax(columns, np.expm1(r) - r, np.exp(-r))


def derive_erf_core() -> np.ndarray:
    """a0 .. a6 of erf(x) = x + x (a0 + a1 x^2 + .. + a6 x^12) for |x| <= 1."""
    x = chebyshev(0, 1, 1500)
    ratio = np.array([math.erf(v) / v for v in x])
    columns = np.stack([x ** (2 * i) for i in range(7)], axis=1)
    return minimax(columns, ratio - 1, 1 / ratio)


def derive_erf_tail() -> np.ndarray:
    """b0 .. b6 of erf(x) = 1 - exp(b0 + b1 x + .. + b6 x^6) for 1 <= x <= 3.93, where erf rounds to 1."""
    x = chebyshev(1, 3.935, 1500)
    complement = np.array([math.erfc(v) for v in x])
    columns = np.stack([x**i for i in range(7)], axis=1)
    return minimax(columns, np.log(complement), complement)


def derive_tanh() -> np.ndarray:
    """a0 .. a5 of tanh(x) = x + x^3 (a0 + a1 x^2 + .. + a5 x^10) for |x| <= 0.75."""
    x = chebyshev(0, 0.75, 1500)
    ratio = np.tanh(x) / x
    columns = np.stack([x ** (2 * i) for i in range(1, 7)], axis=1)
    return minimax(columns, ratio - 1, 1 / ratio)


def derive_int_gelu() -> np.ndarray:
    """c0 .. c6 of gelu(x) - max(x, 0) = t (c0 + c1 t + .. + c6 t^6), t = |x| <= 4: the smallest absolute error."""
    t = chebyshev(0, 4, 3000)
    bump = np.array([-v * math.erfc(v / math.sqrt(2)) / 2 for v in t])
    columns = np.stack([t ** (i + 1) for i in range(7)], axis=1)
    return minimax(columns, bump, np.ones(len(t)), rounds=300)


def derive_weight() -> np.ndarray:
    """c1 .. c3 of 2^r = 1 + c1 r + c2 r^2 + c3 r^3 for |r| <= 1 / 2."""
    r = chebyshev(-0.5, 0.5, 2001)
    columns = np.stack([r**i for i in range(1, 4)], axis=1)
    return minimax(columns, 2**r - 1, 2**-r, rounds=300)


def show(name: str, coefficients: np.ndarray) -> None:
    for i, c in enumerate(coefficients):
        print(f"{name}{i} = {float(np.float32(c)).hex()}")


if __name__ == "__main__":
    exp = derive_exp()
    show("exp c", np.array([1.0, 1.0, *exp]))
    show("erf core a", derive_erf_core())
    show("erf tail b", derive_erf_tail())
    show("tanh a", derive_tanh())
    show("int_gelu c", derive_int_gelu())
    for most in (8191, 255):
        show(f"weight of at most {most}, c", most * np.array([1.0, *derive_weight()]))
    print("log2(e) =", float(np.float32(math.log2(math.e))).hex())
    # ln(2) in two floats; the first has 9 bits to spare, so that n * high is exact for every |n| <= 127.
    high = round(math.log(2) * 2**15) / 2**15
    print("ln(2) high =", high.hex(), " low =", float(np.float32(math.log(2) - high)).hex())
