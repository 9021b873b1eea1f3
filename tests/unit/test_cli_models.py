"""``idembed models``: what there is; ``models accept``: another model answers behind a name."""

from __future__ import annotations

import json

import pytest
from api_line import SMALL, Line, fake, line, written

from fakes.api import FakeApi
from idembed.cli.output import Output

__all__ = ["fake", "line"]


def accept(line: Line, model: str = SMALL) -> dict[str, object]:
    code, out, err = line("models", "accept", model, "--yes", "--json")
    assert (code, err) == (0, "")
    found: dict[str, object] = json.loads(out)
    return found


# The list ------------------------------------------------------------------------------------------------


def test_models_of_apis_follow_those_for_this_machine(line: Line) -> None:
    code, out, err = line("models")
    fields = [row.split("\t") for row in out.splitlines()]
    assert (code, err) == (0, "")
    assert [row[0] for row in fields][:2] == ["all-MiniLM-L6-v2", "all-MiniLM-L12-v2"]
    assert ["openai:text-embedding-3-small", "1536", "8192", "api", "0.02", "2026-11-22", ""] in fields
    assert ["voyage:voyage-3.5", "1024", "32000", "api", "0.06", "2026-11-22", "2027-12-01"] in fields
    local = [row for row in fields if row[3] != "api"]
    assert all(len(row) == 4 and row[3] in ("True", "False") for row in local)
    assert fields == [*local, *(row for row in fields if row[3] == "api")]


def test_in_a_document_they_have_a_place_of_their_own(line: Line) -> None:
    document = json.loads(line("models", "--json")[1])
    assert {"name", "aliases", "dim", "max_length", "prompts", "pinned", "here"} == set(document["models"][0])
    apis = {api["name"]: api for api in document["apis"]}
    assert not set(apis) & {model["name"] for model in document["models"]}
    assert apis["google:gemini-embedding-001"] == {
        "name": "google:gemini-embedding-001",
        "dim": 3072,
        "dims": [128, 3072],
        "dims_are_range": True,
        "max_length": 2048,
        "dollars": 0.15,
        "priced": "2026-11-22",
        "ends": "2028-05-14",
        "or_later": True,
        "successor": "google:gemini-embedding-2",
    }
    assert apis["jina:jina-embeddings-v3"]["dollars"] is None


def test_on_a_terminal_they_stand_in_columns(line: Line, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Output, "styled", property(lambda out: True))
    rows = line("models")[1].splitlines()
    assert len({row.index(" dimensions") for row in rows}) == 1
    assert len({row.index(" tokens") for row in rows}) == 1
    told = {row.split()[0]: row for row in rows}
    assert told["openai:text-embedding-3-large"].endswith("8,192 tokens  $0.13 a million tokens (2026-11-22)")
    assert told["e5-base-v2"].endswith('512 tokens  "query:" before a query, "passage:" before a document')
    assert told["gte-base"].endswith("512 tokens")
    assert told["azure:text-embedding-3-large"].endswith("$0.143 a million tokens (2026-11-22)")
    assert told["vertex:text-embedding-005"].endswith("$0.10 a million tokens (2026-11-22), ends on 2027-04-01")
    assert told["google:gemini-embedding-001"].endswith(", ends not before 2028-05-14")
    assert told["jina:jina-embeddings-v3"].endswith("  price not known")


def test_a_model_that_is_gone_is_not_offered(line: Line) -> None:
    assert "google:text-embedding-004" not in line("models")[1]


def test_the_list_asks_nobody(line: Line, fake: FakeApi) -> None:
    line("models")
    assert fake.requests == []


# Another model behind the name -----------------------------------------------------------------------------


