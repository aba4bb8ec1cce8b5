"""``linetwin pki``: which OPC UA servers are trusted."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from connectors.cli.output import as_json, json_option, table

if TYPE_CHECKING:
    from connectors.field.opcua.pki import Known, Pki

__all__ = ["pki"]

_data_option = click.option(
    "--data",
    type=click.Path(path_type=Path, file_okay=False),
    default="linetwin-data",
    envvar="LINETWIN_DATA",
    show_default=True,
    help="Data directory; certificates are in its folder pki.",
)


@click.group(short_help="Which OPC UA servers are trusted.")
def pki() -> None:
    """Certificates of OPC UA servers: list them, trust one, trust it no more."""


@pki.command("list", short_help="Our certificate and those of servers.")
@_data_option
@json_option
def list_(data: Path, in_json: bool) -> None:
    """List our own certificate and those of servers; a server we met first is rejected."""
    folder = _pki(data)
    own = folder.own()
    rows = [_row(known) for known in folder.list()]
    if in_json:
        ours = {"certificate": str(own.certificate_file), "application_uri": own.application_uri}
        as_json({"own": ours, "certificates": rows})
        return
    click.echo(f"own: {own.certificate_file} ({own.application_uri})")
    _show(rows)


@pki.command(short_help="Trust a certificate from now on.")
@click.argument("certificate")
@click.option("--any-host", is_flag=True, help="Whatever host name its server has in the URL.")
@_data_option
@json_option
def trust(certificate: str, any_host: bool, data: Path, in_json: bool) -> None:
    """Trust CERTIFICATE, the beginning of a thumbprint or a file, from now on."""
    _print(_pki(data).trust(certificate, any_host=any_host), in_json)


@pki.command(short_help="Trust a certificate no more.")
@click.argument("certificate")
@_data_option
@json_option
def reject(certificate: str, data: Path, in_json: bool) -> None:
    """Trust CERTIFICATE, the beginning of a thumbprint or a file, no more."""
    _print(_pki(data).reject(certificate), in_json)


def _pki(data: Path) -> Pki:
    from connectors.field.opcua.pki import Pki

    return Pki(data / "pki")


def _print(known: Known, in_json: bool) -> None:
    if in_json:
        as_json(_row(known))
    else:
        _show([_row(known)])


def _row(known: Known) -> dict[str, Any]:
    return {
        "thumbprint": known.thumbprint,
        "trusted": known.trusted,
        "subject": known.subject,
        "application_uri": known.application_uri,
        "hosts": list(known.hosts),
        "valid_from": known.valid_from,
        "valid_to": known.valid_to,
        "any_host": known.any_host,
        "authority": known.authority,
        "file": str(known.file),
    }


def _show(rows: list[dict[str, Any]]) -> None:
    if not rows:
        click.echo("no certificates of servers")
        return
    table(
        [{**row, "hosts": "any" if row["any_host"] else ", ".join(row["hosts"])} for row in rows],
        (
            ("trusted", "", lambda t: "trusted" if t else "rejected"),
            ("thumbprint", "thumbprint", str),
            ("subject", "subject", str),
            ("valid_to", "valid to", lambda at: f"{at:%Y-%m-%d}"),
            ("application_uri", "application", str),
            ("hosts", "hosts", str),
        ),
    )
