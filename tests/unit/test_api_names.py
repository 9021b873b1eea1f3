"""How models of APIs are called."""

from __future__ import annotations

import pickle

import pytest

from idembed.errors import ModelError, OptionError
from idembed.models.api.names import ApiName
from idembed.models.api.opening import named, open_api
from idembed.models.api.which import is_api_name


@pytest.mark.parametrize(
    "name",
    [
        "openai:text-embedding-3-small",
        "openai:text-embedding-3-large?dimensions=256",
        "openai:text-embedding-3-small?revision=2",
        "bedrock:amazon.titan-embed-text-v2:0?region=eu-central-1",
        "vertex:text-embedding-005?location=us-central1&project=mine",
        "ollama:nomic-embed-text:v1.5",
        "google:gemini-embedding-001?dimensions=768&task=CLUSTERING&price=0.1",
        "http://localhost:8080/v1#BAAI/bge-m3",
        "https://example.com/v1#m?dimensions=8",
    ],
)
def test_a_name_is_what_it_was_read_from(name: str) -> None:
    assert is_api_name(name)
    assert str(named(name)) == name
    assert named(str(named(name))) == named(name)


def test_its_parts() -> None:
    assert named("bedrock:amazon.titan-embed-text-v2:0?dimensions=256&region=eu-west-1") == ApiName(
        "bedrock", "amazon.titan-embed-text-v2:0", dimensions=256, extra={"region": "eu-west-1"}
    )
    assert named("http://localhost:8080/v1/#m") == ApiName("compatible", "m", "http://localhost:8080/v1")
    assert named("gemini:gemini-embedding-001").provider == "google"


@pytest.mark.parametrize("name", ["all-MiniLM-L6-v2", "BAAI/bge-m3", "./pets.w2v", "C:\\models\\m", "C:/models", "a"])
def test_names_of_other_models(name: str) -> None:
    assert not is_api_name(name)


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("openai:", "names no model"),
        ("openai:?dimensions=3", "names no model"),
        ("openai:m?dimension=3", "the option 'dimension' is not known"),
        ("openai:m?dimensions=", "the option 'dimensions' is without a value"),
        ("openai:m?dimensions=3&dimensions=4", "the option 'dimensions' is given twice"),
        ("openai:m?dimensions", "not name=value"),
        ("openai:m?dimensions=0", "is not a whole number of 1 or more"),
        ("openai:m?dimensions=-3", "is not a whole number of 1 or more"),
        ("openai:m?dimensions=1.5", "is not a whole number of 1 or more"),
        ("openai:m?dimensions=²", "is not a whole number of 1 or more"),
        ("openai:m?price=-1", "is not a number of dollars"),
        ("openai:m?price=nan", "is not a number of dollars"),
        ("openai:m?price=free", "is not a number of dollars"),
        ("http://localhost:8080/v1", "names no model"),
        ("http://me:secret@localhost:8080/v1#m", "has a user or password in it"),
        ("openai:text-embedding-3-small?dimensions=2000", "has no vectors of 2000 numbers"),
        ("openai:text-embedding-ada-002?dimensions=256", "has no vectors of 256 numbers"),
        ("bedrock:amazon.titan-embed-text-v2:0?dimensions=300&region=x", "has no vectors of 300 numbers"),
        ("openai:text-embedding-3-small?task=search", "OpenAI has no task 'search'"),
        ("cohere:embed-v4.0?task=search", "Cohere has no task 'search'"),
        ("openai:text-embedding-3-small?region=x", "OpenAI has no option 'region'"),
        ("vertex:m?project=p&location=evil.com/x", "is no location"),
        ("vertex:m?project=p&location=evil.com%23", "is no location"),
        ("http://example.com/v1#m", "in the clear"),
        ("http://10.0.0.5:8080/v1#m", "in the clear"),
        ("http://localhost.example.com/v1#m", "in the clear"),
        ("http://[::1/v1#m", "is no address"),
        ("http:///v1#m", "is no address"),
        ("openai:text\nembedding", "is no name of a model"),
        ("openai:text-embedding-3-small\n", "is no name of a model"),
        ("openai:text\0embedding", "is no name of a model"),
        ("openai:..", "is no name of a model"),
        ("google:../../other/models/m", "is no name of a model"),
        ("http://localhost:8080/v1#a/../b", "is no name of a model"),
        ("http://localhost:8080/v1\n#m", "is no address"),
        ("http://local\nhost:8080/v1#m", "is no address"),
    ],
)
def test_names_that_make_no_sense(name: str, reason: str) -> None:
    with pytest.raises(OptionError, match=reason) as caught:
        open_api(name)
    assert "secret" not in str(caught.value)


