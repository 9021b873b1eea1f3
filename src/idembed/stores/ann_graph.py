"""A graph for approximate search (HNSW, by usearch): made of vectors in a file, and searched where it is mapped.

A graph is of distinct vectors: among many equal ones (one sentence in every document, texts that a model cuts) a search
goes round in circles and finds little else (of 3,000 vectors of which 2,000 are equal, it found 257 of the other
1,000). Each node has the vid of the first of its vectors; the other vids of a node are kept beside the graph.

It only chooses candidates, whose scores come from the database. So it need not be the same graph twice, and several
threads make it.
"""

from __future__ import annotations

import hashlib
import importlib.util
import math
from collections.abc import Callable
from typing import IO, Any, Final, NamedTuple, cast

import numpy as np
from numpy.typing import NDArray

from idembed import native
from idembed.errors import StoreError
from idembed.stores.records import Vector

__all__ = ["NODE_BYTES", "Graph", "Ints", "Spool", "is_installed", "make_graph"]

Ints = NDArray[np.int64]

NODE_BYTES: Final = 640
"""Of memory that a node takes while the graph is made, its vector not among them; measured: 514."""
_CONNECTIVITY: Final = 16
_EXPANSION: Final = 128
_AT_ONCE: Final = 4096
_NO_PAIRS: Final[Ints] = np.empty((0, 2), np.int64)


def is_installed() -> bool:
    """Whether there is usearch; it is not imported for that."""
    return importlib.util.find_spec("usearch") is not None


class Spool:
    """Vectors of ``dim`` numbers on their way into a graph, in a file: memory holds what is said of them, 24 bytes
    each."""

    def __init__(self, file: IO[bytes], dim: int) -> None:
        self.dim = dim
        self._file = file
        self._vids: list[Ints] = []
        self._hashes: list[bytes] = []
        self._longest = 0.0

    def append(self, vids: Ints, vectors: Vector) -> None:
        """Add vectors float32 [n, dim], whose vids go on ascending."""
        raw = np.ascontiguousarray(vectors)
        self._file.write(raw.data)
        self._vids.append(vids)
        self._hashes.append(b"".join(hashlib.sha256(line.data).digest()[:16] for line in raw))
        squares = np.einsum("ij,ij->i", raw, raw, dtype=np.float64)
        self._longest = max(self._longest, math.sqrt(float(squares.max(initial=0.0))))

    def distinct(self) -> Distinct:
        """What a graph is made of; the vectors in the file change places and, if they are long or short, length."""
        self._file.flush()
        vids = np.concatenate([np.empty(0, np.int64), *self._vids])
        hashes = np.frombuffer(b"".join(self._hashes), "S16")
        _, first, place, count = np.unique(hashes, return_index=True, return_inverse=True, return_counts=True)
        place = place.reshape(-1)
        is_node = first[place] == np.arange(len(vids))
        equal = np.flatnonzero(count[place] > 1)
        pairs = np.stack([vids[first[place[equal]]], vids[equal]], axis=1) if len(equal) else _NO_PAIRS
        pairs = pairs[np.argsort(pairs[:, 0], kind="stable")]
        if not len(vids):
            return Distinct(vids, np.empty((0, self.dim), np.float32), pairs)
        matrix = cast(Vector, np.memmap(self._file, np.float32, "r+", shape=(len(vids), self.dim)))
        if not is_node.all():
            _close_up(matrix, is_node)
        if not 0.5 <= self._longest < 2.0 and self._longest:
            # usearch takes a product from 1: of very short vectors nothing would be left, very long ones overflow.
            _shorten(matrix, math.frexp(self._longest)[1])
        return Distinct(vids[is_node], matrix[: int(is_node.sum())], pairs)


class Distinct(NamedTuple):
    """``vectors`` float32 [n, dim], no two of them equal, by ``vids`` [n]; ``pairs``: for each vector that has equals
    the vid of the first of them, and its own: int64 [m, 2], ascending."""

    vids: Ints
    vectors: Vector
    pairs: Ints


def make_graph(distinct: Distinct, dim: int, going_on: Callable[[], None]) -> Any:
    """The usearch index of these vectors, which must stay where they are as long as it lives. ``going_on`` is called
    every second or few."""
    graph = _empty(dim)
    threads = native.default_threads()
    for begin in range(0, len(distinct.vids), _AT_ONCE):
        end = begin + _AT_ONCE
        graph.add(distinct.vids[begin:end].astype(np.uint64), distinct.vectors[begin:end], copy=False, threads=threads)
        going_on()
    return graph


class Graph:
    """A graph that lies in ``buffer``, which lives as long as it. ``pairs`` as in ``Distinct``."""

    def __init__(self, buffer: memoryview, dim: int, pairs: Ints) -> None:
        self._graph = _empty(dim)
        self._buffer = buffer
        self._nodes = np.ascontiguousarray(pairs[:, 0])
        self._members = np.ascontiguousarray(pairs[:, 1])
        self._graph.view(buffer)

    def __len__(self) -> int:
        return len(self._graph)

    def close(self) -> None:
        """Let go of the buffer."""
        self._graph.reset()
        self._buffer.release()

    def nearest(self, query: Vector, count: int, looked_at: int) -> list[list[int]]:
        """About the ``count`` nodes nearest to ``query``, chosen among ``looked_at`` candidates, nearest first: of each
        the vids of its vectors, which are equal."""
        unit = (query / np.linalg.norm(query.astype(np.float64))).astype(np.float32)
        self._graph.expansion_search = looked_at
        nodes = self._graph.search(unit, count, threads=1).keys.astype(np.int64)
        if not len(self._nodes):
            return [[node] for node in nodes.tolist()]
        begins = np.searchsorted(self._nodes, nodes).tolist()
        ends = np.searchsorted(self._nodes, nodes, "right").tolist()
        return [
            self._members[begin:end].tolist() if begin < end else [node]
            for node, begin, end in zip(nodes.tolist(), begins, ends, strict=True)
        ]


def _empty(dim: int) -> Any:
    try:
        from usearch.index import Index
    except ImportError as error:
        raise StoreError(f"usearch cannot be used: {error}", hint='pip install "idembed[ann]"') from error
    # No look-up by key is needed: vids are unique by the database's own key.
    return Index(
        ndim=dim,
        metric="ip",
        dtype="f32",
        connectivity=_CONNECTIVITY,
        expansion_add=_EXPANSION,
        enable_key_lookups=False,
    )


def _close_up(matrix: Vector, kept: NDArray[np.bool_]) -> None:
    """Move the rows that are ``kept`` to the beginning."""
    at = 0
    for begin in range(0, len(matrix), _AT_ONCE):
        some = matrix[begin : begin + _AT_ONCE][kept[begin : begin + _AT_ONCE]]
        matrix[at : at + len(some)] = some
        at += len(some)


def _shorten(matrix: Vector, exponent: int) -> None:
    """Divide by 2 ** exponent."""
    for begin in range(0, len(matrix), _AT_ONCE):
        block = matrix[begin : begin + _AT_ONCE]
        block[:] = np.ldexp(block, -exponent)
