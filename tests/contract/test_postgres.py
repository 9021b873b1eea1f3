"""What only the store in Postgres promises: its schema, its view, foreign edits, connections that break."""

from __future__ import annotations

import random
import re
import subprocess
import sys
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor, wait
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from kit import Index, row, space
from pooler import pooler

from databases import new_schema, place_and_schema, postgres, postgres_url
from idembed.errors import (
    DamagedError,
    IndexNotFoundError,
    LeaseHeldError,
    LeaseLostError,
    NewerSchemaError,
    NotAnIndexError,
    OptionError,
    ReadOnlyError,
    RowError,
    StoreError,
)
from idembed.filters import parse_where
from idembed.stores import open_store, postgres_lease
from idembed.stores.base import ROWS
from idembed.stores.postgres_link import mapped
from idembed.stores.postgres_search import Question

psycopg = pytest.importorskip("psycopg")
sql = pytest.importorskip("psycopg.sql")
QUERY = np.array([[1, 0, 0, 0]], np.float32)


@pytest.fixture
def url() -> str:
    return new_schema()


@pytest.fixture
def index(url: str) -> Iterator[Index]:
    made = Index(lambda: open_store(url))
    yield made
    made.store.close()


@contextmanager
def another_program(url: str) -> Iterator[Any]:
    """A program that knows nothing of idembed, whose names are looked up in the schema; commits at the end."""
    address, schema = place_and_schema(url)
    with psycopg.connect(address) as connection:
        connection.execute(sql.SQL("SET search_path = {}, public").format(sql.Identifier(schema)))
        yield connection


def edited(index: Index, url: str, *statements: str) -> Any:
    """States after another program's edits of rows a and b."""
    index.upsert(row("a", "text a"), row("b", "text b", [2, 0, 0, 0], {"k": 1}))
    with another_program(url) as other:
        for statement in statements:
            other.execute(statement)
    return index.states()


def ids(index: Index) -> list[str]:
    return [hit.id for hit in index.store.search(1, QUERY, 100)[0]]


# Opening ----------------------------------------------------------------------------------------------


def test_an_index_is_not_made_unless_wanted(url: str) -> None:
    for options in ({"create": False}, {"create": True, "read_only": True}):
        with pytest.raises(IndexNotFoundError, match="there is no index postgresql:"):
            open_store(url, **options)
    with another_program(url) as other:
        schema = place_and_schema(url)[1]
        assert other.execute("SELECT count(*) FROM pg_namespace WHERE nspname = %s", (schema,)).fetchone() == (0,)


@pytest.mark.parametrize(
    "name",
    ["pets", "Pets", 'qu"ote', "it's", "a; DROP SCHEMA public; --", "100%s %(x)s", "$1 $$", "a b", "\u202eלום", "😀"],
)
def test_a_schema_of_any_name_is_only_a_name(name: str) -> None:
    with open_store(postgres_url(f"{name} of a test")) as store:
        lease = store.lease("w")
        store.create_generation(lease, space(), "m", activate=True)
        store.upsert(lease, [row("a")])
        assert [match.id for match in store.search(1, QUERY, 1)[0]] == ["a"]
        assert store.delete(lease, ["a"]) == 1
        assert store.size() > 0
        store.create_generation(lease, space(2), "m", activate=True)
        store.drop_generation(lease, 1)
    with psycopg.connect(postgres().get_uri()) as other:
        found = other.execute("SELECT count(*) FROM pg_namespace WHERE nspname = %s", (f"{name} of a test",))
        assert found.fetchone() == (1,)


@pytest.mark.parametrize("name", ["", "a\0b", "x" * 64, "é" * 32, "pg_mine", "information_schema"])
def test_names_that_postgres_would_not_keep_are_refused(name: str) -> None:
    with pytest.raises(OptionError, match="name of the schema"):
        open_store(postgres_url(name))


def test_without_a_name_the_schema_is_called_idembed() -> None:
    with open_store(postgres().get_uri()) as store, psycopg.connect(postgres().get_uri()) as other:
        store.lease("w")
        assert other.execute("SELECT name FROM idembed.leases").fetchall() == [("rows",)]


def test_a_schema_that_holds_something_else_is_refused_and_left_alone(url: str) -> None:
    schema = sql.Identifier(place_and_schema(url)[1])
    with another_program(url) as other:
        other.execute(sql.SQL("CREATE SCHEMA {}").format(schema))
        other.execute("CREATE TABLE meta (one integer)")
    with pytest.raises(NotAnIndexError, match="holds something else; it was left as it is"):
        open_store(url)
    with another_program(url) as other:
        assert other.execute("SELECT tablename FROM pg_tables WHERE schemaname = current_schema()").fetchall() == [
            ("meta",)
        ]


