"""Embedding models that their providers ended, or will: since when, and what comes after them.

A provider's dates hold for what it serves itself: Azure ends models of OpenAI and Cohere on days of its own, and a
server of somebody else's may call its model as it likes. Names such as ``openai:text-embedding-3-small`` are those that
``idembed upgrade --to`` takes.
"""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import Final, Literal, NamedTuple
from urllib.parse import urlsplit

from idembed.errors import RetiredModelError
from idembed.shown import shell_word

__all__ = ["RETIREMENTS", "WRITTEN", "Notice", "Retirement", "State", "notice", "refuse_gone", "retirement"]

State = Literal["announced", "due", "gone"]
WRITTEN: Final = dt.date(2026, 11, 25)
"""The day of this table: what had ended by then is known to be gone."""
_AHEAD: Final = dt.timedelta(days=365)


@dataclass(frozen=True, slots=True)
class Retirement:
    """``provider`` ends ``model`` (a name, or a pattern with ``*``; letters of either case) on ``date``, as ``source``
    says; ``successor`` is the name of a model of today. ``or_later``: the date is only promised not to be an earlier
    one."""

    provider: str
    model: str
    date: dt.date
    successor: str
    source: str
    or_later: bool = False

    @property
    def is_gone(self) -> bool:
        """Whether it is known to have ended."""
        return self.date < WRITTEN

    def state(self, today: dt.date) -> State:
        """``gone``: as ``is_gone``. ``announced``: the day is to come. ``due``: it was to come when the table was
        written, and is here or has passed; providers put such days off, so the model is asked all the same."""
        if self.is_gone:
            return "gone"
        return "announced" if today < self.date else "due"

    def concerns(self, today: dt.date) -> bool:
        """Whether who uses the model should be told whenever they do: always, unless it may end later than in a year
        from now and nobody said that it will."""
        return not self.or_later or self.date - today <= _AHEAD


class Notice(NamedTuple):
    """What is to be said of a retirement, and what to do."""

    message: str
    hint: str

    def __str__(self) -> str:
        return f"{self.message}; {self.hint}"


def retirement(provider: str, model: str, endpoint: str | None = None) -> Retirement | None:
    """What is known of the end of a provider's model; None: nothing. ``endpoint``: the base URL that it is asked at, if
    known; at one that is not the provider's own, nothing of this holds."""
    if endpoint and not _is_own(provider, endpoint):
        return None
    name = model.lower().removeprefix("models/")
    rows = (row for row in RETIREMENTS if row.provider == provider)
    return next((row for row in rows if fnmatchcase(name, row.model.lower())), None)


def _is_own(provider: str, endpoint: str) -> bool:
    try:
        host = urlsplit(endpoint).hostname or ""
    except ValueError:
        return False
    domains = _DOMAINS.get(provider)
    return domains is None or any(f".{host}".endswith(f".{domain}") for domain in domains)


def notice(found: Retirement, model: str, today: dt.date, index: str = "", which: str = "") -> Notice:
    """What to say to who uses ``model`` (its full name), or wants to search the ``index`` that was built with it;
    ``which`` names the part of the index that was, where that is not all of it."""
    title, state = _TITLES.get(found.provider, found.provider), found.state(today)
    lead, it = (
        (f"{which or index} was built with {model}, which {title}", "") if index else (f"{model}: {title}", " it")
    )
    to = f"idembed upgrade {shell_word(index) if index else 'INDEX'} --to {shell_word(found.successor)}"
    builds = f"{to} builds the vectors of its successor beside it, from the stored texts"
    if state == "announced":
        when = f"{found.date}, or later" if found.or_later else str(found.date)
        return Notice(f"{lead} will end{it} on {when} ({found.source})", builds)
    if state == "due":
        message = f"{lead} was to end{it} on {found.date} ({found.source})"
        return Notice(f"{message}; it is asked all the same, as such dates are often put off", builds)
    message = f"{lead} ended{it} on {found.date} ({found.source}); {found.successor} succeeds it"
    if not index:
        return Notice(message, f"use {found.successor}; an index that was built with the other is rebuilt: {to}")
    return Notice(
        f"{message}. No question can be embedded any more: it can only be searched by row id, or by a vector",
        f"{to} rebuilds it from the stored texts",
    )


def refuse_gone(found: Retirement | None, model: str, index: str = "", which: str = "") -> None:
    """Raise RetiredModelError if the ``model``, of whose end ``found`` is known, is gone. The rest as ``notice``."""
    if found and found.is_gone:
        said = notice(found, model, WRITTEN, index, which)
        facts = {"model": model, "date": str(found.date), "successor": found.successor}
        raise RetiredModelError(said.message, hint=said.hint, **facts)


_TITLES: Final = {
    "azure": "Azure",
    "cohere": "Cohere",
    "google": "Google",
    "openai": "OpenAI",
    "vertex": "Google Cloud",
    "voyage": "Voyage AI",
}
_DOMAINS: Final = {
    "cohere": ("cohere.com", "cohere.ai"),
    "google": ("googleapis.com",),
    "openai": ("openai.com",),
    "vertex": ("googleapis.com",),
    "voyage": ("voyageai.com", "mongodb.com"),
}
"""Of those who serve at their own only; each customer of Azure has an endpoint of its own."""

