"""Word2vec (Mikolov et al. 2013, arXiv:1301.3781 and 1310.4546): skip-gram and CBOW with negative sampling.

``workers`` changes the speed and no bit: how that is done is in docs/word2vec.md.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Sequence
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, NamedTuple, Self

import numpy as np

from idembed.canonical import JSON
from idembed.errors import ModelError, OptionError
from idembed.models.words import folder
from idembed.models.words.corpusfile import encode_file, learn_file
from idembed.models.words.keyedvectors import KeyedVectors
from idembed.models.words.parameters import TRAINER, Parameters, rate, refuse_unsupported, whole
from idembed.models.words.sentences import Sentence, encode_sentences, learn_sentences
from idembed.models.words.tokens import WordTokenizer
from idembed.models.words.training import Matrices, Schedule, Totals, train_pass
from idembed.models.words.vocabulary import Vocabulary
from idembed.native import default_threads
from idembed.native.word2vec import Trainer

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from idembed.models.words.corpus import Corpus, Encoded

__all__ = ["TrainProgress", "TrainedCount", "Word2Vec"]

TrainProgress = Callable[[Literal["reading", "training"], int, int | None], None]
"""Called with the phase, what is done, and of how much: sentences or bytes read, then words trained."""
_PathLike = str | os.PathLike[str]


class TrainedCount(NamedTuple):
    """Words trained: those that were not thinned out, and all, of every pass."""

    kept: int
    raw: int


class Word2Vec:
    """Word vectors by skip-gram (``sg=1``) or CBOW, with the names and defaults of gensim's class.

    ``workers`` changes the speed and nothing else: the vectors are the same bits for any number, on any CPU.
    ``sentences`` is any iterable of lists of words and is read once, into 4 bytes a word; ``corpus_file`` is a text
    with a sentence a line, its words apart by white space.

    The one default that differs on purpose: CBOW divides the gradient by the length of the window, as that of a
    mean must be (Irsoy, Benton, Stratos 2021, arXiv:2012.15332), and with it takes ``alpha`` 0.15. ``compat="gensim"``
    takes gensim's update and its 0.025.
    """

    def __init__(
        self,
        sentences: Iterable[Sentence] | None = None,
        corpus_file: _PathLike | None = None,
        vector_size: int = 100,
        alpha: float | None = None,
        window: int = 5,
        min_count: int = 5,
        max_vocab_size: int | None = None,
        sample: float = 1e-3,
        seed: int = 1,
        workers: int | None = None,
        min_alpha: float = 1e-4,
        sg: int = 0,
        hs: int = 0,
        negative: int = 5,
        ns_exponent: float = 0.75,
        cbow_mean: int = 1,
        hashfxn: object = None,
        epochs: int = 5,
        null_word: int = 0,
        trim_rule: object = None,
        sorted_vocab: int = 1,
        batch_words: int = 10_000,
        compute_loss: bool = False,
        callbacks: Sequence[object] = (),
        comment: str | None = None,
        max_final_vocab: int | None = None,
        shrink_windows: bool = True,
        *,
        compat: Literal["gensim"] | None = None,
        tokenizer: WordTokenizer | None = None,
        progress: TrainProgress | None = None,
    ) -> None:
        """Trains at once when there are ``sentences`` or a ``corpus_file``; else ``build_vocab`` and ``train`` do.

        ``workers`` None takes all CPUs of this process. ``sample`` 0 keeps every word. ``hashfxn``, ``batch_words``
        and ``comment`` are accepted and have no influence. ``tokenizer`` says how texts are to become words when
        they are encoded with these vectors (``idembed.load``): the way in which the sentences were made;
        ``simple_preprocess`` unless given. ``progress`` is told how far it is.

        Raises OptionError for values that make no sense or that only gensim knows (``hs=1``, ``negative=0``,
        ``trim_rule``), CorpusError for a corpus without words, sentences that are strings, words that are not
        strings, a file that is missing or binary.
        """
        refuse_unsupported(hs, null_word, trim_rule)
        self.parameters = Parameters(
            vector_size=vector_size,
            alpha=alpha,
            window=window,
            min_count=min_count,
            max_vocab_size=max_vocab_size,
            sample=sample,
            seed=seed,
            min_alpha=min_alpha,
            sg=sg,
            negative=negative,
            ns_exponent=ns_exponent,
            cbow_mean=cbow_mean,
            epochs=epochs,
            sorted_vocab=sorted_vocab,
            max_final_vocab=max_final_vocab,
            shrink_windows=shrink_windows,
            compat=compat,
        )
        self.workers = _workers(workers)
        self.compute_loss = bool(compute_loss)
        self.callbacks = tuple(callbacks or ())
        self.tokenizer = tokenizer or WordTokenizer()
        self._progress = progress or (lambda phase, done, total: None)
        self._forget()
        if sentences is not None or corpus_file is not None:
            encoded = self._learn(sentences, corpus_file, None)
            self._take_vocabulary(encoded)
            self._train(encoded.corpus, self._schedule(None, None, None), self.compute_loss, self.callbacks)

    def _forget(self) -> None:
        self._vocabulary: Vocabulary | None = None
        self._wv: KeyedVectors | None = None
        self._matrices: Matrices | None = None
        self._trained_on: list[dict[str, JSON]] = []
        self._passes = 0
        self._loss = 0.0
        self.corpus_count = 0
        self.corpus_total_words = 0
        self.total_train_time = 0.0
        self.min_alpha_yet_reached = self.parameters.first_rate

    # ---- vocabulary -----------------------------------------------------------------------------------------

    def build_vocab(
        self,
        corpus_iterable: Iterable[Sentence] | None = None,
        corpus_file: _PathLike | None = None,
        update: bool = False,
        progress_per: int = 10_000,
        keep_raw_vocab: bool = False,
        trim_rule: object = None,
    ) -> None:
        """Count the words of a corpus and give each a vector; what was trained before is forgotten.

        With ``update`` nothing is forgotten: new words that are frequent enough are added behind the others, and
        counts are added up. ``progress_per`` is accepted and has no influence. Raises as the constructor.
        """
        refuse_unsupported(0, 0, trim_rule)
        if keep_raw_vocab:
            raise OptionError("keep_raw_vocab is not there", hint="leave it out: the words left out are not kept")
        if update and self._vocabulary is None:
            raise ModelError("there is no vocabulary to update", hint="build one: build_vocab(sentences)")
        encoded = self._learn(corpus_iterable, corpus_file, self._vocabulary if update else None)
        if not update:
            self._forget()
        self._take_vocabulary(encoded)

    def _learn(
        self, sentences: Iterable[Sentence] | None, corpus_file: _PathLike | None, base: Vocabulary | None
    ) -> Encoded:
        _one_of(sentences, corpus_file)
        rules = self.parameters.rules()
        if corpus_file is not None:
            return learn_file(corpus_file, rules, base=base, threads=self.workers, progress=self._reading)
        assert sentences is not None
        return learn_sentences(sentences, rules, base=base, progress=self._reading)

    def _take_vocabulary(self, encoded: Encoded) -> None:
        vocabulary, corpus = encoded
        parameters = self.parameters
        self.corpus_count = corpus.sentences
        self.corpus_total_words = corpus.words
        matrices = Matrices.make(len(vocabulary), parameters.vector_size, parameters.seed, self._matrices)
        self._give_vectors(vocabulary, matrices)

    def _give_vectors(self, vocabulary: Vocabulary, matrices: Matrices) -> None:
        card: dict[str, JSON] = {"tokenizer": self.tokenizer.facts()}
        self._vocabulary, self._matrices = vocabulary, matrices
        self._wv = KeyedVectors(vocabulary.words, matrices.inputs, vocabulary.counts, card=card)

    # ---- training -------------------------------------------------------------------------------------------

    def train(
        self,
        corpus_iterable: Iterable[Sentence] | None = None,
        corpus_file: _PathLike | None = None,
        total_examples: int | None = None,
        total_words: int | None = None,
        epochs: int | None = None,
        start_alpha: float | None = None,
        end_alpha: float | None = None,
        word_count: int = 0,
        queue_factor: int = 2,
        report_delay: float = 1.0,
        compute_loss: bool | None = None,
        callbacks: Sequence[object] = (),
    ) -> TrainedCount:
        """Go on training, with the words that have a vector: ``epochs`` passes (those of the constructor by
        default), the learning rate from ``start_alpha`` to ``end_alpha``.

        Returns the words trained after and before frequent ones were thinned out. The corpus is counted while it
        is read, so ``total_examples`` and ``total_words`` need not be given; they, ``word_count``, ``queue_factor``
        and ``report_delay`` have no influence. Raises as the constructor; ModelError without a vocabulary, and
        where vectors became infinite.
        """
        schedule = self._schedule(epochs, start_alpha, end_alpha)
        corpus = self._encode(corpus_iterable, corpus_file)
        loss = self.compute_loss if compute_loss is None else compute_loss
        return self._train(corpus, schedule, loss, (*self.callbacks, *callbacks))

    def _schedule(self, epochs: int | None, first: float | None, last: float | None) -> Schedule:
        if epochs is not None:
            whole("epochs", epochs, 1, 2**31)
        for name, value in (("start_alpha", first), ("end_alpha", last)):
            if value is not None:
                rate(name, value)
        parameters = self.parameters
        return Schedule(
            parameters.first_rate if first is None else first,
            parameters.min_alpha if last is None else last,
            int(epochs or parameters.epochs),
        )

    def _encode(self, sentences: Iterable[Sentence] | None, corpus_file: _PathLike | None) -> Corpus:
        _one_of(sentences, corpus_file)
        vocabulary = self._known()
        if corpus_file is not None:
            return encode_file(corpus_file, vocabulary, threads=self.workers, progress=self._reading)
        assert sentences is not None
        return encode_sentences(sentences, vocabulary, progress=self._reading)

    def _train(self, corpus: Corpus, schedule: Schedule, loss: bool, callbacks: Sequence[object]) -> TrainedCount:
        vocabulary, matrices = self._known(), self._matrices
        assert matrices is not None
        method = self.parameters.method(int(vocabulary.counts.sum()))
        size, totals = len(corpus.tokens), Totals()
        self._loss = 0.0
        trainer = Trainer(method, vocabulary.counts)
        entry = self._described(corpus, vocabulary, schedule)
        self._trained_on.append(entry)
        _call(callbacks, "on_train_begin", self)
        for epoch in range(schedule.epochs):

            def tell(done: int, before: int = epoch * size) -> None:
                self._progress("training", before + done, schedule.epochs * size)

            _call(callbacks, "on_epoch_begin", self)
            number, self._passes = self._passes, self._passes + 1  # a pass that is interrupted has used its draws
            self.wv.forget_norms()
            train_pass(
                trainer,
                corpus,
                matrices,
                number=number,
                rates=(schedule.at(epoch), schedule.at(epoch + 1)),
                threads=self.workers,
                loss=loss,
                totals=totals,
                tell=tell,
            )
            self._loss = totals.loss
            self.min_alpha_yet_reached = schedule.at(epoch + 1)
            entry |= {"epochs": epoch + 1, "last_rate": schedule.at(epoch + 1)}
            self.wv.forget_norms()
            matrices.check()
            _call(callbacks, "on_epoch_end", self)
        _call(callbacks, "on_train_end", self)
        self.total_train_time += totals.seconds
        return TrainedCount(totals.kept, schedule.epochs * corpus.words)

    def _described(self, corpus: Corpus, vocabulary: Vocabulary, schedule: Schedule) -> dict[str, JSON]:
        """For the card: the corpus, and how many of its passes were finished, none so far."""
        return {
            "epochs": 0,
            "first_rate": schedule.first,
            "last_rate": schedule.first,
            "sentences": corpus.sentences,
            "sha256": corpus.sha256(vocabulary),
            "tokens": len(corpus.tokens),
            "words": corpus.words,
        }

    def get_latest_training_loss(self) -> float:
        """The loss of the last ``train``, summed over all its passes, all pairs and all words drawn; 0 unless it
        was to be computed. The same for any number of workers."""
        return self._loss

    # ---- what there is --------------------------------------------------------------------------------------

    @property
    def wv(self) -> KeyedVectors:
        """The vectors of the words; those of a model in training change. ModelError while there are none."""
        self._known()
        assert self._wv is not None
        return self._wv

    def __getattr__(self, name: str) -> Any:
        """The parameters by their names: ``model.window``, ``model.sg``; ``alpha`` as it was used."""
        parameters = self.__dict__.get("parameters")
        if parameters is not None and name in Parameters.__dataclass_fields__:
            return parameters.first_rate if name == "alpha" else getattr(parameters, name)
        raise AttributeError(f"Word2Vec has no attribute {name!r}")

    @property
    def vector_size(self) -> int:
        """Numbers in a vector."""
        return self.parameters.vector_size

    @property
    def epochs(self) -> int:
        """Passes over a corpus."""
        return self.parameters.epochs

    @property
    def syn1neg(self) -> NDArray[np.float32]:
        """The other matrix, float32 [V, dim]: the vectors that predict."""
        self._known()
        assert self._matrices is not None
        return self._matrices.outputs

    def __repr__(self) -> str:
        words = 0 if self._vocabulary is None else len(self._vocabulary)
        kind = "skip-gram" if self.parameters.sg else "CBOW"
        return f"Word2Vec({words:,} words, vector_size={self.vector_size}, {kind})"

    def _known(self) -> Vocabulary:
        if self._vocabulary is None:
            raise ModelError("there is no vocabulary yet", hint="build one: build_vocab(sentences)")
        return self._vocabulary

    def _reading(self, done: int, total: int | None) -> None:
        self._progress("reading", done, total)

    # ---- files ----------------------------------------------------------------------------------------------

    def save(self, fname: _PathLike) -> None:
        """Write the folder ``fname`` (``pets.w2v``), whole or not at all: both matrices, the words, and a card with
        the parameters and the corpus's hash. Trained again in the same way, the same bytes. Raises OptionError
        where something else is, DiskFullError."""
        vocabulary, matrices = self._known(), self._matrices
        assert matrices is not None
        card: dict[str, JSON] = {
            "idembed": version("idembed"),
            "kind": "word2vec",
            "passes": self._passes,
            "tokenizer": self.tokenizer.facts(),
            "trained_on": [dict(entry) for entry in self._trained_on],
            "training": self.parameters.recorded(),
        }
        stored = folder.Stored(vocabulary.words, vocabulary.counts, matrices.inputs, matrices.outputs, card)
        folder.write(Path(fname), stored)

    @classmethod
    def load(cls, fname: _PathLike, workers: int | None = None) -> Self:
        """A model that was saved, to go on training; all its bytes are compared with the hashes of its card. Raises
        IntegrityError, and ModelError for a folder that is damaged, of a newer
        version, or of vectors only (``KeyedVectors.load`` reads those)."""
        path = Path(fname)
        folder.verify(path)
        stored = folder.read(path)
        if stored.outputs is None or stored.counts is None or stored.card.get("kind") != "word2vec":
            raise ModelError(
                f"{path} holds vectors only; they cannot be trained on",
                hint="KeyedVectors.load reads them, idembed.load makes vectors of texts of them",
            )
        model = cls(workers=workers)
        try:
            card: dict[str, Any] = dict(stored.card)
            if card["training"]["trainer"] != TRAINER:
                raise ValueError(f"its trainer is {card['training']['trainer']}, not {TRAINER}")
            model.parameters = Parameters.from_recorded(card["training"])
            model.tokenizer = WordTokenizer.from_facts(card["tokenizer"])
            model._forget()
            if stored.vectors.shape[1] != model.vector_size or (stored.counts < 1).any():
                raise ValueError("its size or its counts are not those of the vectors")
            model._passes, model._trained_on = int(card["passes"]), list(card["trained_on"])
        except (KeyError, TypeError, ValueError) as error:
            raise ModelError(
                f"the card of {path} cannot be used: {error}", hint="a newer idembed may know it"
            ) from None
        before = Matrices(stored.vectors, stored.outputs)
        matrices = Matrices.make(len(stored.words), model.vector_size, model.parameters.seed, before)
        model._give_vectors(Vocabulary(stored.words, np.asarray(stored.counts)), matrices)
        return model


def _workers(workers: int | None) -> int:
    if workers is None:
        return default_threads()
    whole("workers", workers, 1, 1024)
    return int(workers)


def _one_of(sentences: object, corpus_file: object) -> None:
    if corpus_file is not None and not isinstance(corpus_file, str | os.PathLike):
        raise OptionError(f"corpus_file is the name of a file, not {type(corpus_file).__name__}", option="corpus_file")
    if (sentences is None) == (corpus_file is None):
        raise OptionError(
            "give either sentences or a corpus_file, " + ("not both" if sentences is not None else "one of them")
        )


def _call(callbacks: Sequence[object], event: str, model: Word2Vec) -> None:
    for callback in callbacks:
        method = getattr(callback, event, None)
        if method is not None:
            method(model)
