"""What the encoder is to reach, and whether it does by what bench/encoder.py found."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

LOADS = ("short", "long", "mixed")
REFERENCE = "sentence_transformers"


@dataclass(frozen=True, slots=True)
class Goal:
    what: str
    found: float
    wanted: float
    least: bool = True

    @property
    def holds(self) -> bool:
        return self.found >= self.wanted if self.least else self.found <= self.wanted

    def shown(self) -> str:
        sign = "≥" if self.least else "≤"
        return f"{'holds' if self.holds else 'FAILS':6} {self.found:8.3f} {sign} {self.wanted:<6} {self.what}"


SPEED = {
    "f32-1": {"fastest_fp32": (1.3, 1.4, 1.4)},
    "i16-1": {"fastest": (1.1, 1.0, 1.1)},
    "i8-1": {"fastest": (1.7, 1.5, 1.7)},
}
"""How many times faster than the fastest peer of a class a profile is to be: short, long, mixed."""


def goals(profiles: dict[str, dict[str, Any]]) -> list[Goal]:
    """Of what was measured, each goal with what was found."""
    found = []
    for profile, parts in profiles.items():
        for at, load in enumerate(LOADS):
            if load not in parts:
                continue
            for kind, wanted in SPEED[profile].items():
                if best := parts[load].get(kind):
                    what = f"{profile} {load}: times the {kind.replace('_', ' ')} peer, {best['peer']}"
                    found.append(Goal(what, best["times"], wanted[at]))
            if profile == "f32-1":
                found += _of_f32(load, parts[load])
    parts = profiles["f32-1"]
    if "query" in parts:
        each = parts["query"]["times_faster_than"]
        found += [Goal(f"query: times {peer}", each[peer], 3 if peer == REFERENCE else 1.0) for peer in each]
    if "cold" in parts:
        found.append(
            Goal("first vector: share of bare ONNX Runtime's time", parts["cold"]["of_bare_onnxruntime"], 0.6, False)
        )
    if "memory_mb" in parts:
        most = max(parts["memory_mb"][name] for name in ("one_text", "a_large_batch", "most_in_iter"))
        found.append(Goal("memory: MB", most, 180, False))
        grown = parts["memory_mb"]["end_of_iter"] - parts["memory_mb"]["tenth_of_iter"]
        found.append(Goal("memory: MB that encode_iter grew by", grown, 1.0, False))
    if "scaling" in parts:
        found += [Goal(f"scaling, {load}", value, 1.85) for load, value in parts["scaling"].items()]
    return found


def _of_f32(load: str, part: dict[str, Any]) -> list[Goal]:
    each = part["times_faster_than"]
    found = [Goal(f"f32-1 {load}: times {REFERENCE}", each[REFERENCE], 1.75)] if REFERENCE in each else []
    return found + ([Goal(f"f32-1 {load}: share of the peak", part["of_peak"], 0.75)] if part.get("of_peak") else [])
