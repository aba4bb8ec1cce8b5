"""docker-compose.yml keeps its rules, and names only what the product has."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from connectors.settings import load_settings

ROOT = Path(__file__).parents[2]
COMPOSE: dict[str, Any] = yaml.safe_load((ROOT / "docker-compose.yml").read_text())
SERVICES: dict[str, dict[str, Any]] = COMPOSE["services"]


def test_the_five_services_and_their_profiles() -> None:
    profiles = {name: service.get("profiles", []) for name, service in SERVICES.items()}
    assert profiles == {
        "app": [],
        "influxdb": [],
        "mosquitto": [],
        "plant": ["practice"],
        "grafana": ["grafana"],
    }
    assert SERVICES["influxdb"]["image"] == "influxdb:2.7"


@pytest.mark.parametrize("name", SERVICES)
def test_every_service_is_checked_for_health_and_not_root(name: str) -> None:
    service = SERVICES[name]
    assert service["healthcheck"]["test"][0] == "CMD"
    user, group = service["user"].split(":")
    assert int(user) > 0
    assert int(group) > 0
    assert "no-new-privileges:true" in service["security_opt"]
    assert service["cap_drop"] == ["ALL"]
    assert not service.get("privileged", False)


@pytest.mark.parametrize("name", SERVICES)
def test_every_published_port_is_bound_to_loopback(name: str) -> None:
    assert SERVICES[name]["ports"]
    for port in SERVICES[name]["ports"]:
        assert re.fullmatch(r"127\.0\.0\.1:\d+:\d+", port)


def test_secrets_come_from_files_that_git_ignores() -> None:
    assert all(
        set(secret) == {"file"} and secret["file"].startswith("./secrets/")
        for secret in COMPOSE["secrets"].values()
    )
    assert "secrets/" in (ROOT / ".gitignore").read_text().splitlines()
    for service in SERVICES.values():
        assert set(service.get("secrets", [])) <= set(COMPOSE["secrets"])
        for variable, value in service.get("environment", {}).items():
            if re.search("PASSWORD|TOKEN|SECRET", variable):
                assert value.startswith("/run/secrets/"), variable
                assert value.removeprefix("/run/secrets/") in service["secrets"]


def test_every_config_that_a_service_mounts_is_there_and_readable() -> None:
    for service in SERVICES.values():
        for config in service.get("configs", []):
            content = COMPOSE["configs"][config["source"]]["content"].replace("$$", "$")
            if config["target"].endswith(".json"):
                assert json.loads(content)["panels"]
            elif config["target"].endswith(".yaml"):
                assert yaml.safe_load(content)["apiVersion"] == 1
    assert (
        "password_file /run/secrets/mosquitto_passwords"
        in COMPOSE["configs"]["mosquitto"]["content"]
    )
    assert "mosquitto_passwords" in SERVICES["mosquitto"]["secrets"]


def test_every_setting_of_the_app_exists_and_is_valid(monkeypatch: pytest.MonkeyPatch) -> None:
    environment = SERVICES["app"]["environment"]
    for variable, value in environment.items():
        monkeypatch.setenv(variable, value)
    settings = load_settings(environment)
    assert settings.port == 8765
    assert set(settings.source_urls) == {"machines", "sensors", "meters"}


def test_the_commands_exist() -> None:
    from connectors.cli import main
    from simulators.cli import parser

    program, command, *_ = SERVICES["app"]["command"]
    assert program == "linetwin"
    assert command in main.commands
    assert SERVICES["plant"]["command"][:3] == ["python", "-m", "simulators"]
    arguments = parser().parse_args(SERVICES["plant"]["command"][3:])
    assert arguments.speed == 1


def test_the_image_copies_what_the_wheel_needs() -> None:
    recipe = SERVICES["app"]["build"]["dockerfile_inline"]
    for source in re.findall(r"^COPY (.+) \S+$", recipe, re.MULTILINE):
        for path in source.split():
            assert (ROOT / path).exists(), path
    assert recipe.rstrip().endswith("USER linetwin")
