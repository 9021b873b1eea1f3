"""What the numerics tests share: tiny random checkpoints, and the library's parts one by one."""

from __future__ import annotations

import ctypes
import platform
from collections.abc import Sequence
from functools import cache

import numpy as np

from idembed import native
from idembed.native.library import library
from oracle import bert_numpy, canonical, whole

POSITIONS = 40

if platform.machine().lower() in ("aarch64", "arm64"):  # FPCR
    FLUSH, UP, TOWARDS_ZERO = 1 << 24, 1 << 22, 3 << 22
else:  # MXCSR: flush to zero and denormals are zero
    FLUSH, UP, TOWARDS_ZERO = 1 << 15 | 1 << 6, 2 << 13, 3 << 13


def bits(x: np.ndarray | Sequence[float] | float) -> np.ndarray:
    """The 32 bits of each float, so that -0, NaN and the last bit count."""
    return np.ascontiguousarray(x, np.float32).view(np.uint32)


# ---- checkpoints ------------------------------------------------------------------------------------------


def config(**changes: object) -> native.EncoderConfig:
    shape: dict = {"vocab": 100, "positions": POSITIONS, "types": 2, "hidden": 32, "layers": 2, "heads": 2}
    return native.EncoderConfig(**{**shape, "intermediate": 64, **changes})


def tensors(config: native.EncoderConfig, seed: int = 0) -> list[np.ndarray]:
    random = np.random.default_rng(seed)
    made = []
    for name, shape in native.tensor_shapes(config).items():
        spread = 0.3 if len(shape) == 2 else 0.1
        centre = 1.0 if name.endswith("LayerNorm.weight") else 0.0
        made.append((centre + spread * random.standard_normal(shape)).astype(np.float32))
    return made


def encoder(isa: str | None = None, seed: int = 0, **changes: object) -> native.Encoder:
    made = config(**changes)
    return native.Encoder(made, tensors(made, seed), isa=isa)


def texts(lengths: Sequence[int], vocab: int = 100, seed: int = 0) -> list[np.ndarray]:
    random = np.random.default_rng(seed)
    return [random.integers(0, vocab, length).astype(np.int32) for length in lengths]


def random_texts(n: int, longest: int = POSITIONS, seed: int = 0) -> list[np.ndarray]:
    return texts(np.random.default_rng(seed).integers(1, longest + 1, n).tolist(), seed=seed)


def forward(encoder: native.Encoder, batch: Sequence[np.ndarray], threads: int = 1) -> np.ndarray:
    tokens = np.concatenate([np.empty(0, np.int32), *batch])
    offsets = np.cumsum([0, *map(len, batch)], dtype=np.int64)
    return encoder.forward(tokens, offsets, threads)


@cache
def canonical_forward(config: native.EncoderConfig, seed: int, length: int) -> np.ndarray:
    """The oracle's vector of `texts([length])` with `tensors(config, seed)`."""
    checkpoint = canonical.Checkpoint(
        *(config.heads, config.layers, config.pooling, config.normalize, config.layer_norm_eps),
        tensors(config, seed),
        config.relative,
    )
    tokens = texts([length])[0].tolist()
    if config.profile == "f32-1":
        return np.array(canonical.forward(checkpoint, tokens), np.float32)
    return np.array(whole.int_forward(checkpoint, tokens, config.profile), np.float32)


def numpy_forward(config: native.EncoderConfig, weights: list[np.ndarray], text: np.ndarray) -> np.ndarray:
    return bert_numpy.forward(
        weights,
        text,
        layers=config.layers,
        heads=config.heads,
        pooling=config.pooling,
        normalize=config.normalize,
        eps=config.layer_norm_eps,
    )


# ---- the parts --------------------------------------------------------------------------------------------

PROFILES = {"f32-1": 0, "i16-1": 1, "i8-1": 2}
_FUNCTIONS = {"exp": 0, "erf": 1, "gelu": 2, "tanh": 3, "int_gelu": 4}


def _call(name: str, *arguments: object) -> None:
    """Arrays go as addresses, ints as int64, floats as float."""
    converted: list[object] = []
    for a in arguments:
        if isinstance(a, np.ndarray):
            assert a.flags.c_contiguous
            converted.append(ctypes.c_void_p(a.ctypes.data))
        elif isinstance(a, int):
            converted.append(ctypes.c_int64(a))
        elif isinstance(a, float):
            converted.append(ctypes.c_float(a))
        else:
            converted.append(a)
    status = getattr(library(), name)(*converted)
    assert status == 0, f"{name}: status {status}"


def apply(function: str, x: np.ndarray, isa: str) -> np.ndarray:
    x = np.ascontiguousarray(x, np.float32)
    out = np.empty_like(x)
    _call("idembed_test_map", isa.encode(), ctypes.c_int32(_FUNCTIONS[function]), x, out, x.size)
    return out


def fma(a: np.ndarray, b: np.ndarray, c: np.ndarray, isa: str) -> np.ndarray:
    out = np.empty_like(a)
    _call("idembed_test_fma", isa.encode(), a, b, c, out, a.size)
    return out


def softmax(x: np.ndarray, scale: float, isa: str, bias: np.ndarray | None = None) -> tuple[np.ndarray, np.ndarray]:
    """`bias` [rows - 1 + n]: that of row r begins at rows - 1 - r."""
    numerators, inverse = np.empty_like(x), np.empty(len(x), np.float32)
    _call("idembed_test_softmax", isa.encode(), x, scale, bias, numerators, inverse, *x.shape)
    return numerators, inverse


def add_layer_norm(
    x: np.ndarray, change: np.ndarray, gamma: np.ndarray, beta: np.ndarray, eps: float, isa: str
) -> np.ndarray:
    out = np.empty_like(x)
    _call("idembed_test_layer_norm", isa.encode(), change, x, gamma, beta, eps, out, *x.shape)
    return out


def linear(x: np.ndarray, weight: np.ndarray, bias: np.ndarray, isa: str, *, gelu: bool = False) -> np.ndarray:
    out = np.empty((len(x), len(weight)), np.float32)
    _call(
        "idembed_test_linear",
        *(isa.encode(), x, weight, bias, ctypes.c_int32(gelu), out),
        *(len(x), x.shape[1], len(weight)),
    )
    return out


def int_linear(x: np.ndarray, weight: np.ndarray, bias: np.ndarray, isa: str, profile: str) -> np.ndarray:
    out = np.empty((len(x), len(weight)), np.float32)
    _call(
        "idembed_test_int_linear",
        *(isa.encode(), ctypes.c_int32(PROFILES[profile]), x, weight, bias, out),
        *(len(x), x.shape[1], len(weight)),
    )
    return out


def float_mode(mode: int | None = None) -> int:
    """This thread's MXCSR or FPCR, after setting it if asked."""
    function = library().idembed_test_float_mode
    function.restype = ctypes.c_uint64
    before = function(None)
    if mode is not None:
        function(ctypes.byref(ctypes.c_uint64(mode)))
    return int(before)
