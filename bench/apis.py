"""20,000 texts through an OpenAI that limits rates and fails now and then: how long it takes us and others, and what is
lost.

The server is the fake of tests/fakes, which enforces OpenAI's limits and knows the right vector of every text. Each
run is a fresh process; clients take turns, and in each round all meet the same draw of faults. What we keep of a
model on a machine is kept for all rounds: the first one alone measures its noise (five requests), later ones look at
it (one). `overhead`: no limit and no fault, so that only the client's own cost counts. `limits`: 3,000 requests and 5
M tokens a minute. `faults`: the same, and 5 % of all requests fail, in every way that tests/fakes/faults.py knows.
`bad_hour`: 25 % fail.

Wasted are tokens that were charged beyond one pass over the texts; wrong are vectors that are not those of the text
in their place; the share is how much of the tokens that the rates allow in that time went for the texts, once each,
and used what was charged in all.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
from apis_clients import CLIENTS
from peers import ROOT, finish, python

sys.path.insert(0, str(ROOT / "tests"))

from fakes import vectors

MODEL = "text-embedding-3-small"
RATES = {"requests_per_minute": 3000, "tokens_per_minute": 5_000_000, "burst": 4.0}
"""``burst``: so many seconds' worth may be taken at once, somewhat more than the largest request."""
SCENARIOS: dict[str, dict[str, Any]] = {
    "overhead": {"faults": 0.0, "latency": 0.0},
    "limits": {"faults": 0.0, "latency": 0.3, **RATES},
    "faults": {"faults": 0.05, "latency": 0.3, **RATES},
    "bad_hour": {"faults": 0.25, "latency": 0.3, **RATES},
}
COMMON = """
the of and to in a is that for it as was with be by on not he his but at are this have from or had
an they which one you were all her she there would their we him been has when who will no more if
out so up said what its about than into them can only other time new some could these two may first
then do any like my now over such our man me even most made after also did many off before must well
back through years where much your way down should because long each just state those people too mr
how little good world make very year still see work life get men between never day another know
while last might us great old against come go three right used take water order house market report
engine river contract patient signal harvest museum voltage tenant algorithm border bakery
"""
FOREIGN = ("книга на столе", "今日は晴れです", "über die Brücke", "το σπίτι μας", "مرحبا بالعالم", "ça marche déjà")


def texts(count: int) -> list[str]:
    """Of lengths as in a knowledge base: half have fewer than 60 tokens, one in a hundred more than 750."""
    draw, common = random.Random(20), COMMON.split()
    made = []
    for number in range(count):
        size = int(min(24_000, max(12, 4 * 60 * draw.lognormvariate(0, 1.1))))
        words = [f"{number}:"]
        held = 0
        foreign = draw.random() < 0.05
        while held < size:
            words.append(draw.choice(FOREIGN) if foreign and draw.random() < 0.5 else draw.choice(common))
            held += len(words[-1]) + 1
        made.append(" ".join(words))
    return made


