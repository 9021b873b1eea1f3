"""A way to a Postgres server that looks like a pooler: it tells process ids of its own, as PgBouncer does."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress

__all__ = ["pooler"]

PROCESS = 7


@contextmanager
def pooler(path: str) -> Iterator[int]:
    """The port on which connections go on to the server's socket at ``path``."""
    with socket.create_server(("127.0.0.1", 0)) as listening:
        thread = threading.Thread(target=_serve, args=(listening, path))
        thread.start()
        try:
            yield listening.getsockname()[1]
        finally:
            listening.shutdown(socket.SHUT_RDWR)
            thread.join()


def _serve(listening: socket.socket, path: str) -> None:
    pairs = []
    with suppress(OSError):
        while True:
            client, _ = listening.accept()
            server = socket.socket(socket.AF_UNIX)
            server.connect(path)
            pair = [
                threading.Thread(target=_pass_on, args=(client, server)),
                threading.Thread(target=_answer, args=(server, client)),
            ]
            pairs += pair
            for thread in pair:
                thread.start()
    for thread in pairs:
        thread.join()


def _answer(server: socket.socket, client: socket.socket) -> None:
    """As it comes, but for the process id in the message K, which is among the first."""
    with server, client, suppress(OSError), server.makefile("rb") as answers:
        while head := answers.read(5):
            body = answers.read(int.from_bytes(head[1:], "big") - 4)
            if head[:1] == b"K":
                client.sendall(head + PROCESS.to_bytes(4, "big") + body[4:])
                break
            client.sendall(head + body)
        while piece := answers.read1():
            client.sendall(piece)


def _pass_on(client: socket.socket, server: socket.socket) -> None:
    with suppress(OSError):
        while piece := client.recv(1 << 16):
            server.sendall(piece)
        server.shutdown(socket.SHUT_WR)
