"""A local server that plays every provider's embedding API, with its real limits and its real error bodies.

with FakeApi() as fake:
    fake.base("openai"), fake.key        # where to ask, and the only key that is accepted
    fake.vector("openai", "text-embedding-3-small", "a text", 64)   # what must come back
    fake.limit("openai", requests_per_minute=600, burst=1)
    fake.faults(cut=0.01, shuffle=0.01)
    fake.requests                        # what was asked, in order

`python -m fakes.api --port 8080`, run in tests/, serves until Ctrl-C.
"""

from __future__ import annotations

import argparse
import contextlib
import random
import threading
from collections.abc import Mapping
from types import TracebackType

import numpy as np

from fakes import vectors
from fakes.batches import ENDS, Batches
from fakes.bedrock import SECRET, Bedrock
from fakes.cohere import Cohere
from fakes.compatible import Compatible
from fakes.exchange import Request
from fakes.faults import Faults
from fakes.google import Google
from fakes.jina import Jina
from fakes.limits import Limits
from fakes.mistral import Mistral
from fakes.ollama import Ollama
from fakes.openai import Azure, OpenAI
from fakes.provider import Provider
from fakes.server import Server
from fakes.vertex import Vertex
from fakes.voyage import Voyage
from fakes.wire import Ask

__all__ = ["FakeApi", "Request"]

PROVIDERS: tuple[type[Provider], ...] = (
    OpenAI,
    Azure,
    Cohere,
    Google,
    Vertex,
    Voyage,
    Mistral,
    Jina,
    Ollama,
    Bedrock,
    Compatible,
)


class FakeApi:
    """The server and everything about it that a test sets or looks at. Settings may change while it runs.

    `port` 0 takes a free one. Draws of faults and noise come from `seed`; vectors do not.
    """

    def __init__(self, seed: int = 0, port: int = 0) -> None:
        self.key = "fake-key-0123456789"
        self.secret = SECRET  # Bedrock's, to sign with
        self.latency = 0.0  # seconds a request for vectors takes
        self.retry_after = 0.05  # seconds that the fault rate_limit says to wait
        self.stall_seconds = 60.0  # the fault stall sends nothing for so long and then closes the connection
        self.slow_seconds = 0.2  # the fault slow takes so long to send the reply
        self.noise = 0.0  # length of what is added, at random, to every vector of a reply
        self.out_of_quota = False
        self.deployments: dict[str, str] = {"my-embeddings": "text-embedding-3-small"}  # Azure's: name, model
        self.requests: list[Request] = []
        self.refused: set[str] = set()
        self.limits: dict[str, Limits] = {}
        self.providers: Mapping[str, Provider] = {each.name: each() for each in PROVIDERS}
        self.faulty = Faults(random.Random(seed))
        self.batches = Batches(seed)
        self.closing = threading.Event()
        self.broken: list[BaseException | None] = []  # defects of the fake itself
        self._generations: dict[str, int] = {}
        self._noise = np.random.default_rng(seed)
        self._lock = threading.Lock()
        self._port = port
        self._server: Server

    def __enter__(self) -> FakeApi:
        self._server = Server(self, self._port)
        self._server.thread.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.closing.set()
        self._server.stop()
        if self.broken and error is None:
            raise AssertionError("the fake API itself failed") from self.broken[0]

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._server.server_address[1]}"

    def base(self, provider: str) -> str:
        """The base URL a client of `provider` is given."""
        return f"{self.url}/{provider}{self.providers[provider].base}"

    def vector(
        self, provider: str, model: str, text: str, dim: int | None = None, side: str = "document"
    ) -> np.ndarray:
        """The vector a client must end up with: float32 [dim], of unit length.

        `side` is "document", "query" or "" (none said); it counts only where the model knows sides.
        """
        player = self.providers[provider]
        side = side if player.has_sides(model) else ""
        width = dim or player.model(model).dim
        return vectors.vectors(self.space(player, model, side), [text], width)[0]

    def tokens(self, text: str) -> int:
        """How many tokens the fake counts in `text`, see vectors.tokens."""
        return vectors.tokens(text)

    def limit(
        self,
        provider: str,
        *,
        requests_per_minute: float | None = None,
        tokens_per_minute: float | None = None,
        inputs_per_minute: float | None = None,
        burst: float = 60.0,
    ) -> None:
        """Limit `provider` from now on, by buckets that start full and hold what flows in within `burst` seconds."""
        rates = {"requests": requests_per_minute, "tokens": tokens_per_minute, "inputs": inputs_per_minute}
        given = {name: rate for name, rate in rates.items() if rate is not None}
        self.limits[self.providers[provider].name] = Limits(given, burst)

    def faults(self, provider: str = "", **rates: float) -> None:
        """From now on, requests to `provider` (default: to all) fail with these probabilities and no others.

        The kinds are told in faults.py. Called once for all and once for a provider, both count.
        """
        self.faulty.set(provider and self.providers[provider].name, rates)

    def next_fault(self, kind: str, provider: str = "") -> None:
        """The next request (to `provider`) fails so. Called twice, the next two do, and so on."""
        self.faulty.force(kind, provider and self.providers[provider].name)

    def refuse(self, text: str) -> None:
        """From now on a request with this text in it is refused as a whole, and the reply does not say for which."""
        self.refused.add(text)

    def change_model(self, model: str) -> None:
        """From now on there is another model behind this name; `vector` knows."""
        self._generations[model] = self._generations.get(model, 0) + 1

    @property
    def batch_seconds(self) -> float:
        """How long the next batch jobs take."""
        return self.batches.seconds

    @batch_seconds.setter
    def batch_seconds(self, seconds: float) -> None:
        self.batches.seconds = seconds

    def next_batch(self, end: str) -> None:
        """The next batch job ends so: "completed", "expired" with half its rows done, or "failed" as a whole."""
        if end not in ENDS:
            raise ValueError(f"a batch job ends as one of {', '.join(ENDS)}, not {end!r}")
        self.batches.ends.append(end)

    def vectors_of(self, provider: Provider, ask: Ask) -> np.ndarray:
        """The vectors of a reply, noise included: float32 [n, dim]."""
        found = vectors.vectors(self.space(provider, ask.model, ask.side), ask.used, ask.dim, ask.full)
        if not self.noise:
            return found
        with self._lock:
            added = self._noise.standard_normal(found.shape)
        return vectors.disturbed(found, added, self.noise)

    def space(self, provider: Provider, model: str, side: str) -> str:
        return f"{provider.family}/{model}/{self._generations.get(model, 0)}/{side}"


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m fakes.api", description="Serve the fake embedding APIs.")
    parser.add_argument("--port", type=int, default=0, help="the port; a free one unless given")
    parser.add_argument("--latency", type=float, default=0.0, help="seconds a request takes")
    given = parser.parse_args()
    with FakeApi(port=given.port) as fake:
        fake.latency = given.latency
        print(fake.url, flush=True)
        with contextlib.suppress(KeyboardInterrupt):
            threading.Event().wait()


if __name__ == "__main__":
    main()
