"""Arguments of a wrong kind: refused by name, and nothing is begun."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from fake_models import FakeModel, rows

from idembed.errors import OptionError
from idembed.index import Index

NEW = FakeModel("new")


@pytest.fixture
def index(tmp_path: Path) -> Iterator[Index]:
    with Index(tmp_path / "pets.db", FakeModel("old"), vault="none") as opened:
        opened.sync(rows("a:a cat", "b:a dog", "7:a fox", lang="en"))
        yield opened


@pytest.mark.parametrize(
    ("call", "says"),
    [
        (lambda index: index.upgrade(NEW, until="5%"), "until='5%': a share of the rows is more than 0"),
        (lambda index: index.upgrade(NEW, until=True), "until=True: a share"),
        (lambda index: index.upgrade(NEW, throttle="x"), "throttle='x': it is a number of texts a second"),
        (lambda index: index.upgrade(NEW, max_cost="x"), "max_cost='x': it is a number of dollars"),
        (lambda index: index.upgrade(NEW, first="4983", until=0.5), "first='4983': a list of ids is needed"),
        (lambda index: index.upgrade(NEW, first=7, until=0.5), "first=7: a list of ids is needed"),
        (lambda index: index.upgrade(NEW, by=3, until=0.5), "by=3: a key of the metadata is needed"),
        (lambda index: index.upgrade(NEW, by="color", until=0.5), "by='color': no row of .* has this key"),
        (lambda index: index.upgrade(NEW, on_empty="x"), "on_empty='x': it is"),
        (lambda index: index.upgrade(3), "to=3: the name of a model, or a Model, is needed"),
        (lambda index: index.estimate_upgrade(NEW, until="5%"), "until='5%': a share"),
        (lambda index: index.estimate_upgrade(NEW, by="color", until=0.5), "by='color': no row"),
        (lambda index: index.rebuild(throttle="x"), "throttle='x'"),
        (lambda index: index.verify(sample="x"), "sample='x': a whole number is needed"),
        (lambda index: index.verify(lock={}), "lock is of type dict: a Lock, or the path of its file, is needed"),
        (lambda index: index.judge(auto="x"), "auto='x': a whole number is needed"),
        (lambda index: index.judge(margin="x"), "margin='x': a number is needed"),
        (lambda index: index.judge([{"id": "x"}]), r"questions\[0\] is of type dict: a Question .* is needed"),
        (lambda index: index.judge(3), "questions=3: a list of Questions .* is needed"),
        (lambda index: index.drop(None), "generation=None: a whole number is needed"),
        (lambda index: index.get(3.0), "ids=3.0: an id or a list of ids is needed"),
        (lambda index: index.search("cat", k=True), "k=True: a whole number is needed"),
        (lambda index: Index.adopt("x.jsonl", model=NEW, sample="x"), "sample='x': a whole number is needed"),
    ],
)
def test_a_wrong_kind_is_refused_by_name(index: Index, call: Callable[[Any], object], says: str) -> None:
    with pytest.raises(OptionError, match=says):
        call(index)
    assert [generation.number for generation in index.generations] == [1]


def test_numbers_of_numpy_are_numbers_and_ids_are_taken_as_in_sources(index: Index) -> None:
    report = index.upgrade(NEW, until=np.float32(0.1), first=[7], by="lang", throttle=np.int64(1000))  # type: ignore[list-item, arg-type]
    assert report.rows in (1, 2)
    assert "7" in {row.id for row in index._catalog.readable()[0].scan(2) if row.parts}
    index.drop(np.int64(2))  # type: ignore[arg-type]
