"""The native core: encoder forward pass, exact inner products and top-k, by ctypes.

Results are the same bits for any number of threads, any batch and any instruction set (docs/numerics.md).
The library is loaded at first use, and the GIL is released while it runs.

Two environment variables are read when it is loaded: ``IDEMBED_ISA`` (``scalar``, ``avx2`` or ``avx512``)
forces an instruction set, and ``IDEMBED_LIBRARY`` names another library file, for development of the core.
"""

from __future__ import annotations

import ctypes
import math
import os
import sys
import weakref
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Literal, NamedTuple

import numpy as np

from idembed.errors import IdembedError, ModelError, NativeLibraryError, UnsupportedModelError

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Floats = NDArray[np.float32]
    Ints = NDArray[np.int64]

__all__ = [
    "ABI",
    "Encoder",
    "EncoderConfig",
    "TopK",
    "available_isas",
    "default_threads",
    "isa",
    "normalize",
    "scores",
    "tensor_shapes",
    "top_k",
]

ABI: Final = 1
_FILES: Final = {"win32": "idembed.dll", "darwin": "libidembed.dylib"}
_OK, _ARGUMENT, _ISA, _SHAPE, _NOT_FINITE, _TOKEN, _LENGTH, _MEMORY = range(8)
_POOLING: Final = {"mean": 0, "cls": 1, "max": 2}


# ---- the library ------------------------------------------------------------------------------------------


def _path() -> Path:
    if forced := os.environ.get("IDEMBED_LIBRARY"):
        return Path(forced)
    from importlib import resources  # takes 10 ms, so not before it is needed

    # An editable install keeps the library elsewhere than this file, so ask the import system.
    folder = resources.files("idembed") / "_native"
    return Path(str(folder / _FILES.get(sys.platform, "libidembed.so")))


@cache
def _library() -> ctypes.CDLL:
    path = _path()
    try:
        library = ctypes.CDLL(str(path))
        found = int(library.idembed_abi())
    except (OSError, AttributeError) as error:
        raise NativeLibraryError(
            "the native library cannot be loaded",
            hint="reinstall idembed; from a source tree: pip install -e . (needs a C++17 compiler)",
            path=str(path),
            reason=str(error),
        ) from error
    if found != ABI:
        raise NativeLibraryError(
            f"the native library has ABI {found}, this version of idembed needs ABI {ABI}",
            hint="reinstall idembed so that both come from one build",
            path=str(path),
        )
    _declare(library)
    if library.idembed_isa() is None:
        raise NativeLibraryError(
            f"IDEMBED_ISA={os.environ.get('IDEMBED_ISA')!r} cannot be used on this machine",
            hint="unset IDEMBED_ISA, or set it to one of: " + library.idembed_isas().decode(),
        )
    return library


class _Config(ctypes.Structure):
    _fields_ = (
        *((name, ctypes.c_int32) for name in ("vocab", "positions", "types", "hidden", "layers", "heads")),
        *((name, ctypes.c_int32) for name in ("intermediate", "pooling", "normalize")),
        ("layer_norm_eps", ctypes.c_float),
    )


def _declare(library: ctypes.CDLL) -> None:
    """Argument types of idembed.h. Arrays travel as addresses: (pointer, i32, i64, text)."""
    p, i32, i64, text = ctypes.c_void_p, ctypes.c_int32, ctypes.c_int64, ctypes.c_char_p
    signatures: dict[str, tuple[Any, list[Any]]] = {
        "idembed_isa": (text, []),
        "idembed_isas": (text, []),
        "idembed_encoder_new": (i32, [p, p, i64, text, p]),
        "idembed_encoder_forward": (i32, [p, p, p, i64, p, i32]),
        "idembed_encoder_free": (None, [p]),
        "idembed_scores": (i32, [p, i64, i64, i64, p, i64, p, p, i32, text]),
        "idembed_top_k": (i32, [p, i64, i64, p, p, p, i64, p, p]),
        "idembed_normalize": (i32, [p, i64, i64, i64, text]),
    }
    for name, (result, arguments) in signatures.items():
        function = getattr(library, name)
        function.restype, function.argtypes = result, arguments


def _check(status: int, **facts: object) -> None:
    """Raise what `status` of idembed.h means; the callers give the better messages first."""
    if status == _OK:
        return
    if status == _ISA:
        raise NativeLibraryError(
            "this instruction set cannot be used here", hint=f"one of: {', '.join(available_isas())}", **facts
        )
    if status == _NOT_FINITE:
        raise ModelError("a vector is not finite", hint="it holds NaN or infinity, or its norm overflows", **facts)
    if status == _MEMORY:
        raise MemoryError("the native library ran out of memory")
    raise IdembedError(f"the native library refused the call (status {status})", hint="", **facts)


