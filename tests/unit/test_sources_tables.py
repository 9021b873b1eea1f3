"""Tables of every library give the same rows for the same values."""

import datetime as dt
import decimal
import subprocess
import sys
import uuid

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from idembed.errors import RowError, SourceError
from idembed.sources import open_source

OSLO = dt.timezone(dt.timedelta(hours=2))


def read(source, **options):
    return [(row.id, row.text, row.metadata) for _, row in open_source(source, **options).rows()]


def message(source, kind=SourceError, **options):
    with pytest.raises(kind) as caught:
        read(source, **options)
    return str(caught.value)


class Exporter:
    """What other libraries look like: nothing but an Arrow stream."""

    def __init__(self, table):
        self._table = table

    def __arrow_c_stream__(self, requested_schema=None):
        return self._table.__arrow_c_stream__(requested_schema)


def arrow(columns):
    return pa.table(columns)


def parquet(columns, folder):
    path = folder / "cats.parquet"
    pq.write_table(pa.table(columns), path)
    return path


KINDS = {
    "pandas": lambda columns, folder: pd.DataFrame(columns),
    "pandas of arrow": lambda columns, folder: pa.table(columns).to_pandas(types_mapper=pd.ArrowDtype),
    "polars": lambda columns, folder: pl.DataFrame(columns),
    "lazy polars": lambda columns, folder: pl.DataFrame(columns).lazy(),
    "arrow": lambda columns, folder: pa.table(columns),
    "arrow batch": lambda columns, folder: pa.RecordBatch.from_pydict(columns),
    "arrow stream": lambda columns, folder: pa.table(columns).to_reader(),
    "arrow export": lambda columns, folder: Exporter(pa.table(columns)),
    "parquet": parquet,
}


@pytest.fixture(params=KINDS)
def table(request, tmp_path):
    return lambda columns: KINDS[request.param](columns, tmp_path)


def test_other_columns_are_metadata(table):
    columns = {"n": [1, 2], "text": ["Cat", "Dog"], "ok": [True, False], "id": ["a", "b"], "x": [0.5, 2.0]}
    assert read(table(columns)) == [
        ("a", "Cat", '{"n":1,"ok":true,"x":0.5}'),
        ("b", "Dog", '{"n":2,"ok":false,"x":2}'),
    ]


def test_id_and_text_alone(table):
    assert read(table({"id": ["a"], "text": ["Cat"]})) == [("a", "Cat", "{}")]


def test_integer_ids_are_their_digits(table):
    assert [row[0] for row in read(table({"id": [7, -8], "text": ["Cat", "Dog"]}))] == ["7", "-8"]


def test_nulls_are_null(table):
    columns = {
        "id": ["a", "b"],
        "text": ["Cat", "Dog"],
        "n": [None, 2],
        "x": [float("nan"), 0.5],
        "s": ["s", None],
        "t": [None, dt.datetime(2024, 1, 31)],
        "ok": [True, None],
    }
    assert read(table(columns)) == [
        ("a", "Cat", '{"n":null,"ok":true,"s":"s","t":null,"x":null}'),
        ("b", "Dog", '{"n":2,"ok":null,"s":null,"t":"2024-01-31T00:00:00","x":0.5}'),
    ]


def test_dates_and_times_are_iso_8601(table):
    columns = {
        "id": ["a"],
        "text": ["Cat"],
        "day": [dt.date(2024, 1, 31)],
        "at": [dt.datetime(2024, 1, 31, 8, 5)],
        "fine": [dt.datetime(2024, 1, 31, 8, 5, 1, 20)],
        "utc": [dt.datetime(2024, 1, 31, 8, 5, tzinfo=dt.UTC)],
    }
    assert read(table(columns))[0][2] == (
        '{"at":"2024-01-31T08:05:00","day":"2024-01-31","fine":"2024-01-31T08:05:01.000020",'
        '"utc":"2024-01-31T08:05:00+00:00"}'
    )


def test_decimals_lists_and_objects_are_kept(table):
    columns = {
        "id": ["a"],
        "text": ["Cat"],
        "price": [decimal.Decimal("1.50")],
        "tags": [["x", None]],
        "box": [{"w": 1, "d": [dt.date(2024, 1, 31)]}],
    }
    assert read(table(columns))[0][2] == '{"box":{"d":["2024-01-31"],"w":1},"price":"1.50","tags":["x",null]}'


