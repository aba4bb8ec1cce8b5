"""What protects a server on loopback from the other pages of the same browser.

A page elsewhere can point its own name at 127.0.0.1 (DNS rebinding) or post a form across sites;
the Host header and the browser's Origin and Sec-Fetch-Site headers give both away.
"""

from __future__ import annotations

from collections.abc import Iterable

from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from connectors.web.problems import problem_response

__all__ = ["CONTENT_SECURITY_POLICY", "LOOPBACK_HOSTS", "Guard", "host_name"]

LOOPBACK_HOSTS = ("127.0.0.1", "localhost", "[::1]")

CONTENT_SECURITY_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; "
    "connect-src 'self'; frame-ancestors 'none'; base-uri 'none'; form-action 'self'"
)
_HEADERS = {
    "Content-Security-Policy": CONTENT_SECURITY_POLICY,
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
}
_SAFE_METHODS = frozenset({"GET", "HEAD", "OPTIONS"})


def host_name(host: str) -> str:
    """The name in a Host header, without its port.

    Example:
        >>> host_name("localhost:8080"), host_name("[::1]:8080"), host_name("127.0.0.1")
        ('localhost', '[::1]', '127.0.0.1')
    """
    name, _, port = host.rpartition(":")
    return (name if name and not port.endswith("]") else host).lower()


class Guard:
    """ASGI middleware: security headers on every answer, and refusal of strangers."""

    def __init__(self, app: ASGIApp, *, allowed_hosts: Iterable[str]) -> None:
        self._app = app
        self._allowed = frozenset(h.lower() for h in allowed_hosts)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Check one request, then pass it on."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return

        async def send_with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                for name, value in _HEADERS.items():
                    headers.setdefault(name, value)
                headers.setdefault("Cache-Control", "no-store")
            await send(message)

        refusal = self._refusal(scope)
        if refusal is None:
            await self._app(scope, receive, send_with_headers)
            return
        status, code, detail = refusal
        response = problem_response(status=status, code=code, detail=detail, instance=scope["path"])
        await response(scope, receive, send_with_headers)

    def _refusal(self, scope: Scope) -> tuple[int, str, str] | None:
        headers = Headers(scope=scope)
        host = headers.get("host", "")
        if host_name(host) not in self._allowed:
            allowed = ", ".join(sorted(self._allowed))
            detail = f'host "{host[:100]}" is not served here; use one of {allowed}'
            return 421, "host-not-allowed", detail
        if scope["method"] in _SAFE_METHODS or _same_origin(headers, host):
            return None
        return 403, "cross-origin", "another site may not change anything here"


def _same_origin(headers: Headers, host: str) -> bool:
    if headers.get("sec-fetch-site", "none") not in {"same-origin", "none"}:
        return False
    origin = headers.get("origin")  # absent for scripts, which no other site can steer
    if origin is None:
        return True
    scheme, _, rest = origin.partition("://")
    return scheme in {"http", "https"} and rest.lower() == host.lower()
