"""``idembed train``: word vectors of one's own."""

from __future__ import annotations

import os
import sys
import time
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from idembed.cli import options
from idembed.cli.files import check_folder
from idembed.cli.output import Output, number_of
from idembed.cli.progress import Bars
from idembed.cli.sentences import Sentences, bytes_read, open_sentences
from idembed.errors import OptionError

if TYPE_CHECKING:
    from types import TracebackType
    from typing import Self

    from idembed.models.words.keyedvectors import KeyedVectors
    from idembed.models.words.word2vec import Word2Vec

__all__ = ["train"]

_COMMON = 1e-3
"""The share of the corpus from which on a word is too common for its neighbours to say much."""
_NEIGHBOURS = 5
_SKIPPED_SHOWN = 5


def train(
    source: Annotated[
        str,
        typer.Argument(
            metavar="SOURCE",
            help="A text file with a sentence a line; a folder of text files, JSONL, CSV or Parquet, where each "
            "line of a text is a sentence; or - for lines of standard input.",
        ),
    ],
    output: Annotated[
        Path, typer.Option("--output", "-o", metavar="OUT.w2v", help="The folder to write the word vectors to.")
    ],
    vector_size: Annotated[int, typer.Option(help="Numbers in a vector.")] = 100,
    window: Annotated[int, typer.Option(help="Most words on either side that a word is trained with.")] = 5,
    sg: Annotated[
        bool,
        typer.Option(
            "--sg/--cbow",
            help="Skip-gram (better for analogies), or CBOW, continuous bag of words (faster).",
        ),
    ] = False,
    epochs: Annotated[int, typer.Option(help="Passes over the corpus.")] = 5,
    min_count: Annotated[int, typer.Option(help="Leave out words that occur less often.")] = 5,
    max_final_vocab: Annotated[int | None, typer.Option(help="At most so many words, by a higher --min-count.")] = None,
    tokenizer: Annotated[
        str,
        typer.Option(
            metavar="simple|whitespace",
            help="Words are lower-case runs of letters; or what stands between white space, as it is.",
        ),
    ] = "simple",
    deacc: Annotated[bool, typer.Option("--deacc", help="Simple words: without accents.")] = False,
    min_len: Annotated[int, typer.Option(help="Simple words: fewest letters.")] = 2,
    max_len: Annotated[int, typer.Option(help="Simple words: most letters.")] = 15,
    alpha: Annotated[
        float | None,
        typer.Option(help="Learning rate at the beginning (else 0.025 for skip-gram, 0.15 for CBOW)."),
    ] = None,
    min_alpha: Annotated[float, typer.Option(help="Learning rate at the end.")] = 1e-4,
    negative: Annotated[int, typer.Option(help="Words of noise for each word seen.")] = 5,
    ns_exponent: Annotated[float, typer.Option(help="Noise is drawn by count to this power.")] = 0.75,
    sample: Annotated[float, typer.Option(help="Thin out words with a larger share of the corpus; 0: none.")] = 1e-3,
    seed: Annotated[int, typer.Option(help="Another seed gives other vectors.")] = 1,
    compat: Annotated[
        str | None,
        typer.Option(metavar="gensim", help="gensim's CBOW gradient and learning rate (docs/word2vec.md)."),
    ] = None,
    workers: Annotated[
        int | None, typer.Option(help="Threads (else all CPUs). Changes the speed and nothing else.")
    ] = None,
    id_field: Annotated[str | None, typer.Option(metavar="NAME", help="Rows: the field of the id.")] = None,
    text_field: Annotated[str | None, typer.Option(metavar="NAME", help="Rows: the field of the text.")] = None,
    loss: Annotated[bool, typer.Option("--loss", help="Tell the loss of each epoch (a little slower).")] = False,
    force: Annotated[bool, typer.Option("--force", help="Replace word vectors that are at OUT already.")] = False,
    as_json: options.Json = False,
    quiet: options.Quiet = False,
) -> None:
    """Train word vectors (word2vec).

    The same corpus, options and seed give the same bytes, however many threads there are. The source is read
    once, into 4 bytes a word. OUT.w2v appears whole or not at all; `idembed sync docs/ pets.db --model ./OUT.w2v`
    builds an index on it.
    """
    compatible = _compat(compat)
    with Output(as_json=as_json, quiet=quiet) as out:
        _check_output(output, force)

        from idembed.models.words.tokens import WordTokenizer
        from idembed.models.words.word2vec import Word2Vec

        words = WordTokenizer(kind=_kind(tokenizer), deacc=deacc, min_len=min_len, max_len=max_len)
        corpus = open_sentences(source, words, id_field=id_field, text_field=text_field)
        there_is = "nothing was written"
        try:
            with _Watch(out, corpus) as watch:
                model = Word2Vec(
                    sentences=corpus if isinstance(corpus, Sentences) else None,
                    corpus_file=None if isinstance(corpus, Sentences) else corpus,
                    vector_size=vector_size,
                    alpha=alpha,
                    window=window,
                    min_count=min_count,
                    sample=sample,
                    seed=seed,
                    workers=workers,
                    min_alpha=min_alpha,
                    sg=int(sg),
                    negative=negative,
                    ns_exponent=ns_exponent,
                    epochs=epochs,
                    compute_loss=loss,
                    callbacks=[watch],
                    max_final_vocab=max_final_vocab,
                    compat=compatible,
                    tokenizer=words,
                    progress=watch.progress,
                )
            there_is = f"{output} is as it was, or new and whole"
            model.save(output)
        except KeyboardInterrupt:
            raise KeyboardInterrupt(there_is) from None
        size = sum(file.stat().st_size for file in output.iterdir())
        nearest = _nearest(model.wv)
        skipped = corpus.skipped if isinstance(corpus, Sentences) else []
        out.result(
            {
                "source": source,
                "output": str(output),
                "method": _method(model),
                **watch.read(),
                "words": len(model.wv),
                "dim": model.vector_size,
                "epochs": model.epochs,
                "seconds": watch.seconds,
                "training_seconds": watch.training_seconds,
                "words_per_second": watch.words_per_second,
                "loss": watch.losses if loss else None,
                "nearest": nearest,
                "bytes": size,
                "skipped": skipped,
            }
        )
        if out.talks:
            out.line(
                f"trained {_method(model)}: {number_of(len(model.wv), 'vector')} of {model.vector_size} dimensions, "
                f"{number_of(model.epochs, 'epoch')} in {watch.training_seconds:.1f} s, "
                f"{watch.words_per_second:,.0f} words/s"
            )
            if loss:
                out.line("loss of each epoch: " + ", ".join(f"{value:,.0f}" for value in watch.losses))
            if nearest is not None:
                out.line(f"nearest to {nearest['word']}: " + ", ".join(word for word, _ in nearest["neighbours"]))
            out.line(f"wrote {output} ({size / 1e6:,.1f} MB)")
        if skipped:
            out.warn(f"{len(skipped):,} left out", [f"{name}: {reason}" for name, reason in skipped[:_SKIPPED_SHOWN]])


