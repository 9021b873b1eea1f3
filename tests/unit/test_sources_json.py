"""JSON lines and JSON lists: what is read, and how broken files are described."""

import gzip
import io
import json
import sys

import pytest

from idembed.errors import RowError, SourceError
from idembed.sources import open_source


def read(path, **options):
    return [(row.id, row.text, row.metadata) for _, row in open_source(path, **options).rows()]


def message(path, kind=SourceError, **options):
    with pytest.raises(kind) as caught:
        read(path, **options)
    return str(caught.value)


@pytest.fixture
def write(tmp_path):
    def write(content, name="cats.jsonl"):
        path = tmp_path / name
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
        return path

    return write


def test_a_line_is_a_row(write):
    path = write('{"id": "a", "text": "Cat", "n": 1}\n{"text": "猫", "id": 2}\n')
    assert read(path) == [("a", "Cat", '{"n":1}'), ("2", "猫", "{}")]
    assert read(str(path)) == read(path)


def test_byte_order_mark_blank_lines_crlf_and_no_last_line_end(write):
    path = write(b'\xef\xbb\xbf{"id": "a", "text": "Cat"}\r\n\r\n  \n  {"id": "b", "text": "Dog"}  ')
    assert read(path) == [("a", "Cat", "{}"), ("b", "Dog", "{}")]


def test_a_line_separator_within_a_text_is_no_line_end(write):
    assert read(write('{"id": "a", "text": "one\u2028two\x85"}\n')) == [("a", "one\u2028two\x85", "{}")]


def test_positions_are_line_numbers(write):
    source = open_source(write('\n{"id": "a", "text": "Cat"}\n\n{"id": "b", "text": "Dog"}\n'))
    assert [position for position, _ in source.rows()] == [2, 4]
    assert source.where(4) == "cats.jsonl, line 4"


def test_files_are_unpacked(tmp_path):
    path = tmp_path / "cats.ndjson.gz"
    path.write_bytes(gzip.compress(b'{"id": "a", "text": "Cat"}\n'))
    assert read(path) == [("a", "Cat", "{}")]


def test_a_packed_file_that_is_cut_off_or_no_gzip(write):
    packed = gzip.compress(json.dumps({"id": "a", "text": "Cat"}).encode() * 1000)
    assert "cats.jsonl.gz cannot be unpacked: " in message(write(packed[:-12], "cats.jsonl.gz"))
    assert "it seems cut off or is not gzip" in message(write(b"plain", "cats.jsonl.gz"))


def test_a_huge_line(write):
    text = "word " * 1_000_000
    assert read(write(json.dumps({"id": "a", "text": text})))[0][1] == text


def test_a_broken_line_is_named_with_its_column(write):
    path = write('{"id": "a", "text": "Cat"}\n  {"id": "b" "text": "Dog"}\n{"id": "c", "text": "Owl"}\n')
    assert message(path) == (
        "cats.jsonl, line 2, column 14: is not valid JSON: expecting ',' delimiter\n"
        "  each line is one whole JSON object"
    )


def test_a_broken_last_line_seems_cut_off(write):
    path = write('{"id": "a", "text": "Cat"}\n{"id": "b", "te\n\n')
    assert "cats.jsonl, line 2, column 13: is not valid JSON: " in message(path)
    assert message(path).endswith("\n  this is the last line: the file seems cut off")


def test_rows_before_a_broken_line_are_given(write):
    rows = open_source(write('{"id": "a", "text": "Cat"}\n{')).rows()
    assert next(rows)[1].id == "a"
    with pytest.raises(SourceError):
        next(rows)


def test_two_objects_on_a_line(write):
    path = write('{"id": "a", "text": "Cat"} {"id": "b", "text": "Dog"}\n{}')
    assert "cats.jsonl, line 1, column 28: is not valid JSON: extra data" in message(path)


def test_the_text_of_a_broken_line_is_not_shown(write):
    assert "secret" not in message(write('{"id": "a", "text": "secret" x}\n'))


@pytest.mark.parametrize(
    ("line", "kind"), [("[1]", "a list"), ('"x"', "a string"), ("7", "a number"), ("true", "true or"), ("null", "null")]
)
def test_a_line_is_an_object(write, line, kind):
    assert f"cats.jsonl, line 2 is {kind}" in message(write('{"id": "a", "text": "b"}\n' + line))


def test_a_list_in_a_jsonl_file_gets_a_hint(write):
    assert "a file that is one JSON list is named .json" in message(write('[{"id": "a", "text": "Cat"}]\n'))


def test_a_key_occurs_once(write):
    assert message(write('{"id": "a", "text": "Cat", "tags": {"n": 1, "n": 2}}')) == (
        "cats.jsonl, line 1: the key 'n' occurs twice in one object\n  each line is one whole JSON object"
    )


