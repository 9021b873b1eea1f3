"""Another model's generation: built beside, kept right by syncs, judged, switched, rolled back, dropped."""

from __future__ import annotations

import json
import sqlite3
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from fake_models import FakeModel, FakeWords, rows

from databases import on_sqlite
from idembed.errors import (
    CostLimitError,
    DamagedError,
    LeaseHeldError,
    ModelError,
    ModelNotFoundError,
    NoKnownWordError,
    OptionError,
    RefusedError,
    SpaceMismatchError,
)
from idembed.index import Index, Progress, generations
from idembed.index.generations import rollback
from idembed.models.base import Embedded
from idembed.shown import shell_word, without_password

PETS = rows("a:a cat", "b:a dog", "c:a fox", "d:an owl")


@pytest.fixture
def path(place: Path | str) -> Path | str:
    return place


@pytest.fixture
def old() -> FakeModel:
    return FakeModel("old")


@pytest.fixture
def new() -> FakeModel:
    return FakeModel("new", dim=8)


@pytest.fixture
def index(path: Path, old: FakeModel) -> Iterator[Index]:
    with Index(path, old, vault="none") as opened:
        opened.sync(PETS)
        yield opened


def typed(path: Path | str) -> str:
    return shell_word(without_password(str(path)))


def statuses(index: Index) -> dict[int, str]:
    return {g.number: f"{g.status}{'' if g.complete else ', incomplete'}" for g in index.generations}


def vectors(index: Index, number: int) -> dict[str, bytes]:
    """The bytes of every current vector of a generation, by row."""
    store, _ = index._catalog.readable()
    return {
        row.id: b"".join(p.vector.tobytes() for p in row.parts if row.has_current(p) and p.vector is not None)
        for row in store.scan(number)
    }


def made_by(model: FakeModel, source: Sequence[dict[str, Any]]) -> dict[str, bytes]:
    return {row["id"]: model.vector(row["text"]).tobytes() for row in source}


# Building ------------------------------------------------------------------------------------------


def test_an_upgrade_builds_beside_the_old_generation(index: Index, new: FakeModel) -> None:
    report = index.upgrade(new)
    assert (report.rows, report.embedded, report.lacking, report.complete) == (4, 4, 0, True)
    assert str(report) == "generation 2 (new): filled 4 rows, embedded 4 texts; complete"
    assert statuses(index) == {1: "active", 2: "building"}
    assert index.search("a dog", k=1)[0].id == "b"
    assert index.space == FakeModel("old").space
    assert vectors(index, 2) == made_by(new, PETS)


def test_an_estimate_writes_nothing(index: Index, new: FakeModel) -> None:
    estimate = index.estimate_upgrade(new)
    assert (estimate.texts, estimate.tokens, estimate.dollars) == (4, 8, 0)
    assert statuses(index) == {1: "active"}
    assert index.estimate_upgrade(new, until=0.5).texts == 2


def test_an_estimate_is_of_the_rows_that_will_be_built(path: Path, old: FakeModel, new: FakeModel) -> None:
    """Whatever part is there already, and whichever rows and shares are asked for."""
    with Index(path, old, vault="none") as index:
        index.sync(rows(*(f"e{i:02}:short {i}" for i in range(80)), lang="en"), scope="a")
        index.sync(rows(*(f"t{i}:{'long ' * 30}{i}" for i in range(3)), lang="th"), scope="b")
        qrels = [f"e{i:02}" for i in range(30)]
        asked: list[dict[str, Any]] = [
            {},
            {"until": 0.05},
            {"until": 0.05, "by": "lang"},
            {"until": 0.05, "first": ["t0", "t1", "nobody"]},
            {"until": 0.05, "first": qrels},  # of these, some are built by now
            {"until": 0.2},
            {"until": 1.0},
            {},
        ]
        wanted = []
        for number, options in enumerate(asked):
            estimate = index.estimate_upgrade(new, **options)
            if number in (0, 6):  # the whole is only looked at
                assert estimate.texts == 83 - sum(wanted)
                continue
            report = index.upgrade(new, **options)
            assert (estimate.texts, estimate.tokens) == (report.embedded, report.tokens), options
            wanted.append(estimate.texts)
        assert wanted[3] > 20
        assert index.estimate_upgrade(new).texts == 0


