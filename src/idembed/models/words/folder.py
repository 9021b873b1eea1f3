"""Trained word vectors on disk: the folder ``pets.w2v/``.

``vectors.safetensors`` holds the matrices as plain float32, ``vocabulary.json`` the words and their counts in
one line of canonical JSON, ``card.json`` what they are and how they came to be. Equal content is equal bytes:
no time, no path and no machine is recorded.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import secrets
import shutil
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from idembed.canonical import JSON, NotCanonicalError, canonical_json
from idembed.durable import FULL, sync_folder
from idembed.errors import DiskFullError, IntegrityError, ModelError, ModelNotFoundError, OptionError

__all__ = ["CARD", "FILES", "FORMAT", "Stored", "check_target", "read", "verify", "write"]

FORMAT: Final = "idembed-words-1"
CARD: Final = "card.json"
_VOCABULARY: Final = "vocabulary.json"
_TENSORS: Final = "vectors.safetensors"
FILES: Final = (CARD, _VOCABULARY, _TENSORS)
"""What a folder holds, and nothing else."""

_ALIGNMENT = 64  # bytes; the first matrix begins at a multiple in the file, so at a cache line in the map
_MAX_HEADER = 1 << 20  # ours has some 200 bytes
_BLOCK_BYTES = 8 << 20

Floats = NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class Stored:
    """What a folder holds: word ``i`` has ``vectors[i]`` (float32 [V, dim], rows perhaps apart).

    ``counts`` [V] is None when nobody knows them. ``outputs`` [V, dim] is the second matrix, which training
    continues with. ``card`` is the rest; ``write`` adds to it ``format``, ``dim``, ``words`` and ``sha256``.
    """

    words: list[str]
    counts: NDArray[np.int64] | None
    vectors: Floats
    outputs: Floats | None
    card: Mapping[str, JSON]


def write(path: Path, stored: Stored) -> None:
    """The folder ``path``, whole or not at all, and on the disk on return.

    It may take the place of an earlier such folder, or of an empty one; a map of the old one stays readable.
    (Directories have no single step for that: killed between the two renames, the old folder lies beside
    ``path`` as ``.NAME.….old``.) Raises OptionError for anything else at ``path``, for values that do not fit
    together, for vectors only in place of a model that can be trained on, and where it cannot be written;
    DiskFullError.
    """
    path = Path(os.path.realpath(path))
    vocabulary, card = _check(stored)
    check_target(path, stored.outputs is not None)
    temporary = path.with_name(f".{path.name}.{secrets.token_hex(6)}.tmp")
    try:
        temporary.mkdir()
        try:
            hashes = {
                _TENSORS: _write_file(temporary / _TENSORS, _tensor_file(stored)),
                _VOCABULARY: _write_file(temporary / _VOCABULARY, iter([vocabulary])),
            }
            card |= {"format": FORMAT, "dim": stored.vectors.shape[1], "words": len(stored.words), "sha256": hashes}
            text = json.dumps(card, indent=2, sort_keys=True, ensure_ascii=False) + "\n"
            _write_file(temporary / CARD, iter([text.encode()]))
            sync_folder(temporary)
            _take_place(temporary, path)
        finally:
            shutil.rmtree(temporary, ignore_errors=True)
    except OSError as error:
        kind = DiskFullError if error.errno in FULL else OptionError
        raise kind(f"{path} cannot be written: {error.strerror or error}", file=str(path)) from error


def read(path: Path, *, mmap: bool = True) -> Stored:
    """What the folder holds. The matrices are read-only maps of the file (nothing of them is read here), or
    with ``mmap=False`` arrays in memory.

    Raises ModelNotFoundError when there is no folder, ModelError naming the file that is missing, damaged or
    does not fit the others. Only ``verify`` looks at every byte of the matrices.
    """
    card = _read_card(path)
    file = path / _VOCABULARY
    raw = _read_bytes(file)
    if hashlib.sha256(raw).hexdigest() != _hash_of(card, _VOCABULARY, path):
        raise _changed(file)
    words, counts = _vocabulary(_json(raw, file), file)
    if card.get("words") != len(words):
        raise _damaged(file, f"it has {len(words):,} words, {CARD} says {card.get('words')!r}")
    tensors = _read_tensors(path / _TENSORS, (len(words), card["dim"]), mmap)
    return Stored(words, counts, tensors["vectors"], tensors.get("outputs"), card)


def verify(path: Path) -> None:
    """Read every byte and compare with the hashes of the card (about a second a gigabyte).

    Raises IntegrityError naming the file whose bytes are others, and whatever ``read`` raises.
    """
    card = _read_card(path)
    for name in (_VOCABULARY, _TENSORS):
        file = path / name
        try:
            with file.open("rb") as opened:
                found = hashlib.file_digest(opened, "sha256").hexdigest()
        except OSError as error:
            raise _unreadable(file, error) from error
        if found != _hash_of(card, name, path):
            raise _changed(file)
    read(path)


# ---- writing ------------------------------------------------------------------------------------------------


def _check(stored: Stored) -> tuple[bytes, dict[str, Any]]:
    """The vocabulary's bytes and a card of plain values, after everything that could be wrong was not."""
    shape = stored.vectors.shape
    if len(shape) != 2 or shape[0] != len(stored.words) or not shape[1]:
        raise OptionError(f"{len(stored.words):,} words need vectors [{len(stored.words)}, dim], not {list(shape)}")
    if stored.outputs is not None and stored.outputs.shape != shape:
        raise OptionError(f"outputs are {list(stored.outputs.shape)}, vectors {list(shape)}")
    for name, matrix in _matrices(stored):
        if matrix.dtype != np.float32:
            raise OptionError(f"{name} are {matrix.dtype}, not float32")
    if stored.counts is not None and stored.counts.shape != shape[:1]:
        raise OptionError(f"{len(stored.words):,} words have {len(stored.counts):,} counts")
    if len(set(stored.words)) != len(stored.words):
        raise OptionError("a word stands twice in the vocabulary")
    try:
        counts = None if stored.counts is None else stored.counts.tolist()
        vocabulary = canonical_json({"counts": counts, "words": stored.words}) + "\n"
        card: dict[str, Any] = json.loads(canonical_json(stored.card))
    except NotCanonicalError as error:
        raise OptionError(f"the vocabulary or the card cannot be written: {error}") from None
    return vocabulary.encode(), card


