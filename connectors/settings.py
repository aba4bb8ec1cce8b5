"""Application settings: environment variables ``LINETWIN_*``, secrets by file; an unknown one is an error."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Literal, Self

from pydantic import Field, ValidationError, model_validator
from pydantic_settings import BaseSettings, SettingsConfigDict, SettingsError

from twin.errors import Fault, FileFaults

__all__ = ["PREFIX", "Settings", "load_settings"]

PREFIX = "LINETWIN_"


class Settings(BaseSettings):
    """Where linetwin finds its plant, keeps its data, and listens."""

    model_config = SettingsConfigDict(env_prefix=PREFIX, frozen=True, extra="forbid")

    plant: Path = Field(default=Path("plant.toml"), description="Plant file.")
    data: Path = Field(
        default=Path("linetwin-data"),
        description="Directory for telemetry, ledger and recordings; one process owns it.",
    )
    historian_url: str = Field(
        default="",
        description="Telemetry store: empty for DuckDB inside the data directory, "
        "or http(s)://host:8086?org=ORG&bucket=BUCKET for InfluxDB 2.",
    )
    historian_token_file: Path | None = Field(
        default=None, description="File that holds the InfluxDB token."
    )
    historian_copies: tuple[str, ...] = Field(
        default=(),
        description="Further InfluxDB servers that get every sample, as JSON: "
        '["http://host:8086?org=ORG&bucket=BUCKET&token_file=FILE"].',
    )
    keep_days: Annotated[float, Field(gt=0)] | None = Field(
        default=None,
        description="Telemetry that is older is deleted from DuckDB; empty keeps everything. "
        "InfluxDB keeps what its bucket says.",
    )
    spool_gb: Annotated[float, Field(ge=0.01)] = Field(
        default=4.0,
        description="Samples that wait for a store may take so much disk (GiB); then sources are held back.",
    )
    ledger_url: str = Field(
        default="",
        description="Ledger: empty for SQLite inside the data directory, or sqlite:///PATH.",
    )
    source_urls: dict[str, str] = Field(
        default={},
        description='URL by source name, in place of the plant file\'s, as JSON: {"machines": "opc.tcp://..."}.',
    )
    mqtt_user: str | None = Field(default=None, description="User at every MQTT broker.")
    mqtt_password_file: Path | None = Field(
        default=None, description="File that holds the MQTT password."
    )
    clock: Literal["wall", "telemetry"] = Field(
        default="wall",
        description="What time it is: the computer's, or that of the newest sample "
        "(for a practice plant, or a replay at another speed).",
    )
    host: str = Field(default="127.0.0.1", description="Address that the web server listens on.")
    port: Annotated[int, Field(ge=0, le=65535)] = Field(
        default=8765, description="Port of the web server; 0 takes a free one."
    )
    allowed_hosts: tuple[str, ...] = Field(
        default=("127.0.0.1", "localhost", "[::1]"),
        description="Host names that a browser may use for this server, as JSON.",
    )
    metrics_port: Annotated[int, Field(ge=0, le=65535)] | None = Field(
        default=None,
        description="Port on which `linetwin ingest` answers GET /metrics, at the address of LINETWIN_HOST; "
        "empty for none. `linetwin serve` has /metrics on its own port.",
    )
    log: Literal["text", "json"] = Field(
        default="text", description="Form of a line of the log on standard error."
    )
    workers: Annotated[int, Field(ge=1)] = Field(
        default=2, description="Processes that simulate and schedule; one more fits and forecasts."
    )

    @model_validator(mode="after")
    def _token(self) -> Self:
        if self.historian_url and self.historian_token_file is None:
            raise ValueError("LINETWIN_HISTORIAN_URL needs LINETWIN_HISTORIAN_TOKEN_FILE")
        return self


def load_settings(environment: Mapping[str, str] | None = None, **given: object) -> Settings:
    """Settings from the environment, with what was given on the command line on top.

    Args:
        environment: Variables to hold against the known ones; None for the process's own.
        **given: Settings by name; None counts as not given.

    Raises:
        FileFaults: Unknown or wrong ``LINETWIN_*`` variables, all of them.
    """
    variables = os.environ if environment is None else environment
    known = {PREFIX + name.upper() for name in Settings.model_fields}
    faults = [
        Fault("environment", name, "is not a setting", f"use one of {', '.join(sorted(known))}")
        for name in sorted(variables)
        if name.startswith(PREFIX) and name not in known
    ]
    try:
        settings = Settings(**{k: v for k, v in given.items() if v is not None})  # type: ignore[arg-type]
    except SettingsError as e:
        said = re.search(r'field "(\w+)"', str(e))
        name = PREFIX + said[1].upper() if said else ""
        faults.append(Fault("environment", name, "is not JSON", "write tables and lists as JSON"))
        raise FileFaults(faults) from None
    except ValidationError as e:
        for detail in e.errors(include_url=False):
            message = detail["msg"].removeprefix("Value error, ")
            if not detail["loc"]:
                faults.append(Fault("environment", "", "settings do not fit together", message))
                continue
            name = PREFIX + str(detail["loc"][0]).upper()
            faults.append(Fault("environment", name, f"found {_public(detail['input'])}", message))
        raise FileFaults(faults) from None
    if faults:
        raise FileFaults(faults)
    return settings


def _public(found: object) -> str:
    """What was found, without the user and password of a URL."""
    return re.sub(r"//[^'\"\s]*@", "//", repr(found))
