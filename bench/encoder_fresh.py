"""What a process of its own takes: from its start to its first vector, and memory.

Ours and ONNX Runtime are short scripts that import what they need and nothing else, as a user would write them; the
others go through engines.py, which imports nothing that they do not.
"""

from __future__ import annotations

import json
import statistics
import subprocess
import time

from encoder_bench import Bench, Times, ratio, say, turns
from free import compile_package
from peers import ROOT, interpreter, surroundings

BARE_NAME = "onnxruntime_bare"
TEXT = "A cat sits on the mat."

OURS = """
import sys
from idembed import load
vector = load(sys.argv[1], profile={profile!r}, threads=int(sys.argv[2])).encode({text!r})
"""

BARE = """
import sys
import numpy as np
import onnxruntime
import tokenizers
tokenizer = tokenizers.Tokenizer.from_file(sys.argv[1] + "/tokenizer.json")
tokenizer.no_padding()
tokenizer.enable_truncation(256)
options = onnxruntime.SessionOptions()
options.intra_op_num_threads = int(sys.argv[2])
session = onnxruntime.InferenceSession(".bench/minilm/onnx/model.onnx", options, providers=["CPUExecutionProvider"])
ids = np.array([tokenizer.encode({text!r}).ids])
inputs = {{"input_ids": ids, "attention_mask": np.ones_like(ids), "token_type_ids": np.zeros_like(ids)}}
mean = session.run(None, inputs)[0][0].mean(axis=0)
vector = mean / np.linalg.norm(mean)
"""

ENGINE = """
import sys
sys.path.insert(0, "bench")
import engines
vector = engines.start({engine!r}, sys.argv[1], int(sys.argv[2]))([{text!r}])[0]
"""

END = """
assert abs(float((vector * vector).sum()) - 1) < 1e-3
most = 0
try:
    with open("/proc/self/status") as file:
        most = next(int(line.split()[1]) * 1024 for line in file if line.startswith("VmHWM:"))
except OSError:
    pass
print(most, flush=True)
"""

MEMORY = """
import json, sys
sys.path.insert(0, "bench")
from memory import forget_most, held
from idembed import load
model = load(sys.argv[1], profile={profile!r}, threads=int(sys.argv[2]))
short, long = json.load(open(sys.argv[3]))
model.encode(short[0])
after = {{"one_text": held(True)}}
forget_most()
model.encode(long)
after["a_large_batch"] = held(True)
count = int(sys.argv[4])
early = None
forget_most()
for number, vector in enumerate(model.encode_iter(short[n % len(short)] for n in range(count))):
    if number == count // 10:
        early = held(False)
after |= {{"tenth_of_iter": early, "end_of_iter": held(False), "most_in_iter": held(True)}}
print(json.dumps(after))
"""


def _command(engine: str, bench: Bench, script: str, *more: str) -> list[str]:
    return [str(interpreter(engine, bench.model)), "-c", script, str(bench.model), str(bench.threads), *more]


def first_vector(engine: str, bench: Bench) -> tuple[float, int]:
    """Seconds until the first vector, and bytes of the most memory."""
    if engine.startswith("idembed"):
        script = OURS.format(profile=engine.removeprefix("idembed").removeprefix("_") or "f32", text=TEXT)
    elif engine == BARE_NAME:
        script = BARE.format(text=TEXT)
    else:
        script = ENGINE.format(engine=engine, text=TEXT)
    command = _command(engine, bench, script + END)
    environment = surroundings(bench.threads)
    start = time.perf_counter()
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True, cwd=ROOT, env=environment
    ) as process:
        assert process.stdout is not None
        line = process.stdout.readline()
        seconds = time.perf_counter() - start
    if process.returncode or not line:
        raise SystemExit(f"{engine} made no vector in a fresh process")
    return seconds, int(line)


def cold(bench: Bench) -> None:
    """Those that take seconds are started twice only."""
    compile_package()
    engines = [*bench.ours.values(), BARE_NAME, *(peer for peer in bench.peers if not peer.startswith("onnxruntime"))]
    times: Times = {engine: [] for engine in engines}
    most: dict[str, int] = {}
    for number in range(bench.rounds + 1):
        say(f"cold start, round {number} of {bench.rounds}")
        for engine in turns(number, engines):
            if number > 2 and statistics.median(times[engine]) > 2:
                continue
            seconds, most[engine] = first_vector(engine, bench)
            if number:  # before, files were read and weights packed
                times[engine].append(seconds)
    found = {e: {"s": round(statistics.median(times[e]), 3), "mb": round(most[e] / 1e6, 1)} for e in engines}
    bench.found["cold"] = found
    for engine, of in found.items():
        print(f"cold     {engine:22} {of['s']:7.3f} s to the first vector, {of['mb']:6.0f} MB", flush=True)
    for profile, engine in bench.ours.items():
        share = round(1 / ratio(times, engine, BARE_NAME), 3)
        bench.profiles[profile]["cold"] = {**found[engine], "of_bare_onnxruntime": share}


def memory(bench: Bench) -> None:
    """Megabytes of a process of its own after one text, a batch of long ones, and short ones through ``encode_iter``:
    held after a tenth of them and at the end, and the most."""
    texts = bench.saved("memory", [bench.loads["query"].texts, 8 * bench.loads["long"].texts])
    for profile in bench.ours:
        say(f"memory of {profile}: {bench.texts:,} texts through encode_iter")
        command = _command("idembed", bench, MEMORY.format(profile=profile), texts, str(bench.texts))
        printed = subprocess.check_output(command, text=True, cwd=ROOT, env=surroundings(bench.threads))
        found = {name: round(value / 1e6, 2) for name, value in json.loads(printed).items()}
        bench.profiles[profile]["memory_mb"] = found
        print(f"memory   {profile}: MB {found}", flush=True)
