"""Words of a text, numbered in native code: the same for every number of threads and every size of piece."""

from __future__ import annotations

import sys

import numpy as np
import pytest

from idembed.native.words import SENTENCE_START, Keeper, WordTable

WHITE = "".join(chr(c) for c in range(sys.maxunicode + 1) if chr(c).isspace())
TEXT = "the cat\n\n  \tthe dog\u00a0saw\u2003the cät \u3000 \n \t\nein Löwe 日本\u2028語 🚀🚀 \u1680end"


def read(text: str | bytes, *, threads: int = 1, piece: int = 1 << 16, step: int = 1 << 20) -> tuple:
    """Distinct words, their counts, tokens as (word, begins a sentence), and lines."""
    data = np.frombuffer(text.encode() if isinstance(text, str) else text, np.uint8)
    table = WordTable(threads=threads, piece=piece)
    out = np.empty(step, np.int32)
    tokens, lines = [], 0
    for begin in range(0, len(data), step):
        found = table.read_lines(data, begin, min(begin + step, len(data)), out)
        assert found.bad == -1
        tokens += found.tokens.tolist()
        lines += found.lines
    words = table.words()
    names = [words.word(i) for i in range(len(words.counts))]
    return names, words.counts.tolist(), [(names[t & ~SENTENCE_START], t < 0) for t in tokens], lines


def split(text: str) -> tuple:
    """The same in Python."""
    counts: dict[str, int] = {}
    tokens = []
    for line in text.split("\n"):
        for i, word in enumerate(line.split()):
            counts[word] = counts.get(word, 0) + 1
            tokens.append((word, i == 0))
    return list(counts), list(counts.values()), tokens, text.count("\n")


def test_words_are_numbered_as_they_first_occur() -> None:
    names, counts, tokens, lines = read("b a b\na c\n")
    assert names == ["b", "a", "c"]
    assert counts == [2, 2, 1]
    assert tokens == [("b", True), ("a", False), ("b", False), ("a", True), ("c", False)]
    assert lines == 2


@pytest.mark.parametrize("threads", [1, 2, 3, 8])
@pytest.mark.parametrize("piece", [1, 2, 3, 7, 1000])
def test_pieces_and_threads_change_nothing(threads: int, piece: int) -> None:
    for step in (1, 5, 13, 1 << 20):
        assert read(TEXT, threads=threads, piece=piece, step=step) == split(TEXT)


def test_many_words_by_many_threads() -> None:
    random = np.random.default_rng(0)
    ids = (random.pareto(0.7, 300_000) * 3).astype(np.int64) % 60_000
    text = "".join(f"w{i}é" + ("\n" if i % 7 == 0 else " ") for i in ids.tolist())
    expected = split(text)
    for threads in (1, 2, 3, 8):
        assert read(text, threads=threads, piece=5000, step=400_000) == expected


def test_white_space_is_that_of_str_split() -> None:
    assert len(WHITE) == 29
    for c in WHITE:
        expected = [("a", True), ("b", c == "\n")]
        assert read(f"a{c}b")[2] == expected, hex(ord(c))
        assert read(f"{c}a{c}{c}b{c}")[2] == expected, hex(ord(c))


def test_characters_like_white_space_are_parts_of_words() -> None:
    for c in (
        "\u0084\u0086\u009f\u00a1\u0180\u1681\u1fff\u200b\u200d\u2027\u202a\u2030\u205e\u2060\u3001\uff80\ufeff\x1b\x7f"
    ):
        assert read(f"a{c}b c")[0] == [f"a{c}b", "c"], hex(ord(c))


def test_words_of_every_length_are_told_apart() -> None:
    words = ["x" * n for n in range(1, 40)] + ["x" * n + "y" for n in range(40)] + ["y" + "x" * n for n in range(1, 40)]
    assert read(" ".join(words * 2)) == split(" ".join(words * 2))


def test_words_that_share_their_first_and_last_bytes() -> None:
    words = [
        f"{a}{b}{c}{d}" for a in "pq" for b in ("", "r", "s", "rs", "sr") for c in ("", "t" * 5, "u" * 9) for d in "vw"
    ]
    assert read(" ".join(words)) == split(" ".join(words))


