"""Every exception that linetwin raises on purpose, split by what the caller can do about it.

::

    LinetwinError
    |-- FileFaults          fix the file: all its faults at once, each with its remedy
    |-- DataError           fix the input: wrong shape, too little data, contradictory values
    |   `-- LookAheadError  fix the caller: something read past its ``as_of``
    |-- UnitError           fix the unit: unknown code, or another dimension
    |-- NotFoundError       fix the name: no such signal, order, alert, proposal
    |-- NotReadyError       ask again soon: it is being computed for the first time
    |-- ConflictError       look again: the thing is not in a state that allows this
    |-- StoreError          retry, or repair the disk or server: nothing of this call was stored
    |   `-- RefusedError    set the data aside: the store will never take it
    |-- SourceError         retry later: a machine, sensor or broker cannot be reached
    `-- SolverError         give it more time or relax the problem: no schedule was found
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

__all__ = [
    "ConflictError",
    "DataError",
    "Fault",
    "FileFaults",
    "LinetwinError",
    "LookAheadError",
    "NotFoundError",
    "NotReadyError",
    "RefusedError",
    "SolverError",
    "SourceError",
    "StoreError",
    "UnitError",
]


class LinetwinError(Exception):
    """Base of everything that linetwin raises on purpose."""

    code = "linetwin"
    """Stable name of the kind of error; the API sends it, scripts may rely on it."""


@dataclass(frozen=True, slots=True)
class Fault:
    """One thing that is wrong in a file, and what would be right."""

    file: str
    place: str
    found: str
    remedy: str

    def __str__(self) -> str:
        place = f" [{self.place}]" if self.place else ""
        return f"{self.file}{place}: {self.found}; {self.remedy}"


class FileFaults(LinetwinError):
    """A file, or the tables beside it, cannot be used; every fault is listed."""

    code = "file-faults"

    def __init__(self, faults: Sequence[Fault]) -> None:
        self.faults = tuple(faults)
        super().__init__("\n".join(map(str, self.faults)))


class DataError(LinetwinError):
    """The values given cannot answer the question."""

    code = "data"


class LookAheadError(DataError):
    """Something asked for facts that were not yet available at its ``as_of``."""

    code = "look-ahead"


class UnitError(LinetwinError):
    """A unit code is unknown, or two units measure different things."""

    code = "unit"


class NotFoundError(LinetwinError):
    """Nothing has that name."""

    code = "not-found"


class NotReadyError(LinetwinError):
    """The answer is still being computed for the first time."""

    code = "not-ready"


class ConflictError(LinetwinError):
    """The thing exists, but not in a state that allows this."""

    code = "conflict"


class StoreError(LinetwinError):
    """The store did not take or give the data; nothing of this call was stored."""

    code = "store"
    retry_after_s: float | None = None
    """When the store asks to be tried again, counted from now; None where it does not say. [s]"""


class RefusedError(StoreError):
    """The store will never take this data: it is the data that must be looked at, not the store."""

    code = "refused"


class SourceError(LinetwinError):
    """A machine, sensor or broker cannot be reached, or refuses us."""

    code = "source"


class SolverError(LinetwinError):
    """No schedule was found in the time that was given."""

    code = "solver"
