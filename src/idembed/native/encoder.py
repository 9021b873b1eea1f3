"""The forward pass of BERT-family checkpoints."""

from __future__ import annotations

import ctypes
import weakref
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Literal

import numpy as np

from idembed.errors import ModelError, UnsupportedModelError
from idembed.native.library import Status, check, isa_name, library, thread_count
from idembed.native.library import isa as isa_in_use

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Floats = NDArray[np.float32]
    Ints = NDArray[np.int64]

__all__ = ["Encoder", "EncoderConfig", "tensor_shapes"]

_POOLING: Final = {"mean": 0, "cls": 1, "max": 2}


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


class _Config(ctypes.Structure):
    _fields_ = (
        *((name, ctypes.c_int32) for name in ("vocab", "positions", "types", "hidden", "layers", "heads")),
        *((name, ctypes.c_int32) for name in ("intermediate", "pooling", "normalize")),
        ("layer_norm_eps", ctypes.c_float),
    )


class Encoder:
    """A checkpoint packed for the forward pass; may be used by several threads at once.

    `tensors` are float32 arrays in the order and shapes of `tensor_shapes(config)`; they are copied.
    Raises `ModelError` for a wrong shape or a weight that is not finite.
    """

    __slots__ = ("__weakref__", "_finalizer", "_handle", "config", "isa")

    def __init__(self, config: EncoderConfig, tensors: Sequence[Floats], *, isa: str | None = None) -> None:
        core = library()
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
        status = core.idembed_encoder_new(
            ctypes.byref(layout), addresses, len(arrays), isa_name(isa), ctypes.byref(handle)
        )
        if status == Status.NOT_FINITE:
            bad = next(n for n, a in zip(shapes, arrays, strict=True) if not np.isfinite(a).all())
            raise ModelError(
                f"tensor {bad} holds infinite or NaN weights",
                hint="the checkpoint is damaged; fetch it again",
            )
        check(status, isa=isa)
        self.config: Final = config
        self.isa: Final = isa or isa_in_use()
        self._handle: Final = handle
        self._finalizer = weakref.finalize(self, core.idembed_encoder_free, handle)

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
        status = library().idembed_encoder_forward(
            self._handle, tokens.ctypes.data, offsets.ctypes.data, n, out.ctypes.data, thread_count(threads)
        )
        if status != Status.OK:
            self._explain(status, tokens, offsets)
        return out

    def _explain(self, status: int, tokens: NDArray[np.int32], offsets: Ints) -> None:
        lengths = np.diff(offsets)
        if status == Status.TOKEN:
            where = int(np.flatnonzero((tokens < 0) | (tokens >= self.config.vocab))[0])
            text = int(np.searchsorted(offsets, where, side="right")) - 1
            raise ModelError(
                f"token id {tokens[where]} of text {text} is not in the vocabulary of {self.config.vocab}",
                hint="the tokenizer belongs to another checkpoint",
            )
        if status == Status.LENGTH:
            text = int(np.flatnonzero((lengths < 1) | (lengths > self.config.positions))[0])
            raise ModelError(
                f"text {text} has {lengths[text]} tokens; this encoder takes 1 to {self.config.positions}",
                hint="truncate texts to the checkpoint's maximum length",
            )
        if status == Status.NOT_FINITE:
            raise ModelError("a vector overflowed float32", hint="the checkpoint's weights are out of range")
        if status == Status.ARGUMENT:
            raise ValueError("offsets must not decrease")
        check(status)