def test_another_model_is_accepted_as_a_space_of_its_own(line: Line, fake: FakeApi) -> None:
    written("rows.jsonl", "a cat", "a dog")
    assert line("sync", "rows.jsonl", "pets.db", "--model", SMALL)[0] == 0
    fake.change_model("text-embedding-3-small")
    code, _, err = line("search", "pets.db", "a cat")
    assert code == 4
    assert "is not the model that it was" in err
    code, out, err = line("models", "accept", SMALL, "--yes")
    assert (code, err) == (0, "")
    said = out.splitlines()
    assert said[0] == f"{SMALL}: revision 2, another space than revision 1"
    assert said[1].startswith("lowest cosine with what was said on 20")
    assert said[1].endswith("(between repeats it was 1.000000)")
    assert said[2] == "lowest cosine between repeats now: 1.000000"
    assert said[3] == f"next: idembed upgrade INDEX --to '{SMALL}'"
    code, _, err = line("search", "pets.db", "a cat")
    assert code == 4
    assert f"What was accepted since is revision 2: idembed upgrade INDEX --to '{SMALL}'" in err
    assert json.loads(line("search", "pets.db", "--id", "r0", "--json")[1])["hits"][0]["id"] == "r1"
    code, out, err = line("upgrade", "pets.db", "--to", SMALL, "--yes")
    assert (code, err) == (0, "")
    assert f"generation 2 ({SMALL}&revision=2): filled 2 rows, embedded 2 texts; complete" in out
    assert line("switch", "pets.db", "--force")[0] == 0
    code, out, _ = line("search", "pets.db", "a cat", "-k", "1", "--json")
    assert (code, json.loads(out)["hits"][0]["id"]) == (0, "r0")


def test_each_one_that_is_accepted_is_another_revision(line: Line, fake: FakeApi) -> None:
    first = accept(line)
    assert (first["old_revision"], first["revision"], first["cosine"]) == (None, 1, None)
    fake.change_model("text-embedding-3-small")
    second = accept(line)
    assert (second["old_revision"], second["revision"], second["noise"]) == (1, 2, 1.0)
    assert isinstance(second["cosine"], float)
    assert second["cosine"] < 0.9
    assert second["model"] == f"{SMALL}&revision=2"
    assert second["space"] != first["space"]
    fake.change_model("text-embedding-3-small")
    assert accept(line, f"{SMALL}&revision=1")["revision"] == 3


def test_without_a_yes_nothing_is_accepted(line: Line, fake: FakeApi) -> None:
    accept(line)
    fake.change_model("text-embedding-3-small")
    code, out, err = line("models", "accept", SMALL)
    assert (code, out) == (6, "")
    assert f"Accept what answers behind {SMALL} now as revision 2, another space than revision 1?" in err
    assert json.loads(line("prove", SMALL, "--json")[1])["model"] == SMALL


def test_it_is_said_when_there_is_no_need(line: Line) -> None:
    accept(line)
    for yes in ((), ("--yes",)):
        code, _, err = line("models", "accept", SMALL, *yes)
        assert code == 6
        assert "it says what it said on" in err
        assert "there is no need for this: nothing was changed" in err


def test_what_is_asked_for_is_paid_for_once(line: Line, fake: FakeApi) -> None:
    accept(line)
    assert sum(len(request.texts) for request in fake.requests) == 5 * 32


@pytest.mark.parametrize("name", ["all-MiniLM-L6-v2", "./pets.w2v", "org/name"])
def test_a_model_on_this_machine_needs_no_acceptance(line: Line, name: str) -> None:
    code, out, err = line("models", "accept", name, "--yes")
    assert (code, out) == (2, "")
    assert err.startswith(f"error: {name} is a model for this machine, which is known by its bytes")
    assert f"idembed prove {name}" in err


def test_a_command_that_names_a_profile_can_be_pasted_into_a_shell(line: Line) -> None:
    err = line("models", "accept", "all-MiniLM-L6-v2?profile=i8", "--yes")[2]
    assert "idembed prove 'all-MiniLM-L6-v2?profile=i8' shows" in " ".join(err.split())
