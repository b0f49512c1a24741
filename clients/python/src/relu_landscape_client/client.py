"""The two clients. Each method starts a conversation of ``_flows`` and reads what it returns."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, Unpack

from relu_landscape_client import _answers, _bar, _drivers, _flows, _http, _local, _networks
from relu_landscape_client._base import id_of, request_of, sweep_of
from relu_landscape_client._calling import AsyncCalling, Calling
from relu_landscape_client._descending import AsyncDescending, Descending
from relu_landscape_client._gathering import AsyncGathering, Gathering
from relu_landscape_client._keeping import AsyncKeeping, Keeping
from relu_landscape_client._kicking import AsyncKicking, Kicking
from relu_landscape_client._options import (
    FrequenciesOptions,
    Options,
    PointsOptions,
    SweepOptions,
    TrajectoryOptions,
)
from relu_landscape_client.status import Status

if TYPE_CHECKING:
    import httpx2

    from relu_landscape_client._bar import ProgressOption
    from relu_landscape_client.frequencies import Frequencies
    from relu_landscape_client.locations import Points
    from relu_landscape_client.points import FixedPoint
    from relu_landscape_client.results import Landscape
    from relu_landscape_client.sweeps import Sweep
    from relu_landscape_client.trajectories import Trajectory, TrajectoryRun

#: A server restarts in seconds; half a minute also covers a slow one.
PATIENCE_SECONDS = 30.0
#: One call's limit. The longest answer, a large landscape, is some megabytes.
CALL_TIMEOUT_SECONDS = 30.0


class Client(Calling, Descending, Gathering, Kicking, Keeping):
    """A relu-landscape server, seen from a script or a notebook.

    Args:
        url: the server's address, such as ``http://lab:8000``.
        api_key: sent as ``Authorization: Bearer``, where the server asks for one.
        cache: keep results on disk by their content id: True (the platform's cache folder),
            a folder, or False.
        timeout_seconds: limit of one HTTP call (never of a computation).
        patience_seconds: for so long a call is repeated while the server does not answer or says
            that it is busy; ``Retry-After`` is obeyed. 0: every call is made once. Repeating is
            safe: the same request has the same id and joins the same computation.
        waits_for_start: False: where nothing can be reached at ``url``, ``ServerAbsent`` is raised
            at once instead of being patient, until the server has answered for the first time.
        transport: an ``httpx2`` transport instead of the network, for tests.

    Safe to use from several threads. Close it, or use it as a context manager.
    """

    def __init__(
        self, url: str = "http://127.0.0.1:8000", api_key: str | None = None, *,
        cache: bool | str | Path = True, timeout_seconds: float = CALL_TIMEOUT_SECONDS,
        patience_seconds: float = PATIENCE_SECONDS, waits_for_start: bool = True,
        transport: httpx2.BaseTransport | None = None,
    ) -> None:  # fmt: skip
        super().__init__(cache, _http.Patience(patience_seconds, waits_for_start=waits_for_start))
        options = _http.base_options(url, api_key, timeout_seconds)
        self._driver = _drivers.SyncDriver(options, self._patience, transport)

    @classmethod
    def local(
        cls, *, folder: str | Path | None = None, workers: int | None = None,
        cache: bool | str | Path = True,
    ) -> Client:  # fmt: skip
        """A client with a service of its own, in a child of this process; nothing else must run.

        The service (the distribution ``relu-landscape``, in the same Python) listens on a free port
        of this machine with a key of its own, and ends with ``close``, with the block of ``with``,
        or with this process, however that ends. Its results and unfinished work stay in ``folder``
        (None: the platform's for data); ``workers`` is how many processes compute, by default one
        for each core. Settings of other services in the environment do not count. Raises
        ``MissingService`` where it is not installed, ``LocalServiceFailed`` where it does not
        start.
        """
        service = _local.LocalService(folder, workers)
        client = cls(
            service.url, service.api_key, cache=cache, timeout_seconds=_local.CALL_TIMEOUT_SECONDS
        )
        client._own(service)
        return client

    def landscape(
        self, student_width: int, teacher_width: int, *, progress: ProgressOption = None,
        timeout_seconds: float | None = None, **options: Unpack[Options],
    ) -> Landscape:  # fmt: skip
        """Compute a landscape, or fetch it where it is known, and wait for it.

        ``progress``: True for a bar, False for none, None for one where a person watches, or a
        function that is called with each new ``Status``. After ``timeout_seconds`` a ``TimedOut``
        is raised; the server goes on, and the same call picks the result up.
        """
        request = request_of(student_width, teacher_width, options)
        with _bar.watching(progress) as watcher:
            return _answers.landscape(
                self._driver.run(self._whole(request, watcher, timeout_seconds))
            )

    def submit(
        self, student_width: int, teacher_width: int, **options: Unpack[Options]
    ) -> Status:  # fmt: skip
        """Hand a request in and come back at once; the same request always has the same id."""
        request = request_of(student_width, teacher_width, options)
        return self._driver.run(_flows.submit(request))[0]

    def result(
        self, which: str | Status, *, progress: ProgressOption = None,
        timeout_seconds: float | None = None,
    ) -> Landscape:  # fmt: skip
        """The landscape under an id, from the cache or the server; waits until it is finished."""
        with _bar.watching(progress) as watcher:
            return _answers.landscape(
                self._driver.run(_flows.result(id_of(which), self._cache, watcher, timeout_seconds))
            )

    def status(self, which: str | Status) -> Status:
        """Where a landscape stands, with what has been found so far."""
        return self._driver.run(_flows.status(id_of(which)))[0]

    def cancel(self, which: str | Status) -> Status:
        """Cancel a landscape by its id, or a job of any kind by its ``Status``.

        The state is ``cancelling`` until the cores are free.
        """
        return self._driver.run(_flows.cancel(which))

    def fixed_point(self, which: str | Status | Landscape, key: str) -> FixedPoint:
        """One fixed point in full; its ``details`` hold weights and all eigenvalues."""
        return _answers.fixed_point(self._driver.run(_flows.fixed_point(id_of(which), key)))

    def trajectory(
        self, student_width: int, teacher_width: int, *, progress: ProgressOption = None,
        timeout_seconds: float | None = None, **options: Unpack[TrajectoryOptions],
    ) -> Trajectory:  # fmt: skip
        """Follow gradient flow, or one-pass SGD; the other arguments as for ``landscape``."""
        request = request_of(student_width, teacher_width, options)
        with _bar.watching(progress) as watcher:
            return _answers.trajectory(self._driver.run(
                self._whole(request, watcher, timeout_seconds, _flows.TRAJECTORIES)
            ))  # fmt: skip

    def frequencies(
        self, student_width: int, teacher_width: int, *, progress: ProgressOption = None,
        timeout_seconds: float | None = None, **options: Unpack[FrequenciesOptions],
    ) -> Frequencies:  # fmt: skip
        """Which minima SGD reaches beside gradient flow; other arguments as for ``landscape``."""
        request = request_of(student_width, teacher_width, options)
        with _bar.watching(progress) as watcher:
            flow = self._whole(request, watcher, timeout_seconds, _flows.FREQUENCIES)
            return _answers.frequencies(self._driver.run(flow))

    def locate(
        self, weights: Any = None, teacher: Any = None, *, progress: ProgressOption = None,
        timeout_seconds: float | None = None, **options: Unpack[PointsOptions],
    ) -> Points:  # fmt: skip
        """Where networks stand: ``weights`` (K, d) or (n, K, d) with ``teacher`` (M, d).

        Arrays, torch tensors, or a ``state_dict`` (``docs/client.md`` says which keys); in place
        of either ``teacher_gram``, ``Q`` and ``R``. The other arguments as for ``landscape``.
        """
        request = _networks.archive(weights, teacher, options)
        with _bar.watching(progress) as watcher:
            return _answers.points(
                self._driver.run(self._whole(request, watcher, timeout_seconds, _flows.POINTS))
            )

    def sweep(
        self, grid: Mapping[str, Any], *, again: int | None = None,
        progress: ProgressOption = None, timeout_seconds: float | None = None,
        **base: Unpack[SweepOptions],
    ) -> Sweep:  # fmt: skip
        """Landscapes over a grid, as one table: a list of values for each axis of ``grid``.

        ``base``: what every cell has in common. Another number ``again`` tries those cells once
        more that failed. The other arguments as for ``landscape``.
        """
        request = sweep_of(grid, again, base)
        with _bar.watching(progress) as watcher:
            return _answers.sweep(
                self._driver.run(self._whole(request, watcher, timeout_seconds, _flows.SWEEPS))
            )

    def run(self, which: str | Trajectory, key: str) -> TrajectoryRun:
        """One run of a trajectory with its curves and overlaps."""
        return _answers.run(self._driver.run(_flows.run(id_of(which), key)))

    def service_info(self) -> dict[str, Any]:
        """Versions, backend and limits of the server."""
        return self._driver.run(_flows.document("v1/service-info"))

    def me(self) -> dict[str, Any]:
        """Whom the server takes this client for: name and scope of its key, its end, its limits."""
        return self._driver.run(_flows.document("v1/me"))

    def close(self) -> None:
        """Close the connections, and end the service if it is this client's own."""
        self._driver.close()
        self._end_own()

    def __enter__(self) -> Client:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:  # fmt: skip
        self.close()


class AsyncClient(AsyncCalling, AsyncDescending, AsyncGathering, AsyncKicking, AsyncKeeping):
    """The same for asyncio: the arguments and methods of ``Client``, to be awaited."""

    def __init__(
        self, url: str = "http://127.0.0.1:8000", api_key: str | None = None, *,
        cache: bool | str | Path = True, timeout_seconds: float = CALL_TIMEOUT_SECONDS,
        patience_seconds: float = PATIENCE_SECONDS, waits_for_start: bool = True,
        transport: httpx2.AsyncBaseTransport | None = None,
    ) -> None:  # fmt: skip
        super().__init__(cache, _http.Patience(patience_seconds, waits_for_start=waits_for_start))
        options = _http.base_options(url, api_key, timeout_seconds)
        self._driver = _drivers.AsyncDriver(options, self._patience, transport)

    @classmethod
    async def local(
        cls, *, folder: str | Path | None = None, workers: int | None = None,
        cache: bool | str | Path = True,
    ) -> AsyncClient:  # fmt: skip
        """See ``Client.local``; ``async with await AsyncClient.local() as client`` closes it."""
        service = await asyncio.to_thread(_local.LocalService, folder, workers)
        client = cls(
            service.url, service.api_key, cache=cache, timeout_seconds=_local.CALL_TIMEOUT_SECONDS
        )
        client._own(service)
        return client

    async def landscape(
        self, student_width: int, teacher_width: int, *, progress: ProgressOption = None,
        timeout_seconds: float | None = None, **options: Unpack[Options],
    ) -> Landscape:  # fmt: skip
        """See ``Client.landscape``."""
        request = request_of(student_width, teacher_width, options)
        with _bar.watching(progress) as watcher:
            return _answers.landscape(
                await self._driver.run(self._whole(request, watcher, timeout_seconds))
            )

    async def submit(
        self, student_width: int, teacher_width: int, **options: Unpack[Options]
    ) -> Status:  # fmt: skip
        """See ``Client.submit``."""
        request = request_of(student_width, teacher_width, options)
        return (await self._driver.run(_flows.submit(request)))[0]

    async def result(
        self, which: str | Status, *, progress: ProgressOption = None,
        timeout_seconds: float | None = None,
    ) -> Landscape:  # fmt: skip
        """See ``Client.result``."""
        with _bar.watching(progress) as watcher:
            flow = _flows.result(id_of(which), self._cache, watcher, timeout_seconds)
            return _answers.landscape(await self._driver.run(flow))

    async def status(self, which: str | Status) -> Status:
        """See ``Client.status``."""
        return (await self._driver.run(_flows.status(id_of(which))))[0]

    async def cancel(self, which: str | Status) -> Status:
        """See ``Client.cancel``."""
        return await self._driver.run(_flows.cancel(which))

    async def fixed_point(self, which: str | Status | Landscape, key: str) -> FixedPoint:
        """See ``Client.fixed_point``."""
        return _answers.fixed_point(await self._driver.run(_flows.fixed_point(id_of(which), key)))

    async def trajectory(
        self, student_width: int, teacher_width: int, *, progress: ProgressOption = None,
        timeout_seconds: float | None = None, **options: Unpack[TrajectoryOptions],
    ) -> Trajectory:  # fmt: skip
        """See ``Client.trajectory``."""
        request = request_of(student_width, teacher_width, options)
        with _bar.watching(progress) as watcher:
            return _answers.trajectory(await self._driver.run(
                self._whole(request, watcher, timeout_seconds, _flows.TRAJECTORIES)
            ))  # fmt: skip

    async def frequencies(
        self, student_width: int, teacher_width: int, *, progress: ProgressOption = None,
        timeout_seconds: float | None = None, **options: Unpack[FrequenciesOptions],
    ) -> Frequencies:  # fmt: skip
        """See ``Client.frequencies``."""
        request = request_of(student_width, teacher_width, options)
        with _bar.watching(progress) as watcher:
            flow = self._whole(request, watcher, timeout_seconds, _flows.FREQUENCIES)
            return _answers.frequencies(await self._driver.run(flow))

    async def locate(
        self, weights: Any = None, teacher: Any = None, *, progress: ProgressOption = None,
        timeout_seconds: float | None = None, **options: Unpack[PointsOptions],
    ) -> Points:  # fmt: skip
        """See ``Client.locate``."""
        request = _networks.archive(weights, teacher, options)
        with _bar.watching(progress) as watcher:
            flow = self._whole(request, watcher, timeout_seconds, _flows.POINTS)
            return _answers.points(await self._driver.run(flow))

    async def sweep(
        self, grid: Mapping[str, Any], *, again: int | None = None,
        progress: ProgressOption = None, timeout_seconds: float | None = None,
        **base: Unpack[SweepOptions],
    ) -> Sweep:  # fmt: skip
        """See ``Client.sweep``."""
        request = sweep_of(grid, again, base)
        with _bar.watching(progress) as watcher:
            flow = self._whole(request, watcher, timeout_seconds, _flows.SWEEPS)
            return _answers.sweep(await self._driver.run(flow))

    async def run(self, which: str | Trajectory, key: str) -> TrajectoryRun:
        """See ``Client.run``."""
        return _answers.run(await self._driver.run(_flows.run(id_of(which), key)))

    async def service_info(self) -> dict[str, Any]:
        """See ``Client.service_info``."""
        return await self._driver.run(_flows.document("v1/service-info"))

    async def me(self) -> dict[str, Any]:
        """See ``Client.me``."""
        return await self._driver.run(_flows.document("v1/me"))

    async def close(self) -> None:
        """Close the connections, and end the service if it is this client's own."""
        await self._driver.close()
        await asyncio.to_thread(self._end_own)

    async def __aenter__(self) -> AsyncClient:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:  # fmt: skip
        await self.close()
