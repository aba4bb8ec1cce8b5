"""Facts of the OPC UA source on a server of another maker: node-opcua, scored by what it wrote."""

from __future__ import annotations

import asyncio
import json
import logging
from dataclasses import replace
from pathlib import Path

import pytest

from connectors.field.opcua.pki import Pki
from connectors.field.opcua.session import Patience
from tests.field_lab import run, within
from tests.opcua_lab import End, NodePeer, Proxy, kill, listening, named, soon, source_of

PATIENT = Patience(request_s=5.0, keep_alive_s=0.5, missed=3, look_again_s=0.1)
pytestmark = pytest.mark.slow


@pytest.fixture(autouse=True)
def _quiet(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.CRITICAL, "asyncua")


async def everything(peer: NodePeer, *ends: End) -> None:
    """The writer has stopped; wait until all that it wrote has come."""
    await peer.say("pause")
    wrote = peer.wrote()
    await ends[-1].until(lambda: wrote <= {row for end in ends for row in named(end.rows)})


async def progress(peer: NodePeer, values: int) -> None:
    """Let the writer write so many more."""
    before = (await peer.say("count"))["written"]
    while (await peer.say("count"))["written"] < before + values:
        await asyncio.sleep(0.05)


def test_cuts_and_black_holes_lose_nothing(tmp_path: Path) -> None:
    async def story() -> None:
        end = End()
        async with (
            NodePeer(tmp_path, "--nodes", "20", "--rate", "20", "--paused") as peer,
            Proxy(peer.port) as proxy,
        ):
            source = source_of(proxy.url(peer.url), peer.signals(20), patience=PATIENT)
            async with listening(source, end):
                await within(source.subscribed.wait())
                await peer.say("resume")
                for round_ in range(4):
                    await progress(peer, 400)
                    proxy.open = False
                    if round_ % 2:
                        proxy.hole = True
                        await soon(lambda: not source.health().connected)
                        await progress(peer, 400)
                        proxy.hole = False
                    else:
                        proxy.cut()
                        await progress(peer, 400)
                    proxy.open = True
                    await within(source.subscribed.wait())
                    assert source.attached == "resumed"
                await everything(peer, end)
            assert named(end.rows) >= peer.wrote()
            assert end.gaps == []

    run(story)


def test_killed_process_is_followed_by_one_that_takes_the_session_up(tmp_path: Path) -> None:
    async def story() -> None:
        ends = [End() for _ in range(4)]
        data = tmp_path / "data"
        async with (
            NodePeer(tmp_path, "--nodes", "20", "--rate", "20", "--paused") as peer,
            Proxy(peer.port) as proxy,
        ):
            for round_, end in enumerate(ends):
                source = source_of(proxy.url(peer.url), peer.signals(20), data, PATIENT)
                for before in ends[:round_]:
                    for i, t, _ in before.rows:
                        source.reached_us[i] = max(source.reached_us[i], t)
                async with listening(source, end) as task:
                    await within(source.subscribed.wait())
                    assert source.attached == ("resumed" if round_ else "new")
                    await peer.say("resume")
                    await progress(peer, 400)
                    if round_ == len(ends) - 1:
                        await everything(peer, *ends)
                        break
                    safe = len(end.rows)
                    end.holding = True
                    await progress(peer, 400)
                    await end.until(lambda end=end: bool(end.held))
                    await kill(task, proxy)
                    del end.rows[safe:]
            assert {row for end in ends for row in named(end.rows)} >= peer.wrote()
            assert [end.gaps for end in ends] == [[]] * 4

    run(story)


def test_encrypted_session_is_taken_up_again_by_the_next_process(tmp_path: Path) -> None:
    async def story() -> None:
        ends = [End(), End()]
        data = tmp_path / "data"
        pki = Pki(data / "pki")
        secure = ("--secure", "--pki", str(tmp_path / "server"))
        async with (
            NodePeer(tmp_path, "--nodes", "5", "--rate", "20", "--paused", *secure) as peer,
            Proxy(peer.port) as proxy,
        ):
            for round_, end in enumerate(ends):
                source = source_of(
                    *(proxy.url(peer.url), peer.signals(5), data, PATIENT),
                    security="Aes256_Sha256_RsaPss",
                )
                async with listening(source, end) as task:
                    if not round_:
                        await soon(lambda: bool(pki.list()))
                        pki.trust(pki.list()[0].thumbprint, any_host=True)
                    await within(source.subscribed.wait())
                    await peer.say("resume")
                    await progress(peer, 100)
                    proxy.cut()
                    await soon(lambda source=source: not source.health().connected)
                    await within(source.subscribed.wait())
                    assert source.attached == "resumed"
                    await progress(peer, 100)
                    if not round_:
                        await kill(task, proxy)
                    else:
                        await everything(peer, *ends)
            assert {row for end in ends for row in named(end.rows)} >= peer.wrote()
            assert [end.gaps for end in ends] == [[], []]

    run(story)


