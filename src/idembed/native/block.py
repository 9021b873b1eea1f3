"""Packed weights: one block of memory, as ``native/idembed.h`` lays it out, from tensors or from a file."""

from __future__ import annotations

import ctypes
import mmap
from collections.abc import Iterable
from contextlib import suppress
from typing import TYPE_CHECKING, Final, NamedTuple

import numpy as np

from idembed.errors import ModelError
from idembed.native.library import Status, check, isa_name, library
from idembed.native.shape import EncoderConfig, c_config, tensor_shapes

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Bytes = NDArray[np.uint8]
    Floats = NDArray[np.float32]

__all__ = ["CHUNK", "BlockKind", "block_kind", "is_whole", "pack"]

CHUNK: Final = 1 << 20
"""Bytes of a block that have a sum of their own."""

_ALL: Final = 1 << 40
"""Chunks, more than any block has."""


class BlockKind(NamedTuple):
    """``tensors`` are packed into ``bytes``. Blocks of one ``layout`` made from the same tensors are the same bytes; it
    differs between profiles, between some instruction sets, and when a later version packs otherwise."""

    tensors: int
    bytes: int
    layout: int


def block_kind(config: EncoderConfig, *, isa: str | None = None) -> BlockKind:
    """What the block of an encoder of this shape is on this instruction set."""
    tensors, size, layout = ctypes.c_int64(), ctypes.c_int64(), ctypes.c_int64()
    status = library().idembed_block_kind(
        ctypes.byref(c_config(config)),
        isa_name(isa),
        *(ctypes.byref(tensors), ctypes.byref(size), ctypes.byref(layout)),
    )
    check(status, isa=isa)
    return BlockKind(tensors.value, size.value, layout.value)


def pack(config: EncoderConfig, tensors: Iterable[Floats], *, isa: str | None = None) -> Bytes:
    """A new block, uint8 [bytes], of float32 tensors in the order and shapes of ``tensor_shapes(config)``, which are
    copied one after another. Raises ModelError for a wrong shape or a weight that is not finite."""
    core, layout, kernels = library(), c_config(config), isa_name(isa)
    names = list(tensor_shapes(config).items())
    block = _zeros(block_kind(config, isa=isa).bytes)
    count = 0
    for count, tensor in enumerate(tensors, 1):
        if count > len(names):
            break
        name, shape = names[count - 1]
        if tensor.dtype != np.float32 or tensor.shape != shape:
            raise ModelError(f"tensor {name} must be float32 {list(shape)}, not {tensor.dtype} {list(tensor.shape)}")
        array = np.ascontiguousarray(tensor)
        status = core.idembed_block_pack(ctypes.byref(layout), kernels, count - 1, array.ctypes.data, block.ctypes.data)
        if status == Status.NOT_FINITE:
            raise ModelError(
                f"tensor {name} holds infinite or NaN weights", hint="the checkpoint is damaged; fetch it again"
            )
        check(status)
    if count != len(names):
        raise ModelError(f"an encoder of {config.layers} layers has {len(names)} tensors, not {count}")
    check(core.idembed_block_seal(ctypes.byref(layout), kernels, block.ctypes.data))
    return block


def is_whole(block: Bytes, first: int = 0, count: int = _ALL, *, is_mapped: bool = False) -> bool:
    """Whether ``count`` chunks of CHUNK bytes from chunk ``first`` on are what was sealed: 5 ms for 100 MB. For a block
    that an Encoder was made of. Pages of a mapped file are given back as it goes on: a text needs few of those with
    word embeddings, and so they do not count as this process's memory."""
    status = library().idembed_block_check(block.ctypes.data, first, count, is_mapped)
    if status != Status.BLOCK:
        check(status)
    return bool(status == Status.OK)


def _zeros(size: int) -> Bytes:
    """On a page's boundary, and on huge pages where there are some: weights are read from end to end, and the hardware
    reads ahead no farther than a page. Raises MemoryError."""
    try:
        return np.frombuffer(_mapped(size), np.uint8)
    except OSError as error:
        raise MemoryError(f"there is no room for {size:,} bytes of packed weights") from error


def _mapped(size: int) -> mmap.mmap:
    if hasattr(mmap, "MAP_PRIVATE"):
        memory = mmap.mmap(-1, size, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)
        if hasattr(mmap, "MADV_HUGEPAGE"):
            with suppress(OSError):  # a kernel without: small pages do as well
                memory.madvise(mmap.MADV_HUGEPAGE)
    else:
        memory = mmap.mmap(-1, size)
    return memory
