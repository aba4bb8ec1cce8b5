"""What turns messages into readings: one for plain JSON, one for Sparkplug B."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from connectors.field.delivery import Gap, Letter, ReadingsBuilder

__all__ = ["Decoder", "Publication"]

Publication = tuple[str, bytes, int, bool]
"""Topic, payload, QoS, retain."""


class Decoder(Protocol):
    """From messages to readings. Pure: who calls it talks to the broker and keeps the time.

    The calls of a connection, in this order: ``will`` before it is made; ``connected`` when it
    stands; then ``feed`` for each message and ``tick`` at least every 0.5 s, both followed by
    ``letters`` and ``gaps`` and, once every filter is subscribed, by ``commands``; ``farewell``
    when we leave on purpose.
    """

    @property
    def filters(self) -> Sequence[str]:
        """Topic filters to subscribe; always the same."""
        ...

    def will(self) -> Publication | None:
        """What the broker is to publish when we are gone without a word."""
        ...

    def connected(self) -> None:
        """A new connection begins; messages may have been missed."""
        ...

    def feed(self, topic: str, payload: bytes, retained: bool, readings: ReadingsBuilder) -> int:
        """Take one message and append its readings, now or in a later ``feed`` or ``tick``.

        Returns:
            How many values were not understood and are not in ``letters``.

        Raises:
            DataError: The message is not understood at all; it becomes a letter.
        """
        ...

    def tick(self, readings: ReadingsBuilder) -> None:
        """Do what is due by time, such as giving up on a message that was overtaken."""
        ...

    def oldest_held(self) -> int | None:
        """Number of the oldest message whose readings are still kept back; None for none.

        ``feed`` numbers its messages 0, 1, 2 ... from ``connected`` on. Neither this message nor
        a later one is acknowledged to the broker before it is given out.
        """
        ...

    def commands(self) -> list[Publication]:
        """What is to be published; each is given once."""
        ...

    def letters(self) -> list[Letter]:
        """What was not understood beside the errors of ``feed``; each is given once."""
        ...

    def gaps(self) -> list[Gap]:
        """What is known to be lost; each is given once."""
        ...

    def farewell(self) -> list[Publication]:
        """What is to be published before we leave on purpose."""
        ...
