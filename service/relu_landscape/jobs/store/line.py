"""Where in the line a waiting job stands: how many jobs would be claimed before it."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable

from relu_landscape.analyses import Registry
from relu_landscape.jobs.store.connection import Patience
from relu_landscape.jobs.store.reading import Look, is_waiting
from relu_landscape.jobs.store.scripts import Scripts
from relu_landscape.settings import Settings

#: A line of so many takes a millisecond of the store, and each of those who wait may look often.
MANY = 100
#: So one of as many is looked at once in this time, for all who stood in it then.
OLDEST_SECONDS = 0.25


class Line:
    """One client's look at it (``lua/line.lua``); asked only for jobs that wait."""

    def __init__(
        self,
        scripts: Scripts,
        patience: Patience,
        registry: Registry,
        settings: Settings,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._scripts = scripts
        self._patience = patience
        self._clock = clock
        asking = ",".join(each.kind for each in registry.analyses if each.asks_others)
        self._first = (asking, "1" if settings.small_jobs_at_once else "", MANY)
        self._seen: dict[str, int] = {}
        self._seen_at = clock()

    async def before(self, looks: Iterable[tuple[str, Look]]) -> dict[str, int]:
        """How many stand before each of these jobs that waits. Raises ``StoreUnavailable``.

        In a line of ``MANY`` and more it is what was so at most ``OLDEST_SECONDS`` ago.
        """
        jobs = [job for job, look in looks if is_waiting(look)]
        if self._clock() - self._seen_at > OLDEST_SECONDS:
            self._seen = {}
        known = {job: self._seen[job] for job in jobs if job in self._seen}
        missing = [job for job in jobs if job not in known]
        return known | await self._ask(missing) if missing else known

    async def _ask(self, jobs: list[str]) -> dict[str, int]:
        began = self._clock()
        found, *lines = await self._patience.call_async(
            lambda: self._scripts.run("line", *self._first, *jobs)
        )
        if lines:
            self._seen_at = self._seen_at if self._seen else began
            self._seen |= {job.decode(): at for line in lines for at, job in enumerate(line)}
        return {job: int(at) for job, at in zip(jobs, found, strict=True) if at is not None}