@pytest.mark.parametrize("name", ["NaN", "Infinity", "-Infinity"])
def test_constants_that_json_lacks_are_named_with_their_key(write, name):
    path = write(f'{{"id": "a", "text": "Cat", "tags": [{{"NaN": 1}}, {{"n": {name}}}]}}')
    assert f"cats.jsonl, line 1: tags[1].n is {name}, which JSON does not have; use null" in message(path)


def test_numbers_that_are_too_large(write):
    assert "line 1: metadata of row 'a': n: inf is not" in message(
        write('{"id": "a", "text": "b", "n": 1e999}'), RowError
    )
    assert "line 1: has a number with thousands of digits" in message(write('{"id": "a", "n": ' + "9" * 5000 + "}"))


def test_deep_nesting(write):
    deep = "[" * 100_000 + "]" * 100_000
    assert "cats.jsonl, line 1: is nested too deeply" in message(write('{"id": "a", "x": ' + deep + "}"))
    deep = "[" * 70 + "]" * 70
    assert "is nested more than 64 levels deep" in message(
        write('{"id": "a", "text": "b", "x": ' + deep + "}"), RowError
    )


def test_a_row_that_is_not_taken_is_named_by_file_line_and_id(write):
    path = write('{"id": "a", "text": "Cat"}\n{"id": "b", "text": "x\\u0000y"}\n{"id": "c", "text": "\\ud800"}\n')
    assert "cats.jsonl, line 2: the text of row 'b' contains NUL (U+0000)" in message(path, RowError)
    assert "cats.jsonl, line 1 has no 'text', only 'id', 'body'" in message(
        write('{"id": "a", "body": "Cat"}'), RowError
    )


def test_bytes_that_are_not_utf8_are_named_by_offset_and_line(write):
    path = write(b'\xef\xbb\xbf{"id": "a", "text": "Cat"}\n{"id": "b", "text": "caf\xe9"}\n')
    assert message(path) == ("cats.jsonl is not UTF-8: byte 54 (line 2) is 0xE9\n  convert it to UTF-8")
    assert path.read_bytes()[54] == 0xE9
    assert read(write(b'{"id": "b", "text": "caf\xe9"}\n'), encoding="latin-1") == [("b", "café", "{}")]


def test_utf16_is_recognised(write):
    assert "it seems to be UTF-16: convert it to UTF-8" in message(write('{"id": "a"}'.encode("utf-16")))


def test_standard_input(monkeypatch):
    stdin = io.TextIOWrapper(io.BytesIO(b'{"id": "a", "text": "Cat"}\n{"id": "b"'))
    monkeypatch.setattr(sys, "stdin", stdin)
    source = open_source("-")
    with pytest.raises(SourceError, match="standard input, line 2, column 11: is not valid JSON"):
        list(source.rows())
    with pytest.raises(SourceError, match="standard input can be read only once"):
        list(source.rows())


def test_an_empty_file_has_no_rows(write):
    assert read(write("")) == []


def test_a_json_list(write):
    path = write('\ufeff [ {"id": "a", "text": "Cat"},\n {"id": "b", "text": "Dog", "n": 2} ]\n', "cats.json")
    assert read(path) == [("a", "Cat", "{}"), ("b", "Dog", '{"n":2}')]
    assert open_source(path).where(2) == "cats.json, item 2"
    assert read(write("[]", "none.json")) == []


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("", "cats.json is empty"),
        ('{"id": "a"}', "cats.json is not a list of objects\n  a file with one object a line is named .jsonl"),
        ("[1]", "cats.json, item 1 is not an object"),
        ('[{"id": "a", "text": "b"}\n {', "cats.json, line 2, column 2: is not valid JSON: expecting ',' or ']'"),
        ('[{"id": "a", "text": "b"},\n', "column 1: is not valid JSON: expecting value\n  the file ends there"),
        ('[{"id": "a", "text": "b"}', "column 26: is not valid JSON: expecting ',' or ']'\n  the file ends there"),
        ('[{"id": "a", "text": "b"},]', "line 1, column 27: is not valid JSON: "),
        ("[] []", "cats.json, line 1, column 4: is not valid JSON: extra data after the list"),
        ('[{"n": NaN}]', "cats.json, item 1: n is NaN, which JSON does not have"),
        ('[{"id": 1, "id": 2}]', "cats.json, item 1: the key 'id' occurs twice"),
        (b'["\xff"]', "cats.json is not UTF-8: byte 2 (line 1) is 0xFF"),
    ],
)
def test_a_broken_json_list(write, content, said):
    assert said in message(write(content, "cats.json"))
