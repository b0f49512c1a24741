"""Connections to the store, and one policy of patience with it."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import dataclass
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
FIRST_PAUSE_SECONDS = 0.02
LONGEST_PAUSE_SECONDS = 0.5

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


@dataclass(frozen=True)
class Target:
    """Where the store is: a URL, or the Unix socket of the embedded one."""

    url: str | None
    socket_path: str | None

    @classmethod
    def external(cls, settings: Settings) -> Target:
        return cls(url=settings.redis_url, socket_path=None)

    @classmethod
    def embedded(cls, socket_path: str) -> Target:
        return cls(url=None, socket_path=socket_path)

    @property
    def kind(self) -> str:
        return "embedded" if self.url is None else "external"

    def connect(self) -> redis.Redis:
        """A client for threads. Never retries by itself: ``Patience`` does."""
        options: dict[str, Any] = {**_options(), "retry": Retry(NoBackoff(), 0)}
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
            **_options(),
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


def _options() -> dict[str, Any]:
    # RESP2 everywhere: answers have one shape on every server from Redis 5 to Valkey 9.
    return {
        "socket_timeout": SOCKET_SECONDS,
        "socket_connect_timeout": SOCKET_SECONDS,
        "protocol": 2,
    }


def _bad_url(error: ValueError) -> ConfigurationError:
    return ConfigurationError(
        f"RELU_LANDSCAPE_REDIS_URL cannot be read ({error}). "
        "Write for example RELU_LANDSCAPE_REDIS_URL=redis://HOST:6379/0"
    )


@dataclass(frozen=True)
class Patience:
    """Repeats a store call that met a passing failure, until ``seconds`` are over.

    Every script of ours may run twice: a repeated one finds its work done, or adds an event that
    says the same again.
    """

    seconds: float
    stop: threading.Event | None = None

    def call(self, do: Callable[[], Answer]) -> Answer:
        """``do()``, repeated. Raises ``StoreUnavailable`` when patience ends."""
        for pause, is_last in self._pauses():
            try:
                return do()
            except (redis.RedisError, OSError) as error:
                self._judge(error, is_last)
            if self.stop is None:
                time.sleep(pause)
            else:
                self.stop.wait(pause)
        raise AssertionError("unreachable: the last round returns or raises")

    async def call_async(self, do: Callable[[], Awaitable[Answer]]) -> Answer:
        """``await do()``, repeated. Raises ``StoreUnavailable`` when patience ends."""
        for pause, is_last in self._pauses():
            try:
                return await do()
            except (redis.RedisError, OSError) as error:
                self._judge(error, is_last)
            await asyncio.sleep(pause)
        raise AssertionError("unreachable: the last round returns or raises")

    def _pauses(self) -> Iterator[tuple[float, bool]]:
        deadline = time.monotonic() + self.seconds
        pause = FIRST_PAUSE_SECONDS
        while True:
            stopped = self.stop is not None and self.stop.is_set()
            yield pause, stopped or time.monotonic() >= deadline
            pause = min(LONGEST_PAUSE_SECONDS, pause * 2)

    def _judge(self, error: Exception, is_last: bool) -> None:
        if isinstance(error, LASTING) or not isinstance(error, PASSING):
            raise StoreUnavailable(f"The store refused a command: {error}.") from error
        if is_last:
            raise StoreUnavailable(f"The store does not answer: {error}.") from error
