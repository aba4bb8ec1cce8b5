"""Facts of the OPC UA source through losses, on asyncua's server behind a link that breaks."""

from __future__ import annotations

import asyncio
import logging

import pytest
from asyncua import ua

from connectors.field.opcua.session import Patience
from tests.field_lab import run, within
from tests.opcua_lab import QUICK, End, Press, linked, soon, subscribed


@pytest.fixture(autouse=True)
def _quiet(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.CRITICAL, "asyncua")


def test_notifications_are_acknowledged_when_they_are_durable_and_not_before() -> None:
    async def story() -> None:
        press, end = Press(), End()
        async with press, subscribed(press, end):
            end.holding = True
            await press.write_heard(2, end)
            await press.write_heard(2, end)
            # Keep-alives have passed, so acknowledgements would have had their chance.
            await asyncio.sleep(3 * QUICK.keep_alive_s)
            assert press.unacknowledged == len(end.held) > 0
            end.release()
            await soon(lambda: press.unacknowledged == 0)
        assert sorted(end.rows) == sorted(press.wrote)

    run(story)


def test_cut_connection_loses_nothing_and_the_session_is_taken_up_again() -> None:
    async def story() -> None:
        press, end = Press(), End()
        async with press, linked(press, end) as (proxy, source):
            assert source.attached == "new"
            for _ in range(5):
                await press.write_all(3)
                proxy.open = False
                proxy.cut()
                await press.write_all(3)
                await soon(lambda: not source.health().connected)
                proxy.open = True
                await within(source.subscribed.wait())
                assert source.attached == "resumed"
            await end.until(lambda: len(set(end.rows)) == len(press.wrote))
            assert len(press.subscriptions) == 1
        assert sorted(set(end.rows)) == sorted(press.wrote)
        assert end.gaps == []

    run(story)


def test_message_that_was_sent_into_a_black_hole_comes_again_by_republish() -> None:
    async def story() -> None:
        press, end = Press(), End()
        async with press, linked(press, end) as (proxy, source):
            await press.write_heard(2, end)
            await soon(lambda: press.unacknowledged == 0)
            proxy.hole, proxy.open = True, False
            await press.write_all(2)
            await soon(lambda: press.unacknowledged > 0)
            await soon(lambda: not source.health().connected)
            assert "was silent for 0.6 s" in str(source.health().error)
            proxy.hole, proxy.open = False, True
            await end.until(lambda: len(set(end.rows)) == len(press.wrote))
            assert source.attached == "resumed"
        assert sorted(set(end.rows)) == sorted(press.wrote)
        assert end.gaps == []

    run(story)


def test_message_that_the_server_has_no_more_is_a_gap_of_the_nodes_that_may_be_in_it() -> None:
    async def story() -> None:
        press, end = Press(), End()
        async with press, linked(press, end) as (proxy, source):
            await press.write_heard(2, end)
            last = [max(t for i, t, _ in press.wrote if i == k) for k in range(3)]
            await soon(lambda: press.unacknowledged == 0)
            proxy.hole, proxy.open = True, False
            await press.write(0, 99.0, remember=False)
            await soon(lambda: press.unacknowledged > 0)
            for subscription in press.subscriptions.values():
                subscription._not_acknowledged_results.clear()
            await soon(lambda: not source.health().connected)
            proxy.hole, proxy.open = False, True
            await within(source.subscribed.wait())
            first = [await press.write(k, 1.0) for k in range(3)]
            await end.until(lambda: len(end.rows) >= len(press.wrote))
        assert sorted(end.gaps) == [(k, last[k] + 1, first[k]) for k in range(3)]
        assert sorted(set(end.rows)) == sorted(press.wrote)

    run(story)


def test_forgotten_subscription_is_made_anew_and_the_gap_is_exact_for_each_node() -> None:
    async def story() -> None:
        press, end = Press(), End()
        async with press, linked(press, end, history=False) as (proxy, source):
            await press.write_heard(2, end)
            last = max(t for i, t, _ in press.wrote if i == 0)
            proxy.open = False
            proxy.cut()
            await press.forget_clients()
            await press.write(0, 50.0, remember=False)
            again = await press.write(0, 51.0)
            proxy.open = True
            await within(source.subscribed.wait())
            assert source.attached == "new"
            await end.until(lambda: len(set(end.rows)) == len(press.wrote))
        # The other nodes were not written meanwhile: their time says that nothing was missed.
        assert end.gaps == [(0, last + 1, again)]
        assert sorted(set(end.rows)) == sorted(press.wrote)

    run(story)


