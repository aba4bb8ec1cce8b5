"""An MQTT broker inside this process, for a machine that has none."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from typing import Any

from amqtt.broker import Broker, RetainedApplicationMessage
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


class _KeepingBroker(Broker):  # type: ignore[misc]
    """amqtt that keeps, for a session that is not clean, what its client had not acknowledged.

    amqtt 0.12 forgets the messages in flight when a connection ends, and those that arrive
    while it is being closed. What is not acknowledged within 5 s on a standing connection it
    still forgets.
    """

    async def _stop_handler(self, handler: Any) -> None:
        session = handler.session
        if session is None or session.clean_session or not session.transitions.is_connected():
            await super()._stop_handler(handler)
            return
        session.transitions.disconnect()  # from here on messages are kept
        unanswered = [m for m in session.inflight_out.values() if m.puback_packet is None]
        await super()._stop_handler(handler)
        for m in unanswered:
            kept = RetainedApplicationMessage(None, m.topic, m.data, m.qos)
            session.retained_messages.put_nowait(kept)

    async def _publish_session_retained_messages(self, session: Session) -> None:
        # In the background: amqtt waits here until all are acknowledged, and answers no
        # SUBSCRIBE meanwhile; a client that first subscribes and then reads would hang up.
        handler = self._get_handler(session)
        while handler and not session.retained_messages.empty():
            kept = session.retained_messages.get_nowait()
            sending = handler.mqtt_publish(kept.topic, kept.data, kept.qos, retain=False)
            self._tasks_queue.append(asyncio.ensure_future(sending))


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
        self._broker = _KeepingBroker(
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
                await asyncio.wait_for(broker.shutdown(), 0.4)
