"""Facts of brokers that are secured, and of what is said when they and we do not fit."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from connectors.field.source import source_signals
from tests.field_lab import TIMEOUT_S, Pauses, run, within
from tests.mqtt_lab import (
    WITHOUT_MOSQUITTO,
    Authority,
    Device,
    Kept,
    Mosquitto,
    kill_all,
    source_of,
    vibrations,
    with_options,
)
from twin.plant import Plant, load_plant

pytestmark = WITHOUT_MOSQUITTO

DYNAMIC_SECURITY = Path("/usr/lib/x86_64-linux-gnu/mosquitto_dynamic_security.so")
OPEN = ("allow_anonymous true",)


@pytest.fixture(autouse=True)
def _leaves_no_process() -> Iterator[None]:
    yield
    kill_all()


@pytest.fixture
def plant() -> Plant:
    return load_plant("simulators/practice/plant.toml")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Authorities and certificates: plant signs what is right, stranger what is not."""
    plant, stranger = Authority(tmp_path, "plant"), Authority(tmp_path, "stranger")
    plant.issue("broker")
    plant.issue("expired", days=(-8, -1))
    plant.issue("elsewhere", host="broker.example")
    plant.issue("us")
    stranger.issue("unknown")
    (tmp_path / "password").write_text("correct horse\n")
    (tmp_path / "wrong").write_text("battery staple\n")
    return tmp_path


def tls(folder: Path, name: str = "broker", *more: str) -> tuple[str, ...]:
    return (
        f"cafile {folder}/plant.pem",
        f"certfile {folder}/{name}.pem",
        f"keyfile {folder}/{name}.key",
        *(more or OPEN),
    )


MUTUAL = ("require_certificate true", "use_identity_as_username true", "allow_anonymous false")
OURS = {"ca_file": "plant.pem", "certificate_file": "us.pem", "key_file": "us.key"}
UNKNOWN = {"ca_file": "plant.pem", "certificate_file": "unknown.pem", "key_file": "unknown.key"}


@pytest.mark.parametrize("version", ["3.1.1", "5"])
def test_values_arrive_over_tls_from_a_broker_that_wants_our_certificate(
    plant: Plant, folder: Path, version: str
) -> None:
    async def story() -> None:
        broker = Mosquitto(folder, *tls(folder, "broker", *MUTUAL), "max_queued_messages 0")
        await broker.start()
        line = with_options(plant, "sensors", version=version, **OURS)
        url, kept = broker.url.replace("mqtt:", "mqtts:"), Kept()
        source = source_of(line, "sensors", url, folder=folder)
        listening = asyncio.create_task(source.run(kept))
        await within(source.subscribed.wait())
        device = Device(broker.url)
        device.client.tls_set(*(str(folder / f) for f in ("plant.pem", "us.pem", "us.key")))
        async with device:
            await device.publish(vibrations(plant, 3_000))
        await kept.until(lambda: len(kept.values) >= 3_000)
        assert kept.values == [i / 100 for i in range(3_000)]
        source.stop()
        await asyncio.wait_for(listening, TIMEOUT_S)
        await broker.stop()

    run(story)


async def said_of(
    plant: Plant, folder: Path, broker: Mosquitto, scheme: str, **options: Any
) -> str:
    pauses = Pauses()
    line = with_options(plant, "sensors", **options)
    url = broker.url.replace("mqtt:", f"{scheme}:")
    source = source_of(line, "sensors", url, pauses, folder=folder)
    listening = asyncio.create_task(source.run(Kept()))
    await pauses.next()
    said = source.health().error or ""
    source.stop()
    await asyncio.wait_for(listening, TIMEOUT_S)
    assert "\n" not in said
    return said.removeprefix(f'source "sensors" at {url}: ')


TABLE = "[sources.sensors.mqtt] of the plant file"
NOT_IN = (
    "give the broker this user, or correct user and password_file in "
    f"{TABLE}, or LINETWIN_MQTT_USER"
)


