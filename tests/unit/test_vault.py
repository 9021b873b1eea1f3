from __future__ import annotations

import errno
import hashlib
import os
import shutil
import stat
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import load_file

from idembed.errors import DiskFullError, LeaseHeldError, OptionError, VaultError
from idembed.space import Kept
from idembed.vault import GcReport, SpaceStats, Vault, default_path, folder, writer

SPACE, OTHER = "a" * 64, "b" * 64
DIM = 8


def place(number: int) -> bytes:
    return number.to_bytes(8, "big") * 2


def kept(number: int, dim: int = DIM) -> Kept:
    """A vector with odd bits: -0.0, a denormal, and numbers that depend on ``number``."""
    vector = np.random.default_rng(number).standard_normal(dim).astype(np.float32)
    vector[:2] = -0.0, 1e-45
    return Kept(vector, number, number % 2 == 1)


def same(one: Kept, two: Kept) -> bool:
    return (one.vector.tobytes(), one.tokens, one.truncated) == (two.vector.tobytes(), two.tokens, two.truncated)


@pytest.fixture
def vault(tmp_path: Path) -> Vault:
    return Vault(tmp_path / "vault")


def fill(vault: Vault, numbers: range, space: str = SPACE) -> None:
    with vault.writer(space, DIM) as w:
        w.put({place(n): kept(n) for n in numbers})


def segments(vault: Vault, space: str = SPACE) -> list[Path]:
    return sorted((vault.path / space).glob("*.safetensors"))


def test_every_bit_comes_back(vault: Vault) -> None:
    fill(vault, range(1000))
    found = vault.get(SPACE, [place(n) for n in (0, 999, 5, 5, 1000)])
    assert found.keys() == {place(0), place(5), place(999)}
    assert all(same(found[place(n)], kept(n)) for n in (0, 5, 999))
    assert vault.get(SPACE, []) == {}
    assert vault.get(OTHER, [place(0)]) == {}


def test_addresses_that_end_in_zeros_or_are_extreme_are_told_apart(vault: Vault) -> None:
    places = [bytes(16), b"\x01" + bytes(15), b"\x01\x00\x01" + bytes(13), b"\x7f" * 16, b"\x80" * 16, b"\xff" * 16]
    with vault.writer(SPACE, DIM) as w:
        w.put({address: kept(i) for i, address in enumerate(places)})
    found = vault.get(SPACE, places)
    assert [found[address].tokens for address in places] == [0, 1, 2, 3, 4, 5]
    assert vault.get(SPACE, [b"\x01\x00\x00\x01" + bytes(12)]) == {}


def test_a_segment_is_a_safetensors_file_sorted_by_address(vault: Vault) -> None:
    fill(vault, range(20, 0, -1))
    (path,) = segments(vault)
    tensors = load_file(path)
    assert {name: (t.dtype.name, t.shape) for name, t in tensors.items()} == {
        "address": ("uint8", (20, 16)),
        "vector": ("float32", (20, DIM)),
        "check": ("uint8", (20, 8)),
        "tokens": ("int32", (20,)),
        "truncated": ("uint8", (20,)),
    }
    assert [bytes(address) for address in tensors["address"]] == [place(n) for n in range(1, 21)]
    assert tensors["vector"][4].tobytes() == kept(5).vector.tobytes()
    assert tensors["tokens"].tolist() == list(range(1, 21))


def test_forgotten_addresses_are_gone_and_no_others(vault: Vault) -> None:
    fill(vault, range(5))
    fill(vault, range(5), OTHER)
    assert vault.forget(SPACE, [place(1), place(3), place(9)]).vectors == 2
    numbers = [place(n) for n in range(5)]
    assert vault.get(SPACE, numbers).keys() == {place(0), place(2), place(4)}
    assert vault.get(OTHER, numbers).keys() == set(numbers)
    assert vault.forget("c" * 64, [place(0)]) == GcReport(0, 0)


@pytest.mark.skipif(os.name == "nt", reason="POSIX permissions")
def test_only_the_owner_may_enter(vault: Vault) -> None:
    fill(vault, range(3))
    assert stat.S_IMODE(vault.path.stat().st_mode) == 0o700
    assert stat.S_IMODE((vault.path / SPACE).stat().st_mode) == 0o700
    assert stat.S_IMODE(segments(vault)[0].stat().st_mode) == 0o600


def test_reading_makes_no_folder(vault: Vault) -> None:
    assert vault.get(SPACE, [place(1)]) == {}
    assert vault.stats() == []
    assert not vault.path.exists()


