"""The real application with jobs under a test's hand, and the line that leads to it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import httpx2

from relu_landscape.jobs.testing import InMemoryService, Job
from relu_landscape.settings import Settings
from relu_landscape_api.app import create_app
from relu_landscape_api.settings import ApiSettings
from relu_landscape_client import AsyncClient, Client
from tests.clients.faulty import Line, name_of
from tests.clients.samples import (
    SAID_AT_FIRST,
    SCRIPT,
    Step,
    continuation,
    estimate,
    family,
    leaks,
    learning_rates,
    structures,
    two_minima,
)
from tests.serving import Running, close, serving


@dataclass
class Served:
    """A server whose jobs go on as they are listened to.

    Opening an event stream lets the job do the steps of ``script``: all of them, or as many as the
    line will let through. ``looks``: so many looks at the status finish it too.
    """

    running: Running
    line: Line = field(default_factory=Line)
    script: Sequence[Step] = SCRIPT
    looks: int | None = None

    def __post_init__(self) -> None:
        self.line.before = self._before

    @property
    def service(self) -> InMemoryService:
        return self.running.service

    @property
    def url(self) -> str:
        return self.running.url

    def finish_at_once(self) -> None:
        """From now on jobs are over as soon as they are submitted."""
        self.service.holds_jobs = False

    def client(self, **options: Any) -> Client:
        """A client at the end of the line."""
        return Client(self.url, transport=self.line.plain(), **options)

    def call(self, kind: str, method: str, *args: Any, **options: Any) -> Any:
        """Call one method of the ``plain`` or the ``asynchronous`` client."""
        names = ("cache", "patience_seconds", "waits_for_start", "api_key")
        made = {name: options.pop(name) for name in names if name in options}
        if kind == "plain":
            with self.client(**made) as client:
                return getattr(client, method)(*args, **options)

        async def asynchronously() -> Any:
            transport = self.line.asynchronous()
            async with AsyncClient(self.url, transport=transport, **made) as client:
                return await getattr(client, method)(*args, **options)

        return asyncio.run(asynchronously())

    def _before(self, request: httpx2.Request) -> None:
        name = name_of(request)
        if name == "GET /v1/landscapes/ID/events":
            heard = int(request.headers.get("Last-Event-ID", "0").partition("-")[0])
            limit = self.line.break_after[0] if self.line.break_after else None
            upto = SAID_AT_FIRST + len(self.script) if limit is None else heard + limit
            self._with_job(request, lambda job: self._play(job, upto))
        elif name == "GET /v1/landscapes/ID" and self.looks is not None:
            self.looks -= 1
            if self.looks <= 0:
                self._with_job(request, Job.finish)

    def _play(self, job: Job, upto: int) -> None:
        while len(job.events) < upto and not job.status.is_over:
            step = len(job.events) - SAID_AT_FIRST
            if step >= len(self.script):
                return
            self.script[step](job)

    def _with_job(self, request: httpx2.Request, act: Callable[[Job], None]) -> None:
        job = self.service.jobs.get(request.url.path.split("/")[3])
        if job is not None and not job.status.is_over:
            self.service.from_thread(lambda: act(job))


@contextmanager
def application(**settings: Any) -> Iterator[Running]:
    """The application around a service in memory, until the block ends."""
    # A result at hand would be the last service's: each test has its own.
    chosen = ApiSettings.load(**{"results_at_hand_bytes": 0, **settings})
    app = create_app(chosen, service_factory=InMemoryService.open)
    with serving(app) as running:
        yield running


@contextmanager
def served(running: Running) -> Iterator[Served]:
    """The same application around a new service, so that one server does for many tests."""
    service = running.in_loop(lambda: _service(running.app.state.settings))
    running.app.state.service = service
    try:
        yield Served(running)
    finally:
        running.in_loop(lambda: close(service))


def _service(settings: Settings) -> InMemoryService:
    service = InMemoryService(settings, answer=two_minima)
    service.holds_jobs = True
    service.answers_to_calls = {
        "family": lambda query: family(query.student_width),
        "continuation": lambda query: continuation(),
        "leaks": lambda query: leaks(),
        "learning_rates": lambda query: learning_rates(),
        "structures": structures,
        "estimate": estimate,
    }
    return service
