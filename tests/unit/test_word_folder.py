"""The folder of word vectors: its bytes, and what is said of one that is not whole."""

from __future__ import annotations

import hashlib
import json
import os
import stat
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from safetensors.numpy import load_file

from idembed.errors import DiskFullError, IntegrityError, ModelError, ModelNotFoundError, OptionError
from idembed.models.words import folder
from idembed.models.words.folder import Stored, read, verify, write

VECTORS = np.array([[1.5, -2], [0, 3]], np.float32)
OUTPUTS = np.array([[5, 6], [7, 8]], np.float32)
FILES = ["card.json", "vectors.safetensors", "vocabulary.json"]


def stored(**changes: Any) -> Stored:
    values: dict[str, Any] = {
        "words": ["cat", "hündin"],
        "counts": np.array([9, 4], np.int64),
        "vectors": VECTORS,
        "outputs": OUTPUTS,
        "card": {"kind": "word2vec", "training": {"alpha": 0.025, "seed": 1}},
    }
    return Stored(**(values | changes))


@pytest.fixture
def pets(tmp_path: Path) -> Path:
    write(tmp_path / "pets.w2v", stored())
    return tmp_path / "pets.w2v"


# ---- bytes --------------------------------------------------------------------------------------------------


def test_vocabulary_is_one_canonical_line(pets: Path) -> None:
    assert (pets / "vocabulary.json").read_bytes() == '{"counts":[9,4],"words":["cat","hündin"]}\n'.encode()


def test_unknown_counts_are_null(tmp_path: Path) -> None:
    write(tmp_path / "a", stored(counts=None))
    assert (tmp_path / "a/vocabulary.json").read_text("utf-8") == '{"counts":null,"words":["cat","hündin"]}\n'
    assert read(tmp_path / "a").counts is None


def test_card_is_readable_and_names_the_bytes_of_the_others(pets: Path) -> None:
    def sha256(name: str) -> str:
        return hashlib.sha256((pets / name).read_bytes()).hexdigest()

    assert (pets / "card.json").read_text("utf-8") == (
        "{\n"
        '  "dim": 2,\n'
        '  "format": "idembed-words-1",\n'
        '  "kind": "word2vec",\n'
        '  "sha256": {\n'
        f'    "vectors.safetensors": "{sha256("vectors.safetensors")}",\n'
        f'    "vocabulary.json": "{sha256("vocabulary.json")}"\n'
        "  },\n"
        '  "training": {\n'
        '    "alpha": 0.025,\n'
        '    "seed": 1\n'
        "  },\n"
        '  "words": 2\n'
        "}\n"
    )


def test_matrices_are_plain_safetensors_that_begin_at_a_cache_line(pets: Path) -> None:
    raw = (pets / "vectors.safetensors").read_bytes()
    length = int.from_bytes(raw[:8], "little")
    assert (8 + length) % 64 == 0
    assert json.loads(raw[8 : 8 + length]) == {
        "__metadata__": {"format": "idembed-words-1"},
        "vectors": {"dtype": "F32", "shape": [2, 2], "data_offsets": [0, 16]},
        "outputs": {"dtype": "F32", "shape": [2, 2], "data_offsets": [16, 32]},
    }
    assert raw[8 + length :] == VECTORS.tobytes() + OUTPUTS.tobytes()


def test_other_programs_read_the_matrices(pets: Path) -> None:
    tensors = load_file(pets / "vectors.safetensors")
    assert sorted(tensors) == ["outputs", "vectors"]
    assert tensors["vectors"].tobytes() == VECTORS.tobytes()
    assert tensors["outputs"].tobytes() == OUTPUTS.tobytes()


def test_equal_content_is_equal_bytes(pets: Path, tmp_path: Path) -> None:
    wide = np.full((2, 16), 7, np.float32)
    wide[:, :2] = VECTORS
    card = {"training": {"seed": 1.0, "alpha": 0.025}, "kind": "word2vec", "words": 77, "dim": 1, "format": "?"}
    write(tmp_path / "again", stored(vectors=wide[:, :2], card=card))
    for name in FILES:
        assert (tmp_path / "again" / name).read_bytes() == (pets / name).read_bytes()
    assert sorted(entry.name for entry in pets.iterdir()) == FILES