def test_a_key_is_for_a_part(index: Index, new: FakeModel) -> None:
    for ask in (index.estimate_upgrade, index.upgrade):
        with pytest.raises(OptionError, match="by='lang' is for a part") as caught:
            ask(new, by="lang")
        assert "until=0.05" in caught.value.hint
    assert statuses(index) == {1: "active"}


def test_texts_without_a_known_word_do_not_keep_an_estimate_from_being_made(index: Index) -> None:
    index.sync([*PETS, *rows(*(f"x{i}:xxx {'x' * i}" for i in range(20)))])
    words = FakeWords("words")
    estimate = index.estimate_upgrade(words)
    assert (estimate.texts, estimate.tokens, estimate.problem) == (24, 7, "")  # a fox is none that it knows
    assert index.upgrade(words, on_empty="skip").complete
    index.sync(rows(*(f"y{i}:xxx" for i in range(3))), scope="none of them known")
    plan = index.plan(rows(*(f"z{i}:xxx x{i}" for i in range(3))), scope="more")
    assert [estimate.texts for estimate in plan.estimates] == [3, 3]


def test_a_plan_says_which_generation_will_be_left_behind(index: Index, path: Path, new: FakeModel) -> None:
    index.upgrade(new)
    changed = rows("a:a cat", "b:two dogs", "d:an owl")
    with Index(path, FakeModel("old"), vault="none") as other:  # which does not know where "new" is
        plan = other.plan(changed)
        mine, theirs = plan.estimates
        assert (mine.texts, mine.problem, theirs.texts, theirs.tokens, theirs.seconds) == (1, "", 1, 0, None)
        assert theirs.problem.startswith("a sync will leave generation 2 behind: generation 2 of ")
        assert str(theirs).startswith("new: 1 text to embed, 0.1 MB of disk; a sync will leave generation 2 behind")
        assert json.loads(json.dumps(plan.as_dict()))["estimates"][1]["problem"] == theirs.problem
        assert [number for number, _ in other.sync(changed).behind] == [2]


def test_a_plan_that_embeds_nothing_needs_no_model(index: Index, path: Path) -> None:
    with Index(path, vault="none") as other:  # which does not know where "old" is
        plan = other.plan(rows("a:a cat", "b:a dog", "c:a fox", "moved:an owl"))
    assert (plan.moved, [str(estimate) for estimate in plan.estimates]) == (1, ["old: nothing to embed"])
    with Index(path, vault="none") as other, pytest.raises(ModelNotFoundError, match="was built with old"):
        other.plan(rows("a:a cat", "b:a dog", "c:a fox", "d:a newt"))


def test_an_upgrade_to_the_model_that_is_there_is_refused(index: Index) -> None:
    with pytest.raises(OptionError, match="is of the space of old already"):
        index.upgrade(FakeModel("old"))


def test_an_upgrade_to_what_is_on_standby_is_a_switch(
    index: Index, path: Path | str, old: FakeModel, new: FakeModel
) -> None:
    index.upgrade(new)
    index.switch()
    with pytest.raises(OptionError, match=r"generation 1 of .* on standby") as caught:
        index.upgrade(old)
    assert caught.value.hint.endswith(f"{typed(path)} 1")
    assert "idembed switch" in caught.value.hint
    index.switch(1)
    assert statuses(index) == {1: "active", 2: "standby"}


def test_of_two_standbys_the_one_that_was_asked_for_is_named(
    index: Index, path: Path | str, old: FakeModel, new: FakeModel
) -> None:
    for model in (new, FakeModel("third")):
        index.upgrade(model)
        index.switch()
    with pytest.raises(OptionError, match="generation 1 of") as caught:  # rollback would be to 2
        index.upgrade(old)
    assert "idembed switch" in caught.value.hint
    assert caught.value.hint.endswith(f"{typed(path)} 1")


def test_a_standby_that_has_fallen_behind_is_completed_by_an_upgrade(
    index: Index, path: Path, old: FakeModel, new: FakeModel
) -> None:
    index.upgrade(new)
    index.switch()
    with Index(path, FakeModel("new", dim=8), vault="none") as other:  # which does not know where "old" is
        other.upsert(rows("e:an elk"))
    with pytest.raises(RefusedError, match=r"generation 1 .* is not finished: 1 row has no") as caught:
        index.switch(1)
    assert "idembed upgrade" in caught.value.hint
    report = index.upgrade(old)
    assert (report.generation, report.rows, report.complete) == (1, 1, True)
    assert index.switch(1) == ["nothing was judged: idembed judge compares the two on questions before a switch"]


