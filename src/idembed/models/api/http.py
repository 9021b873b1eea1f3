"""One HTTP exchange: bounded in time and size, and only with the host that was meant."""

from __future__ import annotations

import atexit
import contextlib
import ipaddress
import json
import os
import threading
import time
import weakref
import zlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import IO, TYPE_CHECKING, Any
from urllib.parse import urljoin, urlsplit

from idembed.errors import ApiError, OptionError
from idembed.models.places import offline
from idembed.shown import without_password

if TYPE_CHECKING:
    import httpx2

__all__ = ["Exchange", "Http", "UnreachableError", "check_endpoint", "http_of", "is_loopback"]

_CONNECT_SECONDS = 10.0
_READ_SECONDS = 60.0
_MOST_BYTES = 256 << 20
_PIECE = 1 << 20
_MOST_BYTES_OF_ERROR = 1 << 16
_REDIRECTS = 3
_ALLOW = "IDEMBED_ALLOW_HTTP"


class UnreachableError(Exception):
    """There was no answer, and why; ``sent``: the request may have arrived."""

    def __init__(self, reason: str, *, sent: bool) -> None:
        super().__init__(reason)
        self.reason = reason
        self.sent = sent


@dataclass(frozen=True, slots=True)
class Exchange:
    """An answer: ``body`` is its JSON, or its text where it is none (``is_json``); names of ``headers`` in lower
    case."""

    status: int
    headers: Mapping[str, str]
    body: Any
    is_json: bool


class Http:
    """Requests to one provider, connections kept and shared by all threads; a forked child makes its own."""

    def __init__(self, title: str, *, seconds: float = 180.0, read_seconds: float = _READ_SECONDS) -> None:
        """``seconds``: the most that an exchange may take, ``read_seconds``: that nothing may come."""
        self._title = title
        self._seconds = seconds
        self._read_seconds = read_seconds
        self._lock = threading.Lock()
        self._clients: dict[bool, httpx2.Client] = {}
        self._process = os.getpid()

    def send(
        self, method: str, url: str, content: bytes, headers: Mapping[str, str], into: IO[bytes] | None = None
    ) -> Exchange:
        """The answer. ``into``: a file that a good answer's body is written to as it comes, however large; it is then
        no part of the Exchange. Raises UnreachableError when there is none, ApiError when no other can be expected: the
        network is forbidden, or another host is pointed to."""
        if variable := offline():
            raise ApiError(f"{self._title} cannot be asked: {variable} is set", hint="unset it to use the network")
        check_endpoint(url, self._title)
        import httpx2

        for _ in range(_REDIRECTS + 1):
            try:
                exchange, location = self._once(method, url, content, headers, into)
            except httpx2.ProxyError as error:
                raise UnreachableError(f"the proxy ({_proxy(url)}) refuses: {error}", sent=False) from None
            except (httpx2.ConnectError, httpx2.ConnectTimeout) as error:
                through = f" through the proxy {_proxy(url)}" if _proxy(url) else ""
                raise UnreachableError(
                    f"{_host(url)} cannot be reached{through}: {_brief(error)}", sent=False
                ) from None
            except httpx2.TimeoutException:
                reason = f"{_host(url)} was silent for {self._read_seconds:g} s"
                raise UnreachableError(reason, sent=True) from None
            except httpx2.HTTPError as error:
                raise UnreachableError(f"the connection to {_host(url)} broke: {_brief(error)}", sent=True) from None
            except httpx2.InvalidURL as error:
                raise OptionError(f"{without_password(url)!r} is no address: {error}") from None
            if location is None:
                return exchange
            url = self._redirected(url, location)
        raise ApiError(f"{self._title} redirects again and again from {without_password(url)}")

    def close(self) -> None:
        """Close all connections; requests in flight fail."""
        with self._lock:
            clients, self._clients = list(self._clients.values()), {}
        for client in clients:
            client.close()

    def _once(
        self, method: str, url: str, content: bytes, headers: Mapping[str, str], into: IO[bytes] | None
    ) -> tuple[Exchange, str | None]:
        import httpx2

        deadline = time.monotonic() + self._seconds
        with self._client(url).stream(method, url, content=content, headers=dict(headers)) as response:
            most = _MOST_BYTES if response.status_code < 400 else _MOST_BYTES_OF_ERROR
            raw = bytearray()
            for piece in _decoded(response, deadline, self._seconds):
                if into is not None and response.status_code == 200:
                    into.write(piece)
                else:
                    raw += piece
                if len(raw) > most:
                    if response.status_code < 400:
                        raise httpx2.ReadError(f"the answer is larger than {_MOST_BYTES >> 20} MiB")
                    break
            found = {name.lower(): value for name, value in response.headers.items()}
        location = found.get("location") if response.status_code in (301, 302, 303, 307, 308) else None
        try:
            return Exchange(response.status_code, found, json.loads(raw), True), location
        except (ValueError, RecursionError):
            text = bytes(raw[:2000]).decode("utf-8", "replace")
            return Exchange(response.status_code, found, text, False), location

    def _client(self, url: str) -> httpx2.Client:
        here = is_loopback(urlsplit(url).hostname or "")
        with self._lock:
            if self._process != os.getpid():
                self._clients, self._process = {}, os.getpid()
            if here not in self._clients:
                self._clients[here] = self._new_client(here)
            return self._clients[here]

    def _new_client(self, here: bool) -> httpx2.Client:
        """Through the proxies of the environment; never to this machine: a proxy would get key and texts in the clear.
        Raises OptionError for a proxy that is none."""
        import httpx2

        try:
            client = httpx2.Client(
                trust_env=not here,
                timeout=httpx2.Timeout(self._read_seconds, connect=_CONNECT_SECONDS),
                limits=httpx2.Limits(max_connections=None, max_keepalive_connections=32),
                headers={"User-Agent": _agent(), "Accept-Encoding": "gzip, deflate"},
            )
        except (ValueError, ImportError, OSError) as error:
            raise OptionError(
                f"no connections can be made as the environment says: {_brief_of(error)}",
                hint="look at HTTPS_PROXY, HTTP_PROXY, ALL_PROXY (a proxy of SOCKS needs the package socksio), and at "
                "SSL_CERT_FILE and SSL_CERT_DIR",
            ) from None
        weakref.finalize(self, client.close)
        return client

    def _redirected(self, url: str, location: str) -> str:
        """The address to ask instead. Raises ApiError for another host: the key is for the one that was meant."""
        try:
            there = urljoin(url, location)
            here, other = urlsplit(url), urlsplit(there)
            is_here = (here.scheme, here.hostname, here.port) == (other.scheme, other.hostname, other.port)
        except ValueError:
            raise ApiError(f"{self._title} at {_host(url)} redirects to what is no address") from None
        if not is_here:
            raise ApiError(
                f"{self._title} at {_host(url)} redirects to another host ({other.scheme}://{other.netloc}), which is "
                "refused: it would get the key and the texts",
                hint="if it is right, name that address as the endpoint",
            )
        return there


