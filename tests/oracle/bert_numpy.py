"""A BERT encoder as the papers write it, in NumPy: any order of sums, any precision; float64 is the truth.

Shapes: T tokens, H hidden, A heads, D = H / A, I intermediate.
"""

from __future__ import annotations

import math

import numpy as np

_erf = np.vectorize(math.erf, otypes=[np.float64])


def linear(x: np.ndarray, weight: np.ndarray, bias: np.ndarray) -> np.ndarray:
    return x @ weight.T + bias  # weight [out, in]


def layer_norm(x: np.ndarray, gamma: np.ndarray, beta: np.ndarray, eps: float) -> np.ndarray:
    centred = x - x.mean(axis=-1, keepdims=True)
    return centred / np.sqrt((centred**2).mean(axis=-1, keepdims=True) + eps) * gamma + beta


def gelu(x: np.ndarray) -> np.ndarray:
    return x * (1 + _erf(x / math.sqrt(2))) / 2


def softmax(x: np.ndarray) -> np.ndarray:
    e = np.exp(x - x.max(axis=-1, keepdims=True))
    return e / e.sum(axis=-1, keepdims=True)


def split_heads(x: np.ndarray, heads: int) -> np.ndarray:
    return x.reshape(len(x), heads, -1).transpose(1, 0, 2)  # [T, H] -> [A, T, D]


def self_attention(q: np.ndarray, k: np.ndarray, v: np.ndarray, heads: int) -> np.ndarray:
    q, k, v = (split_heads(x, heads) for x in (q, k, v))
    weights = softmax(q @ k.transpose(0, 2, 1) / math.sqrt(q.shape[-1]))  # [A, T, T]
    return (weights @ v).transpose(1, 0, 2).reshape(q.shape[1], -1)  # [T, H]


def forward(
    tensors: list[np.ndarray],
    tokens: np.ndarray,
    *,
    layers: int,
    heads: int,
    pooling: str,
    normalize: bool,
    eps: float,
    dtype: type = np.float64,
) -> np.ndarray:
    """The vector [H] of one text; `tensors` in the order of idembed.h."""
    weights = (np.asarray(t, dtype) for t in tensors)

    def take(n: int) -> list[np.ndarray]:
        return [next(weights) for _ in range(n)]

    word, position, token_type, gamma, beta = take(5)
    x = layer_norm(word[tokens] + token_type[0] + position[: len(tokens)], gamma, beta, eps)
    for _ in range(layers):
        q, k, v = (linear(x, *take(2)) for _ in range(3))
        x = layer_norm(x + linear(self_attention(q, k, v, heads), *take(2)), *take(2), eps)
        x = layer_norm(x + linear(gelu(linear(x, *take(2))), *take(2)), *take(2), eps)
    vector = {
        "mean": x.mean(axis=0),
        "mean_sqrt_len_tokens": x.sum(axis=0) / math.sqrt(len(x)),
        "max": x.max(axis=0),
        "cls": x[0],
    }[pooling]
    return vector / max(np.linalg.norm(vector), 1e-12) if normalize else vector