def check_target(path: Path, keeps_outputs: bool) -> None:
    """Raise OptionError for what ``write`` would not replace: anything but such a folder or an empty one, and a
    model that can be trained on by one that cannot (``keeps_outputs`` False)."""
    try:
        names = {entry.name for entry in path.iterdir()}
    except FileNotFoundError:
        return
    except NotADirectoryError:
        raise OptionError(f"{path} is a file", hint="word vectors are a folder: give it another name") from None
    except OSError as error:
        raise OptionError(f"{path} cannot be read: {error.strerror or error}") from error
    foreign = sorted(names.difference(FILES))
    if names and (foreign or CARD not in names):
        what = f"it holds {foreign[0]}" if foreign else f"it has no {CARD}"
        raise OptionError(f"{path} is no folder of word vectors: {what}", hint="give another name, or empty it")
    if names:
        try:
            card = _read_card(path)
        except ModelError as error:
            raise OptionError(f"{path} is not replaced: {error.message}", hint="give another name") from error
        if not keeps_outputs and card.get("kind") == "word2vec":
            raise OptionError(
                f"{path} holds a model that can be trained on, and these are its vectors only", hint="give another name"
            )


def _matrices(stored: Stored) -> list[tuple[str, Floats]]:
    second = [] if stored.outputs is None else [("outputs", stored.outputs)]
    return [("vectors", stored.vectors), *second]


