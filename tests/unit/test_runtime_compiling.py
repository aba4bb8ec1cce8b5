"""The fast engines are compiled once, by one process, and what goes wrong costs no answer."""

from __future__ import annotations

import asyncio
import os
import subprocess
import time
from pathlib import Path

import pytest

import connectors.runtime.compiling as compiling
from twin.errors import StoreError


@pytest.fixture
def kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder of compiled engines that is empty."""
    folder = tmp_path / "engine"
    monkeypatch.setattr(compiling, "folder", lambda: folder)
    monkeypatch.setattr(compiling, "is_warm", lambda: False)
    return folder


def test_only_one_process_compiles_until_it_is_given_up(
    kept: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    begun: list[object] = []
    monkeypatch.setattr(subprocess, "Popen", lambda *a, **k: begun.append(a))
    assert [compiling.begin_compiling() for _ in range(3)] == [True, True, True]
    assert len(begun) == 1
    long_ago = time.time() - 3600.0
    os.utime(kept / "begun", (long_ago, long_ago))
    assert compiling.begin_compiling()
    assert len(begun) == 2


def test_a_folder_that_cannot_be_made_is_told_and_stops_nothing(
    kept: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    kept.parent.joinpath("engine").write_text("a file", encoding="utf-8")
    assert not compiling.begin_compiling()
    asyncio.run(compiling.compile_beside())
    assert "not compiled" in caplog.text

    def full() -> Path:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(compiling, "compile_engines", full)
    with pytest.raises(StoreError, match="No space left"):
        compiling.compile_now()


def test_a_product_leaves_the_work_to_the_process_that_has_begun(kept: Path) -> None:
    kept.mkdir()
    (kept / "begun").touch()
    asyncio.run(asyncio.wait_for(compiling.compile_beside(), 1.0))
    assert (kept / "begun").exists()
