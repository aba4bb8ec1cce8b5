"""Write the reference pages that are made from the code; tests/docs compares them with it."""

from __future__ import annotations

import ast
import inspect
import itertools
import sys
import textwrap
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import click

from connectors.cli import main
from connectors.settings import PREFIX, Settings
from twin import errors
from twin.plant import plant_schema
from twin.plant.base import Frozen
from twin.plant.file import TABLES
from twin.plant.model import Plant

REFERENCE = Path(__file__).parent / "reference"
_MADE = "<!-- Made by `make docs`; change the code, not this page. -->\n\n"


def settings_page() -> str:
    rows = [
        f"| `{PREFIX}{name.upper()}` | {_default(field.default)} | {field.description} |"
        for name, field in Settings.model_fields.items()
    ]
    return (
        "# Settings\n\n"
        + _MADE
        + "Environment variables; an unknown `LINETWIN_*` is an error. Options of a command win over them.\n\n"
        "| variable | default | meaning |\n| --- | --- | --- |\n" + "\n".join(rows) + "\n"
    )


def _default(value: object) -> str:
    return "" if value in (None, "", {}) else f"`{value}`"


def errors_page() -> str:
    classes = [
        getattr(errors, name) for name in errors.__all__ if name not in ("Fault", "LinetwinError")
    ]
    rows = [f"| `{c.code}` | {c.__name__} | {(c.__doc__ or '').strip()} |" for c in classes]
    tree = (errors.__doc__ or "").split("::\n", 1)[1]
    return (
        "# Errors\n\n"
        + _MADE
        + "The API answers with `application/problem+json` whose `code` is one of these or of the"
        " transport codes in [api.md](api.md); a command prints one line to standard error and exits with 1"
        " (2 for a wrong option).\n\n| code | exception | meaning |\n| --- | --- | --- |\n"
        + "\n".join(rows)
        + "\n\n```text"
        + tree.rstrip()
        + "\n```\n"
    )


def cli_page() -> str:
    parts = ["# Commands\n\n" + _MADE]
    for path, command in _commands("linetwin", main):
        with click.Context(command, info_name=path, **main.context_settings) as context:
            parts.append(f"## {path}\n\n```text\n{command.get_help(context).rstrip()}\n```\n\n")
    return "".join(parts).rstrip() + "\n"


def _commands(path: str, command: click.Command) -> Iterator[tuple[str, click.Command]]:
    yield path, command
    if isinstance(command, click.Group):
        for name in sorted(command.commands):
            yield from _commands(f"{path} {name}", command.commands[name])


def plant_page() -> str:
    schema: dict[str, Any] = Plant.model_json_schema()
    parts = [
        "# Plant file\n\n",
        _MADE,
        "One TOML file and the CSV tables beside it. An unknown key is an error; `linetwin check` lists every fault at"
        " once. The machine-readable form is [plant.schema.json](plant.schema.json); the example to copy is"
        " `simulators/practice/plant.toml`. Durations are in seconds, instants carry their UTC offset.\n\n",
        "## Tables\n\n`[tables]` may name another file for a table; without it, `<table>.csv` beside the plant file is"
        " read when it exists. A list in a cell is written `A|B`.\n\n",
    ]
    for name, (row, key) in TABLES.items():
        columns = ", ".join(
            f"`{c}`{'' if f.is_required() else ' (optional)'}" for c, f in row.model_fields.items()
        )
        parts.append(f"- **{name}.csv**" + (f" (key `{key}`)" if key else "") + f": {columns}\n")
    parts.append("\n")
    parts += _section("The file", schema, {*TABLES})
    table_rows = {row.__name__ for row, _ in TABLES.values()}
    for name, definition in sorted(schema["$defs"].items()):
        if name not in table_rows and definition.get("type") == "object":
            parts += _section(name, definition, set())
    return "".join(parts).rstrip() + "\n"


def _section(title: str, definition: dict[str, Any], without: set[str]) -> Iterator[str]:
    yield f"## {title}\n\n"
    if title != "The file":
        yield definition.get("description", "").strip() + "\n\n"
    yield "| key | kind | default | meaning |\n| --- | --- | --- | --- |\n"
    required = set(definition.get("required", ()))
    meanings = _meanings(definition["title"])
    for key, value in definition["properties"].items():
        if key not in without:
            default = "required" if key in required else f"`{value.get('default', '')}`"
            yield f"| `{key}` | {_kind(value)} | {default} | {meanings.get(key, '')} |\n"
    yield "\n"


def _meanings(title: str) -> dict[str, str]:
    """The texts under the fields of a model, by field."""
    model = next(m for m in Frozen.__subclasses__() if m.__name__ == title)
    body = ast.parse(textwrap.dedent(inspect.getsource(model))).body[0].body  # type: ignore[attr-defined]
    return {
        field.target.id: " ".join(text.value.value.split())
        for field, text in itertools.pairwise(body)
        if isinstance(field, ast.AnnAssign) and isinstance(text, ast.Expr)
    }


def _kind(value: dict[str, Any]) -> str:
    if "$ref" in value:
        name = value["$ref"].rsplit("/", 1)[1]
        return f"[{name}](#{name.lower()})"
    if "enum" in value:
        return " or ".join(f"`{v}`" for v in value["enum"])
    if "const" in value:
        return f"`{value['const']}`"
    if value.get("type") == "array":
        return f"list of {_kind(value['items'])}" if "items" in value else "list"
    if isinstance(value.get("additionalProperties"), dict):
        return f"table of {_kind(value['additionalProperties'])}"
    options = value.get("oneOf") or value.get("anyOf")
    if options:
        return " or ".join(dict.fromkeys(_kind(o) for o in options if o.get("type") != "null"))
    bounds = [
        f"{sign} {value[key]:g}"
        for key, sign in (
            ("minimum", ">="),
            ("exclusiveMinimum", ">"),
            ("maximum", "<="),
            ("exclusiveMaximum", "<"),
        )
        if key in value
    ]
    return " ".join([str(value.get("type", "any")), *bounds])


def pages() -> dict[str, str]:
    """File name -> content of every generated page."""
    from connectors.web.reference import api_page

    return {
        "settings.md": settings_page(),
        "errors.md": errors_page(),
        "cli.md": cli_page(),
        "plant-file.md": plant_page(),
        "plant.schema.json": plant_schema(),
        "api.md": api_page(),
    }


if __name__ == "__main__":
    REFERENCE.mkdir(exist_ok=True)
    for name, content in pages().items():
        (REFERENCE / name).write_text(content, encoding="utf-8")
        sys.stdout.write(f"docs/reference/{name}\n")