class _Watch:
    """Shows how far reading and training are, and between them what was read; keeps the times and losses.

    A callback of Word2Vec. Lines are printed while no bar is shown, which would take them in.
    """

    def __init__(self, out: Output, corpus: Sentences | Path) -> None:
        self.losses: list[float] = []
        self._out = out
        self._corpus = corpus
        self._stack = ExitStack()
        self._bars = Bars(quiet=out.quiet)
        self._began = self._began_training = self._ended = time.monotonic()
        self._model: Word2Vec | None = None

    def __enter__(self) -> Self:
        self._stack.enter_context(self._bars)
        return self

    def __exit__(self, *error: TracebackType | BaseException | type[BaseException] | None) -> None:
        self._stack.close()

    def progress(self, phase: Literal["reading", "training"], done: int, total: int | None) -> None:
        """A TrainProgress."""
        if phase == "reading":
            at = self._corpus.position if isinstance(self._corpus, Sentences) else bytes_read(done, total)
            self._bars.update("reading", *at, speed=True)
        else:  # of all words, as others count, not only of those in the vocabulary
            words = self._words()
            self._bars.update("training", done * words // total if total else 0, words, "words", speed=True)

    def on_train_begin(self, model: Word2Vec) -> None:
        """Everything was read: tell what."""
        self._model = model
        self._began_training = time.monotonic()
        self._stack.close()
        if self._out.talks:
            counts = model.wv.counts
            assert counts is not None
            share = 100 * int(counts.sum()) / model.corpus_total_words
            self._out.line(
                f"read {number_of(model.corpus_total_words, 'word')} in {number_of(model.corpus_count, 'sentence')}"
            )
            self._out.line(
                f"vocabulary: {number_of(len(model.wv), 'word')}, each seen {int(counts.min()):,} times or more; "
                f"they make up {share:.1f} % of the text"
            )
            sys.stdout.flush()  # training may take an hour
        self._bars = self._stack.enter_context(Bars(quiet=self._out.quiet))

    def on_epoch_end(self, model: Word2Vec) -> None:
        """One more epoch is over."""
        self.losses.append(model.get_latest_training_loss() - sum(self.losses))

    def on_train_end(self, _: Word2Vec) -> None:
        """All of them are."""
        self._ended = time.monotonic()

    def read(self) -> dict[str, int]:
        """What was read."""
        assert self._model is not None
        return {"sentences": self._model.corpus_count, "corpus_words": self._model.corpus_total_words}

    @property
    def seconds(self) -> float:
        """Reading and training."""
        return self._ended - self._began

    @property
    def training_seconds(self) -> float:
        """Training alone."""
        return self._ended - self._began_training

    @property
    def words_per_second(self) -> float:
        """All words of all epochs by the time that training took."""
        return self._words() / max(self.training_seconds, 1e-9)

    def _words(self) -> int:
        assert self._model is not None
        return self._model.epochs * self._model.corpus_total_words


def _method(model: Word2Vec) -> str:
    return "skip-gram" if model.parameters.sg else "CBOW"


def _nearest(wv: KeyedVectors) -> dict[str, Any] | None:
    """The most frequent word that is not too common to have a meaning, and the words nearest to it."""
    if len(wv) < 2:
        return None
    counts = wv.counts
    assert counts is not None
    word = wv.index_to_key[min(int((counts >= _COMMON * counts.sum()).sum()), len(wv) - 1)]
    return {"word": word, "neighbours": [[near, score] for near, score in wv.most_similar(word, topn=_NEIGHBOURS)]}


def _check_output(output: Path, force: bool) -> None:
    """OptionError now, and not after an hour of training, where ``output`` could not be written."""
    from idembed.models.words.folder import check_target

    place = Path(os.path.realpath(output))
    if place.exists():
        if not force:
            raise OptionError(f"{output} exists", hint="give another name; --force replaces word vectors")
        check_target(place, keeps_outputs=True)
    check_folder(output)


def _compat(value: str | None) -> Literal["gensim"] | None:
    if value is None:
        return None
    if value == "gensim":
        return "gensim"
    raise OptionError(f"--compat {value!r}: it takes gensim", option="--compat")


def _kind(value: str) -> Literal["simple", "whitespace"]:
    if value == "simple":
        return "simple"
    if value == "whitespace":
        return "whitespace"
    raise OptionError(f"--tokenizer {value!r}: it takes simple or whitespace", option="--tokenizer")
