"""When providers end their embedding models, and what is said of it."""

from __future__ import annotations

from datetime import date

import pytest

from idembed.errors import RetiredModelError
from idembed.models.api.registry import ADAPTERS
from idembed.models.api.retired import RETIREMENTS, WRITTEN, Retirement, notice, refuse_gone, retirement

TODAY = date(2026, 12, 24)


@pytest.mark.parametrize(
    ("provider", "model", "when", "successor"),
    [
        ("openai", "text-search-davinci-doc-001", date(2024, 1, 4), "openai:text-embedding-3-small"),
        ("azure", "text-similarity-ada-001", date(2024, 7, 5), "azure:text-embedding-3-small"),
        ("vertex", "textembedding-gecko@001", date(2025, 4, 9), "vertex:gemini-embedding-2"),
        ("vertex", "textembedding-gecko@003", date(2025, 5, 24), "vertex:gemini-embedding-2"),
        ("google", "models/embedding-001", date(2025, 10, 30), "google:gemini-embedding-2"),
        ("google", "gemini-embedding-exp-03-07", date(2025, 10, 30), "google:gemini-embedding-2"),
        ("google", "text-embedding-004", date(2026, 1, 14), "google:gemini-embedding-2"),
        ("cohere", "embed-english-light-v2.0", date(2026, 4, 4), "cohere:embed-v4.0"),
    ],
)
def test_models_that_are_gone(provider: str, model: str, when: date, successor: str) -> None:
    found = retirement(provider, model)
    assert found is not None
    assert (found.date, found.state(TODAY), found.successor) == (when, "gone", successor)


@pytest.mark.parametrize(
    ("provider", "model", "when"),
    [
        ("vertex", "text-embedding-004", date(2027, 4, 1)),  # the Gemini API ended its own sooner
        ("vertex", "text-embedding-005", date(2027, 4, 1)),
        ("azure", "Cohere-embed-v3-english", date(2027, 2, 15)),  # Cohere itself goes on with it
        ("voyage", "voyage-3.5-lite", date(2027, 12, 1)),
        ("google", "gemini-embedding-001", date(2028, 5, 14)),
    ],
)
def test_models_whose_end_is_to_come(provider: str, model: str, when: date) -> None:
    found = retirement(provider, model)
    assert found is not None
    assert (found.date, found.state(TODAY)) == (when, "announced")


@pytest.mark.parametrize(
    ("provider", "model"),
    [
        ("openai", "text-embedding-3-small"),
        ("openai", "text-embedding-ada-002"),
        ("openai", "embed-english-v2.0"),
        ("cohere", "embed-english-v3.0"),
        ("cohere", "embed-v4.0"),
        ("bedrock", "cohere.embed-english-v3"),
        ("voyage", "voyage-4"),
        ("google", "gemini-embedding-2"),
        ("nobody", "text-embedding-004"),
    ],
)
def test_models_of_which_no_end_is_known(provider: str, model: str) -> None:
    assert retirement(provider, model) is None


def test_a_server_of_somebody_else_may_call_its_model_as_it_likes() -> None:
    gone = ("openai", "text-similarity-ada-001")
    assert retirement(*gone, "https://api.openai.com/v1") is not None
    assert retirement(*gone, "https://eu.api.openai.com/v1") is not None
    assert retirement(*gone, "http://localhost:8080/v1") is None
    assert retirement(*gone, "https://notopenai.com/v1") is None
    assert retirement(*gone, "https://[half/v1") is None
    assert retirement("vertex", "textembedding-gecko", "https://us-central1-aiplatform.googleapis.com") is not None
    assert retirement("azure", "text-similarity-ada-001", "https://mine.openai.azure.com/openai/v1") is not None


def test_a_day_that_passed_since_the_table_was_written_may_have_been_put_off() -> None:
    later = Retirement("openai", "m", date(2027, 4, 1), "openai:n", "https://source")
    assert later.state(date(2027, 3, 31)) == "announced"
    assert later.state(date(2027, 4, 1)) == "due"
    assert later.state(date(2031, 1, 1)) == "due"


