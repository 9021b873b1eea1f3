"""Speed of profile f32-1, whole ``encode`` call with tokenisation, against the same checkpoint elsewhere.

Workloads: short (about 24 tokens: STS-B sentences), long (SciFact abstracts of about 200 tokens), mixed
(both, shuffled). Engines take turns, several rounds; ratios are medians of the rounds' ratios.
"""

from __future__ import annotations

import csv
import gzip
import json
import random
import statistics
import tempfile
from pathlib import Path

from peers import Worker, arguments, finish, minilm
from tokenizers import Tokenizer

ENGINES = ("idembed", "sentence_transformers", "onnxruntime")


def workloads(data: Path, model: Path) -> dict[str, tuple[list[str], int]]:
    """{name: (texts, tokens)}."""
    tokenizer = Tokenizer.from_file(str(model / "tokenizer.json"))
    tokenizer.no_padding()
    tokenizer.no_truncation()
    count = lambda texts: [min(256, len(e.ids)) for e in tokenizer.encode_batch(texts)]  # noqa: E731
    with (data / "stsb" / "stsb-sts-test.csv").open(encoding="utf-8") as file:
        lines = list(csv.reader(file, delimiter="\t", quoting=csv.QUOTE_NONE))
    sentences = sorted({text for line in lines for text in line[5:7]})
    with gzip.open(data / "scifact" / "corpus.jsonl.gz", "rt", encoding="utf-8") as file:
        abstracts = [json.loads(line)["text"] for line in file]
    choose = random.Random(1)
    short = [t for t, n in zip(sentences, count(sentences), strict=True) if 16 <= n <= 32]
    long = [t for t, n in zip(abstracts, count(abstracts), strict=True) if 150 <= n <= 250]
    short, long = choose.sample(short, 512), choose.sample(long, 96)
    mixed = short[:256] + long[:48]
    choose.shuffle(mixed)
    chosen = {"short": short, "long": long, "mixed": mixed}
    return {name: (texts, sum(count(texts))) for name, texts in chosen.items()}


def main() -> None:
    options = arguments(__doc__ or "", rounds=7, threads=2)
    model = minilm()
    loads = workloads(options.data, model)
    workers = [Worker(engine, model, options.threads) for engine in ENGINES]
    result: dict[str, object] = {"bench": "encoder", "threads": options.threads, "rounds": options.rounds}
    with tempfile.TemporaryDirectory() as folder:
        for name, (texts, tokens) in loads.items():
            file = Path(folder) / f"{name}.json"
            file.write_text(json.dumps(texts))
            for worker in workers:
                worker.ask(encode=str(file))
            rounds = [[w.ask(encode=str(file))["seconds"] for w in workers] for _ in range(options.rounds)]
            rate = {e: tokens / statistics.median(r[i] for r in rounds) for i, e in enumerate(ENGINES)}
            ratio = {e: statistics.median(r[i] / r[0] for r in rounds) for i, e in enumerate(ENGINES)}
            for engine in ENGINES:
                print(f"{name:6} {engine:22} {rate[engine]:9,.0f} tokens/s   ours is {ratio[engine]:.2f} x")
            result[name] = {
                "tokens_per_s": {e: round(v) for e, v in rate.items()},
                "times_faster_than": {e: round(v, 3) for e, v in ratio.items() if e != "idembed"},
            }
    for worker in workers:
        worker.close()
    finish(result)


if __name__ == "__main__":
    main()
