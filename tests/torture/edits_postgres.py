"""Edits of another program that may write the tables of an index in Postgres."""

from __future__ import annotations

from edits import Edit, as_it_was, other_metadata, without_any, without_part, without_row

_ME = "(SELECT key FROM rows WHERE id = %(id)s)"
_MINE = f"WHERE key = {_ME}"
_METADATA = "'{\"edited\":1}'"
EDITS = (
    Edit("text", f"UPDATE texts SET text = 'edited' {_MINE}", without_row),
    Edit(
        "text replaced",
        f"INSERT INTO texts SELECT key, 'edited' FROM texts {_MINE} "
        "ON CONFLICT (key) DO UPDATE SET text = excluded.text",
        without_row,
    ),
    Edit("text gone", f"DELETE FROM texts {_MINE}", without_row),
    Edit("all texts gone", "TRUNCATE texts", without_any),
    Edit("metadata", f"UPDATE rows SET metadata = {_METADATA} {_MINE}", other_metadata),
    Edit("row gone", f"DELETE FROM rows {_MINE}", without_row),
    Edit("all rows gone", "DELETE FROM rows", without_any),
    Edit("all rows gone at once", "TRUNCATE rows", without_any),
    Edit("renamed", f"UPDATE rows SET id = 'renamed ' || id {_MINE}", without_row),
    Edit("row added", "INSERT INTO rows (id, scope) SELECT 'added', scope FROM rows WHERE id = %(id)s", as_it_was),
    Edit(
        "row added with hashes",
        "INSERT INTO rows (id, scope, row_hash, text_hash, metadata, metadata_hash) "
        "SELECT 'added', scope, row_hash, text_hash, metadata, metadata_hash FROM rows WHERE id = %(id)s",
        as_it_was,
    ),
    Edit(
        "row replaced",
        "CREATE TEMPORARY TABLE kept AS SELECT * FROM rows WHERE id = %(id)s; DELETE FROM rows WHERE id = %(id)s; "
        "INSERT INTO rows (key, id, scope, row_hash, text_hash, metadata, metadata_hash) "
        f"SELECT key, id, scope, row_hash, text_hash, {_METADATA}, metadata_hash FROM kept",
        without_row,
    ),
    Edit(
        "vectors zeroed",
        f"UPDATE vectors_N SET vector = array_fill(0, ARRAY[vector_dims(vector)])::vector {_MINE}",
        without_row,
    ),
    Edit("vectors gone", f"DELETE FROM vectors_N {_MINE}", without_row),
    Edit("all vectors gone", "TRUNCATE vectors_N", without_any),
    Edit("last vector gone", f"DELETE FROM vectors_N {_MINE} AND part = %(last)s", without_part),
    Edit(
        "part with a vector of another",
        f"UPDATE vectors_N SET vector = (SELECT vector FROM vectors_N WHERE key <> {_ME} LIMIT 1) {_MINE} AND part = 0",
        without_part,
    ),
    Edit("part of fewer characters", f'UPDATE vectors_N SET "end" = "end" - 1 {_MINE} AND part = 0', without_part),
    Edit("vectors written as they are", f"UPDATE vectors_N SET vector = vector {_MINE}", without_row),
)
