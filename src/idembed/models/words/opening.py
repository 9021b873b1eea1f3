"""Which names are of word vectors, and the model behind such a name."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import TYPE_CHECKING

from idembed.errors import ModelError, ModelNotFoundError

if TYPE_CHECKING:
    from idembed.models.words.keyedvectors import KeyedVectors
    from idembed.models.words.texts import WordTexts

__all__ = ["names_words", "open_words"]

_FORMAT = "idembed-words-"
_FILE = re.compile(r"\.(vec|bin|glove|glove\.txt|kv)(\.gz)?$", re.IGNORECASE)


def names_words(name: str) -> bool:
    """True for a folder of word vectors, for every name that ends as theirs do (``.w2v``), and for files with an
    ending of word2vec, GloVe or gensim; false for another folder, whatever it is called."""
    path = Path(name).expanduser()
    if path.suffix.lower() == ".w2v":
        return True
    if path.is_dir():
        return _says_words(path / "card.json")
    return _ending(path) is not None


def open_words(name: str, *, isa: str | None = None) -> WordTexts:
    """Texts by the word vectors called ``name``: a folder that was trained or saved here, whose matrix is mapped,
    or a file of word2vec (``.vec`` text, ``.bin`` binary) or GloVe (``.glove``, ``.glove.txt``), perhaps ``.gz``,
    which is read from its first byte to its last each time: ``load(name).wv.save("x.w2v")`` once saves that.

    Raises ModelNotFoundError, and ModelError naming what cannot be read.
    """
    from idembed.models.fingerprint import identity
    from idembed.models.words.folder import FILES
    from idembed.models.words.texts import WordTexts

    path = Path(name).expanduser()
    if not path.exists():
        raise ModelNotFoundError(f"there are no word vectors at {name}", hint="make some: idembed train CORPUS -o DIR")
    files = [path / file for file in FILES] if path.is_dir() else [path]
    before = identity(files)
    wv = _read(path)
    model = WordTexts(wv, str(path.resolve()), files, isa=isa)
    if model.identity != before:
        raise ModelError(f"{name} changed while it was read", hint="wait until it is written, then try again")
    return model


def _read(path: Path) -> KeyedVectors:
    from idembed.models.words.keyedvectors import KeyedVectors

    ending = _ending(path)
    if path.is_dir() or ending is None:
        return KeyedVectors.load(path)
    if ending == "kv":
        raise ModelError(
            f"{path} is a pickle of gensim's, which can run any code when it is read",
            hint="export it where you trust it: KeyedVectors.load(FILE).save_word2vec_format('x.bin', binary=True)",
            file=str(path),
        )
    if ending.startswith("glove"):
        return KeyedVectors.load_glove_format(path)
    return KeyedVectors.load_word2vec_format(path, binary=ending == "bin")


def _ending(path: Path) -> str | None:
    found = _FILE.search(path.name)
    return found[1].lower() if found else None


def _says_words(card: Path) -> bool:
    try:
        value = json.loads(card.read_bytes())
    except (OSError, ValueError, RecursionError):
        return False
    return isinstance(value, dict) and str(value.get("format", "")).startswith(_FORMAT)