@pytest.mark.parametrize(
    ("data", "bad"),
    [
        (b"ab\0c", 2),
        (b"\xff", 0),
        (b"caf\xe9 au lait", 3),
        (b"ab \x80", 3),
        (b"\xc3\xa9\xa9", 2),
        (b"ab \xe3\x80", 3),
        (b"ab \xc0\x80", 3),
        (b"\xe0\x9f\xbf", 0),
        (b"\xed\xa0\x80", 0),
        (b"\xf0\x8f\xbf\xbf", 0),
        (b"\xf4\x90\x80\x80", 0),
        (b"\xf5\x80\x80\x80", 0),
        (b"0123456789\xc2", 10),
        (b"01234567\x00901234567\xff", 8),
    ],
)
@pytest.mark.parametrize("piece", [1, 3, 100])
def test_bytes_that_are_not_text_are_found(data: bytes, bad: int, piece: int) -> None:
    for threads in (1, 3):
        table = WordTable(threads=threads, piece=piece)
        array = np.frombuffer(data, np.uint8)
        found = table.read_lines(array, 0, len(data), np.empty(len(data), np.int32))
        assert (found.bad, len(found.tokens), len(table)) == (bad, 0, 0)


def test_every_character_is_text() -> None:
    text = " ".join(chr(c) for c in range(1, sys.maxunicode + 1, 37) if not 0xD800 <= c < 0xE000)
    assert read(text, piece=1000) == split(text)


def test_unknown_words_read_as_the_number_of_words_when_nothing_may_be_added() -> None:
    table = WordTable()
    data = np.frombuffer(b"a b a", np.uint8)
    out = np.empty(10, np.int32)
    table.read_lines(data, 0, 5, out)
    more = np.frombuffer(b" c b\nd a", np.uint8)
    tokens = table.read_lines(more, 0, 8, out, grow=False).tokens
    assert (tokens & ~SENTENCE_START).tolist() == [2, 1, 2, 0]
    assert table.words().counts.tolist() == [3, 2]


@pytest.mark.parametrize("piece", [1, 2, 7, 1000])
@pytest.mark.parametrize("threads", [1, 3])
def test_lists_keep_every_word_as_it_is(piece: int, threads: int) -> None:
    words = ["", "a b", "a", "", "\0", "日本", "a b", "long words stay whole \t", ""]
    table = WordTable(threads=threads, piece=piece)
    out = np.empty(len(words), np.int32)
    assert table.read_list("\n".join(words).encode(), ord("\n"), out)
    assert out.tolist() == [0, 1, 2, 0, 3, 4, 1, 5, 0]
    found = table.words()
    assert [found.word(i) for i in range(6)] == ["", "a b", "a", "\0", "日本", "long words stay whole \t"]
    assert found.counts.tolist() == [3, 2, 1, 1, 1, 1]


def test_a_list_may_begin_with_a_long_word() -> None:
    for piece in range(1, 9):
        out = np.empty(3, np.int32)
        assert WordTable(piece=piece).read_list(b"abcd\nef\nabcd", ord("\n"), out)
        assert out.tolist() == [0, 1, 0]


def test_a_list_with_the_separator_in_a_word_is_not_read() -> None:
    table = WordTable()
    assert not table.read_list(b"a\nb\nc", ord("\n"), np.empty(2, np.int32))
    assert not table.read_list(b"a\nb\nc", ord("\n"), np.empty(4, np.int32))
    assert len(table) == 0


def test_a_word_left_out_passes_its_sentence_start_on() -> None:
    start = SENTENCE_START
    tokens = np.array([0 | start, 1, 2, 1 | start, 0, 1 | start, 1, 2 | start], np.int32)
    assert Keeper(np.array([7, -1, 0], np.int32)).keep(tokens.copy()).tolist() == [
        7 + start,
        0,
        7 + start,
        start,
    ]
    keeper = Keeper(np.array([7, -1, 0], np.int32))
    pieces = [keeper.keep(tokens[i : i + 1].copy()).tolist() for i in range(len(tokens))]
    assert pieces == [[7 + start], [], [0], [], [7 + start], [], [], [start]]


def test_a_token_beyond_the_words_is_refused() -> None:
    with pytest.raises(ValueError, match="not a number of 2 words"):
        Keeper(np.array([0, 1], np.int32)).keep(np.array([0, 2], np.int32))
