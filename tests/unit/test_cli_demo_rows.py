"""The demo's rows: what counts as documentation, and a child that misbehaves."""

import textwrap
from pathlib import Path

import pytest

from idembed.cli import demo_child
from idembed.cli.demo_rows import best_names, read_library
from idembed.errors import SourceError
from idembed.rows import Row


@pytest.mark.parametrize(
    ("doc", "text"),
    [
        (None, ""),
        (42, ""),
        ("   \n ", ""),
        ("----", ""),
        ("One line.", "One line."),
        ("First\n    over two lines.\n\n    Second.", "First over two lines."),
        ("len(obj, /)\n\nReturn the number of items.", "Return the number of items."),
        ("open(a, b=1) -> file object\n\nOpen it.", "Open it."),
        ("acos(x)\n\n", "acos(x)"),
        ("f(x) -> int\nReturn twice x.", "Return twice x."),
        (
            "dict() -> dictionary\ndict(pairs) -> made of its pairs, in order",
            "dict(pairs) -> made of its pairs, in order",
        ),
        ("Calls <function f at 0x7f00aa11> first.", "Calls <function f> first."),
    ],
)
def test_the_first_paragraph_of_a_docstring(doc: object, text: str) -> None:
    assert demo_child.first_paragraph(doc) == text


def test_modules_are_listed_without_those_that_do_harm() -> None:
    names = demo_child.modules()
    assert names == sorted(set(names))
    assert {"asyncio.tasks", "email.mime.text", "gzip", "math", "os"} <= set(names)
    assert not {"antigravity", "idlelib", "test", "this", "turtledemo", "unittest.__main__"} & set(names)
    assert not [name for name in names if any(part.startswith("_") for part in name.split("."))]
    assert not [name for name in names if {"test", "tests"} & set(name.split("."))]


def test_a_function_is_found_under_its_documented_name() -> None:
    found = {item["id"]: item for name in ("asyncio", "asyncio.tasks") for item in demo_child.document(name)}
    assert found["asyncio.wait"]["key"] == found["asyncio.tasks.wait"]["key"]
    rows = {row.id: row for row in best_names(list(found.values()))}
    assert "asyncio.tasks.wait" not in rows
    assert rows["asyncio.wait"].metadata == {"module": "asyncio", "kind": "function"}
    assert rows["asyncio.wait"].text.startswith("asyncio.wait: Wait for the Futures")


@pytest.fixture
def misbehaving(tmp_path: Path) -> Path:
    """A child like demo_child whose modules exit, hang, kill themselves, print and are fine, in turn."""
    path = tmp_path / "child.py"
    path.write_text(
        textwrap.dedent("""
            import json, os, sys, time
            output, start = sys.argv[1], int(sys.argv[2])
            deeds = ["fine", "exit", "print", "hang", "kill", "torn", "fine"]
            with open(output, "ab", buffering=0) as file:
                def write(value):
                    file.write(json.dumps(value).encode() + b"\\n")
                write({"modules": len(deeds)})
                for index, deed in enumerate(deeds[start:], start):
                    write({"begin": index})
                    if deed == "exit": os._exit(3)
                    if deed == "hang": time.sleep(60)
                    if deed == "kill": os.abort()
                    if deed == "torn": file.write(b'{"found": [{"id"'); os._exit(0)
                    if deed == "print": print("noise" * 100_000, file=sys.stderr)
                    name = f"{deed}{index}"
                    row = {"id": name, "kind": "module", "module": name, "text": name}
                    write({"found": [row | {"key": [name], "rank": [0]}]})
                write({"end": True})
        """)
    )
    return path


def test_a_module_that_misbehaves_does_not_lose_the_others(misbehaving: Path, capfd) -> None:
    seen: list[tuple[int, int]] = []
    rows = read_library(lambda done, total: seen.append((done, total)), child=misbehaving, patience=1.0)
    assert [row.id for row in rows] == ["fine0", "fine6", "print2"]
    assert seen[-1] == (7, 7)
    assert seen == sorted(seen)
    assert capfd.readouterr() == ("", "")


def test_a_child_that_never_starts_is_an_error(tmp_path: Path) -> None:
    child = tmp_path / "child.py"
    child.write_text("raise SystemExit(1)")
    with pytest.raises(SourceError, match="does not start"):
        read_library(child=child)


def test_one_row_an_object_and_one_an_id() -> None:
    def item(name: str, key: str, rank: int) -> dict[str, object]:
        return {"id": name, "kind": "class", "module": "m", "text": key, "key": ["m", key], "rank": [rank]}

    rows = best_names([item("m.sub.A", "A", 2), item("m.A", "A", 1), item("m.B", "B", 1), item("m.B", "C", 1)])
    assert rows == [
        Row("m.A", "m.A: A", {"module": "m", "kind": "class"}),
        Row("m.B", "m.B: B", {"module": "m", "kind": "class"}),
    ]


def test_two_readings_are_equal_and_hold_what_the_questions_need() -> None:
    first, second = read_library(), read_library()  # each child has its own hash seed
    assert first == second
    rows = {row.id: row for row in first}
    assert len(rows) == len(first) > 2000
    assert {"os.path.join", "asyncio.wait", "gzip.open", "zipfile.ZipFile", "io.open"} <= rows.keys()
    assert not [row.id for row in first if " at 0x" in row.text]
    assert {row.metadata["kind"] for row in first} == {"module", "class", "function"}
