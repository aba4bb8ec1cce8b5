"""An MQTT broker inside this process, for a machine that has none."""

from __future__ import annotations

import asyncio
import contextlib
import logging

from amqtt.broker import Broker
from amqtt.contexts import BaseContext
from amqtt.errors import BrokerError
from amqtt.plugins.base import BaseAuthPlugin
from amqtt.session import Session

from twin.errors import SourceError

__all__ = ["EmbeddedBroker", "LoopbackAuth"]


class LoopbackAuth(BaseAuthPlugin):  # type: ignore[misc]
    """Lets everybody in who reaches the loopback address.

    amqtt's own anonymous login marks the session, and then forgets it when the client leaves:
    nothing would be kept for it at QoS 1.
    """

    def __init__(self, context: BaseContext) -> None:
        super().__init__(context)

    async def authenticate(self, *, session: Session) -> bool:
        return True


class EmbeddedBroker:
    """amqtt on 127.0.0.1, MQTT 3.1.1; sessions that are not clean are kept in memory."""

    def __init__(self) -> None:
        self._broker: Broker | None = None
        self.url = ""

    async def start(self, port: int = 0) -> str:
        """Listen; the URL. Port 0 takes a free one.

        Raises:
            SourceError: The port cannot be had.
        """
        for name in ("amqtt", "transitions"):
            logging.getLogger(name).setLevel(logging.CRITICAL)
        self._broker = Broker(
            {
                "listeners": {
                    "default": {
                        "type": "tcp",
                        "bind": f"127.0.0.1:{port}",
                        "max_connections": 100,
                    }
                },
                "plugins": {f"{LoopbackAuth.__module__}.{LoopbackAuth.__qualname__}": {}},
            }
        )
        try:
            await self._broker.start()
        except (BrokerError, OSError) as e:
            raise SourceError(f"no broker on 127.0.0.1:{port}: {e.__cause__ or e}") from e
        instance = self._broker._servers["default"].instance
        port = instance.sockets[0].getsockname()[1]
        self.url = f"mqtt://127.0.0.1:{port}"
        return self.url

    def pending(self) -> int:
        """Messages that have not yet been handed to those who subscribed."""
        if self._broker is None:
            return 0
        waiting: int = self._broker._broadcast_queue.qsize()
        return waiting + sum(not task.done() for task in self._broker._tasks_queue)

    async def stop(self) -> None:
        """Close the listener and all connections; a second call does nothing."""
        broker, self._broker = self._broker, None
        if broker is not None:
            with contextlib.suppress(TimeoutError, asyncio.CancelledError, BrokerError):
                await asyncio.wait_for(broker.shutdown(), 0.7)
