"""Facts of a Sparkplug host when messages are late, lost or doubled, and when nodes die."""

from __future__ import annotations

import pytest

from connectors.field.sparkplug import DataType, Metric
from tests.sparkplug_lab import BAD, GOOD, Desk

REBIRTH = "spBv1.0/g/NCMD/n"


@pytest.fixture
def desk() -> Desk:
    """One whose node and oven are born at 1,000,000."""
    desk = Desk()
    desk.birth()
    desk.oven_birth(seq=1)
    desk.now_s += 1
    return desk


def test_message_that_was_overtaken_is_waited_for(desk: Desk) -> None:
    assert desk.data(3.0, seq=3, ms=1_001_002) == []
    assert desk.host.oldest_held() == 2, "the births were messages 0 and 1"
    assert [row[1] for row in desk.data(2.0, seq=2, ms=1_001_001)] == [2.0, 3.0]
    assert desk.host.oldest_held() is None
    assert desk.tick(10) == []
    assert (desk.asked(), desk.lost()) == ([], [])


def test_many_messages_in_disorder_come_out_in_order(desk: Desk) -> None:
    order = [5, 3, 4, 2, 6, 9, 8, 7]
    values = [row[1] for seq in order for row in desk.data(seq, seq=seq, ms=1_001_000 + seq)]
    assert values == [2, 3, 4, 5, 6, 7, 8, 9]
    assert (desk.asked(), desk.lost()) == ([], [])


def test_message_that_never_comes_is_a_gap_until_the_births(desk: Desk) -> None:
    desk.data(2.0, seq=2, ms=1_001_000)
    assert desk.data(4.0, seq=4, ms=1_003_000) == []
    assert desk.tick(1.9) == []
    assert desk.asked() == []
    assert desk.tick(0.2) == [(0, 4.0, 1_003_000, GOOD)], "what did come is kept"
    assert desk.asked() == [REBIRTH]
    assert desk.lost() == []
    desk.data(5.0, seq=5, ms=1_003_100)
    desk.birth()
    why = "sequence number 3 never came"
    assert desk.lost() == [([0, 1], 1_001_000.001, 1_003_100, why)]
    desk.now_s += 1
    desk.oven_birth(seq=1)
    assert desk.lost() == [([2], 1_001_000.001, 1_004_100, why)]


def test_loss_is_recorded_without_births_when_they_do_not_come(desk: Desk) -> None:
    desk.data(3.0, seq=3)
    desk.tick(3)
    desk.data(4.0, seq=4)
    desk.tick(61)
    gaps = desk.lost()
    assert [(gap[0], gap[1], gap[2]) for gap in gaps] == [
        ([0, 1], 1_000_000.001, 1_065_000),
        ([2], 1_000_000.001, 1_065_000),
    ]
    assert desk.tick(61) == []
    assert desk.lost() == []


def test_without_a_reorder_window_a_hole_is_a_loss_at_once() -> None:
    desk = Desk(reorder_s=0)
    desk.birth()
    assert len(desk.data(3.0, seq=2)) == 1
    assert desk.asked() == [REBIRTH]


def test_late_message_after_its_wait_still_counts_at_its_own_time(desk: Desk) -> None:
    desk.data(3.0, seq=3, ms=1_001_003)
    desk.tick(3)
    assert desk.data(2.0, seq=2, ms=1_001_002) == [(0, 2.0, 1_001_002, GOOD)]
    assert [row[1] for row in desk.data(4.0, seq=4)] == [4.0]


def test_repeated_messages_are_no_gap(desk: Desk) -> None:
    for seq in [*range(2, 256), 0, 1, 1, 2, 3, 2, 1, 4]:
        ms = 1_001_000 + (seq if seq >= 5 else seq + 256)
        if seq in (2, 3, 4) and desk.now_s < 1002:
            ms = 1_001_000 + seq
        if seq == 255:
            desk.now_s = 1002
        desk.data(1.0, seq=seq, ms=ms)
    assert desk.tick(10) == []
    assert (desk.asked(), desk.lost(), desk.reasons()) == ([], [], [])


def test_sequence_goes_round_after_255(desk: Desk) -> None:
    for i in range(2, 700):
        assert len(desk.data(i, seq=i % 256, ms=1_001_000 + i)) == 1
    assert (desk.asked(), desk.lost()) == ([], [])


def test_clock_of_the_node_that_is_set_back_is_no_loss(desk: Desk) -> None:
    for i in range(2, 100):
        assert len(desk.data(i, seq=i, ms=900_000 + i)) == 1
    assert (desk.asked(), desk.lost()) == ([], [])


def test_birth_may_be_overtaken_by_what_follows_it(desk: Desk) -> None:
    zone = Metric(name="zone", alias=7, datatype=DataType.FLOAT, value=8.0)
    assert desk.feed("DBIRTH", zone, seq=1, at="n/oven", ms=1_001_002) == []
    rows = desk.feed("NBIRTH", Metric(name="reflow/power", alias=1, datatype=10, value=9.0), seq=0,
                     ms=1_001_001)  # fmt: skip
    assert [row[:2] for row in rows] == [(1, 9.0), (2, 8.0)]
    assert (desk.asked(), desk.lost(), desk.reasons()) == ([], [], [])


