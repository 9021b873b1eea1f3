"""Texts into requests, and tokens by guess."""

from __future__ import annotations

from pathlib import Path

import pytest

from idembed.models.api.adapter import Limits
from idembed.models.api.packing import Item, Pack, json_bytes, packed
from idembed.models.api.tokens import TokenGuess, tiktoken_counter


def sizes(tokens: list[int], limits: Limits, high: float = 1.0, alone: int | None = None) -> list[int]:
    """How many items each pack has, for items of so many tokens."""
    items = [Item(n, "x" * 10, count) for n, count in enumerate(tokens)]
    packs = list(packed(items, limits, high, alone))
    assert [item.position for pack in packs for item in pack.items] == sorted(item.position for item in items)
    return [len(pack.items) for pack in packs]


def test_by_count() -> None:
    assert sizes([1] * 7, Limits(3)) == [3, 3, 1]


def test_by_tokens_with_the_margin() -> None:
    assert sizes([10] * 6, Limits(100, tokens=30)) == [3, 3]
    assert sizes([10] * 6, Limits(100, tokens=30), high=1.5) == [2, 2, 2]


def test_by_bytes() -> None:
    assert sizes([1] * 5, Limits(100, bytes=30)) == [2, 2, 1]


def test_one_text_that_is_more_than_a_request_may_hold_goes_alone() -> None:
    assert sizes([10, 99, 10], Limits(100, tokens=50)) == [1, 1, 1]


def test_a_text_that_may_be_too_long_fails_no_other() -> None:
    items = [Item(n, "x", tokens) for n, tokens in enumerate([10, 95, 10])]
    assert [[i.position for i in pack.items] for pack in packed(items, Limits(9, text_tokens=100), 1.0)] == [
        [1],
        [0, 2],
    ]


def test_where_texts_may_be_cut_in_silence_longer_ones_go_alone() -> None:
    items = [Item(n, "x", tokens) for n, tokens in enumerate([10, 300, 10])]
    assert [[i.position for i in pack.items] for pack in packed(items, Limits(9), 1.0, 256)] == [[1], [0, 2]]


def test_a_pack_is_taken_apart() -> None:
    items = [Item(n, "x", n) for n in range(5)]
    assert [len(half.items) for half in Pack(items).halves()] == [2, 3]
    rest, one = Pack(items).without(items[3])
    assert ([i.position for i in rest.items], [i.position for i in one.items], rest.peeled) == ([0, 1, 2, 4], [3], 1)


@pytest.mark.parametrize(("text", "size"), [("abc", 7), ('a"b', 8), ("a\nb", 8), ("é", 6), ("漢字", 10)])
def test_bytes_in_a_request(text: str, size: int) -> None:
    assert json_bytes(text) == size


# Tokens --------------------------------------------------------------------------------------------------


def test_a_guess_is_near_a_quarter_of_english_and_never_nothing() -> None:
    guess = TokenGuess()
    assert guess.of("a" * 400) == 101
    assert guess.of("") == 1
    assert 60 <= guess.of("漢" * 60) <= 100


def test_the_guess_learns_what_the_provider_counts() -> None:
    guess = TokenGuess()
    assert (guess.high, guess.is_learned) == (1.6, False)
    texts = ["word " * 100]
    for _ in range(20):
        guess.learn(texts, 250)
    assert guess.is_learned
    assert abs(guess.of(texts[0]) - 250) <= 2
    assert guess.high < 1.15


def test_a_denser_request_widens_the_margin() -> None:
    guess = TokenGuess()
    for _ in range(10):
        guess.learn(["a" * 400], 100)
    before = guess.high
    guess.learn(["a" * 400], 200)
    assert guess.high > before
    assert guess.of("a" * 400) * guess.high >= 200


def test_a_request_that_was_too_large_widens_it_once() -> None:
    guess = TokenGuess()
    guess.begin(1.0)
    for _ in range(20):  # as many as were in flight
        guess.was_too_low(1000, 2000)
    assert guess.high == pytest.approx(2.1)
    guess.was_too_low(1000, 500)
    assert guess.high == pytest.approx(2.1)


def test_what_was_learned_before_is_where_it_begins() -> None:
    guess = TokenGuess()
    guess.begin(2.0)
    assert (guess.of("a" * 400), guess.is_learned) == (202, True)
    guess.learn(["a" * 400], 101)
    guess.begin(3.0)
    assert guess.of("a" * 400) == 101


def test_counted_tokens_are_not_guessed() -> None:
    guess = TokenGuess(len)
    guess.learn(["abc" * 10], 999)
    assert (guess.of("abc"), guess.high, guess.is_exact) == (3, 1.0, True)


def test_tiktoken_is_not_asked_where_it_would_fetch_its_encoding(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TIKTOKEN_CACHE_DIR", str(tmp_path))
    assert tiktoken_counter() is None


def test_tiktoken_counts_where_its_encoding_is_at_hand(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import hashlib
    import sys
    import types

    from idembed.models.api import tokens

    (tmp_path / hashlib.sha1(tokens._ENCODING.encode()).hexdigest()).write_text("")
    monkeypatch.setenv("TIKTOKEN_CACHE_DIR", str(tmp_path))
    encoding = types.SimpleNamespace(encode_ordinary=lambda text: text.split())
    monkeypatch.setitem(sys.modules, "tiktoken", types.SimpleNamespace(get_encoding=lambda name: encoding))
    count = tiktoken_counter()
    assert count is not None
    guess = TokenGuess(count)
    assert (guess.of("three words here"), guess.is_exact) == (3, True)
