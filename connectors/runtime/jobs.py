"""Questions as jobs: queued, with progress, cancelled on request, answered once."""

from __future__ import annotations

import itertools
import logging
import threading
from collections.abc import Callable
from concurrent.futures import CancelledError, Executor, ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import TYPE_CHECKING, Any, Literal

from connectors.runtime.documents import at
from connectors.runtime.events import EventHub
from connectors.runtime.experiments import Basis, Question
from twin.errors import ConflictError, LinetwinError, NotFoundError

if TYPE_CHECKING:
    from twin.scenarios import RunCache

__all__ = ["Jobs"]

logger = logging.getLogger(__name__)

_KEPT = 200
_OVER = ("done", "failed", "cancelled")


@dataclass(frozen=True, slots=True, kw_only=True)
class _Job:
    job_id: str
    kind: str
    state: Literal["queued", "running", "done", "failed", "cancelled"] = "queued"
    progress: float = 0.0
    submitted_at: datetime
    finished_at: datetime | None = None
    result: dict[str, Any] | None = None
    error: str | None = None
    cancelled: threading.Event = field(default_factory=threading.Event)

    def document(self) -> dict[str, Any]:
        return {
            "job_id": self.job_id,
            "kind": self.kind,
            "state": self.state,
            "progress": self.progress,
            "submitted_at": at(self.submitted_at),
            "finished_at": at(self.finished_at) if self.finished_at else None,
            "result": self.result,
            "error": self.error,
        }


class Jobs:
    """One question at a time, its replications in worker processes."""

    def __init__(
        self,
        hub: EventHub,
        *,
        executor: Callable[[], Executor],
        now: Callable[[], datetime],
        cache: RunCache | None = None,
    ) -> None:
        self._hub = hub
        self._executor = executor
        self._now = now
        self._cache = cache
        self._lock = threading.Lock()
        self._jobs: dict[str, _Job] = {}
        self._numbers = itertools.count(1)
        self._thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix="question")

    def submit(self, question: Question, basis: Basis) -> dict[str, Any]:
        """Queue a question; the job's document.

        Raises:
            DataError, FileFaults, NotFoundError: It cannot be asked of this plant; nothing was queued.
        """
        question.check(basis.plant)
        kind = question.kind
        job = _Job(job_id=f"{kind}-{next(self._numbers)}", kind=kind, submitted_at=self._now())
        self._put(job)
        self._thread.submit(self._run, job.job_id, question, basis)
        return job.document()

    def documents(self) -> list[dict[str, Any]]:
        """All jobs, newest first."""
        with self._lock:
            return [job.document() for job in reversed(self._jobs.values())]

    def document(self, job_id: str) -> dict[str, Any]:
        """One job."""
        return self._find(job_id).document()

    def cancel(self, job_id: str) -> dict[str, Any]:
        """Stop a job."""
        job = self._find(job_id)
        if job.state in _OVER:
            raise ConflictError(f"job {job_id} is {job.state} already")
        job.cancelled.set()
        if job.state == "queued":
            job = replace(job, state="cancelled", finished_at=self._now())
            self._put(job)
        return job.document()

    def close(self) -> None:
        """Cancel everything."""
        for job in list(self._jobs.values()):
            job.cancelled.set()
        self._thread.shutdown(wait=False, cancel_futures=True)

    def _run(self, job_id: str, question: Question, basis: Basis) -> None:
        from twin.scenarios import Execution

        job = self._find(job_id)
        if job.cancelled.is_set():
            return
        self._put(replace(job, state="running"))
        try:
            how = Execution(
                executor=self._executor(),
                progress=lambda share: self._progress(job_id, share),
                cancelled=job.cancelled.is_set,
                cache=self._cache,
            )
            result = question.answer(basis, how)
            end = replace(self._find(job_id), state="done", progress=1.0, result=result)
        except CancelledError:
            end = replace(self._find(job_id), state="cancelled")
        except LinetwinError as e:
            end = replace(self._find(job_id), state="failed", error=str(e))
        except Exception as e:
            logger.exception("%s broke", job_id)
            end = replace(self._find(job_id), state="failed", error=f"{type(e).__name__}: {e}")
        self._put(replace(end, finished_at=self._now()))

    def _progress(self, job_id: str, share: float) -> None:
        self._put(replace(self._find(job_id), progress=share))

    def _find(self, job_id: str) -> _Job:
        with self._lock:
            try:
                return self._jobs[job_id]
            except KeyError:
                raise NotFoundError(f'no job "{job_id}"') from None

    def _put(self, job: _Job) -> None:
        with self._lock:
            self._jobs[job.job_id] = job
            over = [j.job_id for j in self._jobs.values() if j.state in _OVER]
            for old in over[: max(0, len(self._jobs) - _KEPT)]:
                del self._jobs[old]
        self._hub.publish("job", job.document(), key=job.job_id, over=job.state in _OVER)
