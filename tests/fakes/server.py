"""The socket side: reads requests, sends replies whole, cut or slowly, and closes every connection at the end."""

from __future__ import annotations

import contextlib
import http.server
import socket
import sys
import threading
import time
from http import HTTPStatus
from typing import TYPE_CHECKING
from urllib.parse import parse_qsl, unquote, urlsplit

from fakes.exchange import arrived, exchange
from fakes.wire import Call, Reply, json_reply

if TYPE_CHECKING:
    from fakes.api import FakeApi

__all__ = ["Server"]

SLOW_PIECES = 5


class Server(http.server.ThreadingHTTPServer):
    daemon_threads = False  # so that closing waits for every thread
    request_queue_size = 128

    def __init__(self, fake: FakeApi, port: int) -> None:
        self.fake = fake
        self.open: set[socket.socket] = set()
        self.lock = threading.Lock()
        super().__init__(("127.0.0.1", port), Handler)
        self.thread = threading.Thread(target=self.serve_forever, args=(0.01,), name="fake API")

    def server_bind(self) -> None:
        """Without the base class's look-up of the machine's name, which can take seconds."""
        super(http.server.HTTPServer, self).server_bind()
        self.server_name, self.server_port = self.server_address[:2]

    def process_request(self, request: socket.socket, client_address: object) -> None:  # type: ignore[override]
        with self.lock:
            self.open.add(request)
        super().process_request(request, client_address)  # type: ignore[arg-type]

    def shutdown_request(self, request: socket.socket) -> None:  # type: ignore[override]
        with self.lock:
            self.open.discard(request)
        super().shutdown_request(request)

    def handle_error(self, request: object, client_address: object) -> None:
        """A client that hangs up is no news; anything else is a defect of the fake, kept for `FakeApi.__exit__`."""
        error = sys.exception()
        if not isinstance(error, (ConnectionError, TimeoutError)):
            self.fake.broken.append(error)

    def stop(self) -> None:
        self.shutdown()
        with self.lock:
            for each in self.open:
                with contextlib.suppress(OSError):
                    each.shutdown(socket.SHUT_RDWR)
        self.server_close()
        self.thread.join()


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    server: Server

    def do_POST(self) -> None:
        fake = self.server.fake
        body = self.body()
        url = urlsplit(self.path)
        name, _, path = unquote(url.path).lstrip("/").partition("/")
        headers = {key.lower(): value for key, value in self.headers.items()}
        seen = arrived(name, "/" + path, headers)
        fake.requests.append(seen)
        provider = fake.providers.get(name)
        if provider is None:
            reply: Reply | None = json_reply(404, {"error": f"the fake plays no provider {name!r}"})
        else:
            reply = exchange(
                fake,
                provider,
                Call(self.command, "/" + path, dict(parse_qsl(url.query)), headers, body, url.path),
                seen,
            )
        try:
            self.send(reply, seen.fault)
        finally:
            seen.finished = time.monotonic()

    do_GET = do_DELETE = do_POST  # noqa: N815

    def body(self) -> bytes:
        if self.headers.get("transfer-encoding", "").lower() == "chunked":
            pieces = []
            while size := int(self.rfile.readline().split(b";")[0], 16):
                pieces.append(self.rfile.read(size))
                self.rfile.readline()
            self.rfile.readline()
            return b"".join(pieces)
        return self.rfile.read(int(self.headers.get("content-length") or 0))

    def send(self, reply: Reply | None, fault: str) -> None:
        if reply is None:
            self.close_connection = True
            return
        lines = [f"HTTP/1.1 {reply.status} {HTTPStatus(reply.status).phrase}", f"content-type: {reply.content_type}"]
        lines += [f"content-length: {len(reply.body)}", f"date: {self.date_time_string()}"]
        lines += [f"{name}: {value}" for name, value in reply.headers.items()]
        sent = "\r\n".join(lines).encode() + b"\r\n\r\n" + reply.body
        if fault == "cut":
            self.wfile.write(sent[: len(sent) - len(reply.body) // 2 - 1])
            self.close_connection = True
        elif fault == "slow":
            size = len(sent) // SLOW_PIECES + 1
            for start in range(0, len(sent), size):
                self.wfile.write(sent[start : start + size])
                self.server.fake.closing.wait(self.server.fake.slow_seconds / SLOW_PIECES)
        else:
            self.wfile.write(sent)

    def log_message(self, *args: object) -> None:
        """Nothing is printed; `FakeApi.requests` is the log."""
