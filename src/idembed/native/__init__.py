"""The native core: encoder forward pass, exact inner products and top-k, training of word vectors, by ctypes.

Results are the same bits for any number of threads, any batch and any instruction set (docs/numerics.md).
The library is loaded at first use, and the GIL is released while it runs.

Two environment variables are read when it is loaded: ``IDEMBED_ISA`` (``scalar``, ``avx2``, ``avx512`` or
``neon``) forces an instruction set, and ``IDEMBED_LIBRARY`` names another library file, for development of
the core.
"""

from __future__ import annotations

from idembed.native.encoder import Encoder, EncoderConfig, tensor_shapes
from idembed.native.library import ABI, available_isas, default_threads, isa
from idembed.native.search import TopK, normalize, scores, top_k

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