def test_what_is_kept_is_never_replaced(vault: Vault) -> None:
    fill(vault, range(5))
    with vault.writer(SPACE, DIM) as w:
        w.put({place(1): kept(77), place(6): kept(6)})
        w.put({place(6): kept(78)})
    found = vault.get(SPACE, [place(1), place(6)])
    assert (found[place(1)].tokens, found[place(6)].tokens) == (1, 6)
    assert vault.stats()[0].vectors == 6


def test_what_was_put_is_kept_when_the_writer_is_left_by_an_error(vault: Vault) -> None:
    def interrupted() -> None:
        with vault.writer(SPACE, DIM) as w:
            w.put({place(1): kept(1)})
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        interrupted()
    assert vault.get(SPACE, [place(1)]).keys() == {place(1)}


def test_flush_makes_it_readable_for_others(vault: Vault) -> None:
    with vault.writer(SPACE, DIM) as w:
        w.put({place(1): kept(1)})
        assert Vault(vault.path).get(SPACE, [place(1)]) == {}
        w.flush()
        assert Vault(vault.path).get(SPACE, [place(1)]).keys() == {place(1)}
        w.flush()
    assert len(segments(vault)) == 1


def test_much_or_old_is_flushed_by_itself(vault: Vault, monkeypatch: pytest.MonkeyPatch) -> None:
    with vault.writer(SPACE, DIM) as w:
        monkeypatch.setattr(writer, "_FLUSH_BYTES", 1000)
        w.put({place(n): kept(n) for n in range(10)})
        assert len(segments(vault)) == 1
        monkeypatch.setattr(writer, "_FLUSH_SECONDS", 0.0)
        w.put({place(11): kept(11)})
        assert len(segments(vault)) == 2


def test_there_is_one_writer_for_each_space(vault: Vault) -> None:
    second = Vault(vault.path).writer(SPACE, DIM, wait=0.1)
    with vault.writer(SPACE, DIM), vault.writer(OTHER, DIM), pytest.raises(LeaseHeldError, match="another program"):
        second.__enter__()
    fill(vault, range(1))


def test_a_killed_writer_holds_nothing_and_leaves_no_rubbish(vault: Vault) -> None:
    code = (
        "import os, sys; from idembed.vault import Vault\n"
        f"w = Vault(sys.argv[1]).writer({SPACE!r}, 8); w.__enter__()\n"
        f"open(sys.argv[1] + '/{SPACE}/.tmp-left', 'w').close(); os.kill(os.getpid(), 9)"
    )
    subprocess.run([sys.executable, "-c", code, str(vault.path)], check=False)
    assert (vault.path / SPACE / ".tmp-left").exists()
    with vault.writer(SPACE, DIM, wait=0.0):
        assert not (vault.path / SPACE / ".tmp-left").exists()


@pytest.mark.parametrize(
    ("address", "vector", "says"),
    [
        (b"short", np.ones(DIM, np.float32), "16 bytes"),
        (place(1), np.ones(DIM, np.float64), "float64"),
        (place(1), np.ones(DIM + 1, np.float32), rf"float32 \[{DIM + 1}\], not float32 \[{DIM}\]"),
        (place(1), np.array([1.0] * (DIM - 1) + [np.nan], np.float32), "NaN"),
    ],
)
def test_what_cannot_be_kept_is_refused(vault: Vault, address: bytes, vector: np.ndarray, says: str) -> None:
    with vault.writer(SPACE, DIM) as w:
        with pytest.raises(OptionError, match=says):
            w.put({place(0): kept(0), address: Kept(vector, 1, False)})
        w.flush()
    assert segments(vault) == []


def test_a_space_is_named_by_its_id_and_by_nothing_else(vault: Vault) -> None:
    for name in ("", "..", "A" * 64, "a" * 63, "../" + "a" * 61):
        with pytest.raises(OptionError, match="space id"):
            vault.get(name, [place(1)])
        with pytest.raises(OptionError, match="space id"):
            vault.writer(name, DIM)


def test_a_closed_writer_says_so(vault: Vault) -> None:
    w = vault.writer(SPACE, DIM)
    with pytest.raises(VaultError, match="closed"):
        w.put({place(1): kept(1)})
    with w:
        pass
    with pytest.raises(VaultError, match="closed"):
        w.flush()