def test_an_upgrade_that_was_stopped_goes_on(index: Index, path: Path) -> None:
    class Failing(FakeModel):
        batch_size = 1

        def embed(self, texts: Sequence[str], *args: Any, **kwargs: Any) -> Embedded:
            if "a fox" in texts:
                raise RuntimeError("the line went dead")
            return super().embed(texts, *args, **kwargs)

    with pytest.raises(RuntimeError, match="went dead"):
        index.upgrade(Failing("new", dim=8))
    assert statuses(index) == {1: "active", 2: "building, incomplete"}
    assert [g.rows for g in index.status().generations] == [4, 2]
    again = FakeModel("new", dim=8)
    report = index.upgrade(again)
    assert (report.generation, report.rows, again.asked, report.complete) == (2, 2, ["a fox", "an owl"], True)


def test_equal_texts_are_embedded_once(path: Path, old: FakeModel, new: FakeModel) -> None:
    with Index(path, old, vault="none") as index:
        index.sync(rows(*(f"{i}:text {i % 3}" for i in range(900))))
        assert index.upgrade(new).embedded == 3


def test_a_part_is_the_same_share_of_every_scope(path: Path, old: FakeModel, new: FakeModel) -> None:
    with Index(path, old, vault="none") as index:
        for scope, count in (("large", 200), ("small", 10), ("one", 1)):
            index.sync(rows(*(f"{scope}{i}:text {i}" for i in range(count))), scope=scope)
        report = index.upgrade(new, until=0.1)
        assert (report.rows, report.lacking, report.complete) == (22, 189, False)
        built = {row_id.rstrip("0123456789") for row_id, raw in vectors(index, 2).items() if raw}
        assert built == {"large", "small", "one"}
        first = {row_id for row_id, raw in vectors(index, 2).items() if raw}
        index.upgrade(new, until=0.2)
        assert first < {row_id for row_id, raw in vectors(index, 2).items() if raw}


def test_a_part_is_the_same_share_of_every_value_of_a_key(path: Path, old: FakeModel, new: FakeModel) -> None:
    with Index(path, old, vault="none") as index:
        source = rows(*(f"e{i}:text {i}" for i in range(80)), lang="en") + rows(
            *(f"t{i}:x {i}" for i in range(4)), lang="th"
        )
        index.sync([*source, *rows("none:no language")])
        index.upgrade(new, until=0.25, by="lang")
        built = [row_id[0] for row_id, raw in vectors(index, 2).items() if raw]
        assert {kind: built.count(kind) for kind in set(built)} == {"e": 20, "t": 1, "n": 1}


def test_named_rows_are_in_a_part(index: Index, new: FakeModel) -> None:
    index.upgrade(new, until=0.01, first=["d", "nobody"])
    assert vectors(index, 2)["d"]


@pytest.mark.parametrize("until", [0, -1, 1.5])
def test_a_share_is_a_share(index: Index, new: FakeModel, until: float) -> None:
    with pytest.raises(OptionError, match="a share of the rows"):
        index.upgrade(new, until=until)
    assert statuses(index) == {1: "active"}


def test_the_cost_is_a_hard_limit_and_what_was_paid_for_is_kept(index: Index) -> None:
    dear = FakeModel("dear")
    dear.dollars_per_million_tokens = 1_000_000.0  # a dollar a token
    dear.batch_size = 1
    with pytest.raises(CostLimitError, match=r"the limit of \$5\.00 is reached: \$4\.00 went for 2 texts"):
        index.upgrade(dear, max_cost=5.0)
    assert [g.rows for g in index.status().generations] == [4, 2]
    report = index.upgrade(dear, max_cost=4.0)
    assert (report.embedded, report.dollars, report.complete) == (2, 4.0, True)


def test_a_throttle_holds(index: Index, new: FakeModel) -> None:
    new.batch_size = 1
    began = time.monotonic()
    index.upgrade(new, throttle=20)
    assert time.monotonic() - began >= 3 / 20
    with pytest.raises(OptionError, match="throttle=0"):
        index.upgrade(FakeModel("third"), throttle=0)


