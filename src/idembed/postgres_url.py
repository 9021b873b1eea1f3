"""URLs of Postgres databases: what libpq makes of them, and no password in any error. Needs psycopg."""

from __future__ import annotations

from typing import Any

import psycopg
from psycopg.conninfo import conninfo_to_dict

from idembed.errors import OptionError

__all__ = ["libpq_options", "refuse_misplaced"]


def refuse_misplaced(url: str, shown: str) -> None:
    """Raise OptionError for an @, #, / or ? that makes it unclear where the password of ``url`` ends, which is not
    shown; and for a # elsewhere, which is: ``shown`` is the URL without any password."""
    body, _, query = url.partition("?")
    authority, _, path = body.partition("://")[2].partition("/")
    if authority.count("@") > 1 or "@" in path or "#" in body or "@" in query:
        raise OptionError(
            "the URL of the database has an @, #, / or ? in a user, password or host",
            hint="write %40 for @, %23 for #, %2F for / and %3F for ?",
        )
    if "#" in query:
        raise OptionError(f"{shown} has a # in an option", hint="write %23 for #")


def libpq_options(url: str, shown: str, example: str) -> dict[str, Any]:
    """The options that libpq is given for ``url``, which ``refuse_misplaced`` let pass. OptionError where it is none;
    ``shown`` is the URL without any password, ``example`` a right one."""
    try:
        options = conninfo_to_dict(url)
    except psycopg.Error:  # its words may hold a piece of the password
        raise OptionError(f"{shown} is no URL that Postgres understands", hint=example) from None
    return {"connect_timeout": "10", "application_name": "idembed", **options}
