"""Plain JSON: an address is a topic, or a path into the messages of a topic."""

from __future__ import annotations

from collections.abc import Sequence

from connectors.field.delivery import Gap, Letter, ReadingsBuilder
from connectors.field.json_payload import JsonForm, JsonReader
from connectors.field.mqtt.decoder import Publication
from twin.errors import DataError
from twin.plant import JsonOptions

__all__ = ["JsonTopics"]


class JsonTopics:
    """The decoder of plain sensors.

    An address is ``topic`` or ``topic#path.in.the.object``; several addresses may share a topic
    when each names a path of its own. A value that a message does not have is no fault; a message
    that has none of them is.
    """

    def __init__(self, addresses: Sequence[str], options: JsonOptions | None = None) -> None:
        """Listen to these.

        Args:
            addresses: In the order of the source's signals.
            options: What the messages look like; None for the usual.

        Raises:
            DataError: An address stands twice, or is no topic.
        """
        options = options or JsonOptions()
        form = JsonForm(
            samples=options.samples,
            value=options.value,
            time=options.time,
            time_form=options.time_form,
            quality=options.quality,
        )
        if len(set(addresses)) < len(addresses):
            twice = next(a for a in addresses if addresses.count(a) > 1)
            raise DataError(f'address "{twice}" belongs to two signals; give each its own')
        wanted: dict[str, list[tuple[int, str | None]]] = {}
        for index, address in enumerate(addresses):
            topic, path = _split(address)
            wanted.setdefault(topic, []).append((index, path))
        self._readers = {
            topic: (
                JsonReader(form, [path for _, path in signals]),
                [index for index, _ in signals],
            )
            for topic, signals in wanted.items()
        }
        self._letters: list[Letter] = []
        self.filters = tuple(self._readers)

    def will(self) -> Publication | None:
        return None

    def connected(self) -> None:
        return None

    def feed(self, topic: str, payload: bytes, retained: bool, readings: ReadingsBuilder) -> int:
        known = self._readers.get(topic)
        if known is None:
            raise DataError("no signal has this topic")
        reader, indices = known
        rows, fault = reader.rows(payload)
        if fault is not None:
            self._letters.append(Letter(address=topic, payload=payload, reason=fault))
        untimed = 0
        for which, value, at_us, quality in rows:
            if retained and at_us is None:
                untimed += 1  # it was measured at some time before we asked
            else:
                readings.add(indices[which], value, at_us, quality)
        return untimed

    def tick(self, readings: ReadingsBuilder) -> None:
        return None

    def oldest_held(self) -> int | None:
        return None

    def commands(self) -> list[Publication]:
        return []

    def letters(self) -> list[Letter]:
        taken, self._letters = self._letters, []
        return taken

    def gaps(self) -> list[Gap]:
        return []

    def farewell(self) -> list[Publication]:
        return []


def _split(address: str) -> tuple[str, str | None]:
    topic, mark, path = address.partition("#")
    if not topic or "+" in topic or "\0" in topic or topic.startswith("$share/"):
        raise DataError(f'address "{address}" has a wildcard or no topic; name one topic')
    if not mark:
        return topic, None
    if not path or "#" in path or topic.endswith("/"):
        raise DataError(
            f'address "{address}" has a wildcard; name one topic, and a path behind # if need be'
        )
    return topic, path
