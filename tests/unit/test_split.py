"""The splitter: literal cuts, the promises it makes for every text, and the spans of version 1 for ever."""

import hashlib
import json
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from idembed.errors import NewerSchemaError, OptionError
from idembed.split import Heading, Splitter, headings

WHITE = set("\t\n\v\f\r \x85\xa0\u1680\u2028\u2029\u202f\u205f\u3000") | set(map(chr, range(0x2000, 0x200B)))


def pieces(text: str, size: int) -> list[str]:
    return [text[start:end] for start, end in Splitter(size=size).parts(text)]


def test_a_short_text_is_one_part_white_space_and_all():
    assert Splitter(size=10).parts("  a text  ") == [(0, 10)]


def test_an_empty_text_has_no_parts():
    assert Splitter().parts("") == []


def test_a_longer_text_is_cut_and_the_seam_is_white_space():
    assert Splitter(size=10).parts("  one two  three four  ") == [(2, 9), (11, 21)]


def test_a_heading_starts_a_part():
    text = "# A\n\nabout a\n\n# B\n\nabout b\n\n# C\n\nabout c\n"
    assert pieces(text, 30) == ["# A\n\nabout a\n\n# B\n\nabout b", "# C\n\nabout c"]
    assert pieces(text, 20) == ["# A\n\nabout a", "# B\n\nabout b", "# C\n\nabout c"]


def test_a_heading_wins_over_a_fuller_part():
    assert pieces("ab\n# T\none two\n\nthree four", 20) == ["ab", "# T\none two", "three four"]


def test_a_heading_stays_with_what_follows_it():
    text = "# Title\n\n## Sub\n\nfirst second third fourth fifth"
    assert pieces(text, 25) == ["# Title\n\n## Sub\n\nfirst", "second third fourth fifth"]


def test_an_indented_heading_starts_a_part_too():
    assert pieces("some words\n  # T\n\nmore words", 20) == ["some words", "# T\n\nmore words"]


def test_a_heading_longer_than_a_part_is_cut_like_text():
    assert pieces("# one two three four five", 12) == ["# one two", "three four", "five"]


def test_code_in_fences_holds_no_headings():
    text = "intro\n\n```sh\n# a comment\nls\n```\n\nend of it"
    assert headings(text) == []
    assert pieces(text, 35) == ["intro\n\n```sh\n# a comment\nls\n```", "end of it"]


def test_a_blank_line_is_better_than_a_line_end():
    assert pieces("one\n\ntwo\nthree four", 12) == ["one", "two", "three four"]
    assert pieces("one two\n\ntwo\nthree four", 14) == ["one two", "two\nthree four"]


def test_a_line_end_is_better_than_a_sentence_end():
    assert pieces("one two\nthree. four five", 18) == ["one two", "three. four five"]


def test_a_sentence_end_is_better_than_a_space():
    assert pieces('He said "no." Then he left us', 20) == ['He said "no."', "Then he left us"]


def test_a_point_within_a_word_ends_nothing():
    assert pieces("version 3.14 of the thing", 20) == ["version 3.14 of the", "thing"]


def test_chinese_sentences_need_no_space():
    assert pieces("他说:「好。」然后走了。我们也走了", 10) == ["他说:「好。」", "然后走了。我们也走了"]


def test_words_are_whole():
    assert pieces("alpha beta gamma delta", 11) == ["alpha beta", "gamma delta"]


def test_a_no_break_space_is_no_place_to_cut():
    assert pieces("aaaa bbbb\u00a0cc dd", 11) == ["aaaa", "bbbb\u00a0cc dd"]


def test_a_word_longer_than_a_part_is_cut_anywhere():
    assert pieces("abcdefghij", 4) == ["abcd", "efgh", "ij"]


def test_a_letter_keeps_its_accents():
    assert pieces("abce\u0301fg", 4) == ["abc", "e\u0301fg"]


