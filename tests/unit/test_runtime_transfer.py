"""Facts of a live recording: nothing of it is thrown away before it is in the file."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import pytest

from connectors.pipeline.frames import encode_samples
from connectors.pipeline.spool import Spool
from connectors.runtime import transfer
from connectors.settings import Settings, load_settings
from connectors.store import open as stores
from twin.errors import DataError, StoreError
from twin.plant import Plant, load_plant
from twin.telemetry import MemoryHistorian, Sample, SampleBatch

AT = datetime(2026, 3, 16, 12, tzinfo=UTC)
PLANT = "simulators/practice/plant.toml"
URLS = {"machines": "opc.tcp://127.0.0.1:1", "sensors": "mqtt://127.0.0.1:1"}


@pytest.fixture(scope="module")
def plant() -> Plant:
    return load_plant(PLANT)


def _settings(data: Path) -> Settings:
    urls = URLS | {"meters": "mqtt://127.0.0.1:1"}
    return load_settings({}, plant=Path(PLANT), data=data, source_urls=urls)


def _record(plant: Plant, data: Path, file: Path) -> int:
    """For no time at all."""

    async def story() -> int:
        stopping = asyncio.Event()
        stopping.set()
        return await transfer.record_live(_settings(data), plant, file, stopping, lambda _: None)

    return asyncio.run(story())


def _left_over(folder: Path, value: float) -> None:
    """A recording that was killed before its store had this."""
    batch = SampleBatch.of([Sample(signal="a", value=value, measured_at=AT, available_at=AT)])
    spool = Spool(folder / "spool")
    spool.cursor("recording")
    spool.append([encode_samples("sensors", batch)])
    spool.close()


def test_a_recording_that_was_killed_goes_on_with_what_its_store_had_yet_to_take(
    plant: Plant, tmp_path: Path
) -> None:
    file = tmp_path / "r.parquet"
    _left_over(tmp_path / "r.parquet.partial", 1.5)
    assert _record(plant, tmp_path / "data", file) == 1
    (batch,) = transfer.read_recording(file)
    np.testing.assert_array_equal(batch.value, [1.5])
    assert list(tmp_path.glob("*.partial")) == []


def test_what_the_store_of_a_recording_did_not_take_is_kept_for_the_next_try(
    plant: Plant, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Full(MemoryHistorian):
        def append(self, batch: SampleBatch) -> int:
            raise StoreError("the disk is full")

    file = tmp_path / "r.parquet"
    _left_over(tmp_path / "r.parquet.partial", 1.5)
    with monkeypatch.context() as patch:
        patch.setattr(stores, "open_historian", lambda _: Full())
        patch.setattr(transfer, "STOP_S", 0.2)
        with pytest.raises(StoreError, match="the disk is full; name the same file again"):
            _record(plant, tmp_path / "data", file)
    assert not file.exists()
    assert _record(plant, tmp_path / "data", file) == 1


def test_a_file_name_without_a_format_is_refused_before_anything_is_recorded(
    plant: Plant, tmp_path: Path
) -> None:
    with pytest.raises(DataError, match=r"name it \.parquet"):
        _record(plant, tmp_path / "data", tmp_path / "r.txt")
    assert list(tmp_path.iterdir()) == []


def test_a_recording_that_is_finished_is_not_overwritten(plant: Plant, tmp_path: Path) -> None:
    file = tmp_path / "r.csv"
    file.write_text("hours of work")
    with pytest.raises(DataError, match="is there already; name another file"):
        _record(plant, tmp_path / "data", file)
    assert [path.name for path in tmp_path.iterdir()] == ["r.csv"]
    assert file.read_text() == "hours of work"


def test_an_export_asks_for_nothing_behind_the_newest_sample(tmp_path: Path) -> None:
    store = MemoryHistorian()
    store.append(SampleBatch.of([Sample(signal="a", value=1.0, measured_at=AT, available_at=AT)]))
    told: list[int] = []
    start, end = AT - timedelta(hours=2), AT + timedelta(days=365)
    assert transfer.record_store(store, tmp_path / "r.csv", start, end, (), told.append) == 1
    assert told == [0, 0, 1]


def test_a_recording_goes_on_with_the_certificates_that_are_trusted_by_now(
    plant: Plant, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    trusted = tmp_path / "data" / "pki" / "trusted" / "server.der"
    trusted.parent.mkdir(parents=True)
    trusted.write_bytes(b"certificate")
    _left_over(tmp_path / "r.csv.partial", 1.5)
    (tmp_path / "r.csv.partial" / "pki").mkdir()
    seen: list[bytes] = []
    make = transfer.make_sources

    def sources(settings: Settings, *args: object, **more: object) -> object:
        seen.append((settings.data / "pki" / "trusted" / "server.der").read_bytes())
        return make(settings, *args, **more)  # type: ignore[arg-type]

    monkeypatch.setattr(transfer, "make_sources", sources)
    assert _record(plant, tmp_path / "data", tmp_path / "r.csv") == 1
    assert seen == [b"certificate"]
