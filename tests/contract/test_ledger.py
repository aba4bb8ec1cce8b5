"""What the ledger promises, as numbered cases."""

from __future__ import annotations

import hashlib
import json
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import pytest

from connectors.store.ledger import Entry, Ledger
from twin.errors import DataError, StoreError

ROOT = Path(__file__).parents[2]
NOON = datetime(2026, 3, 2, 12, 0, 0, 123_456, UTC)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "data" / "ledger.sqlite"


@pytest.fixture
def ledger(path: Path) -> Iterator[Ledger]:
    ledger = Ledger(path)
    yield ledger
    ledger.close()


def add(ledger: Ledger, number: int = 1, **changed: Any) -> Entry:
    fact = {"at": NOON, "kind": "alert-raised", "subject": f"a-{number}", "who": "forecast"}
    return ledger.append(**{**fact, **changed})


def by_hand(path: Path, *statements: str) -> None:
    """As somebody with the sqlite3 tool would."""
    with sqlite3.connect(path) as connection:
        for statement in statements:
            connection.execute(statement)
    connection.close()


def test_lc01_an_entry_comes_back_as_it_was_added(ledger: Ledger) -> None:
    body = {
        "p": 0.1,
        "text": 'größer "20 µm"\n',
        "list": [1, None, True],
        "deep": {"b": {}, "a": 1},
    }
    entry = add(ledger, why="it's time; --", who="Ada 😀", body=body)
    assert ledger.entries() == (entry,)
    assert (entry.seq, entry.at, entry.body) == (1, NOON, body)
    assert (entry.who, entry.why) == ("Ada 😀", "it's time; --")


def test_lc02_entries_are_numbered_in_their_order_without_gaps(ledger: Ledger) -> None:
    assert [add(ledger, i).seq for i in range(1, 6)] == [1, 2, 3, 4, 5]
    assert [e.subject for e in ledger.entries()] == ["a-1", "a-2", "a-3", "a-4", "a-5"]


def test_lc03_entries_can_be_asked_for_by_kind_subject_place_and_number(ledger: Ledger) -> None:
    for i in range(1, 7):
        add(ledger, i % 2, kind="raised" if i < 4 else "cleared")
    assert [e.seq for e in ledger.entries(kind="cleared")] == [4, 5, 6]
    assert [e.seq for e in ledger.entries(subject="a-1")] == [1, 3, 5]
    assert [e.seq for e in ledger.entries(kind="raised", subject="a-1", after=1)] == [3]
    assert [e.seq for e in ledger.entries(after=2, limit=2)] == [3, 4]
    assert ledger.entries(kind="unknown") == ledger.entries(limit=0) == ()


def test_lc04_the_digest_can_be_recomputed_from_the_file_alone(ledger: Ledger, path: Path) -> None:
    add(ledger, 1, body={"b": 1.5, "a": "ä"})
    add(ledger, 2)
    names = ("at", "body", "kind", "previous", "seq", "subject", "who", "why")
    previous = "0" * 64
    with sqlite3.connect(path) as connection:
        rows = connection.execute(f"SELECT digest, {', '.join(names)} FROM entries ORDER BY seq")  # noqa: S608
        for digest, *values in rows:
            row = dict(zip(names, values, strict=True))
            assert row["previous"] == previous
            parts = (f"{json.dumps(n)}:{json.dumps(row[n], ensure_ascii=False)}" for n in names)
            text = "{" + ",".join(parts) + "}"
            assert digest == hashlib.sha256(text.encode()).hexdigest()
            previous = digest
    connection.close()


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE entries SET who = 'nobody' WHERE seq = 2",
        "DELETE FROM entries WHERE seq = 2",
        "INSERT OR REPLACE INTO entries SELECT 2, at, kind, subject, 'x', why, body, previous, digest"
        " FROM entries WHERE seq = 1",
    ],
)
def test_lc05_the_file_itself_refuses_changes(ledger: Ledger, path: Path, statement: str) -> None:
    before = [add(ledger, i) for i in range(3)]
    with pytest.raises(sqlite3.IntegrityError, match="append-only"):
        by_hand(path, statement)
    assert list(ledger.entries()) == before
    assert ledger.verify() is None


@pytest.mark.parametrize(
    ("statement", "broken"),
    [
        ("UPDATE entries SET who = 'nobody' WHERE seq = 3", 3),
        ("UPDATE entries SET body = '{}' WHERE seq = 5", 5),
        ("UPDATE entries SET at = '2026-03-02T12:00:01.000000+00:00' WHERE seq = 1", 1),
        ("DELETE FROM entries WHERE seq = 4", 4),
        ("DELETE FROM entries WHERE seq = 1", 1),
        ("UPDATE entries SET seq = -1 WHERE seq = 2", 1),
    ],
)
def test_lc06_verify_names_the_first_entry_that_was_tampered_with(
    ledger: Ledger, path: Path, statement: str, broken: int
) -> None:
    for i in range(6):
        add(ledger, i, body={"i": i})
    assert ledger.verify() is None
    guards = ("DROP TRIGGER entries_no_update", "DROP TRIGGER entries_no_delete")
    by_hand(path, *guards, statement)
    assert ledger.verify() == broken


