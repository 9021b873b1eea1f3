"""What a query of a real Postgres server answers, as rows: types, bounds, refusals, and no password anywhere."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import quote, quote_plus

import pytest
from command_line import Run, run  # noqa: F401
from fake_models import FakeModel

from databases import new_schema, place_and_schema, postgres
from idembed.errors import IdembedError, OptionError, RowError, SourceError
from idembed.index import Index
from idembed.sources import open_source

psycopg = pytest.importorskip("psycopg")


@pytest.fixture
def execute() -> Iterator[Any]:
    """Runs statements in a schema of its own, which goes again."""
    with psycopg.connect(postgres().get_uri(), autocommit=True) as connection:
        connection.execute(
            'DROP SCHEMA IF EXISTS "so;urce" CASCADE; CREATE SCHEMA "so;urce"; SET search_path = "so;urce"'
        )
        yield connection.execute
        connection.execute('DROP SCHEMA "so;urce" CASCADE')


def url(query: str) -> str:
    address = postgres().get_uri()
    return f"{address}{'&' if '?' in address else '?'}query={query}"


def read(query: str, **options: Any) -> list[tuple[str, str, Any]]:
    return [(row.id, row.text, json.loads(row.metadata)) for _, row in open_source(url(query), **options).rows()]


def value(expression: str) -> Any:
    return read(f"select 1 as id, 'a cat' as text, {expression} as value")[0][2]["value"]


def message(query: str, kind: type[IdembedError] = SourceError) -> str:
    with pytest.raises(kind) as caught:
        read(query)
    return str(caught.value)


# Rows ------------------------------------------------------------------------------------------------


def test_columns_are_id_text_and_metadata() -> None:
    assert read(
        "select kind, body as text, id from (values (7, 'a cat', 'pet'), (8, 'a dog', null)) a (id, body, kind)"
    ) == [
        ("7", "a cat", {"kind": "pet"}),
        ("8", "a dog", {"kind": None}),
    ]


def test_other_names_for_id_and_text() -> None:
    assert read("select 'a' as sku, 'a cat' as body", id_field="sku", text_field="body") == [("a", "a cat", {})]


def test_a_column_named_metadata_is_all_of_it() -> None:
    assert read("select 1 as id, 'a cat' as text, '{\"n\": [1, {}]}'::jsonb as metadata") == [
        ("1", "a cat", {"n": [1, {}]})
    ]
    assert read("select 1 as id, 'a cat' as text, null::jsonb as metadata") == [("1", "a cat", {})]


@pytest.mark.parametrize(
    ("expression", "found"),
    [
        ("'été'::text", "été"),
        ("'ab'::char(4)", "ab  "),
        ("7::smallint", 7),
        ("-9007199254740992", -9007199254740992),
        ("0.1::float4", 0.1),
        ("0.1::float8 + 0.2::float8", 0.30000000000000004),
        ("'NaN'::float8", None),
        ("true", True),
        ("null", None),
        ("'{\"a\": [1, 2.50, null]}'::jsonb", {"a": [1, 2.5, None]}),
        ("'{\"a\": 1}'::json", {"a": 1}),
        ("9.90::numeric(10, 2)", "9.90"),
        ("0.00000001::numeric", "0.00000001"),
        ("'6f9619ff-8b86-d011-b42d-00cf4fc964ff'::uuid", "6f9619ff-8b86-d011-b42d-00cf4fc964ff"),
        ("date '2024-01-31'", "2024-01-31"),
        ("date '0044-03-15 BC'", "0044-03-15 BC"),
        ("time '08:05'", "08:05:00"),
        ("timestamp '2024-01-31 08:05'", "2024-01-31T08:05:00"),
        ("timestamp '2024-01-31 08:05:01.00002'", "2024-01-31T08:05:01.000020"),
        ("timestamptz '2024-01-31 08:05+02'", "2024-01-31T06:05:00+00:00"),
        ("timestamp 'infinity'", "infinity"),
        ("interval '1 day 2 hours'", "P1DT2H"),
        ("int4range(1, 3)", "[1,3)"),
        ("inet '10.0.0.0/8'", "10.0.0.0/8"),
        ("row(1, 'a')", "(1,a)"),
        ("array[1, null, 3]", [1, None, 3]),
        ("array[[1, 2], [3, 4]]", [[1, 2], [3, 4]]),
        ("array['a,b', '\"', null]", ["a,b", '"', None]),
        ("array[1.50, 2]", ["1.50", "2"]),
        ("array[timestamptz '2024-01-31 08:05+02']", ["2024-01-31T06:05:00+00:00"]),
        ("array['{\"a\": 1}'::jsonb]", [{"a": 1}]),
    ],
)
def test_values_have_a_form_in_json(expression: str, found: Any) -> None:
    assert value(expression) == found


def test_enums_domains_and_arrays_of_them(execute: Any) -> None:
    execute("CREATE TYPE \"ki'nd\" AS ENUM ('cat', 'a \"dog\"'); CREATE DOMAIN small AS int CHECK (value < 10)")
    assert value('\'cat\'::"so;urce"."ki\'nd"') == "cat"
    assert value('array[\'cat\', \'a "dog"\']::"so;urce"."ki\'nd"[]') == ["cat", 'a "dog"']
    assert value('7::"so;urce".small') == 7


def test_the_settings_of_the_session_change_no_value(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PGOPTIONS", "-c datestyle=German -c timezone=Asia/Kolkata -c intervalstyle=sql_standard")
    assert value("timestamptz '2024-01-31 08:05+02'") == "2024-01-31T06:05:00+00:00"
    assert value("date '2024-01-31'") == "2024-01-31"
    assert value("interval '1 day 2 hours'") == "P1DT2H"


@pytest.mark.parametrize("kind", ["bytea", "vector", "bytea[]"])
def test_what_is_neither_text_nor_metadata_is_refused_by_its_column(kind: str, execute: Any) -> None:
    execute("CREATE EXTENSION IF NOT EXISTS vector SCHEMA public")
    said = message(f"select 1 as id, 'a cat' as text, null::public.{kind} as photo".replace("public.bytea", "bytea"))
    assert f"column 'photo' is of type {kind.removesuffix('[]')}, which is neither text nor metadata" in said


def test_numbers_that_json_lacks_are_refused_by_name() -> None:
    assert "row '1': big: integer 9007199254740993 is outside ±2^53" in message(
        "select 1 as id, 'a cat' as text, 9007199254740993 as big", RowError
    )
    assert "f: inf is not a JSON number" in message("select 1 as id, 'a cat' as text, 'inf'::float8 as f", RowError)
    assert "a value cannot be read" in message("select 1 as id, 'a cat' as text, repeat('9', 5000)::jsonb as n")


def test_a_row_without_id_or_text_is_refused_by_name() -> None:
    two = "select * from (values ('a', 'a cat'), ({}, {})) rows (id, text)"
    assert "row 2 has no id" in message(two.format("null", "'a dog'"), RowError)
    assert "row 2: row 'b' has no text" in message(two.format("'b'", "null"), RowError)


def test_an_id_that_comes_twice_is_refused(tmp_path: Path) -> None:
    with Index(tmp_path / "pets.db", FakeModel(), vault="none") as index, pytest.raises(RowError, match="'a'"):
        index.sync(url("select 'a' as id, text from (values ('a cat'), ('a dog')) rows (text)"))


def test_names_that_look_like_code_are_names(execute: Any) -> None:
    execute('CREATE TABLE "x\'; DROP TABLE y; --" ("id" int, "te%%xt" text, "a""; --" text)'.replace("%%", "%"))
    execute("INSERT INTO \"x'; DROP TABLE y; --\" VALUES (1, 'it''s 100%s %%(a)s \"$1\"', '\\x;')")
    assert read('select * from "so;urce"."x\'; DROP TABLE y; --"', text_field="te%xt") == [
        ("1", 'it\'s 100%s %%(a)s "$1"', {'a"; --': "\\x;"})
    ]


# The URL ---------------------------------------------------------------------------------------------

QUERY = "select 'a+b' as id, '100%25 of & #cats?' as text, 6&2 as n -- @query="


def test_a_query_is_written_plainly_or_encoded() -> None:
    found = [("a+b", "100%25 of & #cats?", {"n": 2})]
    assert read(QUERY) == read(quote(QUERY, safe="")) == read(quote_plus(QUERY)) == found


def test_settings_stand_before_the_query() -> None:
    said = "another setting stands behind query=\n  query= comes last: put the others before it"
    assert said in message("select 1 as id&sslmode=require", OptionError)
    assert said in message("select+1+as+id&sslmode=require", OptionError)
    assert read("select current_setting('application_name') as id, 'a cat' as text")[0][0] == "idembed"


def test_a_url_that_does_not_say_what_to_read() -> None:
    with pytest.raises(SourceError, match="does not say which rows to read\n  add a query: postgresql://"):
        open_source("postgresql://host/db")
    with pytest.raises(SourceError, match=r"schema=pets is an index, not a source\n  were source and index swapped\?"):
        open_source("postgresql://host/db?schema=pets")
    assert "query= is empty" in message(" ", OptionError)
    assert "query= contains NUL" in message("select%001", OptionError)


@pytest.mark.parametrize(
    "address",
    [
        "postgresql://me:geheim@127.0.0.1:1/db",
        "postgresql://127.0.0.1:1/db?user=me&password=geheim",
        "postgresql://me:ge@heim@127.0.0.1:1/db",
        "postgresql://me:x?geheim@127.0.0.1:1/db",
        "postgresql://me:x#geheim@127.0.0.1:1/db",
        "postgresql://me:geheim@127.0.0.1:port/db",
    ],
)
def test_no_message_shows_the_password(address: str) -> None:
    for ending in ("", "query=select 1", "query=", "schema=x", "query=select 1 as id&password=geheim"):
        with pytest.raises(IdembedError) as caught:
            open_source(f"{address}{'&' if '?' in address else '?'}{ending}")
        assert "geheim" not in str(caught.value) + repr(caught.value.facts)
        assert caught.value.__cause__ is None


# What is read ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "query",
    [
        "delete from \"so;urce\".pets returning id, 'x' as text",
        "with gone as (delete from \"so;urce\".pets returning id) select id, 'x' as text from gone",
        "select id, 'x' as text from \"so;urce\".take(1)",
        "select 1 as id, 'x' as text; delete from \"so;urce\".pets",
        "select 1 as id, 'x' as text; commit; delete from \"so;urce\".pets",
        "select id, 'x' as text from \"so;urce\".pets for update",
        "select set_config('transaction_read_only', 'off', false) as id, 'x' as text",
    ],
)
def test_a_query_that_writes_changes_nothing(query: str, execute: Any) -> None:
    execute("CREATE TABLE pets (id int); INSERT INTO pets VALUES (1)")
    execute(
        'CREATE FUNCTION take(int) RETURNS SETOF "so;urce".pets LANGUAGE sql '
        "AS 'DELETE FROM \"so;urce\".pets RETURNING id'"
    )
    said = message(query)
    assert "select id, body as text" in said
    assert "one SELECT, which changes nothing" in said or "writes, and a source is only read" in said
    assert execute("SELECT id FROM pets FOR UPDATE").fetchall() == [(1,)]


def test_a_mistake_in_the_query_is_told_without_values_of_rows() -> None:
    assert 'Postgres says: relation "nowhere" does not exist' in message("select id, text from nowhere")
    said = message("select 'geheim'::int as id, 'a cat' as text")
    assert "Postgres says: InvalidTextRepresentation (22P02)" in said
    assert "geheim" not in said
    assert "has no column 'text', only 'id', 'body'" in message("select 1 as id, 'a cat' as body")
    assert "two columns are named 'n'" in message("select 1 as id, 'a cat' as text, 1 as n, 2 as n")


def test_what_is_written_meanwhile_is_not_seen(execute: Any) -> None:
    execute("CREATE TABLE pets AS SELECT n AS id, 'a cat' AS text FROM generate_series(1, 1000) AS n")
    found = open_source(url('select id, text from "so;urce".pets')).rows()
    next(found)
    execute("DELETE FROM pets WHERE id > 10")
    assert sum(1 for _ in found) == 999


def test_a_connection_that_breaks_in_the_middle_changes_nothing(execute: Any, tmp_path: Path) -> None:
    rows = (
        "select n as id, case when n > 300 then (select 'x' from pg_terminate_backend(pg_backend_pid())) else 'x' end"
    )
    with Index(tmp_path / "pets.db", FakeModel(), vault="none") as index:
        with pytest.raises(SourceError, match="the connection to the database broke"):
            index.sync(url(f"{rows} as text from generate_series(1, 400) as n"))
        assert index.count() == 0


def test_an_answer_that_is_given_up_leaves_no_connection(execute: Any) -> None:
    rows = open_source(url("select n as id, 'a cat' as text from generate_series(1, 100000) as n")).rows()
    next(rows)
    rows.close()
    left = "SELECT count(*) FROM pg_stat_activity WHERE application_name = 'idembed' AND query LIKE '%generate_series%'"
    for _ in range(100):
        if (found := execute(left).fetchone()) == (0,):
            break
        execute("SELECT pg_sleep(0.05)")
    assert found == (0,)


MEASURED = """
import resource, sys
from idembed.sources import open_source
def peak(): return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
for _ in open_source(sys.argv[1]).rows(): pass
before = peak()
count = sum(1 for _ in open_source(sys.argv[2]).rows())
print(count, peak() - before)
"""


@pytest.mark.skipif(sys.platform != "linux", reason="ru_maxrss has other units elsewhere")
def test_a_hundred_thousand_rows_in_bounded_memory() -> None:
    """200 MB of texts, and a few of 4 MB each at the end, when rows seem to be small."""
    few = "select n as id, repeat('cat ', 500) as text, n from generate_series(1, 5000) as n"
    large = "select -n, repeat('cat ', 1000000), n from generate_series(1, 8) as n"
    many = f"{few.replace('5000', '100000')} union all {large}"
    done = subprocess.run(
        [sys.executable, "-c", MEASURED, url(few), url(many)], capture_output=True, text=True, check=True, timeout=300
    )
    count, kilobytes = map(int, done.stdout.split())
    assert count == 100_008
    assert kilobytes < 80_000  # the eight large ones, come at once, are 32 MB


# Syncing ---------------------------------------------------------------------------------------------


def test_a_sync_follows_the_table_and_says_nothing_of_the_password(execute: Any, tmp_path: Path) -> None:
    execute("CREATE TABLE articles (id int PRIMARY KEY, body text, kind text)")
    execute("INSERT INTO articles VALUES (1, 'a cat', 'pet'), (2, 'a dog', 'pet'), (3, 'an owl', null)")
    source = url('select id, body as text, kind from "so;urce".articles').replace("//postgres:@", "//postgres:geheim@")
    with Index(tmp_path / "pets.db", FakeModel(), vault="none") as index:
        assert index.sync(source).added == 3
        assert index.plan(source).is_empty
        execute("DELETE FROM articles WHERE id = 3; UPDATE articles SET body = 'a mouse' WHERE id = 2")
        report = index.sync(source)
        assert (report.added, report.changed, report.deleted) == (0, 1, 1)
        assert [(hit.id, hit.metadata) for hit in index.search("a mouse", k=1)] == [("2", {"kind": "pet"})]
        assert "geheim" not in index.lock().to_json()
    assert b"geheim" not in (tmp_path / "pets.db").read_bytes()


def test_an_index_in_postgres_is_a_source_by_its_view(tmp_path: Path) -> None:
    there = new_schema()
    with Index(there, FakeModel(), vault="none") as index:
        index.sync([{"id": "a", "text": "a cat", "n": [1, None]}, {"id": "b", "text": "a dog"}])
        root = index.lock().root
    _, schema = place_and_schema(there)
    with Index(tmp_path / "pets.db", FakeModel(), vault="none") as index:
        index.sync(url(f"select id, text, metadata from {schema}.active where part = 0"))
        assert index.lock().root == root


def test_the_command_line_takes_the_url_and_never_shows_the_password(
    run: Run,  # noqa: F811
) -> None:
    source = url("select n as id, 'cat ' || n as text from generate_series(1, 3) as n")
    source = source.replace("//postgres:@", "//postgres:geheim@")
    said = []
    for line in (
        ("plan", source, "pets.db", "--model", "old"),
        ("sync", source, "pets.db", "--model", "old"),
        ("sync", source, "pets.db", "--json"),
        ("sync", source.replace("select", "delete"), "pets.db"),
        ("sync", source, "pets.db", "--text-field", "body", "--json"),
        ("sync", source.partition("&query")[0], "pets.db"),
        ("status", "pets.db", "--json"),
    ):
        code, out, err = run(*line)
        said.append((code, out + err))
    assert [code for code, _ in said] == [0, 0, 0, 3, 3, 3, 0]
    assert "added 3," in said[0][1]
    assert "does not say which rows to read" in said[5][1]
    assert "geheim" not in str(said)
