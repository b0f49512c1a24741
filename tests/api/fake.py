"""A service in memory with the interface of ``LandscapeService``; computes nothing."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import orjson

from relu_landscape.errors import (
    Busy,
    InputError,
    JobFailed,
    NotFound,
    RequestError,
)
from relu_landscape.settings import Settings
from relu_landscape.wire.jobs import Event, JobStatus, Page, Progress, Readiness
from relu_landscape.wire.landscape import Landscape
from relu_landscape.wire.requests import LandscapeRequest

NOW = "2026-01-02T03:04:05.678Z"


def landscape(content_id: str, request: dict[str, Any]) -> dict[str, Any]:
    """A landscape of the right shape: the global minimum of equal widths, without its physics."""
    student, teacher = request["student_width"], request["teacher_width"]
    point = {
        "key": "g1",
        "kind": "minimum",
        "loss": 0.0,
        "is_global": True,
        "found_by": ["sampled"],
        "structure": {
            "name": str(teacher),
            "blocks": [teacher],
            "students": [{"size": student, "teacher_block": 0}],
            "extra_students": 0,
            "isotropy": f"S{teacher}",
            "orbit_size": str(2**70),
            "anti_aligned": 0,
        },
        "overlaps": {
            "R": [[float(i == j) for j in range(teacher)] for i in range(student)],
            "Q": [[float(i == j) for j in range(student)] for i in range(student)],
        },
        "norms": [1.0] * student,
        "stability": {
            "attractive": True,
            "index": 0,
            "nullity": 0,
            "min_eigenvalue": 0.125,
            "min_eigenvalue_perpendicular": 0.25,
            "eigenvalue_tolerance": 1e-9,
            "gradient_norm": 0.0,
            "spectrum": [{"eigenvalue": 0.125, "multiplicity": 2, "space": "plane"}],
            "slowest_time": 8.0,
        },
        "attraction": {"hits": 1, "probability": 1.0, "interval_95": [0.5, 1.0]},
    }
    document = {
        "id": content_id,
        "request": request,
        "provenance": {
            "version": "0",
            "algorithm": "1",
            "backend": "numpy",
            "device": "cpu",
            "libraries": {},
            "seconds": 0.5,
        },
        "digest": content_id,
        "starts": {"asked": 1, "converged": 1, "failed": 0, "left_saddles": 0, "outcomes": {}},
        "unseen_mass": {"estimate": 0.0, "upper_bound_95": 0.5},
        "searched": {},
        "fixed_points": [point],
        "transitions": [],
    }
    return Landscape.model_validate(document).model_dump(mode="json")


class FakeService:
    """What it does is set by a few knobs; jobs end as soon as ``release`` is set."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.release = asyncio.Event()
        self.release.set()
        self.error: Exception | None = None  # raised by every call
        self.failure: str | None = None  # jobs end as failed with this text
        self.is_full = False
        self.faults: dict[str, str] = {}
        self.computations = 0
        self.computed: list[tuple[str, dict[str, Any]]] = []
        self.closed = False
        self.open_streams = 0
        self._jobs: dict[str, JobStatus] = {}
        self._events: dict[str, list[Event]] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self._news = asyncio.Condition()

    @classmethod
    @asynccontextmanager
    async def open(cls, settings: Settings) -> AsyncIterator[FakeService]:
        service = cls(settings)
        try:
            yield service
        finally:
            for task in service._tasks:
                task.cancel()
            await asyncio.gather(*service._tasks, return_exceptions=True)
            service.closed = True

    async def submit(self, request: LandscapeRequest) -> JobStatus:
        self._check()
        content_id = request.content_id("cpu")
        known = self._jobs.get(content_id)
        if known is not None and known.state not in ("failed", "cancelled"):
            return known
        if self.is_full:
            raise Busy("1000 landscapes are waiting; try again later.", 7)
        self.computations += 1
        self._jobs[content_id] = JobStatus(
            id=content_id,
            state="queued",
            request=request.canonical(),
            created_at=NOW,
            started_at=None,
            finished_at=None,
            progress=Progress(starts=request.starts),
            findings=[],
            error=None,
            attempts=0,
        )
        self._events[content_id] = []
        task = asyncio.create_task(self._run(content_id))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return self._jobs[content_id]

    async def _run(self, content_id: str) -> None:
        await self._become(content_id, state="running", started_at=NOW, attempts=1)
        progress = Progress(phase="sample", tasks_done=1, tasks=4, fraction=0.25, seconds_left=12.3)
        await self._say(content_id, "progress", progress.model_dump())
        found = [{"key": "g1", "kind": "minimum", "loss": 0.0, "hits": 1}]
        await self._say(content_id, "findings", {"findings": found})
        await self._become(content_id, progress=progress, findings=found)
        await self.release.wait()
        if self._jobs[content_id].state == "cancelling":
            await self._become(content_id, state="cancelled", finished_at=NOW)
        elif self.failure is not None:
            await self._become(content_id, state="failed", finished_at=NOW, error=self.failure)
        else:
            await self._become(content_id, state="finished", finished_at=NOW)

    async def _become(self, content_id: str, **changes: Any) -> None:
        job = self._jobs[content_id].model_copy(update=changes)
        self._jobs[content_id] = job
        if "state" in changes:
            await self._say(content_id, "state", {"state": job.state, "error": job.error})

    async def _say(self, content_id: str, name: Any, data: dict[str, Any]) -> None:
        async with self._news:
            events = self._events[content_id]
            events.append(Event(id=f"{len(events) + 1}-0", name=name, data=data))
            self._news.notify_all()

    async def status(self, id: str) -> JobStatus:  # noqa: A002
        self._check()
        if id not in self._jobs:
            raise NotFound(f"No landscape is called {id}.")
        return self._jobs[id]

    async def wait(self, id: str, timeout_seconds: float) -> JobStatus:  # noqa: A002
        await self.status(id)
        try:
            async with asyncio.timeout(timeout_seconds), self._news:
                await self._news.wait_for(lambda: self._jobs[id].is_over)
        except TimeoutError:
            pass
        return self._jobs[id]

    async def result(self, id: str) -> bytes:  # noqa: A002
        status = await self.status(id)
        if status.state == "failed":
            raise JobFailed(status.error or "It failed.")
        if status.state != "finished":
            raise NotFound(f"Landscape {id} is {status.state}; there is no result yet.")
        return orjson.dumps(landscape(id, status.request))

    async def fixed_point(self, id: str, key: str) -> dict[str, Any]:  # noqa: A002
        points = orjson.loads(await self.result(id))["fixed_points"]
        for point in points:
            if point["key"] == key:
                weights = point["overlaps"]["R"]
                details = {"weights": weights, "eigenvalues": [0.125, 0.125]}
                return {**point, **details}
        raise NotFound(f"Landscape {id} has no fixed point {key!r}.")

    async def cancel(self, id: str) -> JobStatus:  # noqa: A002
        if not (await self.status(id)).is_over:
            await self._become(id, state="cancelling")
        return self._jobs[id]

    async def list(self, *, cursor: str | None, limit: int) -> Page:
        self._check()
        newest = list(reversed(self._jobs.values()))
        if cursor is not None and not cursor.isdecimal():
            raise RequestError("cursor", cursor, "the next_cursor of an earlier page")
        first = int(cursor or 0)
        following = first + limit
        return Page(
            items=newest[first:following],
            next_cursor=str(following) if following < len(newest) else None,
        )

    async def events(self, id: str, last_event_id: str | None) -> AsyncIterator[Event]:  # noqa: A002
        self._check()
        seen = int((last_event_id or "0").partition("-")[0] or 0)
        self.open_streams += 1
        try:
            while True:
                async with self._news:
                    while len(self._events[id]) <= seen and not self._jobs[id].is_over:
                        self._check()
                        await self._news.wait()
                self._check()
                if len(self._events[id]) <= seen:
                    return
                event = self._events[id][seen]
                seen += 1
                yield event
                if event.is_last:
                    return
        finally:
            self.open_streams -= 1

    async def readiness(self) -> Readiness:
        self._check()
        checks = {"store": "ok", "pool": "ok"} | self.faults
        return Readiness(ready=not self.faults, checks=checks, warnings=["a warning"])

    def info(self) -> dict[str, Any]:
        return {"version": "0", "backend": "numpy"}

    async def counts(self) -> dict[str, int]:
        self._check()
        states = [job.state for job in self._jobs.values()]
        return {"running": states.count("running"), "finished": states.count("finished"), "x": 3}

    async def compute(
        self, function_name: str, arguments: dict[str, Any], timeout_seconds: float
    ) -> dict[str, Any]:
        self._check()
        self.computed.append((function_name, arguments))
        if arguments.get("structure") == "nonsense":
            raise InputError("There is no structure 'nonsense'; write block sizes such as '1+16'.")
        return {"loss": 0.25}

    async def wake(self) -> None:
        """Let readers look again, for instance at ``error``."""
        async with self._news:
            self._news.notify_all()

    def _check(self) -> None:
        if self.error is not None:
            raise self.error
