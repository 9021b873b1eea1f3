"""Edits of another program that has the file of an index open."""

from __future__ import annotations

from edits import Edit, as_it_was, other_metadata, without_any, without_part, without_row

_ME = "(SELECT key FROM rows WHERE id = :id)"
_MINE = f"WHERE key = {_ME}"
_METADATA = "'{\"edited\":1}'"
EDITS = (
    Edit("text", f"UPDATE texts SET text = 'edited' {_MINE}", without_row),
    Edit("text replaced", f"INSERT OR REPLACE INTO texts SELECT key, 'edited' FROM texts {_MINE}", without_row),
    Edit("text gone", f"DELETE FROM texts {_MINE}", without_row),
    Edit("metadata", f"UPDATE rows SET metadata = {_METADATA} {_MINE}", other_metadata),
    Edit("row gone", f"DELETE FROM rows {_MINE}", without_row),
    Edit("all rows gone", "DELETE FROM rows WHERE :id IS NOT NULL", without_any),
    Edit("renamed", f"UPDATE rows SET id = 'renamed ' || id {_MINE}", without_row),
    Edit("row added", "INSERT INTO rows (id, scope) SELECT 'added', scope FROM rows WHERE id = :id", as_it_was),
    Edit(
        "row added with hashes",
        "INSERT INTO rows (id, scope, row_hash, text_hash, metadata, metadata_hash) "
        "SELECT 'added', scope, row_hash, text_hash, metadata, metadata_hash FROM rows WHERE id = :id",
        as_it_was,
    ),
    Edit(
        "row replaced",
        "INSERT OR REPLACE INTO rows (key, id, scope, row_hash, text_hash, metadata, metadata_hash) "
        f"SELECT key, id, scope, row_hash, text_hash, {_METADATA}, metadata_hash FROM rows WHERE id = :id",
        without_row,
    ),
    Edit("vectors zeroed", f"UPDATE vectors_N SET vector = zeroblob(length(vector)) {_MINE}", without_row),
    Edit("vectors gone", f"DELETE FROM vectors_N {_MINE}", without_row),
    Edit("last vector gone", f"DELETE FROM vectors_N {_MINE} AND part = :last", without_part),
    Edit("parts gone", f"DELETE FROM parts_N {_MINE}", without_row),
    Edit("last part gone", f"DELETE FROM parts_N {_MINE} AND part = :last", without_part),
    Edit(
        "part with a vector of another",
        f"UPDATE parts_N SET vid = (SELECT max(vid) FROM parts_N WHERE key <> {_ME}) {_MINE} AND part = 0",
        without_part,
    ),
    Edit(
        "part of fewer characters",
        f'UPDATE parts_N SET "end" = "end" - 1 {_MINE} AND part = 0',
        without_part,
    ),
)
