"""What `Word2Vec` is told: gensim's names, checked once."""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass, fields
from typing import Any, Final, Literal

import numpy as np

from idembed.canonical import JSON
from idembed.errors import OptionError
from idembed.models.words.vocabulary import VocabularyRules
from idembed.native.word2vec import MOST_DIM, MOST_NEGATIVE, MOST_WINDOW, Method

__all__ = ["TRAINER", "Parameters", "refuse_unsupported"]

TRAINER: Final = "word2vec-1"
"""The arithmetic and the draws (docs/word2vec.md): another one gives other vectors and another name."""

_USUAL_RATE: Final = 0.025
_CBOW_RATE: Final = 0.15
_GOLDEN_SQUARE: Final = (3 + math.sqrt(5)) / 2


@dataclass(frozen=True, slots=True)
class Parameters:
    """All that decides what training gives, but for the corpus. OptionError names a value that makes no sense.

    ``alpha`` None is 0.025, and 0.15 for CBOW with a mean, whose gradient is divided by the length of the window;
    ``compat="gensim"`` takes gensim's update, which is not, and its 0.025.
    """

    vector_size: int = 100
    alpha: float | None = None
    window: int = 5
    min_count: int = 5
    max_vocab_size: int | None = None
    sample: float = 1e-3
    seed: int = 1
    min_alpha: float = 1e-4
    sg: int = 0
    negative: int = 5
    ns_exponent: float = 0.75
    cbow_mean: int = 1
    epochs: int = 5
    sorted_vocab: int = 1
    max_final_vocab: int | None = None
    shrink_windows: bool = True
    compat: Literal["gensim"] | None = None

    def __post_init__(self) -> None:
        for field in fields(self):  # numbers of numpy become Python's, which a card can hold
            value = getattr(self, field.name)
            if isinstance(value, np.generic):
                object.__setattr__(self, field.name, value.item())
        for name, least, most in (
            ("vector_size", 1, MOST_DIM),
            ("window", 1, MOST_WINDOW),
            ("negative", 1, MOST_NEGATIVE),
            ("epochs", 1, 2**31),
        ):
            whole(name, getattr(self, name), least, most)
        whole("seed", self.seed, -(2**53), 2**53)
        for name in ("sg", "cbow_mean", "sorted_vocab", "shrink_windows"):
            if getattr(self, name) not in (0, 1):
                raise OptionError(f"{name} must be 0 or 1, not {getattr(self, name)!r}", option=name)
        if self.alpha is not None:
            rate("alpha", self.alpha)
        rate("min_alpha", self.min_alpha)
        _number("sample", self.sample, 0, 1e15)
        _number("ns_exponent", self.ns_exponent, -8, 8)
        if self.compat not in (None, "gensim"):
            raise OptionError(f'compat must be "gensim" or None, not {self.compat!r}', option="compat")
        self.rules()

    @property
    def first_rate(self) -> float:
        """The learning rate that training begins with."""
        if self.alpha is not None:
            return float(self.alpha)
        by_mean = not self.sg and self.cbow_mean and self.compat is None
        return _CBOW_RATE if by_mean else _USUAL_RATE

    def rules(self) -> VocabularyRules:
        """Which words are kept."""
        return VocabularyRules(self.min_count, self.max_vocab_size, self.max_final_vocab, bool(self.sorted_vocab))

    def method(self, words: int) -> Method:
        """What the native core is told, for a corpus of which ``words`` tokens are in the vocabulary."""
        share = self.sample < 1  # else a count, as in gensim
        return Method(
            dim=self.vector_size,
            window=self.window,
            negative=self.negative,
            skipgram=bool(self.sg),
            shrink_windows=bool(self.shrink_windows),
            mean=bool(self.cbow_mean),
            # The gradient of a mean is divided by its length, that of a sum is not; gensim does the opposite.
            divided=bool(self.cbow_mean) != (self.compat == "gensim"),
            keep_threshold=self.sample * words if share else float(int(self.sample * _GOLDEN_SQUARE)),
            noise_exponent=float(self.ns_exponent),
            seed=self.seed & (2**64 - 1),
        )

    def recorded(self) -> dict[str, JSON]:
        """For the card; ``alpha`` as it was used."""
        values: dict[str, Any] = asdict(self)
        numbers = {name: float(values[name]) for name in ("min_alpha", "sample", "ns_exponent")}
        flags = {name: int(values[name]) for name in ("sg", "cbow_mean", "sorted_vocab")}
        return {
            **values,
            **numbers,
            **flags,
            "alpha": self.first_rate,
            "shrink_windows": bool(self.shrink_windows),
            "trainer": TRAINER,
        }

    @classmethod
    def from_recorded(cls, recorded: dict[str, Any]) -> Parameters:
        """The parameters of a card. Raises KeyError or TypeError for a card that lacks or adds some."""
        values = dict(recorded)
        del values["trainer"]
        return cls(**values)


def rate(name: str, value: object) -> None:
    """OptionError unless ``value`` can be a learning rate: 0 < rate <= 1, or 0 for the last one."""
    _number(name, value, 0, 1)
    if value == 0 and name in ("alpha", "start_alpha"):
        raise OptionError(f"{name} is 0: nothing would be learned", option=name)


def refuse_unsupported(hs: int, null_word: int, trim_rule: object) -> None:
    """OptionError for what gensim has and this has not."""
    if hs:
        raise OptionError(
            f"hs={hs!r}: hierarchical softmax is not there", hint="use negative sampling: hs=0, negative=5", option="hs"
        )
    if null_word:
        raise OptionError(f"null_word={null_word!r} is not there", hint="leave it out", option="null_word")
    if trim_rule is not None:
        raise OptionError(
            "trim_rule is not there", hint="use min_count, or leave words out of the sentences", option="trim_rule"
        )


def whole(name: str, value: object, least: int, most: int) -> None:
    """OptionError unless ``value`` is a whole number of ``least`` to ``most``."""
    if isinstance(value, bool) or not isinstance(value, int | np.integer) or not least <= value <= most:
        hint = "negative sampling is the only method here" if name == "negative" and value == 0 else ""
        raise OptionError(f"{name} must be a whole number of {least} to {most}, not {value!r}", hint=hint, option=name)


def _number(name: str, value: object, least: float, most: float) -> None:
    if isinstance(value, bool) or not isinstance(value, int | float) or not least <= value <= most:
        raise OptionError(f"{name} must be a number of {least:g} to {most:g}, not {value!r}", option=name)
