from __future__ import annotations

import hashlib
import subprocess
import sys

import pytest

from idembed.canonical import NotCanonicalError
from idembed.space import ADDRESS_BYTES, Difference, Space, address

FACTS = {"weights": "ab" * 32, "pooling": "mean", "max_length": 256}


def test_the_id_hashes_the_canonical_text() -> None:
    space = Space("checkpoint", 384, "cosine", FACTS)
    assert space.canonical == (
        '{"dim":384,"facts":{"max_length":256,"pooling":"mean","weights":"' + "ab" * 32 + '"},'
        '"kind":"checkpoint","similarity":"cosine"}'
    )
    assert space.id == hashlib.sha256(space.canonical.encode()).hexdigest()


def test_spaces_are_equal_by_what_they_are() -> None:
    one = Space("checkpoint", 384, "cosine", FACTS)
    two = Space("checkpoint", 384, "cosine", dict(reversed(list(FACTS.items()))) | {"max_length": 256.0})
    assert one == two
    assert hash(one) == hash(two)
    assert one.id == two.id
    assert one != Space("checkpoint", 384, "dot", FACTS)
    assert one != "checkpoint"


def test_reading_the_canonical_text_gives_the_same_space() -> None:
    space = Space("api", 3, "dot", {"a": [1, {"b": None}], "é": "\u2028"})
    again = Space.from_canonical(space.canonical)
    assert again == space
    assert again.id == space.id


def test_differences_name_every_fact_that_differs() -> None:
    here = Space("checkpoint", 384, "cosine", FACTS)
    there = Space("checkpoint", 768, "cosine", {"pooling": "cls", "max_length": 256, "prompt": "query: "})
    found = here.differences(there)
    assert found == [
        Difference("dim", 384, 768),
        Difference("pooling", "mean", "cls"),
        Difference("prompt", None, "query: "),
        Difference("weights", "ab" * 32, None),
    ]
    assert str(found[1]) == 'pooling: "mean" here, "cls" there'
    assert str(found[3]) == 'weights: "' + "ab" * 18 + "... here, null there"
    assert here.differences(here) == []


def test_facts_must_have_a_spelling() -> None:
    with pytest.raises(NotCanonicalError):
        _ = Space("x", 1, "dot", {"a": float("nan")}).id


def test_an_address_is_16_bytes_of_the_length_prefixed_fields() -> None:
    digest = hashlib.sha256()
    for field in ("5f" * 32, "document", "a café"):
        digest.update(len(field.encode()).to_bytes(8, "little") + field.encode())
    assert address("5f" * 32, "document", "a café") == digest.digest()[:16]
    assert ADDRESS_BYTES == 16


def test_addresses_differ_in_each_field_and_fields_do_not_run_together() -> None:
    known = {
        address("s", "document", "text"),
        address("t", "document", "text"),
        address("s", "query", "text"),
        address("s", "document", "text "),
        address("sdocument", "document", "text"),
        address("s", "document", "documenttext"),
        address("s", "document", ""),
    }
    assert len(known) == 7


def test_spaces_need_no_numpy() -> None:
    code = "import sys, idembed.space; print('numpy' in sys.modules)"
    assert subprocess.check_output([sys.executable, "-c", code], text=True) == "False\n"
