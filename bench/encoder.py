"""Speed of the local encoder, whole ``encode`` calls with tokenisation, against the same checkpoint elsewhere, every
peer with its best settings (engines.py). Engines take turns in each round; ratios are medians of the rounds' ratios.

Parts, chosen by ``--parts``; all but the last unless told otherwise:

* ``check``: each peer's vectors are near enough to ours on ten texts, so that nothing else is measured;
* ``throughput``: sentences (about 24 tokens), abstracts (about 200), both mixed; also as a share of what the
  processor's multipliers reach on registers alone (encoder_peak.c), which is measured in every round;
* ``scaling``: all threads against one;
* ``query``: one short text, one thread;
* ``cold``: from the start of a process to its first vector, and the most memory of it;
* ``memory``: of one text, of a large batch, and of ``--texts`` of them through ``encode_iter``;
* ``settings``: each peer with other batch sizes and streams, to see that those in engines.py are the best.

Profiles that ``load`` does not offer are said to be missing and left out. ``--engines`` names the engines to measure,
by commas; float32 of ours is always among them, for ratios are to it.
"""

from __future__ import annotations

import tempfile
import time
from dataclasses import asdict
from pathlib import Path

from encoder_bench import Bench
from encoder_fresh import cold, memory
from encoder_goals import goals
from encoder_speed import check, query, scaling, settings, throughput
from peers import arguments, finish

PARTS = {
    "check": check,
    "throughput": throughput,
    "scaling": scaling,
    "query": query,
    "cold": cold,
    "memory": memory,
    "settings": settings,
}
USUAL = ",".join(part for part in PARTS if part != "settings")


def main() -> None:
    options = arguments(__doc__ or "", rounds=5, threads=2, texts=10_000, parts=USUAL, engines="")
    parts = options.parts.split(",")
    if unknown := set(parts) - set(PARTS):
        raise SystemExit(f"there is no part {min(unknown)}; parts are {', '.join(PARTS)}")
    start = time.perf_counter()
    with tempfile.TemporaryDirectory() as folder:
        bench = Bench(options, Path(folder))
        try:
            for part in parts:
                PARTS[part](bench)
        finally:
            bench.close()
    reached = goals(bench.profiles)
    for goal in reached:
        print(goal.shown())
    finish(
        {
            "bench": "encoder",
            "threads": bench.threads,
            "rounds": bench.rounds,
            "seconds": round(time.perf_counter() - start),
            "missing": bench.missing,
            "profiles": bench.profiles,
            **bench.found,
            "goals": [asdict(goal) | {"holds": goal.holds} for goal in reached],
        }
    )


if __name__ == "__main__":
    main()
