"""From what a source heard to samples: signal ids, the plant's units, quality."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from connectors.field.delivery import Readings
from connectors.field.source import source_signals
from twin.errors import UnitError
from twin.plant import Plant, Signal, SignalId
from twin.telemetry import Quality, SampleBatch
from twin.units import unit

__all__ = ["SignalMap", "normalise", "of_wrong_kind"]

LONGEST_TEXT_BYTES = 60_000
"""InfluxDB refuses a text of more than 64 KB, and with it the whole batch, for ever."""


@dataclass(frozen=True, slots=True, eq=False, kw_only=True)
class SignalMap:
    """The signals of one source, in the order of its addresses; all arrays have one length."""

    source: str
    signals: tuple[SignalId, ...]
    addresses: tuple[str, ...]
    text: NDArray[np.bool_]
    scale: NDArray[np.float64]
    """``stored = sent * scale + offset``"""
    offset: NDArray[np.float64]
    converts: NDArray[np.bool_]
    low: NDArray[np.float64]
    """EURange in the stored unit; -inf where there is none."""
    high: NDArray[np.float64]

    @classmethod
    def of(cls, plant: Plant, source: str) -> SignalMap:
        """What the plant file says about the signals of this source.

        Raises:
            UnitError: A signal is sent in a unit of another dimension.
        """
        named = source_signals(plant, source)
        described = plant.signals()
        signals = [described[signal_id][2] for signal_id, _ in named]
        factors = [_factors(s) for s in signals]
        return cls(
            source=source,
            signals=tuple(signal_id for signal_id, _ in named),
            addresses=tuple(address for _, address in named),
            text=np.array([s.text for s in signals], np.bool_),
            scale=np.array([f[0] for f in factors], np.float64),
            offset=np.array([f[1] for f in factors], np.float64),
            converts=np.array([f != (1.0, 0.0) for f in factors], np.bool_),
            low=np.array([-np.inf if s.low is None else s.low for s in signals], np.float64),
            high=np.array([np.inf if s.high is None else s.high for s in signals], np.float64),
        )

    def same_as(self, other: SignalMap) -> bool:
        """Both make the same samples out of the same readings."""
        columns = ("text", "scale", "offset", "low", "high")
        return self.signals == other.signals and all(
            np.array_equal(getattr(self, c), getattr(other, c)) for c in columns
        )


def normalise(signal_map: SignalMap, readings: Readings, available_us: int) -> SampleBatch:
    """Readings of a source as samples.

    A value that is missing, not finite, of the wrong kind, a text that no store would take, or BAD
    at its origin becomes a sample without value and of quality BAD; a good value outside its
    EURange becomes UNCERTAIN.

    Args:
        signal_map: Of the source.
        readings: Each has its time.
        available_us: When they can first be used, microseconds since 1970. A sample whose
            device clock is ahead of that is available only when it was measured.
    """
    index = readings.index
    value = readings.value
    if signal_map.converts.any():
        with np.errstate(over="ignore"):  # it is infinite then, which is no value
            value = value * signal_map.scale[index] + signal_map.offset[index]
        converts = signal_map.converts[index]
        value = np.where(converts, np.round(value, 12), readings.value)
    text = np.full(len(index), None, np.object_)
    has_value = np.isfinite(value)
    is_text = signal_map.text[index]
    if is_text.any():
        rows = np.flatnonzero(is_text)
        sent = rows if readings.text is None else readings.text[rows]
        found = [
            _text(said if isinstance(said, str) else number)
            for said, number in zip(sent, readings.value[rows].tolist(), strict=True)
        ]
        text[rows] = found
        has_value[rows] = [t is not None for t in found]
    bad = (readings.quality >= Quality.BAD) | ~has_value
    value = np.where(bad | is_text, np.nan, value)
    text[bad] = None
    outside = (value < signal_map.low[index]) | (value > signal_map.high[index])
    quality = readings.quality.copy()
    quality[outside & (quality == Quality.GOOD)] = Quality.UNCERTAIN
    quality[bad] = Quality.BAD
    return SampleBatch(
        signals=signal_map.signals,
        code=index,
        value=value,
        text=text,
        measured_us=readings.measured_us,
        available_us=np.maximum(readings.measured_us, available_us),
        quality=quality,
    )


def of_wrong_kind(signal_map: SignalMap, readings: Readings) -> NDArray[np.int64]:
    """Rows that hold a text although their signal is a number."""
    if readings.text is None:
        return np.zeros(0, np.int64)
    numbers = np.flatnonzero(~signal_map.text[readings.index])
    said = [isinstance(text, str) for text in readings.text[numbers].tolist()]
    return np.asarray(numbers[np.array(said, np.bool_)], np.int64)


def _text(sent: float | str) -> str | None:
    if not isinstance(sent, str):
        if not np.isfinite(sent):
            return None
        return str(int(sent)) if sent == int(sent) else str(sent)
    try:
        return sent if len(sent.encode()) <= LONGEST_TEXT_BYTES else None
    except UnicodeEncodeError:  # half of a surrogate pair, which JSON can say and UTF-8 cannot
        return None


def _factors(signal: Signal) -> tuple[float, float]:
    if signal.text or signal.sent_unit in (None, signal.unit):
        return 1.0, 0.0
    sent, stored = unit(signal.sent_unit or ""), unit(signal.unit)
    if sent.dimension != stored.dimension:
        raise UnitError(
            f'"{sent.code}" is a {sent.dimension}, "{stored.code}" is a {stored.dimension}'
        )
    return sent.scale / stored.scale, (sent.offset - stored.offset) / stored.scale
