"""The bytes that a model's name stands for (``known.py``), compared with those that are there."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from idembed.errors import IntegrityError
from idembed.models.fingerprint import file_sha256
from idembed.models.known import Pin

__all__ = ["check_pins", "weights_and_rules"]


def check_pins(folder: Path, pins: Mapping[str, Pin], *, keep: bool) -> None:
    """Raise IntegrityError for the first file that is missing or has other bytes than the pinned ones.
    Hashes are remembered, so this costs reading the weights once a machine."""
    for name, pin in pins.items():
        path = folder / name
        got = file_sha256(path) if path.is_file() else "no such file"
        if path.is_file() and got != pin.sha256:
            got = file_sha256(path, anew=True)  # nothing is removed for what was remembered wrongly
        if got == pin.sha256:
            continue
        if not keep:
            import shutil

            shutil.rmtree(folder, ignore_errors=True)
        raise IntegrityError(
            f"{path}: expected SHA-256 {pin.sha256}, got {got}",
            hint="delete it yourself and load again, or load its folder by path if these bytes are wanted"
            if keep
            else "the folder was removed; load again, with a network, to fetch it anew",
            file=str(path),
            expected=pin.sha256,
            got=got,
        )


def weights_and_rules(pins: Mapping[str, Pin]) -> dict[str, Pin]:
    """Those that say what a text becomes: its tokens, and what is computed of them."""
    return {name: pin for name, pin in pins.items() if name in ("model.safetensors", "tokenizer.json")}
