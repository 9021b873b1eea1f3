"""A file that appears whole under its name, or not at all."""

from __future__ import annotations

import errno
import os
import stat
from pathlib import Path

import pytest

from idembed.durable import durable
from idembed.errors import DiskFullError, OptionError


def test_the_name_appears_at_the_end(tmp_path: Path) -> None:
    path = tmp_path / "out"
    with durable(path, "wb") as file:
        file.write(b"new")
        assert not path.exists()
    assert path.read_bytes() == b"new"
    assert list(tmp_path.iterdir()) == [path]


def test_text_is_utf8_with_its_own_line_ends(tmp_path: Path) -> None:
    with durable(tmp_path / "out", "w") as file:
        file.write("grün\n日本\r\n")
    assert (tmp_path / "out").read_bytes() == "grün\n日本\r\n".encode()


@pytest.mark.parametrize("error", [KeyboardInterrupt, ValueError])
def test_after_an_error_the_old_file_is_unharmed(tmp_path: Path, error: type[BaseException]) -> None:
    path = tmp_path / "out"
    path.write_bytes(b"old")

    def interrupted() -> None:
        with durable(path, "wb") as file:
            file.write(b"new")
            raise error

    with pytest.raises(error):
        interrupted()
    assert path.read_bytes() == b"old"
    assert list(tmp_path.iterdir()) == [path]


def test_two_writers_at_once_do_not_meet(tmp_path: Path) -> None:
    path = tmp_path / "out"
    with durable(path, "wb") as first:
        first.write(b"first")
        with durable(path, "wb") as second:
            second.write(b"second")
        assert path.read_bytes() == b"second"
    assert path.read_bytes() == b"first"
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.skipif(os.name != "posix", reason="fsync of folders")
def test_the_file_reaches_the_disk_before_its_name_and_then_the_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    steps = []
    fsync, replace = os.fsync, os.replace
    kind = {True: "folder", False: "file"}
    monkeypatch.setattr(os, "fsync", lambda fd: (steps.append(kind[stat.S_ISDIR(os.fstat(fd).st_mode)]), fsync(fd)))
    monkeypatch.setattr(os, "replace", lambda a, b: (steps.append("replace"), replace(a, b)))
    with durable(tmp_path / "out", "wb") as file:
        file.write(b"new")
    assert steps == ["file", "replace", "folder"]


@pytest.mark.parametrize(
    ("number", "kind"),
    [
        (errno.ENOSPC, DiskFullError),
        (errno.EDQUOT, DiskFullError),
        (errno.EFBIG, DiskFullError),
        (errno.EIO, OptionError),
    ],
)
def test_errors_of_the_disk_name_the_file(tmp_path: Path, number: int, kind: type[Exception]) -> None:
    with pytest.raises(kind, match=r"out cannot be written: ") as caught, durable(tmp_path / "out", "wb"):
        raise OSError(number, os.strerror(number))
    assert caught.value.facts == {"file": str(tmp_path / "out")}
    assert list(tmp_path.iterdir()) == []


def test_a_folder_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(OptionError, match="No such file or directory"), durable(tmp_path / "no" / "out", "wb"):
        pass


def test_a_broken_pipe_in_the_block_is_passed_on(tmp_path: Path) -> None:
    with pytest.raises(BrokenPipeError), durable(tmp_path / "out", "wb"):
        raise BrokenPipeError


def test_a_link_stays_and_its_file_is_replaced(tmp_path: Path) -> None:
    (tmp_path / "there").mkdir()
    target, link = tmp_path / "there" / "file", tmp_path / "link"
    target.write_text("old")
    link.symlink_to(target)
    with durable(link, "w") as file:
        file.write("new")
    assert link.is_symlink()
    assert target.read_text() == "new"


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="needs named pipes")
def test_what_is_no_file_is_not_replaced(tmp_path: Path) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    with pytest.raises(OptionError, match=r"pipe cannot be written: it is not a file"), durable(pipe, "w"):
        pass
    assert stat.S_ISFIFO(pipe.stat().st_mode)
    assert list(tmp_path.iterdir()) == [pipe]
