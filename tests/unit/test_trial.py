"""Two generations of one index judged: which rows and questions count, and what becomes of the verdict."""

from __future__ import annotations

import logging
import math
import os
import sqlite3
import warnings
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from fake_models import FakeModel, FakeWords, rows

from idembed.errors import OptionError, RefusedError, SourceError
from idembed.index import Index
from idembed.index.judged_rows import RowChange, change_since, sample_rows
from idembed.index.owner import Writing, hold
from idembed.index.verdicts import Judged, record
from idembed.judge import Judgement, Question, Run, compare
from idembed.models import TruncationWarning
from idembed.models.base import Embedded
from idembed.stores.sqlite import SQLiteStore


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "pets.db"


def built_of(index: Index, number: int = 2) -> list[str]:
    """The rows that a generation has vectors of."""
    store, _ = index._catalog.readable()
    return [row.id for row in store.scan(number, vectors=False) if any(not part.empty for part in row.parts)]


def questions(count: int) -> list[Question]:
    return [Question(str(i), f"text {i}", {f"{i:03}": 1.0}) for i in range(count)]


class Better(FakeModel):
    """Finds what was asked for: a question's vector is that of the text."""


class Worse(FakeModel):
    """Finds nothing: a question's vector is that of another text."""

    def embed(self, texts: Sequence[str], side: Any = "document", **kwargs: Any) -> Embedded:
        asked = texts if side == "document" else [f"something else than {text}" for text in texts]
        return super().embed(asked, side, **kwargs)


@pytest.fixture
def many(path: Path) -> Iterator[Index]:
    with Index(path, Worse("worse"), vault="none") as opened:
        opened.sync(rows(*(f"{i:03}:text {i}" for i in range(100))))
        yield opened


def test_a_better_model_is_judged_go_and_may_be_switched_to(many: Index) -> None:
    many.upgrade(Better("better"))
    judgement = many.judge(questions(40))
    assert (judgement.verdict, judgement.won, judgement.lost) == ("GO", 40, 0)
    assert (judgement.rows_compared, judgement.rows_total) == (100, 100)
    judged = many.status().generations[1].judged
    assert judged is not None
    assert (judged.verdict, judged.questions, judged.weaker) == ("GO", 40, False)
    assert many.switch() == []


def test_a_worse_model_is_judged_no_go_and_not_switched_to_unless_forced(path: Path) -> None:
    with Index(path, Better("better"), vault="none") as index:
        index.sync(rows(*(f"{i:03}:text {i}" for i in range(100))))
        index.upgrade(Worse("worse"))
        assert index.judge(questions(40)).verdict == "NO-GO"
        with pytest.raises(RefusedError, match="was judged NO-GO: nDCG@10 is lower"):
            index.switch()
        assert [g.status for g in index.generations] == ["active", "building"]
        index.switch(force=True)
        assert [g.status for g in index.generations] == ["standby", "active"]


def test_too_few_questions_are_inconclusive_and_a_switch_says_so(many: Index) -> None:
    many.upgrade(Better("better"))
    assert many.judge(questions(5)).verdict == "INCONCLUSIVE"
    assert "the last judgement was INCONCLUSIVE" in many.switch()[0]


def test_a_part_is_judged_by_the_rows_that_both_have(many: Index) -> None:
    many.upgrade(Better("better"), until=0.3)
    judgement = many.judge(questions(100))
    assert (judgement.rows_compared, judgement.rows_total) == (30, 100)
    assert len(judgement.scores) == 30
    assert judgement.verdict == "GO"


def test_a_part_that_answers_no_question_is_not_judged(many: Index) -> None:
    many.upgrade(Better("better"), until=0.01)
    built = built_of(many)[0]
    asked = [question for question in questions(100) if built not in question.relevant]
    with pytest.raises(OptionError, match="answered by a row that generation 2 and the one") as caught:
        many.judge(asked)
    assert "both have 1 of 100 rows" in caught.value.hint


def test_questions_can_be_made_from_the_rows_and_that_is_said(path: Path) -> None:
    sentences = rows(
        *(f"{i:03}:number {i} is one of many and stands here for itself alone, number {i}" for i in range(60))
    )
    with Index(path, FakeModel("old"), vault="none") as index:
        index.sync(sentences)
        index.upgrade(FakeModel("new"))
        judgement = index.judge(auto=30)
        assert (judgement.weaker_evidence, len(judgement.scores)) == (True, 30)


