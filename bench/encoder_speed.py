"""The parts of bench/encoder.py that measure engines which run already."""

from __future__ import annotations

import statistics
from typing import Any

import encoder_peak
import numpy as np
from encoder_bench import FP32, Bench, Times, against, ratio, say, turns
from encoder_peak import Peak
from engines import SETTINGS

LOADS = ("short", "long", "mixed")
LEAST_FP32, LEAST_NARROW = 0.999, 0.95
"""The cosine to our float32 that a peer's vectors have at least."""
OWN_BATCHES = ("sentence_transformers", "fastembed")
"""Those that make batches themselves, of so many texts."""
KINDS = {"f32-1": "fp32", "i16-1": "int16", "i8-1": "int8"}
"""What the peak of a profile is counted in."""


def check(bench: Bench) -> None:
    """Raises SystemExit naming an engine whose vectors are others."""
    bench.found["settings"] = {engine: SETTINGS[engine].shown() for engine in bench.engines}
    bench.found["lowest_cosine"] = {}
    ours: Any = None
    for engine in bench.engines:
        out = str(bench.folder / "vectors.npy")
        bench.ask(engine, bench.threads, encode=bench.files["check"], out=out)
        vectors = np.load(out).astype(np.float64)
        ours = vectors if ours is None else ours
        cosine = float(np.einsum("ij,ij->i", ours, vectors).min())
        bench.found["lowest_cosine"][engine] = round(cosine, 7)
        print(f"check    {engine:22} lowest cosine {cosine:.7f}   {SETTINGS[engine].shown()}", flush=True)
        away = float(np.abs(np.linalg.norm(vectors, axis=1) - 1).max())
        if cosine < (LEAST_FP32 if engine in FP32 else LEAST_NARROW) or away > 1e-3:
            raise SystemExit(f"{engine} computes something else: cosine {cosine:.4f}, lengths off by up to {away:.1e}")


def throughput(bench: Bench) -> None:
    peak = encoder_peak.compiled()
    if not peak:
        say("there is no C compiler: shares of the peak are left out")
    bench.found["tokens_per_s"] = {}
    every: list[Peak] = []
    for load in LOADS:
        times: Times = {engine: [] for engine in bench.engines}
        peaks: list[Peak] = []
        for engine in bench.engines:  # with the same texts, for some compile something for each shape
            bench.seconds(engine, load)
        for number in range(bench.rounds):
            say(f"{load}, round {number + 1} of {bench.rounds}")
            if peak:
                peaks.append(encoder_peak.measured(bench.threads))
            for engine in turns(number, bench.engines):
                times[engine].append(bench.seconds(engine, load))
        tokens = bench.loads[load].tokens
        rates = {engine: round(tokens / statistics.median(times[engine])) for engine in bench.engines}
        bench.found["tokens_per_s"][load] = rates
        for engine in bench.engines:
            ratios = "  ".join(f"{p} {ratio(times, o, engine):5.2f} x" for p, o in bench.ours.items())
            least, most = min(times[engine]), max(times[engine])
            print(f"{load:8} {engine:22} {rates[engine]:8,} tokens/s, {least:.2f} to {most:.2f} s; ours: {ratios}")
        for profile, engine in bench.ours.items():
            part = {"tokens_per_s": rates[engine], **against(times, engine)}
            part |= _shares(bench, load, profile, times[engine], peaks)
            bench.profiles[profile][load] = part
            print(f"{load:8} {profile}: share of the peak {part.get('of_peak', 'unknown')}", flush=True)
        every += peaks
    bench.found["peak_gops"] = {
        kind: round(statistics.median(float(p[kind] or 0) for p in every) / 1e9, 1) for kind in every[:1] and every[0]
    }


def _shares(bench: Bench, load: str, profile: str, seconds: list[float], peaks: list[Peak]) -> dict[str, float]:
    """Of the peak that the profile's numbers have, if all were computed in them; and if attention were in float32."""
    needs = encoder_peak.operations(bench.model, bench.loads[load].lengths)
    kind = KINDS[profile]
    all_narrow, attention_wide = [], []
    for peak, taken in zip(peaks, seconds, strict=False):
        narrow, wide = peak[kind], peak["fp32"]
        if not narrow or not wide:
            return {}
        all_narrow.append((needs.products + needs.attention) / narrow / taken)
        attention_wide.append((needs.products / narrow + needs.attention / wide) / taken)
    if not peaks:
        return {}
    found = {"of_peak": round(statistics.median(all_narrow), 3)}
    if kind != "fp32":
        found["of_peak_with_attention_in_fp32"] = round(statistics.median(attention_wide), 3)
    return found


def scaling(bench: Bench) -> None:
    for profile, engine in bench.ours.items():
        found = {}
        for load in LOADS:
            for threads in (1, bench.threads):
                bench.seconds(engine, load, threads)
            pairs = [[bench.seconds(engine, load, n) for n in (1, bench.threads)] for _ in range(bench.rounds)]
            found[load] = round(statistics.median(one / all_ for one, all_ in pairs), 3)
        bench.profiles[profile]["scaling"] = found
        print(f"scaling  {profile}, 1 to {bench.threads} threads: {found}", flush=True)


def query(bench: Bench) -> None:
    """Of 16 short texts, each a call of its own, the median; so in each round, whose medians' median is given."""
    times: Times = {engine: [] for engine in bench.engines}
    for engine in bench.engines:
        bench.ask(engine, 1, queries=bench.files["query"])
    for number in range(2 * bench.rounds):
        for engine in turns(number, bench.engines):
            seconds = bench.ask(engine, 1, queries=bench.files["query"])["seconds"]
            times[engine].append(statistics.median(seconds))
    bench.found["query_ms"] = {engine: round(1e3 * statistics.median(times[engine]), 3) for engine in bench.engines}
    for engine in bench.engines:
        print(f"query    {engine:22} {bench.found['query_ms'][engine]:8.3f} ms", flush=True)
    for profile, engine in bench.ours.items():
        bench.profiles[profile]["query"] = {"ms": bench.found["query_ms"][engine], **against(times, engine)}


def settings(bench: Bench) -> None:
    """Seconds of each peer's other settings over those of its own; below 1 are better ones."""
    bench.found["other_settings"] = {}
    for peer in bench.peers:
        if peer in OWN_BATCHES:
            others = [f"{peer}@batch={batch}" for batch in (4, 8, 16, 32)]
        else:
            others = [f"{peer}@tokens={n},streams={s}" for s in (1, bench.threads) for n in (256, 512, 1024, 4096)]
        found: dict[str, dict[str, float]] = {}
        for load in LOADS:
            times: Times = {engine: [] for engine in [peer, *others]}
            for engine in times:
                bench.seconds(engine, load)
            for number in range(bench.rounds):
                for engine in turns(number, [peer, *others]):
                    times[engine].append(bench.seconds(engine, load))
            found[load] = {other.partition("@")[2]: round(ratio(times, peer, other), 3) for other in others}
            print(f"settings {peer:22} {load:6} {found[load]}", flush=True)
        bench.found["other_settings"][peer] = found
        bench.close()
