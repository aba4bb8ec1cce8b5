"""How far each signal is on disk, in a small file: for a start while the store, which knows it better, is away."""

from __future__ import annotations

import json
import logging
from collections.abc import Mapping
from pathlib import Path

__all__ = ["Reached"]

logger = logging.getLogger(__name__)


class Reached:
    """``reached.json`` in the data directory: signal id -> newest measured_us that is durable."""

    def __init__(self, folder: Path) -> None:
        """Name the file; nothing is read yet."""
        self._file = folder / "reached.json"

    def save(self, newest: Mapping[str, int]) -> None:
        """Replace what was saved; on a full disk the older one stays."""
        fresh = self._file.with_suffix(".new")
        try:
            fresh.write_text(json.dumps(newest), encoding="utf-8")
            fresh.replace(self._file)
        except OSError as e:
            logger.warning("%s not written: %s", self._file, e.strerror)

    def load(self) -> dict[str, int]:
        """What was saved last; nothing when it cannot be read."""
        try:
            found = json.loads(self._file.read_text(encoding="utf-8"))
            return {str(signal): int(us) for signal, us in found.items()}
        except (OSError, ValueError, AttributeError, TypeError):
            return {}
