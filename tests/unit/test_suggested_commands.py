"""A command that a hint suggests can be typed as it stands: names with spaces and quotes are quoted for the shell."""

from __future__ import annotations

from datetime import date
from pathlib import Path

import numpy as np
import pytest
from fake_models import FakeModel

import idembed
from idembed import Index, ModelChangedError, OptionError
from idembed.errors import ApiError
from idembed.index.origin import COPY_OF, refuse_unfinished
from idembed.models.api.evidence import Evidence
from idembed.models.api.model import ApiModel
from idembed.models.api.retired import Retirement, notice
from idembed.models.base import Vectors
from idembed.models.prove.api import prove_api

NAME = "http://127.0.0.1:9/it's/v1#m"
TYPED = """'http://127.0.0.1:9/it'"'"'s/v1#m'"""
BEFORE = Evidence(np.eye(32, dtype=np.float32), 1.0, "2026-11-02")


@pytest.fixture
def model() -> ApiModel:
    """One that was measured when its vectors had 32 numbers."""
    loaded = idembed.load(NAME)
    assert isinstance(loaded, ApiModel)
    loaded.accept(BEFORE)
    return loaded


def test_a_model_that_changed_is_accepted_by_its_name(model: ApiModel) -> None:
    found = model.changed(0.5, BEFORE, "2026-11-02")
    assert found.hint.endswith(f": idembed models accept {TYPED}, then idembed upgrade INDEX --to {TYPED}")


def test_a_model_that_was_accepted_since_is_moved_to_by_its_name(model: ApiModel) -> None:
    old = idembed.load(NAME, revision="1")
    model.accept(BEFORE)
    assert isinstance(old, ApiModel)
    assert old.changed(0.5, BEFORE, "2026-11-02").hint.endswith(f"is revision 2: idembed upgrade INDEX --to {TYPED}")


def test_a_model_whose_vectors_became_wider_is_accepted_by_its_name(
    model: ApiModel, monkeypatch: pytest.MonkeyPatch
) -> None:
    def probe(*_: object) -> Vectors:
        raise ApiError("of another width", width=48)

    monkeypatch.setattr(model, "probe", probe)
    with pytest.raises(ModelChangedError, match="its vectors have 48 numbers, and had 32") as caught:
        model.look_after(1000)
    assert caught.value.hint.endswith(f"idembed models accept {TYPED}")


def test_a_proof_that_finds_wider_vectors_advises_the_same(model: ApiModel, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(model, "probe", lambda texts, journal: np.eye(len(texts), 48, dtype=np.float32))
    assert prove_api(model).advice == f"idembed models accept {TYPED}"


def test_an_index_whose_model_ends_is_upgraded_by_its_name() -> None:
    ends = Retirement("openai", "m", date(2026, 1, 1), "openai:n", "a page")
    said = notice(ends, "openai:m", date(2026, 12, 24), "the pets' index.db")
    assert said.hint.startswith("""idembed upgrade 'the pets'"'"' index.db' --to openai:n rebuilds it""")


def test_a_part_of_a_copy_is_copied_again_by_its_name() -> None:
    with pytest.raises(idembed.IdembedError, match="holds only a part of a copy") as caught:
        refuse_unfinished({COPY_OF: "x"}, "the pets' copy.db")
    assert """idembed copy INDEX --to 'the pets'"'"' copy.db'; or remove""" in caught.value.hint


def test_an_index_that_is_no_file_of_vectors_is_copied_by_its_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    with Index("the pets' index.db", FakeModel(), vault="none") as index:
        index.sync([{"id": "a", "text": "a cat"}])
    with pytest.raises(OptionError, match="is an index of idembed already") as caught:
        Index.adopt("the pets' index.db", model=FakeModel(), to="new.db")
    assert caught.value.hint == """to copy it: idembed copy 'the pets'"'"' index.db' --to NEW"""