def test_an_empty_schema_is_used(url: str) -> None:
    with another_program(url) as other:
        other.execute(sql.SQL("CREATE SCHEMA {}").format(sql.Identifier(place_and_schema(url)[1])))
    with open_store(url) as store:
        assert store.count() == 0


def test_an_index_of_a_newer_format_is_refused(index: Index, url: str) -> None:
    with another_program(url) as other:
        other.execute("UPDATE meta SET format = 99")
    with pytest.raises(NewerSchemaError, match="schema 99"):
        index.open_again()


def test_an_older_format_is_brought_up_to_date_step_by_step_or_not_at_all(
    index: Index, url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    from idembed.stores import postgres_schema

    with another_program(url) as other:
        other.execute("UPDATE meta SET format = 0")

    def fail(connection: Any, schema: str) -> None:
        connection.execute("CREATE TABLE half_way ()")
        raise KeyboardInterrupt

    monkeypatch.setitem(postgres_schema.STEPS, 0, fail)
    with pytest.raises(KeyboardInterrupt):
        index.open_again()
    monkeypatch.setitem(postgres_schema.STEPS, 0, lambda c, s: c.execute("CREATE TABLE half_way ()"))
    index.open_again().close()
    with another_program(url) as other:
        assert other.execute("SELECT format FROM meta").fetchone() == (1,)
        assert other.execute("SELECT count(*) FROM half_way").fetchone() == (0,)


@pytest.mark.parametrize("table", ["rows", "texts", "vectors_1", "generations", "lost"])
def test_an_index_without_one_of_its_tables_is_damaged(index: Index, url: str, table: str) -> None:
    with another_program(url) as other:
        other.execute(f"DROP TABLE {table} CASCADE")
    with pytest.raises(DamagedError, match=f"the table {table} is gone"):
        index.open_again()


def test_many_may_make_the_same_index_at_once(url: str) -> None:
    failures: list[BaseException] = []

    def make() -> None:
        try:
            open_store(url).close()
        except BaseException as error:
            failures.append(error)

    threads = [threading.Thread(target=make) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failures == []


def test_read_only_searches_and_does_not_write(index: Index, url: str) -> None:
    index.upsert(row("a"))
    with open_store(url, read_only=True) as reader:
        assert [match.id for match in reader.search(1, QUERY, 1)[0]] == ["a"]
        with pytest.raises(ReadOnlyError):
            reader.lease("w")


def test_a_user_who_may_only_read_searches_and_does_not_write(index: Index, url: str) -> None:
    index.upsert(row("a"))
    schema = sql.Identifier(place_and_schema(url)[1])
    with another_program(url) as other:
        if not other.execute("SELECT 1 FROM pg_roles WHERE rolname = 'reader'").fetchone():
            other.execute("CREATE ROLE reader LOGIN")
        other.execute(sql.SQL("GRANT USAGE ON SCHEMA {} TO reader").format(schema))
        other.execute(sql.SQL("GRANT SELECT ON ALL TABLES IN SCHEMA {} TO reader").format(schema))
    with open_store(url.replace("//postgres:", "//reader:")) as reader:
        assert [match.id for match in reader.search(1, QUERY, 1)[0]] == ["a"]
        with pytest.raises(ReadOnlyError, match="cannot be written by this user"):
            reader.lease("w")


@pytest.mark.parametrize(
    "url",
    [
        "postgresql://me:geheim@127.0.0.1:1/db",
        "postgresql://127.0.0.1:1/db?user=me&password=geheim",
        "postgresql://me:ge@heim@127.0.0.1:1/db",
        "postgresql://me:ge?heim@127.0.0.1:1/db",
        "postgresql://me:ge#heim@127.0.0.1:1/db",
        "postgresql://me:ge/heim@127.0.0.1:1/db",
        "postgresql://me:geheim@127.0.0.1:1/db?nonsense=geheim",
        "postgresql://me:geheim@127.0.0.1:1/db?schema=",
        "postgresql://me:geheim@127.0.0.1:port/db",
    ],
)
def test_no_error_shows_a_password_or_a_piece_of_one(url: str) -> None:
    with pytest.raises((StoreError, OptionError)) as caught:
        open_store(url)
    shown = f"{caught.value} {caught.value.facts} {caught.value.__cause__}"
    assert "heim" not in shown.replace("nonsense=geheim", "")


def test_a_hash_in_an_option_is_not_said_to_be_in_the_password() -> None:
    with pytest.raises(OptionError, match=r"schema=a#b has a # in an option\n.*%23"):
        open_store("postgresql://me@127.0.0.1:1/db?schema=a#b")


def test_the_url_of_a_store_has_no_password(index: Index) -> None:
    assert index.store.url.startswith("postgresql://postgres:***@/postgres?host=")


def test_without_psycopg_the_error_says_what_to_install() -> None:
    code = (
        "import sys; sys.modules['psycopg'] = None\n"
        "from idembed.stores import open_store\n"
        "open_store('postgresql://me:geheim@h/db')"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert 'pip install "idembed[postgres]"' in done.stderr
    assert "geheim" not in done.stderr.splitlines()[-2]


# The view ---------------------------------------------------------------------------------------------


def test_the_view_shows_rows_with_the_vectors_that_are_searched(index: Index, url: str) -> None:
    index.upsert(row("a", "text a", [1, 2, 3, 4], {"k": "v"}), row("b", "no vector", None))
    with another_program(url) as other:
        columns = "id, part, scope, text, metadata ->> 'k', tokens, vector::text"
        assert other.execute(f"SELECT {columns} FROM active").fetchall() == [
            ("a", 0, "docs", "text a", "v", 2, "[1,2,3,4]")
        ]
        other.execute("UPDATE texts SET text = 'edited'")
        assert other.execute("SELECT count(*) FROM active").fetchone() == (0,)


def test_the_view_follows_a_switch_in_the_same_transaction(index: Index, url: str) -> None:
    """A reader that asks all the while never sees a view of one generation beside the pointer to another."""
    store, lease = index.store, index.lease
    store.create_generation(lease, space(2, "two"), "second")
    done, seen = threading.Event(), set()

    def ask() -> None:
        with another_program(url) as other:
            while not done.is_set():
                found = other.execute(
                    "SELECT number, (SELECT max(vector_dims(vector)) FROM active) "
                    "FROM generations WHERE status = 'active'"
                ).fetchone()
                seen.add(found)
                other.commit()

    both = row("a", "t")
    index.upsert(replace(both, parts={**both.parts, **row("a", "t", [1, 0], generation=2).parts}))
    thread = threading.Thread(target=ask)
    thread.start()
    for number in (2, 1) * 20:
        store.activate(lease, number)
    done.set()
    thread.join()
    assert seen <= {(1, 4), (2, 2)}
    with another_program(url) as other:
        assert other.execute("SELECT max(vector_dims(vector)) FROM active").fetchone() == (4,)


def test_the_sql_of_the_documentation_answers_as_a_search_does(url: str) -> None:
    page = (Path(__file__).parents[2] / "docs" / "stores.md").read_text("utf-8")
    (statement,) = re.findall(r"```sql\n(.*?)```", page, re.DOTALL)
    vectors = np.random.default_rng(3).standard_normal((40, 8)).astype(np.float32)
    with open_store(url) as store, another_program(url) as other:
        lease = store.lease("w")
        store.create_generation(lease, space(8), "m", activate=True)
        names = ["cat", *(f"r{i}" for i in range(39))]
        kinds = [{"kind": "pet" if i % 2 else "wild"} for i in range(40)]
        store.upsert(lease, [row(n, f"t {n}", v, k) for n, v, k in zip(names, vectors, kinds, strict=True)])
        other.execute("CREATE TEMP TABLE products AS SELECT id AS sku, 1.5 AS price FROM active")
        schema = sql.Identifier(place_and_schema(url)[1]).as_string(other)
        asked = statement.replace("pets.", f"{schema}.").replace("public.products", "products")
        found = other.execute(asked).fetchall()
        (expected,) = store.search(1, vectors[:1], 10, parse_where({"kind": "pet"}))
    assert [row_id for row_id, *_ in found] == [match.id for match in expected]
    assert [score for *_, score in found] == pytest.approx([match.score for match in expected])


def test_rights_on_the_view_stay_after_a_switch(index: Index, url: str) -> None:
    with another_program(url) as other:
        other.execute("GRANT SELECT ON active TO public")
        rights = other.execute("SELECT relacl::text FROM pg_class WHERE oid = 'active'::regclass").fetchone()
    index.store.create_generation(index.lease, space(2), "m", activate=True)
    with another_program(url) as other:
        assert other.execute("SELECT relacl::text FROM pg_class WHERE oid = 'active'::regclass").fetchone() == rights
        assert other.execute("SELECT count(*) FROM active").fetchone() == (0,)


def test_dropped_vectors_leave_the_database(index: Index, url: str) -> None:
    index.store.create_generation(index.lease, space(2), "m", activate=True)
    index.store.drop_generation(index.lease, 1)
    with another_program(url) as other:
        found = other.execute("SELECT tablename FROM pg_tables WHERE schemaname = current_schema()").fetchall()
    assert ("vectors_2",) in found
    assert ("vectors_1",) not in found


# Search -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("scale", [1.0, 1e-3, 1e15, 1e35, 1e-41])
def test_scores_and_ties_are_the_same_bits_as_in_sqlite(url: str, tmp_path: Path, scale: float) -> None:
    rng = np.random.default_rng(4)
    base = rng.standard_normal((40, 384)).astype(np.float32)
    near = np.repeat(base, 12, axis=0)  # twelve of each that differ in the last bits of a few numbers, or not at all
    near[::3, :5] = np.nextafter(near[::3, :5], np.float32(9))
    lengths = rng.choice([0.5, 1.0, 1.0, 3.0], len(near)).astype(np.float32)
    vectors = near * lengths[:, None] * np.float32(scale)
    names = [f"r{i}" for i in random.Random(1).sample(range(len(vectors)), len(vectors))]
    queries = np.concatenate([base[:6], rng.standard_normal((4, 384)).astype(np.float32)])
    answers = []
    for place in (url, tmp_path / "index.db"):
        with open_store(place) as store:
            lease = store.lease("w")
            store.create_generation(lease, space(384), "m", activate=True)
            store.upsert(lease, [row(n, n, v, {"i": int(n[1:])}) for n, v in zip(names, vectors, strict=True)])
            where = parse_where({"i": {"lt": 200}})
            answers.append([store.search(1, queries, k) for k in (1, 7, 40, 479, 2000)])
            answers[-1].append(store.search(1, queries, 5, where))
    assert answers[0] == answers[1]


def test_more_candidates_than_are_held_at_a_time_are_all_compared(
    index: Index, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("idembed.stores.postgres_search._AT_ONCE", 10)
    index.upsert(*(row(f"r{i * 37 % 300:03}", "t", [1, 0, 0, 0]) for i in range(300)))
    assert [name for name, _ in index.search([1, 0, 0, 0], 25)] == [f"r{i:03}" for i in range(25)]


@pytest.mark.parametrize("dim", [64, 2_001])
def test_an_approximate_search_goes_by_its_index_and_an_exact_one_never(
    url: str, dim: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    plans = []

    def explained(question: Any, query: str, bound: Any, most_rows: Any) -> Iterator[Any]:
        plans.append(str(question._connection.execute(f"EXPLAIN {query}".encode(), bound).fetchall()))
        yield from pages(question, query, bound, most_rows)

    pages = Question._pages
    monkeypatch.setattr(Question, "_pages", explained)
    vectors = np.random.default_rng(1).standard_normal((300, dim)).astype(np.float32)
    with open_store(url) as store:
        lease = store.lease("w")
        store.create_generation(lease, replace(space(dim), similarity="cosine"), "m", activate=True)
        store.upsert(lease, [row(f"r{i}", f"t{i}", v, {"n": i % 3}) for i, v in enumerate(vectors)])
        store.build_ann(lease, 1)
        for options in ({}, {"where": parse_where({"n": 1})}, {"scope": "docs"}):
            store.search(1, vectors[:1], 5, **options, approximate=True)
            store.search(1, vectors[:1], 5, **options)
    assert ["vectors_1_ann" in plan for plan in plans] == [True, False] * 3


@pytest.mark.parametrize(("dim", "similarity", "says"), [(4_001, "cosine", "up to 4,000"), (2_001, "dot", "as halves")])
def test_what_cannot_be_indexed_is_refused_and_searched_exactly(url: str, dim: int, similarity: Any, says: str) -> None:
    with open_store(url) as store:
        lease = store.lease("w")
        store.create_generation(lease, replace(space(dim), similarity=similarity), "m", activate=True)
        with pytest.raises(StoreError, match=says):
            store.build_ann(lease, 1)
        store.upsert(lease, [row("a", "t", np.full(dim, 1e9, np.float32))])
        assert [m.id for m in store.search(1, np.ones((1, dim), np.float32), 1, approximate=True)[0]] == ["a"]


# Other programs ---------------------------------------------------------------------------------------


def test_a_foreign_edit_of_a_text_is_seen_and_its_vector_not_searched(index: Index, url: str) -> None:
    states = edited(index, url, "UPDATE texts SET text = 'edited' WHERE key = (SELECT key FROM rows WHERE id = 'b')")
    assert (states["b"].text_hash, states["b"].current, states["a"].current) == (b"", False, True)
    assert len(states["b"].metadata_hash) == 32
    assert ids(index) == ["a"]
    index.upsert(row("b", "text b", [2, 0, 0, 0], {"k": 2}))  # the sync that repairs it
    assert index.states()["b"].current
    assert ids(index) == ["b", "a"]


def test_a_foreign_edit_of_metadata_is_seen_and_its_vector_still_searched(index: Index, url: str) -> None:
    states = edited(index, url, "UPDATE rows SET metadata = '{\"k\": 7.0}' WHERE id = 'b'")
    assert (states["b"].metadata_hash, states["b"].current) == (b"", True)
    assert index.search([1, 0, 0, 0], where={"k": 7}) == [("b", 2.0)]
    assert index.store.get(["b"])["b"].metadata == {"k": 7.0}


_B = "key = (SELECT key FROM rows WHERE id = 'b')"


@pytest.mark.parametrize(
    "edit",
    [
        f"UPDATE texts SET text = 'edited' WHERE {_B}",
        f"DELETE FROM texts WHERE {_B}",
        f"UPDATE texts SET key = 99 WHERE {_B}",
        "UPDATE rows SET metadata = '{\"k\": 2}' WHERE id = 'b'",
        "UPDATE rows SET scope = 'other' WHERE id = 'b'",
        f"UPDATE vectors_1 SET tokens = 99 WHERE {_B}",
        f"UPDATE vectors_1 SET vector = '[0,0,0,1]' WHERE {_B}",
        f"UPDATE vectors_1 SET vector = NULL WHERE {_B}",
        f"DELETE FROM vectors_1 WHERE {_B}",
        'INSERT INTO vectors_1 (key, part, start, "end", text_hash, address, tokens, truncated, checksum, vector) '
        'SELECT key, 1, start, "end", text_hash, address, tokens, truncated, checksum, vector FROM vectors_1 '
        f"WHERE {_B}",
        "UPDATE rows SET row_hash = decode(repeat('00', 16), 'hex') WHERE id = 'b'",
        "UPDATE rows SET text_hash = decode(repeat('00', 32), 'hex') WHERE id = 'b'",
    ],
)
def test_whatever_another_program_edits_unsettles_the_row(index: Index, url: str, edit: str) -> None:
    states = edited(index, url, edit)
    assert list(index.store.unsettled()) == ["b"]
    assert (states["b"].row_hash, len(states["a"].row_hash)) == (b"", 16)


@pytest.mark.parametrize("table", ["texts", "vectors_1"])
def test_an_emptied_table_unsettles_every_row(index: Index, url: str, table: str) -> None:
    edited(index, url, f"TRUNCATE {table}")
    assert sorted(index.store.unsettled()) == ["a", "b"]


@pytest.mark.parametrize("edit", ["DELETE FROM rows", "TRUNCATE rows"])
def test_a_row_that_another_program_removed_is_lost_until_it_is_written_or_deleted(
    index: Index, url: str, edit: str
) -> None:
    edited(index, url, edit)
    assert index.store.lost() == ["a", "b"]
    assert index.store.orphans() == []
    index.upsert(row("a"))
    assert index.store.lost() == ["b"]
    assert index.store.delete(index.lease, ["b"]) == 0
    assert index.store.lost() == []


def test_a_foreign_renaming_is_a_row_that_went_and_one_that_came(index: Index, url: str) -> None:
    states = edited(index, url, "UPDATE rows SET id = 'renamed' WHERE id = 'b'")
    assert states["renamed"] == ("renamed", "docs", b"", row("b", metadata={"k": 1}).metadata_hash, b"", False)
    assert index.store.lost() == ["b"]
    assert ids(index) == ["a"]


def test_hashes_that_another_program_writes_for_a_new_row_are_not_believed(index: Index, url: str) -> None:
    states = edited(
        index,
        url,
        "INSERT INTO rows (key, id, scope, row_hash, text_hash, metadata, metadata_hash) "
        "SELECT 77, 'twin', scope, row_hash, text_hash, metadata, metadata_hash FROM rows WHERE id = 'b'",
        "INSERT INTO texts VALUES (77, 'text b')",
    )
    assert states["twin"] == ("twin", "docs", b"", b"", b"", False)
    assert list(index.store.unsettled()) == ["twin"]
    index.upsert(*(row(f"r{i}") for i in range(100)))  # whose keys leave out the one that was chosen
    assert index.store.count() == 103


def test_a_foreign_row_is_read_but_never_current(index: Index, url: str) -> None:
    states = edited(index, url, "INSERT INTO rows (id) VALUES ('bare')")
    assert states["bare"] == ("bare", "", b"", b"", b"", False)
    assert ids(index) == ["b", "a"]
    with pytest.raises(RowError, match="'bare' belongs to scope ''"):
        index.upsert(row("bare", "adopted", [9, 0, 0, 0]))
    index.upsert(row("bare", "adopted", [9, 0, 0, 0], scope=""))
    assert ids(index)[0] == "bare"


@pytest.mark.parametrize("metadata", ["[1]", "7", '"k"', "null", '{"k": 1e999}', '{"k": 1, "k": 2}'])
def test_strange_metadata_of_another_program_breaks_no_reading(index: Index, url: str, metadata: str) -> None:
    states = edited(index, url, f"UPDATE rows SET metadata = '{metadata}' WHERE id = 'b'")
    assert states["b"].metadata_hash == b""
    assert isinstance(index.store.get(["b"])["b"].metadata, dict)
    assert index.search([1, 0, 0, 0], where={"k": {"lt": 1}}) == []
    assert ids(index) == ["b", "a"]


def test_a_foreign_edit_that_says_the_same_changes_nothing(index: Index, url: str) -> None:
    states = edited(index, url, "UPDATE texts SET text = text", "UPDATE rows SET metadata = metadata, id = id")
    assert all(len(s.row_hash) == 16 and s.current for s in states.values())


def test_what_belongs_to_nothing_is_found_and_swept(index: Index, url: str) -> None:
    edited(
        index,
        url,
        "INSERT INTO texts VALUES (900, 'of nobody')",
        'INSERT INTO vectors_1 (key, part, start, "end", text_hash, address, tokens, truncated, checksum) '
        "VALUES (901, 3, 0, 1, '', '', 1, false, '')",
    )
    assert [(o.kind, o.count, o.examples) for o in index.store.orphans()] == [
        ("texts without a row", 1, ("900",)),
        ("parts without a row in generation 1", 1, ("901/3",)),
    ]
    assert index.store.sweep(index.lease) == 2
    assert index.store.orphans() == []


def test_many_parts_some_without_a_vector_are_written_as_they_are(index: Index) -> None:
    random_vectors = np.random.default_rng(1).standard_normal((600, 4)).astype(np.float32)
    random_vectors[::5, 1] = -0.0
    random_vectors[::5, 2] = 1e-42  # a denormal
    written = {}
    for number, vector in enumerate(random_vectors):
        one = row(f"r{number:03}", f"text {number}", vector)
        if number % 7 == 3:
            one = replace(one, parts={1: [replace(one.parts[1][0], vector=None)]})
        if number % 7 == 4:
            second = replace(one.parts[1][0], part=1, span=(5, 6), tokens=9, truncated=True, address=bytes(15) + b"x")
            one = replace(one, parts={1: [one.parts[1][0], second]})
        written[one.id] = one
    index.upsert(*written.values())
    found = index.store.get(list(written), 1)
    for name, one in written.items():
        for given, stored in zip(one.parts[1], found[name].parts, strict=True):
            assert (stored.part, stored.span, stored.address) == (given.part, given.span, given.address)
            assert (stored.tokens, stored.truncated, stored.empty) == (
                given.tokens,
                given.truncated,
                given.vector is None,
            )
            if given.vector is not None:
                assert stored.vector is not None
                assert stored.vector.tobytes() == given.vector.tobytes()
    addresses = {part.address for one in written.values() for part in one.parts[1] if part.vector is not None}
    assert index.store.vectors_at(1, list(addresses)).keys() == addresses  # all checksums are right
    assert list(index.store.lacking(1)) == []


# Connections ------------------------------------------------------------------------------------------


def cut(url: str) -> None:
    """End every other connection to the database, as a restart or a network does."""
    with another_program(url) as other:
        other.execute("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'idembed'")


def test_a_connection_that_broke_between_calls_is_made_again(index: Index, url: str) -> None:
    cut(url)
    index.upsert(row("a"))
    cut(url)
    assert ids(index) == ["a"]


def test_a_batch_whose_connection_broke_is_written_once_more(
    index: Index, url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    from idembed.stores import postgres_write

    kept, cuts = postgres_write._found_again, []

    def break_once(connection: Any, names: Any) -> None:
        if not cuts:
            cuts.append(1)
            cut(url)
        kept(connection, names)

    monkeypatch.setattr(postgres_write, "_found_again", break_once)
    index.upsert(row("a"), row("b"))
    assert (cuts, index.store.count(), list(index.store.unsettled())) == ([1], 2, [])


def test_rows_that_are_read_page_by_page_survive_a_connection_that_breaks_within_a_page(
    index: Index, url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    from idembed.stores import postgres_plan, postgres_read

    index.upsert(*(row(name) for name in "abcde"), *(row(name, vector=None) for name in "xyz"))
    monkeypatch.setattr(postgres_read, "_SCAN_ROWS", 2)
    monkeypatch.setattr(postgres_plan, "_KEYS", 2)
    fetch, asked = postgres_read.fetch, []

    def break_now_and_then(*arguments: Any, **more: Any) -> Any:
        asked.append(1)
        if len(asked) % 5 == 3:
            cut(url)
        return fetch(*arguments, **more)

    for module in (postgres_read, postgres_plan):
        monkeypatch.setattr(module, "fetch", break_now_and_then)
    assert [one.id for one in index.store.scan(1)] == list("abcdexyz")
    assert list(index.store.lacking(1)) == list("xyz")
    assert list(index.store.unsettled()) == list("xyz")
    assert len(asked) > 15


def break_at_commit(url: str, monkeypatch: pytest.MonkeyPatch, when: str) -> list[str]:
    """The connection breaks at the next COMMIT: before it arrives, or before its answer does. How often it did."""
    execute, broken = psycopg.Connection.execute, []

    def breaking(connection: Any, query: Any, *rest: Any, **more: Any) -> Any:
        if query != "COMMIT" or broken:
            return execute(connection, query, *rest, **more)
        broken.append(when)
        if when == "before its answer":
            execute(connection, query)
        cut(url)
        return execute(connection, "COMMIT")

    monkeypatch.setattr(psycopg.Connection, "execute", breaking)
    return broken


at_a_commit = pytest.mark.parametrize("when", ["before it arrives", "before its answer"])


@at_a_commit
def test_a_commit_whose_connection_breaks_is_there_exactly_once(
    index: Index, url: str, monkeypatch: pytest.MonkeyPatch, when: str
) -> None:
    def broken(work: Any) -> Any:
        with monkeypatch.context() as patch:
            breaks = break_at_commit(url, patch, when)
            found = work()
            assert breaks == [when]
        return found

    store, lease = index.store, index.lease
    broken(lambda: index.upsert(row("a"), row("b"), row("c")))
    assert broken(lambda: store.create_generation(lease, space(8, "new"), "new")).number == 2
    assert broken(lambda: store.create_generation(lease, space(8, "newer"), "newer", activate=True)).number == 3
    assert [(g.number, g.model, g.status) for g in store.generations()] == [
        (1, "test-model", "standby"),
        (2, "new", "building"),
        (3, "newer", "active"),
    ]
    broken(lambda: store.drop_generation(lease, 2))
    assert [g.number for g in store.generations()] == [1, 3]
    assert broken(lambda: store.delete(lease, ["a", "b", "x"])) == 2
    assert ids(index) == ["c"]
    version, meta = store.read_meta()
    assert broken(lambda: store.swap_meta(version, {**meta, "k": 1}))
    assert store.read_meta() == (version + 1, {**meta, "k": 1})
    assert not broken(lambda: store.swap_meta(version, {"k": 2}))
    with another_program(url) as other:
        other.execute("INSERT INTO texts VALUES (1000, 'x'), (1001, 'y')")
    assert broken(lambda: store.sweep(lease)) == 2
    taken = broken(lambda: store.lease("builder", name="generation 1"))
    assert store.renew(taken).fence == taken.fence


def test_nothing_is_done_once_more_where_the_outcome_stays_unknown(
    index: Index, url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    from idembed.stores import postgres_transactions
    from idembed.stores.postgres_link import ConnectionLostError

    def away(*_: Any, **__: Any) -> Any:
        raise ConnectionLostError("the database cannot be reached")

    with monkeypatch.context() as patch:
        patch.setattr(postgres_transactions, "connect", away)
        assert not break_at_commit(url, patch, "before its answer")
        with pytest.raises(StoreError, match="whether this was written is not known"):
            index.store.create_generation(index.lease, space(8, "new"), "new")
    assert [g.number for g in index.store.generations()] == [1, 2]


def test_a_transaction_that_the_server_still_keeps_open_is_waited_for(index: Index, url: str) -> None:
    """As when a network is cut, which the server notices later."""
    with another_program(url) as other:
        ((number,),) = other.execute("SELECT txid_current()").fetchall()
        threading.Timer(0.3, other.commit).start()
        assert index.store._was_committed(number)  # type: ignore[attr-defined]
        ((number,),) = other.execute("SELECT txid_current()").fetchall()
        threading.Timer(0.3, other.rollback).start()
        assert not index.store._was_committed(number)  # type: ignore[attr-defined]


def test_what_must_be_of_one_state_is_not_read_over_two_connections(index: Index, url: str) -> None:
    with index.store.snapshot():
        assert index.store.count() == 0
        cut(url)
        with pytest.raises(StoreError, match="the connection to the database broke"):
            index.store.count()
    assert index.store.count() == 0


@pytest.mark.skipif(sys.platform == "win32", reason="the server comes back at another port")
def test_a_server_that_restarts_is_waited_for(index: Index) -> None:
    index.upsert(row("a"))
    server = postgres()
    server.stop()
    thread = threading.Timer(1.0, server.start)
    thread.start()
    assert ids(index) == ["a"]
    thread.join()


@pytest.mark.skipif(sys.platform == "win32", reason="the server has no socket of its own there")
def test_behind_a_pooler_nothing_is_prepared_for_a_session_that_may_be_anothers(url: str) -> None:
    """PgBouncer gives the next transaction to another session, which knows nothing of what this one prepared."""
    prepared = "SELECT count(*) FROM pg_prepared_statements"

    def left(store: Any) -> Any:
        for _ in range(10):
            store.count()
        return store._connection.execute(prepared).fetchone()

    with open_store(url) as store:
        assert left(store) != (0,)
    folder = psycopg.conninfo.conninfo_to_dict(postgres().get_uri())["host"]
    schema = place_and_schema(url)[1]
    with (
        pooler(f"{folder}/.s.PGSQL.5432") as port,
        open_store(
            f"postgresql://postgres@127.0.0.1:{port}/postgres?sslmode=disable&gssencmode=disable&schema={schema}"
        ) as store,
    ):
        assert left(store) == (0,)


def test_a_pooler_of_statements_is_refused(index: Index) -> None:
    place = index.store._place  # type: ignore[attr-defined]
    said = "transaction blocks not allowed in statement pooling mode"
    with (
        pytest.raises(StoreError, match="there are no transactions\n  let it pool by transaction or by session"),
        mapped(place, lambda: None),
    ):
        raise psycopg.errors.ProtocolViolation(said)


def test_a_batch_that_is_interrupted_leaves_nothing(index: Index, monkeypatch: pytest.MonkeyPatch) -> None:
    from idembed.stores import postgres_write

    def interrupted(*_: Any) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(postgres_write, "_found_again", interrupted)
        with pytest.raises(KeyboardInterrupt):
            index.upsert(row("a"), row("b"))
    assert index.store.count() == 0
    index.upsert(row("a"))
    assert ids(index) == ["a"]


def test_two_writing_transactions_wait_for_each_other(index: Index) -> None:
    """Both hold a lease of their own; what one writes is there when the other looks."""
    with index.open_again() as other:
        lease = other.lease("builder", name="generation 1")
        order: list[str] = []

        def fill() -> None:
            other.fill(lease, 1, [])
            order.append("filled")

        with index.store._writing(index.lease):  # type: ignore[attr-defined]
            thread = threading.Thread(target=fill)
            thread.start()
            thread.join(0.3)
            order.append("written")
        thread.join()
    assert order == ["written", "filled"]


def test_a_lease_is_renewed_while_a_batch_of_its_owner_is_written(index: Index, url: str) -> None:
    with open_store(url) as writing, writing._writing(index.lease):  # type: ignore[attr-defined]
        renewed = index.store.renew(index.lease, 90.0, now=index.lease.expires)
    assert renewed.expires == index.lease.expires + 90.0
    with pytest.raises(LeaseHeldError):
        index.store.lease("another", now=renewed.expires - 1.0)


def test_a_lease_that_is_taken_over_at_this_moment_is_not_renewed(index: Index, url: str) -> None:
    expired = index.lease.expires + 1.0
    with open_store(url) as other, ThreadPoolExecutor() as threads:
        with other._writing() as connection:  # type: ignore[attr-defined]
            postgres_lease.take(connection, url, ROWS, "another", 60.0, expired, None)
            renewing = threads.submit(index.store.renew, index.lease)
            assert not wait([renewing], 0.5).done  # it waits for what becomes of the lease
        with pytest.raises(LeaseLostError, match="taken over by another"):
            renewing.result(30)
        assert other.writer() == (index.lease.fence + 1, "another")


def test_durable_although_the_server_is_told_not_to_be(index: Index, url: str) -> None:
    with open_store(url + "&options=-c%20synchronous_commit%3Doff") as store, store._writing() as connection:  # type: ignore[attr-defined]
        assert connection.execute("SHOW synchronous_commit").fetchone() == ("on",)


# Limits -----------------------------------------------------------------------------------------------


def test_metadata_nested_as_deep_as_it_may_be_comes_back(index: Index) -> None:
    metadata: dict[str, Any] = {"k": 1}
    for _ in range(31):
        metadata = {"k": [metadata]}
    index.upsert(row("deep", "t", metadata=metadata), row("wide", "t", metadata={f"k{i}": i for i in range(5000)}))
    assert index.store.get(["deep"])["deep"].metadata == metadata
    assert index.search([1, 0, 0, 0], where={"k4999": 4999}) == [("wide", 1.0)]


@pytest.mark.parametrize("dim", [1, 2_001, 16_000])
def test_vectors_of_every_dimension_come_back(url: str, dim: int) -> None:
    vector = np.random.default_rng(dim).standard_normal(dim).astype(np.float32)
    with open_store(url) as store:
        lease = store.lease("w")
        store.create_generation(lease, space(dim), "m", activate=True)
        store.upsert(lease, [row("a", "t", vector)])
        stored = store.get(["a"], 1)["a"].parts[0].vector
        assert stored is not None
        assert stored.tobytes() == vector.tobytes()
        with pytest.raises(OptionError, match="1 to 16,000 dimensions"):
            store.create_generation(lease, space(16_001), "m")
