"""The same computation without a service: here, now, in a few processes, nothing stored.

It takes the very path of the service (the engine's ``solve``, chunks through JSON in processes of
one thread each, the same sealing), so its canonical bytes, id and digest are the service's.
"""

from __future__ import annotations

import signal
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from multiprocessing import get_context
from typing import Any, Literal, cast

import orjson
from threadpoolctl import threadpool_limits  # type: ignore[import-untyped]

from relu_landscape import ALGORITHM, __version__
from relu_landscape.engine import Task
from relu_landscape.errors import JobFailed, NotFound
from relu_landscape.jobs.engine import DEFAULT_ENGINE, Engine, load
from relu_landscape.jobs.pool.device import Backend, choose_backend
from relu_landscape.jobs.pool.worker import encode, encode_task, execute
from relu_landscape.jobs.running.progress import ProgressMonitor, StopSign
from relu_landscape.settings import cpu_cores
from relu_landscape.wire.requests import LandscapeRequest

Watch = Callable[[Literal["progress", "findings"], Mapping[str, Any]], None]

#: Chunks handed out per process. One is computed while the next one waits; more would only
#: delay the end of a computation that is told to stop.
IN_FLIGHT_PER_WORKER = 2


@dataclass(frozen=True)
class Solution:
    """A finished landscape, as the service would answer it.

    ``landscape`` is ``results.Landscape`` in JSON types, ``details`` holds for each key of a fixed
    point what is too long for the overview (weights, every eigenvalue).
    """

    landscape: dict[str, Any]
    details: dict[str, dict[str, Any]]


def solve_locally(
    request: LandscapeRequest,
    *,
    workers: int | None = None,
    backend: Literal["auto", "numpy", "cupy"] = "auto",
    chunk_starts: int | None = None,
    watch: Watch | None = None,
    engine: Engine = DEFAULT_ENGINE,
) -> Solution:
    """Compute a landscape in ``workers`` processes (left out: one per core this process may use).

    ``watch(kind, data)`` is told about progress and findings as the service's event streams are.
    Raises ``JobFailed`` where a chunk fails or its process dies, ``ConfigurationError`` where the
    backend cannot be used, and whatever the engine refuses. ``KeyboardInterrupt`` ends the
    processes after the chunks they are at.
    """
    began = time.time()
    chosen = choose_backend(backend)
    asked = request.canonical()
    stop = StopSign()
    monitor = ProgressMonitor(request.starts, stop, watch or _say_nothing)
    count = workers or (cpu_cores() if chosen.name == "numpy" else 1)
    # BLAS in this process too: a parallel sum's rounding can change which minimum is reached.
    with _processes(count) as pool, threadpool_limits(limits=1):
        run = _PoolRunner(pool, count, orjson.dumps(asked), engine.run_task, chosen.name, monitor)
        answer = load(engine.solve)(asked, run=run, monitor=monitor, chunk_starts=chunk_starts)
    job = request.content_id(chosen.backend_class)
    landscape = _sealed(job, asked, answer["landscape"], _provenance(chosen), began)
    details = orjson.loads(encode(answer["details"]))
    return Solution(landscape, details)


def call_locally(
    name: str, arguments: Mapping[str, Any], *, engine: Engine = DEFAULT_ENGINE
) -> dict[str, Any]:
    """One of the engine's short functions (``family``, ``continuation``), in JSON types.

    Raises ``NotFound`` for a name that the engine does not export, and whatever it refuses.
    """
    functions = cast("Mapping[str, Callable[..., Any]]", load(engine.calls))
    if name not in functions:
        raise NotFound(f"There is no function {name!r}; there is: {', '.join(sorted(functions))}.")
    return cast("dict[str, Any]", orjson.loads(encode(functions[name](**arguments))))


def verify_locally(document: Mapping[str, Any], *, strict: bool = False) -> list[dict[str, Any]]:
    """Re-check every certificate of a JSON document: ``{key, holds, reason}`` each.

    ``holds`` is None for one that claims nothing; ``strict`` proves dense certificates in balls
    throughout, even those made in the fast mode.
    """
    verify = load("relu_landscape.engine:verify")
    return cast("list[dict[str, Any]]", orjson.loads(encode(verify(document, strict=strict))))


