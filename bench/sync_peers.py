"""A sync's own cost, with an embedder that costs (almost) nothing: first, with nothing changed, and with 1 % of the
texts changed, for us and for other tools, each as its file in lifecycle/ says.

Every sync is a fresh process that opens what the last one left; imports and reading the rows are not timed. We and a
tool take turns, so each ratio is of two runs side by side; figures are medians over rounds.
"""

from __future__ import annotations

import argparse
import json
import shutil
import statistics
import tempfile
from pathlib import Path
from typing import Any

from lifecycle.rows import Embedder, rows
from lifecycle_peers import PEERS, operate
from peers import finish

OURS = "idembed"
OTHERS = [name for name in PEERS if not name.startswith(OURS)]
STEPS = {"first": "base", "noop": "base", "one_percent": "changed"}
"""What is done one after the other, and with which rows."""
Figures = dict[str, float]


def measure(peer: str, folder: Path) -> Figures:
    """Seconds of each step, and by how many MiB the no-op grew."""
    state = folder / "state"
    state.mkdir()
    answers = {step: sync(peer, state, folder / f"{source}.json") for step, source in STEPS.items()}
    shutil.rmtree(state)
    if answers["noop"]["batches"]:
        raise SystemExit(f"{peer} embedded something although nothing had changed")
    made = {step: answer["seconds"] for step, answer in answers.items()}
    return {**made, "noop_mib": answers["noop"]["memory"] / 2**20}


def sync(peer: str, state: Path, source: Path) -> dict[str, Any]:
    answer = operate(peer, state, "sync", Embedder(), rows=source, force=False)
    if "seconds" not in answer:
        raise SystemExit(f"{peer}: {answer}; BENCH_DEBUG=1 shows more")
    return answer


def summary(runs: list[Figures], count: int) -> Figures:
    """Medians, and of the no-op the µs a row too."""
    found = {name: statistics.median(run[name] for run in runs) for name in runs[0]}
    return {**found, "noop_us_per_row": found["noop"] / count * 1e6}


def ratios(ours: list[Figures], theirs: list[Figures]) -> Figures:
    """How many times as long as ours: medians of the runs side by side."""
    return {
        step: statistics.median(their[step] / our[step] for our, their in zip(ours, theirs, strict=True))
        for step in STEPS
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=10_000)
    parser.add_argument("--peer", nargs="+", choices=OTHERS, default=OTHERS)
    parser.add_argument("--rounds", type=int, default=3)
    options = parser.parse_args()
    ours: dict[str, list[Figures]] = {peer: [] for peer in options.peer}
    theirs: dict[str, list[Figures]] = {peer: [] for peer in options.peer}
    with tempfile.TemporaryDirectory() as work:
        folder = Path(work)
        (folder / "base.json").write_text(json.dumps(rows(options.rows)))
        (folder / "changed.json").write_text(json.dumps(rows(options.rows, changed=100)))
        for turn in range(options.rounds):
            for peer in options.peer:
                pair = (OURS, peer) if turn % 2 == 0 else (peer, OURS)
                found = {name: measure(name, folder) for name in pair}
                ours[peer].append(found[OURS])
                theirs[peer].append(found[peer])
                for name, figures in found.items():
                    told = ", ".join(f"{what} {value:.3f}" for what, value in figures.items())
                    print(f"round {turn + 1} {name:11} {told}", flush=True)
    result = {OURS: summary([run for runs in ours.values() for run in runs], options.rows)}
    for peer in options.peer:
        times = {f"{step}_times_ours": ratio for step, ratio in ratios(ours[peer], theirs[peer]).items()}
        result[peer] = summary(theirs[peer], options.rows) | times
    print_table(result)
    rounded = {peer: {name: round(value, 3) for name, value in found.items()} for peer, found in result.items()}
    finish({"bench": "sync_peers", "rows": options.rows, "rounds": options.rounds, **rounded})


def print_table(result: dict[str, Figures]) -> None:
    print("\n| | first sync, s | no-op, s | µs a row | memory, MiB | 1 % changed, s | first, no-op, 1 %: times ours |")
    print("|---" * 7 + "|")
    for peer, found in result.items():
        times = ", ".join(f"{found[f'{step}_times_ours']:.1f}" for step in STEPS) if peer != OURS else ""
        print(
            f"| {peer} | {found['first']:.2f} | {found['noop']:.2f} | {found['noop_us_per_row']:.1f} "
            f"| +{found['noop_mib']:.0f} | {found['one_percent']:.2f} | {times} |"
        )


if __name__ == "__main__":
    main()
