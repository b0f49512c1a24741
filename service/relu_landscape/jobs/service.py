"""Everything the HTTP side needs, and nothing of HTTP."""

from __future__ import annotations

import asyncio
import logging
import platform
import time
from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from importlib.metadata import PackageNotFoundError, version
from typing import Any

import orjson

from relu_landscape import ALGORITHM, __version__
from relu_landscape.errors import JobFailed, NotFound, StoreUnavailable
from relu_landscape.jobs.engine import DEFAULT_ENGINE, Engine, check_names, load
from relu_landscape.jobs.pool.dask import Pool
from relu_landscape.jobs.pool.device import Backend, choose_backend
from relu_landscape.jobs.running.coordinator import Coordinator
from relu_landscape.jobs.running.short import ShortCalls
from relu_landscape.jobs.store.asking import AskingStore
from relu_landscape.jobs.store.connection import Target
from relu_landscape.jobs.store.embedded import EmbeddedServer
from relu_landscape.settings import Settings
from relu_landscape.wire.jobs import Event, JobStatus, Page, Readiness
from relu_landscape.wire.requests import LandscapeRequest

logger = logging.getLogger(__name__)

#: A waiter looks again after these: soon for small jobs, seldom for long ones.
FIRST_LOOK_SECONDS = 0.02
SLOWEST_LOOK_SECONDS = 0.5

_LIBRARIES = ("numpy", "scipy", "distributed", "redis", "cupy-cuda13x", "python-flint")