@pytest.mark.parametrize(
    ("certificate", "more", "scheme", "options", "said"),
    [
        (
            "broker",
            OPEN,
            "mqtts",
            {},
            "its certificate is not trusted (self-signed certificate in certificate chain); "
            f"name the certificate of who signed it as ca_file in {TABLE}",
        ),
        (
            "expired",
            OPEN,
            "mqtts",
            {"ca_file": "plant.pem"},
            "its certificate has expired; renew the certificate of the broker",
        ),
        (
            "elsewhere",
            OPEN,
            "mqtts",
            {"ca_file": "plant.pem"},
            "its certificate is for another name (IP address mismatch, certificate is not valid "
            "for '127.0.0.1'); use in url of [sources.sensors] a name that the certificate has",
        ),
        (
            "broker",
            MUTUAL,
            "mqtts",
            {"ca_file": "plant.pem"},
            "it wants a certificate of ours (tlsv13 alert certificate required); "
            f"name certificate_file and key_file in {TABLE}",
        ),
        (
            "broker",
            MUTUAL,
            "mqtts",
            UNKNOWN,
            "it refuses our certificate (tlsv1 alert unknown ca); let the broker trust who signed "
            f"it, or correct certificate_file and key_file in {TABLE}",
        ),
        (
            "broker",
            OPEN,
            "mqtt",
            {},
            "it hung up without a word; use mqtts:// in url if that is its TLS port; else look at "
            "the broker's log",
        ),
        (
            None,
            OPEN,
            "mqtts",
            {"ca_file": "plant.pem"},
            "that port does not speak TLS (it hung up); use the broker's TLS port in url, or "
            "mqtt:// where it has none",
        ),
        (
            None,
            ("password_file {}/users", "allow_anonymous false"),
            "mqtt",
            {"user": "linetwin", "password_file": "wrong", "version": "5"},
            f"it refuses us: Not authorized; {NOT_IN}",
        ),
        (
            None,
            ("password_file {}/users", "allow_anonymous false"),
            "mqtt",
            {"user": "linetwin", "password_file": "wrong"},
            f"it refuses us: Not authorized; {NOT_IN}",
        ),
    ],
)
def test_what_does_not_fit_is_one_clear_line_with_its_remedy(
    plant: Plant,
    folder: Path,
    certificate: str | None,
    more: tuple[str, ...],
    scheme: str,
    options: dict[str, str],
    said: str,
) -> None:
    async def story() -> None:
        (folder / "users").write_text("linetwin:correct horse\n")
        more_ = tuple(line.format(folder) for line in more)
        settings = more_ if certificate is None else tls(folder, certificate, *more_)
        broker = Mosquitto(folder, *settings)
        await broker.start()
        assert await said_of(plant, folder, broker, scheme, **options) == said
        await broker.stop()

    run(story)


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"user": "us", "password_file": "none"}, "password_file {}/none: No such file"),
        (OURS | {"ca_file": "password"}, "use PEM files"),
        (OURS | {"key_file": "broker.key"}, "key values mismatch; use PEM files"),
    ],
)
def test_a_file_that_cannot_be_used_is_named(
    plant: Plant, folder: Path, options: dict[str, str], said: str
) -> None:
    async def story() -> None:
        broker = Mosquitto(folder)
        assert said.format(folder) in await said_of(plant, folder, broker, "mqtts", **options)

    run(story)


@pytest.mark.skipif(
    not DYNAMIC_SECURITY.exists(), reason="needs Mosquitto's dynamic-security plugin"
)
@pytest.mark.parametrize(
    ("version", "word"), [("3.1.1", "Unspecified error"), ("5", "Not authorized")]
)
def test_a_refused_topic_is_named_while_the_others_are_heard_and_is_asked_for_again(
    plant: Plant, folder: Path, version: str, word: str
) -> None:
    refused = "denied/topic"
    rules = {
        "defaultACLAccess": {
            "publishClientSend": True,
            "publishClientReceive": True,
            "subscribe": False,
        },
        "anonymousGroup": "all",
        "groups": [{"groupname": "all", "roles": [{"rolename": "all"}]}],
        "roles": [
            {
                "rolename": "all",
                "acls": [
                    {"acltype": "subscribePattern", "topic": topic[1], "allow": True}
                    for topic in (*source_signals(plant, "sensors"), ("", "spBv1.0/+/NCMD/#"))
                ],
            }
        ],
        "clients": [],
    }

    async def story() -> None:
        (folder / "rules.json").write_text(json.dumps(rules))
        broker = Mosquitto(
            folder,
            *OPEN,
            f"plugin {DYNAMIC_SECURITY}",
            f"plugin_opt_config_file {folder}/rules.json",
        )
        await broker.start()
        pauses, kept = Pauses(), Kept()
        line = with_options(plant, "sensors", version=version)
        source = source_of(line, "sensors", broker.url, pauses)
        # One more address, which the rules do not name.
        source._filters = (*source._filters, refused)  # type: ignore[attr-defined]
        listening = asyncio.create_task(source.run(kept))
        await pauses.next()
        await pauses.next()
        async with Device(broker.url) as device:
            await device.publish(vibrations(plant, 3))
        await kept.until(lambda: len(kept.values) >= 3)
        assert not source.subscribed.is_set()
        assert source.health().error == (
            f'source "sensors" at {broker.url}: it refuses the topic "{refused}": {word}; give '
            "the broker's user these topics, or correct address in [sources.sensors] of the plant "
            "file"
        )
        source.stop()
        await asyncio.wait_for(listening, TIMEOUT_S)
        await broker.stop()

    run(story)
