"""Connections to the store, and one policy of patience with it."""

from __future__ import annotations

import asyncio
import random
import threading
import time
from collections.abc import Awaitable, Callable, Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any, TypeVar

import redis
import redis.asyncio
from redis.asyncio.retry import Retry as AsyncRetry
from redis.backoff import NoBackoff
from redis.retry import Retry

from relu_landscape.errors import ConfigurationError, StoreUnavailable
from relu_landscape.settings import Settings

Answer = TypeVar("Answer")

#: Longer than any script takes; a store silent for so long is treated as gone.
SOCKET_SECONDS = 10.0
#: Whoever has less patience than that waits no longer for one answer than for all, but for so long:
#: a slow disk takes its time over one write.
SHORTEST_SOCKET_SECONDS = 1.0
FIRST_PAUSE_SECONDS = 0.02
LONGEST_PAUSE_SECONDS = 0.5
#: A full disk or memory is not emptied within moments, and every try costs the store something.
LONGEST_FULL_PAUSE_SECONDS = 5.0
#: Of the patience of the event loop: one moment in which the loop was held up costs no more of it.
LOOKS = 10

#: What says "not now" rather than "never": a server that died, restarts, loads or fails over.
PASSING = (
    redis.ConnectionError,  # BusyLoadingError is one of them
    redis.TimeoutError,
    redis.exceptions.ReadOnlyError,
    redis.exceptions.ClusterDownError,
    redis.exceptions.TryAgainError,
    OSError,
)
#: Part of ConnectionError in redis-py, yet waiting does not help.
LASTING = (
    redis.AuthenticationError,
    redis.exceptions.AuthorizationError,
    redis.exceptions.MaxConnectionsError,
)
#: What a store says that answers and has no room, and what to do then.
FULL = {
    "OOM command not allowed": (
        "The store's memory is full (maxmemory), so it takes nothing new. Raise its maxmemory, or "
        "set RELU_LANDSCAPE_RESULT_TTL_SECONDS so that old results are forgotten."
    ),
    "MISCONF": (
        "The store cannot write to its disk, so it takes nothing new; the disk may be full. Free "
        "space on the disk, and look into the store's log."
    ),
}


@dataclass(frozen=True)
class Target:
    """Where the store is: a URL, or the Unix socket of the embedded one.

    ``why`` tells, where that is known, why a store that does not answer is silent.
    """

    url: str | None
    socket_path: str | None
    why: Callable[[], str | None] | None = field(default=None, compare=False)

    @classmethod
    def external(cls, settings: Settings) -> Target:
        return cls(url=settings.redis_url, socket_path=None)

    @classmethod
    def embedded(cls, socket_path: str, why: Callable[[], str | None] | None = None) -> Target:
        return cls(url=None, socket_path=socket_path, why=why)

    @property
    def kind(self) -> str:
        return "embedded" if self.url is None else "external"

    def connect(self, patience: float = SOCKET_SECONDS) -> redis.Redis:
        """A client for threads that wait so long. Never retries by itself: ``Patience`` does."""
        silence = min(SOCKET_SECONDS, max(SHORTEST_SOCKET_SECONDS, patience))
        options: dict[str, Any] = {**_options(silence), "retry": Retry(NoBackoff(), 0)}
        try:
            if self.url is None:
                return redis.Redis(unix_socket_path=self.socket_path, **options)
            return redis.Redis.from_url(self.url, **options)
        except ValueError as error:
            raise _bad_url(error) from error

    def connect_async(self, connections: int, wait_seconds: float) -> redis.asyncio.Redis:
        """A client for the event loop. Never retries by itself: ``Patience`` does.

        It opens at most so many connections; a call beyond them waits for one to come free.
        """
        options: dict[str, Any] = {
            **_options(SOCKET_SECONDS),  # a request's ``Patience`` ends earlier
            "retry": AsyncRetry(NoBackoff(), 0),
            "max_connections": connections,
            "timeout": wait_seconds,
        }
        try:
            if self.url is None:
                pool = redis.asyncio.BlockingConnectionPool(
                    connection_class=redis.asyncio.UnixDomainSocketConnection,
                    path=self.socket_path,
                    **options,
                )
            else:
                pool = redis.asyncio.BlockingConnectionPool.from_url(self.url, **options)
        except ValueError as error:
            raise _bad_url(error) from error
        return redis.asyncio.Redis.from_pool(pool)


def _options(silence: float) -> dict[str, Any]:
    # RESP2 everywhere: answers have one shape on every server from Redis 5 to Valkey 9.
    return {
        "socket_timeout": silence,
        "socket_connect_timeout": silence,
        "protocol": 2,
    }


def _bad_url(error: ValueError) -> ConfigurationError:
    return ConfigurationError(
        f"RELU_LANDSCAPE_REDIS_URL cannot be read ({error}). "
        "Write for example RELU_LANDSCAPE_REDIS_URL=redis://HOST:6379/0"
    )


def full(error: Exception) -> str | None:
    """A sentence if the store refused a write because its memory or its disk is full."""
    said = str(error)
    if isinstance(error, redis.exceptions.OutOfMemoryError):
        return FULL["OOM command not allowed"]
    if not isinstance(error, redis.ResponseError):
        return None
    return next((sentence for words, sentence in FULL.items() if words in said), None)


