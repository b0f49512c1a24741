"""Short synchronous calls of the engine, by name, in a few threads of this process.

A thread answers within milliseconds, where a worker would first finish its chunk. A call that
runs away keeps its thread until it ends, so the number of threads bounds the damage.
"""

from __future__ import annotations

import asyncio
import functools
import threading
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import Any, cast

import orjson

from relu_landscape.errors import Busy, NotFound, PoolUnavailable
from relu_landscape.jobs.engine import Engine, load
from relu_landscape.jobs.pool.worker import encode

#: Calls that compute at the same time. More would only slow each other and the event loop down:
#: NumPy on small arrays holds the interpreter's lock most of the time.
THREADS = 4
#: Calls that may wait for a thread; each takes well under a second.
WAITING = 32


class ShortCalls:
    """The engine's ``CALLS``, with bounded threads and a bounded queue."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._executor = ThreadPoolExecutor(THREADS, thread_name_prefix="call")
        self._places = threading.Semaphore(THREADS + WAITING)

    def close(self) -> None:
        """Drop the calls that wait; those that compute end by themselves."""
        self._executor.shutdown(wait=False, cancel_futures=True)

    async def call(
        self,
        name: str,
        arguments: Mapping[str, Any],
        timeout_seconds: float,
    ) -> dict[str, Any]:
        """The function's answer in JSON types; see ``LandscapeService.compute``."""
        functions = cast("Mapping[str, Callable[..., Any]]", load(self._engine.calls))
        if name not in functions:
            known = ", ".join(sorted(functions)) or "none"
            raise NotFound(f"There is no function {name!r}; there is: {known}.")
        if not self._places.acquire(blocking=False):
            raise Busy("Too many calculations are waiting; try again shortly.", 1)
        work = functools.partial(_call, functions[name], dict(arguments))
        future = self._executor.submit(work)
        # Whoever gave up waiting has not freed the thread: only the end of the call does.
        future.add_done_callback(lambda _: self._places.release())
        try:
            return await asyncio.wait_for(asyncio.wrap_future(future), timeout_seconds)
        except TimeoutError:
            raise PoolUnavailable(
                f"The calculation {name!r} did not end within {timeout_seconds:g} s; "
                "ask for less of it."
            ) from None


def _call(function: Callable[..., Any], arguments: dict[str, Any]) -> dict[str, Any]:
    return cast("dict[str, Any]", orjson.loads(encode(function(**arguments))))
