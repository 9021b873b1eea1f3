"""Rows from Python: dicts, Rows, tuples; and what every source does with ids."""

import hashlib
from collections import UserDict
from enum import IntEnum

import numpy as np
import pytest

from idembed.errors import OptionError, RowError
from idembed.rows import CheckedRow, Row, row_hash
from idembed.sources import Source, open_source


def read(source, **options):
    return [(row.id, row.text, row.metadata) for _, row in open_source(source, **options).rows()]


def message(source, kind=RowError, **options):
    with pytest.raises(kind) as caught:
        read(source, **options)
    return str(caught.value)


def test_a_row_is_checked_and_hashed():
    [(position, row)] = open_source([{"id": "a", "text": "Cat", "n": 1}]).rows()
    assert position == 1
    assert row == CheckedRow("a", "Cat", '{"n":1}', row_hash("a", "Cat", '{"n":1}'))
    assert row.text_hash == hashlib.sha256(b"Cat").digest()


def test_no_metadata_is_an_empty_object():
    [(_, row)] = open_source([("a", "Cat")]).rows()
    assert (row.metadata, row.metadata_hash) == ("{}", hashlib.sha256(b"{}").digest())


def test_other_keys_are_metadata():
    assert read([{"id": "a", "text": "Cat", "lang": "en", "n": None}]) == [("a", "Cat", '{"lang":"en","n":null}')]


def test_a_key_named_metadata_is_all_of_it():
    assert read([{"id": "a", "text": "Cat", "metadata": {"lang": "en"}}]) == [("a", "Cat", '{"lang":"en"}')]


def test_a_key_beside_metadata_is_an_error():
    assert message([{"id": "a", "text": "Cat", "metadata": {}, "lang": "en"}]) == (
        "row 1 has 'metadata' and beside it 'lang'\n"
        "  put them into 'metadata', or leave 'metadata' out and every other name is metadata"
    )


def test_metadata_that_is_null_is_empty():
    ((_, row),) = open_source([{"id": "a", "text": "t", "metadata": None}]).rows()
    assert row.metadata == "{}"


@pytest.mark.parametrize(("value", "kind"), [("x", "str"), (7, "int"), ([1], "list")])
def test_metadata_is_an_object(value, kind):
    assert f"row 1: 'metadata' is {kind}, not an object" in message([{"id": "a", "text": "t", "metadata": value}])


def test_the_dicts_given_are_left_as_they_were():
    row = {"id": "a", "text": "Cat", "metadata": {"n": 1}}
    read([row])
    assert row == {"id": "a", "text": "Cat", "metadata": {"n": 1}}


def test_rows_tuples_and_other_mappings():
    rows = [Row("a", "Cat", {"n": 1}), ("b", "Dog"), ("c", "Owl", {"n": 3}), UserDict(id="d", text="Bee", n=4)]
    assert read(rows) == [("a", "Cat", '{"n":1}'), ("b", "Dog", "{}"), ("c", "Owl", '{"n":3}'), ("d", "Bee", '{"n":4}')]


def test_a_tuple_has_two_or_three_values():
    assert "row 2 is a tuple of 4, not (id, text) or" in message([("a", "Cat"), ("b", "Dog", {}, 1)])


def test_a_dict_of_texts_goes_by_its_items():
    assert read({"a": "Cat", "b": "Dog"}.items()) == [("a", "Cat", "{}"), ("b", "Dog", "{}")]
    assert message({"a": "Cat"}) == "a dict is not a list of rows\n  for {id: text}, give source.items()"


def test_texts_without_ids_are_refused():
    assert message(["Cat", "Dog"]) == (
        "row 1 is a text without an id\n"
        "  give (id, text) pairs or dicts with 'id' and 'text'; ids stay the same between syncs"
    )


def test_anything_else_is_not_a_row():
    assert "row 1 is of type int\n  a row is a dict with 'id' and 'text'" in message([7])
    assert "row 1 is of type NoneType" in message([None])


def test_a_generator_is_read_once():
    source = open_source(("a", "Cat") for _ in range(1))
    assert len(list(source.rows())) == 1
    with pytest.raises(ValueError, match="the rows given can be read only once, and was"):
        list(source.rows())


def test_a_list_is_read_again():
    source = open_source([("a", "Cat")])
    assert list(source.rows()) == list(source.rows())
    assert (source.size_hint, source.split, source.skipped) == (1, None, [])


def test_rows_are_read_as_they_come():
    taken = []

    def rows():
        for number in range(3):
            taken.append(number)
            yield number, "Cat"

    reader = open_source(rows()).rows()
    assert taken == []
    next(reader)
    assert taken == [0]


def test_an_error_of_the_generator_is_its_own():
    def rows():
        yield "a", "Cat"
        raise ZeroDivisionError("mine")

    with pytest.raises(ZeroDivisionError, match="mine"):
        read(rows())


def test_fields_go_by_other_names():
    rows = [{"sku": "a", "body": "Cat", "id": 1, "text": "x"}]
    assert read(rows, id_field="sku", text_field="body") == [("a", "Cat", '{"id":1,"text":"x"}')]


def test_a_missing_field_is_named_with_those_there_are():
    assert message([{"sku": "a", "text": "Cat"}]) == (
        "row 1 has no 'id', only 'sku', 'text'\n  if it goes by another name, give id_field (--id-field)"
    )
    assert message([{"id": "a", "body": "Cat"}]) == (
        "row 1 has no 'text', only 'id', 'body'\n  if it goes by another name, give text_field (--text-field)"
    )
    assert "row 1 has no 'id', only nothing" in message([{}])


def test_fields_are_two_names():
    assert "id_field and text_field are both 'id'" in message([], OptionError, text_field="id")
    assert "id_field is the name of a field, not ''" in message([], OptionError, id_field="")
    assert "text_field is the name of a field, not 3" in message([], OptionError, text_field=3)


def test_fields_are_for_rows_with_names():
    assert "row 1 is a tuple; id_field and text_field are for rows with names" in message(
        [("a", "Cat")], OptionError, id_field="sku"
    )
    assert "row 1 is a Row; " in message([Row("a", "Cat")], OptionError, text_field="body")


def test_an_integer_id_is_its_digits():
    class Number(IntEnum):
        SEVEN = 7

    rows = [(1, "a"), (-2, "b"), (np.int64(3), "c"), (10**30, "d"), (Number.SEVEN, "e"), (np.str_("f"), "f")]
    assert [row_id for row_id, _, _ in read(rows)] == ["1", "-2", "3", "1" + "0" * 30, "7", "f"]


def test_an_id_is_nothing_else():
    assert "row 1: the id is of type float\n  an id is a string or an integer; a table turns" in message([(1.0, "a")])
    assert "row 1: the id is of type list\n  an id is a string or an integer" in message([([1], "a")])
    assert "row 1: the id True is not a string but bool" in message([(True, "a")])
    assert "row 1: the id is of type bool" in message([(np.True_, "a")])
    assert "row 1: the id is an integer of more than 256 bits" in message([(10**5000, "a")])
    assert "row 1 has no id" in message([(None, "a")])


def test_the_row_of_an_error_is_named():
    rows = [("a", "Cat"), ("b", None)]
    assert "row 2: row 'b' has no text" in message(rows)
    assert "row 1: metadata of row 'a': n: nan is not a JSON number" in message([("a", "Cat", {"n": float("nan")})])


def test_a_source_is_taken_as_it_is():
    source = open_source([("a", "Cat")])
    assert isinstance(source, Source)
    assert open_source(source) is source
