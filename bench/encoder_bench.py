"""What all parts of bench/encoder.py share: the texts, the engines in their processes, and what was found."""

from __future__ import annotations

import json
import statistics
import sys
import time
from pathlib import Path
from typing import Any

from encoder_texts import workloads
from peers import Worker, minilm

FP32 = ("sentence_transformers", "onnxruntime", "openvino", "ctranslate2", "fastembed")
NARROW = ("onnxruntime_int8", "openvino_bf16", "openvino_int8", "ctranslate2_int8")
PEERS = FP32 + NARROW
OURS = {"f32-1": "idembed", "i16-1": "idembed_i16", "i8-1": "idembed_i8"}

Times = dict[str, list[float]]
"""Seconds of each engine, a number a round."""


class Bench:
    """The options, ``loads`` (name: Workload) and their ``files``; the engines that were asked for, each started once
    for a number of threads; ``found`` for the last line, and in ``profiles`` what belongs to one of ours."""

    def __init__(self, options: Any, folder: Path) -> None:
        self.rounds, self.threads, self.texts = options.rounds, options.threads, options.texts
        self.model = minilm()
        self.loads = workloads(options.data, self.model)
        self.folder = folder
        self.files = {name: self.saved(name, load.texts) for name, load in self.loads.items()}
        self.missing = _missing(self.model)
        for profile, why in self.missing.items():
            print(f"profile {profile} is missing: {why}")
        wanted = options.engines.split(",") if options.engines else [*OURS.values(), *PEERS]
        if unknown := set(wanted) - {*OURS.values(), *PEERS}:
            raise SystemExit(f"there is no engine {min(unknown)}; engines are {', '.join([*OURS.values(), *PEERS])}")
        self.ours = {p: e for p, e in OURS.items() if p not in self.missing and (e in wanted or p == "f32-1")}
        self.peers = [peer for peer in PEERS if peer in wanted]
        self.engines = [*self.ours.values(), *self.peers]
        self.found: dict[str, Any] = {}
        self.profiles: dict[str, dict[str, Any]] = {profile: {} for profile in self.ours}
        self._workers: dict[tuple[str, int], Worker] = {}

    def saved(self, name: str, content: Any) -> str:
        """A JSON file of it."""
        file = self.folder / f"{name}.json"
        file.write_text(json.dumps(content))
        return str(file)

    def ask(self, engine: str, threads: int, **command: Any) -> Any:
        """What the engine answers; it is started when need be."""
        key = (engine, threads)
        if key not in self._workers:
            say(f"starting {engine} with {threads} thread{'s' if threads > 1 else ''}")
            self._workers[key] = Worker(engine, self.model, threads)
        return self._workers[key].ask(**command)

    def seconds(self, engine: str, load: str, threads: int | None = None) -> float:
        """What one ``encode`` of the workload takes."""
        answer = self.ask(engine, threads or self.threads, encode=self.files[load])
        return float(answer["seconds"])

    def close(self) -> None:
        """End the engines."""
        for worker in self._workers.values():
            worker.close()
        self._workers.clear()


def turns(number: int, engines: list[str]) -> list[str]:
    """The engines in the order of a round: each is first once."""
    at = number % len(engines)
    return engines[at:] + engines[:at]


def ratio(times: Times, ours: str, other: str) -> float:
    """How many times longer the other took, the median of the rounds."""
    return statistics.median(b / a for a, b in zip(times[ours], times[other], strict=True))


def against(times: Times, ours: str) -> dict[str, Any]:
    """How many times longer each peer took, and the least of these: of the float32 ones, and of all."""
    each = {peer: round(ratio(times, ours, peer), 3) for peer in PEERS if peer in times}
    found: dict[str, Any] = {"times_faster_than": each}
    for name, peers in (("fastest_fp32", FP32), ("fastest", PEERS)):
        if among := {peer: each[peer] for peer in peers if peer in each}:
            best = min(among, key=among.__getitem__)
            found[name] = {"peer": best, "times": among[best]}
    return found


def say(line: str) -> None:
    """Progress, apart from what is found."""
    print(f"{time.strftime('%H:%M:%S')} {line}", file=sys.stderr, flush=True)


def _missing(model: Path) -> dict[str, str]:
    """The profiles that cannot be had, and what was said."""
    from idembed import load
    from idembed.errors import IdembedError

    found = {}
    for profile in OURS:
        try:
            load(model, profile=profile)
        except IdembedError as error:
            found[profile] = str(error).splitlines()[0]
    return found