@contextmanager
def _processes(count: int) -> Iterator[ProcessPoolExecutor]:
    """Fresh processes; on the way out, whatever the reason, chunks not begun are dropped.

    Spawned, not forked: a fork of a process with threads (BLAS has some) may hang.
    """
    pool = ProcessPoolExecutor(count, mp_context=get_context("spawn"))
    try:
        yield pool
    finally:
        pool.shutdown(wait=True, cancel_futures=True)


@contextmanager
def _interrupts_held() -> Iterator[None]:
    """Hold Ctrl+C back meanwhile; processes begun here never see it.

    It reaches every process of a terminal, and only the parent shall act on it. Processes inherit
    the mask, so it holds from their first instruction on, where a handler of theirs would come
    too late. The parent hears of an interrupt as soon as this ends.
    """
    if not hasattr(signal, "pthread_sigmask"):  # Windows has neither the mask nor the problem
        yield
        return
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


@dataclass
class _PoolRunner:
    """The engine's runner over the pool: few chunks in flight, answers as they come."""

    pool: ProcessPoolExecutor
    workers: int
    request: bytes
    run_task: str
    backend: str
    monitor: ProgressMonitor

    def __call__(self, tasks: Sequence[Task]) -> Iterator[tuple[Task, Mapping[str, Any]]]:
        waiting = list(reversed(tasks))
        flying: dict[Future[tuple[str, bytes]], Task] = {}
        try:
            while waiting or flying:
                while waiting and len(flying) < IN_FLIGHT_PER_WORKER * self.workers:
                    task = waiting.pop()
                    flying[self._submit(task)] = task
                done, _ = wait(flying, return_when=FIRST_COMPLETED)
                for future in done:
                    task = flying.pop(future)
                    answer = _answer(future, task)
                    self.monitor.computed()
                    yield task, answer
        finally:
            for future in flying:
                future.cancel()

    def _submit(self, task: Task) -> Future[tuple[str, bytes]]:
        try:
            with _interrupts_held():  # submitting begins processes, as long as there are too few
                return self.pool.submit(
                    execute, ALGORITHM, self.run_task, self.request, encode_task(task), self.backend
                )
        except BrokenProcessPool as error:
            raise _death(task) from error


def _answer(future: Future[tuple[str, bytes]], task: Task) -> Mapping[str, Any]:
    try:
        kind, returned = future.result()
    except BrokenProcessPool as error:
        raise _death(task) from error
    if kind == "error":
        raise JobFailed(f"The chunk {task.key} failed: {orjson.loads(returned)['text']}")
    return cast("Mapping[str, Any]", orjson.loads(returned))


def _death(task: Task) -> JobFailed:
    return JobFailed(
        f"A process died while the chunk {task.key} was computed, perhaps for want of memory: "
        "fewer workers need less of it."
    )


def _say_nothing(kind: str, data: Mapping[str, Any]) -> None: ...


def _sealed(
    job: str,
    request: dict[str, Any],
    landscape: Mapping[str, Any],
    provenance: Mapping[str, Any],
    began: float,
) -> dict[str, Any]:
    # Imported here: sealing stands beside the pool of the service, whose libraries take a while.
    from relu_landscape.jobs.running.attempt import seal
    from relu_landscape.jobs.store.claims import Claim

    claim = Claim(job=job, token="", request=request, started=began, attempts=1)
    return cast("dict[str, Any]", orjson.loads(seal(claim, landscape, provenance)))


def _provenance(backend: Backend) -> dict[str, Any]:
    libraries = {}
    for name in ("numpy", "scipy", "cupy-cuda13x", "python-flint"):
        try:
            libraries[name] = version(name)
        except PackageNotFoundError:
            continue
    return {
        "version": __version__,
        "algorithm": ALGORITHM,
        "backend": backend.name,
        "device": backend.device,
        "libraries": libraries,
    }