def test_what_is_gone_is_gone_by_a_clock_that_is_wrong_too() -> None:
    before = Retirement("openai", "m", date(2026, 11, 24), "openai:n", "https://source")
    assert date(2026, 11, 25) == WRITTEN
    assert before.state(date(1970, 1, 1)) == "gone"


def test_a_date_that_is_only_not_earlier_concerns_nobody_until_a_year_before() -> None:
    promised = Retirement("google", "m", date(2028, 5, 14), "google:n", "https://source", or_later=True)
    announced = Retirement("google", "m", date(2028, 5, 14), "google:n", "https://source")
    assert not promised.concerns(date(2026, 11, 25))
    assert promised.concerns(date(2027, 5, 15))
    assert promised.concerns(date(2029, 1, 1))
    assert announced.concerns(date(2026, 11, 25))


def test_a_successor_is_a_model_of_a_provider_that_outlives_what_it_succeeds() -> None:
    for row in RETIREMENTS:
        provider, _, model = row.successor.partition(":")
        assert provider == row.provider
        assert retirement(provider, model) is None, row
        assert provider == "azure" or model in ADAPTERS[provider].offers  # Azure's are named by who deploys them


def test_every_row_holds_for_its_own_name_where_its_provider_serves() -> None:
    for row in RETIREMENTS:
        name = row.model.replace("*", "x")
        assert retirement(row.provider, name) == row
        assert retirement(row.provider, name, ADAPTERS[row.provider].endpoint) == row


GONE = Retirement("vertex", "gecko", date(2025, 5, 24), "vertex:gemini-embedding-2", "https://source")
ENDS = Retirement("openai", "small", date(2027, 4, 1), "openai:large", "https://source")


def test_what_is_said_of_a_model_that_is_gone() -> None:
    assert notice(GONE, "vertex:gecko", TODAY, "pets.db") == (
        "pets.db was built with vertex:gecko, which Google Cloud ended on 2025-05-24 (https://source); "
        "vertex:gemini-embedding-2 succeeds it. No question can be embedded any more: it can only be searched by "
        "row id, or by a vector",
        "idembed upgrade pets.db --to vertex:gemini-embedding-2 rebuilds it from the stored texts",
    )


def test_what_is_said_of_a_model_that_will_end() -> None:
    assert str(notice(ENDS, "openai:small", TODAY, "pets.db")) == (
        "pets.db was built with openai:small, which OpenAI will end on 2027-04-01 (https://source); "
        "idembed upgrade pets.db --to openai:large builds the vectors of its successor beside it, from the stored texts"
    )


def test_what_is_said_of_a_day_that_has_passed() -> None:
    assert notice(ENDS, "openai:small", date(2027, 6, 1), "pets.db").message == (
        "pets.db was built with openai:small, which OpenAI was to end on 2027-04-01 (https://source); "
        "it is asked all the same, as such dates are often put off"
    )


def test_only_what_is_gone_is_refused() -> None:
    refuse_gone(None, "openai:other")
    refuse_gone(ENDS, "openai:small")
    with pytest.raises(RetiredModelError) as caught:
        refuse_gone(GONE, "vertex:gecko", "pets.db")
    assert (caught.value.message, caught.value.hint) == notice(GONE, "vertex:gecko", TODAY, "pets.db")


def test_what_is_said_to_who_has_no_index_yet() -> None:
    assert notice(GONE, "vertex:gecko", TODAY) == (
        "vertex:gecko: Google Cloud ended it on 2025-05-24 (https://source); vertex:gemini-embedding-2 succeeds it",
        "use vertex:gemini-embedding-2; an index that was built with the other is rebuilt: "
        "idembed upgrade INDEX --to vertex:gemini-embedding-2",
    )
