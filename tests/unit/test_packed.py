"""Packed weights in a file: what is kept, what is refused, and that a file's faults cost no more than packing again."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

import tiny
from idembed import native
from idembed.errors import ModelError
from idembed.models import engine, fingerprint, load, packed
from idembed.models.checkpoint import Checkpoint

pytestmark = pytest.mark.usefixtures("own_machine")

TEXTS = ["the cat sat.", "dogs", ""]
CHUNK = 1 << 20
Edit = Callable[[Path], object]


@pytest.fixture(autouse=True)
def _every_size_is_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(packed, "_SMALLEST", 0)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tiny.checkpoint(tmp_path / "made")


@pytest.fixture
def kept(tmp_path: Path) -> Path:
    """Where files of packed weights go."""
    return tmp_path / "cache" / "packed"


@pytest.fixture(autouse=True)
def _files_are_settled(monkeypatch: pytest.MonkeyPatch) -> None:
    """As if the checkpoint had been there for a while."""
    monkeypatch.setattr(engine, "settled", lambda identity: True)


def packs(model: Checkpoint, monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Grows by one whenever the model packs its weights."""
    count: list[int] = []
    pack = model._engine._pack
    monkeypatch.setattr(model._engine, "_pack", lambda: (count.append(1), pack())[1])
    return count


def encoded(folder: Path, monkeypatch: pytest.MonkeyPatch) -> tuple[bytes, int]:
    """The vectors of TEXTS by a model that is loaded anew, and how often it packed its weights."""
    model = load(folder)
    count = packs(model, monkeypatch)
    return model.encode(TEXTS).tobytes(), len(count)


def only(folder: Path) -> Path:
    (file,) = folder.iterdir()
    return file


# ---- kept and used ------------------------------------------------------------------------------------------


