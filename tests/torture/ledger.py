"""Which vectors are durable in a place where they can be used, and which texts models were asked for since."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from pathlib import Path

from safetensors import SafetensorError
from safetensors.numpy import load_file
from stored import Stored
from world import Truth, address_of, checksum_of, spans
from wrong import refuse

Addresses = set[bytes]


def durable(found: Stored, folder: Path) -> Addresses:
    """Of the vectors that are committed and whole: in the index, in the vault, in flight."""
    return in_index(found) | in_vault(folder / "vault") | in_flight(folder)


def in_index(found: Stored) -> Addresses:
    """In any generation, whether a row still has them or not."""
    return {
        part.address
        for parts in found.parts.values()
        for part in parts.values()
        if isinstance(part.vector, bytes)
        and checksum_of(part.address, part.vector, part.tokens, part.truncated) == part.checksum
    }


def recorded(found: Stored) -> Addresses:
    """The addresses of all parts, whatever became of their vectors."""
    return {part.address for parts in found.parts.values() for part in parts.values()}


def in_flight(folder: Path) -> Addresses:
    return set().union(*(in_vault(place) for place in (folder / "vault" / "in-flight").glob("*")))


def in_vault(folder: Path) -> Addresses:
    """In segments whose addresses can be searched."""
    found: Addresses = set()
    for path in sorted(folder.glob("[0-9a-f]*/*.safetensors")):
        try:
            columns = load_file(path)
            addresses, *others = (columns[n] for n in ("address", "vector", "tokens", "truncated", "check"))
        except (SafetensorError, OSError, KeyError):
            continue  # damaged as a whole
        places = [row.tobytes() for row in addresses]
        if places != sorted(places):
            continue
        for address, vector, tokens, truncated, check in zip(places, *others, strict=True):
            if checksum_of(address, vector.tobytes(), int(tokens), int(truncated)) == check.tobytes():
                found.add(address)
    return found


def asked(folder: Path) -> Counter[bytes]:
    """How often models were asked for each text, by address, since this was last called."""
    log = folder / "asked"
    found = Counter(map(bytes.fromhex, log.read_text().split())) if log.exists() else Counter()
    log.unlink(missing_ok=True)
    return found


def needed(truth: Truth, ids: Iterable[str], names: Iterable[str]) -> Addresses:
    """The addresses of all parts of these rows by these models."""
    contents, models = truth.contents, list(names)
    return {
        address_of(name, contents[row_id][0][start:end])
        for row_id in ids
        for start, end in spans(contents[row_id][0], truth.split)
        for name in models
    }


def check_asked(what: str, made: Counter[bytes], kept: Addresses) -> None:
    """No text went through a model whose vector was durable, and none twice."""
    again = sum(made[address] for address in made.keys() & kept) + sum(
        count - 1 for address, count in made.items() if address not in kept
    )
    refuse(what, computed_again=again)
