"""Whoever closes the store keeps no connection to it, wherever its calls were.

A call that is given up is left behind, so that nobody waits for a silent server. One that was just
connecting then had its connection after those of the store had been closed: a socket too many for
each service that was opened and closed at once.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import pytest
from redis.asyncio import UnixDomainSocketConnection

from relu_landscape.errors import NotFound, StoreUnavailable
from relu_landscape.jobs.store.asking import AskingStore
from relu_landscape.jobs.store.connection import Patience, Target
from relu_landscape.jobs.store.lists import ListingStore
from relu_landscape.jobs.store.looks import Looks
from relu_landscape.settings import Settings
from tests.service.jobs.toy_engine import TOY

#: A first call passes the event loop fewer times than this: connecting, scripts, the answer.
MOMENTS = 60

Connections = list[UnixDomainSocketConnection]


@pytest.fixture
def connections(monkeypatch: pytest.MonkeyPatch) -> Connections:
    """Every connection that begins to connect."""
    made: Connections = []
    connect = UnixDomainSocketConnection._connect

    async def watched(self: UnixDomainSocketConnection) -> None:
        made.append(self)
        await connect(self)  # type: ignore[no-untyped-call]

    monkeypatch.setattr(UnixDomainSocketConnection, "_connect", watched)
    return made


async def _moments(number: int) -> None:
    for _ in range(number):
        await asyncio.sleep(0)


async def _closed_in_the_middle(
    moment: int, begin: Callable[[], Any], close: Callable[[], Awaitable[None]]
) -> None:
    begin()
    await _moments(moment)
    await close()


async def test_lists_that_are_closed_while_they_are_read_first(
    target: Target, settings: Settings, connections: Connections
) -> None:
    for moment in range(MOMENTS):
        lists = ListingStore(target, settings, TOY)
        await _closed_in_the_middle(moment, lists.start, lists.close)
        assert not [each for each in connections if each.is_connected], moment
    assert connections


@pytest.mark.parametrize("call", ["status", "follow"])
async def test_a_store_that_is_closed_in_the_middle_of_a_call(
    call: str, target: Target, settings: Settings, connections: Connections
) -> None:
    for moment in range(MOMENTS):
        asking = AskingStore(target, settings, TOY, "cpu")
        calls = {
            "status": lambda asking=asking: asking.status("nobody's"),
            "follow": lambda asking=asking: anext(asking.follow("nobody's", None)),
        }
        task = asyncio.ensure_future(calls[call]())
        await _closed_in_the_middle(moment, lambda: None, asking.close)
        try:
            await task
        except (asyncio.CancelledError, NotFound, StoreUnavailable):
            pass
        else:
            pytest.fail("nobody's job was found")
        assert not [each for each in connections if each.is_connected], moment
    assert connections


async def test_calls_that_were_left_behind_are_seen_out() -> None:
    """As one that must still give its connection back."""
    given_back = []

    async def call() -> None:
        try:
            await asyncio.Event().wait()
        finally:
            await _moments(20)
            given_back.append(True)

    patience = Patience(60)
    task = asyncio.create_task(patience.call_async(call))
    await _moments(5)
    task.cancel()
    await asyncio.wait({task})
    assert not given_back, "whoever gives up does not wait"
    await patience.end()
    assert given_back
    with pytest.raises(StoreUnavailable, match="are closed"):
        await patience.call_async(call)


async def test_looks_that_nobody_waits_for_are_seen_out() -> None:
    ended = []

    async def look() -> int:
        try:
            await asyncio.Event().wait()
        finally:
            await _moments(20)
            ended.append(True)
        return 0

    looks: Looks[int] = Looks()
    task = asyncio.create_task(looks.share("a", look))
    await _moments(5)
    task.cancel()
    await asyncio.wait({task})
    assert not ended
    await looks.end()
    assert ended
