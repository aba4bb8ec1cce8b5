"""What the web layer asks of the running product; ``connectors.runtime`` matches it by shape.

The runtime lies below this package and does not import it; what is asked of the twin are its
questions. It keeps the documents computed, so every method here is a quick, plain call. The web
layer calls them from worker threads, several at once; ``subscribe`` alone runs on the event loop.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from datetime import datetime
from typing import TYPE_CHECKING, Any, Literal, Protocol

from twin.errors import NotReadyError

if TYPE_CHECKING:
    from connectors.runtime.experiments import Question

__all__ = ["Decision", "Document", "Event", "NotReadyError", "Service"]

Document = Mapping[str, Any]
"""A JSON object as ``connectors.web.models`` types it: finite numbers, instants as aware datetimes
or ISO 8601 text with an offset."""

Decision = Literal["approve", "reject"]


class Event(Protocol):
    """One thing that changed, as the event stream tells it. A frozen dataclass matches."""

    @property
    def id(self) -> int:
        """Rises by at least one with every event, also over a restart of the process."""
        ...

    @property
    def name(self) -> str:
        """``line``, ``alerts``, ``health`` or ``proposals`` (the data is that document, whole),
        or ``job`` (the data is one job)."""
        ...

    @property
    def data(self) -> Document:
        """The document; everything in it is JSON-able already (instants as text)."""
        ...


class Service(Protocol):
    """The product behind the API. Contract: tests/unit/test_web_api.py and the end to end tests.

    Every method may raise the errors of ``twin.errors``; the API turns them into problem+json by
    their ``code``: NotFoundError 404, ConflictError 409, DataError, UnitError and FileFaults 422,
    NotReadyError, StoreError, SourceError and SolverError 503.
    """

    # Everybody: the line as it is.

    def plant(self) -> Document:
        """The plant file as the page needs it."""
        ...

    def line(self) -> Document:
        """State, counters, signals and buffers now. NotReadyError before the first sample."""
        ...

    def kpis(self, hours: float) -> Document:
        """ISO 22400 figures of the last `hours` [h] of plant time."""
        ...

    def telemetry(self) -> Document:
        """Sources, stores and spool, and what was lost on the way."""
        ...

    def signals(self) -> Document:
        """Every signal of the plant file."""
        ...

    def samples(
        self, signal: str, start: datetime | None, end: datetime | None, limit: int
    ) -> Document:
        """The samples of one signal in start <= measured_at < end, oldest first.

        More than `limit` are thinned evenly to `limit`, the newest always among them. Without
        `start`: the last 24 h of plant time before `end`; without `end`: up to now.
        """
        ...

    # Process engineers.

    def calibration(self) -> Document:
        """Fitted laws beside the nominal ones, with their intervals."""
        ...

    def submit(self, question: Question) -> Document:
        """Queue a question; the job, at once. DataError or FileFaults when it cannot be asked."""
        ...

    def jobs(self) -> Document:
        """``{"jobs": [...]}``, newest first."""
        ...

    def job(self, job_id: str) -> Document:
        """One job, with its result once it is done."""
        ...

    def cancel(self, job_id: str) -> Document:
        """Stop a job; the job. ConflictError when it has ended already."""
        ...

    # Maintenance.

    def forecasts(self) -> Document:
        """The failure curve of every unit and failure mode."""
        ...

    def alerts(self, state: str | None) -> Document:
        """All alerts, or those in one state; newest first."""
        ...

    def acknowledge(self, alert_id: str, who: str, why: str) -> Document:
        """Acknowledge a raised alert; the alert. ConflictError in another state."""
        ...

    def clear(self, alert_id: str, who: str, why: str) -> Document:
        """Clear an alert that is not cleared yet; the alert."""
        ...

    # Planners.

    def schedule(self) -> Document:
        """The schedule in force, with bound and gap."""
        ...

    def demand(self) -> Document:
        """Component demand by item and time bucket, with pegging."""
        ...

    def proposals(self) -> Document:
        """Every purchase proposal, whatever its state."""
        ...

    def decide(
        self, proposal_id: str, decision: Decision, who: str, why: str, quantity: float | None
    ) -> Document:
        """Approve (perhaps with another `quantity`, in the item's unit) or reject; the proposal."""
        ...

    # The product itself.

    def health(self) -> Document:
        """Which steps are done. Never NotReadyError: it answers while the rest is starting."""
        ...

    def ledger(self, after: int, limit: int) -> Document:
        """Decisions with ``seq > after``, oldest first, at most `limit`, and whether the chain holds."""
        ...

    def subscribe(self, after_id: int | None) -> AsyncIterator[Event]:
        """Events as they happen, for one listener.

        First what the listener needs to catch up: with `after_id` every kept event after it; with
        None, or when `after_id` is no longer kept or is unknown, the newest event of every name
        (jobs: of every job that has not ended). A slow listener may miss ``line`` events in
        between, never the newest. The iterator ends when the product stops, and must tolerate
        being closed at any time.
        """
        ...
