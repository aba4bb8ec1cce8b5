"""What is remembered of the session at a broker, across restarts."""

from __future__ import annotations

import json
import os
from collections.abc import Sequence
from dataclasses import asdict, dataclass, fields, replace
from pathlib import Path
from typing import Any
from urllib.parse import quote

__all__ = ["Memory", "SessionFacts"]


@dataclass(frozen=True, slots=True, kw_only=True)
class SessionFacts:
    """What we know of our session at the broker."""

    session: bool = False
    """There was one."""
    since_us: int = 0
    """When it was first made, microseconds since 1970."""
    owed: bool = False
    """It was found lost, and the gap is not on disk yet."""
    exact: bool = False
    """Topics were subscribed with QoS 2."""
    filters: Sequence[str] = ()
    """What it subscribes."""


class Memory:
    """Keeps the facts in ``<data>/sources/<name>.json``; without a data directory, in memory."""

    def __init__(self, data: Path | None, name: str) -> None:
        """Read what is there; a file that is damaged counts as none."""
        self._path = None if data is None else data / "sources" / f"{quote(name, safe='')}.json"
        self.facts = _read(self._path)

    def note(self, **changed: Any) -> None:
        """Remember; on disk when this returns.

        Raises:
            OSError: The disk does not take it.
        """
        facts = replace(self.facts, **changed)
        if facts == self.facts:
            return
        if self._path is not None:
            self._path.parent.mkdir(parents=True, exist_ok=True)
            beside = self._path.with_suffix(".new")
            with beside.open("w", encoding="utf-8") as file:
                json.dump(asdict(facts), file)
                file.flush()
                os.fsync(file.fileno())
            beside.replace(self._path)
        self.facts = facts


def _read(path: Path | None) -> SessionFacts:
    if path is None:
        return SessionFacts()
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
        known = {key: found[key] for key in (f.name for f in fields(SessionFacts)) if key in found}
        return SessionFacts(**known | {"filters": tuple(known.get("filters", ()))})
    except (OSError, ValueError, TypeError):
        return SessionFacts()
