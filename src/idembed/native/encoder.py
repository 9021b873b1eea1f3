"""The forward pass of BERT-family checkpoints."""

from __future__ import annotations

import ctypes
import weakref
from collections.abc import Iterable
from typing import TYPE_CHECKING

import numpy as np

from idembed.errors import IntegrityError, ModelError
from idembed.native.block import pack
from idembed.native.library import Status, check, isa_name, library, thread_count
from idembed.native.library import isa as isa_in_use
from idembed.native.shape import EncoderConfig, c_config

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Bytes = NDArray[np.uint8]
    Floats = NDArray[np.float32]
    Ints = NDArray[np.int64]

__all__ = ["Encoder"]


class Encoder:
    """A checkpoint packed for the forward pass; may be used by several threads at once.

    `tensors` are float32 arrays in the order and shapes of `tensor_shapes(config)`; they are copied.
    Raises `ModelError` for a wrong shape or a weight that is not finite.
    """

    __slots__ = ("__weakref__", "_block", "_finalizer", "_handle", "config", "isa")

    def __init__(self, config: EncoderConfig, tensors: Iterable[Floats], *, isa: str | None = None) -> None:
        self._open(config, pack(config, tensors, isa=isa), isa)

    @classmethod
    def of_block(cls, config: EncoderConfig, block: Bytes, *, isa: str | None = None) -> Encoder:
        """The encoder of a packed block, uint8 [bytes], which is not copied and must stay as it is. Only its head is
        looked at (see `is_whole`): raises `IntegrityError` unless it is one of this shape and layout."""
        encoder = cls.__new__(cls)
        encoder._open(config, block, isa)
        return encoder

    def _open(self, config: EncoderConfig, block: Bytes, isa: str | None) -> None:
        core, handle = library(), ctypes.c_void_p()
        status = core.idembed_encoder_open(
            ctypes.byref(c_config(config)), isa_name(isa), block.ctypes.data, block.nbytes, ctypes.byref(handle)
        )
        if status == Status.BLOCK:
            raise IntegrityError("the packed weights are damaged, or packed for something else", hint="pack them again")
        check(status, isa=isa)
        self.config = config
        self.isa = isa or isa_in_use()
        self._block = block
        self._handle = handle
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
                hint="truncate texts to the checkpoint's maximum length"
                if lengths[text]
                else "give a text that has tokens",
            )
        if status == Status.NOT_FINITE:
            raise ModelError("a vector overflowed float32", hint="the checkpoint's weights are out of range")
        if status == Status.ARGUMENT:
            raise ValueError("offsets must not decrease")
        check(status)
