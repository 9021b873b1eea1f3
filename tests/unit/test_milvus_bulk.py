"""Files for Milvus' bulk import hold the index: read back and written into a server, they are it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from fake_models import FakeModel, rows

pytest.importorskip("pymilvus", reason='needs Milvus: pip install "pymilvus[milvus_lite]"')

import pyarrow as pa
import pyarrow.parquet as pq

from fakes.memory_engine import MemoryEngine
from idembed.errors import StoreError
from idembed.index import Index
from idembed.stores.collection.engine import Record
from idembed.stores.milvus import bulk
from idembed.stores.milvus.bulk import finish, prepare, write_files
from idembed.stores.milvus.engine import MilvusEngine
from idembed.stores.milvus.fields import schema_of
from milvus_server import new_milvus

PETS = [*rows("a:a cat", "b:a dog", "é:an owl", '\'; --:100% "quoted"', kind="pet", f=-0.5), *rows("z:a cat")]


def imported(engine: MilvusEngine, number: int, path: Path) -> None:
    """As a cluster does."""
    table = pq.read_table(path)
    columns: dict[str, Any] = {name: table[name].to_pylist() for name in table.column_names}
    columns["metadata"] = [text.encode() for text in columns["metadata"]]
    columns["vector"] = np.array(columns["vector"], np.float32)
    engine._link(lambda to: to.wire.upsert(f"pets_g{number}", columns))


def test_an_index_that_was_imported_from_files_is_the_index(tmp_path: Path) -> None:
    source, url = MemoryEngine(f"{tmp_path}/pets"), new_milvus()
    with Index(f"memory://{tmp_path}/pets", FakeModel(), vault="none") as index:
        index.sync(PETS)
        root = index.lock().root
    target = MilvusEngine(url)
    assert prepare(source, target) == [1]
    (path,) = write_files(source, 1, tmp_path / "pets_g1")
    with pytest.raises(StoreError, match="of 5 records of generation 1 0 are there"):
        finish(source, target)
    imported(target, 1, path)
    finish(source, target)
    target.close()
    with Index(url, FakeModel(), vault="none") as index:
        assert index.lock().root == root
        assert index.verify(everything=True).ok
        assert index.sync(PETS).embedded == 0
        assert index.search("a cat", k=1)[0].id == "a"
    with pytest.raises(StoreError, match="there is an index already"):
        prepare(source, MilvusEngine(url))


def test_files_have_the_columns_of_the_collection_in_types_that_an_import_takes(tmp_path: Path) -> None:
    source = MemoryEngine(f"{tmp_path}/types")
    for dim in (1, 3):
        source.create(dim, dim)
        source.put(dim, [Record("a", vector=np.full(dim, -0.0, np.float32), live=True)])
        (path,) = write_files(source, dim, tmp_path / str(dim))
        kinds = {field.name: field.type for field in pq.read_schema(path)}
        assert kinds.keys() == {field.name for field in schema_of(dim).fields}
        assert kinds.pop("vector") == pa.list_(pa.float32())
        assert kinds.pop("_padded", None) == (pa.bool_() if dim == 1 else None)
        assert {kinds.pop(name) for name in ("part", "tokens", "_order", "_place", "_address", "_state")} == {
            pa.int64()
        }
        assert set(kinds.values()) == {pa.string()}
        (vector,) = pq.read_table(path)["vector"].to_pylist()
        assert np.signbit(vector).tolist() == ([True, False] if dim == 1 else [True] * 3)


def test_a_large_collection_is_many_files_and_each_record_is_in_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bulk, "_FILE", 100_000)
    source = MemoryEngine(f"{tmp_path}/large")
    source.create(1, 8)
    source.put(1, [Record(f"row {i}", vector=np.ones(8, np.float32)) for i in range(5000)])
    paths = write_files(source, 1, tmp_path / "files")
    assert [path.name for path in paths[:2]] == ["000001.parquet", "000002.parquet"]
    assert len(paths) >= 3
    found = [name for path in paths for name in pq.read_table(path)["id"].to_pylist()]
    assert sorted(found) == sorted(f"row {i}" for i in range(5000))