def test_what_a_birth_has_overtaken_was_sent_under_the_old_names(desk: Desk) -> None:
    assert desk.data(3.0, seq=3, ms=1_001_000) == []
    desk.now_s += 1
    rows = desk.birth(swap=True)
    assert rows[0] == (0, 3.0, 1_001_000, GOOD)
    assert desk.lost()[0][1:] == (1_000_000.001, 1_002_000, "sequence number 2 never came")


def test_when_a_birth_may_be_lost_aliases_mean_nothing_until_the_next(desk: Desk) -> None:
    for seq in range(2, 255):
        desk.data(1.0, seq=seq)
    desk.data(1.0, seq=2, ms=1_001_500)  # 255, 0 and 1 are missing; 0 is where births begin
    assert desk.tick(3) == []
    assert desk.reasons() == ["no birth that holds names alias 7"]
    desk.birth()
    assert len(desk.data(1.0, seq=1)) == 1


def test_death_of_the_node_leaves_every_signal_without_value_once(desk: Desk) -> None:
    desk.data(2.0, seq=2, ms=1_001_500)
    desk.now_s += 40
    assert desk.death() == [(i, None, 1_041_500, BAD) for i in range(3)], "on the node's clock"
    assert desk.death() == []
    desk.now_s += 5
    desk.birth(bd_seq=2)
    assert desk.lost() == [([0, 1], 1_001_500.001, 1_046_000, "the edge node died")]
    assert desk.asked() == []


def test_death_of_an_earlier_session_is_ignored(desk: Desk) -> None:
    assert desk.death(bd_seq=0) == []
    assert len(desk.data(2.0, seq=2)) == 1


def test_new_session_without_a_death_is_a_gap(desk: Desk) -> None:
    desk.birth(bd_seq=2)
    assert desk.lost() == [
        ([0, 1], 1_000_000.001, 1_001_000, "the edge node made a new connection")
    ]


def test_rebirth_of_a_node_that_lost_nothing_is_no_gap(desk: Desk) -> None:
    desk.data(2.0, seq=2)
    desk.birth()
    desk.oven_birth(seq=1)
    assert desk.lost() == []


def test_repeated_birth_certificate_does_not_kill_devices(desk: Desk) -> None:
    desk.birth()
    desk.birth()
    desk.oven_birth(seq=1)
    desk.birth()
    assert len(desk.feed("DDATA", Metric(alias=20, value=2.0), seq=2, at="n/oven")) == 1
    assert desk.asked() == []


def test_lost_connection_leaves_values_without_value_from_when_the_broker_was_last_heard(
    desk: Desk,
) -> None:
    desk.connect()
    desk.birth()
    desk.oven_birth(seq=1)
    desk.tick(3)
    desk.data(9.0, seq=3)  # waits for 2
    desk.now_s += 300
    desk.connect()
    assert desk.host.oldest_held() is None
    assert desk.tick() == [(0, 9.0, 1_004_000, GOOD)] + [
        (i, None, 1_004_000.001, BAD) for i in range(3)
    ]
    desk.gaps.clear()
    desk.birth()
    assert desk.lost() == [([0, 1], 1_001_000.001, 1_304_000, "sequence number 2 never came")]


def test_what_a_broker_kept_for_us_is_understood_before_the_births(desk: Desk) -> None:
    desk.now_s += 60
    desk.connect()
    assert desk.asked() == [REBIRTH]
    for seq, ms in ((2, 1_010_000), (3, 1_020_000)):
        desk_rows = [row for row in desk.data(seq, seq=seq, ms=ms) if row[3] == GOOD]
        assert desk_rows == [(0, seq, ms, GOOD)]
    desk.birth()
    assert desk.lost()[0][1:3] == (1_000_000.001, 1_061_000), "no count tells 0 from 256 lost"


def test_what_does_not_go_on_where_the_connection_was_lost_waits_for_births(desk: Desk) -> None:
    desk.connect()
    desk.data(5.0, seq=5)
    assert desk.reasons() == ["no birth that holds names alias 7"]
    desk.data(6.0, seq=2)
    assert desk.reasons() == ["no birth that holds names alias 7"]


def test_what_was_missed_while_nobody_listened_is_a_gap() -> None:
    desk = Desk(reached_us=(400_000_500, 600_000_500, 100))
    desk.connect()
    assert desk.tick() == []
    desk.birth()
    assert desk.lost() == [([0, 1], 600_001.001, 1_000_000, "nobody was listening")]


def test_first_start_has_no_gap() -> None:
    desk = Desk(reached_us=(-(2**63),) * 3)
    desk.connect()
    desk.birth()
    assert desk.lost() == []


def test_birth_confirms_a_value_that_was_measured_before_its_mark(desk: Desk) -> None:
    desk.now_s += 10
    desk.death()
    desk.now_s += 10
    old = Metric(name="printer/power", alias=7, datatype=10, value=7.5, timestamp_ms=500_000)
    rows = desk.feed("NBIRTH", old, seq=0)
    assert rows == [(0, 7.5, 500_000, GOOD), (0, 7.5, 1_021_000, GOOD)]
