"""A plant file that changes under a running ingest."""

from __future__ import annotations

import asyncio
import json
import shutil
from pathlib import Path
from typing import Any

import pytest

from connectors.runtime import ingesting
from connectors.settings import load_settings
from twin.plant import load_plant

TIMEOUT_S = 20.0


def test_a_file_that_cannot_even_be_parsed_does_not_end_the_watch_over_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(ingesting, "LOOK_EVERY_S", 0.01)
    folder = shutil.copytree("simulators/practice", tmp_path / "plant")
    file, status = folder / "plant.toml", tmp_path / "data" / "status.json"
    good = file.read_text()
    urls = {"machines": "opc.tcp://127.0.0.1:1"} | dict.fromkeys(
        ("sensors", "meters"), "mqtt://127.0.0.1:1"
    )
    settings = load_settings({}, plant=file, data=tmp_path / "data", source_urls=urls)

    async def until(done: Any) -> None:
        async with asyncio.timeout(TIMEOUT_S):
            while not done():
                await asyncio.sleep(0.005)

    async def story() -> None:
        stopping = asyncio.Event()
        running = asyncio.create_task(ingesting.ingest_until(stopping, settings, load_plant(file)))
        await until(status.exists)
        file.write_text("x = " + "[" * 100_000)
        await until(lambda: "not taken over" in caplog.text)
        file.write_text(good.replace("127.0.0.1:1883", "127.0.0.1:1884"))
        await until(lambda: "begun anew" in caplog.text)
        stopping.set()
        await running

    asyncio.run(story())
    assert len(json.loads(status.read_text())["sources"]) == 3
