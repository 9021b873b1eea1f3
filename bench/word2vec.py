"""Training word vectors: whole call, vocabulary and all, against gensim, fastText and word2vec.c, and what the
vectors are worth.

Corpus: Simple English Wikipedia, lower case, digits as words, [a-z]+, a paragraph a sentence (19 million words);
100 dimensions, window 5, 5 negatives, sample 1e-3, min_count 5, 5 epochs; everything else each peer's default, but
for fastText without subwords at word2vec's learning rates. Ours and gensim have the words in memory as lists and take
turns, a round for each seed; the others read the file and run at the end. Quality is measured by the same code for all:
Spearman's correlation with WordSim-353 and SimLex-999, and Google's analogies among the 30,000 most frequent words.
"""

from __future__ import annotations

import itertools
import lzma
import re
import statistics
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from peers import FOLDER, Worker, arguments, finish

from idembed import KeyedVectors

EPOCHS, WORKERS, RESTRICT = 5, 2, 30_000
METHODS = {"skip_gram": 1, "cbow": 0}
NAMES = "zero one two three four five six seven eight nine"
DIGITS = str.maketrans({str(i): f" {name} " for i, name in enumerate(NAMES.split())})


def corpus(data: Path, most: int) -> tuple[Path, int]:
    """The file with a sentence a line, made once, and how many words it has; the first ``most`` if not 0."""
    made = FOLDER / (f"simplewiki-{most}.txt" if most else "simplewiki.txt")
    if not made.exists():
        FOLDER.mkdir(exist_ok=True)
        temporary = made.with_suffix(".tmp")
        with temporary.open("w", encoding="utf-8") as out:
            words = 0
            for sentence in paragraphs(data):
                out.write(" ".join(sentence) + "\n")
                words += len(sentence)
                if most and words >= most:
                    break
        temporary.rename(made)
    with made.open(encoding="utf-8") as file:
        return made, sum(line.count(" ") + 1 for line in file)


def paragraphs(data: Path) -> Iterator[list[str]]:
    word = re.compile("[a-z]+")
    with lzma.open(data / "corpora" / "simplewiki-2018-07.txt.xz", "rt", encoding="utf-8") as file:
        for line in file:
            if found := word.findall(line.lower().translate(DIGITS)):
                yield found


def quality(data: Path, saved: Path) -> dict[str, float]:
    with np.load(saved) as stored:
        wv = KeyedVectors(stored["words"].tolist(), stored["vectors"])
    words = data / "words"
    with tempfile.TemporaryDirectory() as folder:
        scores = {
            name: wv.evaluate_word_pairs(pairs(words / file, Path(folder)), delimiter="\t")[1].statistic
            for name, file in (("wordsim353", "EN-WS-353-ALL.txt"), ("simlex999", "EN-SIMLEX-999.txt"))
        }
    scores["analogies"] = wv.evaluate_word_analogies(words / "questions-words.txt", restrict_vocab=RESTRICT)[0]
    return {name: round(float(score), 4) for name, score in scores.items()}


def pairs(source: Path, folder: Path) -> Path:
    """The pairs with tabs, whatever stands between them."""
    lines = [line.split() for line in source.read_text(encoding="utf-8").splitlines() if line.strip()]
    written = folder / source.name
    written.write_text("".join("\t".join(line[:3]) + "\n" for line in lines), encoding="utf-8")
    return written


def main() -> None:
    options = arguments(__doc__ or "", rounds=3, single=1, others=1, words=0, epochs=EPOCHS)
    file, size = corpus(options.data, options.words)
    seconds: dict[tuple[str, str, int], list[float]] = {}
    scores: dict[tuple[str, str], list[dict[str, float]]] = {}
    memory: dict[str, int] = {}

    def run(worker: Worker, method: str, workers: int, seed: int) -> None:
        with tempfile.TemporaryDirectory() as folder:
            save = Path(folder) / "vectors.npz"
            asked = {"sg": METHODS[method], "workers": workers, "seed": seed, "epochs": options.epochs}
            answer = worker.ask(**asked, save=str(save))
            seconds.setdefault((worker.engine, method, workers), []).append(answer["seconds"])
            memory[worker.engine] = max(memory.get(worker.engine, 0), answer["memory"])
            found: dict[str, float] = {}
            if workers == WORKERS and save.exists():
                found = quality(options.data, save)
                scores.setdefault((worker.engine, method), []).append(found)
        rate = size * options.epochs / answer["seconds"]
        print(f"{worker.engine:11} {method:9} workers {workers} seed {seed}: {rate:11,.0f} words/s  {found}")
        sys.stdout.flush()

    two = [Worker(engine, file, WORKERS, script="trainers.py") for engine in ("idembed", "gensim")]
    for seed, method in itertools.product(range(1, options.rounds + 1), METHODS):
        for worker in two:
            run(worker, method, WORKERS, seed)
    for seed, worker in itertools.product(range(1, options.single + 1), two):
        run(worker, "skip_gram", 1, seed)
    for worker in two:
        worker.close()
    for engine in ("fasttext", "word2vec.c"):
        for seed in range(1, options.others + 1):
            worker = Worker(engine, file, WORKERS, script="trainers.py")
            run(worker, "skip_gram", WORKERS, seed)
            worker.close()
    finish(
        {
            "bench": "word2vec",
            "words": size,
            "epochs": options.epochs,
            "words_per_second": {
                " ".join(map(str, key)): round(size * options.epochs / statistics.median(times))
                for key, times in seconds.items()
            },
            "times_faster": ratios(seconds),
            "quality": {" ".join(key): mean(found) for key, found in scores.items()},
            "memory_mb": round(memory["idembed"] / 1e6),
        }
    )


def ratios(seconds: dict[tuple[str, str, int], list[float]]) -> dict[str, float]:
    """How many times faster than each peer: the median over rounds, or over what there is."""
    found = {}
    for (engine, method, workers), theirs in seconds.items():
        ours = seconds["idembed", method, workers]
        if engine != "idembed":
            rounds = [their / our for our, their in zip(ours, theirs, strict=False)]
            found[f"{engine} {method} {workers}"] = round(statistics.median(rounds), 2)
    return found


def mean(scores: list[dict[str, float]]) -> dict[str, Any]:
    return {name: round(statistics.mean(score[name] for score in scores), 4) for name in scores[0]}


if __name__ == "__main__":
    main()
