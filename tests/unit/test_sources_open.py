"""What open_source says to things it cannot read, and that the fast spelling of JSON is the slow one."""

import io
import sqlite3

import pytest
from hypothesis import given
from hypothesis import strategies as st

from idembed.canonical import NotCanonicalError, _encode, _plain, canonical_json
from idembed.errors import OptionError, SourceError
from idembed.sources import open_source


def message(source, kind=SourceError, **options):
    with pytest.raises(kind) as caught:
        list(open_source(source, **options).rows())
    return str(caught.value)


POSSIBLE = (
    "a source is a path (.jsonl, .ndjson, .csv, .tsv, .json, .parquet, or a folder of text files), '-' for JSON "
    "lines on standard input, postgresql://…?query=…, a table (pandas, polars, Arrow), or an iterable of dicts, Rows "
    "or (id, text) pairs"
)


@pytest.mark.parametrize(("thing", "kind"), [(7, "int"), (None, "NoneType"), (object(), "object")])
def test_what_is_no_source_gets_a_list_of_those_there_are(thing, kind):
    assert message(thing) == f"{kind} is not a source\n  {POSSIBLE}"


def test_bytes_and_open_files_are_no_sources():
    assert message(b"cats.jsonl") == "bytes is not a source\n  give the path of the file"
    assert message(io.StringIO("x")) == "StringIO is not a source\n  give the path of the file"


def test_an_empty_path_is_not_the_current_folder():
    assert message("") == "'' names no source\n  an unset variable? The current folder is '.'"


def test_a_path_that_is_not_there():
    assert message("nowhere/cats.jsonl") == f"there is no file or folder 'nowhere/cats.jsonl'\n  {POSSIBLE}"


@pytest.mark.parametrize("name", ["cats.xlsx", "cats", "cats.jsonl.zst", "cats.parquet.gz"])
def test_a_suffix_that_is_not_known(tmp_path, name):
    (tmp_path / name).write_text("x")
    assert message(tmp_path / name) == f"{name} is of no kind that is read\n  {POSSIBLE}"


def test_a_single_text_file(tmp_path):
    (tmp_path / "cats.md").write_text("x")
    assert message(tmp_path / "cats.md") == ("cats.md is of no kind that is read\n  for text files, give their folder")


def test_a_database_suggests_that_arguments_were_swapped(tmp_path):
    said = f"is a database, not a source\n  were source and index swapped? {POSSIBLE}"
    assert message("cats.db") == f"cats.db {said}"
    with sqlite3.connect(tmp_path / "cats.index") as database:
        database.execute("CREATE TABLE t (x)")
    database.close()
    assert message(tmp_path / "cats.index") == f"cats.index {said}"


def test_an_address_is_no_source_and_is_not_repeated():
    assert message("https://me:secret@host/db") == (
        "a https:// address is not a source\n"
        "  files are read from disk: fetch it first; if it is the index, the two were swapped"
    )


def test_encodings(tmp_path):
    path = tmp_path / "cats.jsonl"
    path.write_text("")
    assert "encoding 'klingon' is not known" in message(path, OptionError, encoding="klingon")
    assert "encoding 'base64' is not known" in message(path, OptionError, encoding="base64")
    assert "files in utf-16 are not read\n  convert them to UTF-8" in message(path, OptionError, encoding="utf-16")
    assert "encoding is for files" in message([], OptionError, encoding="utf-8")
    assert list(open_source(path, encoding="utf-8-sig").rows()) == []


def slow(value):
    try:
        return _encode(_plain(value, "", 0))
    except NotCanonicalError as error:
        return str(error)


def fast(value):
    try:
        return canonical_json(value)
    except NotCanonicalError as error:
        return str(error)


strings = st.text(st.one_of(st.sampled_from('\0\ud800\udfff"\\/u0é\n\x7f'), st.characters()), max_size=5)
values = st.recursive(
    st.one_of(
        st.none(), st.booleans(), st.integers(), st.floats(), strings, st.sampled_from([2**53, -(2**53), 2.0**53])
    ),
    lambda inner: st.one_of(
        st.lists(inner, max_size=3),
        st.tuples(inner),
        st.dictionaries(st.one_of(strings, st.integers(), st.none()), inner, max_size=3),
    ),
    max_leaves=6,
)


@given(values)
def test_the_fast_spelling_is_the_slow_one(value):
    assert fast(value) == slow(value)
