"""Opening an index in a Postgres schema without harming what is not ours; made where there is none, if wanted."""

from __future__ import annotations

from typing import Final

from psycopg import errors as pg
from psycopg import sql

from idembed.errors import IndexNotFoundError, NotAnIndexError, StoreError
from idembed.stores import postgres_audit, postgres_schema
from idembed.stores.postgres_link import Place
from idembed.stores.postgres_schema import Db

__all__ = ["LOCK", "prepare"]

LOCK: Final = "SELECT pg_advisory_xact_lock(1768189282, hashtext({schema}))"
"""Keeps all other writers of a schema out until the transaction ends; 1768189282 is "idmb"."""
_OLDEST: Final = (0, 5, 0)
"""Of pgvector: what came before has no binary form that is promised, and no HNSW."""


def prepare(connection: Db, place: Place, *, create: bool) -> sql.Composed:
    """Make sure that there is an index of the newest format in the schema; the statement that lets a transaction find
    its tables and pgvector's type and operators by their names alone."""
    connection.execute("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY")
    try:
        _check_encoding(connection, place)
        path = _path(connection, place)
        if path is not None:
            connection.execute(path)
            if postgres_schema.version_of(connection, place.schema) == postgres_schema.VERSION:
                postgres_audit.check_tables(connection, place.schema, place.shown)
                return path
    finally:
        connection.execute("ROLLBACK")
    return _make(connection, place, create)


def _make(connection: Db, place: Place, create: bool) -> sql.Composed:
    """One transaction, which whoever else opens the same schema waits for."""
    connection.execute("BEGIN")
    try:
        for schema in ("", place.schema):  # first of all schemas, for there is one extension for all
            connection.execute(sql.SQL(LOCK).format(schema=sql.Literal(schema)))
        connection.execute(sql.SQL(postgres_schema.OURS))
        path = _path(connection, place)
        found = None
        if path is not None:
            connection.execute(path)
            found = postgres_schema.version_of(connection, place.schema)
        if found is None:
            _refuse(connection, place, create)
            path = path or _with_extension(connection, place)
            connection.execute(sql.SQL("CREATE SCHEMA IF NOT EXISTS {}").format(sql.Identifier(place.schema)))
            connection.execute(path)
            postgres_schema.create(connection, place.schema)
        else:
            postgres_schema.migrate(connection, place.schema, found, place.shown)
        assert path is not None
        postgres_audit.check_tables(connection, place.schema, place.shown)
        connection.execute("COMMIT")
        return path
    except BaseException:
        if not connection.closed:
            connection.execute("ROLLBACK")
        raise


def _check_encoding(connection: Db, place: Place) -> None:
    found = connection.execute("SELECT current_setting('server_encoding')").fetchone()
    if found != ("UTF8",):
        raise StoreError(
            f"{place.shown}: the database keeps texts as {found[0] if found else '?'}, not UTF8",
            hint="make another: CREATE DATABASE name ENCODING 'UTF8' TEMPLATE template0",
            url=place.shown,
        )


def _path(connection: Db, place: Place) -> sql.Composed | None:
    """None where pgvector is not installed in this database. Raises StoreError where it is too old."""
    found = connection.execute(
        "SELECT n.nspname, e.extversion FROM pg_extension AS e JOIN pg_namespace AS n ON n.oid = e.extnamespace "
        "WHERE e.extname = 'vector'"
    ).fetchone()
    if found is None:
        return None
    schema, version = found
    if tuple(int(number) for number in version.split(".") if number.isdigit()) < _OLDEST:
        raise StoreError(
            f"{place.shown}: pgvector is {version}, and 0.5.0 or newer is needed",
            hint="ALTER EXTENSION vector UPDATE",
            url=place.shown,
        )
    return sql.SQL("SET LOCAL search_path = {}, {}").format(sql.Identifier(place.schema), sql.Identifier(schema))


def _refuse(connection: Db, place: Place, create: bool) -> None:
    """Raise where no index may be made: there are other things, or it is not wanted."""
    found = connection.execute(
        "SELECT EXISTS (SELECT 1 FROM pg_class AS c JOIN pg_namespace AS n ON n.oid = c.relnamespace "
        "WHERE n.nspname = %s)",
        (place.schema,),
    ).fetchone()
    if found == (True,):
        raise NotAnIndexError(
            f"{place.shown}: the schema {place.schema!r} holds something else; it was left as it is",
            hint="name another schema: ?schema=NAME",
            url=place.shown,
        )
    if not create:
        raise IndexNotFoundError(
            f"there is no index {place.shown}", hint="look at the URL and its ?schema=, or sync into it first"
        )


def _with_extension(connection: Db, place: Place) -> sql.Composed:
    try:
        connection.execute("CREATE EXTENSION vector")
    except (pg.InsufficientPrivilege, pg.FeatureNotSupported, pg.UndefinedFile) as error:
        raise StoreError(
            f"{place.shown}: the database has no pgvector, and it could not be installed: {error.diag.message_primary}",
            hint="ask who runs the server for: CREATE EXTENSION vector",
            url=place.shown,
        ) from None
    path = _path(connection, place)
    assert path is not None
    return path
