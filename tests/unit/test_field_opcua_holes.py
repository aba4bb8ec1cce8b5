"""Facts of which times count as lost, by what a history had."""

from __future__ import annotations

import numpy as np
import pytest

from connectors.field.delivery import NO_TIME
from connectors.field.opcua.changes import Changes
from connectors.field.opcua.decode import Notification
from connectors.field.opcua.history import Found, Missed, _Progress
from connectors.field.opcua.holes import Holes
from connectors.field.opcua.items import Items
from connectors.field.source import Wanted
from twin.plant import OpcuaOptions

WAITING = 0x80320000
OVERFLOW = 0x480


def message(*rows: tuple[int, int, int], published_us: int = 900) -> Notification:
    """Handle, time and status of each row."""
    handles, times, status = zip(*rows, strict=True)
    changes = Changes(
        np.array(handles, np.uint32),
        np.ones(len(rows)),
        None,
        np.array(status, np.uint32),
        np.array(times, np.int64),
        np.full(len(rows), NO_TIME, np.int64),
    )
    return Notification(sequence=1, published_us=published_us, changes=changes, states=(), count=1)


@pytest.fixture
def items() -> Items:
    signals = [Wanted(address=a) for a in ("s=a", "s=b#x", "s=b#y")]
    found = Items.of(signals, OpcuaOptions())
    for item in found.all:
        item.item_id = 100 + item.handle
    return found


def reached(*us: int) -> np.ndarray:
    return np.array(us, np.int64)


def missed(after_us: int, until_us: int, heard_us: int = NO_TIME) -> Missed:
    return Missed(
        handle=0, node=None, after_us=after_us, heard_us=heard_us, until_us=until_us, reason="-"
    )


def test_first_value_with_the_time_that_we_have_says_that_nothing_was_missed(items: Items) -> None:
    holes = Holes(items)
    holes.begin(items.all)
    found = holes.look(message((0, 500, 0)), reached(500, NO_TIME, NO_TIME), 0, lossy=False)
    assert found is not None
    assert found.missed == []
    assert found.keep.tolist() == [False]


def test_node_with_a_new_address_is_not_taken_for_known(items: Items) -> None:
    holes = Holes(items)
    holes.begin(items.all)
    found = holes.look(message((1, 500, 0)), reached(NO_TIME, 500, NO_TIME), 0, lossy=False)
    assert found is not None
    assert found.missed == []
    assert found.keep.tolist() == [True]


def test_waiting_node_stays_in_doubt_until_it_says_its_first_value(items: Items) -> None:
    holes = Holes(items)
    holes.begin(items.all)
    had = reached(500, NO_TIME, NO_TIME)
    waiting = holes.look(message((0, 700, WAITING)), had, 0, lossy=False)
    assert waiting is not None
    assert (waiting.missed, waiting.settled) == ([], set())
    holes.settle(waiting)
    first = holes.look(message((0, 800, 0)), had, 0, lossy=False)
    assert first is not None
    assert [(m.after_us, m.until_us) for m in first.missed] == [(500, 800)]
    holes.settle(first)
    assert holes.look(message((0, 810, 0)), had, 0, lossy=False) is None


def test_overflow_doubts_the_time_from_the_value_before_it(items: Items) -> None:
    holes = Holes(items)
    rows = message((0, 600, 0), (0, 700, OVERFLOW), (0, 710, 0))
    found = holes.look(rows, reached(500, NO_TIME, NO_TIME), 650, lossy=False)
    assert found is not None
    assert [(m.start_us, m.until_us) for m in found.missed] == [(601, 700)]


def test_skipped_message_doubts_every_node_up_to_where_it_is_known_again(items: Items) -> None:
    holes = Holes(items)
    found = holes.look(message((0, 700, 0)), reached(500, 300, 400), 650, lossy=True)
    assert found is not None
    assert [(m.handle, m.start_us, m.until_us) for m in found.missed] == [
        (0, 650, 700),
        (1, 650, 900),
    ]


@pytest.mark.parametrize(
    ("heard_us", "first_us", "reached_us", "lost"),
    [
        (NO_TIME, None, 500, ((501, 800),)),  # nothing in the history
        (600, None, 500, ((600, 800),)),  # but all is known up to 600
        (900, None, 500, ((501, 800),)),  # a clock that is not the source's says nothing
        (NO_TIME, 500, 800, ()),  # from our last value to the first that came again
        (NO_TIME, 620, 800, ((501, 620),)),  # begins too late
        (620, 610, 800, ()),  # begins before the loss
        (NO_TIME, 500, 700, ((701, 800),)),  # ends too early
        (NO_TIME, 620, 700, ((501, 620), (701, 800))),
    ],
)
def test_history_is_believed_from_its_first_value_to_its_last(
    heard_us: int, first_us: int | None, reached_us: int, lost: tuple[tuple[int, int], ...]
) -> None:
    progress = _Progress(
        missed=missed(500, 800, heard_us), reached_us=reached_us, first_us=first_us
    )
    assert progress.lost() == lost


def test_gap_begins_behind_what_each_address_of_a_node_has(items: Items) -> None:
    holes = Holes(items)
    one = Missed(handle=1, node=None, after_us=300, heard_us=NO_TIME, until_us=800, reason="why")
    (gap,) = holes.gaps([Found(missed=one, lost=((301, 800),))], reached(0, 300, 400))
    assert gap.index is not None
    starts = np.asarray(gap.start_us).tolist()
    assert (gap.index.tolist(), starts, gap.reason) == ([1, 2], [301, 401], "why")


def test_items_of_an_earlier_process_keep_their_handles_and_others_are_removed() -> None:
    options = OpcuaOptions()
    before = Items.of([Wanted(address=f"s={n}") for n in "abc"], options)
    for item in before.all:
        item.item_id = 100 + item.handle
    wanted = [Wanted(address="s=c"), Wanted(address="s=b", deadband=2.0), Wanted(address="s=d")]
    after = Items.of(wanted, options, before.saved())
    assert [(i.key, i.handle, i.item_id) for i in after.all] == [
        ("s=c", 2, 102),
        ("s=b", 3, None),
        ("s=d", 4, None),
    ]
    assert sorted(after.strangers) == [100, 101]
    assert after.plain.tolist() == [-1, -1, 0, 1, 2, -1]