def test_rows_without_a_known_word_are_refused_or_left_out_of_the_new_generation(index: Index) -> None:
    index.sync([*PETS, *rows("x:xxx")])
    with pytest.raises(NoKnownWordError, match="row 'x' has no word"):
        index.upgrade(FakeWords("words"))
    report = index.upgrade(FakeWords("words"), on_empty="skip")
    assert report.skipped == (("x", "no known word"),)
    assert report.complete
    assert index.upgrade(FakeWords("words")).skipped == (("x", "no vector, as was found before"),)
    index.switch()
    assert "x" not in {hit.id for hit in index.search("a cat", k=9)}
    assert index.verify().ok


def test_a_resumed_upgrade_tells_of_the_rows_that_earlier_runs_found_no_vector_for(index: Index) -> None:
    index.sync([*PETS, *rows("x1:xxx", "x2:xx", "x3:x")])
    part = index.upgrade(FakeWords("words"), until=0.01, first=["x1", "a"], on_empty="skip")
    assert (part.complete, dict(part.skipped)["x1"]) == (False, "no known word")
    rest = index.upgrade(FakeWords("words"), on_empty="skip")
    assert (rest.complete, sorted(row_id for row_id, _ in rest.skipped)) == (True, ["x1", "x2", "x3"])


def test_a_row_with_some_vectors_is_not_one_without(path: Path) -> None:
    with Index(path, FakeModel("old"), split=12, vault="none") as index:
        index.sync(rows("some:known words. xxxx xxxxx. more words.", "none:xxxx xxxxx. xx xxxxxx.", "all:known words."))
        report = index.upgrade(FakeWords("words"), on_empty="skip")
        assert report.skipped == (("none", "no known word"),)
        assert report.partly == (("some", "no known word in part 1"),)
        again = index.upgrade(FakeWords("words"))
        assert again.skipped == (("none", "no vector, as was found before"),)
        assert again.partly == ()


def test_progress_is_of_what_is_left_to_do(index: Index) -> None:
    seen: list[Progress] = []
    index.upgrade(FakeModel("new"), until=0.25, progress=seen.append)
    assert (seen[-1].done, seen[-1].total) == (1, 1)
    index.upgrade(FakeModel("new"), progress=seen.append)
    assert (seen[-1].done, seen[-1].total) == (3, 3)


def test_rows_that_the_new_model_refuses_have_no_vector_there(index: Index) -> None:
    class Fussy(FakeModel):
        def embed(self, texts: Sequence[str], *args: Any, **kwargs: Any) -> Embedded:
            made = super().embed(texts, *args, **kwargs)
            return Embedded(made.vectors, made.receipts, {n: "no foxes" for n, t in enumerate(texts) if "fox" in t})

    report = index.upgrade(Fussy("fussy"))
    assert (report.skipped, report.complete) == ((("c", "no foxes"),), True)
    index.switch()
    assert {hit.id for hit in index.search("a cat", k=9)} == {"a", "b", "d"}
    with pytest.raises(ModelError, match=r"fussy refused query 0 .'a fox'.: no foxes"):
        index.search("a fox")


def damage_text(path: Path) -> None:
    """Of row b; the database does not notice it."""
    with closing(sqlite3.connect(path)) as other, other:
        other.execute("DROP TRIGGER texts_edited")
        other.execute("UPDATE texts SET text = 'a fog' WHERE text = 'a dog'")


@on_sqlite
def test_a_damaged_text_is_not_embedded_and_named(index: Index, path: Path, new: FakeModel) -> None:
    damage_text(path)
    report = index.upgrade(new)
    assert report.aside == (("b", "its stored text is damaged"),)
    assert (report.rows, report.lacking, report.skipped) == (3, 1, ())
    assert new.asked == ["a cat", "a fox", "an owl"]
    with pytest.raises(RefusedError, match="1 row has no vectors in it"):
        index.switch()
    index.verify(repair=True)
    index.sync(PETS)
    report = index.upgrade(new)
    assert (report.aside, report.complete) == ((), True)
    index.switch()
    assert index.verify(everything=True).ok
    assert "a fog" not in new.asked


