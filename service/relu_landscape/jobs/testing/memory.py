"""A service in memory, for tests of whatever stands before a service.

``InMemoryService`` keeps what ``jobs.interface.Service`` promises, computes nothing, and does what
a test tells it to: jobs end at once, or go on step by step under the test's hand (``holds_jobs``).
Answers are sealed by the code of the real service, so ids, digests and shapes are the real ones.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any, TypeVar

from relu_landscape import ALGORITHM
from relu_landscape.analyses import ANALYSES, Analysis, Registry
from relu_landscape.engine.tasks import Composed
from relu_landscape.errors import Busy, JobFailed, NotFound, StoreUnavailable
from relu_landscape.jobs.about import provenance, service_info
from relu_landscape.jobs.listing import EVERYTHING, Wanted, of_kind
from relu_landscape.jobs.pool.device import ChosenBackend
from relu_landscape.jobs.running.sealing import seal, seal_parts, whole_part
from relu_landscape.jobs.testing.deleted import Deletions
from relu_landscape.jobs.testing.identity import MemoryKeys, MemoryTrail
from relu_landscape.jobs.testing.samples import perfect_copy
from relu_landscape.jobs.testing.statuses import page_of, progress_of, relabelled
from relu_landscape.jobs.words import (
    ANYONE,
    is_event_id,
    no_event,
    no_part,
    no_result,
    not_deleted,
    not_finished,
    unknown,
)
from relu_landscape.settings import Settings
from relu_landscape.wire.base import JsonObject, Wire
from relu_landscape.wire.jobs import (
    AnyStatus,
    Event,
    EventName,
    Needs,
    Page,
    Progress,
    Readiness,
    State,
)
from relu_landscape.wire.labels import LabelChange
from relu_landscape.wire.requests import AnalysisRequest
from relu_landscape.wire.service import ServiceInfo
from relu_landscape.wire.shortened import too_long, without

Answer = TypeVar("Answer")

#: Every moment of a job, so that answers do not depend on the clock.
NOW = "2026-01-02T03:04:05.678Z"
BACKEND = ChosenBackend("numpy", "a processor", "the test wants it")


@dataclass
class Job:
    """One job under a test's hand. Its methods are called in the service's event loop."""

    analysis: Analysis
    request: AnalysisRequest
    status: AnyStatus
    composed: Composed
    holders: set[str] = field(default_factory=set)
    askers: set[str] = field(default_factory=set)
    number: int = 0
    events: list[Event] = field(default_factory=list)
    news: asyncio.Event = field(default_factory=asyncio.Event)

    @property
    def id(self) -> str:
        """Content id."""
        return self.status.id

    def say(self, name: EventName, data: JsonObject) -> None:
        """Add an event, and wake whoever reads."""
        self.events.append(Event(id=f"{len(self.events) + 1}-0", name=name, data=data))
        self.wake()

    def wake(self) -> None:
        """Let readers look again."""
        self.news.set()
        self.news = asyncio.Event()

    def become(self, state: State, error: str | None = None) -> None:
        """Enter a state, as the store would note it."""
        changes: dict[str, Any] = {"state": state, "error": error}
        if state == "running":
            changes |= {"started_at": NOW, "attempts": self.status.attempts + 1}
        if state in ("finished", "failed", "cancelled"):
            changes |= {"finished_at": NOW, "holders": 0}
        self.status = self.status.model_copy(update=changes)
        self.say("state", {"state": state, "error": error})

    def hold(self, holders: set[str]) -> None:
        """From now on these want it."""
        self.holders = holders
        self.status = self.status.model_copy(update={"holders": len(holders)})

    def report(self, progress: Progress) -> None:
        """Progress, for the status and for readers of events."""
        self.status = self.status.model_copy(update={"progress": progress})
        self.say("progress", progress.model_dump())

    def find(self, *findings: Wire) -> None:
        """Provisional findings, all of them anew."""
        self.status = self.status.model_copy(update={"findings": list(findings)})
        self.say("findings", {"findings": [each.model_dump() for each in findings]})

    def finish(self) -> None:
        """The result is there."""
        self.become("finished")

    def fail(self, error: str) -> None:
        """There will be no result."""
        self.become("failed", error)


class InMemoryService:
    """Keeps the promises of ``Service`` in one process's memory; a few knobs set what it does.

    ``holds_jobs``: jobs begin and then go on only as the test says (``Job``), or all at once at
    ``release()``. ``error`` is raised by every call, ``failure`` ends every job, ``is_full``
    refuses new ones. ``answer`` makes what a job would have computed.
    """

    def __init__(
        self,
        settings: Settings,
        *,
        registry: Registry = ANALYSES,
        answer: Callable[[AnalysisRequest], Composed] | None = None,
    ) -> None:
        self.settings = settings
        self.registry = registry
        self.answer = answer or perfect_copy
        self.deletions = Deletions()
        self.keys = MemoryKeys(self._check_store)
        self.trail = MemoryTrail(self._check_store)
        self.holds_jobs = False
        self.error: Exception | None = None
        self.failure: str | None = None
        self.is_full = False
        self.faults: dict[str, str] = {}
        self.answers_to_calls: dict[str, Callable[[Any], Wire]] = {}
        self.jobs: dict[str, Job] = {}
        self.computations = 0
        self.submitted: list[AnalysisRequest] = []
        self.called: list[tuple[str, Wire]] = []
        self.open_streams = 0
        self.is_closed = False
        self._loop = asyncio.get_running_loop()
        self._in_thread = threading.get_ident()

    @classmethod
    @asynccontextmanager
    async def open(
        cls,
        settings: Settings,
        *,
        registry: Registry = ANALYSES,
        answer: Callable[[AnalysisRequest], Composed] | None = None,
    ) -> AsyncIterator[InMemoryService]:
        """As ``AnalysisService.open``."""
        service = cls(settings, registry=registry, answer=answer)
        try:
            yield service
        finally:
            service.is_closed = True
            for job in service.jobs.values():
                job.wake()

    def from_thread(self, function: Callable[[], Answer]) -> Answer:
        """Call ``function`` in the service's event loop, from any thread, and wait for it."""
        if threading.get_ident() == self._in_thread:
            return function()

        async def call() -> Answer:
            return function()

        return asyncio.run_coroutine_threadsafe(call(), self._loop).result(60)

    def release(self) -> None:
        """Let every job that was held go to its end, and hold none any more."""
        self.holds_jobs = False
        for job in self.jobs.values():
            if not job.status.is_over:
                self._end(job)

    def identify(self, request: AnalysisRequest) -> str:
        request.check_limits(
            largest_width=self.settings.largest_width,
            largest_starts=self.settings.largest_starts,
        )
        return request.content_id(BACKEND.backend_class)

    async def submit(self, request: AnalysisRequest, holder: str = ANYONE) -> AnyStatus:
        self._check()
        job_id = self.identify(request)
        self.submitted.append(request)
        known = self.jobs.get(job_id)
        if known is not None and known.status.state not in ("failed", "cancelled"):
            known.askers.add(holder)
            if not known.status.is_over:
                known.hold({*known.holders, holder})
            return known.status
        if self.is_full:
            raise Busy("1000 jobs are waiting; try again later.", 7)
        analysis = self.registry.analysis(request.kind)
        composed = self.answer(request)
        self.computations += 1
        job = Job(analysis, request, _queued(analysis, job_id, request), composed, {holder})
        job.askers, job.number = {holder}, self.computations
        if known is not None:  # whoever asked for it before, and what they said of it
            job.askers, job.number = job.askers | known.askers, known.number
            job.status = job.status.labelled(known.status.given_labels)
        self.jobs[job_id] = job
        job.say("state", {"state": "queued", "error": None})
        job.become("running")
        if not self.holds_jobs:
            job.report(progress_of(analysis, request))
            self._end(job)
        return job.status

    def _end(self, job: Job) -> None:
        if job.status.state == "cancelling":
            job.become("cancelled")
        elif self.failure is not None:
            job.fail(self.failure)
        else:
            job.finish()

    async def status(self, id: str) -> AnyStatus:  # noqa: A002 - the name in the contract
        return self._job(id).status

    async def wait(self, id: str, timeout_seconds: float) -> AnyStatus:  # noqa: A002
        job = self._job(id)
        try:
            async with asyncio.timeout(timeout_seconds):
                while not job.status.is_over:
                    await job.news.wait()
        except TimeoutError:
            pass
        return job.status

    async def result(self, id: str) -> bytes:  # noqa: A002
        job = self._job(id)
        if job.status.state == "failed":
            raise JobFailed(job.status.error or "The computation failed.")
        if job.status.state != "finished":
            raise no_result(job.analysis, job.status)
        return seal(job.analysis, id, job.request, job.composed.result, provenance(BACKEND, 0.5))

    async def part(self, id: str, key: str) -> JsonObject:  # noqa: A002
        result, job = await self.result(id), self._job(id)
        try:
            return whole_part(job.analysis, result, seal_parts(job.composed.parts).get(key), key)
        except KeyError:
            raise no_part(job.analysis, id, key) from None

    async def cancel(self, id: str, holder: str | None = ANYONE) -> AnyStatus:  # noqa: A002
        job = self._job(id)
        if not job.status.is_over:
            job.hold(job.holders - {holder} if holder is not None else set())
        if not job.holders and not job.status.is_over and job.status.state != "cancelling":
            job.become("cancelling")
        return job.status

    async def pin(self, id: str) -> AnyStatus:  # noqa: A002
        job = self._job(id)
        if job.status.state != "finished":
            raise not_finished(id, job.status.state)
        return self._pinned(job, pinned=True)

    async def unpin(self, id: str) -> AnyStatus:  # noqa: A002
        return self._pinned(self._job(id), pinned=False)

    @staticmethod
    def _pinned(job: Job, *, pinned: bool) -> AnyStatus:
        job.status = job.status.model_copy(update={"pinned": pinned})
        return job.status

    async def delete(self, id: str) -> None:  # noqa: A002
        status = self._job(id).status
        if status.pinned or not status.is_over:
            raise not_deleted(id, "pinned" if status.pinned else status.state)
        del self.jobs[id]
        self.deletions.note(id)

    async def label(self, id: str, who: str, change: LabelChange) -> AnyStatus:  # noqa: A002
        job = self._job(id)
        job.status = job.status.labelled(relabelled(job.status.given_labels, who, change))
        return job.status

    async def note_asker(self, id: str, who: str) -> None:  # noqa: A002
        if id in self.jobs:
            self.jobs[id].askers.add(who)

    async def list(
        self, *, kind: str | None, cursor: str | None, limit: int, wanted: Wanted = EVERYTHING
    ) -> Page[AnyStatus]:
        self._check()
        looked = [(j.status, j.number, frozenset(j.askers)) for j in self.jobs.values()]
        return page_of(looked, of_kind(self.registry, kind, wanted), cursor, limit)

    async def events(
        self,
        id: str,  # noqa: A002
        last_event_id: str | None,
    ) -> AsyncIterator[Event]:
        job = self._job(id)
        if last_event_id is not None and not is_event_id(last_event_id):
            raise no_event(last_event_id)
        seen = int((last_event_id or "0").partition("-")[0])
        self.open_streams += 1
        try:
            while not self.is_closed:
                self._check()
                for event in job.events[seen:]:
                    seen += 1
                    yield event
                    if event.is_last and seen >= len(job.events):
                        return
                if job.status.is_over:
                    return
                await job.news.wait()
        finally:
            self.open_streams -= 1

    async def call(self, name: str, query: Wire, timeout_seconds: float) -> Wire:  # noqa: ARG002
        self._check()
        self.registry.call(name)
        self.called.append((name, query))
        if name not in self.answers_to_calls:
            raise NotFound(f"The test has no answer to {name!r}.")
        return self.answers_to_calls[name](query)

    async def readiness(self) -> Readiness:
        self._check()
        checks = {"store": "ok", "pool": "ok", "coordinator": "ok"} | self.faults
        return Readiness(ready=not self.faults, checks=checks, warnings=[])

    async def figures(self) -> dict[str, float]:
        self._check()
        states = [job.status.state for job in self.jobs.values()]
        found: dict[str, float] = {
            state: states.count(state)
            for state in ("queued", "running", "cancelling", "cancelled", "failed", "finished")
        }
        return found | {"chunks_waiting": 0, "chunks_in_flight": 0, "worker_threads": 0}

    def info(self) -> ServiceInfo:
        return service_info(
            self.registry, self.settings, BACKEND, store="memory", pool="none", workers=0
        )

    def wake(self) -> None:
        """Let readers of events look again, for instance at ``error``."""
        for job in self.jobs.values():
            job.wake()

    def _job(self, id: str) -> Job:  # noqa: A002
        self._check()
        if id not in self.jobs:
            raise unknown(id)
        return self.jobs[id]

    def _check_store(self) -> None:
        if isinstance(self.error, StoreUnavailable):
            raise self.error

    def _check(self) -> None:
        if self.error is not None:
            raise self.error


def _queued(analysis: Analysis, job: str, request: AnalysisRequest) -> AnyStatus:
    left_out = too_long(request)
    return analysis.status(
        id=job,
        kind=analysis.kind,
        state="queued",
        request=without(request, left_out),
        left_out=left_out,
        created_at=NOW,
        started_at=None,
        finished_at=None,
        progress=Progress(starts=request.starts_asked),
        findings=[],
        error=None,
        attempts=0,
        needs=Needs(algorithm=ALGORITHM, backend_class=BACKEND.backend_class),
    )
