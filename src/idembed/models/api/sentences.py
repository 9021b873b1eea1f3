"""What the sentences in errors mean, where no code says it. Most providers word the same few faults; all of it is here.

Each phrase was seen in an answer of the provider that is named beside it; the last two stand for those whose words for
a text that is too long were not seen.
"""

from __future__ import annotations

import re
from typing import Any

from idembed.models.api.adapter import Fault
from idembed.models.api.faults import by_status, message_in, seconds_in

__all__ = ["meaning", "usual_fault"]

_TOO_MUCH = re.compile(
    r"array too long"  # OpenAI
    r"|tokens per request"
    r"|too many inputs"  # Azure, Mistral
    r"|number of texts must be at most"  # Cohere
    r"|requests can be in one batch|payload size exceeds"  # Google
    r"|instances?\(s\) (?:is|are) allowed"  # Vertex AI
    r"|tokens per submitted batch|too_many_tokens_in_batch|batch size.{0,20}\b1000\b"  # Voyage
    r"|split into more batches|too many tokens in batch"  # Mistral
    r"|maximum allowed batch size|batch size is invalid"  # Text Embeddings Inference, DashScope
    r"|at most \d+ items",  # whatever checks with pydantic
    re.IGNORECASE,
)
_TOO_LONG = re.compile(
    r"maximum (?:context|input) length"  # OpenAI, vLLM, older Ollama
    r"|exceeds the context length|context length is only"  # Ollama, vLLM
    r"|max context size|available context size|too large to process"  # llama.cpp
    r"|must have less than \d+ (?:tokens|characters)"  # Text Embeddings Inference
    r"|too many (?:input )?tokens"  # Voyage, Cohere, Titan
    r"|input token count"  # Google
    r"|expected maxlength"  # Bedrock
    r"|exceed(?:s|ing)? (?:the )?max(?:imum)? .{0,20}tokens"
    r"|(?:input|text|prompt|sequence|content)s? (?:is |are )?too long",
    re.IGNORECASE,
)
_COUNT = re.compile(
    r"requested (\d+)|passed (\d+)|has (\d+) (?:input )?tokens|tokens\. given: (\d+)"
    r"|token count:? (?:is )?\(?(\d+)|input \((\d+) tokens\)",
    re.IGNORECASE,
)
_WHICH = re.compile(r"input\[(\d+)\]|example at index (\d+)|input id (\d+)", re.IGNORECASE)
_DIMENSIONS = re.compile(
    r"matryoshka"
    r"|dimension(?:s|ality)?\b.{0,60}(?:must|not|invalid|support|between|less|greater|one of|equal|large|small)"
    r"|(?:specify|invalid|unsupported|value for|support)[^.]{0,40}dimension",
    re.IGNORECASE,
)
_MODEL = re.compile(
    r"(?:invalid|unknown|unsupported) model|supported models are|model identifier|input_model_not_found"
    r"|\bmodel\b[^.]{0,80}(?:not found|does not exist|is not supported|is not available|isn.t supported)",
    re.IGNORECASE,
)
_REQUEST = re.compile(
    r"unknown name|extra inputs are not permitted|extraneous key|unrecognized request argument"
    r"|argument '\w+' is not supported|invalid task|input_type|task_type",
    re.IGNORECASE,
)
_AGAIN = re.compile(r"(?:retry|try again) (?:after|in) ((?:\d+(?:\.\d+)?(?:ms|[hms])?)+)", re.IGNORECASE)


def meaning(said: str) -> Fault | None:
    """The fault that a sentence about a refused request describes, None if it is about something else."""
    if said.startswith(("['", '["')):
        # OpenAI once said that a list is too long by repeating the list.
        return Fault("split", "there were too many texts in the request")
    if _TOO_MUCH.search(said):
        return Fault("split", said)
    if _TOO_LONG.search(said):
        return Fault("long", said, tokens=_number(_COUNT, said), which=_number(_WHICH, said))
    if _DIMENSIONS.search(said):
        return Fault("fatal", said, "ask for dimensions that the model has, or leave them out")
    if _MODEL.search(said):
        return Fault("fatal", said, "look at the model's name: this provider has none of that name, or not any more")
    if _REQUEST.search(said):
        # Every text would be refused for it.
        return Fault("fatal", said, "the model does not take what is asked for besides the texts: look at its tasks")
    return None


def usual_fault(status: int, body: Any) -> Fault:
    """What an error's sentence says, else its status; adapters ask this after the codes that are theirs alone."""
    said = message_in(body)
    if status in (400, 413, 422) and (fault := meaning(said)):
        return fault
    fault = by_status(status, body)
    if fault.kind == "wait" and fault.after is None and (again := _AGAIN.search(said)):
        return fault._replace(after=seconds_in(again[1]))
    return fault


def _number(pattern: re.Pattern[str], said: str) -> int | None:
    found = pattern.search(said)
    stated = next((group for group in found.groups() if group), "") if found else ""
    return int(stated) if 0 < len(stated) < 10 else None