@on_sqlite
def test_damaged_metadata_keep_no_row_from_its_vector(index: Index, path: Path, new: FakeModel) -> None:
    with closing(sqlite3.connect(path)) as other, other:
        other.execute("DROP TRIGGER rows_metadata_edited")
        other.execute("""UPDATE rows SET metadata = '{"kind":"cut"}' WHERE id = 'b'""")
    report = index.upgrade(new)
    assert (report.rows, report.aside, report.complete) == (4, (), True)


def test_two_builders_of_one_generation_do_not_work_at_once(index: Index, path: Path) -> None:
    refused: list[str] = []

    class Slow(FakeModel):
        def embed(self, texts: Sequence[str], *args: Any, **kwargs: Any) -> Embedded:
            with Index(path, vault="none", wait=0, models=[FakeModel("old")]) as second:
                for call in (second.upgrade, second.estimate_upgrade):
                    idle = FakeModel("new")
                    with pytest.raises(LeaseHeldError) as caught:
                        call(idle)
                    refused.append(caught.value.message)
                    assert idle.asked == []
            return super().embed(texts, *args, **kwargs)

    index.upgrade(Slow("new"))
    assert len(refused) == 2


# Syncs meanwhile -----------------------------------------------------------------------------------


def test_a_sync_during_a_build_keeps_both_right(index: Index, path: Path, new: FakeModel) -> None:
    changed = rows("a:a cat", "b:two dogs", "d:an owl", "e:an elk")

    class Interrupted(FakeModel):
        batch_size = 1
        synced = False

        def embed(self, texts: Sequence[str], *args: Any, **kwargs: Any) -> Embedded:
            made = super().embed(texts, *args, **kwargs)
            if not self.synced and "a dog" in texts:  # its vector is made, and not written yet
                self.synced = True
                with Index(path, FakeModel("old"), vault="none", models=[FakeModel("new", dim=8)]) as other:
                    other.sync(changed)
            return made

    report = index.upgrade(Interrupted("new", dim=8))
    assert report.complete
    assert vectors(index, 1) == made_by(FakeModel("old"), changed)
    assert vectors(index, 2) == made_by(new, changed)
    index.switch()
    assert index.verify().ok


def test_a_sync_and_a_build_in_threads_end_right(path: Path, old: FakeModel, new: FakeModel) -> None:
    first = rows(*(f"{i:03}:text {i}" for i in range(300)))
    second = rows(*(f"{i:03}:text {i if i % 3 else -i}" for i in range(50, 350)))
    with Index(path, old, vault="none") as index:
        index.sync(first)

    class Slow(FakeModel):
        batch_size = 4

        def embed(self, texts: Sequence[str], *args: Any, **kwargs: Any) -> Embedded:
            time.sleep(0.002)
            return super().embed(texts, *args, **kwargs)

    def build() -> None:
        with Index(path, FakeModel("old"), vault="none") as builder:
            builder.upgrade(Slow("new", dim=8))

    thread = threading.Thread(target=build)
    thread.start()
    while True:
        with Index(path, FakeModel("old"), vault="none", models=[FakeModel("new", dim=8)]) as index:
            if len(index.generations) == 2:
                index.sync(second)
                break
    thread.join()
    with Index(path, FakeModel("old"), vault="none") as index:
        assert statuses(index) == {1: "active", 2: "building"}
        assert vectors(index, 1) == made_by(FakeModel("old"), second)
        assert vectors(index, 2) == made_by(new, second)


def test_a_finished_build_is_kept_right_by_syncs_until_the_switch(index: Index, new: FakeModel) -> None:
    index.upgrade(new)
    changed = rows("a:a cat", "b:two dogs", "d:an owl", "e:an elk")
    report = index.sync(changed)
    assert (report.embedded, report.behind) == (4, ())  # two texts, by two models
    assert statuses(index) == {1: "active", 2: "building"}
    assert vectors(index, 2) == made_by(new, changed)
    index.switch()
    assert [hit.id for hit in index.search("an elk", k=1)] == ["e"]


def test_swapped_texts_embed_nothing_in_any_generation(
    index: Index, old: FakeModel, new: FakeModel, monkeypatch: pytest.MonkeyPatch
) -> None:
    index.upgrade(new)
    old.asked.clear()
    new.asked.clear()
    monkeypatch.setattr("idembed.index.write._ROWS", 1)
    monkeypatch.setattr("idembed.index.pace._ROWS", 1)
    swapped = rows("a:an owl", "b:a fox", "c:a dog", "d:a cat")
    index.sync(swapped)
    assert (old.asked, new.asked) == ([], [])
    assert vectors(index, 2) == made_by(new, swapped)


