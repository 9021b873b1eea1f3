"""The page shows what was judged, is whole by itself, and does nothing that data says."""

from __future__ import annotations

import re
from html.parser import HTMLParser

import pytest

from idembed.judge import Judgement, Question, Run, compare, html_report
from idembed.judge.stylesheet import STYLESHEET

ABOUT = {"index": "pets.db", "questions": "pets.jsonl"}
EVIL = (
    "<script>alert(1)</script>",
    "\"'><img src=x onerror=alert(1)>",
    "</style><svg onload=alert(1)>",
    "&lt;b&gt;<!-- ]]>",
    "\u202egnp.exe\u2066",
    "\x1b[31mred\x00\x07",
    "x" * 10_000,
    "文" * 300,
)


class Page(HTMLParser):
    """What a browser would make of the page: its tags with their attributes, and its words."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.words: list[str] = []
        self.feed(page)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def handle_data(self, data: str) -> None:
        self.words.append(data)


def judged(wins: int, losses: int, ties: int, label: str = "active") -> Judgement:
    count = wins + losses + ties
    questions = [Question(f"q{i}", f"question {i}", {"right": 1.0}) for i in range(count)]
    good, bad = ["right", "wrong"], ["wrong", "right"]
    old = [bad] * wins + [good] * (losses + ties)
    new = [good] * wins + [bad] * losses + [good] * ties
    runs = [
        Run(label, 1, "old-model", "a" * 64, old, [0.002] * count),
        Run("building", 2, f"org/new-model@{'0123456789' * 4}", "b" * 64, new, [0.0045] * count),
    ]
    return compare(questions, *runs, weaker_evidence=False, rows_compared=1000, rows_total=1000)


def poisoned() -> Judgement:
    """A judgement in which every string is one of EVIL."""
    questions = [Question(text, text, {f"{text} right": 1.0}) for text in EVIL]
    right = [[f"{text} right", *EVIL] for text in EVIL]
    runs = [
        Run(EVIL[0], 1, EVIL[1], EVIL[2], [list(EVIL)] * 4 + right[4:], [0.1] * len(EVIL)),
        Run(EVIL[3], 2, EVIL[4], EVIL[5], right[:4] + [list(EVIL)] * 4, [0.1] * len(EVIL)),
    ]
    return compare(questions, *runs, weaker_evidence=True, rows_compared=1, rows_total=2)


def poisoned_page() -> str:
    return html_report(poisoned(), EVIL[0] + EVIL[1], {text: text for text in EVIL})


def text_of(page: str) -> str:
    return " ".join(" ".join(Page(page).words).split())


def test_the_page_is_whole_by_itself() -> None:
    page = html_report(judged(30, 10, 5), "Pets", ABOUT)
    for outside in ("http:", "https:", "//", "url(", "@import", "src=", "href=", "<script", "<link", "<iframe"):
        assert outside not in page
    assert """content="default-src 'none'; style-src 'unsafe-inline'">""" in page


def test_the_same_judgement_gives_the_same_bytes() -> None:
    assert html_report(judged(30, 10, 5), "Pets", ABOUT) == html_report(judged(30, 10, 5), "Pets", ABOUT)


def test_data_makes_no_element_and_no_attribute() -> None:
    plain, evil = Page(html_report(judged(30, 10, 5), "Pets", ABOUT)), Page(poisoned_page())
    assert {tag for tag, _ in evil.tags} == {tag for tag, _ in plain.tags} | {"strong"}  # of the caveats
    names = {name for _, attributes in evil.tags for name in attributes}
    assert names <= {name for _, attributes in plain.tags for name in attributes}
    assert not any(name.startswith("on") for name in names)


def test_data_is_shown_as_it_is() -> None:
    shown = text_of(poisoned_page())
    for text in EVIL[:4]:
        assert text in shown
    assert "gnp.exe" in shown
    assert "red right" in shown


def test_nothing_that_hides_or_turns_text_is_left() -> None:
    page = poisoned_page()
    assert not re.search("[\x00-\x09\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069\ufeff]", page)


def test_long_texts_are_cut() -> None:
    page = poisoned_page()
    assert "x" * 239 + "…" in page  # the text of a question
    assert "x" * 39 + "…" in page  # an id
    assert "x" * 300 not in page
    assert len(page) < 60_000


def test_text_of_either_direction_stays_in_its_place() -> None:
    page = html_report(judged(30, 10, 5, label="שלום"), "Pets", ABOUT)
    assert "<bdi>שלום</bdi>, space" in page
    assert '<p dir="auto">question 0</p>' in page


@pytest.mark.parametrize(
    ("outcome", "kind", "words"),
    [
        (
            (40, 0, 0),
            "go",
            "✓ GO The new generation can take over. nDCG@10 is higher: +0.369 on average over 40 questions",
        ),
        ((0, 40, 0), "no-go", "✕ NO-GO The old generation should stay. nDCG@10 is lower: −0.369"),
        (
            (20, 20, 0),
            "inconclusive",
            "? INCONCLUSIVE These questions cannot tell the two apart. nDCG@10 may be higher",
        ),
    ],
)
def test_the_verdict_comes_first_in_words(outcome: tuple[int, int, int], kind: str, words: str) -> None:
    page = html_report(judged(*outcome), "Pets", ABOUT)
    assert f'<section class="verdict {kind}">' in page
    assert words in text_of(page)
    assert text_of(page).index(words) < text_of(page).index("Old: generation 1")


def test_both_generations_are_named() -> None:
    shown = text_of(html_report(judged(30, 10, 5), "Pets", ABOUT))
    assert "Old: generation 1 old-model active , space aaaaaaaaaaaa" in shown
    assert "New: generation 2 org/new-model@012345678901 building , space bbbbbbbbbbbb" in shown


def test_every_metric_is_a_row_with_its_interval_in_numbers_and_words() -> None:
    shown = text_of(html_report(judged(40, 0, 0), "Pets", ABOUT))
    assert "nDCG@10 0.631 1.000 +0.369 +0.369 to +0.369 higher" in shown
    assert "recall@10 1.000 1.000 0 0 to 0 not told apart" in shown
    assert "MRR@10 0.500 1.000 +0.500 +0.500 to +0.500 higher" in shown


def test_few_questions_are_not_said_to_tell_anything() -> None:
    shown = text_of(html_report(judged(5, 0, 0), "Pets", ABOUT))
    assert "nDCG@10 0.631 1.000 +0.369 +0.369 to +0.369 not known" in shown


@pytest.mark.parametrize("wins", [0, 1])
def test_what_is_not_known_is_said_and_never_a_nan(wins: int) -> None:
    page = html_report(judged(wins, 0, 0), "Pets", {})
    assert not re.search(r"\b(nan|inf|None)\b", page)
    assert "too few questions" in text_of(page)
    assert ("nDCG@10 — — — too few questions not known" in text_of(page)) == (wins == 0)


def test_questions_are_counted_and_the_most_changed_are_shown() -> None:
    page = html_report(judged(30, 3, 5), "Pets", ABOUT)
    shown = text_of(page)
    assert "30 won 3 lost 5 tied" in shown
    assert "Questions that gain most 10 of 30. ✓ marks a relevant row." in shown
    assert "Questions that lose most All 3. ✓ marks a relevant row." in shown
    assert "question 30 q30 ; relevant: right 1.00 → 0.63 right ✓ wrong wrong right ✓" in shown
    assert page.count("<tr><td>") == 13


def test_no_change_is_no_table() -> None:
    shown = text_of(html_report(judged(0, 0, 30), "Pets", ABOUT))
    assert "Questions that gain most There are none. Questions that lose most There are none." in shown


def test_what_weakens_the_evidence_stands_below_the_verdict() -> None:
    shown = text_of(poisoned_page())
    assert shown.index("INCONCLUSIVE These") < shown.index("Note. The questions were made") < shown.index("Old: gen")
    assert "Note. Only 1 of 2 rows were compared." in shown


def test_what_the_report_is_about_stands_at_its_end() -> None:
    assert text_of(html_report(judged(30, 10, 5), "Pets", ABOUT)).endswith(
        "About this report index pets.db questions pets.jsonl"
    )
    assert "About this report" not in html_report(judged(30, 10, 5), "Pets", {})


def test_every_colour_has_a_value_in_light_and_in_dark() -> None:
    light, dark = re.findall(r":root \{(.*?)\}", STYLESHEET, re.DOTALL)
    used = set(re.findall(r"var\((--[a-z-]+)\)", STYLESHEET))
    assert used == set(re.findall(r"(--[a-z-]+):", light)) == set(re.findall(r"(--[a-z-]+):", dark))
    assert STYLESHEET.count("{") == STYLESHEET.count("}")