def test_a_folder_that_cannot_be_written_says_so(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(VaultError, match="cannot be written"), Vault(tmp_path / "file" / "x").writer(SPACE, DIM):
        pass


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EDQUOT, errno.EFBIG])
def test_a_full_disk_is_named_as_such_and_keeps_what_there_was(
    vault: Vault, monkeypatch: pytest.MonkeyPatch, number: int
) -> None:
    def full(*_: object) -> None:
        raise OSError(number, os.strerror(number))

    with vault.writer(SPACE, DIM) as w:
        w.put({place(1): kept(1)})
    with monkeypatch.context() as patch:
        patch.setattr("idembed.vault.writer.write_segment", full)
        with pytest.raises(DiskFullError, match="cannot be written") as caught, vault.writer(SPACE, DIM) as w:
            w.put({place(2): kept(2)})
    assert "what was kept before is safe" in caught.value.hint
    assert vault.get(SPACE, [place(1), place(2)]).keys() == {place(1)}


# Damage -----------------------------------------------------------------------------------------------


def flip(path: Path, at: int) -> None:
    content = bytearray(path.read_bytes())
    content[at] ^= 0x10
    path.write_bytes(content)


def test_no_flipped_bit_anywhere_gives_a_wrong_vector(vault: Vault) -> None:
    fill(vault, range(40))
    (path,) = segments(vault)
    whole = path.read_bytes()
    missing = 0
    for at in range(0, len(whole), 7):
        path.write_bytes(whole)
        flip(path, at)
        found = Vault(vault.path).get(SPACE, [place(n) for n in range(40)])
        assert all(same(one, kept(int.from_bytes(address[:8], "big"))) for address, one in found.items())
        missing += 40 - len(found)
    assert missing > 100


def test_a_damaged_entry_is_absent_and_reported(vault: Vault) -> None:
    fill(vault, range(40))
    (path,) = segments(vault)
    raw = path.read_bytes()
    flip(path, raw.index(kept(7).vector[2:].tobytes()))
    again = Vault(vault.path)
    assert again.get(SPACE, [place(7), place(8)]).keys() == {place(8)}
    assert again.damaged == {path: "1 damaged vectors"}
    assert again.verify() == 39


def test_a_cut_off_or_foreign_file_is_left_out_and_reported(vault: Vault) -> None:
    fill(vault, range(40))
    (path,) = segments(vault)
    raw = path.read_bytes()
    fill(vault, range(100, 110))
    huge = b'{"address":{"dtype":"U8","shape":[%s],"data_offsets":[0,0]}}' % (b"9" * 200)
    for content in (
        raw[:-1],
        raw[:100],
        raw[:4],
        b"",
        b"\xff" * 400,
        b"\x02" + bytes(7) + b"{}",
        b"\x02" + bytes(7) + b"[]",
        (1 << 19).to_bytes(8, "little") + b"[" * (1 << 19),
        len(huge).to_bytes(8, "little") + huge,
    ):
        path.write_bytes(content)
        again = Vault(vault.path)
        assert again.get(SPACE, [place(1), place(105)]).keys() == {place(105)}
        assert list(again.damaged) == [path]


def test_a_damaged_vector_can_be_kept_again(vault: Vault) -> None:
    fill(vault, range(40))
    (path,) = segments(vault)
    flip(path, path.read_bytes().index(kept(7).vector[2:].tobytes()))
    again = Vault(vault.path)
    with again.writer(SPACE, DIM) as w:
        w.put({place(7): kept(7)})
    assert same(again.get(SPACE, [place(7)])[place(7)], kept(7))


def test_verify_may_take_a_sample(vault: Vault) -> None:
    fill(vault, range(40))
    assert vault.verify(SPACE, sample=5) == 5
    assert vault.verify() == 40
    assert vault.damaged == {}


# Compaction, merging, collecting -----------------------------------------------------------------------


def test_eight_segments_of_a_size_become_one(vault: Vault) -> None:
    for n in range(64):
        fill(vault, range(n, n + 1))
        assert len(segments(vault)) <= 14
    assert len(segments(vault)) == 1
    found = vault.get(SPACE, [place(n) for n in range(64)])
    assert len(found) == 64
    assert all(same(found[place(n)], kept(n)) for n in range(64))


