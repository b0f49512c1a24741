"""Short functions of the engine, called by name: bounded threads, bounded waiting."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Callable

import pytest

from relu_landscape.errors import Busy, NotFound, NumericalError, PoolUnavailable
from relu_landscape.jobs.running import short
from relu_landscape.jobs.service import AnalysisService
from tests.service.jobs import toy_engine
from tests.service.jobs.helpers import PATIENCE_SECONDS
from tests.service.jobs.toy_engine import TOY, Nothing, Pair, Total

pytestmark = pytest.mark.asyncio(loop_scope="session")


async def test_short_functions_are_called_by_name(
    service: AnalysisService,
) -> None:
    assert await service.call("add", Pair(a=1, b=2.5), 5) == Total(sum=3.5)
    with pytest.raises(NumericalError, match="the toy refuses"):
        await service.call("refuse", Nothing(), 5)
    with pytest.raises(NotFound, match="no calculation 'mul'; there is: add"):
        await service.call("mul", Nothing(), 5)


def stuck_until(release: threading.Event) -> Callable[[Nothing], Nothing]:
    def wait(query: Nothing) -> Nothing:
        release.wait(PATIENCE_SECONDS)
        return query

    return wait


async def test_a_call_that_runs_away_is_given_up_and_its_thread_is_not_reused(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    running = short.ShortCalls(TOY)
    release = threading.Event()
    monkeypatch.setattr(toy_engine, "slow", stuck_until(release))
    try:
        began = time.monotonic()
        stuck = [running.call("slow", Nothing(), 0.05) for _ in range(short.THREADS)]
        for outcome in await asyncio.gather(*stuck, return_exceptions=True):
            assert isinstance(outcome, PoolUnavailable)
        waiting = [running.call("add", Pair(a=1, b=1), 0.05) for _ in range(short.WAITING)]
        for outcome in await asyncio.gather(*waiting, return_exceptions=True):
            assert isinstance(outcome, PoolUnavailable)
        assert time.monotonic() - began < 10
        release.set()
        assert await running.call("add", Pair(a=1, b=1), PATIENCE_SECONDS) == Total(sum=2.0)
    finally:
        release.set()
        running.close()


async def test_more_calls_than_can_wait_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    running = short.ShortCalls(TOY)
    release = threading.Event()
    monkeypatch.setattr(toy_engine, "slow", stuck_until(release))
    try:
        pending = [
            asyncio.create_task(running.call("slow", Nothing(), PATIENCE_SECONDS))
            for _ in range(short.THREADS + short.WAITING)
        ]
        await asyncio.sleep(0)  # every task runs up to its first wait
        with pytest.raises(Busy) as refused:
            await running.call("add", Pair(a=1, b=1), 5)
        assert refused.value.retry_after_seconds >= 1
        release.set()
        assert await asyncio.gather(*pending) == [Nothing()] * len(pending)
    finally:
        release.set()
        running.close()