def test_deadband_that_the_server_refuses_is_done_without(tmp_path: Path) -> None:
    async def story() -> None:
        end = End()
        async with NodePeer(tmp_path, "--nodes", "2", "--rate", "20", "--paused") as peer:
            # These nodes have no EURange, so a percent of it means nothing.
            signals = [replace(signal, deadband_percent=5.0) for signal in peer.signals(2)]
            source = source_of(peer.url, signals, patience=PATIENT)
            async with listening(source, end):
                await within(source.subscribed.wait())
                await peer.say("resume")
                await progress(peer, 40)
                await everything(peer, end)
            assert named(end.rows) >= peer.wrote()

    run(story)


def test_subscription_of_a_session_that_is_gone_is_transferred(tmp_path: Path) -> None:
    async def story() -> None:
        end, after = End(), End()
        data = tmp_path / "data"
        async with (
            NodePeer(tmp_path, "--nodes", "5", "--rate", "20", "--paused") as peer,
            Proxy(peer.port) as proxy,
        ):
            source = source_of(proxy.url(peer.url), peer.signals(5), data, PATIENT)
            async with listening(source, end) as task:
                await within(source.subscribed.wait())
                await peer.say("resume")
                await progress(peer, 100)
                await kill(task, proxy)
            file = data / "sources" / "press.json"
            kept = json.loads(file.read_text())
            kept["token"] = kept["token"][:-8] + "00000000"
            file.write_text(json.dumps(kept))
            await progress(peer, 100)
            source = source_of(proxy.url(peer.url), peer.signals(5), data, PATIENT)
            async with listening(source, after):
                await within(source.subscribed.wait())
                assert source.attached == "transferred"
                await progress(peer, 100)
                await everything(peer, end, after)
            assert named(end.rows + after.rows) >= peer.wrote()
            assert after.gaps == []

    run(story)


def test_history_brings_what_an_expired_subscription_missed(tmp_path: Path) -> None:
    async def story() -> None:
        end = End()
        patience = Patience(request_s=5.0, keep_alive_s=0.2, away_s=1.0, look_again_s=0.1)
        async with (
            NodePeer(tmp_path, "--nodes", "20", "--rate", "20", "--history", "--paused") as peer,
            Proxy(peer.port) as proxy,
        ):
            source = source_of(
                proxy.url(peer.url), peer.signals(20), patience=patience, publishing_interval_ms=50
            )
            async with listening(source, end):
                await within(source.subscribed.wait())
                await peer.say("resume")
                await progress(peer, 400)
                proxy.open = False
                proxy.cut()
                # Session and subscription end after little more than a second without us; sessions
                # of this server last 10 s at least.
                await progress(peer, 20 * 20 * 14)
                proxy.open = True
                await within(source.subscribed.wait())
                assert source.attached == "new"
                await progress(peer, 400)
                await everything(peer, end)
            assert named(end.rows) >= peer.wrote()
            assert end.gaps == []

    run(story)


def test_full_queue_at_the_server_is_a_gap_where_it_was_and_nowhere_else(tmp_path: Path) -> None:
    async def story() -> None:
        end = End()
        async with NodePeer(tmp_path, "--nodes", "2", "--rate", "100", "--paused") as peer:
            source = source_of(peer.url, peer.signals(2), patience=PATIENT, keep_s=0.1)
            async with listening(source, end):
                await within(source.subscribed.wait())
                await peer.say("resume")
                await progress(peer, 200)
                end.door.clear()
                await progress(peer, 400)
                end.door.set()
                await progress(peer, 200)
                await peer.say("pause")
                await asyncio.sleep(0.5)
            wrote, got = peer.wrote(), named(end.rows)
            lost = wrote - got
            assert len(lost) > 100
            assert end.gaps
            inside = {
                row
                for row in lost
                if any(f"v{i}" == row[0] and s <= row[1] < e for i, s, e in end.gaps)
            }
            assert lost == inside
            known = {
                row
                for row in got & wrote
                if any(f"v{i}" == row[0] and s <= row[1] < e for i, s, e in end.gaps)
            }
            assert known == set()

    run(story)


def test_queue_that_the_server_cuts_is_said_once(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.WARNING, "connectors")

    async def story() -> None:
        end = End()
        async with NodePeer(tmp_path, "--nodes", "3", "--paused") as peer:
            source = source_of(
                peer.url, peer.signals(3), patience=PATIENT, keep_s=3600, sampling_interval_ms=50
            )
            async with listening(source, end):
                await within(source.subscribed.wait())

    run(story)
    (line,) = [r.getMessage() for r in caplog.records if "keep_s is not met" in r.getMessage()]
    assert "keeps 5000 values of nsu=urn:linetwin:torture;s=v0 where 72000 were asked for" in line
    assert "that is 250 s and not 3600 s (and 2 more nodes)" in line