def test_a_model_that_is_gone_leaves_its_generation_behind_and_the_sync_goes_on(
    index: Index, path: Path, new: FakeModel
) -> None:
    index.upgrade(new)
    with Index(path, FakeModel("old"), vault="none") as other:  # which does not know where "new" is
        report = other.sync(rows("a:a cat", "b:two dogs", "d:an owl"))
        assert [number for number, _ in report.behind] == [2]
        assert "was built with new, which is not there any more" in report.behind[0][1]
        assert vectors(other, 2) == {"a": new.vector("a cat").tobytes(), "b": b"", "d": new.vector("an owl").tobytes()}
    assert statuses(index) == {1: "active", 2: "building, incomplete"}
    with pytest.raises(RefusedError, match="is not finished: 1 row has no vectors in it") as caught:
        index.switch()
    assert caught.value.facts["lacking"] == 1
    new.asked.clear()
    index.upgrade(new)
    assert new.asked == ["two dogs"]
    index.switch()


def test_deletions_reach_every_generation_even_one_whose_model_is_gone(
    index: Index, path: Path, new: FakeModel
) -> None:
    index.upgrade(new)
    with Index(path, FakeModel("old"), vault="none") as other:
        other.delete("a")
        other.sync(rows("b:a dog", "c:a fox"))
    assert vectors(index, 2) == made_by(new, rows("b:a dog", "c:a fox"))
    assert statuses(index) == {1: "active", 2: "building"}


def test_metadata_edits_ask_no_model_of_any_generation(index: Index, old: FakeModel, new: FakeModel) -> None:
    index.upgrade(new)
    old.asked.clear()
    new.asked.clear()
    index.sync(rows("a:a cat", "b:a dog", "c:a fox", "d:an owl", year=2000))
    assert (old.asked, new.asked) == ([], [])
    assert statuses(index) == {1: "active", 2: "building"}


# Switch, rollback, drop ------------------------------------------------------------------------------


def test_a_switch_makes_the_old_one_standby_and_says_that_nothing_was_judged(index: Index, new: FakeModel) -> None:
    index.upgrade(new)
    assert index.switch() == ["nothing was judged: idembed judge compares the two on questions before a switch"]
    assert statuses(index) == {1: "standby", 2: "active"}
    assert index.space == new.space
    assert index.search("a fox", k=1)[0].score == pytest.approx(1.0)


def test_an_open_index_follows_a_switch_of_another_process(path: Path, index: Index, new: FakeModel) -> None:
    with Index(path, FakeModel("old"), vault="none", models=[FakeModel("new", dim=8)]) as reader:
        assert reader.search("a fox", k=1)[0].id == "c"
        index.upgrade(new)
        index.switch()
        assert reader.search("a fox", k=1)[0].id == "c"
        assert reader.model.name == "new"


def test_rows_that_a_forced_switch_hides_are_no_proof_and_verify_settles_them_after_the_way_back(
    index: Index, new: FakeModel, tmp_path: Path
) -> None:
    index.upgrade(new, until=0.25)
    index.switch(force=True)
    found = index.verify()
    assert (found.ok, found.lacking, found.as_dict()["lacking"]) == (False, 3, 3)
    index.rollback()
    found = index.verify()
    assert (found.ok, found.unsettled) == (True, 3)
    found = index.verify(repair=True)
    assert (found.ok, found.unsettled) == (True, 0)
    assert index.copy(tmp_path / "copy.db").rows == 4


@on_sqlite
def test_an_index_without_its_generations_says_so(index: Index, path: Path, old: FakeModel) -> None:
    index.close()
    with closing(sqlite3.connect(path)) as other, other:
        other.execute("UPDATE generations SET status = 'standby'")
    with Index(path, vault="none") as headless:
        for work in (headless.verify, lambda: headless.sync(PETS), lambda: headless.search("a cat")):
            with pytest.raises(DamagedError, match="has rows, and no generation that is searched"):
                work()


