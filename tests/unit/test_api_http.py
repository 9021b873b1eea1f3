"""One exchange: bounded, and only with the host that was meant."""

from __future__ import annotations

import json
import sys
import threading
import time
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from idembed.errors import ApiError, OptionError
from idembed.models.api.http import Exchange, Http, UnreachableError

Handler = Callable[[BaseHTTPRequestHandler], None]


class Server:
    """Answers every POST by ``handle``; ``seen`` lists (path, authorization, body)."""

    def __init__(self) -> None:
        self.handle: Handler = lambda request: reply(request, 200, {"ok": True})
        self.seen: list[tuple[str, str | None, bytes]] = []
        outer = self

        class Play(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                outer.seen.append((self.path, self.headers.get("Authorization"), body))
                outer.handle(self)

            def log_message(self, *_: object) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Play)
        self._server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}"
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.01,))
        self._thread.start()

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()


def reply(request: BaseHTTPRequestHandler, status: int, body: object, headers: dict[str, str] | None = None) -> None:
    raw = body if isinstance(body, bytes) else json.dumps(body).encode()
    request.send_response(status)
    for name, value in {"Content-Length": str(len(raw)), **(headers or {})}.items():
        request.send_header(name, value)
    request.end_headers()
    request.wfile.write(raw)


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[Server]:
    for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy", "IDEMBED_OFFLINE"):
        monkeypatch.delenv(name, raising=False)
    made = Server()
    yield made
    made.close()


@pytest.fixture
def http() -> Iterator[Http]:
    made = Http("A provider", seconds=1.0, read_seconds=0.3)
    yield made
    made.close()


def post(http: Http, url: str) -> Exchange:
    return http.send("POST", url, b"{}", {"Authorization": "Bearer key"})


def test_json_and_what_is_none(http: Http, server: Server) -> None:
    assert post(http, f"{server.url}/a").body == {"ok": True}
    server.handle = lambda request: reply(request, 502, b"<html>bad gateway", {"X-Reason": "tired"})
    found = post(http, f"{server.url}/a")
    assert (found.status, found.body, found.is_json, found.headers["x-reason"]) == (
        502,
        "<html>bad gateway",
        False,
        "tired",
    )


def test_a_redirect_within_the_host_is_followed(http: Http, server: Server) -> None:
    def handle(request: BaseHTTPRequestHandler) -> None:
        if request.path == "/old":
            reply(request, 307, {}, {"Location": "/new"})
        else:
            reply(request, 200, {"path": request.path})

    server.handle = handle
    assert post(http, f"{server.url}/old").body == {"path": "/new"}


def test_a_redirect_to_another_host_gets_neither_key_nor_texts(http: Http, server: Server) -> None:
    other = Server()
    try:
        server.handle = lambda request: reply(request, 307, {}, {"Location": f"{other.url}/take"})
        with pytest.raises(ApiError, match="redirects to another host") as caught:
            post(http, f"{server.url}/a")
    finally:
        other.close()
    assert other.seen == []
    assert "key" not in str(caught.value.facts)


def test_redirects_in_a_circle_end(http: Http, server: Server) -> None:
    server.handle = lambda request: reply(request, 308, {}, {"Location": "/again"})
    with pytest.raises(ApiError, match="redirects again and again"):
        post(http, f"{server.url}/a")
    assert len(server.seen) == 4


def test_silence_ends(http: Http, server: Server) -> None:
    server.handle = lambda request: time.sleep(0.6)
    with pytest.raises(UnreachableError, match=r"was silent for 0.3 s") as caught:
        post(http, f"{server.url}/a")
    assert caught.value.sent


def test_an_answer_that_trickles_ends_too(http: Http, server: Server) -> None:
    def handle(request: BaseHTTPRequestHandler) -> None:
        request.send_response(200)
        request.send_header("Content-Length", "1000")
        request.end_headers()
        for _ in range(30):
            request.wfile.write(b" ")
            request.wfile.flush()
            time.sleep(0.1)

    server.handle = handle
    began = time.monotonic()
    with pytest.raises(UnreachableError, match="not all of the answer came in 1 s"):
        post(http, f"{server.url}/a")
    assert time.monotonic() - began < 2.5