def test_a_judgement_is_on_one_generation_against_another(many: Index) -> None:
    many.upgrade(Better("better"))
    many.judge(questions(40))
    many.upgrade(Better("best"))
    many.switch(2)
    assert many.status().generations[2].judged is None
    assert "nothing was judged" in many.switch(3)[0]


def test_queries_and_qrels_go_together(many: Index) -> None:
    with pytest.raises(OptionError, match="queries and qrels go together"):
        many.judge(queries="q.jsonl")


# Which rows and questions count --------------------------------------------------------------------


def test_questions_that_no_row_answers_are_dropped_and_counted_in_a_whole_generation(many: Index) -> None:
    many.upgrade(Better("better"))
    gone = [Question(f"gone {i}", "what was here once", {f"gone{i}": 1.0}) for i in range(40)]
    half = Question("half", "text 7", {"007": 1.0, "nobody": 1.0})
    judgement = many.judge([*questions(30), *gone, half])
    assert (len(judgement.scores), judgement.questions_dropped, judgement.answers_dropped) == (31, 40, 1)
    assert judgement.scores[-1].new == 1.0  # what nobody could find is not missed
    assert [caveat[:42] for caveat in judgement.caveats] == [
        "40 of 71 questions were left out: no row t",
        "1 of the answers to the questions that wer",
    ]
    assert judgement.as_dict()["questions_dropped"] == 40


def test_without_any_row_that_answers_nothing_is_judged(many: Index) -> None:
    many.upgrade(Better("better"))
    with pytest.raises(SourceError, match=r"no question is answered by a row of .*pets\.db") as caught:
        many.judge([Question(str(i), f"text {i}", {f"doc-{i}": 1.0}) for i in range(40)])
    assert "'doc-0' is one there, and '000' one in the index" in caught.value.hint
    assert many.status().generations[1].judged is None


def test_rows_that_another_program_edited_answer_nothing(many: Index, path: Path) -> None:
    many.upgrade(Better("better"))
    with closing(sqlite3.connect(path)) as connection, connection:
        connection.execute("UPDATE texts SET text = 'edited' WHERE key = (SELECT key FROM rows WHERE id = '003')")
    judgement = many.judge(questions(40))
    assert (len(judgement.scores), judgement.questions_dropped) == (39, 1)


def test_rows_that_the_new_model_has_no_vector_for_are_lost_in_a_part_too(path: Path) -> None:
    """Every second row has no word that the new model knows."""
    source = rows(*(f"{i:03}:text {i}" if i % 2 else f"{i:03}:x{i}" for i in range(100)))
    asked = [Question(row["id"], row["text"], {row["id"]: 1.0}) for row in source]  # type: ignore[dict-item, arg-type]
    with Index(path, FakeModel("old"), vault="none") as index:
        index.sync(source)
        index.upgrade(FakeWords("words"), until=0.8, on_empty="skip")
        judgement = index.judge(asked)
        built = set(built_of(index))
    lost = [question for question in asked if question.id not in built]
    assert len(judgement.scores) == judgement.rows_compared == 80
    assert judgement.lost == 80 - len(built) == len(lost) - 20 > 30
    assert judgement.verdict == "NO-GO"


def test_rows_that_the_old_model_has_no_vector_for_are_won_in_a_part_too(path: Path) -> None:
    source = rows(*(f"{i:03}:text {i}" if i % 2 else f"{i:03}:x{i} dog" for i in range(60)))
    asked = [Question(row["id"], row["text"], {row["id"]: 1.0}) for row in source]  # type: ignore[dict-item, arg-type]

    class NoDogs(FakeWords):
        def receipts(self, texts: Sequence[str], side: Any = "document") -> Any:
            return super().receipts(["x" if "dog" in text else text for text in texts], side)

    with Index(path, FakeModel("first"), vault="none") as index:
        index.sync(source)
        index.upgrade(NoDogs("old"), on_empty="skip")
        index.switch()
        index.upgrade(FakeModel("new"), until=0.9)
        judgement = index.judge(asked)
    assert (judgement.rows_compared, judgement.lost, judgement.tied) == (54, 0, 54 - judgement.won)
    assert judgement.won > 20