def test_an_unfinished_generation_is_not_switched_to_unless_forced(index: Index, new: FakeModel) -> None:
    index.upgrade(new, until=0.25)
    with pytest.raises(RefusedError, match=r"generation 2 \(new\) is not finished: 3 rows have no vectors"):
        index.switch()
    assert statuses(index) == {1: "active", 2: "building, incomplete"}
    warnings = index.switch(force=True)
    assert "3 rows have no vectors yet and cannot be found until the next sync" in warnings
    assert len(index.search("a fox", k=9)) == 1
    report = index.sync(PETS)
    assert (report.changed, report.reused) == (3, 1)
    assert len(index.search("a fox", k=9)) == 4
    assert statuses(index) == {1: "standby", 2: "active"}


def test_nothing_that_is_being_built_is_nothing_to_switch_to(index: Index) -> None:
    with pytest.raises(OptionError, match="no generation is building"):
        index.switch()
    with pytest.raises(OptionError, match="there is no building or standby generation 7") as caught:
        index.switch(7)
    assert caught.value.hint == "generations: 1 (active, old)"


def test_several_that_are_being_built_are_told_apart_by_number(index: Index, new: FakeModel) -> None:
    index.upgrade(new)
    index.upgrade(FakeModel("third"))
    with pytest.raises(OptionError, match="2 generations are building: name one"):
        index.switch()
    index.switch(3)
    assert statuses(index) == {1: "standby", 2: "building", 3: "active"}


def test_the_standby_is_kept_right_so_that_a_rollback_is_right_at_once(
    index: Index, old: FakeModel, new: FakeModel
) -> None:
    index.upgrade(new)
    index.switch()
    changed = rows("a:a cat", "b:two dogs", "e:an elk")
    index.sync(changed)
    old.asked.clear()
    assert index.rollback().number == 1
    assert old.asked == []
    assert statuses(index) == {1: "active", 2: "standby"}
    assert vectors(index, 1) == made_by(old, changed)
    assert [hit.id for hit in index.search("two dogs", k=1)] == ["b"]
    assert index.rollback().number == 2  # and forward again


def test_a_standby_that_has_fallen_behind_is_refused_with_the_number_of_rows(
    index: Index, path: Path, new: FakeModel
) -> None:
    index.upgrade(new)
    index.switch()
    with Index(path, vault="none", models=[FakeModel("new", dim=8)]) as other:  # old is not there
        other.sync(rows("a:a cat", "b:two dogs", "d:three owls"))
        with pytest.raises(RefusedError, match="has fallen behind: 2 rows have no vectors in it") as caught:
            rollback(other._catalog)
        assert "--catch-up" in caught.value.hint
    assert index.rollback(catch_up=True).number == 1
    assert vectors(index, 1) == made_by(FakeModel("old"), rows("a:a cat", "b:two dogs", "d:three owls"))


def test_there_is_nothing_to_roll_back_to_before_a_switch(index: Index) -> None:
    with pytest.raises(OptionError, match="no generation on standby"):
        index.rollback()


def test_of_two_standbys_the_last_one_is_rolled_back_to(index: Index, new: FakeModel) -> None:
    index.upgrade(new)
    index.switch()
    index.upgrade(FakeModel("third"))
    warnings = index.switch()
    assert any("generation 1 (old) is on standby too" in warning for warning in warnings)
    assert statuses(index) == {1: "standby", 2: "standby", 3: "active"}
    assert index.rollback().number == 2


def test_dropping_removes_vectors_for_good_but_never_those_that_are_searched(
    index: Index, new: FakeModel, path: Path
) -> None:
    index.upgrade(new)
    index.switch()
    with pytest.raises(RefusedError, match="is the one that is searched"):
        index.drop(2)
    assert index.drop(1).model == "old"
    assert statuses(index) == {2: "active"}
    with pytest.raises(OptionError, match="there is no generation 1"):
        index.drop(1)


@on_sqlite
def test_dropped_vectors_leave_the_file(index: Index, path: Path, new: FakeModel) -> None:
    index.upgrade(new)
    index.switch()
    index.drop(1)
    with closing(sqlite3.connect(path)) as connection:
        tables = {name for (name,) in connection.execute("SELECT name FROM sqlite_master")}
    assert "vectors_2" in tables
    assert "vectors_1" not in tables