def test_history_brings_what_a_forgotten_subscription_missed() -> None:
    async def story() -> None:
        press, end = Press(history=True), End()
        async with press, linked(press, end) as (proxy, source):
            await press.write_heard(2, end)
            proxy.open = False
            proxy.cut()
            await press.forget_clients()
            await press.write_all(40)
            proxy.open = True
            await end.until(lambda: len(set(end.rows)) == len(press.wrote))
            assert source.attached == "new"
        assert end.gaps == []
        assert sorted(set(end.rows)) == sorted(press.wrote)

    run(story)


def test_nodes_that_come_back_later_than_the_server_stay_wanted() -> None:
    async def story() -> None:
        press, end = Press(nodes=2), End()
        async with press, subscribed(press, end) as source:
            await press.write_heard(1, end)
            await press.stop()
            await soon(lambda: not source.health().connected)
            press.nodes = 1
            await press.start()
            await soon(lambda: "s=v1; add the node there" in str(source.health().error))
            assert not source.subscribed.is_set()
            await press.write(0, 5.0)
            press.nodes = 2
            await press.add(1)
            await within(source.subscribed.wait())
            assert source.health().error is None
            await press.write(1, 6.0)
            await end.until(lambda: len(set(end.rows)) == len(press.wrote))
        assert sorted(set(end.rows)) == sorted(press.wrote)
        starts = {i: t + 1 for i, t, _ in press.wrote[:2]}
        ends = {i: t for i, t, _ in press.wrote[2:]}
        assert sorted(end.gaps) == [(i, starts[i], ends[i]) for i in range(2)]

    run(story)


def test_held_sink_stops_the_publishing_and_the_session_is_kept_alive() -> None:
    async def story() -> None:
        press, end = Press(), End()
        patience = Patience(request_s=3.0, keep_alive_s=0.1, held_s=0.2, away_s=1.0)
        async with press, subscribed(press, end, patience=patience) as source:
            end.door.clear()
            for _ in range(10):
                await press.write_all(5)
                await asyncio.sleep(0.05)
            assert press.unacknowledged <= 5
            # Longer than the server keeps a session that says nothing.
            await asyncio.sleep(2.5)
            end.door.set()
            await end.until(lambda: len(end.rows) == len(press.wrote))
            assert source.attached == "new"
            assert source.health().error is None
        assert end.rows.count(end.rows[0]) == 1
        assert sorted(end.rows) == sorted(press.wrote)

    run(story)


def test_messages_that_do_not_become_durable_are_not_asked_for_without_end() -> None:
    async def story() -> None:
        press, end = Press(nodes=1), End()
        async with press, subscribed(press, end, publishing_interval_ms=10):
            end.holding = True
            for _ in range(120):
                await press.write_all(1)
                await asyncio.sleep(0.011)
            assert 40 <= press.unacknowledged <= 60
            assert len(end.held) <= 53
            end.release()
            await end.until(lambda: len(end.rows) == len(press.wrote))
        assert sorted(end.rows) == sorted(press.wrote)

    run(story)


def test_deleted_subscription_is_noticed_and_made_anew() -> None:
    async def story() -> None:
        press, end = Press(), End()
        async with press, subscribed(press, end) as source:
            await press.write_heard(1, end)
            (before,) = press.subscriptions
            service = press.server.iserver.subscription_service
            await service.delete_subscriptions([before])
            await soon(lambda: bool(press.subscriptions))
            await within(source.subscribed.wait())
            await press.write_all(1)
            await end.until(lambda: len(set(end.rows)) == len(press.wrote))
        assert sorted(set(end.rows)) == sorted(press.wrote)

    run(story)


def test_status_change_that_ends_the_subscription_has_it_made_anew() -> None:
    async def story() -> None:
        press, end = Press(), End()
        async with press, subscribed(press, end) as source:
            (before,) = press.subscriptions.values()
            timeout = ua.StatusCode(ua.StatusCodes.BadTimeout)
            await before.enqueue_statuschange(timeout)
            await press.write_all(1)
            await soon(lambda: before.data.SubscriptionId not in press.subscriptions)
            await within(source.subscribed.wait())
            assert source.attached == "new"
            await press.write_all(1)
            await end.until(lambda: len(set(end.rows)) == len(press.wrote))

    run(story)


def test_subscription_that_is_kept_but_publishes_nothing_is_made_anew() -> None:
    async def story() -> None:
        press, end = Press(), End()
        async with press, subscribed(press, end) as source:
            await press.write_heard(1, end)
            (before,) = press.subscriptions.values()

            async def nothing(_: object = None) -> bool:
                return False

            before.publish_results = nothing
            await soon(lambda: before.data.SubscriptionId not in press.subscriptions)
            await within(source.subscribed.wait())
            assert source.attached == "new"
            await press.write_all(1)
            await end.until(lambda: len(set(end.rows)) == len(press.wrote))
        assert sorted(set(end.rows)) == sorted(press.wrote)

    run(story)
