"""word2vec's and GloVe's files: bytes written, bytes read, and what is said of broken ones."""

from __future__ import annotations

import gzip
import logging
import struct
from pathlib import Path

import numpy as np
import pytest

from idembed.errors import ModelError, ModelNotFoundError, OptionError
from idembed.models.words import formats
from idembed.models.words.formats import (
    read_binary,
    read_counts,
    read_text,
    write_counts,
    write_vectors,
)

WORDS = ["cat", "hündin"]
VECTORS = np.array([[0.1, -2], [1e-10, 3.5]], np.float32)
TEXT = "cat 0.1 -2.0\nhündin 1e-10 3.5\n"


def wrote(path: Path, content: str | bytes) -> Path:
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    return path


def floats(*numbers: float) -> bytes:
    return struct.pack(f"<{len(numbers)}f", *numbers)


def saved(path: Path, words: list[str] = WORDS, vectors: np.ndarray = VECTORS, **options: bool) -> Path:
    write_vectors(path, words, vectors, range(len(words)), **({"binary": False, "header": True} | options))
    return path


@pytest.fixture(params=[8 << 20, 7])
def blocks(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Files are read in one piece, and in pieces of a few bytes."""
    monkeypatch.setattr(formats, "_BLOCK", request.param)


# ---- writing ------------------------------------------------------------------------------------------------


def test_text(tmp_path: Path) -> None:
    assert saved(tmp_path / "v").read_text("utf-8") == "2 2\n" + TEXT


def test_text_of_glove_has_no_first_line(tmp_path: Path) -> None:
    assert saved(tmp_path / "v", header=False).read_text("utf-8") == TEXT


def test_binary(tmp_path: Path) -> None:
    expected = b"2 2\ncat " + floats(0.1, -2) + "hündin ".encode() + floats(1e-10, 3.5)
    assert saved(tmp_path / "v", binary=True).read_bytes() == expected


def test_words_are_written_in_the_given_order(tmp_path: Path) -> None:
    write_vectors(tmp_path / "v", WORDS, VECTORS, [1, 0], binary=False, header=False)
    assert (tmp_path / "v").read_text("utf-8") == "hündin 1e-10 3.5\ncat 0.1 -2.0\n"
    write_counts(tmp_path / "c", WORDS, np.array([3, 7]), [1, 0])
    assert (tmp_path / "c").read_text("utf-8") == "hündin 7\ncat 3\n"


def test_packed_files_are_the_same_bytes_every_time(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("time.time", lambda: 1.0)
    first = saved(tmp_path / "a.gz").read_bytes()
    monkeypatch.setattr("time.time", lambda: 1e9)
    assert saved(tmp_path / "b.gz").read_bytes() == first
    assert gzip.decompress(first).decode() == "2 2\n" + TEXT


@pytest.mark.parametrize("binary", [False, True])
def test_every_float32_is_read_back_as_it_was(tmp_path: Path, binary: bool) -> None:
    bits = np.random.default_rng(1).integers(0, 1 << 32, 6000, dtype=np.uint32)
    numbers = bits.view(np.float32)
    numbers = numbers[np.isfinite(numbers)][:5000]
    numbers[:6] = [0.0, -0.0, 1e-45, 3.4028235e38, 1.1754944e-38, 0.3]
    words = [f"w{i}" for i in range(500)]
    path = saved(tmp_path / "v", words, numbers.reshape(500, 10), binary=binary)
    found = read_binary(path) if binary else read_text(path, header=True)
    assert found.words == words
    assert found.vectors.tobytes() == numbers.tobytes()


def test_rows_that_lie_apart_are_written(tmp_path: Path) -> None:
    wide = np.full((2, 16), 9, np.float32)
    wide[:, :2] = VECTORS
    for binary in (False, True):
        expected = saved(tmp_path / "a", binary=binary).read_bytes()
        assert saved(tmp_path / "b", WORDS, wide[:, :2], binary=binary).read_bytes() == expected


@pytest.mark.parametrize("word", ["", " cat", "cat ", "a\nb", "\ta", "cat\r"])
@pytest.mark.parametrize("binary", [False, True])
def test_a_word_that_would_not_be_read_back_is_refused_before_anything_is_written(
    tmp_path: Path, word: str, binary: bool
) -> None:
    with pytest.raises(OptionError, match="cannot be written: these files part words at white space"):
        saved(tmp_path / "v", ["cat", word], binary=binary)
    assert list(tmp_path.iterdir()) == []


def test_a_word_with_a_space_fits_into_text_only(tmp_path: Path) -> None:
    words = ["new york", "a b  c"]
    assert read_text(saved(tmp_path / "v", words), header=True).words == words
    assert read_text(saved(tmp_path / "v", words, header=False), header=False).words == words
    with pytest.raises(OptionError, match="'new york' cannot be written"):
        saved(tmp_path / "b", words, binary=True)
    with pytest.raises(OptionError, match=r"'\\ud800' holds a lone surrogate"):
        saved(tmp_path / "b", ["a", "\ud800"])


def test_a_file_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    with pytest.raises(OptionError, match="none/v cannot be written"):
        saved(tmp_path / "none" / "v")


# ---- reading ------------------------------------------------------------------------------------------------


@pytest.mark.usefixtures("blocks")
@pytest.mark.parametrize("name", ["v.txt", "v.txt.gz"])
def test_text_is_read(tmp_path: Path, name: str) -> None:
    found = read_text(saved(tmp_path / name), header=True)
    assert found.words == WORDS
    assert found.vectors.tobytes() == VECTORS.tobytes()
    assert read_text(saved(tmp_path / name, header=False), header=False).vectors.tobytes() == VECTORS.tobytes()


@pytest.mark.usefixtures("blocks")
@pytest.mark.parametrize(
    "content",
    [
        "2 2\ncat 1 2\ndog 3 4",
        "2 2\ncat 1 2 \ndog 3 4 \n",
        "2 2\r\ncat 1 2\r\ndog 3 4\r\n",
        "2 2\ncat\t1\t2\ndog  3   4\n",
        "2 2\n cat 1 2\ndog +3e0 .4e1\n",
        "2 2\ncat 1 2\ndog 3 4\n\n \n\n",
    ],
)
def test_text_as_other_programs_write_it(tmp_path: Path, content: str) -> None:
    found = read_text(wrote(tmp_path / "v", content), header=True)
    assert found.words == ["cat", "dog"]
    assert found.vectors.tolist() == [[1, 2], [3, 4]]


@pytest.mark.usefixtures("blocks")
def test_words_of_glove_may_hold_spaces_and_numbers(tmp_path: Path) -> None:
    content = ", 1 2\n. . 3 4\nroute 66 5 6\n7 8 9\n\u00a0 1 1\n\x85\u2028 2 2\n"
    found = read_text(wrote(tmp_path / "v", content), header=False)
    assert found.words == [",", ". .", "route 66", "7", "\u00a0", "\x85\u2028"]
    assert found.vectors.tolist() == [[1, 2], [3, 4], [5, 6], [8, 9], [1, 1], [2, 2]]


@pytest.mark.usefixtures("blocks")
@pytest.mark.parametrize("between", [b"", b"\n"])
@pytest.mark.parametrize("name", ["v.bin", "v.bin.gz"])
def test_binary_is_read_with_and_without_line_ends(tmp_path: Path, between: bytes, name: str) -> None:
    records = [b"cat " + floats(1, 2), "hündin ".encode() + floats(3, 0.1)]
    content = b"2 2\n" + between.join(records) + between
    path = wrote(tmp_path / name, gzip.compress(content) if name.endswith(".gz") else content)
    found = read_binary(path)
    assert found.words == WORDS
    assert found.vectors.tobytes() == floats(1, 2, 3, 0.1)


@pytest.mark.usefixtures("blocks")
def test_spaces_and_line_ends_within_binary_numbers_are_numbers(tmp_path: Path) -> None:
    numbers = np.frombuffer(b"    \n\n\n\n \n\x00?", "<f4").tolist()
    content = b"2 3\na " + floats(*numbers) + b"b " + floats(*numbers)
    found = read_binary(wrote(tmp_path / "v", content))
    assert found.words == ["a", "b"]
    assert found.vectors.tolist() == [numbers, numbers]


@pytest.mark.usefixtures("blocks")
def test_only_the_first_words_are_read(tmp_path: Path) -> None:
    text = wrote(tmp_path / "t", "3 1\na 1\nb 2\nc nonsense\n")
    binary = wrote(tmp_path / "b", b"3 4\na " + floats(1, 1, 1, 1) + b"b " + floats(2, 2, 2, 2) + b"cut")
    glove = wrote(tmp_path / "g", "a 1\nb 2\nc nonsense\n")
    for found in (read_text(text, header=True, limit=2), read_binary(binary, limit=2)):
        assert (found.words, found.vectors[:, 0].tolist()) == (["a", "b"], [1, 2])
    assert read_text(glove, header=False, limit=2).words == ["a", "b"]
    assert read_text(glove, header=False, limit=1).words == ["a"]
    assert read_text(wrote(tmp_path / "t", "1 1\na 1\n"), header=True, limit=9).words == ["a"]
    for limit in (0, -1):
        with pytest.raises(OptionError, match="limit must be at least 1"):
            read_binary(binary, limit=limit)


def test_files_of_many_blocks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(formats, "_BLOCK", 9)  # two lines and a part of the third
    path = wrote(tmp_path / "g", "".join(f"{letter} {at}\n" for at, letter in enumerate("abcdefg")) + "h nonsense\n")
    for limit in range(1, 8):
        found = read_text(path, header=False, limit=limit)
        assert found.words == list("abcdefg"[:limit])
        assert found.vectors.tolist() == [[at] for at in range(limit)]
    path = wrote(tmp_path / "g", "".join(f"{at} {at}\n" for at in range(100)))
    found = read_text(path, header=False)
    assert found.vectors.tolist() == [[at] for at in range(100)]


def test_numbers_of_a_line_are_what_most_lines_end_in(tmp_path: Path) -> None:
    found = read_text(wrote(tmp_path / "g", "route 66 5 6\ncat 1 2\nnew york 3\t4\n"), header=False)
    assert found.words == ["route 66", "cat", "new york"]
    assert found.vectors.tolist() == [[5, 6], [1, 2], [3, 4]]


@pytest.mark.usefixtures("blocks")
def test_the_first_of_words_that_come_again_is_kept(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    text = wrote(tmp_path / "t", "4 1\na 1\nb 2\na 3\nc 4\n")
    binary = wrote(
        tmp_path / "b", b"3 4\na " + floats(1, 1, 1, 1) + b"a " + floats(2, 2, 2, 2) + b"b " + floats(*[4] * 4)
    )
    with caplog.at_level(logging.WARNING, "idembed"):
        found = read_text(text, header=True)
    assert (found.words, found.vectors.tolist()) == (["a", "b", "c"], [[1], [2], [4]])
    assert "1 words came again" in caplog.text
    assert "'a'" in caplog.text
    found = read_binary(binary)
    assert (found.words, found.vectors[:, 0].tolist()) == (["a", "b"], [1, 4])


def test_counts_are_read(tmp_path: Path) -> None:
    path = wrote(tmp_path / "c", "cat 3\nnew york 12\nhündin 1\n")
    assert read_counts(path) == {"cat": 3, "new york": 12, "hündin": 1}
    for content in ("cat 3\ndog\n", "cat 3\ndog x\n", "cat 3\ndog 1.5\n"):
        with pytest.raises(ModelError, match="line 2 is not a word and a count"):
            read_counts(wrote(tmp_path / "c", content))


def test_a_file_without_words(tmp_path: Path) -> None:
    found = read_text(wrote(tmp_path / "v", "0 3\n"), header=True)
    assert (found.words, found.vectors.shape) == ([], (0, 3))
    assert read_binary(wrote(tmp_path / "v", "0 3\n")).vectors.shape == (0, 3)


# ---- encodings ----------------------------------------------------------------------------------------------

CUT = b"gr\xc3"  # "grü" cut within its last character


def test_words_that_are_not_of_the_encoding_are_refused_or_replaced(tmp_path: Path) -> None:
    text = wrote(tmp_path / "t", b"2 1\na 1\n" + CUT + b" 2\n")
    binary = wrote(tmp_path / "b", b"2 1\na " + floats(1) + CUT + b" " + floats(2))
    with pytest.raises(ModelError, match=r"t, line 3: the word b'gr\\xc3' is not utf8.*\n.*unicode_errors"):
        read_text(text, header=True)
    with pytest.raises(ModelError, match=r"b, record 2: the word b'gr\\xc3' is not utf8"):
        read_binary(binary)
    assert read_text(text, header=True, unicode_errors="ignore").words == ["a", "gr"]
    assert read_binary(binary, unicode_errors="replace").words == ["a", "gr\ufffd"]
    assert read_text(text, header=True, encoding="latin-1").words == ["a", "grÃ"]
    with pytest.raises(OptionError, match="unknown encoding: nonsense"):
        read_text(text, header=True, encoding="nonsense")


# ---- broken files -------------------------------------------------------------------------------------------


def test_a_file_that_is_not_there(tmp_path: Path) -> None:
    for read in (read_binary, read_counts):
        with pytest.raises(ModelNotFoundError, match=r"there is no file .*none"):
            read(tmp_path / "none")
    with pytest.raises(ModelError, match="cannot be read: Is a directory"):
        read_text(tmp_path, header=True)


@pytest.mark.usefixtures("blocks")
@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("", "v is empty"),
        ("cat 0.1 0.2\n", r"first line is not the number of words.*b'cat 0\.1 0\.2\\n'\n.*load_glove_format"),
        ("2 0\n", "first line is not the number of words"),
        ("-2 3\n", "first line is not the number of words"),
        ("2 2\ncat 1 2\ndog 3\n", r"line 3 is not a word and 2 numbers: b'dog 3"),
        ("2 2\ncat 1\ndog 2 3\n", "line 2 is not a word and 2 numbers"),
        ("2 2\ncat 1 2\n\ndog 3 4\n", "line 3 is not a word and 2 numbers: b''"),
        ("2 2\ncat 1 2\ndog 3 x\n", "line 3: b'x' is not a number"),
        ("2 2\ncat 1 2\ndog x 4\n", "line 3: b'x' is not a number"),
        ("2 2\ncat 1-2 3\ndog 4 x\n", "line 2: b'1-2' is not a number"),
        ("2 2\ncat 1 2\ndog 3 4x\n", "line 3: b'4x' is not a number"),
        ("2 2\ncat  1\ndog 3 4\n", "line 2 is not a word and 2 numbers: b'cat  1"),
        ("2 2\ncat 1 0x10\ndog 4 5\n", "line 2: b'0x10' is not a number"),
        ("2 2\ncat 1 nan\ndog 4 5\n", "line 2: the vector of 'cat' holds NaN"),
        ("2 2\ncat 1 2\ndog 4 -inf\n", "line 3: the vector of 'dog' holds NaN, infinity"),
        ("2 2\ncat 1 2\ndog 4 1e60\n", "line 3: the vector of 'dog' .* beyond float32"),
        ("3 2\ncat 1 2\ndog 3 4\n", "promises 3 words, the file ends after 2"),
        ("1 2\ncat 1 2\ndog 3 4\n", "promises 1 words, the file has more"),
        ("999999999999999 2\ncat 1 2\n", "promises 999,999,999,999,999 words, the file ends after 1"),
    ],
)
def test_broken_text_is_refused_naming_the_line(tmp_path: Path, content: str, message: str) -> None:
    with pytest.raises(ModelError, match=message) as caught:
        read_text(wrote(tmp_path / "v", content), header=True)
    assert str(tmp_path / "v") in str(caught.value)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("", "v is empty"),
        ("cat\ndog\n", "the first lines are no words with numbers"),
        ("2 3\ncat 1 2 3\ndog 4 5 6\n", r"begins with the numbers of words and dimensions.*\n.*without no_header"),
        ("cat 1 2\ndog 3 4\nhen 5\n", "line 3 is not a word and 2 numbers"),
        ("\n".join(f"w{i} 1 2" for i in range(12)) + "\nhen 5\n", "line 13 is not a word and 2 numbers"),
    ],
)
def test_broken_glove_is_refused(tmp_path: Path, content: str, message: str) -> None:
    with pytest.raises(ModelError, match=message):
        read_text(wrote(tmp_path / "v", content), header=False)


@pytest.mark.usefixtures("blocks")
@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "v is empty"),
        (b"cat 1 2\n", "first line is not the number of words"),
        (b"2 2\na " + floats(1, 2) + b"b " + floats(1), "promises 2 words, the file ends after 1"),
        (b"2 2\na " + floats(1, 2), "promises 2 words, the file ends after 1"),
        (b"1 2\na " + floats(1, 2) + b"\nb " + floats(1, 2), "promises 1 words, the file has more"),
        (b"1 2\na " + floats(1, 2) + b"b", "promises 1 words, the file has more"),
        (b"1 2\nsixteen " + floats(1, 2) + b"more", "promises 1 words, the file has more"),
        (b"2 2\na " + floats(1, 2) + b"b " + floats(1, float("nan")), "record 2: the vector of 'b' holds NaN"),
        (b"2 2\n" + b"x" * 70_000, "record 1 has no word"),
        (b"1 2\ncat 0.1234 0.5678\n", "v holds numbers as text\n.*binary=False"),
    ],
)
def test_broken_binary_is_refused_naming_the_record(tmp_path: Path, content: bytes, message: str) -> None:
    with pytest.raises(ModelError, match=message) as caught:
        read_binary(wrote(tmp_path / "v", content))
    assert str(tmp_path / "v") in str(caught.value)


def test_binary_read_as_text_says_so(tmp_path: Path) -> None:
    path = saved(tmp_path / "v", ["a", "b"], np.full((2, 8), 0.3, np.float32), binary=True)
    with pytest.raises(ModelError, match=r"line 2 is not a word and 8 numbers.*\n.*binary=True"):
        read_text(path, header=True)


def test_gzip_that_is_cut_off_or_none_at_all(tmp_path: Path) -> None:
    whole = gzip.compress(b"2 2\ncat 1 2\ndog 3 4\n")
    with pytest.raises(ModelError, match=r"v\.gz is cut off, damaged or not gzip"):
        read_text(wrote(tmp_path / "v.gz", whole[:-9]), header=True)
    with pytest.raises(ModelError, match=r"v\.gz is cut off, damaged or not gzip"):
        read_text(wrote(tmp_path / "v.gz", TEXT), header=False)
    with pytest.raises(ModelError, match=r"or gzip under a name without \.gz"):
        read_text(wrote(tmp_path / "v", gzip.compress(TEXT.encode())), header=False)
