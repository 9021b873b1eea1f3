"""Who asks Google and AWS: tokens and signatures from a machine that is made up here."""

from __future__ import annotations

import hashlib
import hmac
import json
import sys
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa

from idembed.errors import ModelError
from idembed.models.api.credentials_aws import AwsCredentials
from idembed.models.api.credentials_google import GoogleCredentials

URL = "https://bedrock-runtime.eu-west-1.amazonaws.com/model/amazon.titan-embed-text-v2%3A0/invoke"
BODY = b'{"inputText":"a"}'


class TokenServer(HTTPServer):
    """Gives tokens ``token-1``, ``token-2`` …, that last so many ``seconds``."""

    seconds = 3600
    given = 0


class _Handler(BaseHTTPRequestHandler):
    server: TokenServer

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers["Content-Length"]))
        self.server.given += 1
        answer = {"access_token": f"token-{self.server.given}", "expires_in": self.server.seconds}
        body = json.dumps(answer | {"token_type": "Bearer"}).encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def tokens() -> Iterator[TokenServer]:
    server = TokenServer(("127.0.0.1", 0), _Handler)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield server
    server.shutdown()
    server.server_close()
    thread.join()


@pytest.fixture(autouse=True)
def _nothing_of_this_machine(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name in (
        "GOOGLE_APPLICATION_CREDENTIALS",
        "GOOGLE_OAUTH_ACCESS_TOKEN",
        "CLOUDSDK_AUTH_ACCESS_TOKEN",
        "AWS_ACCESS_KEY_ID",
        "AWS_SECRET_ACCESS_KEY",
        "AWS_SESSION_TOKEN",
        "AWS_PROFILE",
        "AWS_BEARER_TOKEN_BEDROCK",
    ):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("CLOUDSDK_CONFIG", str(tmp_path / "gcloud"))
    monkeypatch.setenv("NO_GCE_CHECK", "true")
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "config"))
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(tmp_path / "credentials"))
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")


@pytest.fixture
def _service_account(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, tokens: TokenServer) -> None:
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048).private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    account = {
        "type": "service_account",
        "project_id": "p",
        "private_key_id": "1",
        "private_key": key.decode(),
        "client_email": "tester@p.iam.gserviceaccount.com",
        "token_uri": f"http://127.0.0.1:{tokens.server_port}/token",
    }
    (tmp_path / "account.json").write_text(json.dumps(account))
    monkeypatch.setenv("GOOGLE_APPLICATION_CREDENTIALS", str(tmp_path / "account.json"))


@pytest.mark.parametrize("variable", ["GOOGLE_OAUTH_ACCESS_TOKEN", "CLOUDSDK_AUTH_ACCESS_TOKEN"])
def test_a_ready_google_token_is_taken_as_it_is(variable: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "google.auth", None)
    assert GoogleCredentials({variable: "ready"}).headers("https://x.example", b"") == {"Authorization": "Bearer ready"}


@pytest.mark.usefixtures("_service_account")
def test_google_credentials_ask_for_a_token_once(tokens: TokenServer) -> None:
    credentials = GoogleCredentials()
    found: list[str] = []
    threads = [
        threading.Thread(target=lambda: found.append(credentials.headers("https://x.example", b"")["Authorization"]))
        for _ in range(8)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert found == ["Bearer token-1"] * 8
    assert tokens.given == 1


@pytest.mark.usefixtures("_service_account")
def test_google_credentials_ask_again_for_a_token_that_expires(tokens: TokenServer) -> None:
    tokens.seconds = 1
    credentials = GoogleCredentials()
    assert credentials.headers("https://x.example", b"")["Authorization"] == "Bearer token-1"
    assert credentials.headers("https://x.example", b"")["Authorization"] == "Bearer token-2"


def test_without_google_credentials_the_error_says_how_to_sign_in() -> None:
    with pytest.raises(ModelError, match="no Google Cloud credentials on this machine") as caught:
        GoogleCredentials().headers("https://x.example", b"")
    assert "gcloud auth application-default login" in caught.value.hint


@pytest.mark.usefixtures("_service_account")
def test_google_credentials_that_give_no_token_are_an_error(
    tokens: TokenServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(_Handler, "do_POST", lambda self: self.send_error(400))
    with pytest.raises(ModelError, match=r"gave no token \(RefreshError\)") as caught:
        GoogleCredentials().headers("https://x.example", b"")
    assert "gcloud auth application-default login" in caught.value.hint


def test_without_google_auth_the_error_names_the_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "google.auth", None)
    with pytest.raises(ModelError, match="google-auth, which is not installed") as caught:
        GoogleCredentials({}).headers("https://x.example", b"")
    assert "idembed[vertex]" in caught.value.hint


def test_a_bearer_token_for_bedrock_is_taken_as_it_is(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "botocore.session", None)
    credentials = AwsCredentials("eu-west-1", {"AWS_BEARER_TOKEN_BEDROCK": "ready"})
    assert credentials.headers(URL, BODY) == {"Authorization": "Bearer ready"}


def test_aws_credentials_sign_the_request(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "AKIDEXAMPLE")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "wJalrXUtnFEMI")
    monkeypatch.setenv("AWS_SESSION_TOKEN", "a-session")
    headers = AwsCredentials("eu-west-1").headers(URL, BODY)
    assert headers["X-Amz-Security-Token"] == "a-session"
    assert headers["Authorization"] == signature_worked_out_here(headers["X-Amz-Date"], BODY)
    assert headers["Authorization"] != AwsCredentials("eu-west-1").headers(URL, BODY + b" ")["Authorization"]


def signature_worked_out_here(moment: str, body: bytes) -> str:
    """Signature Version 4, step by step as AWS documents it."""
    names = "host;x-amz-date;x-amz-security-token"
    canonical = "\n".join(
        [
            "POST",
            "/model/amazon.titan-embed-text-v2%253A0/invoke",
            "",
            "host:bedrock-runtime.eu-west-1.amazonaws.com",
            f"x-amz-date:{moment}",
            "x-amz-security-token:a-session",
            "",
            names,
            hashlib.sha256(body).hexdigest(),
        ]
    )
    scope = f"{moment[:8]}/eu-west-1/bedrock/aws4_request"
    to_sign = f"AWS4-HMAC-SHA256\n{moment}\n{scope}\n{hashlib.sha256(canonical.encode()).hexdigest()}"
    key = b"AWS4wJalrXUtnFEMI"
    for part in scope.split("/"):
        key = hmac.new(key, part.encode(), hashlib.sha256).digest()
    signature = hmac.new(key, to_sign.encode(), hashlib.sha256).hexdigest()
    return f"AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/{scope}, SignedHeaders={names}, Signature={signature}"


def test_without_aws_credentials_the_error_says_what_to_set() -> None:
    with pytest.raises(ModelError, match="no AWS credentials on this machine") as caught:
        AwsCredentials("eu-west-1").headers(URL, BODY)
    assert "AWS_BEARER_TOKEN_BEDROCK" in caught.value.hint
    assert "AWS_ACCESS_KEY_ID" in caught.value.hint


def test_an_aws_profile_that_does_not_exist_is_the_same_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_PROFILE", "nobody")
    with pytest.raises(ModelError, match="no AWS credentials on this machine"):
        AwsCredentials("eu-west-1").headers(URL, BODY)


def test_without_botocore_the_error_names_the_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "botocore.session", None)
    with pytest.raises(ModelError, match="botocore, which is not installed") as caught:
        AwsCredentials("eu-west-1").headers(URL, BODY)
    assert "idembed[bedrock]" in caught.value.hint
