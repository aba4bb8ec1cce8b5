"""The FastAPI application: the API under ``/api/v1``, the page under ``/``."""

from __future__ import annotations

import mimetypes
from collections.abc import Callable, Sequence
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from fastapi import FastAPI
from fastapi.responses import FileResponse
from starlette.responses import Response
from starlette.staticfiles import StaticFiles
from starlette.types import Scope

from connectors.web import problems
from connectors.web.events import HEARTBEAT_S
from connectors.web.guard import LOOPBACK_HOSTS, Guard
from connectors.web.routes import engineering, experiments, line, maintenance, planning, system
from connectors.web.service import Service

__all__ = ["UI", "create_app"]

UI = Path(__file__).parent / "ui"
_REVALIDATE = {"Cache-Control": "no-cache"}


def create_app(
    service: Service,
    *,
    allowed_hosts: Sequence[str] = LOOPBACK_HOSTS,
    heartbeat_s: float = HEARTBEAT_S,
) -> FastAPI:
    """The application over a running product.

    Nothing is asked of `service` until a request needs it, so the page comes at once while the
    product is still starting.

    Args:
        service: The product.
        allowed_hosts: Names that the Host header may carry, without port; every other is refused.
        heartbeat_s: Longest silence of the event stream. [s]
    """
    # Some machines map .js to text/plain, which browsers refuse under nosniff.
    mimetypes.add_type("text/javascript", ".js")
    app = FastAPI(
        title="linetwin",
        version=_version(),
        summary="The digital twin of a production line",
        docs_url=None,  # FastAPI's pages load their scripts from a CDN
        redoc_url=None,
        openapi_url="/api/v1/openapi.json",
    )
    problems.install(app)
    app.add_middleware(Guard, allowed_hosts=allowed_hosts)
    for router in (
        line.router(service),
        engineering.router(service),
        experiments.router(service),
        maintenance.router(service),
        planning.router(service),
        system.router(service, heartbeat_s=heartbeat_s),
    ):
        app.include_router(router, prefix="/api/v1")
    app.mount("/ui", _Assets(directory=UI), name="ui")
    app.add_api_route("/metrics", _metrics(service), methods=["GET"], include_in_schema=False)
    app.add_api_route("/", _page, methods=["GET", "HEAD"], include_in_schema=False)
    return app


class _Assets(StaticFiles):
    async def get_response(self, path: str, scope: Scope) -> Response:
        response = await super().get_response(path, scope)
        response.headers.update(_REVALIDATE)
        return response


def _metrics(service: Service) -> Callable[[], Response]:
    def metrics() -> Response:
        from connectors.runtime.report import metrics_text

        text = metrics_text(dict(service.telemetry()))
        return Response(text, media_type="text/plain; version=0.0.4; charset=utf-8")

    return metrics


def _page() -> FileResponse:
    return FileResponse(UI / "index.html", headers=_REVALIDATE)


def _version() -> str:
    try:
        return version("linetwin")
    except PackageNotFoundError:  # run from a checkout that is not installed
        return "0"
