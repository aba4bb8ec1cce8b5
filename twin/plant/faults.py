"""How a check of the plant says what it found."""

from __future__ import annotations

from collections.abc import Collection, Iterator

__all__ = ["Found", "known"]

Found = Iterator[tuple[str, str, str]]
"""Place, what was found there, remedy; in this order."""


def known(place: str, what: str, name: str, names: Collection[str]) -> Found:
    """A fault when this name is none of those."""
    if name not in names:
        yield (
            place,
            f'{what} "{name}" is not known',
            f"use one of {', '.join(names) or '(none is declared)'}",
        )
