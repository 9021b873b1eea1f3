"""Where an index in LanceDB is, by its URL."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from idembed.canonical import check_text
from idembed.errors import OptionError
from idembed.shown import without_password

__all__ = ["Place", "place_of"]

_HINT: Final = "lance:///folder/pets (absolute), lance:folder/pets (relative), lance+s3://bucket/path/pets"
_CLOUD: Final = re.compile(r"lance\+(s3|gs|az)://", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Place:
    """``shown``: the URL as it was given; ``uri``: what LanceDB calls it; ``folder``: where its files are, None in an
    object store."""

    shown: str
    uri: str
    folder: Path | None


def place_of(url: str) -> Place:
    """What the URL means: ``lance:///folder/pets`` is absolute, ``lance:folder/pets`` and ``lance://folder/pets`` are
    relative to the current folder, and ``lance+s3://bucket/path/pets``, ``lance+gs://…`` and ``lance+az://…`` are in an
    object store, whose credentials, region and endpoint LanceDB takes from the usual environment variables
    (``AWS_ACCESS_KEY_ID``, ``GOOGLE_APPLICATION_CREDENTIALS``, ``AZURE_STORAGE_ACCOUNT_NAME`` …).

    Raises OptionError for another URL, and for one with a user or settings in it, without showing a password.
    """
    shown = without_password(url)
    if check_text(url):
        raise OptionError("the URL of the index has a character that no path has", hint=_HINT)
    if cloud := _CLOUD.match(url):
        path = url[cloud.end() :].strip("/")
        if "@" in path or "?" in path or "#" in path:
            raise OptionError(
                f"{shown}: a place in an object store has no user, password or settings in its URL",
                hint="set them as environment variables, such as AWS_ACCESS_KEY_ID",
            )
        if "/" not in path:
            raise OptionError(f"{shown} names no place in a bucket", hint=_HINT)
        return Place(shown, f"{cloud.group(1).lower()}://{path}", None)
    scheme, _, rest = url.partition(":")
    path = rest.removeprefix("//")
    if scheme.lower() != "lance" or not path.strip("/ "):
        raise OptionError(f"{shown} names no index of LanceDB", hint=_HINT)
    folder = Path(path).absolute()
    return Place(shown, str(folder), folder)
