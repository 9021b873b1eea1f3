"""Every error idembed raises on purpose: what happened, the facts, and what to do next.

``str(error)`` is the fact and, on a second line, the hint; ``exit_code`` is what the command line returns
(documented in docs/cli.md). Texts and keys are never part of a message; ids are. (Questions are, and the beginning
of a text without known words that is not a row's.)
"""

from __future__ import annotations

__all__ = [
    "ApiError",
    "CorpusError",
    "CostLimitError",
    "DamagedError",
    "DiskFullError",
    "FilterError",
    "IdembedError",
    "IncompleteError",
    "IndexNotFoundError",
    "IntegrityError",
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
    "ReadOnlyError",
    "RefusedError",
    "RetiredModelError",
    "RowError",
    "SourceError",
    "SpaceMismatchError",
    "StoreError",
    "TooLongError",
    "UnknownWordError",
    "UnsupportedModelError",
    "VaultError",
]


class IdembedError(Exception):
    """Base of all errors. ``facts`` names the culprit (row, file, line, model) for programs."""

    exit_code = 1

    def __init__(self, message: str, *, hint: str = "", **facts: object) -> None:
        super().__init__(f"{message}\n  {hint}" if hint else message)
        self.message = message
        self.hint = hint
        self.facts = facts


class OptionError(IdembedError, ValueError):
    """An argument or option has a value that cannot be used."""

    exit_code = 2


class RowError(IdembedError, ValueError):
    """A row (id, text or metadata) cannot be taken as it is."""

    exit_code = 3


class TooLongError(RowError):
    """A text has more tokens than the model reads, and ``on_long="error"`` was asked."""


class NoKnownWordError(RowError):
    """A text has no word that the model knows, so it has no vector."""


class SourceError(IdembedError, ValueError):
    """A source is missing, broken or not of a known kind."""

    exit_code = 3


class CorpusError(IdembedError, ValueError):
    """What word vectors should be trained on is missing, empty, or not sentences of words."""

    exit_code = 3


class FilterError(IdembedError, ValueError):
    """A ``where`` filter does not make sense."""

    exit_code = 2


class ModelError(IdembedError):
    """A model's files or settings cannot be used."""

    exit_code = 4


class ModelNotFoundError(ModelError):
    """A model is nowhere to be had; the message says what was tried."""


class RetiredModelError(ModelError):
    """The provider ended the model (facts ``model``, ``date``, ``successor``): it embeds nothing any more."""


class IntegrityError(ModelError):
    """A file's bytes are not the ones that were promised."""


class UnsupportedModelError(ModelError):
    """A checkpoint's architecture, module or setting is not (yet) computed here."""


class NativeLibraryError(ModelError):
    """The compiled library is missing, of another version, or was asked for what this CPU lacks."""


class ApiError(ModelError):
    """A provider of embeddings cannot be reached, refuses, or answers something else than was asked for (facts
    ``provider``, ``model``, and ``status`` where it answered)."""


class ModelChangedError(ApiError):
    """A provider's model gives other vectors than it gave before, by more than its noise: another model answers behind
    the same name."""


class UnknownWordError(ModelError, KeyError):
    """There is no vector for a word; also a KeyError, as from a dictionary."""

    __str__ = Exception.__str__  # KeyError would show the message in quotes


class StoreError(IdembedError):
    """The database refused or failed."""

    exit_code = 5


class IndexNotFoundError(StoreError):
    """There is no index at that place."""


class NotAnIndexError(StoreError):
    """The file or database exists and is not ours."""


class NewerSchemaError(StoreError):
    """The index was written by a newer idembed."""


class ReadOnlyError(StoreError):
    """The index cannot be written here."""


class DiskFullError(StoreError):
    """The disk is full; what was committed before is safe."""


class DamagedError(StoreError):
    """The database or a segment is damaged."""


class SpaceMismatchError(StoreError):
    """The index was built in another vector space than the model's."""


class IncompleteError(StoreError):
    """Rows have no vectors in a generation that should be searched (facts ``lacking``, ``generation``)."""

    exit_code = 6


class LeaseHeldError(StoreError):
    """Another writer holds the index."""

    exit_code = 7


class LeaseLostError(StoreError):
    """Another writer took over; what this one had committed is safe, the rest was not written."""

    exit_code = 7


class LockError(IdembedError, ValueError):
    """A lock file is missing, broken, or of a newer format."""

    exit_code = 3


class VaultError(IdembedError):
    """The vault (vectors kept by address) cannot be used."""

    exit_code = 5


class CostLimitError(IdembedError):
    """Going on would cost more than was allowed; what was paid for is kept."""

    exit_code = 6


class RefusedError(IdembedError):
    """Something that could do harm, and must be confirmed or forced, was not."""

    exit_code = 6


class MassDeletionError(IdembedError):
    """A sync would delete so much that it must be allowed explicitly."""

    exit_code = 6
