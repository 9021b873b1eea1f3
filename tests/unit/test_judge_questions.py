"""Judged questions as BEIR and TREC write them."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import pytest

from idembed.errors import OptionError, SourceError
from idembed.judge.questions import Question, read_beir

QUERIES = """\
{"_id": "q1", "text": "what purrs?", "metadata": {}}
{"_id": "q2", "text": "what barks?"}
{"_id": "q3", "text": "nobody judged this"}
"""
QRELS = "query-id\tcorpus-id\tscore\nq2\tdog\t2\nq1\tcat\t1\nq1\tdog\t0\nq1\tlion\t1\n"


@pytest.fixture
def files(tmp_path: Path) -> tuple[Path, Path]:
    return tmp_path / "queries.jsonl", tmp_path / "test.tsv"


def written(files: tuple[Path, Path], queries: str = QUERIES, qrels: str = QRELS) -> tuple[Path, Path]:
    for path, text in zip(files, (queries, qrels), strict=True):
        path.write_bytes(text.encode())
    return files


def test_questions_with_a_relevant_row_in_the_order_of_the_queries(files: tuple[Path, Path]) -> None:
    found = read_beir(*written(files))
    assert found.questions == [
        Question("q1", "what purrs?", {"cat": 1.0, "lion": 1.0}),
        Question("q2", "what barks?", {"dog": 2.0}),
    ]
    assert found.missing == ()


def test_the_header_may_be_left_out(files: tuple[Path, Path]) -> None:
    found = read_beir(*written(files, qrels="q1\tcat\t1\n"))
    assert found.questions == [Question("q1", "what purrs?", {"cat": 1.0})]


def test_the_four_columns_of_trec(files: tuple[Path, Path]) -> None:
    found = read_beir(*written(files, qrels="q1 0 cat 1\nq1  Q0\tdog -2\nq2 0 dog 3\n"))
    assert [question.relevant for question in found.questions] == [{"cat": 1.0}, {"dog": 3.0}]


def test_ids_between_tabs_may_have_spaces(files: tuple[Path, Path]) -> None:
    found = read_beir(*written(files, qrels="q1\tmy cat\t1\n"))
    assert found.questions[0].relevant == {"my cat": 1.0}


def test_id_is_read_where_there_is_no_underscore(files: tuple[Path, Path]) -> None:
    found = read_beir(
        *written(files, queries='{"id": "q1", "text": "a"}\n{"id": 2, "text": "b"}\n', qrels="2\tcat\t1\n")
    )
    assert found.questions == [Question("2", "b", {"cat": 1.0})]


def test_judged_ids_that_no_query_has_are_told(files: tuple[Path, Path]) -> None:
    found = read_beir(*written(files, qrels=QRELS + "q9\tcat\t1\nq8\tcat\t0\n"))
    assert len(found.questions) == 2
    assert found.missing == ("q9", "q8")


def test_byte_order_marks_blank_lines_and_crlf_are_fine(files: tuple[Path, Path]) -> None:
    queries = "\ufeff" + QUERIES.replace("\n", "\r\n\r\n")
    assert read_beir(*written(files, queries, "\ufeff" + QRELS.replace("\n", "\r\n"))) == read_beir(*written(files))


def test_a_query_that_is_there_twice_is_one(files: tuple[Path, Path]) -> None:
    twice = read_beir(*written(files, QUERIES + QUERIES, QRELS + "q1\tcat\t1\n"))
    assert twice == read_beir(*written(files))


@pytest.mark.parametrize(
    ("queries", "says"),
    [
        ('{"_id": "q1", "text": "a"}\n{"_id": "q2"', "queries.jsonl, line 2 is not valid JSON"),
        ("[1]\n", "queries.jsonl, line 1 is not an object"),
        ("\n\n" + "[" * 100_000, "queries.jsonl, line 3 is not valid JSON"),
        ('{"text": "a"}\n', "queries.jsonl, line 1 has no id"),
        ('{"_id": true, "text": "a"}\n', "queries.jsonl, line 1 has no id"),
        ('{"_id": "", "text": "a"}\n', "queries.jsonl, line 1 has no id"),
        ('{"_id": "q1"}\n', "queries.jsonl, line 1 has no text .* 'q1'"),
        ('{"_id": "q1", "text": " "}\n', "queries.jsonl, line 1 has no text"),
        ('{"_id": "q1", "text": "\\ud800"}\n', "queries.jsonl, line 1 has no text"),
        (
            '{"_id": "q1", "text": "a"}\n{"_id": "q1", "text": "b"}\n',
            "queries.jsonl, line 2 has another text for question 'q1' than line 1",
        ),
    ],
)
def test_broken_queries_are_refused_by_line(files: tuple[Path, Path], queries: str, says: str) -> None:
    with pytest.raises(SourceError, match=says):
        read_beir(*written(files, queries=queries))


@pytest.mark.parametrize(
    ("qrels", "says"),
    [
        ("q1\tcat\n", "test.tsv, line 1 should have 3 columns, and has 2"),
        ("q1\tcat\t1\nq1\tdog\t1\t1\n", "test.tsv, line 2 should have 3 columns, and has 4"),
        ("q1\tcat\t1\nq1 dog 1\n", "test.tsv, line 2 should have 3 columns, and has 1"),
        ("q1 0 cat 1\nq1 dog 1\n", "test.tsv, line 2 should have 4 columns, and has 3"),
        ("query-id\tcorpus-id\tscore\nq1\tcat\tyes\n", "test.tsv, line 2 has the score 'yes'"),
        ("q1\t\t1\n", "test.tsv, line 1 has no id of a row"),
        ("\tcat\t1\n", "test.tsv, line 1 has no id of a question"),
        ("q1\tcat\tnan\n", "test.tsv, line 1 has the score 'nan'"),
        ("question\tdocument\tscore\n", "test.tsv, line 1 has the score 'score'"),
        ("q1\tcat\t1\nq1\tcat\t2\n", "test.tsv, line 2 has another score for question 'q1' and row 'cat'"),
    ],
)
def test_broken_qrels_are_refused_by_line(files: tuple[Path, Path], qrels: str, says: str) -> None:
    with pytest.raises(SourceError, match=says):
        read_beir(*written(files, qrels=qrels))


def test_an_error_names_file_and_line_for_programs(files: tuple[Path, Path]) -> None:
    with pytest.raises(SourceError) as caught:
        read_beir(*written(files, qrels="q1\tcat\t1\nq1\tdog\tx\n"))
    assert caught.value.facts == {"file": str(files[1]), "line": 2}


def test_bytes_that_are_no_text_are_refused_by_line(files: tuple[Path, Path]) -> None:
    written(files)[0].write_bytes(QUERIES.encode() + b'{"_id": "q4", "text": "\xff"}\n')
    with pytest.raises(SourceError, match=r"queries\.jsonl, line 4 is not UTF-8"):
        read_beir(*files)


def test_a_missing_file_is_named(files: tuple[Path, Path]) -> None:
    written(files)[1].unlink()
    with pytest.raises(SourceError, match=r"test\.tsv cannot be read: No such file"):
        read_beir(*files)


@pytest.mark.parametrize(
    ("queries", "qrels", "says"),
    [
        (QUERIES, "1\tcat\t1\n", "first is 'q1' there and '1' here"),
        ("", QRELS, "first is missing there and 'q2' here"),
        (QUERIES, "", "first is 'q1' there and missing here"),
    ],
)
def test_no_question_at_all_is_an_error(files: tuple[Path, Path], queries: str, qrels: str, says: str) -> None:
    with pytest.raises(SourceError, match="has a relevant row") as caught:
        read_beir(*written(files, queries, qrels))
    assert says in caught.value.hint


def test_qrels_without_a_score_above_0_are_told_so(files: tuple[Path, Path]) -> None:
    with pytest.raises(SourceError, match="has no score above 0") as caught:
        read_beir(*written(files, QUERIES, "q1\tcat\t0\nq2\thome\t-1\n"))
    assert "ids are compared" not in caught.value.hint


@pytest.mark.parametrize(
    ("text", "relevant", "says"),
    [
        (" ", {"cat": 1.0}, "'q1' has no text"),
        ("what?", {}, "'q1' has no relevant row"),
        ("what?", {"cat": 0.0}, "gain of row 'cat' is 0.0"),
        ("what?", {"cat": math.nan}, "gain of row 'cat' is nan"),
        ("what?", {"cat": math.inf}, "gain of row 'cat' is inf"),
        ("what?", {"cat": "1"}, "gain of row 'cat' is '1'"),
        ("what?", ["cat"], "relevant is of type list: the gain of every row"),
        (7, {"cat": 1.0}, "text=7: a string is needed"),
    ],
)
def test_a_question_that_cannot_be_answered_is_none(text: Any, relevant: Any, says: str) -> None:
    with pytest.raises(OptionError, match=says):
        Question("q1", text, relevant)
