"""What comes from data (ids, texts, names) made safe to be shown, on a terminal or in a page.

It is shown as it is but for what acts on a terminal, cannot be seen, or turns the line around it.
"""

from __future__ import annotations

import json
import re
import shlex

__all__ = [
    "clean",
    "dollars_of",
    "escape_unsafe",
    "number_of",
    "shell_word",
    "short_revisions",
    "shorten",
    "without_password",
]

_CONTROL = (
    r"\x00-\x1f\x7f-\x9f"  # C0, DEL, C1
    r"\u00ad\u034f\u061c\u115f\u1160\u17b4\u17b5\u180e"  # invisible letters and marks
    r"\u200b\u200e\u200f\u2028-\u202e\u2060-\u206f"  # zero width, separators, bidi
    r"\ufeff\ufff9-\ufffb\U0001d173-\U0001d17a\U000e0000-\U000e0fff"
)
_ESCAPE = re.compile(
    r"(?:\x1b\[|\x9b)[0-?]*[ -/]*[@-~]"  # CSI: colours, cursor movement
    r"|(?:\x1b[\]PX^_]|[\x9d\x90\x98\x9e\x9f]).*?(?:\x07|\x1b\\|\x9c|$)"  # OSC (titles, links), DCS, …
    r"|\x1b[ -/]*[0-~]",  # the short ones
    re.DOTALL,
)
_REVISION = re.compile(r"@([0-9a-f]{12})[0-9a-f]{28}(?![0-9a-f])")
_PASSWORD = re.compile(r"(//[^/?#@:]*):[^/?#]*@")
_BROKEN_PASSWORD = re.compile(r"(//[^/?#@:]*):(?:[^?]*@|[^/]*\?.*@)")
"""With an @, /, # or ? in it, which should be written otherwise: all to the last @ before the options; or to the last
of all, where these begin so early that the ? may be part of it. An @ in a query is behind the name of a database."""
_SECRET = re.compile(r"([?&](?:[a-z_-]*(?:password|token|secret|key))=)[^&#]*(?:#.*)?", re.IGNORECASE)
_PLAIN = re.compile(r"[\w@%+=:,./~\\-]+")
_SPACE = re.compile(r"[\s\u2028\u2029]+")
_UNSEEN = re.compile(f"[{_CONTROL}]")
_SURROGATE = re.compile(r"[\ud800-\udfff]")
_UNSAFE_IN_JSON = re.compile(f"[\\ud800-\\udfff{_CONTROL}]")


def clean(text: str) -> str:
    """``text`` as one line that is safe to print on a terminal.

    Escape sequences, control and invisible characters and bidi overrides are removed, white space becomes
    one space, and a lone surrogate becomes U+FFFD. Joiners stay: many scripts and emoji need them.
    """
    visible = _UNSEEN.sub("", _SPACE.sub(" ", _ESCAPE.sub("", text)))
    return _SURROGATE.sub("\ufffd", _SPACE.sub(" ", visible).strip())


def escape_unsafe(document: str) -> str:
    """The same JSON with characters that could act on a terminal, and lone surrogates, written as \\uXXXX."""
    return _UNSAFE_IN_JSON.sub(lambda match: json.dumps(match.group())[1:-1], document)


def number_of(count: int, thing: str) -> str:
    """``1 vector``, ``1,200 vectors``."""
    return f"{count:,} {thing}" if count == 1 else f"{count:,} {thing}s"


def dollars_of(value: float) -> str:
    """``$12.50``; of less than ten cents, to the hundredth of one: ``$0.0042``."""
    if 0 < value < 0.0001:
        return "less than $0.0001"
    return f"${value:,.4f}" if 0 < value < 0.1 else f"${value:,.2f}"


def shell_word(text: str) -> str:
    """``text`` as it is typed in a command: in quotes where it has characters that mean something there."""
    return text if _PLAIN.fullmatch(text) else shlex.quote(text)


def short_revisions(text: str) -> str:
    """``org/name@`` and twelve digits of the commit instead of forty: a cached model loads by either name."""
    return _REVISION.sub(r"@\1", text)


def shorten(text: str, limit: int) -> str:
    """``text``, cleaned, and when it has more than ``limit`` characters its beginning and "…"."""
    shown = clean(text)
    return shown if len(shown) <= limit else shown[: limit - 1].rstrip() + "…"


def without_password(url: str) -> str:
    """``url`` as it may be shown: passwords, tokens and keys replaced by ``***``, and what follows a # in one, for it
    may belong to it."""
    shown = _SECRET.sub(r"\1***", url)
    if shown.lower().startswith("milvus://"):
        return _without_token(shown)
    if shown.lower().startswith(("postgres://", "postgresql://")):
        shown = _BROKEN_PASSWORD.sub(r"\1:***@", shown)
    return _PASSWORD.sub(r"\1:***@", shown)


def _without_token(url: str) -> str:
    """Of Milvus, a user is a token where no password follows; and no URL has an @ but the one behind the user, so that
    it ends a password with a / in it, too."""
    before, at, place = url.rpartition("@")
    scheme, _, login = before.partition("://")
    user, _, password = login.partition(":")
    if not at:
        return url
    return f"{scheme}://{user}:***@{place}" if password and not set("/?#@") & set(user) else f"{scheme}://***@{place}"
