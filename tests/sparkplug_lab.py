"""A Sparkplug host with clocks that are moved by hand, and an edge node that says what it is told."""

from __future__ import annotations

from typing import Any

import numpy as np

from connectors.field.delivery import NO_TIME, Gap, Letter, Readings, ReadingsBuilder
from connectors.field.sparkplug import DataType, Metric, Payload, encode_payload
from connectors.field.sparkplug_host import SparkplugHost
from twin.plant import SparkplugOptions

ADDRESSES = ("g/n:printer/power", "g/n:reflow/power", "g/n/oven:zone")
GOOD, UNCERTAIN, BAD = 0, 1, 2
Row = tuple[int, object, int | None, int]
"""Index, value, milliseconds on the clock of the node, quality."""


def rows_of(readings: Readings) -> list[Row]:
    texts = [None] * len(readings) if readings.text is None else readings.text.tolist()
    values = [
        text if text is not None else None if value != value else value
        for text, value in zip(texts, readings.value.tolist(), strict=True)
    ]
    times = [None if t == NO_TIME else t / 1000 for t in readings.measured_us.tolist()]
    index, quality = readings.index.tolist(), readings.quality.tolist()
    return list(zip(index, values, times, quality, strict=True))


class Desk:
    """The node's clock is in milliseconds and stands at 1,000,000 when ours is at 1,000 s."""

    def __init__(self, addresses: tuple[str, ...] = ADDRESSES, **options: Any) -> None:
        self.now_s = 1000.0
        reached = options.pop("reached_us", None)
        self.host = SparkplugHost(
            addresses,
            lambda: self.now_s,
            SparkplugOptions(**options),
            None if reached is None else np.array(reached, np.int64),
        )
        self.letters: list[Letter] = []
        self.gaps: list[Gap] = []

    def connect(self) -> None:
        self.host.will()
        self.host.connected()

    def raw(self, topic: str, payload: bytes, retained: bool = False) -> list[Row]:
        builder = ReadingsBuilder()
        try:
            assert self.host.feed(topic, payload, retained, builder) == 0
        finally:
            self._collect()
        return rows_of(builder.build())

    def feed(
        self,
        kind: str,
        *metrics: Metric,
        seq: int | None = None,
        at: str = "n",
        ms: int | None = None,
    ) -> list[Row]:
        """A message sent at ``ms`` of the node's clock; None for now."""
        sent_ms = int(self.now_s * 1000) if ms is None else ms
        payload = encode_payload(Payload(timestamp_ms=sent_ms, seq=seq, metrics=metrics))
        node, _, device = at.partition("/")
        return self.raw(f"spBv1.0/g/{kind}/{node}" + (f"/{device}" if device else ""), payload)

    def data(self, value: float, seq: int, ms: int | None = None) -> list[Row]:
        return self.feed("NDATA", Metric(alias=7, value=value), seq=seq, ms=ms)

    def tick(self, seconds: float = 0.0) -> list[Row]:
        self.now_s += seconds
        builder = ReadingsBuilder()
        self.host.tick(builder)
        self._collect()
        return rows_of(builder.build())

    def birth(self, bd_seq: int = 1, power: float = 1.5, swap: bool = False) -> list[Row]:
        return self.feed(
            "NBIRTH",
            Metric(name="bdSeq", datatype=DataType.INT64, value=bd_seq),
            Metric(name="printer/power", alias=8 if swap else 7, datatype=10, value=power),
            Metric(name="reflow/power", alias=7 if swap else 8, datatype=DataType.INT32, value=-3),
            Metric(name="not/wanted", alias=9, datatype=DataType.INT32, value=1),
            seq=0,
        )

    def oven_birth(self, seq: int, value: float = 1.0) -> list[Row]:
        zone = Metric(name="zone", alias=20, datatype=DataType.FLOAT, value=value)
        return self.feed("DBIRTH", zone, seq=seq, at="n/oven")

    def death(self, bd_seq: int = 1) -> list[Row]:
        return self.feed(
            "NDEATH", Metric(name="bdSeq", datatype=DataType.INT64, value=bd_seq), ms=5
        )

    def asked(self) -> list[str]:
        return [command[0] for command in self.host.commands()]

    def reasons(self) -> list[str]:
        taken, self.letters = self.letters, []
        return [letter.reason for letter in taken]

    def lost(self) -> list[tuple[list[int] | None, float, float, str]]:
        """Gaps as (indexes, first ms, ms after the last, reason)."""
        taken, self.gaps = self.gaps, []
        return [
            (
                None if g.index is None else g.index.tolist(),
                float(g.start_us) / 1000,
                float(g.end_us) / 1000,
                g.reason.removeprefix("edge node g/n: "),
            )
            for g in taken
        ]

    def _collect(self) -> None:
        self.letters += self.host.letters()
        self.gaps += self.host.gaps()
