"""What an index in collections records besides its generations: its format, its own settings, its scopes."""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Mapping
from typing import Any, Final

from idembed.canonical import canonical_json
from idembed.errors import DamagedError, IndexNotFoundError, NewerSchemaError, NotAnIndexError, StoreError
from idembed.stores.collection.claims import alone
from idembed.stores.collection.engine import Engine
from idembed.stores.records import RESTORE

__all__ = ["VERSION", "check_format", "read", "remember_scopes", "scopes", "swap"]

VERSION: Final = 2
_OLDEST: Final = 2
"""Those before were never released."""
_FORMAT: Final = "format"
_SETTINGS: Final = "settings"
_SCOPE: Final = "scope/"
_MOST_BYTES: Final = 65_535
"""Of a document, as JSON in UTF-8 (``Engine.put_document``)."""


def check_format(engine: Engine, *, create: bool) -> None:
    """Raise IndexNotFoundError where none is there and none is made, NewerSchemaError for one of a newer idembed,
    and StoreError for one of an older that cannot be read any more."""
    found = engine.documents(_FORMAT).get(_FORMAT)
    if found is None:
        if engine.collections():
            raise NotAnIndexError(
                f"{engine.url}: there are collections of such an index, and nothing that says what they are",
                hint="give the index another name; or if it is yours, restore its documents (…idembed) beside them",
                url=engine.url,
            )
        if not create:
            hint = "make one: idembed sync SOURCE INDEX"
            raise IndexNotFoundError(f"there is no index at {engine.url}", hint=hint, url=engine.url)
        engine.put_document(_FORMAT, {"version": VERSION})
        return
    version = found.get("version")
    if not isinstance(version, int):
        raise DamagedError(f"{engine.url}: the format of the index cannot be read", hint=RESTORE, url=engine.url)
    if version > VERSION:
        raise NewerSchemaError(
            f"{engine.url} was written by a newer idembed (format {version}; this one knows {VERSION})",
            hint="pip install --upgrade idembed",
            url=engine.url,
        )
    if version < _OLDEST:
        raise StoreError(
            f"{engine.url} was written by an idembed before its first release (format {version}; this one reads "
            f"{_OLDEST})",
            hint="remove it, and sync its sources again",
            url=engine.url,
        )


def read(engine: Engine) -> tuple[int, dict[str, Any]]:
    """The settings and their version, (0, {}) when new."""
    found = engine.documents(_SETTINGS).get(_SETTINGS)
    return (0, {}) if found is None else (int(found["version"]), found["settings"])


def swap(engine: Engine, version: int, settings: Mapping[str, Any]) -> bool:
    """Replace the settings if their version is still ``version``. Raises StoreError for more than a document holds."""
    body: dict[str, Any] = {"version": version + 1, "settings": dict(settings)}
    size = len(canonical_json(body).encode())
    if size > _MOST_BYTES:
        raise StoreError(
            f"{engine.url}: the settings of the index would take {size:,} bytes, of {_MOST_BYTES:,} at most",
            hint="what was judged of each generation is in them: drop generations that are not needed (idembed drop)",
            url=engine.url,
        )
    with alone(engine) as still:
        if read(engine)[0] != version:
            return False
        still()
        engine.put_document(_SETTINGS, body)
        return True


def remember_scopes(engine: Engine, names: Collection[str]) -> None:
    """Record that rows have these scopes, before any is written."""
    for name in set(names) - scopes(engine):
        digest = hashlib.sha256(name.encode()).hexdigest()[:32]
        engine.put_document(f"{_SCOPE}{digest}", {"name": name})


def scopes(engine: Engine) -> set[str]:
    """The scopes that rows have, or had."""
    return {body["name"] for body in engine.documents(_SCOPE).values()}