def test_a_matrix_larger_than_a_block_is_written_whole(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(folder, "_BLOCK_BYTES", 50)
    vectors = np.arange(35, dtype=np.float32).reshape(7, 5)
    write(tmp_path / "a", stored(words=list("abcdefg"), counts=None, vectors=vectors, outputs=None))
    assert read(tmp_path / "a").vectors.tobytes() == vectors.tobytes()


# ---- reading ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("mmap", [True, False])
def test_what_was_written_is_read(pets: Path, mmap: bool) -> None:
    found = read(pets, mmap=mmap)
    assert found.words == ["cat", "hündin"]
    assert found.counts is not None
    assert (found.counts.tolist(), found.counts.dtype) == ([9, 4], np.int64)
    assert found.vectors.tolist() == VECTORS.tolist()
    assert found.outputs is not None
    assert found.outputs.tolist() == OUTPUTS.tolist()
    assert found.vectors.dtype == found.outputs.dtype == np.float32
    assert found.card["training"] == {"alpha": 0.025, "seed": 1}
    assert found.card["dim"] == 2


def test_matrices_are_read_only_maps_or_arrays_in_memory(pets: Path) -> None:
    mapped = read(pets).vectors
    assert type(mapped) is np.ndarray
    assert isinstance(mapped.base, np.memmap)
    assert not mapped.flags.writeable
    assert mapped.ctypes.data % 64 == 0
    loaded = read(pets, mmap=False).vectors
    assert loaded.flags.writeable
    assert not isinstance(loaded.base, np.memmap)


def test_outputs_may_be_missing(tmp_path: Path) -> None:
    write(tmp_path / "a", stored(outputs=None))
    assert read(tmp_path / "a").outputs is None
    verify(tmp_path / "a")


def test_no_words_are_no_error(tmp_path: Path) -> None:
    empty = np.empty((0, 3), np.float32)
    write(tmp_path / "a", stored(words=[], counts=np.empty(0, np.int64), vectors=empty, outputs=None))
    assert read(tmp_path / "a").vectors.shape == (0, 3)


# ---- writing over what is there -----------------------------------------------------------------------------


def test_an_earlier_folder_is_replaced_and_its_maps_stay_readable(pets: Path) -> None:
    before = read(pets)
    write(pets, stored(vectors=VECTORS + 1))
    assert before.vectors.tolist() == VECTORS.tolist()
    assert read(pets).vectors.tolist() == (VECTORS + 1).tolist()
    assert [entry.name for entry in pets.parent.iterdir()] == ["pets.w2v"]


def test_vectors_alone_do_not_replace_a_model_that_can_be_trained_on(pets: Path) -> None:
    write(pets, stored(card={"kind": "word2vec"}))
    with pytest.raises(OptionError, match="holds a model that can be trained on, and these are its vectors only"):
        write(pets, stored(outputs=None))
    assert read(pets).outputs is not None


def test_an_empty_folder_is_filled(tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    write(tmp_path / "a", stored())
    verify(tmp_path / "a")


def test_a_link_to_a_folder_stays_a_link(pets: Path, tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to(pets)
    write(tmp_path / "link", stored(words=["a", "b"]))
    assert (tmp_path / "link").is_symlink()
    assert read(pets).words == ["a", "b"]


def test_a_file_is_not_replaced(tmp_path: Path) -> None:
    (tmp_path / "a").write_text("mine")
    with pytest.raises(OptionError, match="a is a file"):
        write(tmp_path / "a", stored())
    assert (tmp_path / "a").read_text() == "mine"


@pytest.mark.parametrize("name", ["thesis.tex", "vectors.safetensors"])
def test_a_folder_of_something_else_is_not_replaced(tmp_path: Path, name: str) -> None:
    (tmp_path / "a").mkdir()
    (tmp_path / "a" / name).write_text("mine")
    with pytest.raises(OptionError, match=r"holds thesis\.tex|no card\.json"):
        write(tmp_path / "a", stored())
    assert (tmp_path / "a" / name).read_text() == "mine"


def test_a_folder_with_a_file_of_someones_own_is_not_replaced(pets: Path) -> None:
    (pets / "notes.txt").write_text("mine")
    with pytest.raises(OptionError, match=r"holds notes\.txt"):
        write(pets, stored(words=["a", "b"]))
    assert read(pets).words == ["cat", "hündin"]


def test_another_programs_card_is_not_replaced(tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    (tmp_path / "a/card.json").write_text('{"format": "theirs"}')
    with pytest.raises(OptionError, match="is not replaced"):
        write(tmp_path / "a", stored())


@pytest.mark.parametrize("error", [OSError(28, "No space left on device"), KeyboardInterrupt()])
def test_after_an_error_the_old_folder_is_unharmed(
    pets: Path, monkeypatch: pytest.MonkeyPatch, error: BaseException
) -> None:
    def fail(descriptor: int) -> None:
        raise error

    monkeypatch.setattr(os, "fsync", fail)
    with pytest.raises((DiskFullError, KeyboardInterrupt)):
        write(pets, stored(words=["a", "b"]))
    monkeypatch.undo()
    verify(pets)
    assert read(pets).words == ["cat", "hündin"]
    assert [entry.name for entry in pets.parent.iterdir()] == ["pets.w2v"]


def test_when_the_rename_fails_the_old_folder_comes_back(pets: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    rename = Path.rename

    def fail(self: Path, target: Path) -> Path:
        if self.name.endswith(".tmp"):
            raise PermissionError(13, "Permission denied")
        return rename(self, target)

    monkeypatch.setattr(Path, "rename", fail)
    with pytest.raises(OptionError, match=r"pets\.w2v cannot be written: Permission denied"):
        write(pets, stored(words=["a", "b"]))
    assert read(pets).words == ["cat", "hündin"]
    assert [entry.name for entry in pets.parent.iterdir()] == ["pets.w2v"]


@pytest.mark.skipif(os.name != "posix", reason="fsync of folders")
def test_the_files_reach_the_disk_before_the_name_and_then_the_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    events: list[str] = []
    fsync, rename = os.fsync, Path.rename

    def noted_fsync(descriptor: int) -> None:
        events.append("folder" if stat.S_ISDIR(os.fstat(descriptor).st_mode) else "file")
        fsync(descriptor)

    def noted_rename(self: Path, target: Path) -> Path:
        events.append("name")
        return rename(self, target)

    monkeypatch.setattr(os, "fsync", noted_fsync)
    monkeypatch.setattr(Path, "rename", noted_rename)
    write(tmp_path / "a", stored())
    assert events == ["file", "file", "file", "folder", "name", "folder"]


def test_a_folder_that_is_missing_above_is_named(tmp_path: Path) -> None:
    with pytest.raises(OptionError, match="none/a cannot be written: No such file"):
        write(tmp_path / "none/a", stored())


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"words": ["cat"]}, r"1 words need vectors \[1, dim\], not \[2, 2\]"),
        ({"words": ["cat", "cat"]}, "twice"),
        ({"words": ["cat", "a\0b"]}, r"words\[1\]: contains NUL"),
        ({"counts": np.array([1], np.int64)}, "2 words have 1 counts"),
        ({"vectors": VECTORS.astype(np.float64)}, "vectors are float64"),
        ({"outputs": OUTPUTS[:1]}, r"outputs are \[1, 2\], vectors \[2, 2\]"),
        ({"card": {"seed": float("nan")}}, "seed: nan"),
    ],
)
def test_what_does_not_fit_together_is_not_written(tmp_path: Path, changes: dict[str, Any], message: str) -> None:
    with pytest.raises(OptionError, match=message):
        write(tmp_path / "a", stored(**changes))
    assert list(tmp_path.iterdir()) == []


# ---- damage -------------------------------------------------------------------------------------------------


def test_a_missing_folder_and_a_file_are_no_folder(tmp_path: Path) -> None:
    with pytest.raises(ModelNotFoundError, match=r"there is no folder .*none"):
        read(tmp_path / "none")
    (tmp_path / "v.bin").write_bytes(b"")
    with pytest.raises(ModelError, match=r"v\.bin is a file.*\n.*load_word2vec_format"):
        read(tmp_path / "v.bin")


@pytest.mark.parametrize("name", FILES)
def test_a_missing_file_is_named(pets: Path, name: str) -> None:
    (pets / name).unlink()
    with pytest.raises(ModelError, match=f"{name} is missing"):
        read(pets)
    with pytest.raises(ModelError, match=f"{name} is missing"):
        verify(pets)


def rewritten(path: Path, change: Callable[[Any], None]) -> None:
    content = json.loads(path.read_text("utf-8"))
    change(content)
    path.write_text(json.dumps(content), "utf-8")


def with_vocabulary(pets: Path, text: str) -> None:
    """Another vocabulary, and a card that promises just those bytes."""
    (pets / "vocabulary.json").write_text(text, "utf-8")
    digest = hashlib.sha256(text.encode()).hexdigest()
    rewritten(pets / "card.json", lambda card: card["sha256"].update({"vocabulary.json": digest}))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda card: card.update(format="idembed-words-2"), r"card\.json has the format 'idembed-words-2'"),
        (lambda card: card.pop("format"), r"card\.json has the format None"),
        (lambda card: card.update(dim="2"), r"card\.json is damaged: dim is '2'"),
        (lambda card: card.update(dim=0), r"card\.json is damaged: dim is 0"),
        (lambda card: card.update(dim=4), r"vectors\.safetensors is damaged: vectors are F32 \[2, 2\].* F32 \[2, 4\]"),
        (lambda card: card.update(words=3), r"vocabulary\.json is damaged: it has 2 words, card\.json says 3"),
        (lambda card: card.pop("sha256"), r"card\.json is damaged: it has no sha256 of vocabulary\.json"),
    ],
)
def test_a_card_that_does_not_fit_is_refused(pets: Path, change: Callable[[Any], None], message: str) -> None:
    rewritten(pets / "card.json", change)
    with pytest.raises(ModelError, match=message):
        read(pets)