@dataclass(eq=False)
class _Calls:
    """Calls of an event loop that have not ended, and whether there will be others."""

    open: set[asyncio.Task[Any]] = field(default_factory=set)
    ended: bool = False


@dataclass(frozen=True)
class Patience:
    """Repeats a store call that met a passing failure, until ``seconds`` are over.

    Every script of ours may run twice: a repeated one finds its work done, or adds an event that
    says the same again. Whoever ``awaits_room`` also waits for a full disk or memory to be emptied,
    ever more seldom; others are told at once.
    """

    seconds: float
    stop: threading.Event | None = None
    awaits_room: bool = False
    why: Callable[[], str | None] | None = None
    _calls: _Calls = field(default_factory=_Calls, init=False, repr=False, compare=False)

    def call(self, do: Callable[[], Answer]) -> Answer:
        """``do()``, repeated. Raises ``StoreUnavailable`` when patience ends."""
        for pause, is_last in self._pauses():
            try:
                return do()
            except (redis.RedisError, OSError) as error:
                pause = self._judge(error, pause, is_last)
            if self.stop is None:
                time.sleep(pause)
            else:
                self.stop.wait(pause)
        raise AssertionError("unreachable: the last round returns or raises")

    async def call_async(self, do: Callable[[], Awaitable[Answer]], waits: float = 0.0) -> Answer:
        """``await do()``, repeated, of which a call may wait ``waits`` seconds in the store.

        Raises ``StoreUnavailable`` when patience ends, be the store away or silent. What counts is
        time in which this event loop runs: on a busy machine it may be held up for seconds, with
        the answer waiting for it.
        """
        if self._calls.ended:
            raise StoreUnavailable("The connections to the store are closed.")
        last: list[Exception] = [TimeoutError("it is silent")]
        # A task of its own that is left behind: a call that is cancelled may take its time to give
        # its connection back to a silent server, and nobody is to wait for that.
        task = asyncio.create_task(self._repeat(do, last))
        self._calls.open.add(task)
        task.add_done_callback(self._calls.open.discard)
        task.add_done_callback(_retrieve)
        try:
            for _ in range(LOOKS):
                await asyncio.wait({task}, timeout=(self.seconds + waits) / LOOKS)
                if task.done():
                    return task.result()
        finally:
            task.cancel()
        raise StoreUnavailable(full(last[0]) or self._silence(last[0])) from last[0]

    async def end(self) -> None:
        """Cancel every call of the event loop and see it out, those that were left behind too.

        For whoever closes their connections next: a call would open one anew, and keep it. Calls
        from now on raise ``StoreUnavailable``.
        """
        self._calls.ended = True
        await ended(self._calls.open)

    async def _repeat(self, do: Callable[[], Awaitable[Answer]], last: list[Exception]) -> Answer:
        for pause, _ in self._pauses():  # until it is cancelled
            try:
                return await do()
            except (redis.RedisError, OSError) as error:
                last[0] = error
                pause = self._judge(error, pause, is_last=False)
            await asyncio.sleep(pause)
        raise AssertionError("unreachable: there is always another pause")

    def _pauses(self) -> Iterator[tuple[float, bool]]:
        """Pauses that double, and whether the patience is over: a call has its last chance."""
        deadline = time.monotonic() + self.seconds
        pause = FIRST_PAUSE_SECONDS
        while True:
            stopped = self.stop is not None and self.stop.is_set()
            yield pause, stopped or time.monotonic() >= deadline
            left = max(FIRST_PAUSE_SECONDS, deadline - time.monotonic())
            pause = min(LONGEST_FULL_PAUSE_SECONDS, pause * 2, left)

    def _judge(self, error: Exception, pause: float, is_last: bool) -> float:
        """How long to wait before the next try, which clients of one store make at odd times."""
        sentence = full(error)
        if sentence is not None and (is_last or not self.awaits_room):
            raise StoreUnavailable(sentence) from error
        if sentence is None and (isinstance(error, LASTING) or not isinstance(error, PASSING)):
            raise StoreUnavailable(f"The store refused a command: {error}.") from error
        if is_last:
            raise StoreUnavailable(self._silence(error)) from error
        longest = LONGEST_PAUSE_SECONDS if sentence is None else LONGEST_FULL_PAUSE_SECONDS
        return min(pause, longest) * random.uniform(0.5, 1.0)  # noqa: S311 - no secret

    def _silence(self, error: Exception) -> str:
        known = self.why() if self.why is not None else None
        return known or f"The store does not answer: {error}."


async def ended(tasks: Iterable[asyncio.Future[Any]]) -> None:
    """Cancel the tasks and wait for them, as long as giving back a connection may take."""
    left = set(tasks)
    for task in left:
        # One that was cancelled before may be giving its connection back, which a second time ends.
        if not (isinstance(task, asyncio.Task) and task.cancelling()):
            task.cancel()
    if left:
        await asyncio.wait(left, timeout=SHORTEST_SOCKET_SECONDS)


def _retrieve(task: asyncio.Future[Any]) -> None:
    """Look at the end of a task that nobody awaits, so that asyncio does not report it."""
    if not task.cancelled():
        task.exception()