def test_a_family_and_a_flag_stay_whole():
    family, flag = "👨\u200d👩\u200d👧", "🇳🇴"
    assert pieces("ab" + family + "cd", 5) == ["ab", family, "cd"]
    assert pieces("a" + flag + flag + "bc", 4) == ["a" + flag, flag + "bc"]


def test_marks_that_never_end_are_cut_all_the_same():
    assert pieces("a" + "\u0301" * 9, 5) == ["a" + "\u0301" * 4, "\u0301" * 5]


def test_a_short_line_before_a_long_one_is_no_part():
    assert pieces("Hi:\n\n" + "word " * 20, 40)[0] == "Hi:\n\nword word word word word word word"


def test_headings_of_markdown_and_restructured_text():
    text = (
        "# A ##\n\nTitle\n=====\n\n## C#\n\n====\nOver\n====\n\nSub\n~~~~\ntext\n#hash\n   ### D\n"
        "    # code\nrow\n---\n\n---\n\n#\n"
    )
    assert headings(text) == [
        Heading(0, 6, "A"),
        Heading(8, 19, "Title"),
        Heading(21, 26, "C#"),
        Heading(28, 42, "Over"),
        Heading(44, 52, "Sub"),
        Heading(67, 72, "D"),
        Heading(98, 99, ""),
    ]


def test_front_matter_is_no_heading():
    assert headings("---\ntitle: x\n---\n\n# Real\n") == [Heading(18, 24, "Real")]


def test_a_fence_ends_at_its_own_kind():
    assert [heading.title for heading in headings("~~~\n# no\n```\n# no\n~~~~\n# yes\n")] == ["yes"]
    assert [heading.title for heading in headings("```\n# no\n``` x\n# no\n```\n# yes\n")] == ["yes"]
    assert headings("````\n# no\n```\n# no\n") == []


def test_crlf_files_have_headings_and_paragraphs_too():
    assert headings("# A\r\n\r\nT\r\n===\r\n") == [Heading(0, 4, "A"), Heading(7, 14, "T")]
    assert pieces("one two\r\n\r\nthree\r\nfour five", 16) == ["one two", "three\r\nfour five"]


texts = st.text(
    st.one_of(st.sampled_from("ab  .!?\n\n\n#=-~`\t\r。」\u00a0\u200d\u0301🇳👩\u2028"), st.characters(codec="utf-8")),
    max_size=300,
)


@given(texts, st.integers(1, 60))
def test_parts_are_in_order_cover_everything_but_white_space_and_fit(text, size):
    spans = Splitter(size=size).parts(text)
    assert all(0 < end - start <= size for start, end in spans)
    ends = [0, *(end for _, end in spans)]
    starts = [*(start for start, _ in spans), len(text)]
    for end, start in zip(ends, starts, strict=True):
        assert end <= start
        assert set(text[end:start]) <= WHITE


@given(texts, st.integers(1, 60))
def test_a_part_is_its_own_only_part(text, size):
    splitter = Splitter(size=size)
    for start, end in splitter.parts(text):
        assert splitter.parts(text[start:end]) == [(0, end - start)]


@given(texts)
def test_what_is_short_enough_is_whole(text):
    assert Splitter(size=300).parts(text) == ([(0, len(text))] if text else [])


@given(texts, st.integers(1, 60))
def test_a_part_of_a_long_text_begins_and_ends_with_a_character_that_is_not_white(text, size):
    spans = Splitter(size=size).parts(text)
    if len(text) > size:
        assert not any(text[start] in WHITE or text[end - 1] in WHITE for start, end in spans)


@given(texts)
def test_headings_do_not_overlap(text):
    places = [place for heading in headings(text) for place in (heading.start, heading.stop)]
    assert places == sorted(places)


