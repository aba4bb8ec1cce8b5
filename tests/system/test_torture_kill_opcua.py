"""kill -9 of ingest on OPC UA servers without a history: what they keep comes again, the rest is a gap."""

from __future__ import annotations

import time

import pytest

from tests.field_lab import free_port
from tests.torture_lab import FULL, Rig, needs_node_opcua, opcua_unit, rig

__all__ = ["rig"]

pytestmark = pytest.mark.slow


@needs_node_opcua
@pytest.mark.parametrize("disk_s", [0.0, 0.3], ids=["quick-disk", "slow-disk"])
def test_many_kills_on_servers_without_a_history(rig: Rig, disk_s: float) -> None:
    asy, nod = free_port(), free_port()
    rig.plant(opcua_unit("asy", asy, 10), opcua_unit("nod", nod, 10))
    writers = [
        rig.asyncua_server(asy, rate=20, paused=True),
        rig.node_opcua_server(nod, rate=20, nodes=10, paused=True),
    ]
    ingest = rig.ingest("--slow-disk-s", disk_s)
    ingest.subscribed()
    for writer in writers:
        writer.tell("resume")
    time.sleep(1.0)
    for kill in range(100 if FULL else 10):
        ingest.kill()
        ingest = rig.ingest("--slow-disk-s", disk_s)
        if kill % 2:
            ingest.subscribed()
            time.sleep(rig.random.uniform(0.0, 0.4))
        else:
            time.sleep(rig.random.uniform(0.6, 1.3))
    ingest.subscribed()
    for writer in writers:
        writer.tell("pause")
    ingest.settle()
    assert ingest.terminate() == 0
    scores = rig.scores()
    assert all(s.is_whole() for s in scores.values())
