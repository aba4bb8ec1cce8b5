"""The ledger: what was proposed, decided and done, by whom and why; append-only and chained."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from sqlalchemy import (
    URL,
    Column,
    Connection,
    Index,
    Integer,
    MetaData,
    Row,
    String,
    Table,
    Text,
    create_engine,
    event,
    func,
    insert,
    select,
)
from sqlalchemy.engine import make_url
from sqlalchemy.exc import ArgumentError, SQLAlchemyError

from twin.errors import DataError, StoreError

__all__ = ["Entry", "Ledger"]

_SCHEMA_VERSION = 1
_NO_ENTRY = "0" * 64
_TABLES = MetaData()
_VERSIONS = Table(
    "schema_version", _TABLES, Column("version", Integer, primary_key=True, autoincrement=False)
)
_ENTRIES = Table(
    "entries",
    _TABLES,
    Column("seq", Integer, primary_key=True, autoincrement=False),
    Column("at", String(32), nullable=False),
    Column("kind", Text, nullable=False),
    Column("subject", Text, nullable=False),
    Column("who", Text, nullable=False),
    Column("why", Text, nullable=False),
    Column("body", Text, nullable=False),
    Column("previous", String(64), nullable=False),
    Column("digest", String(64), nullable=False),
    Index("entries_by_subject", "kind", "subject"),
)
_GUARDS = tuple(
    f"CREATE TRIGGER IF NOT EXISTS entries_no_{name} BEFORE {name} ON entries {when} "
    "BEGIN SELECT RAISE(ABORT, 'the ledger is append-only'); END"
    for name, when in (
        ("update", ""),
        ("delete", ""),
        # INSERT OR REPLACE would delete without asking the trigger on delete.
        ("insert", "WHEN NEW.seq <= (SELECT max(seq) FROM entries)"),
    )
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """One fact of the ledger."""

    seq: int
    """1, 2, 3, ... without a gap."""
    at: datetime
    """When it happened. UTC."""
    kind: str
    """What happened, such as ``alert-acknowledged``."""
    subject: str
    """What it happened to, such as an alert id."""
    who: str
    why: str
    body: Mapping[str, Any]
    """Inputs, versions and results: what JSON can say."""
    previous: str
    """Digest of the entry before; 64 zeros for the first."""
    digest: str
    """SHA-256, hexadecimal, of the canonical JSON of all other columns."""


class Ledger:
    """An append-only, hash-chained table in one SQLite file; several processes may share it.

    The chain shows that an entry was changed, removed or put in between. It cannot show that the
    newest entries were cut off: keep a digest somewhere else to see that.

    Example:
        >>> from tempfile import TemporaryDirectory
        >>> noon = datetime(2026, 3, 2, 12, tzinfo=UTC)
        >>> with TemporaryDirectory() as folder:
        ...     ledger = Ledger(Path(folder) / "ledger.sqlite")
        ...     entry = ledger.append(
        ...         at=noon, kind="proposal-approved", subject="p-1", who="ada", why="low stock"
        ...     )
        ...     broken = ledger.verify()
        ...     ledger.close()
        >>> entry.seq, broken
        (1, None)
    """

    def __init__(self, place: str | Path, *, wait_s: float = 30.0) -> None:
        """Open the file; make it, and its folder, where there is none.

        Args:
            place: Path of a SQLite file, or its ``sqlite:///`` URL.
            wait_s: Longest wait while another process writes. [s]

        Raises:
            StoreError: It cannot be opened, is damaged, or a newer linetwin wrote it.
        """
        self._name = str(place)
        with self._errors("cannot be opened"):
            self._engine = create_engine(_url(place), connect_args={"timeout": wait_s})
            event.listen(self._engine, "connect", _take_over_transactions)
            event.listen(self._engine, "begin", _begin)
            try:
                self._prepare()
            except BaseException:
                self.close()
                raise

    def append(
        self,
        *,
        at: datetime,
        kind: str,
        subject: str,
        who: str,
        why: str = "",
        body: Mapping[str, Any] | None = None,
    ) -> Entry:
        """Add one entry; it is on the disk when this returns.

        Args:
            at: When it happened, aware.
            kind: What happened.
            subject: What it happened to.
            who: Who decided; a person, or the part of the product that did.
            why: The reason given.
            body: Inputs, versions and results: texts, finite numbers, lists, mappings.

        Raises:
            DataError: ``at`` has no time zone, or JSON cannot say the entry.
            StoreError: Nothing was added.
        """
        if at.tzinfo is None:
            raise DataError(f"{at.isoformat()} has no time zone")
        moment = at.astimezone(UTC).isoformat(timespec="microseconds")
        fact = {"at": moment, "kind": kind, "subject": subject, "who": who, "why": why}
        try:
            fact["body"] = _canonical(dict(body or {}))
            _canonical(fact).encode()
        except (TypeError, ValueError) as e:
            raise DataError(f"JSON cannot say this ledger entry: {e}") from e
        newest = select(_ENTRIES.c.seq, _ENTRIES.c.digest).order_by(_ENTRIES.c.seq.desc()).limit(1)
        with self._errors("entry not added"), self._write() as connection:
            last = connection.execute(newest).first()
            row = fact | {
                "seq": last.seq + 1 if last else 1,
                "previous": last.digest if last else _NO_ENTRY,
            }
            row["digest"] = _digest(row)
            connection.execute(insert(_ENTRIES).values(row))
        return _entry(row)

    def entries(
        self,
        *,
        kind: str | None = None,
        subject: str | None = None,
        after: int = 0,
        limit: int | None = None,
    ) -> tuple[Entry, ...]:
        """Entries with ``seq > after``, oldest first.

        Args:
            kind: Only of this kind.
            subject: Only about this subject.
            after: Sequence number to start behind.
            limit: At most so many.

        Raises:
            StoreError: The file cannot be read.
        """
        query = select(_ENTRIES).where(_ENTRIES.c.seq > after).order_by(_ENTRIES.c.seq).limit(limit)
        if kind is not None:
            query = query.where(_ENTRIES.c.kind == kind)
        if subject is not None:
            query = query.where(_ENTRIES.c.subject == subject)
        with self._errors("cannot be read"), self._engine.begin() as connection:
            return tuple(_entry(_dict(row)) for row in connection.execute(query))

    def newest(self, kind: str | None = None) -> Entry | None:
        """The newest entry, of a kind or of all; None where there is none.

        Raises:
            StoreError: The file cannot be read.
        """
        query = select(_ENTRIES).order_by(_ENTRIES.c.seq.desc()).limit(1)
        if kind is not None:
            query = query.where(_ENTRIES.c.kind == kind)
        with self._errors("cannot be read"), self._engine.begin() as connection:
            row = connection.execute(query).first()
            return None if row is None else _entry(_dict(row))

    def verify(self) -> int | None:
        """The sequence number of the first entry that is missing or was changed; None if none.

        Raises:
            StoreError: The file cannot be read.
        """
        seq, previous = 0, _NO_ENTRY
        query = select(_ENTRIES).order_by(_ENTRIES.c.seq)
        with self._errors("cannot be read"), self._engine.begin() as connection:
            for found in connection.execution_options(yield_per=1000).execute(query):
                row, seq = _dict(found), seq + 1
                if (row["seq"], row["previous"], row["digest"]) != (seq, previous, _digest(row)):
                    return seq
                previous = row["digest"]
        return None

    def close(self) -> None:
        """Give back the file; a second call does nothing."""
        self._engine.dispose()

    def _prepare(self) -> None:
        with self._write() as connection:
            _TABLES.create_all(connection)
            for guard in _GUARDS:
                connection.exec_driver_sql(guard)
            version = connection.scalar(select(func.max(_VERSIONS.c.version))) or 0
            if version > _SCHEMA_VERSION:
                raise StoreError(
                    f"{self._name}: schema {version} was written by a newer linetwin, this one "
                    f"knows {_SCHEMA_VERSION}; upgrade linetwin"
                )
            if version == 0:
                connection.execute(insert(_VERSIONS).values(version=_SCHEMA_VERSION))

    @contextmanager
    def _write(self) -> Iterator[Connection]:
        """One transaction that has the file for itself from its start."""
        engine = self._engine.execution_options(begin="BEGIN IMMEDIATE")
        with engine.begin() as connection:
            yield connection

    @contextmanager
    def _errors(self, what: str) -> Iterator[None]:
        try:
            yield
        except (SQLAlchemyError, OSError, ValueError) as e:
            cause = getattr(e, "orig", None) or e
            line = str(cause).splitlines()[0] if str(cause) else type(cause).__name__
            raise StoreError(f"{self._name}: {what}: {line}") from e


def _url(place: str | Path) -> URL:
    text = str(place)
    if "://" not in text:
        Path(text).parent.mkdir(parents=True, exist_ok=True)
        return URL.create("sqlite", database=text)
    try:
        url = make_url(text)
    except ArgumentError as e:
        raise StoreError(f"{text}: not a database URL; use sqlite:///PATH") from e
    if url.get_backend_name() != "sqlite" or url.database in (None, "", ":memory:"):
        shown = url.render_as_string(hide_password=True)
        raise StoreError(f"{shown}: the ledger is one SQLite file; use sqlite:///PATH")
    return url


def _take_over_transactions(connection: Any, _: object) -> None:
    connection.isolation_level = None  # the driver would begin later than we do
    connection.execute("PRAGMA synchronous = FULL")


def _begin(connection: Connection) -> None:
    connection.exec_driver_sql(connection.get_execution_options().get("begin", "BEGIN"))


def _canonical(value: object) -> str:
    return json.dumps(
        value, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False
    )


def _digest(row: Mapping[str, Any]) -> str:
    """The body goes in as its stored text, so no reader has to print a float as Python does."""
    said = {name: value for name, value in row.items() if name != "digest"}
    return hashlib.sha256(_canonical(said).encode()).hexdigest()


def _dict(row: Row[Any]) -> dict[str, Any]:
    return dict(row._mapping)


def _entry(row: Mapping[str, Any]) -> Entry:
    at, body = datetime.fromisoformat(row["at"]), json.loads(row["body"])
    return Entry(**{**row, "at": at, "body": body})