def _decoded(response: httpx2.Response, deadline: float, seconds: float) -> Iterator[bytes]:
    """The body in pieces of bounded size, however it is compressed; the clock is looked at with every piece that
    comes."""
    import httpx2

    encoding = response.headers.get("content-encoding", "identity").lower()
    if encoding not in ("identity", "", "gzip", "x-gzip", "deflate"):
        raise httpx2.ReadError(f"the answer is compressed as {encoding[:20]}, which was not asked for")
    decoder = None if encoding in ("identity", "") else zlib.decompressobj(zlib.MAX_WBITS | 32)
    for piece in response.iter_raw():
        if time.monotonic() > deadline:
            raise httpx2.ReadError(f"not all of the answer came in {seconds:g} s")
        if decoder is None:
            yield piece
            continue
        try:
            while piece:
                yield decoder.decompress(piece, _PIECE)
                piece = decoder.unconsumed_tail
        except zlib.error as error:
            raise httpx2.ReadError(f"the answer cannot be decompressed: {error}") from None


_SHARED: dict[tuple[str, str], Http] = {}
_LOCK = threading.Lock()


def http_of(endpoint: str, title: str, *, own: bool) -> Http:
    """The connections of this process to an endpoint. ``own``: a server of one's own may need minutes for what a
    provider's computes in a second."""
    with _LOCK:
        if not _SHARED:
            atexit.register(_close_all)
        place = (endpoint, _proxy(endpoint))
        if place not in _SHARED:
            _SHARED[place] = Http(title, seconds=600, read_seconds=300) if own else Http(title)
        return _SHARED[place]


def _close_all() -> None:
    for http in _SHARED.values():
        with contextlib.suppress(Exception):  # the process ends: nobody can do anything about it
            http.close()


def check_endpoint(url: str, title: str) -> None:
    """Raise OptionError for what is no address, and for plain http to another machine unless it is forced."""
    try:
        parts = urlsplit(url)
        host = parts.hostname or ""
        _ = parts.port
    except ValueError as error:
        raise OptionError(f"{title}: {without_password(url)!r} is no address: {error}") from None
    if parts.scheme not in ("http", "https") or not host or not url.isprintable() or " " in url:
        raise OptionError(
            f"{title}: {without_password(url)!r} is no address", hint="it begins with https://, as https://host/v1"
        )
    if parts.scheme == "http" and not is_loopback(host) and os.environ.get(_ALLOW, "").lower() not in ("1", "true"):
        raise OptionError(
            f"{title}: {without_password(url)} would send texts and key over the network in the clear",
            hint=f"use https, or, if the network is yours: {_ALLOW}=1",
        )


def is_loopback(host: str) -> bool:
    """Whether it is this machine."""
    if host == "localhost" or host.endswith(".localhost"):
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def _host(url: str) -> str:
    return urlsplit(url).netloc.rpartition("@")[2]


def _proxy(url: str) -> str:
    """The proxy that the environment names for this address, as it may be shown."""
    import urllib.request

    parts = urlsplit(url)
    if is_loopback(parts.hostname or "") or urllib.request.proxy_bypass(parts.hostname or ""):
        return ""
    proxies = urllib.request.getproxies()
    return without_password(proxies.get(parts.scheme) or proxies.get("all") or "")


def _brief(error: Exception) -> str:
    return " ".join(str(error).split())[:200] or type(error).__name__


def _brief_of(error: Exception) -> str:
    return " ".join(without_password(str(error)).split())[:200]


def _agent() -> str:
    from importlib.metadata import version

    return f"idembed/{version('idembed')}"
