"""One client in a fresh process: embeds every text of a file, and writes the vectors as they came, one a row.

`CLIENT texts.json vectors.npy MODEL DIM`, with OPENAI_BASE_URL and OPENAI_API_KEY set. Imports are not timed. Every
client but the plain loop has its best settings: ten retries, and requests as large as OpenAI takes them.
"""

from __future__ import annotations

import asyncio
import json
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np

RETRIES = 10
INPUTS = 2048
TOKENS = 300_000
MARGIN = 0.9
"""How full a request may be by characters, four of which are about a token: tiktoken's tables cannot be had offline."""
CHUNK = 1000
"""LangChain's own chunk_size; LlamaIndex gets as many."""
WORKERS = 4

Client = Callable[[list[str], str, int], Sequence[Any]]


def openai_loop(texts: list[str], model: str, dim: int) -> Sequence[Any]:
    """The official SDK as it comes, 2048 texts a request."""
    return from_sdk((texts[start : start + INPUTS] for start in range(0, len(texts), INPUTS)), model, dim)


def openai_best(texts: list[str], model: str, dim: int) -> Sequence[Any]:
    """The official SDK with ten retries, requests packed under the limit of tokens."""
    return from_sdk(packed(texts), model, dim, max_retries=RETRIES)


def from_sdk(batches: Iterator[list[str]], model: str, dim: int, **settings: Any) -> Sequence[Any]:
    from openai import OpenAI

    vectors: list[Any] = []
    with OpenAI(**settings) as client:
        for batch in batches:
            answer = client.embeddings.create(model=model, input=batch, dimensions=dim)
            vectors.extend(row.embedding for row in answer.data)
    return vectors


def packed(texts: list[str]) -> Iterator[list[str]]:
    batch: list[str] = []
    tokens = 0.0
    for text in texts:
        needs = len(text.encode()) / 4 + 1
        if batch and (len(batch) == INPUTS or tokens + needs > TOKENS * MARGIN):
            yield batch
            batch, tokens = [], 0.0
        batch.append(text)
        tokens += needs
    yield batch


def langchain(texts: list[str], model: str, dim: int) -> Sequence[Any]:
    from langchain_openai import OpenAIEmbeddings

    embeddings = OpenAIEmbeddings(
        model=model, dimensions=dim, chunk_size=CHUNK, max_retries=RETRIES, check_embedding_ctx_length=False
    )
    return embeddings.embed_documents(texts)


def llamaindex(texts: list[str], model: str, dim: int) -> Sequence[Any]:
    import os

    from llama_index.embeddings.openai import OpenAIEmbedding

    embeddings = OpenAIEmbedding(
        model=model,
        dimensions=dim,
        embed_batch_size=CHUNK,
        num_workers=WORKERS,
        max_retries=RETRIES,
        api_base=os.environ["OPENAI_BASE_URL"],
    )
    return asyncio.run(embeddings.aget_text_embedding_batch(texts))


def idembed(texts: list[str], model: str, dim: int) -> Sequence[Any]:
    import idembed

    return idembed.load(f"openai:{model}", dimensions=dim).encode(texts)


CLIENTS: dict[str, tuple[tuple[str, ...], Client]] = {
    "idembed": (("idembed.models.api.opening", "httpx2"), idembed),
    "openai_loop": (("openai",), openai_loop),
    "openai_best": (("openai",), openai_best),
    "langchain": (("langchain_openai",), langchain),
    "llamaindex": (("llama_index.embeddings.openai",), llamaindex),
}
"""What each imports, and how it is used."""


def main() -> None:
    name, source, target, model, dim = *sys.argv[1:5], int(sys.argv[5])
    modules, client = CLIENTS[name]
    for module in modules:
        __import__(module)
    texts = json.loads(Path(source).read_text())
    began = time.perf_counter()
    error = ""
    made: Sequence[Any] = []
    try:
        made = client(texts, model, dim)
    except Exception as raised:
        error = f"{type(raised).__name__}: {raised}"[:200]
    seconds = time.perf_counter() - began
    vectors = np.full((len(made), dim), np.nan, np.float32)
    for number, row in enumerate(made):
        if row is not None and len(row) == dim:
            vectors[number] = row
    np.save(target, vectors)
    print(json.dumps({"seconds": seconds, "error": error}))


if __name__ == "__main__":
    main()
