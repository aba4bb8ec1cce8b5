"""Event logs of simulated runs as files that other tools read."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from twin.errors import DataError, StoreError

if TYPE_CHECKING:
    import pandas as pd

    from twin.engine import EventTrace

__all__ = ["check_log_name", "write_log"]

_FORMATS = {
    ".parquet": "FORMAT parquet, COMPRESSION zstd",
    ".csv": "FORMAT csv, HEADER",
    ".csv.gz": "FORMAT csv, HEADER, COMPRESSION gzip",
}
_ROWS = """
SELECT replication, time_s, unit::VARCHAR AS unit, kind::VARCHAR AS kind, part,
    "order"::VARCHAR AS "order", product::VARCHAR AS product
FROM log
"""


def check_log_name(path: Path) -> None:
    """The name of a file says how it is to be written.

    Raises:
        DataError: It does not.
    """
    _format(path)


def write_log(path: Path, log: EventTrace) -> None:
    """Write an event log into a file; it is there whole or not at all.

    Args:
        path: ``.parquet``, ``.csv`` or ``.csv.gz``.
        log: One row per event: replication, time_s, unit, kind, part, order, product; empty where there is none.

    Raises:
        DataError: The name of the file says no format.
        StoreError: It cannot be written.
    """
    import duckdb

    options = _format(path)
    try:
        with tempfile.TemporaryDirectory(dir=path.parent, prefix=f".{path.name}.") as folder:
            fresh = Path(folder) / path.name
            with duckdb.connect() as connection:
                connection.register("log", _frame(log))
                target = str(fresh).replace("'", "''")
                connection.execute(f"COPY ({_ROWS}) TO '{target}' ({options})")
            fresh.replace(path)
    except (OSError, duckdb.Error) as e:
        raise StoreError(f"{path} cannot be written: {str(e).splitlines()[0]}") from e


def _frame(log: EventTrace) -> pd.DataFrame:
    import pandas as pd

    def named(codes: NDArray[np.integer[Any]], names: tuple[str, ...]) -> NDArray[np.object_]:
        objects: NDArray[np.object_] = np.array([*names, None], dtype=object)
        return np.take(objects, codes)  # -1 is the last: none

    return pd.DataFrame(
        {
            "replication": log.replication,
            "time_s": log.time_s,
            "unit": named(log.unit, log.units),
            "kind": named(log.kind, log.kinds),
            "part": pd.arrays.IntegerArray(log.part, log.part < 0),
            "order": named(log.order, log.orders),
            "product": named(log.product, log.products),
        }
    )


def _format(path: Path) -> str:
    for ending, options in _FORMATS.items():
        if path.name.endswith(ending):
            return options
    raise DataError(f"{path.name}: name it .parquet, .csv or .csv.gz")