def test_a_column_named_metadata_is_all_of_it(table):
    columns = {"id": ["a", "b"], "text": ["Cat", "Dog"], "metadata": [{"n": 1}, None]}
    assert read(table(columns)) == [("a", "Cat", '{"n":1}'), ("b", "Dog", "{}")]


def test_a_column_named_metadata_holds_objects_and_stands_alone(table):
    assert "row 1: 'metadata' is str, not an object" in message(
        table({"id": ["a"], "text": ["Cat"], "metadata": ["x"]}), RowError
    )
    assert "row 1 has 'metadata' and beside it 'n'" in message(
        table({"id": ["a"], "text": ["Cat"], "metadata": [{"k": 1}], "n": [1]}), RowError
    )


def test_a_null_id_or_text_is_named_by_its_row(table):
    assert ", row 2 has no id" in message(table({"id": ["a", None], "text": ["Cat", "Dog"]}), RowError)
    assert ", row 1: row 'a' has no text" in message(table({"id": ["a", "b"], "text": [None, "Dog"]}), RowError)


def test_a_missing_column_is_named_with_those_there_are(table):
    said = message(table({"sku": ["a"], "text": ["Cat"]}))
    assert " has no column 'id', only 'sku', 'text'\n  name the right one with id_field (--id-field)" in said


def test_other_names_for_id_and_text(table):
    columns = {"sku": ["a"], "body": ["Cat"], "id": [1]}
    assert read(table(columns), id_field="sku", text_field="body") == [("a", "Cat", '{"id":1}')]


def test_values_json_cannot_hold_are_named(table):
    said = message(table({"id": ["a"], "text": ["Cat"], "raw": [b"x"]}), RowError)
    assert ", row 1: metadata of row 'a': raw: has type bytes, which JSON cannot hold" in said
    said = message(table({"id": ["a"], "text": ["Cat"], "x": [float("inf")]}), RowError)
    assert "x: inf is not a JSON number" in said


def test_many_rows_keep_their_order(table):
    numbers = list(range(10_000))
    source = open_source(table({"id": numbers, "text": ["Cat"] * 10_000}))
    assert [(position, row.id) for position, row in source.rows()] == [(n + 1, str(n)) for n in numbers]


def test_no_rows(table):
    assert read(table({"id": [], "text": [], "n": []})) == []


def test_tables_say_what_they_are(tmp_path):
    columns = {"id": ["a"], "text": ["Cat"]}
    sources = {kind: open_source(make(columns, tmp_path)) for kind, make in KINDS.items()}
    assert {kind: (source.where(7), source.size_hint, source.one_shot) for kind, source in sources.items()} == {
        "pandas": ("the DataFrame, row 7", 1, False),
        "pandas of arrow": ("the DataFrame, row 7", 1, False),
        "polars": ("the DataFrame, row 7", 1, False),
        "lazy polars": ("the LazyFrame, row 7", None, False),
        "arrow": ("the Table, row 7", 1, False),
        "arrow batch": ("the RecordBatch, row 7", 1, False),
        "arrow stream": ("the RecordBatchReader, row 7", None, True),
        "arrow export": ("the Exporter, row 7", None, True),
        "parquet": ("cats.parquet, row 7", 1, False),
    }


def test_nanoseconds_are_the_same_in_every_library(tmp_path):
    moments = pa.array([1_706_688_301_000_000_020, 1_706_688_301_000_020_000, None], pa.timestamp("ns", "Europe/Oslo"))
    table = pa.table({"id": ["a", "b", "c"], "text": ["Cat"] * 3, "at": moments})
    expected = [
        '{"at":"2024-01-31T09:05:01.000000020+01:00"}',
        '{"at":"2024-01-31T09:05:01.000020+01:00"}',
        '{"at":null}',
    ]
    pq.write_table(table, tmp_path / "cats.parquet")
    for source in (table, table.to_pandas(), pl.from_arrow(table), tmp_path / "cats.parquet"):
        assert [row[2] for row in read(source)] == expected


