"""A store at the end of a bad network: slow, silent for one process alone, cut, or emptied."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager

import orjson
import pytest

from relu_landscape.errors import NotFound, StoreUnavailable
from relu_landscape.jobs.pool.dask import DaskPool
from relu_landscape.jobs.service import AnalysisService
from relu_landscape.jobs.store.connection import Target
from relu_landscape.settings import Settings
from relu_landscape.wire.requests import LandscapeRequest
from tests.faults.proxy import Wire
from tests.service.jobs.external import SAFE, External, needs_redis
from tests.service.jobs.helpers import (
    PATIENCE_SECONDS,
    expected_digest,
    on_store,
    request,
    until_async,
)

pytestmark = needs_redis

#: Short, so that an outage of several terms is over soon.
LEASE_SECONDS = 1.0


@asynccontextmanager
async def services(pool: DaskPool, *urls: str) -> AsyncIterator[list[AnalysisService]]:
    """One for each address of the store, as so many API processes would be."""
    async with AsyncExitStack() as stack:
        joined = []
        for url in urls:
            settings = Settings.load(
                redis_url=url, lease_seconds=LEASE_SECONDS, request_patience_seconds=2.0
            )
            on = on_store(Target.external(settings), settings, pool)
            joined.append(await stack.enter_async_context(on))
        yield joined


def address(wire: Wire) -> str:
    return f"redis://127.0.0.1:{wire.port}/0"


async def state(service: AnalysisService, job: str, *wanted: str) -> None:
    async def reached() -> bool:
        return (await service.status(job)).state in wanted

    await until_async(reached, f"the job is {' or '.join(wanted)}")


async def check(service: AnalysisService, asked: LandscapeRequest, attempts: int) -> None:
    """It finished once, with the right numbers, after so many attempts."""
    status = await service.wait(asked.content_id("cpu"), PATIENCE_SECONDS)
    assert (status.state, status.error, status.attempts) == ("finished", None, attempts)
    result = orjson.loads(await service.result(status.id))
    assert result["digest"] == expected_digest(asked)
    events = [event async for event in service.events(status.id, None)]
    states = [str(each.data["state"]) for each in events if each.name == "state"]
    assert states.count("finished") == 1
    assert states.count("running") == attempts


async def test_a_slow_network_costs_time_and_no_attempt(
    external: Callable[..., External], pool: DaskPool
) -> None:
    """A tenth of a lease for every answer, which each claim, renewal and checkpoint waits for."""
    server = external(*SAFE)
    asked = request(starts=20)
    with Wire.to_socket(str(server.socket)) as wire:
        wire.delay_seconds = LEASE_SECONDS / 20
        async with services(pool, address(wire), server.url) as [far, near]:
            await far.submit(asked)
            await check(near, asked, attempts=1)
            assert (await far.readiness()).ready
        assert wire.passed > 10


@pytest.mark.parametrize("how", ["held", pytest.param("swallowed", marks=pytest.mark.slow)])
async def test_who_is_cut_off_loses_its_job_to_who_is_not(
    external: Callable[..., External], pool: DaskPool, how: str
) -> None:
    """The one that comes back, with all that it had to tell, changes nothing of the job."""
    server = external(*SAFE)
    asked = request(starts=100, seconds=0.2)
    with Wire.to_socket(str(server.socket)) as wire:
        async with services(pool, address(wire)) as [far]:
            job = (await far.submit(asked)).id
            await state(far, job, "running")
            wire.hold() if how == "held" else wire.swallow()
            with pytest.raises(StoreUnavailable, match="does not answer"):
                await far.status(job)
            async with services(pool, server.url) as [near]:

                async def taken() -> bool:
                    return (await near.status(job)).attempts == 2

                await until_async(taken, "the other one takes the job")
                wire.go_on()
                await check(near, asked, attempts=2)

                async def well() -> bool:
                    return (await far.readiness()).ready

                await until_async(well, "the one that was cut off is back")
                again = request(starts=10)
                await far.submit(again)
                await check(far, again, attempts=1)


async def test_connections_that_break_cost_no_attempt(
    external: Callable[..., External], pool: DaskPool
) -> None:
    """Each breaks in the midst of what it asks or is told, so what was done is asked for again."""
    server = external(*SAFE)
    asked = request(starts=200, seconds=0.02)
    with Wire.to_socket(str(server.socket)) as wire:
        async with services(pool, address(wire)) as [service]:
            job = (await service.submit(asked)).id
            await state(service, job, "running")
            cuts, passed = 0, 0
            while (await service.status(job)).state == "running":
                if wire.passed > passed + 20:
                    wire.cut()
                    cuts, passed = cuts + 1, wire.passed
            assert cuts >= 3
            await check(service, asked, attempts=1)


async def test_a_store_that_comes_back_empty_has_forgotten_the_job_and_takes_it_anew(
    external: Callable[..., External], pool: DaskPool
) -> None:
    """What nothing had kept is gone; nobody goes on with it, and asked again it is done again."""
    server = external()  # keeps nothing
    asked = request(starts=60, seconds=0.1)
    async with services(pool, server.url, server.url) as [one, other]:
        job = (await one.submit(asked)).id
        await state(one, job, "running")
        server.kill()
        server.start()
        with pytest.raises(NotFound):
            await other.status(job)
        again = await other.submit(asked)
        assert again.id == job
        assert again.state in ("queued", "running")  # whoever looks for work may have it already
        await check(one, asked, attempts=1)
        for service in (one, other):
            assert (await service.readiness()).ready
