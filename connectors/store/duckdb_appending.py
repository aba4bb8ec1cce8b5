# ruff: noqa: S608  only the names of our own tables stand in the SQL
"""The one connection that appends to the DuckDB file."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import duckdb
import numpy as np
from numpy.typing import NDArray

from connectors.store.duckdb_columns import has_text, to_columns
from twin.plant.signals import SignalId
from twin.telemetry.samples import SampleBatch

__all__ = ["Appender"]


class Appender:
    """Inserts batches, each whole or not at all; used by one thread at a time."""

    def __init__(self, root: duckdb.DuckDBPyConnection) -> None:
        self._root = root
        self._connect()

    def insert(
        self,
        table: str,
        batch: SampleBatch,
        ids: NDArray[np.int32],
        added: Sequence[tuple[int, SignalId]],
    ) -> None:
        """Put rows into a hot table, and the names of their signals where they are new.

        Args:
            table: One of the hot tables.
            batch: At least one row.
            ids: The number of each of ``batch.signals``; only those that have rows count.
            added: Numbers and names that the file does not hold yet.
        """
        is_text = has_text(batch)
        parts = [(batch, "NULL")]
        if is_text.any():
            both = (batch.take(~is_text), "NULL"), (batch.take(is_text), "text")
            parts = [part for part in both if len(part[0])]
        with self._whole(len(parts) > 1 or bool(added)):
            if added:
                numbers, names = zip(*added, strict=True)
                self._connection.execute(
                    "INSERT INTO signals SELECT unnest($1), unnest($2)",
                    [list(numbers), list(names)],
                )
            for rows, text in parts:
                self._insert(table, rows, ids, text)

    def close(self) -> None:
        """Give the connection back; what is not committed is undone."""
        self._connection.close()

    def _connect(self) -> None:
        self._connection = self._root.cursor()
        # There is nothing to optimise in an insert; a batch of 1,000 rows costs a tenth less.
        self._connection.execute("PRAGMA disable_optimizer")

    def _insert(self, table: str, batch: SampleBatch, ids: NDArray[np.int32], text: str) -> None:
        incoming = to_columns(batch, ids[batch.code])
        if text == "NULL":
            del incoming["text"]
        # DuckDB finds ``incoming`` in this frame, which is cheaper than to register it. A NaN is
        # stored as NULL, so that a person's own avg(value) is a number.
        self._connection.execute(
            f"INSERT INTO {table} SELECT signal_id, measured_us, available_us, "
            f"if(isnan(value), NULL, value), {text}, quality FROM incoming"
        )

    @contextmanager
    def _whole(self, several: bool) -> Iterator[None]:
        """A transaction; a single statement is one by itself."""
        try:
            if several:
                self._connection.execute("BEGIN")
            yield
            if several:
                self._connection.execute("COMMIT")
        except BaseException:
            self._connection.close()  # undoes what is not committed
            self._connect()
            raise
