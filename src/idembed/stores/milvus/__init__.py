"""Milvus: collections of records behind collection/engine.py, for a cluster as for ``milvus-lite server``."""

from __future__ import annotations

import os

_SWITCH = "PYTHON_DOTENV_DISABLED"


def _import_pymilvus() -> None:
    """Importing it reads a file .env of whatever folder above, and makes all that is in there (keys of other services
    as well) part of this process's environment: not behind the back of who only opens an index."""
    before = os.environ.get(_SWITCH)
    os.environ[_SWITCH] = "1"
    try:
        import pymilvus  # noqa: F401
    finally:
        if before is None:
            del os.environ[_SWITCH]
        else:
            os.environ[_SWITCH] = before


_import_pymilvus()
