"""Short calls of the registry, in a few threads of this process.

A thread answers within milliseconds, where a worker would first finish its chunk. A call that
runs away keeps its thread until it ends, so the number of threads bounds the damage.
"""

from __future__ import annotations

import asyncio
import threading
from concurrent.futures import ThreadPoolExecutor

from relu_landscape.analyses import Registry, ShortCall, function
from relu_landscape.errors import Busy, PoolUnavailable
from relu_landscape.wire.base import Wire

#: Calls that compute at the same time. More would only slow each other and the event loop down:
#: NumPy on small arrays holds the interpreter's lock most of the time.
THREADS = 4
#: Calls that may wait for a thread; each takes well under a second.
WAITING = 32


class ShortCalls:
    """The registry's short calls, with bounded threads and a bounded queue."""

    def __init__(self, registry: Registry) -> None:
        self._registry = registry
        self._executor = ThreadPoolExecutor(THREADS, thread_name_prefix="call")
        self._places = threading.Semaphore(THREADS + WAITING)

    def close(self) -> None:
        """Drop the calls that wait; those that compute end by themselves."""
        self._executor.shutdown(wait=False, cancel_futures=True)

    async def call(self, name: str, query: Wire, timeout_seconds: float) -> Wire:
        """The function's answer; see ``jobs.interface.Service.call``."""
        chosen = self._registry.call(name)
        if not self._places.acquire(blocking=False):
            raise Busy("Too many calculations are waiting; try again shortly.", 1)
        future = self._executor.submit(compute, chosen, query)
        # Whoever gave up waiting has not freed the thread: only the end of the call does.
        future.add_done_callback(lambda _: self._places.release())
        try:
            return await asyncio.wait_for(asyncio.wrap_future(future), timeout_seconds)
        except TimeoutError:
            raise PoolUnavailable(
                f"The calculation {name!r} did not end within {timeout_seconds:g} s; "
                "ask for less of it."
            ) from None


def compute(call: ShortCall, query: Wire) -> Wire:
    """The answer of one short call, computed here and now."""
    return function(call.function)(query)
