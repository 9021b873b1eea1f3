"""CSV and TSV: what is read, and how broken files are described."""

import csv
import gzip

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
    def write(content, name="cats.csv"):
        path = tmp_path / name
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
        return path

    return write


def test_values_are_strings_as_they_stand(write):
    path = write("n,text,id,none\n 01 ,Cat,7,\n1e3,Dog,b,x\n")
    assert read(path) == [("7", "Cat", '{"n":" 01 ","none":""}'), ("b", "Dog", '{"n":"1e3","none":"x"}')]


def test_quotes_commas_and_line_breaks_within_a_cell(write):
    path = write('id,text\r\na,"He said ""hi"", then\r\nleft"\r\n\r\nb,Dog')
    assert read(path) == [("a", 'He said "hi", then\r\nleft', "{}"), ("b", "Dog", "{}")]


def test_positions_are_the_lines_where_rows_start(write):
    source = open_source(write('id,text\n\na,"one\ntwo"\nb,Dog\n'))
    assert [position for position, _ in source.rows()] == [3, 5]
    assert source.where(5) == "cats.csv, line 5"


def test_tsv_packed_files_and_a_byte_order_mark(tmp_path):
    path = tmp_path / "cats.TSV.gz"
    path.write_bytes(gzip.compress(b"\xef\xbb\xbfid\ttext\tn\na\tCat, big\t1\n"))
    assert read(path) == [("a", "Cat, big", '{"n":"1"}')]


def test_a_column_named_metadata_is_a_column_like_any_other(write):
    assert read(write("id,text,metadata\na,Cat,{}\n")) == [("a", "Cat", '{"metadata":"{}"}')]


def test_other_names_for_id_and_text(write):
    path = write("sku,body,id\na,Cat,1\n")
    assert read(path, id_field="sku", text_field="body") == [("a", "Cat", '{"id":"1"}')]


def test_a_missing_column_is_named_with_those_there_are(write):
    assert message(write("sku,text\na,Cat\n")) == (
        "cats.csv has no column 'id', only 'sku', 'text'\n  name the right one with id_field (--id-field)"
    )
    assert "no column 'text', only 'id', 'body'\n  name the right one with text_field" in message(write("id,body\n"))


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("", "cats.csv is empty: it has no header"),
        ("\n\n", "cats.csv is empty: it has no header"),
        ("id,text,n,n\n", "cats.csv: the header names 'n' twice"),
        (",id,text\n0,a,Cat\n", "cats.csv: column 1 of the header has no name"),
        ("id;text\na;Cat\n", "cats.csv has one column, 'id;text'; its cells seem to be separated by ';'"),
        ("id,text\na,Cat\nb,Dog,1\n", "cats.csv, line 3: expected 2 cells as in the header, found 3"),
        ("id,text\na\n", "cats.csv, line 2: expected 2 cells as in the header, found 1"),
        ('id,text\na,Cat\nb,"Dog\nc,Owl\n', "cats.csv, line 3: a quote that is opened in this row is never closed"),
        ('id,text\na,"Cat" x\n', "cats.csv, line 2: ',' expected after '\"'"),
        ("id,text\na,Cat\rb,Dog\n", "cats.csv, line 2: a carriage return stands outside quotes"),
        (b"id,text\na,Cat\nb,caf\xe9\n", "cats.csv is not UTF-8: byte 19 (line 3) is 0xE9"),
    ],
)
def test_a_broken_file(write, content, said):
    assert said in message(write(content))


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("id,text\na,Ca\0t\n", "cats.csv, line 2: the text of row 'a' contains NUL"),
        ("id,text\na,Cat\nb,\n", "cats.csv, line 3: the text of row 'b' is empty"),
        ("id,text\n,Cat\n", "cats.csv, line 2: an id has 1 to 512 bytes"),
    ],
)
def test_a_row_that_is_not_taken(write, content, said):
    assert said in message(write(content), RowError)


def test_another_encoding(write):
    assert read(write(b"id,text\nb,caf\xe9\n"), encoding="cp1252") == [("b", "café", "{}")]


def test_a_large_cell(write):
    limit = csv.field_size_limit(131_072)
    try:
        text = "word " * 100_000
        assert read(write(f"id,text\na,{text}\n"))[0][1] == text
    finally:
        csv.field_size_limit(limit)


def test_a_header_alone_has_no_rows(write):
    assert read(write("id,text\n")) == []
