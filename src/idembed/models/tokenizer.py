"""A checkpoint's tokenizer: texts to token ids, and a hash of how it behaves."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from pathlib import Path

import tokenizers
from tokenizers import normalizers

from idembed.errors import ModelError, UnsupportedModelError

__all__ = ["PROBES", "TextTokenizer", "probe_texts"]

PROBES = 4096
_WORDS = 512
_LAST_ID = 2**31 - 1  # the encoder's ids are int32
_DENSE = ((0x0, 0x3400), (0xA000, 0xAC00), (0xF900, 0x11000), (0x1D000, 0x1FB00))
_SPARSE = ((0x3400, 0xA000), (0xAC00, 0xD800), (0x11000, 0x1D000), (0x20000, 0x32400), (0xE0000, 0xE0200))
_STEP = 32
_SYLLABLES = (
    *(
        "ta",
        "Re",
        "mi",
        "ING",
        "un",
        "est",
        "qu",
        "th",
        "e",
        "x",
        "don't",
        "o'",
        "ness",
        "ly",
        "0",
        "17",
        "3.5",
    ),
    *(
        "é",
        "e\u0301",
        "Ñ",
        "ß",
        "İ",
        "ı",
        "ﬁ",
        "ö",
        "Ω",
        "й",
        "и\u0306",
        "ا",
        "ة",
        "क",
        "ि",
        "한",
        "日",
        "本",
    ),
    *(
        "-",
        "_",
        "/",
        ".",
        ",",
        "@",
        "#",
        "$",
        "…",
        "“",
        "—",
        "\u00a0",
        "\u200d",
        "\ufe0f",
        "👩",
        "🚀",
        "🏽",
        "##",
    ),
)


class TextTokenizer:
    """The rules of a ``tokenizer.json``, its own truncation and padding switched off.

    ``prefix`` and ``suffix`` count the special tokens before and after every text. Raises ModelError when
    the file cannot be read or its rules cannot encode, UnsupportedModelError when it gives a lone text other types
    than 0.
    """

    def __init__(self, path: Path, *, lowercase: bool = False) -> None:
        self._path = path
        try:
            self._rules = tokenizers.Tokenizer.from_file(str(path))
        except Exception as error:  # the library raises plain Exception
            raise ModelError(f"{path} cannot be read: {error}", hint="fetch the checkpoint again") from error
        self._rules.no_truncation()
        self._rules.no_padding()
        if lowercase:
            _put_lowercase(self._rules)
        try:
            sample = self._rules.encode("a")
        except Exception as error:
            raise self._unusable(error) from error
        special = sample.special_tokens_mask
        if any(sample.type_ids):
            raise UnsupportedModelError(f"{path} gives token types other than 0", hint="supported: type 0")
        self.prefix = special.index(0) if 0 in special else 0
        self.suffix = special[::-1].index(0) if 0 in special else 0

    def encode(self, texts: Sequence[str]) -> list[list[int]]:
        """Token ids of each text, special tokens included, not cut. Raises ModelError where the rules are at fault."""
        try:
            made = [encoding.ids for encoding in self._rules.encode_batch_fast(texts)]
        except (TypeError, UnicodeError, MemoryError):  # of the texts, not of the rules
            raise
        except Exception as error:  # the library raises plain Exception
            raise self._unusable(error) from error
        if largest := max((max(ids) for ids in made if ids and max(ids) > _LAST_ID), default=0):
            raise self._unusable(f"it gives the token id {largest}, and the largest possible is {_LAST_ID}")
        return made

    def _unusable(self, why: object) -> ModelError:
        return ModelError(f"{self._path} cannot encode a text: {why}", hint="fetch the checkpoint again")

    def cut(self, ids: list[int], limit: int) -> list[int]:
        """The first ``limit`` tokens of a text, its closing special tokens kept."""
        if len(ids) <= limit:
            return ids
        return ids[: limit - self.suffix] + ids[len(ids) - self.suffix :]

    def behaviour(self) -> str:
        """SHA-256 over the vocabulary (each token with its id, by id) and the token ids of the probe texts.

        The vocabulary alone would miss changed rules and the Unicode tables of another version of the
        library; the probes alone would miss two rare words that changed places.
        """
        digest = hashlib.sha256()
        for token, number in sorted(self._rules.get_vocab().items(), key=lambda item: (item[1], item[0])):
            raw = token.encode("utf-8")
            digest.update(f"{number} {len(raw)} ".encode() + raw)
        for ids in self.encode(list(probe_texts())):
            digest.update((",".join(map(str, ids)) + "\n").encode())
        return digest.hexdigest()


def probe_texts() -> Iterator[str]:
    """4,096 texts, the same for ever.

    3,584 show single characters between letters, where removing, splitting, folding and not knowing them all
    give different tokens: every character of the blocks that matter to rules, each 32nd of the rest.
    512 are made of word pieces, accents, digits, marks and emoji.
    """
    characters = [c for start, end in _DENSE for c in range(start, end)]
    characters += [c for start, end in _SPARSE for c in range(start, end, _STEP)]
    count = PROBES - _WORDS
    for i in range(count):
        yield " ".join(f"a{chr(c)}b" for c in characters[i::count] if not 0xD800 <= c < 0xE000)
    state = 1
    for _ in range(_WORDS):
        words = []
        for _ in range(6):
            pieces = []
            for _ in range(4):
                state = (state * 6364136223846793005 + 1442695040888963407) % 2**64
                pieces.append(_SYLLABLES[(state >> 33) % len(_SYLLABLES)])
            words.append("".join(pieces))
        yield " ".join(words)


def _put_lowercase(rules: tokenizers.Tokenizer) -> None:
    """do_lower_case of sentence_bert_config.json, unless the rules do so already."""
    own = rules.normalizer
    if own is None:
        rules.normalizer = normalizers.Lowercase()
    elif own.normalize_str("A") != "a":
        rules.normalizer = normalizers.Sequence([normalizers.Lowercase(), own])