def test_a_connection_that_breaks_in_the_middle(http: Http, server: Server) -> None:
    def handle(request: BaseHTTPRequestHandler) -> None:
        request.send_response(200)
        request.send_header("Content-Length", "1000")
        request.end_headers()
        request.wfile.write(b'{"data": [')
        request.close_connection = True

    server.handle = handle
    with pytest.raises(UnreachableError, match=r"the connection to 127.0.0.1:.* broke") as caught:
        post(http, f"{server.url}/a")
    assert caught.value.sent


def test_nobody_there(http: Http, server: Server) -> None:
    with pytest.raises(UnreachableError, match=r"127.0.0.1:9 cannot be reached: .*refused") as caught:
        post(http, "http://127.0.0.1:9/v1")
    assert not caught.value.sent


def test_a_proxy_is_named_without_its_password(server: Server, http: Http, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HTTPS_PROXY", "http://me:secret@127.0.0.1:9")
    monkeypatch.setenv("NO_PROXY", "")
    with pytest.raises(UnreachableError) as caught:
        post(http, "https://api.example.com/v1")
    assert "through the proxy http://me:***@127.0.0.1:9" in caught.value.reason
    assert "secret" not in caught.value.reason


def test_the_network_may_be_forbidden(http: Http, server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("IDEMBED_OFFLINE", "1")
    with pytest.raises(ApiError, match="A provider cannot be asked: IDEMBED_OFFLINE is set"):
        post(http, server.url)
    assert server.seen == []


def test_connections_are_reused(http: Http, server: Server) -> None:
    ports = set()

    def handle(request: BaseHTTPRequestHandler) -> None:
        ports.add(request.client_address[1])
        reply(request, 200, {})

    server.handle = handle
    for _ in range(5):
        post(http, server.url)
    assert len(ports) == 1


@pytest.mark.parametrize("url", ["http://example.com/v1", "ftp://example.com", "example.com/v1", "https://"])
def test_addresses_that_are_not_asked(http: Http, url: str) -> None:
    with pytest.raises(OptionError):
        post(http, url)


# Proxies and certificates ------------------------------------------------------------------------------------


@pytest.mark.parametrize("variable", ["http_proxy", "HTTP_PROXY", "ALL_PROXY"])
def test_no_proxy_is_asked_for_this_machine(
    variable: str, http: Http, server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    proxy = Server()
    monkeypatch.delenv("NO_PROXY", raising=False)
    monkeypatch.delenv("no_proxy", raising=False)
    monkeypatch.setenv(variable, proxy.url)
    try:
        assert post(http, f"{server.url}/a").body == {"ok": True}
        assert post(http, f"{server.url.replace('127.0.0.1', 'localhost')}/b").body == {"ok": True}
    finally:
        proxy.close()
    assert proxy.seen == []
    assert [path for path, _, _ in server.seen] == ["/a", "/b"]


@pytest.mark.parametrize(
    ("variable", "value"),
    [
        ("ALL_PROXY", "socks5://127.0.0.1:9"),
        ("HTTPS_PROXY", "gopher://127.0.0.1:9"),
        ("SSL_CERT_FILE", "/there/is/no/such/file.pem"),
    ],
)
def test_what_the_environment_says_of_connections_and_cannot_be(
    variable: str, value: str, http: Http, server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "socksio", None)  # it is not installed
    monkeypatch.setenv(variable, value)
    with pytest.raises(OptionError, match="no connections can be made as the environment says") as caught:
        post(http, "https://api.example.com/v1")
    assert variable in caught.value.hint


# Answers that are none ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "location", ["http://[::1", "http://127.0.0.1:99999/v1", "http://127.0.0.1:port/v1", "//[/", "ftp://127.0.0.1/a"]
)
def test_a_redirect_to_what_is_no_address(location: str, http: Http, server: Server) -> None:
    server.handle = lambda request: reply(request, 307, {}, {"Location": location})
    with pytest.raises(ApiError, match="redirects to"):
        post(http, f"{server.url}/a")
    assert len(server.seen) == 1


@pytest.mark.parametrize("body", [b"[" * 200_000, b'{"a":' * 200_000, b"1" * 10_000, b"\xff\xfe{}", b""])
def test_what_no_parser_can_read_is_text(body: bytes, http: Http, server: Server) -> None:
    server.handle = lambda request: reply(request, 200, body)
    found = post(http, f"{server.url}/a")
    assert (found.status, found.is_json) == (200, False)
    assert isinstance(found.body, str)
