"""Documents as tables for a spreadsheet."""

from __future__ import annotations

from typing import Any

from starlette.responses import Response

from connectors.web.problems import documented

__all__ = ["csv_answer", "csv_table"]


class _Csv(Response):
    media_type = "text/csv"


def csv_answer(*problems: int) -> dict[str, Any]:
    """The arguments of a route that answers with a table, or with these problems."""
    return {
        "response_class": _Csv,
        "responses": {200: {"content": {"text/csv": {}}}, **documented(*problems)},
    }


def csv_table(name: str, text: str) -> Response:
    """A table that a browser saves under a name."""
    return _Csv(text, headers={"Content-Disposition": f'attachment; filename="{name}.csv"'})