@pytest.mark.parametrize("text", ["", "{", "[]", "\xff"])
def test_a_card_that_is_no_object_is_refused(pets: Path, text: str) -> None:
    (pets / "card.json").write_bytes(text.encode("latin-1"))
    with pytest.raises(ModelError, match=r"card\.json"):
        read(pets)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("{", "it is not JSON"),
        ("[1]", "it has no list of words"),
        ('{"words":["a",2],"counts":null}', "it has no list of words"),
        ('{"words":["a","a"],"counts":null}', "a word stands twice"),
        ('{"words":["a","b"],"counts":[1]}', "it has 2 words and 1 counts"),
        ('{"words":["a","b"],"counts":[1,true]}', "its counts are no list of integers"),
        ('{"words":["a"],"counts":null}', "it has 1 words"),
    ],
)
def test_a_vocabulary_that_does_not_fit_is_refused(pets: Path, text: str, message: str) -> None:
    with_vocabulary(pets, text)
    with pytest.raises(ModelError, match=rf"vocabulary\.json is damaged: {message}"):
        read(pets)


def test_a_vocabulary_of_another_folder_is_refused(pets: Path) -> None:
    (pets / "vocabulary.json").write_text('{"counts":[9,4],"words":["dog","hen"]}\n')
    with pytest.raises(IntegrityError, match=r"vocabulary\.json does not have the bytes that card\.json promises"):
        read(pets)


