"""What docker-compose.yml puts together, put together here: a broker with a password, a plant elsewhere."""

from __future__ import annotations

import json
import os
import shutil
import socket
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.system.product import PRACTICE, Product, practice_plant, until

MOSQUITTO = shutil.which("mosquitto", path=f"{os.environ.get('PATH', '')}:/usr/sbin")
HOST = "127.0.0.2"
"""Loopback too, and another address than the one that is the default."""

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(MOSQUITTO is None, reason="needs the Debian package mosquitto"),
]


@pytest.fixture
def password_file(tmp_path: Path) -> Path:
    file = tmp_path / "mqtt_password"
    file.write_text("p@ss/word:1\n")
    return file


@pytest.fixture
def broker(tmp_path: Path, password_file: Path) -> Iterator[str]:
    """A real broker that lets in nobody but linetwin."""
    assert MOSQUITTO is not None
    known = tmp_path / "mosquitto_passwords"
    subprocess.run(
        ["mosquitto_passwd", "-b", "-c", known, "linetwin", password_file.read_text().strip()],
        check=True,
        capture_output=True,
    )
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    (tmp_path / "mosquitto.conf").write_text(
        f"listener {port} 127.0.0.1\nallow_anonymous false\npassword_file {known}\n"
        f"user {os.environ.get('USER', 'root')}\nmax_queued_messages 0\n"
    )
    with subprocess.Popen(
        [MOSQUITTO, "-c", tmp_path / "mosquitto.conf"], stderr=subprocess.DEVNULL
    ) as process:
        try:

            def answers() -> bool:
                assert process.poll() is None
                with socket.socket() as tried:
                    return tried.connect_ex(("127.0.0.1", port)) == 0

            until(answers, "broker", 10)
            yield f"mqtt://127.0.0.1:{port}"
        finally:
            process.terminate()


def test_plant_and_product_meet_at_a_broker_with_a_password(
    tmp_path: Path, broker: str, password_file: Path
) -> None:
    login = ("--mqtt-user", "linetwin", "--mqtt-password-file", str(password_file))
    where = ("--host", HOST, "--mqtt-url", broker, "--days", "1", "--speed", "60")
    with practice_plant(tmp_path, tmp_path, *where, *login, embedded=False) as plant:
        assert plant["opcua_url"].startswith(f"opc.tcp://{HOST}:")
        assert plant["mqtt_url"] == broker
        urls = {"machines": plant["opcua_url"], "sensors": broker, "meters": broker}
        settings = {
            "LINETWIN_SOURCE_URLS": json.dumps(urls),
            "LINETWIN_MQTT_USER": "linetwin",
            "LINETWIN_MQTT_PASSWORD_FILE": str(password_file),
            "LINETWIN_CLOCK": "telemetry",
        }
        serve = ("serve", "--plant", PRACTICE, "--data", tmp_path / "data", "--port", "0")
        with Product(tmp_path, *serve, "--json", env=settings) as product:
            product.listening()

            def stored() -> bool:
                status, line = product.ask("/api/v1/line")
                return status == 200 and all(s["stored"] > 0 for s in line["sources"])

            until(stored, "samples of every source", 60)
            product.stop()


def test_a_wrong_password_is_said(tmp_path: Path, broker: str) -> None:
    wrong = tmp_path / "wrong"
    wrong.write_text("guess")
    urls = dict.fromkeys(("sensors", "meters"), broker) | {"machines": "opc.tcp://127.0.0.1:9"}
    settings = {
        "LINETWIN_SOURCE_URLS": json.dumps(urls),
        "LINETWIN_MQTT_USER": "linetwin",
        "LINETWIN_MQTT_PASSWORD_FILE": str(wrong),
    }
    serve = ("serve", "--plant", PRACTICE, "--data", tmp_path / "data", "--port", "0", "--json")
    with Product(tmp_path, *serve, "--wait", env=settings) as product:
        product.listening()
        until(lambda: "it refuses us" in product.errors, "refusal", 20)
        assert "guess" not in product.errors
        product.stop()
