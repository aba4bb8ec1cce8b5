"""``linetwin browse``: what an OPC UA server has, and how that would stand in a plant file."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from connectors.cli.output import as_json, json_option, table

if TYPE_CHECKING:
    from connectors.field.opcua.browse import Variable

__all__ = ["browse"]


@click.command(short_help="List or propose signals of an OPC UA server.")
@click.argument("url")
@click.option("--under", help="Address of the node to begin at; default: the Objects folder.")
@click.option("--depth", type=click.IntRange(1, 100), default=10, show_default=True)
@click.option("--endpoints", is_flag=True, help="List how the server can be connected, no more.")
@click.option("--toml", "in_toml", is_flag=True, help="Propose lines for a plant file.")
@click.option(
    "--source", default="machines", show_default=True, help="Name of the source in these lines."
)
@click.option(
    "--security",
    type=click.Choice(["none", "Basic256Sha256", "Aes128_Sha256_RsaOaep", "Aes256_Sha256_RsaPss"]),
    default="Basic256Sha256",
    show_default=True,
)
@click.option(
    "--mode",
    type=click.Choice(["sign", "sign-and-encrypt"]),
    default="sign-and-encrypt",
    show_default=True,
)
@click.option("--user", help="User name; default: anonymous.")
@click.option("--password-file", help="File that holds the user's password.")
@click.option("--user-certificate", help="Certificate (DER or PEM) of the user.")
@click.option("--user-key", help="Private key (PEM) of that certificate.")
@click.option(
    "--data",
    type=click.Path(path_type=Path, file_okay=False),
    default="linetwin-data",
    envvar="LINETWIN_DATA",
    show_default=True,
    help="Data directory; certificates are in its folder pki.",
)
@json_option
def browse(
    url: str,
    under: str | None,
    depth: int,
    endpoints: bool,
    in_toml: bool,
    source: str,
    security: str,
    mode: str,
    user: str | None,
    password_file: str | None,
    user_certificate: str | None,
    user_key: str | None,
    data: Path,
    in_json: bool,
) -> None:
    """List the variables of the OPC UA server at URL, or propose signals for a plant file."""
    if (user is None) != (password_file is None) or (user_certificate is None) != (
        user_key is None
    ):
        raise click.UsageError(
            "--user goes with --password-file, and --user-certificate with --user-key"
        )
    import logging

    from connectors.field.opcua.looking import endpoints_of, variables_of
    from twin.errors import SourceError
    from twin.plant import OpcuaOptions

    logging.getLogger("asyncua").setLevel(logging.CRITICAL)  # what matters is in our one line
    if endpoints:
        _show_endpoints(endpoints_of(url), in_json)
        return
    options = {
        "security": security,
        "mode": mode,
        "user": user,
        "password_file": password_file,
        "user_certificate_file": user_certificate,
        "user_key_file": user_key,
    }
    try:
        found = variables_of(
            url,
            OpcuaOptions.model_validate(options),
            data / "pki",
            source=source,
            under=under,
            depth=depth,
        )
    except SourceError as e:
        if f"[sources.{source}.opcua]" not in str(e):
            raise
        raise SourceError(
            f"{e}   (here: --security, --mode, --user and --password-file, "
            "or --user-certificate and --user-key)"
        ) from e
    if in_toml:
        _show_toml(found, source, url, in_json)
    elif in_json:
        as_json({"variables": [_row(v) for v in found]})
    else:
        _show(found)


def _show_toml(found: list[Variable], source: str, url: str, in_json: bool) -> None:
    from connectors.field.opcua.proposal import proposal
    from connectors.field.source import public_url

    toml = proposal(found, source, public_url(url))
    if in_json:
        as_json({"toml": toml})
    else:
        click.echo(toml, nl=False)


def _row(variable: Variable) -> dict[str, Any]:
    return {
        "address": variable.address,
        "path": list(variable.path),
        "type": variable.type,
        "array": variable.array,
        "length": variable.length,
        "fields": [{"way": f.way, "type": f.type, "array": f.array} for f in variable.fields],
        "unit": variable.unit,
        "unit_said": variable.unit_said,
        "low": variable.low,
        "high": variable.high,
        "readable": variable.readable,
        "history": variable.history,
    }


def _show(found: list[Variable]) -> None:
    if not found:
        click.echo("no variables")
        return
    rows = [
        {
            "address": v.address,
            "path": "/".join(v.path),
            "type": v.type + ("[]" if v.array else ""),
            "unit": v.unit or (f"({v.unit_said})" if v.unit_said else None),
            "range": None if v.low is None else f"{v.low:g} .. {v.high:g}",
            "access": " ".join(
                word for word, on in (("read", v.readable), ("history", v.history)) if on
            )
            or "none",
        }
        for v in found
    ]
    table(rows, [(key, key, str) for key in rows[0]])


def _show_endpoints(found: list[dict[str, Any]], in_json: bool) -> None:
    if in_json:
        as_json({"endpoints": found})
        return
    rows = [{**row, "users": ", ".join(row["users"])} for row in found]
    columns = ("security", "mode", "users", "application_uri", "thumbprint", "url")
    table(rows, [(key, key.replace("_", " "), str) for key in columns])
