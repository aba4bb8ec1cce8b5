"""The wheel: what is in it, and that it works where nothing of the repository is."""

from __future__ import annotations

import configparser
import os
import shutil
import subprocess
import sys
import zipfile
from email.parser import Parser
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PACKAGES = ("twin", "connectors", "maintenance", "simulators")
SOURCES = (*PACKAGES, "pyproject.toml", "README.md", "LICENSE", "CHANGELOG.md")

pytestmark = pytest.mark.slow


def run(command: list[str | Path], folder: Path, **more: str) -> subprocess.CompletedProcess[str]:
    kept = {k: v for k, v in os.environ.items() if not k.startswith(("LINETWIN_", "PYTHONPATH"))}
    done = subprocess.run(
        command, cwd=folder, capture_output=True, text=True, check=False, env={**kept, **more}
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("sources")
    ignored = shutil.ignore_patterns("__pycache__")
    for name in SOURCES:
        if (ROOT / name).is_dir():
            shutil.copytree(ROOT / name, folder / name, ignore=ignored)
        else:
            shutil.copy(ROOT / name, folder)
    run([sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", "dist"], folder)
    (found,) = (folder / "dist").glob("linetwin-*.whl")
    return found


@pytest.fixture(scope="module")
def names(wheel: Path) -> set[str]:
    with zipfile.ZipFile(wheel) as archive:
        return set(archive.namelist())


@pytest.fixture(scope="module")
def linetwin(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The installed command; its libraries are those of this environment."""
    folder = tmp_path_factory.mktemp("installed")
    run([sys.executable, "-m", "venv", "--without-pip", "venv"], folder)
    python = folder / "venv" / "bin" / "python"
    ours = "import sysconfig; print(sysconfig.get_path('purelib'))"
    here = Path(run([python, "-c", ours], folder).stdout.strip())
    (here / "libraries.pth").write_text(run([sys.executable, "-c", ours], folder).stdout)
    install = ["install", "--no-index", "--no-deps", "--quiet", "--ignore-installed", wheel]
    run([python, "-m", "pip", *install], folder)
    return folder / "venv" / "bin" / "linetwin"


def test_the_top_level_is_the_four_packages(names: set[str]) -> None:
    top = {name.split("/")[0] for name in names}
    (information,) = (name for name in top if name.endswith(".dist-info"))
    assert top - {information} == set(PACKAGES)
    assert information.startswith("linetwin-")


def test_everything_that_the_packages_need_is_in_it(names: set[str]) -> None:
    needed = {
        str(path.relative_to(ROOT))
        for package in PACKAGES
        for path in (ROOT / package).rglob("*")
        if path.is_file() and "__pycache__" not in path.parts
    }
    assert needed <= names
    assert {f"{package}/py.typed" for package in PACKAGES} <= names
    assert {"simulators/practice/plant.toml", "simulators/practice/items.csv"} <= names
    assert {"simulators/hidden.toml", "connectors/web/ui/index.html"} <= names
    assert not [name for name in names if "__pycache__" in name or name.endswith(".pyc")]


def test_it_says_what_it_is(wheel: Path, names: set[str]) -> None:
    (information,) = {name.split("/")[0] for name in names if ".dist-info/" in name}
    with zipfile.ZipFile(wheel) as archive:
        metadata = Parser().parsestr(archive.read(f"{information}/METADATA").decode())
        entries = configparser.ConfigParser()
        entries.read_string(archive.read(f"{information}/entry_points.txt").decode())
        licence = archive.read(f"{information}/licenses/LICENSE").decode()
    assert metadata["Name"] == "linetwin"
    assert metadata["License-Expression"] == "Apache-2.0"
    assert metadata["Requires-Python"] == ">=3.11"
    assert "Apache License" in licence
    assert {name: dict(entries[name]) for name in entries.sections()} == {
        "console_scripts": {"linetwin": "connectors.cli:main"}
    }


def test_the_installed_command_runs_from_any_directory(linetwin: Path, tmp_path: Path) -> None:
    python = linetwin.with_name("python")
    where = "import simulators, connectors; print(simulators.__file__); print(connectors.__file__)"
    places = run([python, "-c", where], tmp_path).stdout.splitlines()
    assert all(Path(place).is_relative_to(linetwin.parents[1]) for place in places)

    shipped = Path(places[0]).with_name("practice") / "plant.toml"
    assert "no faults" in run([linetwin, "check", shipped], tmp_path).stdout
    assert "--headless" in run([linetwin, "demo", "--help"], tmp_path).stdout
    assert "linetwin" in run([linetwin, "--version"], tmp_path).stdout
    simulated = [linetwin, "simulate", shipped, "--replications", "1", "--horizon", "1h", "--json"]
    assert '"kpis"' in run([*simulated], tmp_path).stdout
    assert list(tmp_path.iterdir()) == []