def test_lc07_an_edited_entry_whose_digest_was_redone_breaks_the_next(
    ledger: Ledger, path: Path
) -> None:
    forged = add(ledger, 1, who="mallory")
    by_hand(path, "DROP TRIGGER entries_no_delete", "DELETE FROM entries")
    for i in range(1, 4):
        add(ledger, i)
    by_hand(
        path,
        "DROP TRIGGER entries_no_update",
        f"UPDATE entries SET who = 'mallory', digest = '{forged.digest}' WHERE seq = 1",  # noqa: S608
    )
    assert ledger.verify() == 2


def test_lc08_an_empty_ledger_is_whole(ledger: Ledger) -> None:
    assert ledger.entries() == ()
    assert ledger.verify() is None


def test_lc09_times_are_kept_in_utc_and_need_a_zone(ledger: Ledger) -> None:
    berlin = timezone(timedelta(hours=1))
    assert add(ledger, at=NOON.astimezone(berlin)).at == NOON
    assert ledger.entries()[0].at.utcoffset() == timedelta(0)
    with pytest.raises(DataError, match="no time zone"):
        add(ledger, at=datetime(2026, 3, 2))  # noqa: DTZ001


@pytest.mark.parametrize(
    "changed",
    [
        {"body": {"p": float("nan")}},
        {"body": {"at": NOON}},
        {"body": {"x": {1, 2}}},
        {"body": {"x": "\ud800"}},
        {"why": "\ud800"},
    ],
)
def test_lc10_what_json_cannot_say_is_refused_and_nothing_is_added(
    ledger: Ledger, changed: dict[str, Any]
) -> None:
    with pytest.raises(DataError, match="JSON"):
        add(ledger, **changed)
    assert ledger.entries() == ()


def test_lc11_reopening_keeps_the_chain(ledger: Ledger, path: Path) -> None:
    first = add(ledger, 1)
    ledger.close()
    again = Ledger(f"sqlite:///{path}")
    second = add(again, 2)
    assert again.entries() == (first, second)
    assert (second.previous, again.verify()) == (first.digest, None)
    again.close()
    again.close()


_WRITER = """
import sys
from datetime import UTC, datetime
from connectors.store.ledger import Ledger
ledger = Ledger(sys.argv[1])
print("open", flush=True)
sys.stdin.readline()
for i in range(int(sys.argv[3])):
    ledger.append(at=datetime(2026, 3, 2, tzinfo=UTC), kind="k", subject=str(i), who=sys.argv[2])
"""


def test_lc12_two_processes_share_one_chain(path: Path) -> None:
    writers = [
        subprocess.Popen(
            [sys.executable, "-c", _WRITER, str(path), who, "60"],
            cwd=ROOT,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        for who in ("a", "b")
    ]
    for writer in writers:
        assert writer.stdout is not None
        assert writer.stdout.readline() == "open\n"
    for writer in writers:
        writer.communicate("go\n", timeout=60)
        assert writer.returncode == 0
    ledger = Ledger(path)
    entries = ledger.entries()
    assert [e.seq for e in entries] == list(range(1, 121))
    for who in ("a", "b"):
        assert [e.subject for e in entries if e.who == who] == [str(i) for i in range(60)]
    assert ledger.verify() is None
    ledger.close()


def test_lc13_a_file_of_a_newer_linetwin_is_refused_and_left_alone(
    ledger: Ledger, path: Path
) -> None:
    add(ledger)
    ledger.close()
    by_hand(path, "INSERT INTO schema_version VALUES (99)")
    before = path.read_bytes()
    with pytest.raises(StoreError, match=r"ledger\.sqlite: schema 99 .* upgrade linetwin"):
        Ledger(path)
    assert path.read_bytes() == before


def test_lc14_a_damaged_file_gives_one_line(path: Path) -> None:
    path.parent.mkdir()
    path.write_bytes(b"not a database, by no means " * 100)
    with pytest.raises(StoreError, match=r"cannot be opened: file is not a database$"):
        Ledger(path)


@pytest.mark.parametrize("place", ["sqlite://", "postgresql://ada:secret@host/db", "sqlite:"])
def test_lc15_a_place_that_is_no_file_gives_one_line(place: str, tmp_path: Path) -> None:
    if place == "sqlite:":
        place = str(tmp_path)  # a folder
    with pytest.raises(StoreError) as refused:
        Ledger(place)
    assert "\n" not in str(refused.value)
    assert "secret" not in str(refused.value)


def test_lc16_a_ledger_kept_busy_by_another_says_so_and_goes_on_later(
    ledger: Ledger, path: Path
) -> None:
    add(ledger, 1)
    ledger.close()
    impatient = Ledger(path, wait_s=0.05)
    other = sqlite3.connect(path, isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    with pytest.raises(StoreError, match="entry not added: database is locked"):
        add(impatient, 2)
    other.execute("ROLLBACK")
    other.close()
    assert add(impatient, 2).seq == 2
    assert impatient.verify() is None
    impatient.close()


def test_lc17_the_newest_entry_of_a_kind_is_found_without_the_others(ledger: Ledger) -> None:
    assert ledger.newest() is None
    for subject, kind in (("a", "plan"), ("b", "alert"), ("c", "plan"), ("d", "alert")):
        ledger.append(at=NOON, kind=kind, subject=subject, who="ada")
    newest, of_plan = ledger.newest(), ledger.newest("plan")
    assert newest is not None
    assert of_plan is not None
    assert (newest.subject, of_plan.subject) == ("d", "c")
    assert ledger.newest("nothing") is None