def refuse(monkeypatch: pytest.MonkeyPatch, mapped: Callable[[Path], bool]) -> None:
    """What Windows does while another program has the files mapped."""
    unlink, replace = Path.unlink, Path.replace

    def refused(path: Path, missing_ok: bool = False) -> None:
        if mapped(path):
            raise PermissionError(13, "mapped", str(path))
        unlink(path, missing_ok)

    def not_replaced(path: Path, target: Path) -> Path:
        if target.exists() and mapped(target):
            raise PermissionError(13, "mapped", str(target))
        return replace(path, target)

    monkeypatch.setattr(Path, "unlink", refused)
    monkeypatch.setattr(Path, "replace", not_replaced)


@pytest.mark.parametrize("how_many", [1, 4, 7])
def test_segments_that_cannot_be_removed_end_the_merging_and_go_with_a_later_writer(
    vault: Vault, monkeypatch: pytest.MonkeyPatch, how_many: int
) -> None:
    for n in range(7):
        fill(vault, range(n, n + 1))
    stuck = segments(vault)[:how_many]
    with monkeypatch.context() as patch:
        refuse(patch, stuck.__contains__)
        for n in range(7, 30):
            fill(vault, range(n, n + 1))
            assert len(vault.get(SPACE, [place(i) for i in range(n + 1)])) == n + 1
        assert set(stuck) < set(segments(vault))
        assert len(segments(vault)) <= how_many + 20
        assert list((vault.path / SPACE).glob(".tmp-*")) == []
    for n in range(30, 64):
        fill(vault, range(n, n + 1))
    assert not set(stuck) & set(segments(vault))
    assert len(vault.get(SPACE, [place(i) for i in range(64)])) == 64
    assert vault.damaged == {}


def test_where_no_segment_can_be_removed_every_writer_still_ends(vault: Vault, monkeypatch: pytest.MonkeyPatch) -> None:
    refuse(monkeypatch, lambda path: path.suffix == ".safetensors")
    for n in range(12):
        fill(vault, range(n, n + 1))
        fill(vault, range(n, n + 1))  # adds nothing, merges the same ones again
        assert len(vault.get(SPACE, [place(i) for i in range(n + 1)])) == n + 1
    assert list((vault.path / SPACE).glob(".tmp-*")) == []


@pytest.mark.skipif(not Path("/proc/self/maps").exists(), reason="asks Linux what is mapped")
def test_our_own_maps_are_closed_before_a_file_is_removed(vault: Vault, monkeypatch: pytest.MonkeyPatch) -> None:
    unlink = Path.unlink
    removed = []

    def watched(path: Path, missing_ok: bool = False) -> None:
        assert str(path) not in Path("/proc/self/maps").read_text()
        removed.append(path)
        unlink(path, missing_ok)

    for n in range(7):
        fill(vault, range(n, n + 1))
    assert len(vault.get(SPACE, [place(n) for n in range(7)])) == 7
    assert str(vault.path) in Path("/proc/self/maps").read_text()
    monkeypatch.setattr(Path, "unlink", watched)
    fill(vault, range(7, 8))
    assert len(removed) == 8
    assert vault.forget(SPACE, [place(3)]).vectors == 1
    assert len(removed) == 9


def test_what_lies_in_a_file_that_cannot_be_removed_does_not_count_as_forgotten(
    vault: Vault, monkeypatch: pytest.MonkeyPatch
) -> None:
    fill(vault, range(5))
    fill(vault, range(10, 12))
    (stuck,) = (path for path in segments(vault) if kept(3).vector.tobytes() in path.read_bytes())
    with monkeypatch.context() as patch:
        refuse(patch, [stuck].__contains__)
        assert vault.forget(SPACE, [place(3), place(11)]).vectors == 1
        assert vault.get(SPACE, [place(3), place(11)]).keys() == {place(3)}
    assert vault.forget(SPACE, [place(3)]).vectors == 1
    assert vault.get(SPACE, [place(n) for n in range(12)]).keys() == {place(n) for n in (0, 1, 2, 4, 10)}


def test_a_reader_follows_when_files_vanish_between_listing_and_opening(
    vault: Vault, monkeypatch: pytest.MonkeyPatch
) -> None:
    for n in range(7):
        fill(vault, range(n, n + 1))
    reader = Vault(vault.path)
    listed = reader._opened
    calls = []

    def late(folder: Path, paths: list[Path]) -> object:
        if not calls:
            calls.append(paths)
            fill(vault, range(7, 8))  # merges all eight and removes what was just listed
        return listed(folder, paths)

    monkeypatch.setattr(reader, "_opened", late)
    assert len(reader.get(SPACE, [place(n) for n in range(8)])) == 8
    assert len(calls[0]) == 7


