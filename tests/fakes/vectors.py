"""The fake's vectors and tokens: pure functions of the text."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence

import numpy as np

__all__ = ["cut", "disturbed", "tokens", "vectors"]


def vectors(space: str, texts: Sequence[str], dim: int, full: int = 0) -> np.ndarray:
    """The vectors of `texts` in the space of that name: float32 [n, dim].

    A text's hash, drawn out to as many 16-bit numbers as there are dimensions. The first numbers do not depend on how
    many follow, so a shorter vector points where the longer one's beginning does, as with Matryoshka models. Of unit
    length, unless `full` is given: then the beginning, as it is, of the unit vector of that width.

    Numbers are rounded to nine decimals, so that JSON with nine decimals is the same float32.
    """
    wide = max(dim, full)
    head = hashlib.shake_128(space.encode() + b"\0")
    drawn = []
    for text in texts:
        one = head.copy()
        one.update(text.encode("utf-8", "surrogatepass"))
        drawn.append(one.digest(2 * wide))
    raw = np.frombuffer(b"".join(drawn), dtype="<i2").reshape(len(texts), wide).astype(np.float64) + 0.5
    raw /= np.sqrt(np.einsum("ij,ij->i", raw, raw))[:, None]
    return rounded(raw[:, :dim])


def disturbed(found: np.ndarray, added: np.ndarray, size: float) -> np.ndarray:
    """Each row plus `size` in the direction of `added`'s row, as long as it was."""
    length = np.linalg.norm(found, axis=1, keepdims=True)
    moved = found + added * (size / np.linalg.norm(added, axis=1, keepdims=True))
    return rounded(moved * (length / np.linalg.norm(moved, axis=1, keepdims=True)))


def rounded(raw: np.ndarray) -> np.ndarray:
    return (np.rint(raw * 1e9) / 1e9).astype(np.float32)


def tokens(text: str) -> int:
    """How many tokens the fake's providers count: a quarter a character and half a further UTF-8 byte, rounded up.

    So English has four characters a token, é costs 0.75, a Chinese character 1.25 and an emoji 1.75, which is close to
    what current tokenizers make of them.
    """
    if text.isascii():
        return (len(text) + 3) // 4
    extra = len(text.encode("utf-8", "surrogatepass")) - len(text)
    return (len(text) + 2 * extra + 3) // 4


def cut(text: str, limit: int, end: bool = True) -> str:
    """The longest beginning (or, with end=False, the longest end) of at most `limit` tokens."""
    if tokens(text) <= limit:
        return text
    low, high = 0, min(len(text), 4 * limit)  # a text of `low` characters fits; no token has more than 4
    while low < high:
        middle = (low + high + 1) // 2
        if tokens(text[:middle] if end else text[len(text) - middle :]) <= limit:
            low = middle
        else:
            high = middle - 1
    return text[:low] if end else text[len(text) - low :]
