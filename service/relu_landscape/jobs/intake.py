"""Where jobs come in, whoever asks for them: bounds, cost, the archive, then the queue."""

from __future__ import annotations

import asyncio
from contextlib import suppress

from relu_landscape.analyses import Registry
from relu_landscape.errors import NotFound, StoreUnavailable
from relu_landscape.jobs.admission import admit
from relu_landscape.jobs.running.archiving import Archivist
from relu_landscape.jobs.store.asking import AskingStore
from relu_landscape.jobs.store.bundle import Bundle
from relu_landscape.settings import Settings
from relu_landscape.wire import shortened
from relu_landscape.wire.requests import AnalysisRequest


class Intake:
    """One store's, with its archive if there is one; for one event loop."""

    def __init__(
        self,
        asking: AskingStore,
        settings: Settings,
        registry: Registry,
        archivist: Archivist | None,
    ) -> None:
        self._asking = asking
        self._settings = settings
        self._registry = registry
        self.archivist = archivist

    async def submit(self, job: str, request: AnalysisRequest, holder: str) -> str:
        """Let a request in under its content id; the state of its job.

        Raises what ``Service.submit`` raises.
        """
        request.check_limits(
            largest_width=self._settings.largest_width,
            largest_starts=self._settings.largest_starts,
        )
        if self.archivist is not None and not await self._asking.needs_nothing(job):
            # Or it would be computed again, which is better than to compute nothing for want of an
            # archive; what the store itself has to say it says next.
            with suppress(StoreUnavailable):
                await self.bring_back(job)
        small = await self._is_new(job) and await self._admit(request)
        shown = shortened.shown(request)
        body = request.canonical()
        return await self._asking.submit(job, request.kind, body, holder, shown, small=small)

    async def _admit(self, request: AnalysisRequest) -> bool:
        """Whether it is small. A kind that asks others has places of its own as it is."""
        analysis = self._registry.analysis(request.kind)
        if analysis.asks_others and not request.needs_the_engine:
            return False
        return await asyncio.to_thread(admit, analysis.composition, request, self._settings)

    async def find(self, job: str) -> str:
        """The state of the job, which the store has then, from the archive if need be.

        Raises ``NotFound``.
        """
        try:
            return await self._asking.state(job)
        except NotFound:
            if await self.bring_back(job) is None:
                raise
            return await self._asking.state(job)

    async def bring_back(self, job: str) -> Bundle | None:
        """The job from the archive, if there is one that has it; the store has it then as well."""
        if self.archivist is None:
            return None
        return await asyncio.to_thread(self.archivist.bring_back, job)

    async def _is_new(self, job: str) -> bool:
        """Whether it would be computed: a known result costs nothing more."""
        try:
            return await self._asking.state(job) != "finished"
        except NotFound:
            return True
