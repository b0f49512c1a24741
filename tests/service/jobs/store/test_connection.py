"""Patience with a store that vanishes or is silent, and little with one that refuses."""

from __future__ import annotations

import asyncio
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
    redis.ResponseError("wrong kind of value"),
]
#: As redis-py shows them, and as scripts on servers before Redis 7 word them.
FULL = [
    (redis.exceptions.OutOfMemoryError("command not allowed when used memory"), "memory is full"),
    (redis.ResponseError("@user_script:1: -OOM command not allowed when used"), "memory is full"),
    (redis.ResponseError("MISCONF Errors writing to the AOF file: No space"), "to its disk"),
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


@pytest.mark.parametrize(("error", "words"), FULL, ids=repr)
async def test_a_full_store_is_told_to_requests_and_awaited_by_jobs(
    error: Exception, words: str
) -> None:
    flaky = Flaky(1, error)
    with pytest.raises(StoreUnavailable, match=words) as told:
        await Patience(10).call_async(flaky.call_async)
    assert flaky.calls == 1
    assert "Raise its maxmemory" in str(told.value) or "Free space" in str(told.value)
    flaky = Flaky(3, error)
    assert Patience(10, awaits_room=True).call(flaky) == "answer"
    assert flaky.calls == 4
    with pytest.raises(StoreUnavailable, match=words):
        Patience(0.1, awaits_room=True).call(Flaky(10**6, error))


def test_a_full_store_is_asked_ever_more_seldom_and_at_odd_times() -> None:
    """Jobs were claimed and given up 965 times in 20 s."""
    pauses: list[float] = []
    clock = [0.0]

    class Waiter(threading.Event):
        def wait(self, timeout: float | None = None) -> bool:
            assert timeout is not None
            pauses.append(timeout)
            clock[0] += timeout
            return False

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("relu_landscape.jobs.store.connection.time.monotonic", lambda: clock[0])
        with pytest.raises(StoreUnavailable, match="memory is full"):
            Patience(60, Waiter(), awaits_room=True).call(Flaky(10**6, FULL[0][0]))
    assert len(pauses) < 40
    assert max(pauses) <= 5
    assert sum(pauses[:8]) < max(pauses) * 2, "at first it asks soon"
    assert len({round(pause, 6) for pause in pauses}) > len(pauses) / 2, "never in step"


async def test_a_silent_store_costs_a_request_its_patience_and_no_more() -> None:
    """A store that is stopped accepts connections and answers nothing: requests took 20 s, two
    time-outs of the socket, where 5 s were promised."""

    async def silence() -> None:
        await asyncio.Event().wait()

    with pytest.raises(StoreUnavailable, match="does not answer: it is silent"):
        async with asyncio.timeout(60):
            await Patience(0.05).call_async(silence)


async def test_an_event_loop_that_was_held_up_still_has_patience() -> None:
    """On a busy machine the loop stood still for longer than its patience, and requests were told
    that the store is silent although its answers were there: 503 of nine keys in ten seconds."""
    loop = asyncio.get_running_loop()
    patience = Patience(0.05)
    asked: list[float] = []

    async def ask() -> str:
        asked.append(loop.time())
        answer = loop.create_future()
        loop.call_later(0.001, answer.set_result, "answer")
        # An answer that is there takes some rounds of the loop until it is read and put together.
        for _ in range(20):
            await asyncio.sleep(0)
        found: str = await answer
        for _ in range(20):
            await asyncio.sleep(0)
        return found

    call = asyncio.create_task(patience.call_async(ask))
    for _ in range(5):  # it has asked
        await asyncio.sleep(0)
    assert asked
    time.sleep(2 * patience.seconds)  # noqa: ASYNC251 - the loop stands still
    assert await call == "answer"
    assert len(asked) == 1


async def test_what_is_known_of_a_silent_store_is_said() -> None:
    known = Patience(0.05, why=lambda: "The disk is full.")
    gone = Flaky(10**6, redis.ConnectionError("gone"))
    with pytest.raises(StoreUnavailable, match=r"^The disk is full\.$"):
        await known.call_async(gone.call_async)
    with pytest.raises(StoreUnavailable, match=r"^The disk is full\.$"):
        known.call(gone)
    with pytest.raises(StoreUnavailable, match="does not answer: gone"):
        Patience(0.05, why=lambda: None).call(gone)


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
