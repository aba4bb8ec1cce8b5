"""Files that a command writes: where they cannot be, it says so before anything has run."""

from __future__ import annotations

from pathlib import Path

import pytest
from click.testing import CliRunner

from connectors.cli import main
from connectors.cli.practice import PRACTICE_PLANT


@pytest.mark.parametrize(
    "command", [("simulate", "--trace"), ("sweep", "--set", "maintenance.crews=1,2", "--csv")]
)
def test_a_file_in_a_folder_that_is_not_there_is_refused_before_anything_runs(
    tmp_path: Path, command: tuple[str, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    name, *options = command
    file = tmp_path / "missing" / "log.csv"
    said = CliRunner().invoke(main, [name, str(PRACTICE_PLANT), *options, str(file)])
    assert said.exit_code == 2
    assert "missing' is no folder; make it first" in said.output
    assert not (tmp_path / "cache").exists()
