"""The shape of a BERT-family encoder, and the tensors that it takes."""

from __future__ import annotations

import ctypes
from dataclasses import dataclass
from typing import Final, Literal, TypeAlias

from idembed.errors import ModelError, UnsupportedModelError

__all__ = ["RELATIVE_BUCKETS", "EncoderConfig", "Pooling", "Profile", "c_config", "tensor_shapes"]

Profile: TypeAlias = Literal["f32-1", "i16-1", "i8-1"]
"""The arithmetic, as docs/numerics.md specifies it."""
Pooling: TypeAlias = Literal["mean", "cls", "max", "mean_sqrt_len_tokens"]
RELATIVE_BUCKETS: Final = 32
"""How many biases a head has for the distances between two tokens (docs/numerics.md)."""
_POOLING: Final[dict[Pooling, int]] = {"mean": 0, "cls": 1, "max": 2, "mean_sqrt_len_tokens": 3}
_PROFILES: Final[dict[Profile, int]] = {"f32-1": 0, "i16-1": 1, "i8-1": 2}


@dataclass(frozen=True, slots=True)
class EncoderConfig:
    """Shape of a BERT-family encoder with exact (erf) GELU.

    `hidden`, `hidden / heads` and `intermediate` must be multiples of 16. `relative`: a bias by the distance of two
    tokens is added to their score, as in MPNet.
    """

    vocab: int
    positions: int
    types: int
    hidden: int
    layers: int
    heads: int
    intermediate: int
    pooling: Pooling = "mean"
    normalize: bool = True
    layer_norm_eps: float = 1e-12
    relative: bool = False
    profile: Profile = "f32-1"

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
            raise ModelError(f"unknown pooling {self.pooling!r}", hint=", ".join(_POOLING))
        if self.profile not in _PROFILES:
            raise ModelError(f"unknown profile {self.profile!r}", hint=", ".join(_PROFILES))
        if self.profile != "f32-1" and (self.positions > 2**18 or self.hidden // self.heads > 2**16):
            raise UnsupportedModelError(
                f"sums of whole numbers could overflow in profile {self.profile}",
                hint="it takes up to 262,144 positions and 65,536 features of a head; use profile f32",
                positions=self.positions,
                hidden=self.hidden,
                heads=self.heads,
            )
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
    if config.relative:
        shapes["encoder.relative_attention_bias.weight"] = (RELATIVE_BUCKETS, config.heads)
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
        *((name, ctypes.c_int32) for name in ("intermediate", "pooling", "normalize", "profile")),
        ("layer_norm_eps", ctypes.c_float),
        ("relative", ctypes.c_int32),
    )


def c_config(config: EncoderConfig) -> ctypes.Structure:
    """The same as ``idembed_config`` of idembed.h."""
    return _Config(
        *(config.vocab, config.positions, config.types, config.hidden, config.layers, config.heads),
        *(config.intermediate, _POOLING[config.pooling], config.normalize, _PROFILES[config.profile]),
        *(config.layer_norm_eps, config.relative),
    )
