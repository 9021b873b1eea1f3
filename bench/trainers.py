"""One trainer of word vectors in its own process, for bench/word2vec.py: a JSON line in, a JSON line out.

``trainers.py ENGINE CORPUS THREADS``; CORPUS has a sentence a line, and is in memory as lists of words for the
engines that take such. Each request trains once and saves the vectors where it says.
"""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from memory import forget_most, held

DIM, WINDOW, NEGATIVE, SAMPLE, MIN_COUNT = 100, 5, 5, 1e-3, 5
Train = Callable[[int, int, int, int], tuple[list[str], "np.ndarray"]]


def sentences(corpus: Path) -> list[list[str]]:
    with corpus.open(encoding="utf-8") as file:
        return [line.split() for line in file]


def idembed(corpus: Path) -> Train:
    from idembed import Word2Vec

    return _like_gensim(Word2Vec, sentences(corpus))


def gensim(corpus: Path) -> Train:
    from gensim.models import Word2Vec

    return _like_gensim(Word2Vec, sentences(corpus))


def _like_gensim(word2vec: Any, corpus: list[list[str]]) -> Train:
    def train(sg: int, workers: int, seed: int, epochs: int) -> tuple[list[str], np.ndarray]:
        model = word2vec(
            corpus,
            vector_size=DIM,
            window=WINDOW,
            negative=NEGATIVE,
            sample=SAMPLE,
            min_count=MIN_COUNT,
            sg=sg,
            workers=workers,
            seed=seed,
            epochs=epochs,
        )
        return model.wv.index_to_key, model.wv.vectors

    return train


def fasttext(corpus: Path) -> Train:
    """Without subwords; the learning rate of word2vec."""
    import fasttext as library

    def train(sg: int, workers: int, seed: int, epochs: int) -> tuple[list[str], np.ndarray]:
        model = library.train_unsupervised(
            str(corpus),
            model="skipgram" if sg else "cbow",
            dim=DIM,
            ws=WINDOW,
            neg=NEGATIVE,
            t=SAMPLE,
            minCount=MIN_COUNT,
            minn=0,
            maxn=0,
            bucket=0,
            lr=0.025 if sg else 0.05,
            epoch=epochs,
            thread=workers,
            verbose=0,
        )
        words = [word for word in model.get_words() if word != "</s>"]
        return words, np.array([model.get_word_vector(word) for word in words])

    return train


def word2vec_c(corpus: Path) -> Train:
    """Google's program, from the package of its name."""
    program = Path(sys.executable).parent / "word2vec"
    out = corpus.with_suffix(".word2vec.bin")

    def train(sg: int, workers: int, seed: int, epochs: int) -> tuple[list[str], np.ndarray]:
        options = {"train": corpus, "output": out, "size": DIM, "window": WINDOW, "sample": SAMPLE}
        options |= {"negative": NEGATIVE, "hs": 0, "binary": 1, "cbow": 1 - sg, "iter": epochs}
        options |= {"min-count": MIN_COUNT, "threads": workers, "alpha": 0.025 if sg else 0.05}
        given = [text for name, value in options.items() for text in (f"-{name}", str(value))]
        subprocess.run([program, *given], check=True, stdout=subprocess.DEVNULL)
        return [], np.empty((0, DIM), np.float32)  # its speed is what is asked

    return train


def main() -> None:
    engine, corpus = sys.argv[1], Path(sys.argv[2])
    train = {"idembed": idembed, "gensim": gensim, "fasttext": fasttext, "word2vec.c": word2vec_c}[engine](corpus)
    print(json.dumps({}), flush=True)
    for line in sys.stdin:
        asked = json.loads(line)
        forget_most()
        before, started = held(most=False), time.perf_counter()
        words, vectors = train(asked["sg"], asked["workers"], asked["seed"], asked["epochs"])
        seconds = time.perf_counter() - started
        answer = {"seconds": seconds, "memory": held(most=True) - before, "words": len(words)}
        if asked.get("save") and words:
            np.savez(asked["save"], words=np.array(words), vectors=np.ascontiguousarray(vectors))
        print(json.dumps(answer), flush=True)


if __name__ == "__main__":
    main()
