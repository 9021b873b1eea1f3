"""Dense modules: what their files say, and their weights."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path
from typing import TypeGuard

import numpy as np
from numpy.typing import NDArray

from idembed import native
from idembed.errors import ModelError, UnsupportedModelError
from idembed.models.files import read_json
from idembed.models.tensors import opened_tensors, read_tensor
from idembed.models.unsupported import brief, refuse

__all__ = ["DenseShape", "dense_sha256", "open_dense", "read_dense"]

_ACTIVATIONS: dict[str, native.Activation] = {
    "torch.nn.modules.activation.Tanh": "tanh",
    "torch.nn.modules.linear.Identity": "identity",
}
_DEFAULT = "torch.nn.modules.activation.Tanh"
_WEIGHT, _BIAS = "linear.weight", "linear.bias"


@dataclass(frozen=True, slots=True)
class DenseShape:
    """A layer of ``into`` numbers that gives ``out``."""

    into: int
    out: int
    bias: bool
    activation: native.Activation


def read_dense(folder: Path) -> DenseShape:
    """What config.json of a Dense module says. Raises ModelError, and UnsupportedModelError for another activation."""
    config = read_json(folder / "config.json")
    activation = config.get("activation_function", _DEFAULT)
    if not isinstance(activation, str) or activation not in _ACTIVATIONS:
        refuse(f"a Dense module with the activation {brief(activation)}", ", ".join(_ACTIVATIONS))
    if config.get("use_residual", False) is not False:
        refuse("a Dense module with use_residual", "Dense modules without")
    for key in ("module_input_name", "module_output_name"):
        if config.get(key) not in (None, "sentence_embedding"):
            refuse(f"a Dense module with {key} {brief(config[key])}", "Dense modules of sentence_embedding")
    into, out, bias = config.get("in_features"), config.get("out_features"), config.get("bias", True)
    if not (_is_size(into) and _is_size(out) and isinstance(bias, bool)):
        raise ModelError(
            f"{folder.name}/config.json names no in_features, out_features and bias", hint="fetch the checkpoint again"
        )
    return DenseShape(into, out, bias, _ACTIVATIONS[activation])


def _is_size(value: object) -> TypeGuard[int]:
    return isinstance(value, int) and not isinstance(value, bool) and value > 0


def open_dense(file: Path, shape: DenseShape, *, isa: str | None = None) -> native.Dense:
    """The layer, ready to be computed. Raises as ``read_tensors`` of weights.py, and ModelError for weights that are
    not finite."""
    weight, bias = _read(file, shape)
    return native.Dense(weight, bias, shape.activation, isa=isa)


def dense_sha256(file: Path, shape: DenseShape) -> str:
    """SHA-256 over weight [out, in] and bias [out], zeros where there is none, as little-endian float32. Raises as
    ``open_dense``."""
    digest = hashlib.sha256()
    weight, bias = _read(file, shape)
    for tensor in (weight, np.zeros(shape.out, np.float32) if bias is None else bias):
        digest.update(np.ascontiguousarray(tensor, dtype="<f4").data)
    return digest.hexdigest()


def _read(file: Path, shape: DenseShape) -> tuple[NDArray[np.float32], NDArray[np.float32] | None]:
    wanted = {_WEIGHT: (shape.out, shape.into)} | ({_BIAS: (shape.out,)} if shape.bias else {})
    with opened_tensors([file]) as found:
        if set(found) != set(wanted):
            raise UnsupportedModelError(
                f"{file.parent.name} holds the tensors {brief(sorted(found))}, not {', '.join(wanted)}",
                hint="config.json and the weights belong to different checkpoints",
            )
        tensors = {name: read_tensor(found[name]) for name in wanted}
    for name, size in wanted.items():
        if tensors[name].shape != size:
            raise ModelError(
                f"tensor {name} of {file.parent.name} is {list(tensors[name].shape)}, but config.json makes it "
                f"{list(size)}",
                hint="config.json and the weights belong to different checkpoints",
            )
        if not np.isfinite(tensors[name]).all():
            raise ModelError(
                f"{file.parent.name} holds infinite or NaN weights", hint="the checkpoint is damaged; fetch it again"
            )
    return tensors[_WEIGHT], tensors.get(_BIAS)
