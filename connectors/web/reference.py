"""The reference page of the API, made from its OpenAPI document."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, cast

from connectors.web.app import create_app
from connectors.web.service import Service

__all__ = ["api_page"]

_MADE = "<!-- Made by `make docs`; change the code, not this page. -->\n\n"
_INTRO = """\
Everything the page shows is under `/api/v1`; `/api/v1/openapi.json` is the machine-readable form. Instants are
plant time as ISO 8601 with an offset. Requests are JSON and an unknown key is an error. Requests that change
something are refused when a browser sends them from another site.

"""
_HEADINGS = {
    "line": "For everybody",
    "process engineers": "For process engineers",
    "maintenance": "For maintenance teams",
    "planners": "For planners",
    "product": "The product itself",
}
_PROBLEMS = {
    "no-route": (404, "nothing is served under this address"),
    "method-not-allowed": (405, "the address exists, with another method (see `Allow`)"),
    "invalid-request": (
        422,
        "a parameter or a key of the body is wrong; `errors` names each place",
    ),
    "cross-origin": (403, "a browser sent it from another site"),
    "host-not-allowed": (421, "the Host header names a host that the settings do not allow"),
    "not-ready": (503, "still being computed for the first time; ask again after `Retry-After`"),
    "bad-document": (500, "the product made a document that breaks its contract: a fault of ours"),
    "internal": (500, "something unexpected; the log says what"),
    "http-error": (400, "any other refusal of the transport"),
}
_EVENTS = """\
## Events

`GET /api/v1/events` is a stream of server-sent events. The data of an event is a whole document: `line` (as
`GET /line`), `alerts` (as `GET /alerts`), `proposals` (as `GET /proposals`), `health` (as `GET /health`), `job` (one
job). Ids rise; a client that comes back with `Last-Event-ID` gets what it missed, or the newest of every kind
when that is no longer kept. A comment is sent when nothing happens.

"""


def api_page() -> str:
    """Markdown of every route, every document and every code of a problem."""
    # Building the application asks nothing of the service.
    schema = create_app(cast("Service", None)).openapi()
    parts = ["# API\n\n", _MADE, _INTRO, *_routes(schema["paths"]), _EVENTS, *_problem_table()]
    parts.append("## Documents\n\n")
    skipped = {"HTTPValidationError", "ValidationError"}
    for name, definition in sorted(schema["components"]["schemas"].items()):
        if name not in skipped and definition.get("type") == "object":
            parts += _document(name, definition)
    return "".join(parts).rstrip() + "\n"


def _routes(paths: Mapping[str, Mapping[str, Any]]) -> Iterator[str]:
    by_tag: dict[str, list[str]] = {}
    for path, methods in paths.items():
        for method, route in methods.items():
            by_tag.setdefault(route["tags"][0], []).append(_route(path, method, route))
    for tag, routes in by_tag.items():
        yield f"## {_HEADINGS[tag]}\n\n"
        yield "| route | takes | gives | meaning |\n| --- | --- | --- | --- |\n"
        yield "".join(routes) + "\n"


def _route(path: str, method: str, route: Mapping[str, Any]) -> str:
    takes = [
        f"`{p['name']}` {_kind(p['schema'])}{_default(p['schema'])}"
        for p in route.get("parameters", ())
        if p["in"] == "query"
    ]
    body = route.get("requestBody", {}).get("content", {}).get("application/json", {})
    if body:
        takes.append(_kind(body["schema"]))
    status = next(s for s in route["responses"] if s.startswith("2"))
    content = route["responses"][status]["content"]
    answer = content.get("application/json", {}).get("schema")
    other = "CSV" if "text/csv" in content else "[events](#events)"
    gives = f"{status} {_kind(answer) if answer else other}"
    meaning = " ".join(route["description"].split())
    return f"| `{method.upper()} {path}` | {', '.join(takes)} | {gives} | {meaning} |\n"


def _problem_table() -> Iterator[str]:
    yield "## Problems\n\n"
    yield (
        "Every error is `application/problem+json` (RFC 9457). Rely on `code`: one of those of the product in"
        " [errors.md](errors.md), or one of these.\n\n| code | status | meaning |\n| --- | --- | --- |\n"
    )
    for code, (status, meaning) in _PROBLEMS.items():
        yield f"| `{code}` | {status} | {meaning} |\n"
    yield "\n"


def _document(name: str, definition: Mapping[str, Any]) -> Iterator[str]:
    yield f"### {name}\n\n"
    if description := definition.get("description"):
        yield " ".join(description.split()) + "\n\n"
    yield "| key | kind | meaning |\n| --- | --- | --- |\n"
    required = set(definition.get("required", ()))
    for key, value in definition.get("properties", {}).items():
        note = "" if key in required else _default(value).strip() or "optional"
        meaning = " ".join(filter(None, [value.get("description", ""), note]))
        yield f"| `{key}` | {_kind(value)} | {meaning} |\n"
    yield "\n"


def _default(schema: Mapping[str, Any]) -> str:
    return (
        f" (default {schema['default']})" if schema.get("default") not in (None, "", [], {}) else ""
    )


def _kind(schema: Mapping[str, Any]) -> str:
    if "$ref" in schema:
        name = schema["$ref"].rsplit("/", 1)[1]
        return f"[{name}](#{name.lower()})"
    if "enum" in schema:
        return " or ".join(f"`{v}`" for v in schema["enum"])
    if options := schema.get("anyOf") or schema.get("oneOf"):
        return " or ".join(dict.fromkeys(map(_kind, options)))
    if "const" in schema:
        return f"`{schema['const']}`"
    if schema.get("type") == "array":
        return f"list of {_kind(schema.get('items', {}))}"
    if isinstance(schema.get("additionalProperties"), Mapping):
        return f"map to {_kind(schema['additionalProperties'])}"
    if schema.get("format") == "date-time":
        return "instant"
    bounds = [
        f"{sign} {schema[key]:g}"
        for key, sign in (
            ("minimum", ">="),
            ("exclusiveMinimum", ">"),
            ("maximum", "<="),
            ("exclusiveMaximum", "<"),
        )
        if key in schema
    ]
    return " ".join([str(schema.get("type", "any")), *bounds])