@pytest.fixture
def found_by_both(monkeypatch: pytest.MonkeyPatch) -> list[set[str]]:
    """Every row that was found at all, by the old and by the new generation."""
    found: list[set[str]] = []

    def noting(questions: Sequence[Question], old: Run, new: Run, **options: Any) -> Judgement:
        found.extend({row for ranked in run.ranked for row in ranked} for run in (old, new))
        return compare(questions, old, new, **options)

    monkeypatch.setattr("idembed.index.trial.compare", noting)
    return found


def test_rows_that_a_forced_active_generation_lacks_are_compared_in_neither(
    path: Path, found_by_both: list[set[str]]
) -> None:
    with Index(path, FakeModel("first"), vault="none") as index:
        index.sync(rows(*(f"{i:03}:text {i}" for i in range(100))))
        index.upgrade(Better("old"), until=0.4)
        index.switch(force=True)
        built = built_of(index, 2)
        index.upgrade(Better("new"))
        judgement = index.judge(questions(100))
    assert (judgement.rows_compared, judgement.rows_total, len(judgement.scores)) == (40, 100, 40)
    assert found_by_both == [set(built), set(built)]
    assert (judgement.won, judgement.lost) == (0, 0)


def test_of_two_unfinished_generations_the_rows_that_both_have_count(path: Path, found_by_both: list[set[str]]) -> None:
    with Index(path, FakeModel("first"), vault="none") as index:
        index.sync(rows(*(f"{i:03}:text {i}" for i in range(100))))
        index.upgrade(Better("old"), until=0.4)
        index.switch(force=True)
        index.upgrade(Better("new"), until=0.1, first=[f"{i:03}" for i in range(50)])
        both = set(built_of(index, 2)) & set(built_of(index, 3))
        judgement = index.judge(questions(100))
    assert judgement.rows_compared == len(judgement.scores) == len(both)
    assert judgement.questions_dropped == 100 - len(both)
    assert found_by_both == [both, both]


def test_no_question_can_be_made_of_short_rows_and_that_is_what_is_said(many: Index) -> None:
    many.upgrade(Better("better"))
    with pytest.raises(SourceError, match="no question can be made of 100 rows with fewer than 6 words each") as caught:
        many.judge()
    assert "--queries and --qrels" in caught.value.hint
    assert "build more" not in str(caught.value)


def test_no_question_can_be_made_before_a_row_is_built(many: Index) -> None:
    class Dead(FakeModel):
        def embed(self, *args: Any, **kwargs: Any) -> Embedded:
            raise RuntimeError("the line went dead")

    with pytest.raises(RuntimeError, match="dead"):
        many.upgrade(Dead("dead"))
    with pytest.raises(OptionError, match="there is no row that generations 1 and 2 both have") as caught:
        many.judge()
    assert "--until 5%" in caught.value.hint


# Before anything is asked ----------------------------------------------------------------------------


@pytest.mark.parametrize("margin", [-0.1, 1.0, math.nan, math.inf])
def test_a_margin_that_is_none_is_refused_before_anything_is_asked(many: Index, margin: float) -> None:
    class Silent(Better):
        def embed(self, texts: Sequence[str], side: Any = "document", **kwargs: Any) -> Embedded:
            assert side == "document"
            return super().embed(texts, side, **kwargs)

    many.upgrade(Silent("better"))
    with pytest.raises(OptionError, match="the margin is a difference of nDCG@10"):
        many.judge(questions(40), margin=margin)


def test_there_is_no_generation_0(many: Index) -> None:
    many.upgrade(Better("better"))
    with pytest.raises(OptionError, match="there is no building or standby generation 0"):
        many.judge(questions(40), generation=0)
    with pytest.raises(OptionError, match="there is no building or standby generation 0"):
        many.switch(0)
    assert [g.status for g in many.generations] == ["active", "building"]


def test_questions_that_are_cut_are_warned_of_once(path: Path) -> None:
    with Index(path, FakeModel("old"), vault="none") as index:
        index.sync(rows(*(f"{i:03}:text {i}" for i in range(40))))
        index.upgrade(FakeModel("new"))
        asked = [Question("long", "word " * 60, {"001": 1.0}), *questions(30)]
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always", TruncationWarning)
            index.judge(asked)
    assert [str(warning.message) for warning in caught] == [
        f"1 of 31 questions were cut to the 50 tokens that {name} reads" for name in ("old", "new")
    ]


