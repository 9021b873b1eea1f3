"""Lines in, vectors out: exact, bounded, whole or not at all."""

import json
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from safetensors import safe_open

from idembed.cli.files import read_lines, vector_writer
from idembed.errors import OptionError, SourceError

FACTS = {"model": "tiny", "side": "document", "space": "ab" * 32}


def matrix(rows: int, dim: int) -> np.ndarray:
    return np.random.default_rng(rows).standard_normal((rows, dim), dtype=np.float32)


def batches(vectors: np.ndarray, size: int = 7) -> Iterator[tuple[list[str], np.ndarray]]:
    for start in range(0, len(vectors), size):
        chunk = vectors[start : start + size]
        yield [f"text {start + i}" for i in range(len(chunk))], chunk


def write(path: Path, vectors: np.ndarray) -> None:
    with vector_writer(path, vectors.shape[1], FACTS) as writer:
        for texts, chunk in batches(vectors):
            writer.write(texts, chunk)


@pytest.mark.parametrize("rows", [0, 1, 23, 1000])
def test_npy_reads_back_the_same_bytes(tmp_path: Path, rows: int) -> None:
    vectors = matrix(rows, 5)
    write(tmp_path / "out.npy", vectors)
    read = np.load(tmp_path / "out.npy")
    assert (read.dtype, read.shape, read.tobytes()) == (np.float32, (rows, 5), vectors.tobytes())


def test_npy_data_is_aligned_so_that_it_can_be_mapped(tmp_path: Path) -> None:
    write(tmp_path / "out.npy", matrix(3, 4))
    assert (tmp_path / "out.npy").stat().st_size == 128 + 3 * 4 * 4
    assert np.load(tmp_path / "out.npy", mmap_mode="r").shape == (3, 4)


@pytest.mark.parametrize("rows", [0, 1, 23])
def test_safetensors_reads_back_the_same_bytes_with_the_space(tmp_path: Path, rows: int) -> None:
    vectors = matrix(rows, 5)
    write(tmp_path / "out.safetensors", vectors)
    with safe_open(tmp_path / "out.safetensors", "numpy") as file:
        assert file.metadata() == FACTS
        assert file.get_tensor("embeddings").tobytes() == vectors.tobytes()
        assert file.get_tensor("embeddings").shape == (rows, 5)


def test_jsonl_has_a_line_a_text_and_the_same_float32(tmp_path: Path) -> None:
    vectors = matrix(23, 5)
    write(tmp_path / "out.jsonl", vectors)
    lines = [json.loads(line) for line in (tmp_path / "out.jsonl").read_text("utf-8").splitlines()]
    assert [line["text"] for line in lines] == [f"text {i}" for i in range(23)]
    assert np.array([line["vector"] for line in lines], np.float32).tobytes() == vectors.tobytes()


@pytest.mark.parametrize("name", ["out.npy", "out.jsonl", "out.safetensors"])
def test_after_an_error_the_old_file_is_unharmed_and_nothing_is_left_over(tmp_path: Path, name: str) -> None:
    path = tmp_path / name
    path.write_bytes(b"old")

    def interrupted() -> None:
        with vector_writer(path, 5, FACTS) as writer:
            writer.write(["a"], matrix(1, 5))
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        interrupted()
    assert path.read_bytes() == b"old"
    assert list(tmp_path.iterdir()) == [path]


def test_an_unknown_ending_is_refused_with_the_known_ones(tmp_path: Path) -> None:
    with pytest.raises(OptionError, match=r"\.npy, \.jsonl or \.safetensors"):
        write(tmp_path / "out.bin", matrix(1, 2))


def test_a_folder_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(OptionError, match="No such file or directory") as caught:
        write(tmp_path / "no" / "out.npy", matrix(1, 2))
    assert caught.value.facts["file"] == str(tmp_path / "no" / "out.npy")


def test_only_line_feeds_end_a_line(tmp_path: Path) -> None:
    path = tmp_path / "in.txt"
    path.write_bytes("\ufeffone\r\n\ntwo\u2028still two\x0b\x85\nlast".encode())
    assert list(read_lines(str(path))) == ["one", "", "two\u2028still two\x0b\x85", "last"]


def test_a_line_that_is_not_utf8_is_named(tmp_path: Path) -> None:
    path = tmp_path / "in.txt"
    path.write_bytes(b"fine\n\xff\n")
    with pytest.raises(SourceError, match="line 2 is not UTF-8"):
        list(read_lines(str(path)))


def test_a_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(SourceError, match=r"in\.txt cannot be read: No such file"):
        list(read_lines(str(tmp_path / "in.txt")))