class Server:
    """The fake, which outlives all runs."""

    def __init__(self) -> None:
        self._process = subprocess.Popen(
            [sys.executable, ROOT / "bench" / "apis_server.py"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        place = self._read()
        self.url, self.key = place["url"], place["key"]

    def tell(self, **command: Any) -> dict[str, Any]:
        assert self._process.stdin is not None
        self._process.stdin.write(json.dumps(command) + "\n")
        self._process.stdin.flush()
        return self._read()

    def _read(self) -> dict[str, Any]:
        assert self._process.stdout is not None
        read: dict[str, Any] = json.loads(self._process.stdout.readline())
        return read

    def close(self) -> None:
        assert self._process.stdin is not None
        self._process.stdin.close()
        self._process.wait()


class Bench:
    def __init__(self, server: Server, folder: Path, count: int, dim: int) -> None:
        self.server, self.folder, self.dim = server, folder, dim
        made = texts(count)
        self.source = folder / "texts.json"
        self.source.write_text(json.dumps(made))
        self.expected = vectors.vectors(f"openai/{MODEL}/0/", made, dim)
        self.tokens = sum(map(vectors.tokens, made))

    def run(self, client: str, scenario: dict[str, Any], seed: int) -> dict[str, Any]:
        """One run of one client."""
        self.server.tell(set={"seed": seed, **scenario})
        target = self.folder / "vectors.npy"
        data = str(self.folder / "data")
        own = {"OPENAI_BASE_URL": self.server.url, "OPENAI_API_KEY": self.server.key, "IDEMBED_DATA": data}
        binary = sys.executable if client == "idembed" else python("peers-apis.txt")
        done = subprocess.run(
            [binary, ROOT / "bench" / "apis_clients.py", client, self.source, target, MODEL, str(self.dim)],
            env={**os.environ, **own},
            stdout=subprocess.PIPE,
            stderr=None if os.environ.get("BENCH_DEBUG") else subprocess.DEVNULL,
            text=True,
        )
        if done.returncode:
            raise SystemExit(f"{client} ended early; BENCH_DEBUG=1 shows why")
        said = json.loads(done.stdout.splitlines()[-1])
        found = np.load(target)
        asked = self.server.tell(count=True)
        seconds, count = said["seconds"], len(self.expected)
        rate = scenario.get("tokens_per_minute", 0) / 60
        allowed = rate * (seconds + scenario.get("burst", 0.0))
        failed = bool(said["error"])
        return {
            "seconds": seconds,
            "failed": failed,
            "why": said["error"],
            "requests": asked["requests"],
            "refused": asked["refused"],
            "faults": sum(asked["faults"].values()),
            "wasted": 0 if failed else asked["charged"] - self.tokens,
            "lost": count - len(found),
            "wrong": 0 if failed else self.wrong(found),
            "share": self.tokens / allowed if allowed and not failed else None,
            "used": asked["charged"] / allowed if allowed and not failed else None,
        }

    def wrong(self, found: np.ndarray) -> int:
        """How many vectors, of those that came, are not that of the text in their place."""
        cosines = np.einsum("ij,ij->i", found, self.expected[: len(found)])
        return int((~(cosines > 0.9999)).sum())


def summary(runs: list[dict[str, Any]]) -> dict[str, Any]:
    """Medians of the runs that finished, sums over all."""
    finished = [run for run in runs if not run["failed"]]
    return {
        "seconds": middle([run["seconds"] for run in finished]),
        **{name: middle([run[name] for run in finished]) for name in ("share", "used")},
        "requests": statistics.median(run["requests"] for run in runs),
        "refused": sum(run["refused"] for run in runs),
        "faults": sum(run["faults"] for run in runs),
        "wasted": sum(run["wasted"] for run in finished),
        "lost": sum(run["lost"] for run in finished),
        "wrong": sum(run["wrong"] for run in finished),
        "failed": len(runs) - len(finished),
        "runs": len(runs),
    }


def middle(values: list[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return statistics.median(known) if known else None


def print_table(title: str, found: dict[str, dict[str, Any]]) -> None:
    print(f"\n{title}\n")
    print(
        "| | seconds | times ours | share of the allowed | used | requests | 429 | tokens wasted | rows lost "
        "| vectors wrong | runs failed |"
    )
    print("|---" * 11 + "|")
    for client, figures in found.items():
        seconds = f"{figures['seconds']:.1f}" if figures["seconds"] else "-"
        times = f"{figures['times_ours']:.2f}" if figures.get("times_ours") else ""
        share, used = (f"{figures[name]:.1%}" if figures[name] else "" for name in ("share", "used"))
        print(
            f"| {client} | {seconds} | {times} | {share} | {used} | {figures['requests']:.0f} | {figures['refused']} "
            f"| {figures['wasted']:,} | {figures['lost']:,} | {figures['wrong']:,} "
            f"| {figures['failed']} of {figures['runs']} |"
        )
    print(flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--texts", type=int, default=20_000)
    parser.add_argument("--dim", type=int, default=512)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--client", nargs="+", choices=CLIENTS, default=list(CLIENTS))
    parser.add_argument("--scenario", nargs="+", choices=SCENARIOS, default=["overhead", "faults", "bad_hour"])
    options = parser.parse_args()
    result: dict[str, dict[str, Any]] = {}
    server = Server()
    try:
        with tempfile.TemporaryDirectory() as work:
            bench = Bench(server, Path(work), options.texts, options.dim)
            print(f"{options.texts:,} texts, {bench.tokens:,} tokens", flush=True)
            for scenario in options.scenario:
                runs: dict[str, list[dict[str, Any]]] = {client: [] for client in options.client}
                for turn in range(options.rounds):
                    for client in options.client if turn % 2 == 0 else reversed(options.client):
                        run = bench.run(client, SCENARIOS[scenario], turn + 1)
                        runs[client].append(run)
                        told = ", ".join(f"{k} {v:.2f}" if type(v) is float else f"{k} {v}" for k, v in run.items())
                        print(f"{scenario} {turn + 1} {client:11} {told}", flush=True)
                found = {client: summary(those) for client, those in runs.items()}
                ours = found.get("idembed", {}).get("seconds")
                for figures in found.values():
                    figures["times_ours"] = figures["seconds"] / ours if ours and figures["seconds"] else None
                print_table(f"{scenario}, {options.rounds} rounds", found)
                result[scenario] = found
    finally:
        server.close()
    finish({"bench": "apis", "texts": options.texts, "dim": options.dim, "rounds": options.rounds, **result})


if __name__ == "__main__":
    main()
