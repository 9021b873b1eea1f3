"""What a vault must keep: the vectors that indexes hold, also where another program made them unreadable."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

import numpy as np
import pytest
from fake_models import FakeModel, rows

from idembed.errors import IndexNotFoundError
from idembed.index import Index
from idembed.index.kept import addresses_of
from idembed.space import address
from idembed.vault import Vault

SPACE = FakeModel().space.id


@pytest.fixture
def vault(tmp_path: Path) -> Vault:
    return Vault(tmp_path / "vault")


@pytest.fixture
def path(tmp_path: Path, vault: Vault) -> Path:
    """An index of three rows that keeps everything in the vault."""
    with Index(tmp_path / "pets.db", FakeModel(), vault=vault) as index:
        index.sync(rows("a:a cat", "b:a dog", "c:an owl"))
    return tmp_path / "pets.db"


def by_another_program(path: Path, statement: str) -> None:
    with closing(sqlite3.connect(path)) as other, other:
        other.execute(statement)


def test_every_generation_of_every_index_counts(tmp_path: Path, vault: Vault, path: Path) -> None:
    with Index(tmp_path / "two.db", FakeModel(), vault=vault) as other:
        other.sync(rows("1:one", "2:two", "3:three"))
        other.sync(rows("1:one", "2:two"))
        other.upgrade(FakeModel("new"))
    two = str(tmp_path / "two.db")
    assert vault.gc(addresses_of([two, str(path)]), dry_run=True).vectors == 1
    assert vault.gc(addresses_of([two]), dry_run=True).vectors == 4
    with pytest.raises(IndexNotFoundError):
        addresses_of([two, str(tmp_path / "no.db")])


def test_addresses_take_16_bytes_each(path: Path) -> None:
    found = addresses_of([str(path)])
    assert (found.dtype, found.shape) == (np.dtype("S16"), (3,))


@pytest.mark.parametrize("what", ["vector = zeroblob(64)", "vector = x'00'"])
def test_a_vector_that_another_program_edited_stays_in_the_vault_for_the_repair(
    vault: Vault, path: Path, what: str
) -> None:
    by_another_program(path, f"UPDATE vectors_1 SET {what} WHERE vid = 2")
    assert vault.gc(addresses_of([str(path)])).vectors == 0
    model = FakeModel()
    with Index(path, model, vault=vault) as index:
        assert index.verify(repair=True, sample=0).ok
    assert model.asked == []


def test_so_does_one_of_a_text_that_is_split(tmp_path: Path, vault: Vault) -> None:
    with Index(tmp_path / "s.db", FakeModel(), vault=vault, split=25) as index:
        index.sync(rows("a:First sentence here. Second sentence there."))
    by_another_program(tmp_path / "s.db", "UPDATE vectors_1 SET vector = zeroblob(64)")
    assert vault.gc(addresses_of([str(tmp_path / "s.db")])).vectors == 0
    parts = ("First sentence here.", "Second sentence there.")
    places = [address(SPACE, "document", text) for text in parts]
    assert vault.get(SPACE, places).keys() == set(places)


def test_so_does_one_of_a_text_that_another_program_edited(vault: Vault, path: Path) -> None:
    by_another_program(path, "UPDATE texts SET text = 'edited' WHERE key = 1")
    assert vault.gc(addresses_of([str(path)])).vectors == 0
