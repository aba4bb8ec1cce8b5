"""A process that ends, and the next one: what the server kept comes again, and nothing is kept in vain."""

from __future__ import annotations

import asyncio
import json
import logging
from pathlib import Path

import pytest

from tests.field_lab import run, within
from tests.opcua_lab import End, Press, Proxy, kill, listening, soon, source_of, subscribed


@pytest.fixture(autouse=True)
def _quiet(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.CRITICAL, "asyncua")


def test_killed_process_is_followed_by_one_that_gets_what_was_not_durable(tmp_path: Path) -> None:
    async def story() -> None:
        press, end = Press(), End()
        async with press, Proxy(press.port) as proxy:
            url = proxy.url(press.url)
            source = source_of(url, press.signals, tmp_path)
            async with listening(source, end) as task:
                await within(source.subscribed.wait())
                await press.write_heard(2, end)
                await soon(lambda: press.unacknowledged == 0)
                safe = list(end.rows)
                end.holding = True
                await press.write_heard(2, end)
                await kill(task, proxy)
            await press.write_all(2)
            follower, after = source_of(url, press.signals, tmp_path), End()
            reached = {i: max(t for k, t, _ in safe if k == i) for i in range(3)}
            for i, t in reached.items():
                follower.reached_us[i] = t
            async with listening(follower, after):
                await after.until(lambda: len(set(safe + after.rows)) == len(press.wrote))
                assert follower.attached == "resumed"
        assert sorted(set(safe + after.rows)) == sorted(press.wrote)
        assert after.gaps == []

    run(story)


def test_transfer_that_the_server_half_does_ends_with_everything(tmp_path: Path) -> None:
    # asyncua's server accepts a transfer and then goes on publishing into the old connection.
    async def story() -> None:
        press, end, after = Press(), End(), End()
        async with press, Proxy(press.port) as proxy:
            url = proxy.url(press.url)
            source = source_of(url, press.signals, tmp_path)
            async with listening(source, end) as task:
                await within(source.subscribed.wait())
                end.holding = True
                await press.write_heard(2, end)
                await kill(task, proxy)
            file = tmp_path / "sources" / "press.json"
            kept = json.loads(file.read_text())
            file.write_text(json.dumps(kept | {"token": "0000"}))
            follower = source_of(url, press.signals, tmp_path)
            async with listening(follower, after):
                await after.until(lambda: len(set(after.rows)) == len(press.wrote))
                await press.write_all(1)
                await after.until(lambda: len(set(after.rows)) == len(press.wrote))
        assert after.gaps == []

    run(story)


def test_server_that_keeps_two_messages_is_never_sent_for_more(tmp_path: Path) -> None:
    async def story() -> None:
        press, end = Press(nodes=1), End()
        async with press:
            press.server.iserver.max_unacked_messages_per_subscription = 2
            async with subscribed(press, end, publishing_interval_ms=10):
                end.holding = True
                await press.write_all(1)
                for _ in range(20):  # the first time it is found out
                    await press.write_all(1)
                    await asyncio.sleep(0.02)
                end.release()
                await end.until(lambda: len(end.rows) == len(press.wrote))
                await soon(lambda: press.unacknowledged == 0)
                end.holding = True
                for _ in range(20):
                    await press.write_all(1)
                    await asyncio.sleep(0.02)
                assert len(end.held) == press.unacknowledged == 2
                end.release()
                await end.until(lambda: len(end.rows) == len(press.wrote))
        assert sorted(end.rows) == sorted(press.wrote)

    run(story)


def test_clean_stop_leaves_the_subscription_for_the_next_start_and_nothing_comes_twice(
    tmp_path: Path,
) -> None:
    async def story() -> None:
        press, end = Press(), End()
        async with press:
            async with subscribed(press, end, tmp_path):
                await press.write_heard(2, end)
            await soon(lambda: press.unacknowledged == 0)
            await press.write_all(5)
            follower = source_of(press.url, press.signals[1:] + press.signals[:1], tmp_path)
            after = End()
            for i in range(3):
                follower.reached_us[(i - 1) % 3] = max(t for k, t, _ in end.rows if k == i)
            async with listening(follower, after):
                await after.until(lambda: len(after.rows) >= 15)
                assert follower.attached == "resumed"
        rows = end.rows + [((i + 1) % 3, t, v) for i, t, v in after.rows]
        assert sorted(rows) == sorted(press.wrote)
        assert (end.gaps, after.gaps) == ([], [])

    run(story)


def test_without_a_data_folder_a_stop_leaves_nothing_at_the_server() -> None:
    async def story() -> None:
        press, end = Press(), End()
        async with press:
            async with subscribed(press, end):
                assert len(press.subscriptions) == 1
            await soon(lambda: not press.subscriptions)

    run(story)
