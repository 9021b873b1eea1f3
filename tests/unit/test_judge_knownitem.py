"""Questions made of rows: which rows, and which words of them."""

from __future__ import annotations

import random
import tracemalloc
import unicodedata
from collections.abc import Iterator

import pytest

from idembed.errors import OptionError
from idembed.judge.knownitem import known_item
from idembed.judge.questions import Question

LONG = (
    "The tiger lives in Asia. It hunts alone at night and eats deer and wild pigs. Yes. "
    "Cubs stay with their mother for about two years before they leave her."
)
HUNTS = "It hunts alone at night and eats deer and wild pigs."
CUBS = "Cubs stay with their mother for about two years before they leave her."


def rows(count: int) -> list[tuple[str, str]]:
    return [
        (f"row{i}", f"This is row {i} of them all. Its text has a second sentence, number {i}.") for i in range(count)
    ]


def made(text: str, seeds: int = 20) -> set[str]:
    """The questions that ``text`` gives with one seed or another."""
    return {question.text for seed in range(seeds) for question in known_item([("id", text)], 1, seed)}


def test_the_row_is_the_only_answer() -> None:
    (question,) = known_item([("tiger", LONG)], 5)
    assert question == Question("tiger", question.text, {"tiger": 1.0})


def test_a_sentence_that_is_neither_the_first_nor_too_short() -> None:
    assert made(LONG) == {HUNTS, CUBS}


def test_a_long_sentence_gives_its_first_sixteen_words() -> None:
    text = "First. " * 20 + " ".join(f"w{i}" for i in range(40)) + "."
    assert made(text) == {" ".join(f"w{i}" for i in range(16))}


def test_a_question_is_never_more_than_half_of_the_text() -> None:
    words = "a b c d e f. one two three four five six seven eight nine ten"
    assert made(words) == {"one two three four five six seven eight"}


def test_one_sentence_gives_a_run_of_half_of_its_words_but_not_its_beginning() -> None:
    assert made("read a file line by line") == {"a file line", "file line by", "line by line"}


def test_a_line_ends_a_sentence() -> None:
    assert made("how to read a file\n\nopen the file and read it now") == {"open the file and read it"}


def test_white_space_in_a_question_is_one_space() -> None:
    assert made("a title of six words here. this\tsentence  has its  own spaces") == {
        "this sentence has its own spaces"
    }


def test_punctuation_alone_is_no_word() -> None:
    assert made("--- * --- * --- * --- *") == set()
    assert made("one -- two -- three ... four") == set()


@pytest.mark.parametrize("text", ["", "   ", "one two three four five", "。。。", "短い文"])
def test_texts_too_short_for_a_question_are_left_out(text: str) -> None:
    assert known_item([("short", text)], 5) == []


def test_chinese_is_cut_at_its_own_full_stops() -> None:
    text = "我昨天去了北京。那里的天气非常好，我们参观了故宫和长城。晚上我们吃了烤鸭，味道非常好极了。"
    assert made(text) == {"那里的天气非常好，我们参观了故宫和长城", "晚上我们吃了烤鸭，味道非常好极了"}


def test_japanese_without_a_stop_gives_a_run_of_letters() -> None:
    text = "東京は日本の首都であり人口が多い"
    for question in made(text):
        assert question in text
        assert 6 <= len(question) <= 8


def test_thai_is_cut_at_its_spaces_and_marks_stay_with_their_letters() -> None:
    phrases = "ภาษาไทยเป็นภาษาที่มีระดับเสียง หรือวรรณยุกต์เช่นเดียวกับภาษาจีน และออกเสียงแยกคำต่อคำ"
    assert made(phrases) <= {"หรือวรรณยุกต์เช่นเดียวกับภาษาจีน", "และออกเสียงแยกคำต่อคำ"}
    run = "ภาษาไทยเป็นภาษาที่มีระดับเสียงของคำแน่นอน"
    assert len(made(run)) > 1
    for question in made(run):
        assert question in run
        assert unicodedata.category(question[0]) == "Lo"
        assert question[-1] not in "เแโใไ"


def test_the_order_of_the_rows_has_no_influence() -> None:
    questions = known_item(rows(200), 20)
    assert known_item(random.Random(1).sample(rows(200), 200), 20) == questions
    assert len({question.id for question in questions}) == 20


def test_a_smaller_limit_gives_the_first_of_a_larger_one() -> None:
    assert known_item(rows(200), 5) == known_item(rows(200), 20)[:5]


def test_rows_left_out_make_place_for_others() -> None:
    short = [(f"short{i}", "too short") for i in range(200)]
    assert known_item(short + rows(30), 30) == known_item(rows(30), 30)
    assert len(known_item(short + rows(30), 30)) == 30


def test_which_rows_are_asked_about_follows_from_seed_and_id_for_ever() -> None:
    assert [question.id for question in known_item(rows(1000), 4)] == ["row582", "row90", "row360", "row514"]
    assert [question.id for question in known_item(rows(1000), 4, seed=1)] == ["row181", "row829", "row235", "row786"]


def test_all_rows_are_asked_about_equally_often() -> None:
    low = sum(int(question.id[3:]) < 1000 for question in known_item(rows(2000), 400))
    assert 160 <= low <= 240  # 200 ± 4 standard errors


def test_only_the_rows_of_the_questions_are_held() -> None:
    def many() -> Iterator[tuple[str, str]]:
        for i in range(5000):
            yield f"row{i}", f"Row {i}. " + "word " * 200

    tracemalloc.start()
    known_item(many(), 10)
    assert tracemalloc.get_traced_memory()[1] < 1 << 20
    tracemalloc.stop()


def test_a_text_of_megabytes_takes_a_moment() -> None:
    assert made(" " * 2_000_000 + "\n" * 2_000_000 + ")" * 2_000_000, seeds=1) == set()


@pytest.mark.parametrize("limit", [0, -1])
def test_a_limit_below_one_is_refused(limit: int) -> None:
    with pytest.raises(OptionError, match="at least 1"):
        known_item([], limit)
