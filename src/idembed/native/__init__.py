"""The native core: encoder forward pass, exact inner products and top-k, training of word vectors, by ctypes.

Results are the same bits for any number of threads, any batch and any instruction set (docs/numerics.md).
The library is loaded at first use, and the GIL is released while it runs.

Two environment variables are read when it is loaded: ``IDEMBED_ISA`` (``scalar``, ``avx2``, ``avxvnni``,
``avx512``, ``avx512vnni``, ``neon`` or ``neondot``) forces an instruction set, and ``IDEMBED_LIBRARY`` names another
library file, for development of the core.
"""

from __future__ import annotations

from idembed.native.block import CHUNK, BlockKind, block_kind, is_whole, pack
from idembed.native.dense import ACTIVATIONS, Activation, Dense
from idembed.native.encoder import Encoder
from idembed.native.library import ABI, available_isas, default_threads, isa
from idembed.native.search import TopK, normalize, scores, top_k
from idembed.native.shape import RELATIVE_BUCKETS, EncoderConfig, Pooling, Profile, tensor_shapes

__all__ = [
    "ABI",
    "ACTIVATIONS",
    "CHUNK",
    "RELATIVE_BUCKETS",
    "Activation",
    "BlockKind",
    "Dense",
    "Encoder",
    "EncoderConfig",
    "Pooling",
    "Profile",
    "TopK",
    "available_isas",
    "block_kind",
    "default_threads",
    "is_whole",
    "isa",
    "normalize",
    "pack",
    "scores",
    "tensor_shapes",
    "top_k",
]
