"""Patience with a store that vanishes, and none with one that refuses."""

from __future__ import annotations

import threading
import time
from pathlib import Path

import pytest
import redis

from relu_landscape.errors import ConfigurationError, StoreUnavailable
from relu_landscape.jobs.store.connection import Patience, Target
from relu_landscape.settings import Settings


class Flaky:
    """Fails so many times with ``error``, then answers."""

    def __init__(self, failures: int, error: Exception) -> None:
        self.left = failures
        self.error = error
        self.calls = 0

    def __call__(self) -> str:
        self.calls += 1
        if self.left > 0:
            self.left -= 1
            raise self.error
        return "answer"

    async def call_async(self) -> str:
        return self()


PASSING = [
    redis.ConnectionError("gone"),
    redis.BusyLoadingError("loading"),
    redis.TimeoutError("slow"),
    redis.exceptions.ReadOnlyError("failing over"),
    OSError("no such socket"),
]
LASTING = [
    redis.AuthenticationError("wrong password"),
    redis.ResponseError("OOM command not allowed"),
]


@pytest.mark.parametrize("error", PASSING, ids=repr)
async def test_a_passing_failure_is_waited_out(error: Exception) -> None:
    flaky = Flaky(4, error)
    assert Patience(10).call(flaky) == "answer"
    assert flaky.calls == 5
    flaky = Flaky(4, error)
    assert await Patience(10).call_async(flaky.call_async) == "answer"
    assert flaky.calls == 5


@pytest.mark.parametrize("error", LASTING, ids=repr)
async def test_a_refusal_is_not_repeated(error: Exception) -> None:
    flaky = Flaky(1, error)
    with pytest.raises(StoreUnavailable, match=str(error)):
        Patience(10).call(flaky)
    assert flaky.calls == 1
    flaky = Flaky(1, error)
    with pytest.raises(StoreUnavailable, match=str(error)):
        await Patience(10).call_async(flaky.call_async)
    assert flaky.calls == 1


async def test_patience_ends(folder: Path) -> None:
    began = time.monotonic()
    with pytest.raises(StoreUnavailable, match="does not answer: gone"):
        Patience(0.2).call(Flaky(10**6, redis.ConnectionError("gone")))
    with pytest.raises(StoreUnavailable, match="does not answer: gone"):
        await Patience(0.2).call_async(Flaky(10**6, redis.ConnectionError("gone")).call_async)
    assert 0.4 <= time.monotonic() - began < 10


def test_whoever_is_told_to_stop_does_not_wait() -> None:
    stop = threading.Event()
    stop.set()
    flaky = Flaky(5, redis.ConnectionError("gone"))
    with pytest.raises(StoreUnavailable):
        Patience(60, stop).call(flaky)
    assert flaky.calls == 1


async def test_a_store_that_is_not_there_is_unavailable(folder: Path) -> None:
    target = Target.embedded(str(folder / "none.sock"))
    with target.connect() as client, pytest.raises(StoreUnavailable):
        Patience(0.1).call(client.ping)
    client = target.connect_async(4, 0.1)
    with pytest.raises(StoreUnavailable):
        await Patience(0.1).call_async(client.ping)
    await client.aclose()


def test_a_url_that_cannot_be_read_names_the_setting() -> None:
    target = Target.external(Settings.load(redis_url="redis://localhost:x/0"))
    for connect in (target.connect, lambda: target.connect_async(4, 0.1)):
        with pytest.raises(ConfigurationError, match="RELU_LANDSCAPE_REDIS_URL=redis://HOST"):
            connect()
