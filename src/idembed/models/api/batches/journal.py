"""The jobs on record: what was submitted, or is about to be, so that nothing is paid for twice after a crash.

``batches/<space>/<tag>.json`` in the data folder, one small file a job. It is written before the job is submitted and
removed once its results are kept. It has the addresses of the texts, and no text.
"""

from __future__ import annotations

import datetime as dt
import hashlib
import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from idembed.durable import durable, sync_folder
from idembed.errors import ModelError
from idembed.folders import data_folder
from idembed.space import ADDRESS_BYTES

__all__ = ["JobRecord", "Records", "new_record"]

_VERSION = 1
_FIELDS = {"tag": str, "job": str, "model": str, "vault": str, "tokens": int, "dollars": float, "attempt": int}


@dataclass(frozen=True, slots=True)
class JobRecord:
    """A job known by its ``tag``; ``job`` is the provider's id of it, empty until that is known. It is about the texts
    at ``places``, addresses in ascending order, one after another, which have about ``tokens`` in all; ``dollars`` are
    set aside for it. Its vectors go to the ``vault`` (a path). ``submitted``: when, in UTC (ISO 8601); ``attempt``: 2
    where it is asked for the second time."""

    tag: str
    job: str
    model: str
    vault: str
    places: bytes
    tokens: int
    dollars: float
    attempt: int
    submitted: str

    @property
    def texts(self) -> int:
        """How many."""
        return len(self.places) // ADDRESS_BYTES

    def addresses(self) -> list[bytes]:
        """Those of the texts."""
        return [self.places[at : at + ADDRESS_BYTES] for at in range(0, len(self.places), ADDRESS_BYTES)]


def new_record(
    space_id: str, model: str, vault: Path, addresses: Sequence[bytes], tokens: int, dollars: float, attempt: int
) -> JobRecord:
    """Of a job that is about to be submitted. The tag is made of the space, the vault and the addresses."""
    places, kept_in = b"".join(sorted(addresses)), str(vault.absolute())
    tag = hashlib.sha256(f"{space_id}\0{kept_in}\0".encode() + places).hexdigest()[:40]
    now = dt.datetime.now(dt.UTC).replace(microsecond=0).isoformat()
    return JobRecord(tag, "", model, kept_in, places, tokens, dollars, attempt, now)


class Records:
    """The jobs of one space that are on record on this machine."""

    def __init__(self, space_id: str) -> None:
        self.folder = data_folder() / "batches" / space_id

    def count(self, vault: Path) -> int:
        """How many there are whose vectors go to this vault."""
        return len(self.read(vault)) if self.folder.is_dir() else 0

    def make(self) -> None:
        """The folder. Raises OSError."""
        self.folder.mkdir(mode=0o700, parents=True, exist_ok=True)

    def read(self, vault: Path) -> list[JobRecord]:
        """Those whose vectors go to this vault, oldest first. Raises ModelError for a damaged record."""
        found = [_parsed(path) for path in sorted(self.folder.glob("*.json"))]
        here = [record for record in found if record.vault == str(vault.absolute())]
        return sorted(here, key=lambda record: (record.submitted, record.tag))

    def write(self, record: JobRecord) -> None:
        """Durably. Raises OptionError or DiskFullError where it cannot be written."""
        value = {**asdict(record), "places": record.places.hex(), "version": _VERSION}
        with durable(self._path(record), "w") as file:
            json.dump(value, file, indent=1)

    def remove(self, record: JobRecord) -> None:
        """It is settled."""
        self._path(record).unlink(missing_ok=True)
        sync_folder(self.folder)

    def _path(self, record: JobRecord) -> Path:
        return self.folder / f"{record.tag}.json"


def _parsed(path: Path) -> JobRecord:
    try:
        value = json.loads(path.read_text("utf-8"))
        if value.pop("version") != _VERSION:
            raise ValueError("of another version")
        record = JobRecord(**{**value, "places": bytes.fromhex(value["places"])})
        whole = all(isinstance(getattr(record, name), kind) for name, kind in _FIELDS.items())
        if not whole or len(record.places) % ADDRESS_BYTES:
            raise ValueError("not whole")
    except (OSError, ValueError, TypeError, KeyError, AttributeError) as error:
        raise ModelError(
            f"the record of a batch job cannot be read: {path}",
            hint="bring it back from a backup; or remove it: then its texts are asked, and paid, for again",
            file=str(path),
        ) from error
    return record