# What is recorded ------------------------------------------------------------------------------------


def test_a_verdict_on_a_part_is_told_as_one(many: Index) -> None:
    many.upgrade(Better("better"), until=0.52)
    many.judge(questions(100))
    many.upgrade(Better("better"))
    judged = many.status().generations[1].judged
    assert judged is not None
    assert (judged.rows_compared, judged.rows_total, judged.of_a_part) == (52, 100, "52 of 100 rows")
    (warning,) = many.switch()
    assert warning.startswith("it was judged on 52 of 100 rows")


def test_a_verdict_on_rows_that_are_others_now_is_told_as_that(many: Index) -> None:
    many.upgrade(Better("better"))
    many.judge(questions(40))
    many.sync(rows(*(f"n{i}:nothing like it {i}" for i in range(50))), allow_mass_deletion=True)
    (warning,) = many.switch()
    assert warning == (
        "the index is not what was judged: 100% of the rows it was judged on were changed or deleted since, and 100% "
        "of those there are now were not judged; judge it again: idembed judge"
    )


def test_a_verdict_on_nearly_the_same_rows_is_trusted(many: Index) -> None:
    many.upgrade(Better("better"))
    many.judge(questions(40))
    many.upsert(rows("000:another text", "new:a text"))
    many.delete("001")
    assert many.switch() == []


def test_rows_that_were_added_since_are_told(many: Index) -> None:
    many.upgrade(Better("better"))
    many.judge(questions(40))
    many.upsert(rows(*(f"n{i}:more {i}" for i in range(100))))
    (warning,) = many.switch()
    assert "0% of the rows it was judged on" in warning
    assert "50% of those there are now were not judged" in warning


def test_a_no_go_is_refused_whatever_became_of_the_rows(path: Path) -> None:
    with Index(path, Better("better"), vault="none") as index:
        index.sync(rows(*(f"{i:03}:text {i}" for i in range(100))))
        index.upgrade(Worse("worse"))
        index.judge(questions(40))
        index.sync(rows(*(f"n{i}:more {i}" for i in range(100))), allow_mass_deletion=True)
        with pytest.raises(RefusedError, match="judged NO-GO"):
            index.switch()


def test_of_many_rows_a_sample_tells_how_many_are_others(path: Path) -> None:
    with Index(path, FakeModel("many"), vault="none") as index:
        index.sync(rows(*(f"{i}:text {i}" for i in range(6000))))
        store, _ = index._catalog.readable()
        sample = sample_rows(store)
        assert (len(sample["hashes"]), len(sample["below"])) == (512 * 12, 12)
        assert change_since(store, sample) == RowChange(0, 0, exact=False)
        index.upsert(rows(*(f"{i}:other {i}" for i in range(1800)), *(f"n{i}:new {i}" for i in range(2000))))
        changed = change_since(store, sample)
    assert changed is not None
    assert abs(changed.gone - 0.3) < 0.06
    assert abs(changed.new - 3800 / 8000) < 0.06
    assert str(changed).startswith("about ")


def test_a_sample_of_no_rows_is_of_all_there_are(path: Path) -> None:
    with Index(path, FakeModel("many"), vault="none") as index:
        index.sync(rows("a:a text"))
        store, _ = index._catalog.readable()
        index.delete("a")
        sample = sample_rows(store)
        assert (sample, change_since(store, sample)) == ({"hashes": "", "below": ""}, RowChange(0, 0, exact=True))
        index.sync(rows("b:a text"))
        assert change_since(store, sample) == RowChange(0, 1, exact=True)


def test_a_go_by_a_wide_margin_is_told_as_one(path: Path) -> None:
    with Index(path, Better("better"), vault="none") as index:
        index.sync(rows(*(f"{i:03}:text {i}" for i in range(100))))
        index.upgrade(Worse("worse"))
        judgement = index.judge(questions(40), margin=0.99)
        change = judgement.metrics[0].difference
        judged = index.status().generations[1].judged
        assert judged is not None
        assert (judged.verdict, judged.margin) == ("GO", 0.99)
        assert (judged.low, judged.mean, judged.high) == (change.low, change.mean, change.high)
        (warning,) = index.switch()
    assert warning == (
        "it was judged GO with a wider margin than the usual 0.01, although it finds less than the one before: "
        f"nDCG@10 {change.mean:+.3f}, interval {change.low:+.3f} to {change.high:+.3f}, margin 0.99"
    )