@pytest.mark.parametrize(
    "unit",
    ["word ", "x", ".", '."', "。」", "\n", "\n ", "\u0301", "🇳", "# a\n", "a\n---\n\n", "===\n", "```\n", "~~~\n"],
)
def test_a_megabyte_of_anything_takes_a_moment(unit):
    started = time.perf_counter()
    Splitter().parts(unit * (1_000_000 // len(unit)) + "a")
    assert time.perf_counter() - started < 5  # 0.4 s at most on an idle core; quadratic would be minutes


def test_a_splitter_is_recorded_and_found_again():
    recorded = Splitter(size=700).recorded()
    assert recorded == {"name": "passages", "version": 1, "size": 700}
    assert Splitter.from_recorded(recorded) == Splitter(size=700)


def test_a_splitter_that_is_not_known_is_refused():
    with pytest.raises(NewerSchemaError, match="'passages' version 2, not known here"):
        Splitter.from_recorded({"name": "passages", "version": 2, "size": 700})
    with pytest.raises(NewerSchemaError, match="'tokens' version 1"):
        Splitter.from_recorded({"name": "tokens", "version": 1, "size": 700})
    with pytest.raises(NewerSchemaError, match="the settings name, overlap, size, version"):
        Splitter.from_recorded({"name": "passages", "version": 1, "size": 700, "overlap": 3})


@pytest.mark.parametrize("size", [0, -1, 1.5, "1000", True])
def test_a_size_is_a_positive_number(size):
    with pytest.raises(OptionError, match="positive number of characters"):
        Splitter(size=size)


MIXED = "".join(
    [
        "---\ntitle: Cats\n---\n\n# Cats of the north\n\nThey sleep. They hunt! Do they? \u201cYes.\u201d They do.\n",
        "Hard wrapped prose goes on\nand on, e.g. over lines, to v. 3.14 of it.\n\n" * 3,
        "## Code\n\n```python\n# not a heading\nfor cat in cats:\n\n    cat.feed(at='08:00')  # twice a day\n```\n\n",
        "~~~\n# nor this\n~~~\n\nUnderlined\n----------\n\n"
        "* one\n* two\n* three\n\n| a | b |\n|---|---|\n| 1 | 2 |\n\n",
        "#### Empty section\n\n##### Deeper\n\n###### Deepest\nA line right below it.\r\n\r\n"
        "Windows lines\r\nhere.\r\n\r\n",
        "猫は眠る。犬は走る!「鳥は?」と彼は言った。魚は泳ぐ。" * 9 + "\n\n",
        "고양이는 잔다. 개는 달린다. " * 9 + "\n\n" + "बिल्ली सोती है। कुत्ता दौड़ता है। " * 9 + "\n\n",
        "القط نائم. هل الكلب يجري؟ نعم۔ " * 9 + "\n\n" + "แมวนอนอยู่บนเสื่อสุนัขวิ่งอยู่ในสวน" * 9 + "\n\n",
        "👨\u200d👩\u200d👧\u200d👦🇳🇴🇸🇪👍🏽e\u0301" * 20 + "\n\n",
        "x" * 1500 + "\u00a0" + "y" * 300 + " \t \n \n\n" + "z" * 40,
        "\n\nA title over all\n================\n\n" + "word " * 400 + "\n\nThe end.\u2028Really\u3000the end…  \n",
    ]
)  # fmt: skip


@pytest.mark.parametrize(
    ("size", "count", "digest"),
    [
        (1000, 8, "a7f4cefe9837fb2a4f3bccd4fa6ab7698b59b9c6e14746e07f824c84314df6e6"),
        (200, 37, "d0b05fba1edaa80e5f7c844457da9336c09dd7c812cc454526b0b10d23652755"),
        (37, 182, "d54cb3ebfc00ae51aa83e9f43b2d8ea487f9a7ed0ce5e83372bb8876795731c7"),
        (3, 2215, "5d938848c9e89d9425ee7d401083ecdada6afe377eab2421dccb510e05e6c7de"),
    ],
)
def test_version_1_never_moves(size, count, digest):
    spans = Splitter(size=size).parts(MIXED)
    assert len(spans) == count
    assert hashlib.sha256(json.dumps(spans).encode()).hexdigest() == digest
