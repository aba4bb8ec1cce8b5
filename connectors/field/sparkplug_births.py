"""What the births of one edge node said: aliases, types, and so the meaning of its data."""

from __future__ import annotations

from collections.abc import Mapping

from connectors.field.delivery import ReadingsBuilder
from connectors.field.sparkplug import Metric, Payload, typed
from connectors.field.sparkplug_columns import BAD, Layouts, Shape, Table, quality_of

__all__ = ["Births", "Key"]

Key = tuple[str | None, str]
"""Device (None for the node itself) and metric."""


class Births:
    """Births of a node and its devices, since it was born."""

    def __init__(self, wanted: Mapping[Key, int], table: Table) -> None:
        self.wanted = wanted
        self.trusted = False
        """No later birth can have been lost; aliases hold."""
        self.sent_ms: dict[str | None, int] = {}
        """Timestamp of each birth; of devices that live."""
        self.marked_us: dict[str | None, int] = {}
        """When a device, or the node, was given values of quality BAD, or lost some."""
        self._devices = {device for device, _ in wanted}
        self._table = table
        self._alias: dict[int, Key] = {}
        self._datatype: dict[Key, int | None] = {}
        self._layouts: dict[str | None, Layouts] = {}

    def forget(self) -> None:
        """Nothing that was said holds any more."""
        self._alias.clear()
        self._datatype.clear()
        self.sent_ms.clear()
        self.distrust()

    def forget_device(self, device: str | None) -> None:
        """Nothing that was said of this one holds any more."""
        self._alias = {a: key for a, key in self._alias.items() if key[0] != device}
        self._datatype = {key: t for key, t in self._datatype.items() if key[0] != device}
        self.sent_ms.pop(device, None)
        self._layouts.clear()

    def distrust(self) -> None:
        """A birth may have been lost: only names mean something until the next ones."""
        self.trusted = False
        self._layouts.clear()

    def match(self, device: str | None, payload: bytes) -> Shape | None:
        """The shape of a data message that is like an earlier one."""
        layouts = self._layouts.get(device)
        return None if layouts is None else layouts.match(payload)

    def learn(self, device: str | None, payload: bytes) -> None:
        """Keep the shape of a data message that was understood."""
        layouts = self._layouts.get(device)
        if layouts is None:
            layouts = self._layouts[device] = Layouts(self._table)

        def resolve(name: str | None, alias: int | None) -> tuple[int, int | None] | None:
            if device not in self._devices:
                return -1, None
            key = self._key(device, name, alias)
            return None if key is None else (self.wanted.get(key, -1), self._datatype.get(key))

        layouts.learn(payload, resolve)

    def born(self, device: str | None, message: Payload, readings: ReadingsBuilder) -> list[str]:
        """Take the birth of a node or device; returns what was not understood."""
        self.forget_device(device)
        self.sent_ms[device] = message.timestamp_ms or 0
        reasons = []
        for metric in message.metrics:
            if not metric.name:
                reasons.append(f"a birth gives no name for alias {metric.alias}")
                continue
            key = (device, metric.name)
            self._datatype[key] = metric.datatype
            if metric.alias is not None:
                self._alias[metric.alias] = key
            index = self.wanted.get(key)
            if index is None:
                continue
            if reason := self._strange(key, metric):
                reasons.append(reason)
            else:
                self._add(index, key, metric, message.timestamp_ms, readings)
                self._confirm(index, key, metric, message.timestamp_ms, readings)
        return reasons if device in self._devices else []

    def data(
        self, device: str | None, message: Payload, aliases: bool, readings: ReadingsBuilder
    ) -> tuple[list[str], bool]:
        """Append the wanted values of a message.

        Args:
            device: That it is about; None for the node itself.
            message: Data, or a birth out of its turn.
            aliases: They mean what the births said.
            readings: Values go here.

        Returns:
            What was not understood; whether births would help.
        """
        reasons: list[str] = []
        unborn = False
        if device not in self._devices:
            return reasons, unborn
        for metric in message.metrics:
            key = self._key(device, metric.name, metric.alias if aliases else None)
            if key is None:
                unborn = True
                reasons.append(f"no birth that holds names alias {metric.alias}")
                continue
            index = self.wanted.get(key)
            if index is None:
                continue
            if reason := self._strange(key, metric):
                reasons.append(reason)
            elif self._of_unknown_sign(key, metric):
                unborn = True
                reasons.append(f'no birth says whether "{key[1]}" has a sign')
            else:
                self._add(index, key, metric, message.timestamp_ms, readings)
        return reasons, unborn

    def _key(self, device: str | None, name: str | None, alias: int | None) -> Key | None:
        if name:
            return device, name
        key = None if alias is None else self._alias.get(alias)
        return key if key is not None and key[0] == device else None

    @staticmethod
    def _strange(key: Key, metric: Metric) -> str | None:
        if metric.strange is None:
            return None
        return f'"{key[1]}" is {metric.strange}, not one number or text'

    def _of_unknown_sign(self, key: Key, metric: Metric) -> bool:
        known = metric.datatype is not None or self._datatype.get(key) is not None
        return not known and type(metric.value) is int and metric.value >> 31 > 0

    def _add(
        self, index: int, key: Key, metric: Metric, sent_ms: int | None, readings: ReadingsBuilder
    ) -> None:
        value = metric.value
        if metric.datatype is None:
            value = typed(value, self._datatype.get(key))
        at_ms = sent_ms if metric.timestamp_ms is None else metric.timestamp_ms
        quality = BAD if value is None else quality_of(metric.quality)
        readings.add(index, value, None if at_ms is None else 1000 * at_ms, quality)

    def _confirm(
        self, index: int, key: Key, metric: Metric, sent_ms: int | None, readings: ReadingsBuilder
    ) -> None:
        """A value that was measured before it was marked is still so, says the birth."""
        marked_us, at_ms = self.marked_us.get(key[0]), metric.timestamp_ms
        if None in (marked_us, at_ms, sent_ms) or metric.is_historical:
            return
        if 1000 * at_ms <= marked_us < 1000 * sent_ms:  # type: ignore[operator]
            quality = BAD if metric.value is None else quality_of(metric.quality)
            readings.add(index, metric.value, 1000 * sent_ms, quality)  # type: ignore[operator]