def test_a_small_loss_that_is_certain_is_told(many: Index) -> None:
    many.upgrade(Better("better"))
    judged = Judged("GO", "", "", 900, False, "", margin=0.01, low=-0.008, mean=-0.005, high=-0.002)
    assert (judged.is_worse, judged.is_lenient) == (True, False)
    assert judged.measured == "nDCG@10 -0.005, interval -0.008 to -0.002, margin 0.01"
    _, active = many._catalog.readable()
    record(many._catalog, many._catalog.generation(2), replace(judged, against=active.space.id))
    assert many.switch() == [
        f"it was judged GO although it finds less than the one before: {judged.measured}",
    ]


def test_what_is_judged_no_go_while_a_switch_waits_is_refused(many: Index, monkeypatch: pytest.MonkeyPatch) -> None:
    many.upgrade(Better("better"))
    _, active = many._catalog.readable()
    no_go = Judged("NO-GO", "it is worse", active.space.id, 50, False, "2026-01-01T00:00:00Z")

    @contextmanager
    def judged_meanwhile(*arguments: Any) -> Iterator[Writing]:
        with hold(*arguments) as writing:
            record(many._catalog, many._catalog.generation(2), no_go)
            yield writing

    monkeypatch.setattr("idembed.index.generations.hold", judged_meanwhile)
    with pytest.raises(RefusedError, match="judged NO-GO: it is worse"):
        many.switch()
    assert [g.status for g in many.generations] == ["active", "building"]


def test_what_was_judged_of_a_dropped_generation_is_forgotten(many: Index) -> None:
    many.upgrade(Better("better"))
    many.judge(questions(40))
    many.drop(2)
    many.upgrade(Better("another"))
    many.judge(questions(40))
    store, _ = many._catalog.readable()
    _, settings = store.read_meta()
    assert (list(settings["judged"]), list(settings["judged_rows"])) == (["3"], ["3"])
    many.drop(3)
    _, settings = store.read_meta()
    assert (settings["judged"], settings["judged_rows"]) == ({}, {})


def test_what_an_older_idembed_left_of_dropped_generations_goes_with_the_next_judgement(many: Index) -> None:
    many.upgrade(Better("better"))
    store, _ = many._catalog.readable()
    version, settings = store.read_meta()
    left = {"judged": {"7": {}}, "judged_rows": {"7": {"hashes": "", "below": ""}}}
    assert store.swap_meta(version, settings | left)
    many.judge(questions(40))
    _, settings = store.read_meta()
    assert (list(settings["judged"]), list(settings["judged_rows"])) == (["2"], ["2"])


def test_a_verdict_of_an_older_idembed_is_still_read() -> None:
    older = {"verdict": "GO", "reason": "", "against": "0" * 64, "questions": 40, "weaker": False, "when": ""}
    judged = Judged(**older)  # type: ignore[arg-type]
    assert (judged.of_a_part, judged.measured, judged.is_lenient, judged.is_worse) == ("", "", False, False)


@pytest.mark.skipif(os.name != "posix", reason="permissions of POSIX")
def test_an_index_that_cannot_be_written_is_judged_with_a_warning(
    many: Index, path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    many.upgrade(Better("better"))
    many.close()
    copy = path.parent / "read-only" / "pets.db"
    copy.parent.mkdir()
    copy.write_bytes(path.read_bytes())
    copy.chmod(0o444)
    copy.parent.chmod(0o555)
    known = [Worse("worse"), Better("better")]
    with pytest.MonkeyPatch.context() as patch:
        opened = SQLiteStore._open
        patch.setattr(
            SQLiteStore, "_open", lambda self, create, read_only: opened(self, create, True)
        )  # root may write
        with Index(copy, vault="none", models=known) as index, caplog.at_level(logging.WARNING, "idembed"):
            assert index.judge(questions(40)).verdict == "GO"
            assert index.status().generations[1].judged is None
    assert "the verdict was not recorded, so that a switch does not know it" in caplog.text
    assert "is open for reading only" in caplog.text
