"""Weights in float16 and bfloat16 become float32 exactly: every finite number that they have."""

from __future__ import annotations

import struct
from pathlib import Path

import core
import numpy as np

import tiny
from idembed import native
from idembed.models.architectures import Layout
from idembed.models.weights import read_tensors

CONFIG = core.config(vocab=2048, positions=1, types=1, layers=0)  # word embeddings of 65,536 numbers
WORDS = next(iter(native.tensor_shapes(CONFIG)))


def words(folder: Path) -> np.ndarray:
    return next(iter(read_tensors([folder / "model.safetensors"], CONFIG, Layout()))).ravel()


def others() -> dict[str, np.ndarray]:
    return {name: np.ones(shape, np.float16) for name, shape in native.tensor_shapes(CONFIG).items()}


def test_every_float16_widens_exactly(tmp_path: Path) -> None:
    patterns = np.arange(65536, dtype="<u2")
    patterns[(patterns & 0x7C00) == 0x7C00] = 0  # infinities and NaNs are refused
    tiny.save_weights(tmp_path, others() | {WORDS: patterns.view(np.float16).reshape(2048, 32)})
    expected = [struct.unpack("<e", struct.pack("<H", pattern))[0] for pattern in patterns.tolist()]
    assert words(tmp_path).tobytes() == struct.pack("<65536f", *expected)


def test_every_bfloat16_widens_exactly(tmp_path: Path) -> None:
    patterns = np.arange(65536, dtype="<u2")
    patterns[(patterns & 0x7F80) == 0x7F80] = 0
    ones = {name: np.full(tensor.shape, 0x3F80, "<u2") for name, tensor in others().items()}
    tiny.save_bfloat16(tmp_path, ones | {WORDS: patterns.reshape(2048, 32)})
    assert words(tmp_path).tobytes() == b"".join(struct.pack("<HH", 0, pattern) for pattern in patterns.tolist())


def test_denormal_halves_survive_a_caller_who_flushes_denormals(tmp_path: Path) -> None:
    patterns = np.zeros(65536, "<u2")
    patterns[:1023] = np.arange(1, 1024)  # the denormal ones
    tiny.save_weights(tmp_path, others() | {WORDS: patterns.view(np.float16).reshape(2048, 32)})
    before = core.float_mode()
    core.float_mode(before | core.FLUSH)
    try:
        found = words(tmp_path).copy()
    finally:
        core.float_mode(before)
    assert core.bits(found[:1023]).tolist() == core.bits([n * 2.0**-24 for n in range(1, 1024)]).tolist()
