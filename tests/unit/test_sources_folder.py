"""Folders of text files: which files are rows, what the rows say, and what is left out and why."""

import os

import pytest

from idembed.errors import OptionError, RowError, SourceError
from idembed.sources import open_source


@pytest.fixture
def docs(tmp_path):
    folder = tmp_path / "docs"
    folder.mkdir()

    def write(**files):
        for name, content in files.items():
            put(folder, name, content)
        return folder

    return write


def put(folder, name, content):
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content if isinstance(content, bytes) else content.encode())


def read(path, **options):
    return [(row.id, row.text, row.metadata) for _, row in open_source(path, **options).rows()]


def message(path, kind=SourceError, **options):
    with pytest.raises(kind) as caught:
        read(path, **options)
    return str(caught.value)


def test_files_are_rows_in_the_order_of_their_paths(docs):
    folder = docs(
        **{"b.txt": "Dog", "a/z.MD": "# Siam\n\ncats", "a.rst": "Owls\n====\n", "B.text": "x", "é.markdown": "y"}
    )
    assert read(folder) == [
        ("B.text", "x", '{"path":"B.text","suffix":".text","title":"B"}'),
        ("a.rst", "Owls\n====\n", '{"path":"a.rst","suffix":".rst","title":"Owls"}'),
        ("a/z.MD", "# Siam\n\ncats", '{"path":"a/z.MD","suffix":".md","title":"Siam"}'),
        ("b.txt", "Dog", '{"path":"b.txt","suffix":".txt","title":"b"}'),
        ("é.markdown", "y", '{"path":"é.markdown","suffix":".markdown","title":"é"}'),
    ]


def test_a_folder_is_split_and_knows_its_size(docs):
    source = open_source(docs(**{"a.md": "a", "b.md": "b"}))
    assert (source.split, source.size_hint, source.name, source.where(1)) == (1000, 2, "docs", "docs/b.md")


def test_nothing_changes_when_the_times_do(docs):
    folder = docs(**{"a.md": "a"})
    before = read(folder)
    os.utime(folder / "a.md", (1, 1))
    assert read(folder) == before


def test_a_title_is_the_first_heading_that_says_something(docs):
    folder = docs(**{"a.md": "#\n\n```\n# code\n```\n\n## Real ##\n\n# Later", "b.txt": "# no Markdown"})
    assert [row[2] for row in read(folder)] == [
        '{"path":"a.md","suffix":".md","title":"Real"}',
        '{"path":"b.txt","suffix":".txt","title":"b"}',
    ]


def test_hidden_and_other_files_are_not_read(docs):
    folder = docs(**{"a.md": "a", ".b.md": "b", ".git/c.md": "c", "d.py": "d", "e": "e", "f.md.bak": "f"})
    source = open_source(folder)
    assert [row.id for _, row in source.rows()] == ["a.md"]
    assert source.skipped == []


def test_text_is_as_it_stands_but_for_a_byte_order_mark(docs):
    assert read(docs(**{"a.txt": b"\xef\xbb\xbfone\r\n two\t\r\n"}))[0][1] == "one\r\n two\t\r\n"


def test_empty_files_are_skipped_and_reported(docs):
    source = open_source(docs(**{"a.md": "a", "b.md": "", "c.md": " \n\t"}))
    for _ in range(2):
        assert [row.id for _, row in source.rows()] == ["a.md"]
        assert source.skipped == [("b.md", "empty"), ("c.md", "empty")]


def test_links_are_followed_to_files_within_only(docs, tmp_path):
    folder = docs(**{"a.md": "a", "sub/b.md": "b"})
    put(tmp_path, "secret.md", "secret")
    (folder / "again.md").symlink_to("a.md")
    (folder / "out.md").symlink_to(tmp_path / "secret.md")
    (folder / "gone.md").symlink_to(tmp_path / "nowhere.md")
    (folder / "sub" / "loop").symlink_to(folder)
    (folder / "away").symlink_to(tmp_path)
    (folder / "data.bin").symlink_to(tmp_path / "secret.md")
    source = open_source(folder)
    assert [row.id for _, row in source.rows()] == ["a.md", "again.md", "sub/b.md"]
    assert sorted(source.skipped) == [
        ("away", "link to a folder"),
        ("gone.md", "link to a file outside the folder"),
        ("out.md", "link to a file outside the folder"),
        ("sub/loop", "link to a folder"),
    ]


def test_a_folder_reached_by_a_link_is_read(docs, tmp_path):
    folder = docs(**{"a.md": "a"})
    (folder / "again.md").symlink_to("a.md")
    (tmp_path / "link").symlink_to(folder)
    assert [row[0] for row in read(tmp_path / "link")] == ["a.md", "again.md"]


def test_a_link_that_leads_nowhere_within_is_an_error(docs):
    folder = docs(**{"a.md": "a"})
    (folder / "b.md").symlink_to("gone.md")
    assert message(folder) == "docs: the link 'b.md' leads nowhere\n  mend or remove it"


def test_a_pipe_is_skipped(docs):
    folder = docs(**{"a.md": "a"})
    os.mkfifo(folder / "b.md")
    source = open_source(folder)
    assert [row.id for _, row in source.rows()] == ["a.md"]
    assert source.skipped == [("b.md", "not a regular file")]


def test_bytes_that_are_not_utf8_are_named(docs):
    folder = docs(**{"a.md": "a", "sub/b.md": b"\xef\xbb\xbfone\ncaf\xe9"})
    assert "docs/sub/b.md is not UTF-8: byte 10 (line 2) is 0xE9" in message(folder)
    assert read(docs(**{"sub/b.md": b"caf\xe9"}), encoding="latin-1")[1][1] == "café"


def test_a_row_that_is_not_taken_is_named_by_its_path(docs):
    assert "docs/a.md: the text of row 'a.md' contains NUL" in message(docs(**{"a.md": "a\0"}), RowError)


def test_a_file_name_that_is_not_utf8(docs):
    folder = docs(**{"a.md": "a"})
    try:
        with open(os.fsencode(folder) + b"/\xff.md", "wb") as file:
            file.write(b"x")
    except OSError:
        pytest.skip("this file system has UTF-8 names only")
    assert message(folder) == "the file name '\\udcff.md' in docs is not UTF-8\n  rename the file"


def test_a_folder_that_cannot_be_listed_is_an_error(docs, monkeypatch):
    folder = docs(**{"a.md": "a", "sub/b.md": "b"})
    scandir = os.scandir

    def forbidding(path):
        if str(path).endswith("sub"):
            raise PermissionError(13, "Permission denied")
        return scandir(path)

    monkeypatch.setattr(os, "scandir", forbidding)
    assert message(folder) == "the folder docs/sub cannot be read: Permission denied"


def test_a_file_that_vanishes_is_an_error(docs):
    folder = docs(**{"a.md": "a", "b.md": "b"})
    source = open_source(folder)
    (folder / "b.md").unlink()
    with pytest.raises(SourceError, match=r"docs/b\.md cannot be read: No such file"):
        list(source.rows())


def test_a_folder_without_text_files(docs):
    assert message(docs(**{"a.pdf": "a"})) == (
        "the folder docs has no text files\n  files that end in .txt, .text, .md, .markdown, .rst are read"
    )


def test_fields_are_not_for_folders(docs):
    assert "id_field and text_field are not for a folder" in message(docs(**{"a.md": "a"}), OptionError, id_field="x")


def test_the_folder_one_is_in(docs, monkeypatch):
    monkeypatch.chdir(docs(**{"a.md": ""}))
    source = open_source(".")
    assert (source.name, source.where(0)) == (".", "./a.md")
