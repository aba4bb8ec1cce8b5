"""``linetwin ingest`` as a process, with a patience that is shortened or a store that is slow.

    python tests/torture_child.py PLANT DATA [--slow-store-s S] [--slow-disk-s S]
        [--set MODULE.NAME=NUMBER] ... [--patience NAME=SECONDS] ...

``--set`` changes a constant of the product (a probe, a pause) before anything is made of it;
``--patience`` one of those that an OPC UA source has with its server.
"""

from __future__ import annotations

import argparse
import functools
import importlib
import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

from connectors import durable
from connectors.cli import main
from connectors.field.opcua import source
from connectors.store.duckdb_historian import DuckdbHistorian
from twin.telemetry import SampleBatch


def slow_down(pause_s: float) -> None:
    """Every commit takes so much longer."""
    append = DuckdbHistorian.append

    def slowly(self: DuckdbHistorian, batch: SampleBatch) -> int:
        time.sleep(pause_s)
        return append(self, batch)

    DuckdbHistorian.append = slowly  # type: ignore[method-assign]


def slow_down_disk(pause_s: float) -> None:
    """Every sync of the spool takes so much longer: a worn card, a busy array."""
    sync = durable._sync_data

    def slowly(fd: int) -> None:
        time.sleep(pause_s)
        sync(fd)

    durable._sync_data = slowly


def run() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("plant")
    parser.add_argument("data")
    parser.add_argument("--slow-store-s", type=float, default=0.0)
    parser.add_argument("--slow-disk-s", type=float, default=0.0)
    parser.add_argument("--set", action="append", default=[])
    parser.add_argument("--patience", action="append", default=[])
    options = parser.parse_args()
    for setting in options.set:
        place, _, number = setting.partition("=")
        module, _, name = place.rpartition(".")
        loaded = importlib.import_module(module)
        assert hasattr(loaded, name), f"{module} has no {name}"
        setattr(loaded, name, type(getattr(loaded, name))(float(number)))
    if options.patience:
        short = {name: float(s) for name, _, s in (p.partition("=") for p in options.patience)}
        source.Patience = functools.partial(source.Patience, **short)  # type: ignore[assignment,misc]
    if options.slow_store_s:
        slow_down(options.slow_store_s)
    if options.slow_disk_s:
        slow_down_disk(options.slow_disk_s)
    sys.argv = ["linetwin", "ingest", "--plant", options.plant, "--data", options.data]
    main()


if __name__ == "__main__":
    run()
