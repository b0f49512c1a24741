"""Everything the HTTP side needs, and nothing of HTTP."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, aclosing, asynccontextmanager

from relu_landscape.analyses import ANALYSES, Registry, composition
from relu_landscape.errors import JobFailed, NotFound, StoreUnavailable
from relu_landscape.jobs import tracing
from relu_landscape.jobs.about import service_info
from relu_landscape.jobs.desk import StoreDesk
from relu_landscape.jobs.intake import Intake
from relu_landscape.jobs.keeping import Keeper
from relu_landscape.jobs.listing import EVERYTHING, Wanted, of_kind
from relu_landscape.jobs.pool import exposed
from relu_landscape.jobs.pool.dask import DaskPool
from relu_landscape.jobs.pool.device import ChosenBackend, choose_backend
from relu_landscape.jobs.running.archiving import open_archivist
from relu_landscape.jobs.running.coordinator import Coordinator
from relu_landscape.jobs.running.retention import open_retention
from relu_landscape.jobs.running.sealing import whole_part
from relu_landscape.jobs.running.short import ShortCalls
from relu_landscape.jobs.store.asking import AskingStore
from relu_landscape.jobs.store.audit import StoredTrail
from relu_landscape.jobs.store.connection import Target
from relu_landscape.jobs.store.embedded import EmbeddedServer
from relu_landscape.jobs.store.keeping import KeepingStore
from relu_landscape.jobs.store.keys import StoredKeys
from relu_landscape.jobs.store.lists import ListingStore
from relu_landscape.jobs.words import ANYONE, no_part, no_result
from relu_landscape.settings import Settings
from relu_landscape.wire.base import JsonObject, Wire
from relu_landscape.wire.jobs import TERMINAL, AnyStatus, Event, Page, Readiness
from relu_landscape.wire.labels import LabelChange
from relu_landscape.wire.requests import AnalysisRequest
from relu_landscape.wire.service import ServiceInfo

logger = logging.getLogger(__name__)

#: A waiter looks again after these: soon for small jobs, seldom for long ones.
FIRST_LOOK_SECONDS = 0.02
SLOWEST_LOOK_SECONDS = 0.5


class AnalysisService:
    """``jobs.interface.Service`` over a store and a compute pool.

    Make one with ``AnalysisService.open``. What each method promises stands in the interface.
    """

    def __init__(
        self,
        settings: Settings,
        backend: ChosenBackend,
        asking: AskingStore,
        pool: DaskPool,
        coordinator: Coordinator,
        server: EmbeddedServer | None,
        calls: ShortCalls,
        registry: Registry,
        intake: Intake,
        keys: StoredKeys,
        trail: StoredTrail,
        keeper: Keeper,
        lists: ListingStore,
    ) -> None:
        self._intake = intake
        self._settings = settings
        self._backend = backend
        self._asking = asking
        self._pool = pool
        self._coordinator = coordinator
        self._server = server
        self._calls = calls
        self.registry = registry
        self.keys = keys
        self.trail = trail
        self._keeper = keeper
        self._lists = lists
        self._exposed = exposed.warnings(settings)

    @classmethod
    @asynccontextmanager
    async def open(
        cls, settings: Settings, *, registry: Registry = ANALYSES
    ) -> AsyncIterator[AnalysisService]:
        """Start or adopt the store, start the workers, and begin to claim jobs.

        Raises ``ConfigurationError``, ``StoreUnavailable`` or ``PoolUnavailable``, each with the
        remedy, when the service cannot start. Leaving it gives running jobs back.
        """
        async with AsyncExitStack() as stack:
            registry.check_names()
            exposed.require_private(settings)
            backend = choose_backend(settings.backend, settings.kernel)
            logger.info("backend %s on %s: %s", backend.name, backend.device, backend.reason)
            logger.info("kernel: %s", backend.kernel_reason)
            server = None
            if settings.redis_url is None:
                server = EmbeddedServer(settings)
                stack.push_async_callback(asyncio.to_thread, server.close)
                await asyncio.to_thread(server.open)
                target = server.target
            else:
                target = Target.external(settings)
            asking = AskingStore(target, settings, registry, backend.backend_class)
            stack.push_async_callback(asking.close)
            await asking.ping()
            await asking.require_single()
            for warning in [*exposed.warnings(settings), *await asking.warnings()]:
                logger.warning("%s", warning)
            keys, trail = StoredKeys(target, settings), StoredTrail(target, settings)
            stack.push_async_callback(keys.close)
            stack.push_async_callback(trail.close)
            pool = DaskPool(settings, registry, backend)
            stack.push_async_callback(asyncio.to_thread, pool.close)
            await asyncio.to_thread(pool.open)
            archivist = await asyncio.to_thread(open_archivist, settings, target)
            if archivist is not None:
                stack.push_async_callback(asyncio.to_thread, archivist.close)
                archivist.start()
            is_kept = None if archivist is None else archivist.has
            retention = open_retention(settings, target, is_kept)
            if retention is not None:
                stack.push_async_callback(asyncio.to_thread, retention.close)
                retention.start()
            intake = Intake(asking, settings, registry, archivist)
            desk = StoreDesk(intake, asking, backend.backend_class)
            ended = None if archivist is None else archivist.ended
            coordinator = Coordinator(settings, target, pool, registry, backend, desk, ended)
            stack.push_async_callback(asyncio.to_thread, coordinator.close)
            coordinator.start()
            calls = ShortCalls(registry, settings)
            stack.push_async_callback(asyncio.to_thread, calls.close)
            # Later than the workers: the first question is more often one of theirs.
            calls.open(may_begin=lambda: pool.warming.is_over)
            keeping = KeepingStore(target, settings)
            stack.push_async_callback(keeping.close)
            lists = ListingStore(target, settings, registry)
            stack.push_async_callback(lists.close)
            lists.start()
            # The first job would wait for it.
            warm = asyncio.create_task(asyncio.to_thread(_import, registry))
            stack.push_async_callback(asyncio.wait, {warm})
            yield cls(
                settings, backend, asking, pool, coordinator, server, calls, registry, intake, keys,
                trail, Keeper(keeping, intake), lists,
            )  # fmt: skip

    def identify(self, request: AnalysisRequest) -> str:
        request.check_limits(
            largest_width=self._settings.largest_width,
            largest_starts=self._settings.largest_starts,
        )
        return request.content_id(self._backend.backend_class)

    async def submit(self, request: AnalysisRequest, holder: str = ANYONE) -> AnyStatus:
        job = self.identify(request)
        with tracing.span("submit", kind="PRODUCER", relu_landscape__job=job) as span:
            state = await self._intake.submit(job, request, holder)
            span.say(relu_landscape__state=state)
        if state == "finished":
            await self._keeper.note_asker(job, holder)
        self._coordinator.wake()
        return await self._asking.status(job)

    async def status(self, id: str) -> AnyStatus:  # noqa: A002 - the name in the contract
        try:
            return await self._asking.status(id)
        except NotFound:
            if await self._intake.bring_back(id) is None:
                raise
            return await self._asking.status(id)

    async def wait(self, id: str, timeout_seconds: float) -> AnyStatus:  # noqa: A002
        deadline = time.monotonic() + timeout_seconds
        pause = FIRST_LOOK_SECONDS
        # The state alone: where a job stands in the line is more work, and asked for once.
        while await self._intake.find(id) not in TERMINAL:
            left = deadline - time.monotonic()
            if left <= 0:
                break
            await asyncio.sleep(min(pause, left))
            pause = min(SLOWEST_LOOK_SECONDS, pause * 1.5)
        return await self.status(id)

    async def result(self, id: str) -> bytes:  # noqa: A002
        found = await self._asking.result(id)
        if found is not None:
            return found
        bundle = await self._intake.bring_back(id)
        if bundle is not None:
            return bundle.result
        status = await self._asking.status(id)
        if status.state == "failed":
            raise JobFailed(status.error or "The computation failed.")
        raise no_result(self.registry.analysis(status.kind), status)

    async def part(self, id: str, key: str) -> JsonObject:  # noqa: A002
        result = await self.result(id)
        details = await self._asking.details(id, key)
        analysis = self.registry.analysis((await self._asking.status(id)).kind)
        try:
            return whole_part(analysis, result, details, key)
        except KeyError:
            raise no_part(analysis, id, key) from None

    async def cancel(self, id: str, holder: str | None = ANYONE) -> AnyStatus:  # noqa: A002
        await self._intake.find(id)
        if await self._asking.cancel(id, holder) in ("cancelling", "cancelled"):
            self._coordinator.cancel(id)
        return await self._asking.status(id)

    async def pin(self, id: str) -> AnyStatus:  # noqa: A002
        await self._keeper.pin(id)
        return await self._asking.status(id)

    async def unpin(self, id: str) -> AnyStatus:  # noqa: A002
        await self._keeper.unpin(id)
        return await self._asking.status(id)

    async def delete(self, id: str) -> None:  # noqa: A002
        await self._keeper.delete(id)

    async def label(self, id: str, who: str, change: LabelChange) -> AnyStatus:  # noqa: A002
        await self._keeper.label(id, who, change)
        return await self._asking.status(id)

    async def note_asker(self, id: str, who: str) -> None:  # noqa: A002
        await self._keeper.note_asker(id, who)

    def deletions(self) -> AsyncIterator[str | None]:
        return self._keeper.deletions()

    async def list(
        self, *, kind: str | None, cursor: str | None, limit: int, wanted: Wanted = EVERYTHING
    ) -> Page[AnyStatus]:
        return await self._lists.page(of_kind(self.registry, kind, wanted), cursor, limit)

    async def events(
        self,
        id: str,  # noqa: A002
        last_event_id: str | None,
    ) -> AsyncIterator[Event]:
        await self._intake.find(id)
        async with aclosing(self._asking.follow(id, last_event_id)) as events:
            async for event in events:
                yield event

    async def call(self, name: str, query: Wire, timeout_seconds: float) -> Wire:
        return await self._calls.call(name, query, timeout_seconds)

    async def readiness(self) -> Readiness:
        checks = {"store": "ok", "pool": self._pool.problem or "ok", "coordinator": "ok"}
        warnings: list[str] = []
        try:
            warnings = await self._asking.health()
        except StoreUnavailable as error:
            checks["store"] = str(error)
        warnings = [*warnings, *self._exposed]
        if self._pool.warning is not None:
            warnings = [*warnings, self._pool.warning]
        if self._intake.archivist is not None:
            warnings = [*warnings, *self._intake.archivist.warnings]
        if not self._coordinator.is_alive:
            checks["coordinator"] = "no jobs are claimed"
        ready = all(check == "ok" for check in checks.values())
        return Readiness(ready=ready, checks=checks, warnings=warnings)

    def info(self) -> ServiceInfo:
        return service_info(
            self.registry,
            self._settings,
            self._backend,
            store="external" if self._server is None else "embedded",
            pool=self._pool.kind,
            workers=self._pool.threads,
        )

    async def figures(self) -> dict[str, float]:
        return {**await self._asking.figures(), **self._pool.figures()}


def _import(registry: Registry) -> None:
    """Import what composes jobs: seconds, for which the first one would wait."""
    for each in registry.analyses:
        composition(each.composition)
