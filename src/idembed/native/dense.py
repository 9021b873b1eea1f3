"""A linear layer behind the pooling."""

from __future__ import annotations

import ctypes
import weakref
from typing import TYPE_CHECKING, Final, Literal, TypeAlias, get_args

import numpy as np

from idembed.errors import ModelError
from idembed.native.library import Status, check, isa_name, library

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Floats = NDArray[np.float32]

__all__ = ["ACTIVATIONS", "Activation", "Dense"]

Activation: TypeAlias = Literal["identity", "tanh"]
ACTIVATIONS: Final[tuple[Activation, ...]] = get_args(Activation)
"""In the order of idembed.h."""


class Dense:
    """``activation(x W^T + bias)``, packed; may be used by several threads at once.

    ``weight`` is float32 [out, in], ``bias`` float32 [out] or None; they are copied. Raises ModelError for another
    shape and for weights that are not finite.
    """

    __slots__ = ("__weakref__", "_finalizer", "_handle", "into", "out")

    def __init__(self, weight: Floats, bias: Floats | None, activation: Activation, *, isa: str | None = None) -> None:
        if weight.dtype != np.float32 or weight.ndim != 2 or 0 in weight.shape:
            raise ModelError(f"a weight must be float32 [out, in], not {weight.dtype} {list(weight.shape)}")
        self.out, self.into = weight.shape
        if bias is not None and (bias.dtype != np.float32 or bias.shape != (self.out,)):
            raise ModelError(f"a bias must be float32 [{self.out}], not {bias.dtype} {list(bias.shape)}")
        weight, bias = np.ascontiguousarray(weight), None if bias is None else np.ascontiguousarray(bias)
        core, handle = library(), ctypes.c_void_p()
        status = core.idembed_dense_new(
            *(self.into, self.out, ACTIVATIONS.index(activation), weight.ctypes.data),
            *(None if bias is None else bias.ctypes.data, isa_name(isa), ctypes.byref(handle)),
        )
        if status == Status.NOT_FINITE:
            raise ModelError(
                "a Dense module holds infinite or NaN weights", hint="the checkpoint is damaged; fetch it again"
            )
        check(status, isa=isa)
        self._handle: Final = handle
        self._finalizer = weakref.finalize(self, core.idembed_dense_free, handle)

    def __call__(self, vectors: Floats) -> Floats:
        """float32 [n, out] from float32 [n, in]. Raises ModelError when a number overflows."""
        if vectors.ndim != 2 or vectors.shape[1] != self.into:
            raise ValueError(f"vectors must be float32 [n, {self.into}], not {list(vectors.shape)}")
        vectors = np.ascontiguousarray(vectors, np.float32)
        made = np.empty((len(vectors), self.out), np.float32)
        status = library().idembed_dense_apply(self._handle, vectors.ctypes.data, len(vectors), made.ctypes.data)
        if status == Status.NOT_FINITE:
            raise ModelError("a vector overflowed float32", hint="the checkpoint's weights are out of range")
        check(status)
        return made