_OPENAI = "https://developers.openai.com/api/docs/deprecations"
_AZURE_OPENAI = "https://learn.microsoft.com/azure/ai-services/openai/concepts/legacy-models"
_AZURE_PRICES = "https://prices.azure.com"
_COHERE = "https://docs.cohere.com/docs/deprecations"
_GEMINI = "https://ai.google.dev/gemini-api/docs/deprecations"
_VERTEX = "https://cloud.google.com/vertex-ai/generative-ai/docs/learn/model-versions"
_VERTEX_PALM = "https://cloud.google.com/vertex-ai/generative-ai/docs/deprecations"
_VOYAGE = "https://docs.voyageai.com/docs/choose-a-model"

_FIRST_OF_OPENAI: Final = ("text-similarity-*-001", "text-search-*-001", "code-search-*-001")
_GEMINI_2: Final = "gemini-embedding-2"

RETIREMENTS: Final = (
    *(Retirement("openai", m, dt.date(2024, 1, 4), "openai:text-embedding-3-small", _OPENAI) for m in _FIRST_OF_OPENAI),
    # One copy of the page says 14 June.
    *(
        Retirement("azure", m, dt.date(2024, 7, 5), "azure:text-embedding-3-small", _AZURE_OPENAI)
        for m in _FIRST_OF_OPENAI
    ),
    # Two sources say 24 May, one the 14th.
    Retirement("vertex", "textembedding-gecko@003", dt.date(2025, 5, 24), f"vertex:{_GEMINI_2}", _VERTEX),
    Retirement("vertex", "textembedding-gecko*", dt.date(2025, 4, 9), f"vertex:{_GEMINI_2}", _VERTEX_PALM),
    Retirement("google", "embedding-001", dt.date(2025, 10, 30), f"google:{_GEMINI_2}", _GEMINI),
    Retirement("google", "embedding-gecko-001", dt.date(2025, 10, 30), f"google:{_GEMINI_2}", _GEMINI),
    Retirement("google", "gemini-embedding-exp*", dt.date(2025, 10, 30), f"google:{_GEMINI_2}", _GEMINI),
    Retirement("google", "text-embedding-004", dt.date(2026, 1, 14), f"google:{_GEMINI_2}", _GEMINI),
    Retirement("cohere", "embed-*-v2.0", dt.date(2026, 4, 4), "cohere:embed-v4.0", _COHERE),
    Retirement("azure", "cohere-embed-v5-*", dt.date(2027, 1, 23), "azure:text-embedding-3-large", _AZURE_PRICES),
    Retirement("azure", "cohere-embed-v3-*", dt.date(2027, 2, 15), "azure:text-embedding-3-large", _AZURE_PRICES),
    Retirement("azure", "embed-v-4-0", dt.date(2027, 6, 1), "azure:text-embedding-3-large", _AZURE_PRICES),
    Retirement("vertex", "text-embedding-004", dt.date(2027, 4, 1), f"vertex:{_GEMINI_2}", _VERTEX),
    Retirement("vertex", "text-embedding-005", dt.date(2027, 4, 1), f"vertex:{_GEMINI_2}", _VERTEX),
    Retirement("vertex", "text-multilingual-embedding-002", dt.date(2027, 4, 1), f"vertex:{_GEMINI_2}", _VERTEX),
    Retirement("vertex", "multimodalembedding@001", dt.date(2027, 4, 1), f"vertex:{_GEMINI_2}", _VERTEX),
    Retirement("voyage", "voyage-3-large", dt.date(2027, 12, 1), "voyage:voyage-4-large", _VOYAGE),
    Retirement("voyage", "voyage-3.5", dt.date(2027, 12, 1), "voyage:voyage-4", _VOYAGE),
    Retirement("voyage", "voyage-3.5-lite", dt.date(2027, 12, 1), "voyage:voyage-4-lite", _VOYAGE),
    Retirement("voyage", "voyage-finance-2", dt.date(2027, 12, 1), "voyage:voyage-4", _VOYAGE),
    Retirement("voyage", "voyage-law-2", dt.date(2027, 12, 1), "voyage:voyage-4-large", _VOYAGE),
    Retirement("voyage", "voyage-code-2", dt.date(2027, 12, 1), "voyage:voyage-code-4", _VOYAGE),
    Retirement("voyage", "voyage-code-3", dt.date(2028, 2, 13), "voyage:voyage-code-4", _VOYAGE),
    Retirement("google", "gemini-embedding-001", dt.date(2028, 5, 14), f"google:{_GEMINI_2}", _GEMINI, or_later=True),
    Retirement("vertex", "gemini-embedding-001", dt.date(2028, 5, 20), f"vertex:{_GEMINI_2}", _VERTEX, or_later=True),
)
"""The first row of a provider that a model's name is like counts."""