def test_an_open_reader_survives_a_merge(vault: Vault) -> None:
    reader = Vault(vault.path)
    for n in range(30):
        fill(vault, range(10 * n, 10 * n + 10))
        assert len(reader.get(SPACE, [place(i) for i in range(10 * n + 10)])) == 10 * n + 10
    assert reader.damaged == {}


def test_merging_drops_what_is_damaged_and_keeps_the_rest(vault: Vault) -> None:
    for n in range(7):
        fill(vault, range(n, n + 1))
    broken = next(path for path in segments(vault) if kept(3).vector.tobytes() in path.read_bytes())
    flip(broken, broken.read_bytes().index(kept(3).vector[2:].tobytes()))
    fill(vault, range(7, 8))
    assert len(segments(vault)) == 1
    assert vault.get(SPACE, [place(n) for n in range(8)]).keys() == {place(n) for n in range(8) if n != 3}


def test_two_vaults_are_merged_by_copying_files(vault: Vault, tmp_path: Path) -> None:
    other = Vault(tmp_path / "other")
    fill(vault, range(10))
    fill(other, range(5, 20))
    fill(other, range(30, 31), OTHER)
    shutil.copytree(other.path, tmp_path / "by hand")
    assert vault.merge(other.path) == 2
    assert vault.merge(other.path) == 0
    assert len(vault.get(SPACE, [place(n) for n in range(20)])) == 20
    assert len(vault.get(OTHER, [place(30)])) == 1
    for file in segments(vault):
        shutil.copy(file, tmp_path / "by hand" / SPACE)
    assert len(Vault(tmp_path / "by hand").get(SPACE, [place(n) for n in range(20)])) == 20


def test_merging_mends_a_segment_that_is_damaged_here_and_spoils_none(vault: Vault, tmp_path: Path) -> None:
    fill(vault, range(10))
    other = Vault(tmp_path / "other")
    assert other.merge(vault.path) == 1
    (mine,) = segments(vault)
    flip(mine, mine.stat().st_size - 200)
    assert other.merge(vault.path) == 0
    assert Vault(other.path).verify() == 10
    vault = Vault(vault.path)
    before = vault.verify()
    assert before < 10
    assert vault.damaged
    assert vault.merge(other.path) == 1
    assert (vault.verify(), vault.damaged) == (10, {})
    assert Vault(vault.path).verify() == 10
    assert vault.merge(other.path) == 0