def test_nanoseconds_need_no_pandas():
    program = (
        "import sys\nclass NoPandas:\n def find_spec(self, name, *_):\n  if name == 'pandas': raise ImportError(name)\n"
        "sys.meta_path.insert(0, NoPandas()); import pyarrow as pa; from idembed.sources import open_source;"
        "at = pa.array([20], pa.timestamp('ns'));"
        "table = pa.table({'id': ['a'], 'text': ['Cat'], 'at': at});"
        "print([row.metadata for _, row in open_source(table).rows()])"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout == """['{"at":"1970-01-01T00:00:00.000000020"}']\n"""


def test_a_fixed_offset(tmp_path):
    moments = pa.array([1_706_688_301_000_000_020], pa.timestamp("ns", "+02:00"))
    assert read(pa.table({"id": ["a"], "text": ["Cat"], "at": moments}))[0][2] == (
        '{"at":"2024-01-31T10:05:01.000000020+02:00"}'
    )


def test_what_only_pandas_has():
    frame = pd.DataFrame(
        {
            "id": pd.array([1, 2], dtype="Int64"),
            "text": pd.Series(["Cat", "Dog"], dtype="string"),
            "kind": pd.Categorical(["x", None]),
            "n": pd.array([None, 5], dtype="Int64"),
            "any": [np.float32(0.5), np.array([1, 2])],
            "when": [np.datetime64("2024-01-31T08:05:01.000000020"), np.datetime64("NaT")],
            "key": [uuid.UUID(int=1), pd.NaT],
        }
    )
    assert [row[2] for row in read(frame)] == [
        '{"any":0.5,"key":"00000000-0000-0000-0000-000000000001","kind":"x","n":null,'
        '"when":"2024-01-31T08:05:01.000000020"}',
        '{"any":[1,2],"key":null,"kind":null,"n":5,"when":null}',
    ]


def test_numpy_dates_within_objects():
    days = np.array([np.datetime64("2024-01-31"), np.datetime64("NaT", "ns"), np.datetime64(20, "ns")], dtype=object)
    frame = pd.DataFrame({"id": ["a"], "text": ["Cat"], "days": [list(days)]})
    assert read(frame)[0][2] == '{"days":["2024-01-31",null,"1970-01-01T00:00:00.000000020"]}'


def test_an_index_named_id_is_not_a_column():
    frame = pd.DataFrame({"text": ["Cat"]}, index=pd.Index(["a"], name="id"))
    assert "it is the name of the index: give frame.reset_index()" in message(frame)
    assert read(frame.reset_index()) == [("a", "Cat", "{}")]


def test_integers_that_became_floats_are_no_ids():
    frame = pd.DataFrame({"id": [1, None], "text": ["Cat", "Dog"]})
    assert "the DataFrame, row 1: the id is of type float" in message(frame, RowError)


def test_columns_have_names_and_each_its_own():
    two = pd.DataFrame([["a", "Cat", 1, 2]], columns=["id", "text", "n", "n"])
    assert "the DataFrame: two columns are named 'n'" in message(two)
    assert "the DataFrame: a column is named 0" in message(pd.DataFrame([["a", "Cat"]]))
    assert "the Table: two columns are named 'n'" in message(
        pa.Table.from_arrays([pa.array(["a"])] * 4, names=["id", "text", "n", "n"])
    )


def test_a_series_is_no_table():
    assert "is not a table" in message(pl.Series(["Cat"]))


def test_arrow_maps_are_objects():
    kind = pa.map_(pa.string(), pa.int64())
    table = pa.table({"id": ["a"], "text": ["Cat"], "m": pa.array([[("k", 1)]], kind)})
    assert read(table)[0][2] == '{"m":{"k":1}}'
    table = pa.table({"id": ["a"], "text": ["Cat"], "m": pa.array([[("k", 1), ("k", 2)]], kind)})
    assert "the Table: column 'm' (map<string, int64" in message(table)


def test_a_damaged_parquet_file(tmp_path):
    path = parquet({"id": ["a"] * 9, "text": ["Cat"] * 9}, tmp_path)
    path.write_bytes(path.read_bytes()[:-10])
    assert "cats.parquet cannot be read as Parquet: " in message(path)
    assert "it may be cut off: make or fetch it again" in message(path)


def test_without_pyarrow_there_is_advice(tmp_path, monkeypatch):
    path = parquet({"id": ["a"], "text": ["Cat"]}, tmp_path)
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    assert message(path) == 'cats.parquet: reading it needs pyarrow\n  pip install "idembed[files]"'


def test_frames_are_read_without_pyarrow(monkeypatch):
    frames = [pd.DataFrame({"id": [1], "text": ["Cat"]}), pl.DataFrame({"id": [1], "text": ["Cat"]})]
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    for frame in frames:
        assert read(frame) == [("1", "Cat", "{}")]
