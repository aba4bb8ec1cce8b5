"""MQTT: a broker that carries plain JSON or Sparkplug B.

A message is acknowledged when its readings are on disk, never before. In MQTT 3.1.1 the broker
decides how many messages it sends unacknowledged (Mosquitto: 20), so the pipeline is asked to
hurry when half of them are out; in MQTT 5 the client decides.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any
from urllib.parse import urlsplit

import numpy as np

from connectors.field.delivery import NO_TIME, Delivery, Gap, ReadingsBuilder, Sink
from connectors.field.mqtt.decoder import Decoder
from connectors.field.mqtt.link import Link, Plan
from connectors.field.mqtt.listening import Listening
from connectors.field.mqtt.memory import Memory
from connectors.field.mqtt.secure import Refused, Table
from connectors.field.mqtt.topics import JsonTopics
from connectors.field.source import LiveSource, Surroundings, Wanted, public_url
from connectors.field.sparkplug_host import SparkplugHost
from twin.errors import DataError, SourceError
from twin.plant import Source, SourceKind

__all__ = ["MqttSource"]

ASK_AGAIN_S = 15.0
"""How often topics that the broker refused are asked for again. [s]"""
LONGEST_JSON, LONGEST_SPARKPLUG = 1_000_000, 16_000_000
"""A longer message becomes a dead letter. [bytes]"""

logger = logging.getLogger(__name__)


class MqttSource(LiveSource):
    """Listens to one broker with a session that outlives the connection."""

    def __init__(
        self,
        name: str,
        entry: Source,
        url: str,
        signals: Sequence[Wanted],
        client_id: str,
        around: Surroundings | None = None,
    ) -> None:
        """Prepare; nothing is connected yet.

        Args:
            name: Of the source, as in the plant file.
            entry: Of kind MQTT_JSON or SPARKPLUG.
            url: ``mqtt://[user:password@]host[:port]``, or ``mqtts://`` for TLS.
            signals: Topics, or Sparkplug addresses.
            client_id: Names the session at the broker; two clients of one id push each other out.
            around: Where it finds files and how it waits.

        Raises:
            DataError: An address has the wrong form, or the URL says more than where.
        """
        if more := urlsplit(url).query:
            raise DataError(
                f'the URL of source "{name}" ends in "?{more}"; say how the broker is listened to '
                f"in [sources.{name}.mqtt] of the plant file"
            )
        super().__init__(name, entry, url, signals, around)
        self._sparkplug = self.kind is SourceKind.SPARKPLUG
        if self._sparkplug and entry.mqtt.share is not None:
            raise DataError(
                f'source "{name}": Sparkplug counts its messages, so a group cannot divide them; '
                f"take share out of [sources.{name}.mqtt], and give each process its own nodes"
            )
        self._decoder: Decoder = (
            SparkplugHost(self.addresses, self.around.wall_s, entry.sparkplug, self.reached_us)
            if self._sparkplug
            else JsonTopics(self.addresses, entry.mqtt.json_form)
        )
        share = entry.mqtt.share
        prefix = "" if share is None else f"$share/{share}/"
        self._filters = tuple(prefix + f for f in self._decoder.filters)
        self._table = Table(name, entry.mqtt, self.around.folder)
        self._memory = Memory(self.around.data, name)
        self._client_id = client_id
        self._wake = asyncio.Event()

    def stop(self) -> None:
        super().stop()
        self._wake.set()

    async def _session(self, sink: Sink) -> None:
        link = Link(self._plan(), self._wake)
        tasks: list[asyncio.Task[None]] = []
        try:
            await link.connect()
            self._connected = True
            if (lost := self._lost_session(link)) is not None:
                await sink(lost)
            # What the broker kept comes before its answers to what we subscribe, and may be more
            # than we have room for: it is handed over meanwhile.
            listening = Listening(link, self._decoder, sink, self._count_rejected)
            tasks.append(asyncio.create_task(listening.run(self._wake, self._stopping)))
            refused = await self._subscribe(link)
            listening.speak()
            if refused:
                tasks.append(asyncio.create_task(self._ask_again(link, refused)))
            await tasks[0]
        except Refused as e:
            raise SourceError(self._says(e)) from e
        except OSError as e:
            nobody = isinstance(e, ConnectionRefusedError)
            found = (
                "nobody answers at that port"
                if nobody
                else e.strerror or str(e) or type(e).__name__
            )
            raise self._unreachable(found, "start the broker") from e
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
            link.close()
        if link.lost and not self._stopping.is_set():
            said = (
                "" if str(link.lost) == "Unspecified error" else f" ({link.lost})"
            )  # paho's nothing
            raise self._unreachable(
                f"the connection was lost{said}",
                f'look at the broker, and whether another client is "{self._client_id}" there',
            )

    def _plan(self) -> Plan:
        return Plan(
            url=self.url,
            table=self._table,
            client_id=self._client_id,
            will=self._decoder.will(),
            # What was subscribed with QoS 2 may still be on its way with it.
            exact=self.entry.mqtt.qos == 2 or self._memory.facts.exact,
            longest=LONGEST_SPARKPLUG if self._sparkplug else LONGEST_JSON,
        )

    def _lost_session(self, link: Link) -> Delivery | None:
        """The gap, when the broker no longer has what it kept for us; else None."""
        facts, now_us = self._memory.facts, round(self.around.wall_s() * 1e6)
        kept = link.session_present and self.entry.mqtt.qos > 0
        owed = facts.owed or (facts.session and not kept)
        since_us = facts.since_us if facts.session else now_us
        self._memory.note(session=True, since_us=since_us, owed=owed)
        if not owed:
            return None
        reached_us = self.reached_us
        start_us = np.where(reached_us == NO_TIME, since_us, reached_us + 1)
        reason = (
            "the broker lost our session, and with it what it kept while we were away"
            if self.entry.mqtt.qos
            else "with QoS 0 the broker keeps nothing while we are away"
        )
        gap = Gap(
            index=np.arange(len(reached_us), dtype=np.int32),
            start_us=start_us,
            end_us=np.maximum(start_us + 1, now_us),
            reason=reason,
        )
        logger.warning('source "%s": %s; a gap is recorded', self.name, reason)
        return Delivery(
            readings=ReadingsBuilder().build(),
            gaps=(gap,),
            durable=partial(self._memory.note, owed=False),
        )

    async def _subscribe(self, link: Link) -> list[str]:
        """Want what the plant file wants, and no longer what it wanted; returns what is refused."""
        wanted = set(self._filters)
        stale = [f for f in self._memory.facts.filters if f not in wanted]
        if stale and link.session_present:
            await link.unsubscribe(stale)
        short = await link.subscribe(self._filters)
        self._memory.note(filters=self._filters, exact=self.entry.mqtt.qos == 2)
        return self._judge(short)

    async def _ask_again(self, link: Link, refused: list[str]) -> None:
        # A cancellation can be swallowed by a wait that ends at the same moment, so this looks too.
        while refused and link.lost is None and not self._stopping.is_set():
            await self._sleep(ASK_AGAIN_S)
            refused = self._judge(await link.subscribe(refused))

    def _judge(self, short: Mapping[str, Any]) -> list[str]:
        """Say what was not granted as it was asked for; returns what was refused."""
        refused = [f for f, code in short.items() if code.is_failure]
        if not refused:
            self._all_well()
        if not short:
            return []
        name = (refused or list(short))[0]
        others = len(refused or short) - 1
        topics = f'the topic "{name}"' + (f" and {others} more" if others else "")
        if refused:
            found = (
                f"it refuses {topics}: {short[name]}; give the broker's user these topics, or "
                f"correct address in [sources.{self.name}] of the plant file"
            )
        else:
            found = (
                f"it grants {topics} with QoS {short[name].value} only and keeps less for us than "
                f"we asked for; allow QoS {self.entry.mqtt.qos} at the broker"
            )
        self._fails(self._says(found))
        return refused

    def _count_rejected(self, count: int) -> None:
        self._rejected += count

    def _says(self, what: object) -> str:
        return f'source "{self.name}" at {public_url(self.url)}: {what}'
