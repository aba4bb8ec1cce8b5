"""What the product says about itself: health and the ledger."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import Field

from connectors.web.models.base import Instant, Strict

__all__ = ["Health", "Ledger", "LedgerEntry", "Step"]


class Step(Strict):
    state: Literal["waiting", "running", "done", "failed"]
    at: Instant | None
    took_s: float | None
    detail: str | None


class Health(Strict):
    status: Literal["starting", "running", "degraded"]
    problems: list[str] = Field(default=[], description="What is wrong now, with its remedy")
    as_of: Instant | None
    version: str
    steps: dict[str, Step]


class LedgerEntry(Strict):
    seq: int
    at: Instant
    kind: str
    subject: str
    who: str
    why: str
    body: dict[str, Any]
    digest: str


class Ledger(Strict):
    entries: list[LedgerEntry]
    intact: bool