def isa() -> str:
    """Name of the instruction set in use unless a call names another."""
    return str(_library().idembed_isa().decode())


def available_isas() -> tuple[str, ...]:
    """All instruction sets that this CPU can run, widest first; always ends with ``scalar``."""
    return tuple(_library().idembed_isas().decode().split(","))


def default_threads() -> int:
    """The smaller of the CPUs this process may run on and its cgroup's quota, at least 1."""
    cpus = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    quota = _cgroup_quota(Path("/sys/fs/cgroup"))
    return max(1, cpus if quota is None else min(cpus, math.ceil(quota)))


def _cgroup_quota(root: Path) -> float | None:
    """CPUs allowed by cgroup v2 (`cpu.max`) or v1 (`cpu.cfs_quota_us`); None without a limit."""
    try:
        if (root / "cpu.max").exists():
            quota, period = (root / "cpu.max").read_text().split()
        else:
            quota = (root / "cpu" / "cpu.cfs_quota_us").read_text()
            period = (root / "cpu" / "cpu.cfs_period_us").read_text()
        return None if quota == "max" or int(quota) <= 0 else int(quota) / int(period)
    except (OSError, ValueError, ZeroDivisionError):
        return None


def _threads(threads: int | None) -> int:
    if threads is None:
        return default_threads()
    if threads < 1:
        raise ValueError(f"threads must be at least 1, not {threads}")
    return min(threads, 1024)


def _isa(name: str | None) -> bytes | None:
    return None if name is None else name.encode()


# ---- encoder ----------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class EncoderConfig:
    """Shape of a BERT-family encoder with exact (erf) GELU.

    `hidden`, `hidden / heads` and `intermediate` must be multiples of 16.
    """

    vocab: int
    positions: int
    types: int
    hidden: int
    layers: int
    heads: int
    intermediate: int
    pooling: Literal["mean", "cls", "max"] = "mean"
    normalize: bool = True
    layer_norm_eps: float = 1e-12

    def __post_init__(self) -> None:
        for name in ("vocab", "positions", "types", "hidden", "heads", "intermediate"):
            if not 1 <= getattr(self, name) < 2**31:
                raise ModelError(f"encoder {name} must be at least 1, not {getattr(self, name)}")
        if not 0 <= self.layers <= 1024:
            raise ModelError(f"encoder layers must be 0 to 1024, not {self.layers}")
        if self.hidden % (16 * self.heads) or self.intermediate % 16:
            raise UnsupportedModelError(
                "this encoder shape is not supported",
                hint="hidden / heads and intermediate must be multiples of 16",
                hidden=self.hidden,
                heads=self.heads,
                intermediate=self.intermediate,
            )
        if self.pooling not in _POOLING:
            raise ModelError(f"unknown pooling {self.pooling!r}", hint="mean, cls or max")
        if not 0 < self.layer_norm_eps < 1:
            raise ModelError(f"layer_norm_eps must be between 0 and 1, not {self.layer_norm_eps}")


def tensor_shapes(config: EncoderConfig) -> dict[str, tuple[int, ...]]:
    """The tensors an `Encoder` takes, in its order, by their names in BERT checkpoints (no ``bert.``)."""
    hidden, inner = config.hidden, config.intermediate

    def linear(name: str, out: int, into: int) -> dict[str, tuple[int, ...]]:
        return {f"{name}.weight": (out, into), f"{name}.bias": (out,)}

    def layer_norm(name: str) -> dict[str, tuple[int, ...]]:
        return {f"{name}.weight": (hidden,), f"{name}.bias": (hidden,)}

    shapes: dict[str, tuple[int, ...]] = {
        "embeddings.word_embeddings.weight": (config.vocab, hidden),
        "embeddings.position_embeddings.weight": (config.positions, hidden),
        "embeddings.token_type_embeddings.weight": (config.types, hidden),
        **layer_norm("embeddings.LayerNorm"),
    }
    for i in range(config.layers):
        layer = f"encoder.layer.{i}"
        for part in ("query", "key", "value"):
            shapes |= linear(f"{layer}.attention.self.{part}", hidden, hidden)
        shapes |= linear(f"{layer}.attention.output.dense", hidden, hidden)
        shapes |= layer_norm(f"{layer}.attention.output.LayerNorm")
        shapes |= linear(f"{layer}.intermediate.dense", inner, hidden)
        shapes |= linear(f"{layer}.output.dense", hidden, inner)
        shapes |= layer_norm(f"{layer}.output.LayerNorm")
    return shapes