def test_merging_waits_for_the_writer_and_keeps_others_out(
    vault: Vault, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    other = Vault(tmp_path / "other")
    fill(other, range(3))
    monkeypatch.setattr(folder, "WAIT_SECONDS", 0.1)
    with vault.writer(SPACE, DIM), pytest.raises(LeaseHeldError, match="another program"):
        vault.merge(other.path)
    copy = folder._copy

    def copied(source: Path, target: Path) -> None:
        with pytest.raises(LeaseHeldError):
            Vault(vault.path).writer(SPACE, DIM, wait=0.0).__enter__()
        copy(source, target)

    monkeypatch.setattr(folder, "_copy", copied)
    assert vault.merge(other.path) == 1
    fill(vault, range(3, 4))
    assert len(vault.get(SPACE, [place(n) for n in range(4)])) == 4


def test_stats_tell_each_space(vault: Vault) -> None:
    fill(vault, range(10))
    fill(vault, range(20, 25))
    fill(vault, range(3), OTHER)
    entry = 16 + 8 + 4 * DIM + 5
    assert vault.stats() == [SpaceStats(SPACE, DIM, 2, 15, 15 * entry), SpaceStats(OTHER, DIM, 1, 3, 3 * entry)]


def test_gc_shows_first_and_removes_what_no_index_holds(vault: Vault) -> None:
    fill(vault, range(10))
    fill(vault, range(3), OTHER)
    keep = {place(n) for n in range(4)}
    entry = 16 + 8 + 4 * DIM + 5
    assert vault.gc(keep, dry_run=True) == GcReport(6, 6 * entry)
    assert len(vault.get(SPACE, [place(n) for n in range(10)])) == 10
    assert vault.gc(iter(keep)) == GcReport(6, 6 * entry)
    assert vault.get(SPACE, [place(n) for n in range(10)]).keys() == keep
    assert len(vault.get(OTHER, [place(n) for n in range(3)])) == 3
    assert vault.gc([], space_id=OTHER) == GcReport(3, 3 * entry)
    assert segments(vault, OTHER) == []


def cut_off(path: Path) -> int:
    """Leaves half of the file; how many bytes that is."""
    os.truncate(path, path.stat().st_size // 2)
    return path.stat().st_size


def test_gc_removes_files_that_are_damaged_as_a_whole(vault: Vault) -> None:
    fill(vault, range(10))
    (path,) = segments(vault)
    fill(vault, range(20, 22))
    (other,) = set(segments(vault)) - {path}
    size = cut_off(path)
    keep = [place(20), place(21)]
    assert Vault(vault.path).gc(keep, dry_run=True) == GcReport(0, 0, 1, size)
    assert Vault(vault.path).gc(keep, older_than=3600.0) == GcReport(0, 0)
    opened = Vault(vault.path)
    assert opened.gc(keep) == GcReport(0, 0, 1, size)
    assert (segments(vault), opened.damaged) == ([other], {})
    assert Vault(vault.path).gc(keep) == GcReport(0, 0)


def test_forgetting_leaves_damaged_files_to_gc(vault: Vault) -> None:
    fill(vault, range(10))
    (path,) = segments(vault)
    cut_off(path)
    assert Vault(vault.path).forget(SPACE, [place(1)]) == GcReport(0, 0)
    assert segments(vault) == [path]


@pytest.mark.parametrize("number", [13, 5])
def test_gc_removes_no_file_that_only_cannot_be_opened(
    vault: Vault, monkeypatch: pytest.MonkeyPatch, number: int
) -> None:
    fill(vault, range(10))
    (path,) = segments(vault)
    opened = Path.open

    def refused(self: Path, *arguments: object, **options: object) -> object:
        if self == path:
            raise OSError(number, os.strerror(number), str(self))
        return opened(self, *arguments, **options)  # type: ignore[arg-type]

    with monkeypatch.context() as patch:
        patch.setattr(Path, "open", refused)
        again = Vault(vault.path)
        assert again.gc([]) == GcReport(0, 0)
        assert again.damaged == {path: f"it cannot be opened ({os.strerror(number)})"}
    assert Vault(vault.path).verify() == 10


def test_gc_removes_no_file_that_is_as_it_was_written(vault: Vault) -> None:
    """A newer idembed's, say, which this one cannot read."""
    fill(vault, range(1))
    content = b"\x02" + bytes(7) + b"{}"
    newer = vault.path / SPACE / f"{hashlib.sha256(content).hexdigest()[:32]}.safetensors"
    newer.write_bytes(content)
    foreign = newer.with_name("weights.safetensors")
    foreign.write_bytes(content[:4])
    again = Vault(vault.path)
    assert again.gc([place(0)]) == GcReport(0, 0)
    assert again.damaged.keys() == {newer, foreign}
    assert newer.exists()
    assert foreign.exists()


def test_gc_spares_what_is_young_also_after_a_merge(vault: Vault) -> None:
    fill(vault, range(10))
    (path,) = segments(vault)
    os.utime(path, (1000.0, 1000.0))
    fill(vault, range(10, 12))
    assert vault.gc([], older_than=100.0, now=1050.0).vectors == 0
    assert vault.gc([place(0)], older_than=100.0, now=1200.0).vectors == 9
    assert vault.get(SPACE, [place(n) for n in range(12)]).keys() == {place(0), place(10), place(11)}
    assert {file.stat().st_mtime for file in segments(vault)} > {1000.0}


def test_the_default_place(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("IDEMBED_VAULT", raising=False)
    monkeypatch.setenv("IDEMBED_DATA", "/paid/for")
    assert default_path() == Path("/paid/for/vault")
    monkeypatch.delenv("IDEMBED_DATA")
    monkeypatch.setenv("XDG_DATA_HOME", "/data")
    assert default_path() == Path("/data/idembed/vault")
    monkeypatch.setenv("IDEMBED_VAULT", "/mine")
    assert Vault().path == Path("/mine")
    assert Vault("/other").path == Path("/other")
    monkeypatch.delenv("IDEMBED_VAULT")
    monkeypatch.delenv("XDG_DATA_HOME")
    monkeypatch.setenv("HOME", "/home/someone")
    assert default_path() == Path("/home/someone/.local/share/idembed/vault")


def test_gc_of_whatever_age_asks_no_clock(vault: Vault) -> None:
    fill(vault, range(3))
    (path,) = segments(vault)
    os.utime(path, (9e9, 9e9))  # the clock was set back since
    assert vault.gc([place(0)], older_than=1.0).vectors == 0
    assert vault.gc([place(0)]).vectors == 2
