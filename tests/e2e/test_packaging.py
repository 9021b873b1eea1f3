"""Wheel, sdist and editable install, each in an environment of its own."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import sysconfig
import tarfile
import zipfile
from pathlib import Path

import pytest

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not (Path(__file__).parents[2] / "CMakeLists.txt").exists(), reason="needs the source tree"),
]
ROOT = Path(__file__).parents[2]
NATIVE_CALL = (
    "import numpy as np; from idembed import native; "
    "ones = np.ones((2, 16), 'f4'); "
    "print(native.available_isas(), native.scores(ones, ones).tolist())"
)


def run(*command: object, cwd: Path | None = None) -> str:
    """Standard output of a command that must succeed; outside the tree, so that src/ is never found."""
    env = {k: v for k, v in os.environ.items() if not k.startswith(("PYTHON", "IDEMBED_")) or k == "IDEMBED_DATA"}
    done = subprocess.run(
        [str(part) for part in command], cwd=cwd, env=env, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the sdist, and the wheel that was built from it."""
    folder = tmp_path_factory.mktemp("dist")
    run(sys.executable, "-m", "build", "--outdir", folder, ROOT)
    return folder


def try_install(folder: Path, *what: object) -> None:
    """Install into a new environment and use it. Dependencies are borrowed from the one that runs this."""
    run(sys.executable, "-m", "venv", folder / "venv")
    scripts = folder / "venv" / ("Scripts" if os.name == "nt" else "bin")
    python = scripts / ("python.exe" if os.name == "nt" else "python")
    run(python, "-m", "pip", "install", "--quiet", "--no-deps", *what)
    site = Path(run(python, "-c", "import sysconfig; print(sysconfig.get_path('purelib'))").strip())
    (site / "zz_borrowed.pth").write_text(sysconfig.get_path("purelib") + "\n")
    assert re.fullmatch(r"idembed \d+\.\d+\.\d+\S*\n", run(scripts / "idembed", "--version", cwd=folder))
    assert run(python, "-m", "idembed", "--version", cwd=folder).startswith("idembed ")
    assert run(python, "-c", NATIVE_CALL, cwd=folder).endswith("'scalar') [[16.0, 16.0], [16.0, 16.0]]\n")
    found = Path(run(python, "-c", "import idembed; print(idembed.__file__)", cwd=folder).strip())
    assert found.is_relative_to(ROOT / "src" if "--editable" in what else folder)


def test_one_wheel_serves_every_python_version(built: Path) -> None:
    (wheel,) = built.glob("*.whl")
    assert re.fullmatch(r"idembed-[\d.]+-py3-none-(?!any)\w+\.whl", wheel.name)


def test_the_wheel_holds_the_package_and_nothing_else(built: Path) -> None:
    (wheel,) = built.glob("*.whl")
    names = zipfile.ZipFile(wheel).namelist()
    tops = {name.partition("/")[0] for name in names}
    assert {top.partition("-")[0] for top in tops} == {"idembed"}
    assert "idembed/py.typed" in names
    assert "idembed/cli/demo_child.py" in names
    assert "idembed/models/prove/golden.json" in names
    assert len([name for name in names if name.startswith("idembed/_native/")]) == 1
    assert [name for name in names if name.endswith("/licenses/LICENSE")]


def test_the_sdist_holds_all_that_a_build_needs_and_no_tests(built: Path) -> None:
    (sdist,) = built.glob("*.tar.gz")
    with tarfile.open(sdist) as archive:
        names = {name.partition("/")[2] for name in archive.getnames()}
    assert {"CMakeLists.txt", "LICENSE", "README.md", "native/idembed.h", "pyproject.toml"} <= names
    assert not [name for name in names if name.startswith(("tests/", ".ci/", ".github/", "bench/", "."))]


def test_the_wheel_installs_and_computes(built: Path, tmp_path: Path) -> None:
    try_install(tmp_path, *built.glob("*.whl"))


def test_the_sdist_installs_and_computes(built: Path, tmp_path: Path) -> None:
    try_install(tmp_path, *built.glob("*.tar.gz"))


def test_an_editable_install_computes(tmp_path: Path) -> None:
    try_install(tmp_path, "--editable", ROOT)