class Encoder:
    """A checkpoint packed for the forward pass; may be used by several threads at once.

    `tensors` are float32 arrays in the order and shapes of `tensor_shapes(config)`; they are copied.
    Raises `ModelError` for a wrong shape or a weight that is not finite.
    """

    __slots__ = ("__weakref__", "_finalizer", "_handle", "config", "isa")

    def __init__(self, config: EncoderConfig, tensors: Sequence[Floats], *, isa: str | None = None) -> None:
        library = _library()
        shapes = tensor_shapes(config)
        if len(tensors) != len(shapes):
            raise ModelError(f"an encoder of {config.layers} layers has {len(shapes)} tensors, not {len(tensors)}")
        for (name, shape), tensor in zip(shapes.items(), tensors, strict=True):
            if tensor.dtype != np.float32 or tensor.shape != shape:
                raise ModelError(
                    f"tensor {name} must be float32 {list(shape)}, not {tensor.dtype} {list(tensor.shape)}"
                )
        arrays = [np.ascontiguousarray(tensor) for tensor in tensors]
        addresses = (ctypes.c_void_p * len(arrays))(*(array.ctypes.data for array in arrays))
        layout = _Config(
            *(config.vocab, config.positions, config.types, config.hidden, config.layers, config.heads),
            *(config.intermediate, _POOLING[config.pooling], config.normalize, config.layer_norm_eps),
        )
        handle = ctypes.c_void_p()
        status = library.idembed_encoder_new(
            ctypes.byref(layout), addresses, len(arrays), _isa(isa), ctypes.byref(handle)
        )
        if status == _NOT_FINITE:
            bad = next(n for n, a in zip(shapes, arrays, strict=True) if not np.isfinite(a).all())
            raise ModelError(
                f"tensor {bad} holds infinite or NaN weights",
                hint="the checkpoint is damaged; fetch it again",
            )
        _check(status, isa=isa)
        self.config: Final = config
        self.isa: Final = isa or _isa_in_use()
        self._handle: Final = handle
        self._finalizer = weakref.finalize(self, library.idembed_encoder_free, handle)

    def forward(self, tokens: NDArray[np.int32], offsets: NDArray[np.int64], threads: int | None = None) -> Floats:
        """Vectors float32 [n, hidden]; text i has the token ids ``tokens[offsets[i]:offsets[i + 1]]``.

        `tokens` is int32 [total], `offsets` int64 [n + 1] from 0 to total. A vector depends on its own text
        only. Raises `ModelError` for an id outside the vocabulary, and for a text of no tokens or of more
        than `positions`.
        """
        tokens = np.ascontiguousarray(tokens, dtype=np.int32)
        offsets = np.ascontiguousarray(offsets, dtype=np.int64)
        if tokens.ndim != 1 or offsets.ndim != 1 or len(offsets) == 0:
            raise ValueError("tokens must be int32 [total] and offsets int64 [n + 1]")
        if offsets[0] != 0 or offsets[-1] != len(tokens):
            raise ValueError(f"offsets must go from 0 to {len(tokens)}, not {offsets[0]} to {offsets[-1]}")
        n = len(offsets) - 1
        out = np.empty((n, self.config.hidden), np.float32)
        status = _library().idembed_encoder_forward(
            self._handle, tokens.ctypes.data, offsets.ctypes.data, n, out.ctypes.data, _threads(threads)
        )
        if status != _OK:
            self._explain(status, tokens, offsets)
        return out

    def _explain(self, status: int, tokens: NDArray[np.int32], offsets: Ints) -> None:
        lengths = np.diff(offsets)
        if status == _TOKEN:
            where = int(np.flatnonzero((tokens < 0) | (tokens >= self.config.vocab))[0])
            text = int(np.searchsorted(offsets, where, side="right")) - 1
            raise ModelError(
                f"token id {tokens[where]} of text {text} is not in the vocabulary of {self.config.vocab}",
                hint="the tokenizer belongs to another checkpoint",
            )
        if status == _LENGTH:
            text = int(np.flatnonzero((lengths < 1) | (lengths > self.config.positions))[0])
            raise ModelError(
                f"text {text} has {lengths[text]} tokens; this encoder takes 1 to {self.config.positions}",
                hint="truncate texts to the checkpoint's maximum length",
            )
        if status == _NOT_FINITE:
            raise ModelError("a vector overflowed float32", hint="the checkpoint's weights are out of range")
        if status == _ARGUMENT:
            raise ValueError("offsets must not decrease")
        _check(status)


