"""Short functions of the engine, called by name: bounded threads, bounded waiting."""

from __future__ import annotations

import asyncio
import threading
import time

import pytest

from relu_landscape.errors import Busy, NotFound, NumericalError, PoolUnavailable
from relu_landscape.jobs.running import short
from relu_landscape.jobs.service import LandscapeService
from tests.service.jobs import toy_engine
from tests.service.jobs.helpers import PATIENCE_SECONDS, TOY

pytestmark = pytest.mark.asyncio(loop_scope="session")


async def test_short_functions_are_called_by_name(
    service: LandscapeService, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert await service.compute("add", {"a": 1, "b": 2.5}, 5) == {"sum": 3.5}
    with pytest.raises(NumericalError, match="the toy refuses"):
        await service.compute("refuse", {}, 5)
    with pytest.raises(NotFound, match="no function 'mul'; there is: add"):
        await service.compute("mul", {}, 5)


async def test_a_call_that_runs_away_is_given_up_and_its_thread_is_not_reused() -> None:
    running = short.ShortCalls(TOY)
    release = threading.Event()
    toy_engine.CALLS["stuck"] = lambda: {"late": release.wait(PATIENCE_SECONDS)}
    try:
        began = time.monotonic()
        stuck = [running.call("stuck", {}, 0.05) for _ in range(short.THREADS)]
        for outcome in await asyncio.gather(*stuck, return_exceptions=True):
            assert isinstance(outcome, PoolUnavailable)
        waiting = [running.call("add", {"a": 1, "b": 1}, 0.05) for _ in range(short.WAITING)]
        for outcome in await asyncio.gather(*waiting, return_exceptions=True):
            assert isinstance(outcome, PoolUnavailable)
        assert time.monotonic() - began < 10
        release.set()
        assert await running.call("add", {"a": 1, "b": 1}, PATIENCE_SECONDS) == {"sum": 2.0}
    finally:
        release.set()
        del toy_engine.CALLS["stuck"]
        running.close()


async def test_more_calls_than_can_wait_are_refused() -> None:
    running = short.ShortCalls(TOY)
    release = threading.Event()
    toy_engine.CALLS["stuck"] = lambda: {"late": release.wait(PATIENCE_SECONDS)}
    try:
        pending = [
            asyncio.create_task(running.call("stuck", {}, PATIENCE_SECONDS))
            for _ in range(short.THREADS + short.WAITING)
        ]
        await asyncio.sleep(0)  # every task runs up to its first wait
        with pytest.raises(Busy) as refused:
            await running.call("add", {"a": 1, "b": 1}, 5)
        assert refused.value.retry_after_seconds >= 1
        release.set()
        assert await asyncio.gather(*pending) == [{"late": True}] * len(pending)
    finally:
        release.set()
        del toy_engine.CALLS["stuck"]
        running.close()