def _tensor_file(stored: Stored) -> Iterator[bytes]:
    """The safetensors file, piece by piece: rows are gathered in blocks, never the matrix."""
    header: dict[str, Any] = {"__metadata__": {"format": FORMAT}}
    offset = 0
    for name, matrix in _matrices(stored):
        end = offset + matrix.size * 4
        header[name] = {"dtype": "F32", "shape": list(matrix.shape), "data_offsets": [offset, end]}
        offset = end
    raw = json.dumps(header, separators=(",", ":")).encode()
    raw += b" " * (-(8 + len(raw)) % _ALIGNMENT)
    yield len(raw).to_bytes(8, "little") + raw
    for _, matrix in _matrices(stored):
        step = max(_BLOCK_BYTES // (4 * matrix.shape[1]), 1)
        for start in range(0, len(matrix), step):
            yield matrix[start : start + step].astype("<f4", order="C").tobytes()


def _write_file(path: Path, pieces: Iterator[bytes]) -> str:
    """Write and fsync; the SHA-256 of what was written."""
    digest = hashlib.sha256()
    with path.open("xb") as file:
        for piece in pieces:
            digest.update(piece)
            file.write(piece)
        file.flush()
        os.fsync(file.fileno())
    return digest.hexdigest()


def _take_place(temporary: Path, path: Path) -> None:
    """Rename, after the old folder went aside; it comes back when the rename fails."""
    if not path.exists():
        temporary.rename(path)
        sync_folder(path.parent)
        return
    old = temporary.with_suffix(".old")
    path.rename(old)
    try:
        temporary.rename(path)
    except BaseException:
        old.rename(path)
        raise
    sync_folder(path.parent)  # before the old one goes
    with contextlib.suppress(OSError):  # what somebody else put into it stays, beside the new one
        for name in FILES:
            (old / name).unlink(missing_ok=True)
        old.rmdir()


# ---- reading ------------------------------------------------------------------------------------------------


def _read_card(path: Path) -> dict[str, Any]:
    if not path.exists():
        raise ModelNotFoundError(f"there is no folder {path}", file=str(path))
    if not path.is_dir():
        raise ModelError(
            f"{path} is a file, not a folder of word vectors",
            hint="KeyedVectors.load_word2vec_format and load_glove_format read the files of other programs",
            file=str(path),
        )
    file = path / CARD
    card = _json(_read_bytes(file), file)
    if not isinstance(card, dict) or card.get("format") != FORMAT:
        found = card.get("format") if isinstance(card, dict) else None
        raise ModelError(
            f"{file} has the format {found!r}, not {FORMAT!r}", hint="a newer idembed may know it", file=str(file)
        )
    dim = card.get("dim")
    if type(dim) is not int or dim < 1:
        raise _damaged(file, f"dim is {dim!r}")
    return card


def _vocabulary(content: Any, file: Path) -> tuple[list[str], NDArray[np.int64] | None]:
    words = content.get("words") if isinstance(content, dict) else None
    if not isinstance(words, list) or not all(isinstance(word, str) for word in words):
        raise _damaged(file, "it has no list of words")
    if len(set(words)) != len(words):
        raise _damaged(file, "a word stands twice in it")
    counts = content.get("counts")
    if counts is None:
        return words, None
    if not isinstance(counts, list) or not all(type(count) is int for count in counts):
        raise _damaged(file, "its counts are no list of integers")
    if len(counts) != len(words):
        raise _damaged(file, f"it has {len(words):,} words and {len(counts):,} counts")
    return words, np.array(counts, np.int64)


def _read_tensors(file: Path, shape: tuple[int, int], mmap: bool) -> dict[str, Floats]:
    try:
        with file.open("rb") as opened:
            size = os.fstat(opened.fileno()).st_size
            length = int.from_bytes(opened.read(8), "little")
            if size < 8 or not 2 <= length <= min(_MAX_HEADER, size - 8):
                raise _damaged(file, "it is cut off or not a safetensors file")
            header = _json(opened.read(length), file)
            ends = _layout(header, shape, file)
            start, stop = 8 + length, 8 + length + max(ends.values())
            if size != stop:
                raise _damaged(file, f"it has {size:,} bytes, its header says {stop:,}")
            tensors = {}
            for name, end in ends.items():
                offset = start + end - _bytes(shape)
                tensors[name] = _matrix(opened, offset, shape, mmap)
            return tensors
    except OSError as error:
        raise _unreadable(file, error) from error


def _layout(header: Any, shape: tuple[int, int], file: Path) -> dict[str, int]:
    """Where each matrix ends, in bytes behind the header; every entry is just what ``write`` makes of it."""
    entries = dict(header) if isinstance(header, dict) else {}
    entries.pop("__metadata__", None)
    if set(entries) not in ({"vectors"}, {"vectors", "outputs"}):
        raise _damaged(file, f"it holds {sorted(entries)}, not vectors, or vectors and outputs")
    ends: dict[str, int] = {}
    for name in ("vectors", "outputs"):
        if name not in entries:
            continue
        entry = entries[name] if isinstance(entries[name], dict) else {}
        if entry.get("dtype") != "F32" or entry.get("shape") != list(shape):
            found = f"{entry.get('dtype')} {entry.get('shape')}"
            raise _damaged(file, f"{name} are {found}, vocabulary and card make it F32 {list(shape)}")
        begin = ends.get("vectors", 0)
        ends[name] = begin + _bytes(shape)
        if entry.get("data_offsets") != [begin, ends[name]]:
            raise _damaged(file, f"{name} lie at {entry.get('data_offsets')}, not at {[begin, ends[name]]}")
    return ends


def _bytes(shape: tuple[int, int]) -> int:
    return 4 * shape[0] * shape[1]


def _matrix(opened: Any, offset: int, shape: tuple[int, int], mmap: bool) -> Floats:
    if mmap and shape[0]:
        return np.asarray(np.memmap(opened, "<f4", "r", offset, shape))  # a plain array, whose rows are no maps
    opened.seek(offset)
    matrix: Floats = np.fromfile(opened, "<f4", shape[0] * shape[1]).reshape(shape)
    return matrix


def _read_bytes(file: Path) -> bytes:
    try:
        return file.read_bytes()
    except OSError as error:
        raise _unreadable(file, error) from error


def _json(raw: bytes, file: Path) -> Any:
    try:
        return json.loads(raw)
    except (ValueError, RecursionError) as error:
        raise _damaged(file, f"it is not JSON ({error})") from None


def _hash_of(card: Mapping[str, Any], name: str, path: Path) -> str:
    hashes = card.get("sha256")
    found = hashes.get(name) if isinstance(hashes, dict) else None
    if not isinstance(found, str):
        raise _damaged(path / CARD, f"it has no sha256 of {name}")
    return found


def _unreadable(file: Path, error: OSError) -> ModelError:
    if isinstance(error, FileNotFoundError):
        return ModelError(f"{file} is missing", hint="the folder is not whole: copy it again", file=str(file))
    return ModelError(f"{file} cannot be read: {error.strerror or error}", file=str(file))


def _changed(file: Path) -> IntegrityError:
    return IntegrityError(
        f"{file} does not have the bytes that {CARD} promises",
        hint="it is damaged, changed, or of another folder: copy the folder again",
        file=str(file),
    )


def _damaged(file: Path, why: str) -> ModelError:
    return ModelError(f"{file} is damaged: {why}", hint="copy or make the folder again", file=str(file))
