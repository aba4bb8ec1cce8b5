"""What the next process needs to take up session and subscription where this one left them."""

from __future__ import annotations

import json
import logging
import os
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any
from urllib.parse import quote

from connectors.durable import Mark
from connectors.field.delivery import NO_TIME
from connectors.field.opcua.items import SavedItem
from connectors.field.opcua.session import Ticket

__all__ = ["Kept", "Memory"]

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class Kept:
    """A session and subscription at one server."""

    url: str
    ticket: Ticket
    subscription_id: int
    interval_ms: float
    keep_alives: int
    heard_us: int = NO_TIME
    """Up to here everything is known and durable."""


class Memory:
    """``<data>/sources/<name>.json`` and ``<name>.items.json``; nothing when there is no folder.

    The token opens the session only to who may use our certificate, or without security to
    anybody who reads it: the files are readable by their owner alone.
    """

    def __init__(self, data: Path | None, name: str) -> None:
        """Name the files; nothing is read yet."""
        self._folder = None if data is None else data / "sources"
        self._name = quote(name, safe="")
        self._last: Kept | None = None
        self._mark: Mark | None = None

    @property
    def keeps(self) -> bool:
        """There is a folder."""
        return self._folder is not None

    def load(self, url: str) -> tuple[Kept | None, tuple[SavedItem, ...]]:
        """What was kept for this server; nothing when it cannot be read."""
        try:
            raw = self._read("")
            kept = Kept(
                url=raw["url"],
                ticket=Ticket(token=bytes.fromhex(raw["token"]), nonce=bytes.fromhex(raw["nonce"])),
                subscription_id=int(raw["subscription"]),
                interval_ms=float(raw["interval_ms"]),
                keep_alives=int(raw["keep_alives"]),
                heard_us=int(raw["heard_us"]),
            )
            items = self._read(".items")
            of_it = items["subscription"] == kept.subscription_id and kept.url == url
            found = tuple(SavedItem(**item) for item in items["items"])
        except (OSError, ValueError, KeyError, TypeError):
            return None, ()
        return (kept, found) if of_it else (None, ())

    def save(self, kept: Kept) -> None:
        """Replace what was kept."""
        if kept == self._last:
            return
        self._write(
            "",
            {
                "url": kept.url,
                "token": kept.ticket.token.hex(),
                "nonce": kept.ticket.nonce.hex(),
                "subscription": kept.subscription_id,
                "interval_ms": kept.interval_ms,
                "keep_alives": kept.keep_alives,
                "heard_us": kept.heard_us,
            },
        )
        self._last = kept

    def acknowledged(self, subscription_id: int, number: int) -> None:
        """Note that everything up to this message is durable, before the server may forget it."""
        if self._folder is None:
            return
        try:
            if self._mark is None:
                self._folder.mkdir(parents=True, exist_ok=True)
                self._mark = Mark(self._folder / f"{self._name}.mark")
            self._mark.save((subscription_id, number))
        except OSError as e:  # without it a kill may cost a gap that was none
            logger.warning("%s.mark not written: %s", self._name, e)

    def durable_number(self, subscription_id: int) -> int | None:
        """The last message of this subscription up to which all is durable; None: not known."""
        if self._folder is None or not (file := self._folder / f"{self._name}.mark").exists():
            return None
        try:
            self._mark = self._mark or Mark(file)
        except OSError:
            return None
        found = self._mark.value
        return found[1] if found is not None and found[0] == subscription_id else None

    def save_items(self, subscription_id: int, items: Sequence[SavedItem]) -> None:
        """Replace the monitored items."""
        of_it = [asdict(item) for item in items]
        self._write(".items", {"subscription": subscription_id, "items": of_it})

    def _read(self, part: str) -> dict[str, Any]:
        if self._folder is None:
            raise FileNotFoundError
        found: dict[str, Any] = json.loads((self._folder / f"{self._name}{part}.json").read_text())
        return found

    def _write(self, part: str, content: dict[str, Any]) -> None:
        if self._folder is None:
            return
        file = self._folder / f"{self._name}{part}.json"
        new = file.with_suffix(".new")
        try:
            self._folder.mkdir(parents=True, exist_ok=True)
            with os.fdopen(os.open(new, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as out:
                json.dump(content, out)
            new.replace(file)
        except OSError as e:  # the disk may be full; without it only a kill costs more
            logger.warning("%s not written: %s", file, e)
