"""The import contracts hold, and a planted import breaks each of the honest three."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PACKAGES = ("twin", "maintenance", "connectors", "simulators")


def lint(folder: Path) -> subprocess.CompletedProcess[str]:
    program = Path(sys.executable).parent / "lint-imports"
    return subprocess.run(
        [program, "--no-cache"], cwd=folder, capture_output=True, text=True, check=False
    )


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    for package in PACKAGES:
        ignored = shutil.ignore_patterns("__pycache__", "ui")
        shutil.copytree(ROOT / package, tmp_path / package, ignore=ignored)
    shutil.copy(ROOT / "pyproject.toml", tmp_path)
    return tmp_path


def test_every_contract_is_kept(copy: Path) -> None:
    done = lint(copy)
    assert done.returncode == 0, done.stdout


@pytest.mark.parametrize(
    ("module", "planted", "contract"),
    [
        ("twin/units.py", "import sqlite3", "Honesty 1"),
        ("maintenance/alerts.py", "import duckdb", "Honesty 1"),
        ("simulators/clock.py", "import twin.engine", "Honesty 2"),
        ("simulators/clock.py", "import connectors.pipeline.batcher", "Honesty 2"),
        ("connectors/field/json_payload.py", "import twin.engine", "Honesty 2b"),
        ("twin/schedule/checker.py", "import ortools", "Honesty 3"),
        ("twin/engine/compiled/loop.py", "import twin.engine.reference.line", "Honesty 3b"),
        ("twin/engine/reference/line.py", "import twin.engine.compiled.events", "Honesty 3b"),
        ("twin/plant/laws.py", "import twin.engine", "Inside twin"),
        ("twin/units.py", "import connectors.settings", "Folders"),
    ],
)
def test_a_planted_import_breaks_its_contract(
    copy: Path, module: str, planted: str, contract: str
) -> None:
    with (copy / module).open("a") as stream:
        stream.write(f"\n{planted}\n")
    done = lint(copy)
    assert done.returncode == 1, done.stdout
    broken = [line for line in done.stdout.splitlines() if "BROKEN" in line]
    assert any(line.startswith(contract) for line in broken), done.stdout