def _isa_in_use() -> str:
    return isa()


# ---- search -----------------------------------------------------------------------------------------------


def scores(
    matrix: Floats,
    query: Floats,
    *,
    mask: NDArray[np.bool_] | NDArray[np.uint8] | None = None,
    threads: int | None = None,
    isa: str | None = None,
) -> Floats:
    """Inner products of `query` with every row of `matrix`.

    `matrix` is float32 [rows, dim], its rows contiguous but perhaps apart (a slice of a wider one). `query`
    is float32 [dim] for a result [rows], or [queries, dim] for [queries, rows]. Where `mask` [rows] is false
    the score is -inf and the row is not read. One score is the same bits however it is computed.
    """
    if matrix.dtype != np.float32 or matrix.ndim != 2:
        raise ValueError(f"matrix must be float32 [rows, dim], not {matrix.dtype} {list(matrix.shape)}")
    rows, dim = matrix.shape
    if matrix.size and dim > 1 and matrix.strides[1] != 4:
        raise ValueError("the rows of the matrix must be contiguous")
    if query.dtype != np.float32 or query.ndim not in (1, 2) or query.shape[-1] != dim:
        raise ValueError(f"query must be float32 [{dim}], not {query.dtype} {list(query.shape)}")
    stride = matrix.strides[0] // 4 if rows > 1 and dim else dim
    if stride < dim or matrix.strides[0] % 4:
        matrix, stride = np.ascontiguousarray(matrix), dim
    queries = np.ascontiguousarray(query.reshape(-1, dim))
    if mask is not None and (mask.shape != (rows,) or mask.dtype not in (np.bool_, np.uint8)):
        raise ValueError(f"mask must be bool [{rows}], not {mask.dtype} {list(mask.shape)}")
    kept = None if mask is None else np.ascontiguousarray(mask)
    out = np.empty((len(queries), rows), np.float32)
    status = _library().idembed_scores(
        matrix.ctypes.data,
        rows,
        dim,
        stride,
        queries.ctypes.data,
        len(queries),
        None if kept is None else kept.ctypes.data,
        out.ctypes.data,
        _threads(threads),
        _isa(isa),
    )
    _check(status, isa=isa)
    return out[0] if query.ndim == 1 else out


class TopK(NamedTuple):
    """The k best scores with all their ties: take `above`, then ``k - len(above)`` of `tied` by row id.

    `above` holds positions whose score is above `threshold`, best first (equals by position), always fewer
    than k. `tied` holds every position whose score equals it, ascending. NaN and -inf are never returned;
    when fewer than k scores are left, both together hold them all.
    """

    above: Ints
    tied: Ints
    threshold: float


def top_k(scores: Floats, k: int) -> TopK:
    """Positions of the `k` best of `scores` (float32 [n]), never cutting between equals; see `TopK`."""
    scores = np.ascontiguousarray(scores)
    if scores.dtype != np.float32 or scores.ndim != 1:
        raise ValueError(f"scores must be float32 [n], not {scores.dtype} {list(scores.shape)}")
    if k < 1:
        raise ValueError(f"k must be at least 1, not {k}")
    k = min(k, max(len(scores), 1))
    above = np.empty(k, np.int64)
    tied = np.empty(k + 256, np.int64)
    n_above, n_tied, threshold = ctypes.c_int64(), ctypes.c_int64(), ctypes.c_float()
    while True:
        status = _library().idembed_top_k(
            scores.ctypes.data,
            len(scores),
            k,
            above.ctypes.data,
            ctypes.byref(n_above),
            tied.ctypes.data,
            len(tied),
            ctypes.byref(n_tied),
            ctypes.byref(threshold),
        )
        _check(status)
        if n_tied.value <= len(tied):
            return TopK(above[: n_above.value], tied[: n_tied.value].copy(), threshold.value)
        tied = np.empty(n_tied.value, np.int64)


def normalize(vectors: Floats, *, isa: str | None = None) -> Floats:
    """A copy of `vectors` (float32 [n, dim] or [dim]), each divided by max(its Euclidean norm, 1e-12)."""
    if vectors.dtype != np.float32 or vectors.ndim not in (1, 2):
        raise ValueError(f"vectors must be float32 [n, dim], not {vectors.dtype} {list(vectors.shape)}")
    out = np.array(vectors, dtype=np.float32, order="C", copy=True)
    dim = out.shape[-1]
    n = 1 if out.ndim == 1 else len(out)
    _check(_library().idembed_normalize(out.ctypes.data, n, dim, dim, _isa(isa)), isa=isa)
    return out
