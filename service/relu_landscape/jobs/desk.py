"""Asking for jobs from the threads that run others, through the store's asking side."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine, Sequence
from concurrent.futures import CancelledError
from typing import Any, TypeVar

from relu_landscape.engine.tasks import Ended
from relu_landscape.errors import InputError, NotFound, StoreUnavailable
from relu_landscape.jobs.intake import Intake
from relu_landscape.jobs.store.asking import AskingStore
from relu_landscape.wire.jobs import TERMINAL
from relu_landscape.wire.requests import AnalysisRequest

Answer = TypeVar("Answer")

#: The store's own patience is shorter; this is for an event loop that has ended.
LONGEST_WAIT_SECONDS = 120.0


class StoreDesk:
    """``running.questions.Desk``, for threads beside the event loop that it was made in."""

    def __init__(self, intake: Intake, asking: AskingStore, backend_class: str) -> None:
        self._intake = intake
        self._refused: dict[str, str] = {}
        self._asking = asking
        self._backend_class = backend_class
        self._loop = asyncio.get_running_loop()

    def submit(self, request: AnalysisRequest, holder: str) -> tuple[str, bool]:
        job = request.content_id(self._backend_class)
        try:
            return job, self._run(self._intake.submit(job, request, holder)) in TERMINAL
        except InputError as error:  # never a job: what it would have come to is why
            self._refused[job] = str(error)
            return job, True

    def ended(self, jobs: Sequence[str]) -> dict[str, Ended | None]:
        return self._run(self._ended(jobs))

    def let_go(self, job: str, holder: str) -> str:
        return self._run(self._asking.cancel(job, holder))

    async def _ended(self, jobs: Sequence[str]) -> dict[str, Ended | None]:
        found = await asyncio.gather(*map(self._one, jobs))
        return {job: ended for job, (is_over, ended) in zip(jobs, found, strict=True) if is_over}

    async def _one(self, job: str) -> tuple[bool, Ended | None]:
        if job in self._refused:
            return True, Ended(job, None, self._refused.pop(job))
        try:
            state = await self._asking.state(job)
            if state not in TERMINAL:
                return False, None
            if state == "finished":
                result = await self._asking.result(job)
                if result is None and (kept := await self._intake.bring_back(job)) is not None:
                    result = kept.result
                return True, None if result is None else Ended(job, result)
            error = (await self._asking.status(job)).error
        except NotFound:
            return True, None
        return True, Ended(job, None, error or f"Its computation was {state}.")

    def _run(self, call: Coroutine[Any, Any, Answer]) -> Answer:
        future = asyncio.run_coroutine_threadsafe(call, self._loop)
        try:
            return future.result(LONGEST_WAIT_SECONDS)
        except (TimeoutError, CancelledError) as error:
            future.cancel()
            raise StoreUnavailable("The service is stopping.") from error
