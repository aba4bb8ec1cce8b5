"""Settings: every environment variable is known, and every fault is told at once with its remedy."""

from __future__ import annotations

from pathlib import Path

import pytest

from connectors.settings import PREFIX, Settings, load_settings
from twin.errors import FileFaults


@pytest.fixture(autouse=True)
def clean_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in Settings.model_fields:
        monkeypatch.delenv(PREFIX + name.upper(), raising=False)


def faults(**given: object) -> list[str]:
    with pytest.raises(FileFaults) as caught:
        load_settings(**given)
    return [str(fault) for fault in caught.value.faults]


def test_without_any_variable_everything_stays_on_this_computer() -> None:
    settings = load_settings()
    assert (settings.host, settings.historian_url, settings.ledger_url) == ("127.0.0.1", "", "")
    assert set(settings.allowed_hosts) == {"127.0.0.1", "localhost", "[::1]"}


def test_variables_are_read_and_the_command_line_comes_first(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("LINETWIN_PORT", "9000")
    monkeypatch.setenv("LINETWIN_DATA", "/srv/line")
    settings = load_settings(port=9100, data=None)
    assert (settings.port, settings.data) == (9100, Path("/srv/line"))


def test_lists_and_tables_are_written_as_json(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LINETWIN_SOURCE_URLS", '{"machines": "opc.tcp://plc:4840"}')
    monkeypatch.setenv("LINETWIN_ALLOWED_HOSTS", '["twin.plant.example"]')
    settings = load_settings()
    assert settings.source_urls == {"machines": "opc.tcp://plc:4840"}
    assert settings.allowed_hosts == ("twin.plant.example",)


def test_a_table_that_is_no_json_is_told_with_its_remedy(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LINETWIN_SOURCE_URLS", "machines=opc.tcp://plc:4840")
    (fault,) = faults()
    assert fault.startswith("environment [LINETWIN_SOURCE_URLS]: is not JSON; write ")


def test_an_unknown_variable_and_a_wrong_one_are_both_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LINETWIN_PROT", "9000")
    monkeypatch.setenv("LINETWIN_WORKERS", "0")
    unknown, wrong = faults()
    assert "LINETWIN_PROT" in unknown
    assert "LINETWIN_PORT" in unknown  # among those that would be right
    assert "LINETWIN_WORKERS" in wrong
    assert "greater than or equal to 1" in wrong


def test_other_programs_variables_are_none_of_our_business(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LINETWIST_PORT", "9000")
    assert load_settings().port == 8765


def test_influxdb_without_its_token_file_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LINETWIN_HISTORIAN_URL", "http://influx:8086?org=a&bucket=b")
    (fault,) = faults()
    assert fault.endswith("LINETWIN_HISTORIAN_URL needs LINETWIN_HISTORIAN_TOKEN_FILE")


def test_settings_do_not_change(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="frozen"):
        load_settings(data=tmp_path).port = 1


def test_a_password_in_a_wrong_setting_is_not_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in (
        ("HISTORIAN_COPIES", '"http://user:hidden@h:8086"'),
        ("SOURCE_URLS", '["mqtt://user:hidden@h", "mqtt://h"]'),
        ("PORT", "mqtt://user:hid/d@en@h"),
    ):
        with monkeypatch.context() as patch:
            patch.setenv(f"LINETWIN_{name}", value)
            with pytest.raises(FileFaults, match=f"LINETWIN_{name}.: found") as refused:
                load_settings()
        assert "hid" not in str(refused.value)
