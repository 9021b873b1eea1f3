"""Where keys come from, and that they go nowhere else."""

from __future__ import annotations

import sys
import types

import pytest

from idembed.errors import ApiError
from idembed.models.api.adapter import Settings
from idembed.models.api.keys import KeyCredential, credential_for, key_variables
from idembed.models.api.opening import open_api
from idembed.models.api.registry import ADAPTERS

KEY = "sk-proj-abcdefghijklmnopqrstuvwxyz0123456789"
OPENAI, COMPATIBLE = ADAPTERS["openai"], ADAPTERS["compatible"]
SETTINGS = Settings("m", "https://api.openai.com/v1")


@pytest.fixture(autouse=True)
def _no_keys(monkeypatch: pytest.MonkeyPatch) -> None:
    for adapter in ADAPTERS.values():
        for name in adapter.key_variables:
            monkeypatch.delenv(name, raising=False)
    monkeypatch.setitem(sys.modules, "keyring", None)


def test_from_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", f" {KEY}\n")
    assert credential_for(OPENAI, SETTINGS).headers("", b"") == {"Authorization": f"Bearer {KEY}"}


def test_the_first_variable_that_is_set_counts(monkeypatch: pytest.MonkeyPatch) -> None:
    adapter = ADAPTERS["google"]
    first, second = adapter.key_variables
    monkeypatch.setenv(second, "two")
    assert credential_for(adapter, SETTINGS).headers("", b"") == {"x-goog-api-key": "two"}
    monkeypatch.setenv(first, "one")
    assert credential_for(adapter, SETTINGS).headers("", b"") == {"x-goog-api-key": "one"}


def test_from_a_keyring(monkeypatch: pytest.MonkeyPatch) -> None:
    kept = types.SimpleNamespace(
        get_password=lambda service, name: KEY if (service, name) == ("idembed", "openai") else None
    )
    monkeypatch.setitem(sys.modules, "keyring", kept)
    assert credential_for(OPENAI, SETTINGS).headers("", b"") == {"Authorization": f"Bearer {KEY}"}


def test_a_keyring_that_is_locked_is_none(monkeypatch: pytest.MonkeyPatch) -> None:
    def locked(service: str, name: str) -> str:
        raise RuntimeError("locked")

    monkeypatch.setitem(sys.modules, "keyring", types.SimpleNamespace(get_password=locked))
    with pytest.raises(ApiError, match="there is no key for OpenAI: OPENAI_API_KEY is not set"):
        credential_for(OPENAI, SETTINGS)


def test_a_missing_key_names_the_variable_and_what_to_do() -> None:
    with pytest.raises(ApiError) as caught:
        credential_for(ADAPTERS["cohere"], SETTINGS)
    assert caught.value.message == "there is no key for Cohere: CO_API_KEY and COHERE_API_KEY are not set"
    assert caught.value.hint == "set it: export CO_API_KEY=…; or keep it in the keyring: keyring set idembed cohere"
    assert caught.value.facts == {"provider": "cohere", "variable": "CO_API_KEY"}
    assert caught.value.exit_code == 4


def test_a_key_with_a_line_break_in_it_is_no_header(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "sk-a\r\nX-Evil: 1")
    with pytest.raises(ApiError, match="the key in OPENAI_API_KEY has characters that no key has") as caught:
        credential_for(OPENAI, SETTINGS)
    assert "Evil" not in str(caught.value)


def test_a_key_for_openai_is_shown_to_no_other_server(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", KEY)
    monkeypatch.setenv("IDEMBED_API_KEY", KEY)
    elsewhere = Settings("m", "https://models.example.com:8443/v1")
    assert key_variables(COMPATIBLE, elsewhere) == ("IDEMBED_KEY_MODELS_EXAMPLE_COM",)
    assert credential_for(COMPATIBLE, elsewhere).headers("", b"") == {}
    monkeypatch.setenv("IDEMBED_KEY_MODELS_EXAMPLE_COM", "its own")
    with pytest.raises(ApiError, match="has characters"):
        credential_for(COMPATIBLE, elsewhere)
    monkeypatch.setenv("IDEMBED_KEY_MODELS_EXAMPLE_COM", "its-own")
    assert credential_for(COMPATIBLE, elsewhere).headers("", b"") == {"Authorization": "Bearer its-own"}


def test_a_model_can_be_opened_without_a_key_and_not_asked() -> None:
    model = open_api("openai:text-embedding-3-small")
    assert model.space.dim == 1536
    assert model.receipts(["four small words here"])[0].tokens > 0
    for ask in (model.ready, lambda: model.encode("a text"), lambda: model.encode_query("a text")):
        with pytest.raises(ApiError, match="there is no key for OpenAI"):
            ask()


def test_keys_are_taken_out_of_what_others_say() -> None:
    credential = KeyCredential(OPENAI, KEY)
    assert credential.without(f"Incorrect API key provided: {KEY}.") == "Incorrect API key provided: ***."
    shown = credential.without("Incorrect API key provided: sk-proj-abcd****23456789.")
    assert "sk-proj-" not in shown
    assert "23456789" not in shown
    assert credential.without("nothing of it") == "nothing of it"
    assert KEY not in repr(credential)


def test_keys_are_told_apart_without_being_known() -> None:
    assert KeyCredential(OPENAI, KEY).hash != KeyCredential(OPENAI, "other").hash
    assert KEY[:8] not in KeyCredential(OPENAI, KEY).hash