def test_what_a_process_builds_is_not_dropped_under_it(index: Index, path: Path) -> None:
    class Slow(FakeModel):
        def embed(self, texts: Sequence[str], *args: Any, **kwargs: Any) -> Embedded:
            with Index(path, vault="none", wait=0) as second, pytest.raises(LeaseHeldError):
                second.drop(2)
            return super().embed(texts, *args, **kwargs)

    assert index.upgrade(Slow("new")).complete


# Blending --------------------------------------------------------------------------------------------


def meanwhile(monkeypatch: pytest.MonkeyPatch, change: Callable[[], object]) -> None:
    """Another process makes the change while this one waits to write."""
    held = generations.hold
    waiting = [change]

    def hold(*arguments: Any) -> Any:
        if waiting:
            waiting.pop()()
        return held(*arguments)

    monkeypatch.setattr(generations, "hold", hold)


def test_a_drop_and_a_switch_at_once_are_refused_as_one_after_the_other(
    index: Index, path: Path, new: FakeModel, monkeypatch: pytest.MonkeyPatch
) -> None:
    index.upgrade(new)
    with Index(path, vault="none") as other:
        meanwhile(monkeypatch, lambda: other.switch(2))
        with pytest.raises(RefusedError, match="the one that is searched"):
            index.drop(2)
        meanwhile(monkeypatch, lambda: other.drop(1))
        with pytest.raises(OptionError, match="there is no building or standby generation 1"):
            index.switch(1)
        index.upgrade(FakeModel("third"))
        index.switch()
        meanwhile(monkeypatch, lambda: other.drop(2))
        with pytest.raises(OptionError, match="there is no generation 2"):
            index.rollback()
        index.upgrade(FakeModel("fourth"))
        meanwhile(monkeypatch, lambda: other.drop(4))
        with pytest.raises(OptionError, match="there is no generation 4"):
            index.drop(4)
    assert statuses(index) == {3: "active"}


def test_a_blended_search_merges_both_generations_by_rank(index: Index, new: FakeModel) -> None:
    index.upgrade(new, until=0.5)
    hits = index.search("a fox", k=4, blend=True)
    assert hits[0].id == "c"
    assert hits[0].score == pytest.approx(2 / 61)
    assert {hit.id for hit in hits} == {"a", "b", "c", "d"}
    assert [hit.id for hit in index.search("a fox", k=2, where={"$id": ["a", "c"]}, blend=True)] == ["c", "a"]


def test_rows_that_are_not_built_yet_do_not_fall_behind(path: Path) -> None:
    with Index(path, FakeModel("better"), vault="none") as index:
        index.sync(rows(*(f"{i:03}:text {i}" for i in range(100))))
        index.upgrade(FakeModel("best"), until=0.5)
        found = index.search_many([f"text {i}" for i in range(100)], k=1, blend=True)
        assert [hits[0].id for hits in found] == [f"{i:03}" for i in range(100)]


def test_blending_needs_a_text_and_something_that_is_being_built(index: Index, new: FakeModel) -> None:
    with pytest.raises(OptionError, match="no generation is building"):
        index.search("a fox", blend=True)
    index.upgrade(new)
    with pytest.raises(OptionError, match="blend is for a text"):
        index.search(id="a", blend=True)
    with pytest.raises(OptionError, match="has no min_score"):
        index.search("a fox", blend=True, min_score=0.5)


# Identity --------------------------------------------------------------------------------------------


def test_another_model_offers_the_upgrade(index: Index, path: Path) -> None:
    with pytest.raises(SpaceMismatchError, match='weights: "old" here, "new" there') as caught:
        Index(path, FakeModel("new"))
    assert f"idembed upgrade {typed(path)} --to new" in caught.value.hint


def test_a_model_that_is_not_built_to_the_end_offers_to_go_on(index: Index, path: Path, new: FakeModel) -> None:
    index.upgrade(new, until=0.25)
    with pytest.raises(SpaceMismatchError) as caught:
        Index(path, FakeModel("new", dim=8))
    assert "generation 2 is being built of that space: go on with idembed upgrade" in caught.value.hint


def test_a_model_that_is_being_built_offers_the_switch(index: Index, path: Path, new: FakeModel) -> None:
    index.upgrade(new)
    with pytest.raises(SpaceMismatchError) as caught:
        Index(path, FakeModel("new", dim=8))
    assert f"generation 2 (building) has that space: idembed switch {typed(path)} 2" in caught.value.hint