class LandscapeService:
    """Submit, watch, fetch and cancel landscapes. Make one with ``LandscapeService.open``.

    Every method may raise ``StoreUnavailable``; jobs themselves survive the store's absence.
    """

    def __init__(
        self,
        settings: Settings,
        backend: Backend,
        asking: AskingStore,
        pool: Pool,
        coordinator: Coordinator,
        server: EmbeddedServer | None,
        calls: ShortCalls,
        engine: Engine,
    ) -> None:
        self._settings = settings
        self._backend = backend
        self._asking = asking
        self._pool = pool
        self._coordinator = coordinator
        self._server = server
        self._calls = calls
        self._engine = engine

    @classmethod
    @asynccontextmanager
    async def open(
        cls, settings: Settings, *, engine: Engine = DEFAULT_ENGINE
    ) -> AsyncIterator[LandscapeService]:
        """Start or adopt the store, start the workers, and begin to claim jobs.

        Raises ``ConfigurationError``, ``StoreUnavailable`` or ``PoolUnavailable``, each with the
        remedy, when the service cannot start. Leaving it gives running jobs back.
        """
        async with AsyncExitStack() as stack:
            check_names(engine)
            backend = choose_backend(settings.backend)
            logger.info("backend %s on %s: %s", backend.name, backend.device, backend.reason)
            server = None
            if settings.redis_url is None:
                server = EmbeddedServer(settings)
                stack.push_async_callback(asyncio.to_thread, server.close)
                await asyncio.to_thread(server.open)
                target = Target.embedded(server.socket_path)
            else:
                target = Target.external(settings)
            asking = AskingStore(target, settings)
            stack.push_async_callback(asking.close)
            await asking.ping()
            for warning in await asking.warnings():
                logger.warning("%s", warning)
            pool = Pool(settings, engine, backend)
            stack.push_async_callback(asyncio.to_thread, pool.close)
            await asyncio.to_thread(pool.open)
            coordinator = Coordinator(settings, target, pool, engine, _provenance(backend))
            stack.push_async_callback(asyncio.to_thread, coordinator.close)
            coordinator.start()
            calls = ShortCalls(engine)
            stack.callback(calls.close)
            yield cls(settings, backend, asking, pool, coordinator, server, calls, engine)

    async def submit(self, request: LandscapeRequest) -> JobStatus:
        """Queue a landscape unless it is known already; safe in the store when this returns.

        Equal requests have equal ids and share one computation. A job that failed or was
        cancelled begins again, from the chunks it had finished. Raises ``RequestError`` where the
        settings allow less than the request asks for, ``InputError`` for a teacher or a structure
        that cannot be, ``Busy`` when too many jobs wait.
        """
        request.check_limits(
            largest_width=self._settings.largest_width,
            largest_starts=self._settings.largest_starts,
        )
        if request.teacher_gram is not None or request.structures is not None:
            # Whether these make sense only the engine knows; all else the model has checked.
            check = await asyncio.to_thread(load, self._engine.check)
            await asyncio.to_thread(check, request.canonical())
        job = request.content_id(self._backend.backend_class)
        await self._asking.submit(job, request.canonical())
        self._coordinator.wake()
        return await self._asking.status(job)

    async def status(self, id: str) -> JobStatus:  # noqa: A002 - the name in the contract
        """One job as of now. Raises ``NotFound``."""
        return await self._asking.status(id)

    async def wait(self, id: str, timeout_seconds: float) -> JobStatus:  # noqa: A002
        """The job when it is over, or as it is when the time is. Raises ``NotFound``."""
        deadline = time.monotonic() + timeout_seconds
        pause = FIRST_LOOK_SECONDS
        while True:
            status = await self._asking.status(id)
            left = deadline - time.monotonic()
            if status.is_over or left <= 0:
                return status
            await asyncio.sleep(min(pause, left))
            pause = min(SLOWEST_LOOK_SECONDS, pause * 1.5)

    async def result(self, id: str) -> bytes:  # noqa: A002
        """The finished landscape as JSON bytes, always the same ones.

        Raises ``NotFound`` for an unknown id or a job without a result yet, ``JobFailed``.
        """
        found = await self._asking.result(id)
        if found is not None:
            return found
        status = await self._asking.status(id)
        if status.state == "failed":
            raise JobFailed(status.error or "The computation failed.")
        if status.state == "finished":
            raise NotFound(f"The result of {id} is no longer in the store; submit it again.")
        raise NotFound(f"The landscape {id} has no result: it is {status.state}.")

    async def fixed_point(self, id: str, key: str) -> dict[str, Any]:  # noqa: A002
        """One fixed point with its details (weights, every eigenvalue) as further members.

        Raises ``NotFound`` for an unknown id or key, or a job without a result yet, ``JobFailed``.
        """
        landscape = orjson.loads(await self.result(id))
        details = await self._asking.details(id, key)
        for point in landscape["fixed_points"]:
            if point["key"] == key:
                return {**point, **(orjson.loads(details) if details else {})}
        raise NotFound(f"The landscape {id} has no fixed point {key!r}.")

    async def cancel(self, id: str) -> JobStatus:  # noqa: A002
        """Ask for a stop: ``cancelling`` until the cores are free, then ``cancelled``.

        A job that is over stays as it is. Raises ``NotFound``.
        """
        await self._asking.cancel(id)
        self._coordinator.cancel(id)
        return await self._asking.status(id)

    async def list(self, *, cursor: str | None, limit: int) -> Page:
        """Jobs, newest first. Raises ``RequestError`` for a cursor that no page gave."""
        return await self._asking.page(cursor, limit)

    def events(self, id: str, last_event_id: str | None) -> AsyncIterator[Event]:  # noqa: A002
        """The job's events after ``last_event_id`` (or all that are kept), to the last one.

        The iterator raises ``NotFound``, or ``RequestError`` for an id that no event had.
        """
        return self._asking.follow(id, last_event_id)

    async def readiness(self) -> Readiness:
        """Whether store, workers and coordinator answer, and what an operator should know."""
        checks = {"store": "ok", "pool": self._pool.problem or "ok", "coordinator": "ok"}
        warnings: list[str] = []
        try:
            await self._asking.ping()
            warnings = await self._asking.warnings()
        except StoreUnavailable as error:
            checks["store"] = (self._server.problem if self._server else None) or str(error)
        if not self._coordinator.is_alive:
            checks["coordinator"] = "no jobs are claimed"
        ready = all(check == "ok" for check in checks.values())
        return Readiness(ready=ready, checks=checks, warnings=warnings)

    def info(self) -> dict[str, Any]:
        """Versions, backend and why, store and pool, limits; JSON types."""
        return {
            "version": __version__,
            "algorithm": ALGORITHM,
            "python": platform.python_version(),
            "libraries": _libraries(),
            "backend": {
                "name": self._backend.name,
                "class": self._backend.backend_class,
                "device": self._backend.device,
                "reason": self._backend.reason,
            },
            "store": "external" if self._server is None else "embedded",
            "pool": self._pool.kind,
            "workers": self._pool.threads,
            "limits": {
                name: getattr(self._settings, name)
                for name in (
                    "largest_width",
                    "largest_starts",
                    "body_limit_bytes",
                    "jobs_at_once",
                    "waiting_jobs_limit",
                    "result_ttl_seconds",
                    "rate_limit",
                )
            },
        }

    async def counts(self) -> dict[str, int]:
        """Jobs by state (whole store), chunks and worker threads (this process)."""
        return {
            **await self._asking.counts(),
            **self._pool.counts(),
            "worker_threads": self._pool.threads,
        }

    async def compute(
        self,
        function_name: str,
        arguments: Mapping[str, Any],
        timeout_seconds: float,
    ) -> dict[str, Any]:
        """Call one of the engine's short functions in a thread; its answer in JSON types.

        Raises what the function raises (errors of ours only), ``NotFound`` for a name that the
        engine does not export, ``Busy`` when every thread for calls is taken, and
        ``PoolUnavailable`` when the time is over.
        """
        return await self._calls.call(function_name, arguments, timeout_seconds)


def _libraries() -> dict[str, str]:
    found = {}
    for name in _LIBRARIES:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            continue
    return found


def _provenance(backend: Backend) -> dict[str, Any]:
    return {
        "version": __version__,
        "algorithm": ALGORITHM,
        "backend": backend.name,
        "device": backend.device,
        "libraries": {"python": platform.python_version(), **_libraries()},
    }
