"""Where keys come from, and that they go nowhere else."""

from __future__ import annotations

import sys
import types

import pytest

from idembed.errors import ApiError, OptionError
from idembed.models.api.adapter import Settings
from idembed.models.api.keys import KeyCredential, MachineCredential, credential_for, key_variables
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
    assert key_variables(COMPATIBLE, elsewhere) == ("IDEMBED_KEY_MODELS_EXAMPLE_COM_PORT8443",)
    assert credential_for(COMPATIBLE, elsewhere).headers("", b"") == {}
    monkeypatch.setenv("IDEMBED_KEY_MODELS_EXAMPLE_COM_PORT8443", "its own")
    with pytest.raises(ApiError, match="has characters"):
        credential_for(COMPATIBLE, elsewhere)
    monkeypatch.setenv("IDEMBED_KEY_MODELS_EXAMPLE_COM_PORT8443", "its-own")
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
    assert credential.without(f"in the middle of {KEY[9:20]}, too") == "in the middle of ***, too"
    assert credential.without(f"seven, {KEY[9:16]}, are no key") == f"seven, {KEY[9:16]}, are no key"
    assert KEY not in repr(credential)


def test_tokens_that_a_machine_makes_are_taken_out_as_well() -> None:
    made = {"Authorization": f"Bearer {KEY}", "x-amz-security-token": "session-of-0123456789"}
    credential = MachineCredential("google", lambda url, body: made)
    assert credential.without(KEY) == KEY  # nothing was sent yet
    assert credential.headers("https://host", b"") == made
    assert credential.without(f"you sent {KEY} and session-of-012") == "you sent *** and ***"


def test_whoever_is_refused_is_told_which_key_it_was(monkeypatch: pytest.MonkeyPatch) -> None:
    assert (
        credential_for(COMPATIBLE, Settings("m", "https://a.test/v1")).advice
        == "none was sent: export IDEMBED_KEY_A_TEST=…"
    )
    monkeypatch.setenv("OPENAI_API_KEY", KEY)
    advice = "it was taken from OPENAI_API_KEY: export OPENAI_API_KEY=… sets another"
    assert credential_for(OPENAI, SETTINGS).advice == advice
    monkeypatch.delenv("OPENAI_API_KEY")
    monkeypatch.setitem(sys.modules, "keyring", types.SimpleNamespace(get_password=lambda *names: KEY))
    advice = "it was taken from the keyring: keyring set idembed openai sets another"
    assert credential_for(OPENAI, SETTINGS).advice == advice


@pytest.mark.parametrize("address", ["https://me:pw@a.test/v1", "https://me@a.test/v1", "https://a.test/v1?key=pw"])
def test_what_is_secret_is_no_part_of_an_address(monkeypatch: pytest.MonkeyPatch, address: str) -> None:
    monkeypatch.setenv("OPENAI_BASE_URL", address)
    with pytest.raises(OptionError, match="has a user, a password or options in it") as caught:
        open_api("openai:text-embedding-3-small")
    assert "pw" not in str(caught.value)


def test_keys_are_told_apart_without_being_known() -> None:
    assert KeyCredential(OPENAI, KEY).hash != KeyCredential(OPENAI, "other").hash
    assert KEY[:8] not in KeyCredential(OPENAI, KEY).hash


def test_hosts_that_look_alike_have_keys_of_their_own() -> None:
    names = {
        key_variables(COMPATIBLE, Settings("m", endpoint))[0]
        for endpoint in ("https://api.corp.com/v1", "https://api-corp.com/v1", "https://api.corp.com:8443/v1")
    }
    assert names == {"IDEMBED_KEY_API_CORP_COM", "IDEMBED_KEY_API__CORP_COM", "IDEMBED_KEY_API_CORP_COM_PORT8443"}
