"""Short calls of the registry: judged at the door, computed in a few processes, ended in time.

A process of its own answers within milliseconds, where a worker would first finish its chunk, and
leaves the event loop its interpreter.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator, Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import AsyncExitStack, asynccontextmanager, suppress

from relu_landscape.analyses import Registry, ShortCall, cost, function
from relu_landscape.errors import Busy, RequestError
from relu_landscape.jobs.running.calling import START_SECONDS, CallProcess
from relu_landscape.settings import Settings
from relu_landscape.wire.base import Wire

#: Calls that may wait for a process, and how long: each takes well under a second as a rule.
WAITING = 32
WAIT_SECONDS = 5.0
#: A call whose estimate is above this share of its time is refused: estimates are right within a
#: factor of two or three.
ACCEPTED_SHARE = 0.5
#: A call that is estimated to take longer leaves one process to the others.
LONG_SECONDS = 1.0
#: How often it is looked whether processes may begin.
LOOK_SECONDS = 0.05


class ShortCalls:
    """The registry's short calls, with bounded processes, a bounded queue and bounded time."""

    def __init__(self, registry: Registry, settings: Settings) -> None:
        self._registry = registry
        self._seconds = settings.call_seconds
        count = settings.calls_at_once
        self._processes = [CallProcess(registry) for _ in range(count)]
        #: The one used last is taken first: it remembers most.
        self._free = list(self._processes)
        self._threads = ThreadPoolExecutor(count, thread_name_prefix="call")
        self._turns = asyncio.Semaphore(count)
        self._long_turns = asyncio.Semaphore(count - 1)
        self._waiting = 0
        self._closing = threading.Event()

    def open(self, may_begin: Callable[[], bool] = lambda: True) -> None:
        """Begin the processes once they may, without waiting for them; a call begins one before."""
        if self._registry.calls:
            self._threads.submit(self._begin, may_begin)

    def _begin(self, may_begin: Callable[[], bool]) -> None:
        while not may_begin():
            if self._closing.wait(LOOK_SECONDS):
                return
        with suppress(RuntimeError):  # closed between the look and this
            for process in self._processes:
                self._threads.submit(process.begin)

    def close(self) -> None:
        """End every call now, those that compute included."""
        self._closing.set()
        for process in self._processes:
            process.close()
        self._threads.shutdown(wait=True, cancel_futures=True)

    async def call(self, name: str, query: Wire, timeout_seconds: float) -> Wire:
        """The function's answer; see ``jobs.interface.Service.call``.

        ``timeout_seconds``: of computing, where the setting does not say less.
        """
        chosen = self._registry.call(name)
        estimate = self._judged(chosen, query)
        loop = asyncio.get_running_loop()
        async with self._process(is_long=estimate > LONG_SECONDS) as process:
            seconds = min(timeout_seconds, self._seconds)
            given_up = threading.Event()
            try:
                return await loop.run_in_executor(
                    self._threads, process.ask, chosen.function, query, seconds, given_up
                )
            except asyncio.CancelledError:
                given_up.set()
                process.kill()
                raise

    def _judged(self, call: ShortCall, query: Wire) -> float:
        """Seconds that it will take, about. Raises ``RequestError`` where that is too long."""
        if call.cost is None:
            return 0.0
        expected = cost(call.cost)(query)
        most = ACCEPTED_SHARE * self._seconds
        if expected.seconds > most:
            raise RequestError(
                expected.field,
                getattr(query, expected.field),
                f"it takes about {expected.seconds:.0f} s of computing, and what takes more than "
                f"{most:g} s is not answered at once; {expected.instead}",
            )
        return expected.seconds

    @asynccontextmanager
    async def _process(self, *, is_long: bool) -> AsyncIterator[CallProcess]:
        """A process for one call. Raises ``Busy`` where too many wait, or one waits too long."""
        if self._waiting >= WAITING:
            raise Busy("Too many calculations are waiting; try again shortly.", 1)
        # While none is there, as after the start of a service, who has a turn waits as well.
        is_one_there = any(each.is_there for each in self._processes)
        limit = WAIT_SECONDS if is_one_there else START_SECONDS
        async with AsyncExitStack() as turns:
            self._waiting += 1
            try:
                async with asyncio.timeout(limit):
                    if is_long:
                        await turns.enter_async_context(self._long_turns)
                    await turns.enter_async_context(self._turns)
            except TimeoutError:
                raise Busy(
                    f"No process was free for the calculation within {limit:g} s; "
                    "try again shortly.",
                    round(WAIT_SECONDS),
                ) from None
            finally:
                self._waiting -= 1
            process = self._free.pop()
            try:
                yield process
            finally:
                self._free.append(process)


def compute(call: ShortCall, query: Wire) -> Wire:
    """The answer of one short call, computed here and now, however long it takes."""
    return function(call.function)(query)
