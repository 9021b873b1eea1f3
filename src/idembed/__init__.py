"""Same text, same vector: embeddings that do not move, and a search index built on them.

``idembed.load("all-MiniLM-L6-v2").encode(["a text"])`` and ``idembed.Index("notes.db").sync("notes.jsonl")``
are all that most programs need. Names are imported when they are first used: ``import idembed`` costs a few
milliseconds and opens no connection.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from idembed.errors import (
        ApiError,
        CorpusError,
        CostLimitError,
        DamagedError,
        DiskFullError,
        FilterError,
        IdembedError,
        IncompleteError,
        IndexNotFoundError,
        IntegrityError,
        LeaseHeldError,
        LeaseLostError,
        LockError,
        MassDeletionError,
        ModelChangedError,
        ModelError,
        ModelNotFoundError,
        NativeLibraryError,
        NewerSchemaError,
        NoKnownWordError,
        NotAnIndexError,
        OptionError,
        ReadOnlyError,
        RefusedError,
        RetiredModelError,
        RowError,
        SourceError,
        SpaceMismatchError,
        StoreError,
        TooLongError,
        UnknownWordError,
        UnsupportedModelError,
        VaultError,
    )
    from idembed.index import Index, Plan, Report
    from idembed.models import load
    from idembed.models.base import Receipt, RetirementWarning, TruncationWarning
    from idembed.models.similarity import cos_sim
    from idembed.models.words.keyedvectors import KeyedVectors
    from idembed.models.words.word2vec import Word2Vec
    from idembed.rows import Hit, Row
    from idembed.space import Space
    from idembed.vault import Vault

    __version__: str

__all__ = [
    "ApiError",
    "CorpusError",
    "CostLimitError",
    "DamagedError",
    "DiskFullError",
    "FilterError",
    "Hit",
    "IdembedError",
    "IncompleteError",
    "Index",
    "IndexNotFoundError",
    "IntegrityError",
    "KeyedVectors",
    "LeaseHeldError",
    "LeaseLostError",
    "LockError",
    "MassDeletionError",
    "ModelChangedError",
    "ModelError",
    "ModelNotFoundError",
    "NativeLibraryError",
    "NewerSchemaError",
    "NoKnownWordError",
    "NotAnIndexError",
    "OptionError",
    "Plan",
    "ReadOnlyError",
    "Receipt",
    "RefusedError",
    "Report",
    "RetiredModelError",
    "RetirementWarning",
    "Row",
    "RowError",
    "SourceError",
    "Space",
    "SpaceMismatchError",
    "StoreError",
    "TooLongError",
    "TruncationWarning",
    "UnknownWordError",
    "UnsupportedModelError",
    "Vault",
    "VaultError",
    "Word2Vec",
    "__version__",
    "cos_sim",
    "load",
]

_WHERE = {
    "Hit": "idembed.rows",
    "Index": "idembed.index",
    "KeyedVectors": "idembed.models.words.keyedvectors",
    "Plan": "idembed.index",
    "Receipt": "idembed.models.base",
    "Report": "idembed.index",
    "RetirementWarning": "idembed.models.base",
    "Row": "idembed.rows",
    "Space": "idembed.space",
    "TruncationWarning": "idembed.models.base",
    "Vault": "idembed.vault",
    "Word2Vec": "idembed.models.words.word2vec",
    "cos_sim": "idembed.models.similarity",
    "load": "idembed.models",
}


def __getattr__(name: str) -> Any:
    if name == "__version__":
        from importlib.metadata import version

        value: Any = version("idembed")
    elif name in __all__:
        value = getattr(importlib.import_module(_WHERE.get(name, "idembed.errors")), name)
    else:
        raise AttributeError(f"module 'idembed' has no attribute {name!r}")
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
