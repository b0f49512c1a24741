"""The real application over a service in memory, whose jobs go on only as a test says.

Nothing here waits or depends on speed: answers are recorded, and a job that is held stands still
until its test moves it.
"""

from __future__ import annotations

import queue
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from relu_landscape.engine.tasks import Composed
from relu_landscape.errors import LandscapeError, RequestError
from relu_landscape.jobs.testing import InMemoryService, Job, perfect_copy
from relu_landscape.wire.base import Wire
from relu_landscape.wire.families import Continuation, ContinuationQuery
from relu_landscape.wire.jobs import Progress
from relu_landscape.wire.landscape import LandscapeFinding
from relu_landscape.wire.learning_rates import LearningRates, LearningRatesQuery
from relu_landscape.wire.requests import AnalysisRequest, LandscapeRequest
from relu_landscape_api.app import create_app
from relu_landscape_api.settings import ApiSettings
from tests.page.answers import composed, learned
from tests.serving import Running, close, renew, serving

#: A page asks at once; whoever waits this long waits for a fault.
PATIENCE_SECONDS = 30.0
#: Decimals to which the engine rounds the loss of what it has not classified yet.
DECIMALS = 7


@dataclass
class HeldJob:
    """A job under the test's hand, moved from the test's own thread."""

    job: Job
    service: InMemoryService
    result: Mapping[str, Any]

    @property
    def id(self) -> str:
        """Content id."""
        return self.job.id

    def advance(self, done: int, chunks: int, points: int, phase: str = "sample") -> None:
        """Report so many chunks as done, and the first so many minima as found."""
        starts = self.job.request.starts_asked
        progress = Progress(
            phase=phase,
            tasks_done=done,
            tasks=chunks,
            starts_done=starts * done // chunks,
            starts=starts,
            fraction=done / chunks,
            seconds_left=float(chunks - done),
        )
        ends = [point for point in self.result["fixed_points"] if point["attraction"]]
        findings = [
            _finding(place, point, max(1, point["attraction"]["hits"] * done // chunks))
            for place, point in enumerate(ends[:points], start=1)
        ]

        def tell() -> None:
            self.job.report(progress)
            self.job.find(*findings)

        self._do(tell)

    def tell(self, progress: Progress, *findings: Wire) -> None:
        """Report this progress and these findings, of whatever kind."""

        def say() -> None:
            self.job.report(progress)
            self.job.find(*findings)

        self._do(say)

    def finish(self) -> None:
        """The result is there."""
        self._do(self.job.finish)

    def fail(self, sentence: str) -> None:
        """There will be no result."""
        self._do(lambda: self.job.fail(sentence))

    def stopped(self) -> None:
        """The cores are free after a cancellation."""
        self._do(lambda: self.job.become("cancelled"))

    def _do(self, function: Callable[[], object]) -> None:
        self.service.from_thread(function)


def _finding(place: int, point: Mapping[str, Any], hits: int) -> LandscapeFinding:
    """What the engine says of a point before it has classified it."""
    if point["kind"] == "global_continuum":
        return LandscapeFinding(key="g1", kind="global_continuum", loss=0.0, hits=hits)
    loss = round(point["loss"], DECIMALS)
    return LandscapeFinding(key=f"p{place}", kind="unclassified", loss=loss, hits=hits)


class Stage:
    """The service behind a page, with the answers it gives."""

    service: InMemoryService
    running: Running

    def __init__(self) -> None:
        self.continuations: dict[str, dict[str, Any]] = {}
        self.rates: dict[str, dict[str, Any]] = {}
        self._answers: dict[tuple[int, int], dict[str, Any]] = {}
        self._begun: queue.Queue[AnalysisRequest] = queue.Queue()

    @property
    def posted(self) -> list[AnalysisRequest]:
        """Every request that was submitted, known answers apart."""
        return self.service.submitted

    def know(self, landscape: dict[str, Any]) -> None:
        """Have an answer ready for the widths of this landscape."""
        request = landscape["request"]
        self._answers[request["student_width"], request["teacher_width"]] = landscape

    def finish(self, landscape: dict[str, Any]) -> str:
        """Have this landscape in store, as if it had been computed before; its id."""
        self.know(landscape)
        held, self.service.holds_jobs = self.service.holds_jobs, False
        request = LandscapeRequest.model_validate(landscape["request"])
        status = self.running.wait_for(self.service.submit(request))
        self.service.holds_jobs = held
        self.service.submitted.clear()
        self._begun.get_nowait()
        return status.id

    def wait_for_job(self) -> HeldJob:
        """The next job, as soon as the page has asked for it."""
        request = self._begun.get(timeout=PATIENCE_SECONDS)
        jobs = self.service.from_thread(lambda: list(self.service.jobs.values()))
        job = next(job for job in jobs if job.request is request)
        is_landscape = isinstance(request, LandscapeRequest)
        result = self._answers[self._widths(request)] if is_landscape else {}
        return HeldJob(job, self.service, result)

    def breaks(self, error: LandscapeError | None) -> None:
        """Let every call raise this, open streams too; None: all is well again."""

        def change() -> None:
            self.service.error = error
            self.service.wake()

        self.service.from_thread(change)

    @staticmethod
    def _widths(request: AnalysisRequest) -> tuple[int, int]:
        assert isinstance(request, LandscapeRequest)
        return request.student_width, request.teacher_width

    def _answer(self, request: AnalysisRequest) -> Composed:
        self._begun.put(request)
        if not isinstance(request, LandscapeRequest):
            return learned(request)
        landscape = self._answers.get(self._widths(request))
        return perfect_copy(request) if landscape is None else composed(landscape)

    def _continuation(self, query: ContinuationQuery) -> Continuation:
        answer = self.continuations.get(query.structure)
        if answer is None:
            raise RequestError("structure", query.structure, "a family that was recorded")
        return Continuation.model_validate(answer)

    def _rates(self, query: LearningRatesQuery) -> LearningRates:
        answer = self.rates.get(f"{query.structure} {query.branch or 'lowest'}")
        if answer is None:
            raise RequestError("branch", query.branch, "a minimum that was recorded")
        return LearningRates.model_validate(answer)

    def set_up(self, service: InMemoryService) -> None:
        """Give the answers of this service, all of whose jobs are held."""
        service.answer = self._answer
        service.answers_to_calls["continuation"] = self._continuation
        service.answers_to_calls["learning_rates"] = self._rates
        service.holds_jobs = True
        self.service = service


@contextmanager
def theatre(settings: ApiSettings) -> Iterator[Running]:
    """The application on a free port, for one stage after another."""
    with serving(create_app(settings, service_factory=InMemoryService.open)) as running:
        yield running


@contextmanager
def on_stage(running: Running) -> Iterator[Stage]:
    """The application with a new service, which holds every job, until the block ends."""
    stage = Stage()
    stage.running = running
    running.in_loop(lambda: stage.set_up(renew(running.app)))
    try:
        yield stage
    finally:
        running.in_loop(lambda: close(stage.service))
