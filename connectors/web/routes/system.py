"""The product itself: health, the ledger and the event stream."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Header, Query
from fastapi.responses import StreamingResponse

from connectors.web.events import event_stream, resume_point
from connectors.web.models.system import Health, Ledger
from connectors.web.problems import documented
from connectors.web.service import Document, Service

__all__ = ["router"]

_EVENTS: dict[int | str, dict[str, Any]] = {
    200: {
        "description": "text/event-stream; each event is a document: line, alerts, health, job, proposals",
        "content": {"text/event-stream": {}},
    }
}


def router(service: Service, *, heartbeat_s: float) -> APIRouter:
    """Routes of the product itself."""
    routes = APIRouter(tags=["product"])

    @routes.get("/health", response_model=Health)
    def health() -> Document:
        """Whether the product is up, and which links of the chain have been computed."""
        return service.health()

    @routes.get("/ledger", response_model=Ledger, responses=documented(422, 503))
    def ledger(
        after: Annotated[int, Query(ge=0)] = 0,
        limit: Annotated[int, Query(ge=1, le=1000)] = 100,
    ) -> Document:
        """What was decided, by whom and why; and whether the hash chain is intact."""
        return service.ledger(after, limit)

    @routes.get(
        "/events", response_class=StreamingResponse, responses={**_EVENTS, **documented(422)}
    )
    async def events(
        last_event_id: Annotated[str | None, Header()] = None,
    ) -> StreamingResponse:
        """Server-sent events: documents as they change; Last-Event-ID resumes."""
        stream = event_stream(
            service.subscribe(resume_point(last_event_id)), heartbeat_s=heartbeat_s
        )
        return StreamingResponse(
            stream, media_type="text/event-stream", headers={"X-Accel-Buffering": "no"}
        )

    return routes