def test_weights_are_packed_once_a_machine(folder: Path, kept: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    first = encoded(folder, monkeypatch)
    assert first[1] == 1
    assert only(kept).suffix == ".weights"
    assert encoded(folder, monkeypatch) == (first[0], 0)


def test_a_second_start_does_not_read_the_checkpoints_weights(
    folder: Path, kept: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    model = load(folder)
    expected, weights = model.encode(TEXTS).tobytes(), model._engine.weights_hash()
    monkeypatch.setattr(engine.Engine, "weights_hash", lambda self: weights)  # remembered
    monkeypatch.setattr(engine, "read_tensors", None)
    assert load(folder).encode(TEXTS).tobytes() == expected


def test_a_copy_of_a_checkpoint_uses_the_same_file(
    folder: Path, tmp_path: Path, kept: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    encoded(folder, monkeypatch)
    assert encoded(tiny.checkpoint(tmp_path / "copy"), monkeypatch)[1] == 0


def test_other_weights_have_another_file(
    folder: Path, tmp_path: Path, kept: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    encoded(folder, monkeypatch)
    other = tiny.checkpoint(tmp_path / "other", seed=1)
    assert encoded(other, monkeypatch)[1] == 1
    assert len(list(kept.iterdir())) == 2


def test_instruction_sets_that_pack_alike_share_a_file(folder: Path, kept: Path) -> None:
    for isa in native.available_isas():
        load(folder, isa=isa).encode(TEXTS)
    layouts = {native.block_kind(tiny.SHAPE, isa=isa).layout for isa in native.available_isas()}
    assert len(list(kept.iterdir())) == len(layouts)


def test_profiles_have_files_of_their_own(folder: Path, kept: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    first = {profile: load(folder, profile).encode(TEXTS).tobytes() for profile in ("f32", "i16", "i8")}
    assert len(list(kept.iterdir())) == 3
    monkeypatch.setattr(engine, "read_tensors", None)
    monkeypatch.setattr(fingerprint, "settled", lambda identity: True)
    assert {profile: load(folder, profile).encode(TEXTS).tobytes() for profile in first} == first
    assert len(set(first.values())) == 3


@pytest.mark.parametrize("word", ["off", "0", "No", "false"])
def test_it_can_be_switched_off(folder: Path, kept: Path, monkeypatch: pytest.MonkeyPatch, word: str) -> None:
    monkeypatch.setenv("IDEMBED_PACKED", word)
    first = encoded(folder, monkeypatch)
    assert first == encoded(folder, monkeypatch)
    assert first[1] == 1
    assert not kept.exists()


def test_weights_that_have_just_been_written_are_not_kept(
    folder: Path, kept: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.undo()
    monkeypatch.setattr(packed, "_SMALLEST", 0)
    monkeypatch.setenv("IDEMBED_CACHE", str(kept.parent))
    encoded(folder, monkeypatch)
    assert not kept.exists()


def test_small_weights_are_not_kept(folder: Path, kept: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(packed, "_SMALLEST", 4 << 20)
    encoded(folder, monkeypatch)
    assert not kept.exists()


def test_the_folder_is_its_owners_alone(folder: Path, kept: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    encoded(folder, monkeypatch)
    assert kept.stat().st_mode & 0o777 == 0o700


OPENED = """
import sys
seen = []
sys.addaudithook(lambda event, found: event == "open" and seen.append(str(found[0])))
from idembed.models import engine, load, packed
packed._SMALLEST = 0
load(sys.argv[1]).encode("cat")
unneeded = "safetensors difflib zipfile httpx2 huggingface_hub idembed.shown idembed.models.api.names"
print(*[name for name in unneeded.split() if name in sys.modules])
print(*[path for path in seen if path.endswith(".safetensors")])
"""


def test_a_start_opens_no_weights_of_the_checkpoint_and_imports_nothing_that_it_does_not_need(
    folder: Path, kept: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(fingerprint, "settled", lambda identity: True)
    encoded(folder, monkeypatch)
    started = subprocess.run(
        [sys.executable, "-c", OPENED, str(folder)], capture_output=True, text=True, check=True, timeout=60
    )
    assert started.stdout == "\n\n"


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="tells no memory of mapped files")
def test_weights_that_were_checked_do_not_count_as_memory_until_they_are_read(kept: Path) -> None:
    config = native.EncoderConfig(60_000, 24, 2, 64, 1, 2, 64)

    def pack() -> np.ndarray:
        return native.pack(config, [np.ones(shape, np.float32) for shape in native.tensor_shapes(config).values()])

    def mapped() -> int:
        lines = Path("/proc/self/status").read_text().splitlines()
        return next(int(line.split()[1]) * 1024 for line in lines if line.startswith("RssFile"))

    packed.opened(config, "0" * 64, pack, isa=None)
    before = mapped()
    encoder = packed.opened(config, "0" * 64, pack, isa=None)
    assert mapped() - before < 4 << 20 < native.block_kind(config).bytes // 3
    assert encoder.forward(np.ones(2, np.int32), np.array([0, 2])).shape == (1, 64)


def test_the_tokenizer_is_read_while_weights_are_checked(
    folder: Path, kept: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    expected, _ = encoded(folder, monkeypatch)
    is_read = threading.Event()
    check, read = native.is_whole, engine.TextTokenizer

    def checked(*arguments: object, **options: object) -> bool:
        assert is_read.wait(60)
        return check(*arguments, **options)

    def tokenizer(*arguments: object, **options: object) -> object:
        made = read(*arguments, **options)
        is_read.set()
        return made

    monkeypatch.setattr(native, "is_whole", checked)
    monkeypatch.setattr(engine, "TextTokenizer", tokenizer)
    before = threading.active_count()
    assert encoded(folder, monkeypatch) == (expected, 0)
    assert threading.active_count() == before


def test_where_no_more_threads_can_be_started_weights_are_checked_all_the_same(
    folder: Path, kept: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    expected, _ = encoded(folder, monkeypatch)

    def fails(thread: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    monkeypatch.setattr(threading.Thread, "start", fails)
    assert encoded(folder, monkeypatch) == (expected, 0)
    flipped(20_000)(only(kept))
    assert encoded(folder, monkeypatch) == (expected, 1)


def test_a_tokenizer_that_cannot_be_read_is_said_to_be(
    folder: Path, kept: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    encoded(folder, monkeypatch)
    (folder / "tokenizer.json").write_text("{}")
    model = load(folder)
    for _ in range(2):
        with pytest.raises(ModelError, match="cannot be read"):
            model.encode("cat")


# ---- damaged, stale, somebody else's ------------------------------------------------------------------------


def cut(file: Path) -> None:
    os.truncate(file, file.stat().st_size // 2)


def emptied(file: Path) -> None:
    os.truncate(file, 0)


def longer(file: Path) -> None:
    with file.open("ab") as end:
        end.write(bytes(64))


def flipped(at: int) -> Edit:
    """One bit of one byte changed; counted from the end if ``at`` is negative."""

    def edit(file: Path) -> None:
        raw = bytearray(file.read_bytes())
        raw[at] ^= 1
        file.write_bytes(raw)

    return edit


def of_other_weights(file: Path) -> None:
    """The head of these, the rest of others: as if pages had been lost."""
    others = native.pack(tiny.SHAPE, list(tiny.tensors(1).values())).tobytes()
    file.write_bytes(file.read_bytes()[:4096] + others[4096:])


@pytest.mark.parametrize(
    "harm",
    [
        *(pytest.param(f, id=f.__name__) for f in (cut, emptied, longer, of_other_weights)),
        *(pytest.param(flipped(at), id=f"byte {at}") for at in (0, 8, 16, 24, 32, 40, 64, 4095, 4096, 20000, -1, -64)),
    ],
)
def test_a_damaged_file_is_made_anew(folder: Path, kept: Path, monkeypatch: pytest.MonkeyPatch, harm: Edit) -> None:
    vectors, _ = encoded(folder, monkeypatch)
    whole = only(kept).read_bytes()
    harm(only(kept))
    assert encoded(folder, monkeypatch) == (vectors, 1)
    assert only(kept).read_bytes() == whole
    assert encoded(folder, monkeypatch) == (vectors, 0)


def test_a_version_that_packs_otherwise_has_another_file(
    folder: Path, kept: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    vectors, _ = encoded(folder, monkeypatch)
    kind = native.block_kind(tiny.SHAPE)
    with monkeypatch.context() as newer:
        newer.setattr(native, "block_kind", lambda config, isa=None: kind._replace(layout=kind.layout + (1 << 32)))
        assert encoded(folder, monkeypatch) == (vectors, 1)
    assert len(list(kept.iterdir())) == 2
    assert encoded(folder, monkeypatch) == (vectors, 0)


@pytest.mark.skipif(not hasattr(os, "geteuid"), reason="files have no owners")
def test_a_file_of_another_user_is_not_used(folder: Path, kept: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    vectors, _ = encoded(folder, monkeypatch)
    if os.geteuid() != 0:
        pytest.skip("only root can give a file away")
    os.chown(only(kept), 1, 1)
    assert encoded(folder, monkeypatch) == (vectors, 1)
    assert only(kept).stat().st_uid == 0


@pytest.mark.skipif(os.name != "posix", reason="files have no modes")
def test_a_file_that_others_may_write_is_not_used(folder: Path, kept: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    vectors, _ = encoded(folder, monkeypatch)
    assert only(kept).stat().st_mode & 0o777 == 0o400
    only(kept).chmod(0o620)
    assert encoded(folder, monkeypatch) == (vectors, 1)
    assert only(kept).stat().st_mode & 0o777 == 0o400


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="there are no pipes with names")
def test_a_pipe_in_place_of_the_file_does_no_harm(folder: Path, kept: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    vectors, _ = encoded(folder, monkeypatch)
    file = only(kept)
    file.unlink()
    os.mkfifo(file)
    assert encoded(folder, monkeypatch) == (vectors, 1)


def test_a_file_under_the_name_of_another_checkpoints_is_not_taken_for_it(
    folder: Path, kept: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    vectors, _ = encoded(folder, monkeypatch)
    first = only(kept)
    other = tiny.checkpoint(tmp_path / "other", seed=1)
    assert encoded(other, monkeypatch) != (vectors, 1)
    (second,) = set(kept.iterdir()) - {first}
    first.write_bytes(second.read_bytes())
    assert encoded(folder, monkeypatch) == (vectors, 1)


# ---- where no file can be kept ------------------------------------------------------------------------------


def test_a_file_in_place_of_the_folder_does_no_harm(folder: Path, kept: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    kept.parent.mkdir(exist_ok=True)
    kept.write_text("in the way")
    first = encoded(folder, monkeypatch)
    assert first == encoded(folder, monkeypatch)
    assert first[1] == 1


def test_a_folder_in_place_of_the_file_does_no_harm(folder: Path, kept: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    vectors, _ = encoded(folder, monkeypatch)
    file = only(kept)
    file.unlink()
    file.mkdir()
    assert encoded(folder, monkeypatch) == (vectors, 1)


def test_a_full_or_read_only_disk_does_no_harm(folder: Path, kept: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fails(descriptor: int) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as full:
        full.setattr(os, "fsync", fails)
        assert encoded(folder, full)[1] == 1
    assert list(kept.iterdir()) == []


@pytest.mark.skipif(sys.platform == "win32", reason="folders are not read-only there")
def test_a_read_only_folder_does_no_harm(folder: Path, kept: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    if os.geteuid() == 0:
        monkeypatch.setenv("IDEMBED_CACHE", "/proc/idembed")  # where root may not write either
    else:
        kept.parent.mkdir(exist_ok=True)
        kept.parent.chmod(0o500)
    first = encoded(folder, monkeypatch)
    assert first == encoded(folder, monkeypatch)
    assert first[1] == 1


def test_where_nobody_has_a_home_weights_are_packed(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    vectors, _ = encoded(folder, monkeypatch)

    def nobody() -> Path:
        raise RuntimeError("Could not determine home directory.")

    monkeypatch.setattr(packed, "cache_folder", nobody)
    assert encoded(folder, monkeypatch) == (vectors, 1)


def test_files_that_cannot_be_listed_do_no_harm(folder: Path, kept: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fails(newest: Path) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(packed, "_prune", fails)
    assert encoded(folder, monkeypatch)[1] == 1
    assert encoded(folder, monkeypatch)[1] == 0


# ---- what becomes of old files ------------------------------------------------------------------------------


def test_the_files_that_were_not_used_for_longest_go(folder: Path, kept: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    kept.mkdir(parents=True, mode=0o700)
    for age, name in enumerate(("today", "yesterday", "older", "oldest")):
        (kept / f"{name}.weights").write_bytes(bytes(1000))
        os.utime(kept / f"{name}.weights", (time.time() - 90_000 * age - 60,) * 2)
    size = native.block_kind(tiny.SHAPE).bytes
    monkeypatch.setattr(packed, "_MOST", size + 2500)
    encoded(folder, monkeypatch)
    left = {file.stem for file in kept.iterdir() if file.stat().st_size == 1000}
    assert left == {"today", "yesterday"}
    assert len(list(kept.iterdir())) == 3


def test_a_file_that_is_too_large_for_the_rest_is_kept_alone(
    folder: Path, kept: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    kept.mkdir(parents=True, mode=0o700)
    (kept / "other.weights").write_bytes(bytes(10))
    monkeypatch.setattr(packed, "_MOST", 5)
    encoded(folder, monkeypatch)
    assert only(kept).stat().st_size == native.block_kind(tiny.SHAPE).bytes + len(only(kept).stem)


def test_what_a_killed_process_left_goes_after_a_day(folder: Path, kept: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    kept.mkdir(parents=True, mode=0o700)
    for name, age in ((".new.tmp", 60), (".old.tmp", 90_000)):
        (kept / name).write_bytes(bytes(10))
        os.utime(kept / name, (time.time() - age,) * 2)
    encoded(folder, monkeypatch)
    assert {file.name for file in kept.iterdir() if file.suffix == ".tmp"} == {".new.tmp"}


def test_using_a_file_makes_it_new_again(folder: Path, kept: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    encoded(folder, monkeypatch)
    os.utime(only(kept), (time.time() - 90_000,) * 2)
    encoded(folder, monkeypatch)
    assert time.time() - only(kept).stat().st_mtime < 60


# ---- many at once -------------------------------------------------------------------------------------------

START = """
import sys
from idembed.models import engine, load, packed
packed._SMALLEST = 0
engine.settled = lambda identity: True
model = load(sys.argv[1])
print("ready", flush=True)
sys.stdin.readline()
print(model.encode("the cat sat.").tobytes().hex())
"""


def test_eight_processes_that_start_together(folder: Path, kept: Path) -> None:
    expected = load(folder, isa="scalar").encode("the cat sat.").tobytes().hex()
    for file in kept.iterdir():
        file.unlink()
    started = [
        subprocess.Popen(
            [sys.executable, "-c", START, str(folder)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        for _ in range(8)
    ]
    for process in started:
        assert process.stdout.readline() == "ready\n"
    answers = [process.communicate("\n")[0] for process in started]
    assert answers == [expected + "\n"] * 8
    assert only(kept).suffix == ".weights"


# ---- the block itself ---------------------------------------------------------------------------------------


def test_every_chunk_has_a_sum_of_its_own() -> None:
    config = native.EncoderConfig(20_000, 24, 2, 32, 1, 2, 64)
    random = np.random.default_rng(1)
    tensors = [random.random(shape, np.float32) for shape in native.tensor_shapes(config).values()]
    block = native.pack(config, tensors)
    chunks = -(-block.nbytes // CHUNK)
    native.Encoder.of_block(config, block)
    assert chunks == 3
    assert native.is_whole(block, 0, chunks)
    for place in (5000, CHUNK - 1, CHUNK, 2 * CHUNK - 1, 2 * CHUNK, block.nbytes - 1):
        block[place] ^= 128
        assert [native.is_whole(block, n, 1) for n in range(chunks)] == [n != place // CHUNK for n in range(chunks)]
        assert not native.is_whole(block, 0, 99)
        block[place] ^= 128


def test_the_same_tensors_give_the_same_bytes() -> None:
    tensors = list(tiny.tensors().values())
    assert native.pack(tiny.SHAPE, tensors).tobytes() == native.pack(tiny.SHAPE, tensors).tobytes()