@pytest.mark.parametrize("size", [0, 7, 8, 100, 192, -1])
def test_matrices_that_are_cut_off_are_refused(pets: Path, size: int) -> None:
    raw = (pets / "vectors.safetensors").read_bytes()
    (pets / "vectors.safetensors").write_bytes(raw[:size])
    with pytest.raises(ModelError, match=r"vectors\.safetensors is damaged: it "):
        read(pets)


def test_matrices_with_something_behind_them_are_refused(pets: Path) -> None:
    with (pets / "vectors.safetensors").open("ab") as file:
        file.write(b"\0")
    with pytest.raises(ModelError, match=r"it has \d+ bytes, its header says \d+"):
        read(pets)


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        (b'"F32"', b'"I32"', "vectors are I32"),
        (b"[2,2]", b"[4,1]", r"vectors are F32 \[4, 1\], vocabulary and card make it F32 \[2, 2\]"),
        (b"[0,16]", b"[4,20]", r"vectors lie at \[4, 20\], not at \[0, 16\]"),
        (b'"vectors"', b'"weights"', r"it holds \['outputs', 'weights'\]"),
        (b'"outputs"', b'"inverse"', r"it holds \['inverse', 'vectors'\]"),
        (b'{"__', b"[\x22__", "it is not JSON"),
    ],
)
def test_a_header_that_does_not_fit_is_refused(pets: Path, old: bytes, new: bytes, message: str) -> None:
    raw = (pets / "vectors.safetensors").read_bytes()
    assert old in raw
    (pets / "vectors.safetensors").write_bytes(raw.replace(old, new, 1))
    with pytest.raises(ModelError, match=rf"vectors\.safetensors is damaged: {message}"):
        read(pets)


def test_only_verify_sees_a_changed_number(pets: Path) -> None:
    verify(pets)
    raw = bytearray((pets / "vectors.safetensors").read_bytes())
    raw[-1] ^= 1
    (pets / "vectors.safetensors").write_bytes(raw)
    read(pets)
    with pytest.raises(IntegrityError, match=r"vectors\.safetensors does not have the bytes"):
        verify(pets)