def test_a_provider_that_is_not_known() -> None:
    with pytest.raises(ModelError, match="there is no provider 'pinecone'") as caught:
        open_api("pinecone:m")
    assert "cohere, google" in caught.value.hint


@pytest.mark.parametrize(
    "name",
    [
        "http://localhost:8080/v1#m",
        "http://127.0.0.1/v1#m",
        "http://127.8.9.1/v1#m",
        "http://[::1]:80/v1#m",
        "https://example.com/v1#m",
    ],
)
def test_plain_http_only_to_this_machine(name: str) -> None:
    assert open_api(name).name == name


def test_plain_http_can_be_forced(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("IDEMBED_ALLOW_HTTP", "1")
    assert open_api("http://10.0.0.5/v1#m").name == "http://10.0.0.5/v1#m"


@pytest.mark.parametrize(
    ("host", "endpoint"),
    [
        ("0.0.0.0", "http://127.0.0.1:11434"),
        ("0.0.0.0:11500", "http://127.0.0.1:11500"),
        (":11500", "http://127.0.0.1:11500"),
        ("localhost", "http://localhost:11434"),
        ("http://localhost:80/", "http://localhost:80"),
        ("https://ollama.example.com", "https://ollama.example.com"),
    ],
)
def test_what_ollama_host_may_be(host: str, endpoint: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OLLAMA_HOST", host)
    assert open_api("ollama:m").transport.settings.endpoint == endpoint


def test_the_endpoint_of_the_environment_is_part_of_the_space(monkeypatch: pytest.MonkeyPatch) -> None:
    usual = open_api("openai:text-embedding-3-small").space
    monkeypatch.setenv("OPENAI_BASE_URL", "https://gateway.example.com/v1/")
    other = open_api("openai:text-embedding-3-small").space
    assert [str(d) for d in usual.differences(other)] == [
        'endpoint: "https://api.openai.com/v1" here, "https://gateway.example.com/v1" there'
    ]


def test_what_is_part_of_the_space_and_what_is_not() -> None:
    def space(name: str) -> str:
        return open_api(name).space.id

    small = "openai:text-embedding-3-small"
    assert space(small) == space(f"{small}?price=7") == space(f"{small}?dimensions=1536")
    assert len({space(small), space(f"{small}?dimensions=256"), space(f"{small}?revision=2")}) == 3
    cohere = "cohere:embed-v4.0"
    assert space(cohere) != space(f"{cohere}?task=clustering")


def test_the_same_space_from_any_project(monkeypatch: pytest.MonkeyPatch) -> None:
    a = open_api("vertex:text-embedding-005?project=a&location=us-central1").space
    b = open_api("vertex:text-embedding-005?project=b&location=us-central1").space
    c = open_api("vertex:text-embedding-005?project=b&location=europe-west4").space
    assert a == b != c


def test_providers_may_be_written_as_they_write_themselves() -> None:
    assert open_api("OpenAI:text-embedding-3-small").name == "openai:text-embedding-3-small"


def test_a_model_goes_to_another_process() -> None:
    model = open_api("openai:text-embedding-3-small?dimensions=256")
    again = pickle.loads(pickle.dumps(model))
    assert (again.name, again.space) == (model.name, model.space)
