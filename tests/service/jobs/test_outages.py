"""A store that is away, silent or full: jobs wait, none is taken from a living process, and whoever
asks is told what is wrong."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager

import orjson
import pytest

from relu_landscape.errors import StoreUnavailable
from relu_landscape.jobs.listing import EVERYTHING
from relu_landscape.jobs.pool.dask import DaskPool
from relu_landscape.jobs.service import AnalysisService
from relu_landscape.jobs.store import connection
from relu_landscape.jobs.store.asking import AskingStore
from relu_landscape.jobs.store.claims import ClaimingStore
from relu_landscape.jobs.store.connection import Target
from relu_landscape.jobs.store.lists import ListingStore
from relu_landscape.settings import Settings
from relu_landscape.wire.jobs import AnyStatus
from relu_landscape.wire.requests import LandscapeRequest
from tests.service.jobs.external import SAFE, External, needs_redis
from tests.service.jobs.helpers import (
    KIND,
    PATIENCE_SECONDS,
    QUEUES,
    REQUEST,
    expected_digest,
    on_store,
    request,
    submitted,
    until,
    until_async,
)
from tests.service.jobs.toy_engine import TOY

pytestmark = needs_redis

#: Short, so that an outage of several terms is over soon.
LEASE_SECONDS = 1.0


@asynccontextmanager
async def opened(
    server: External, pool: DaskPool, processes: int = 1, **settings: object
) -> AsyncIterator[list[AnalysisService]]:
    """Services as so many API processes would be, on one store and the common workers."""
    chosen = Settings.load(
        redis_url=server.url, lease_seconds=LEASE_SECONDS, jobs_at_once=1, **settings
    )
    async with AsyncExitStack() as stack:
        target = Target.external(chosen)
        joining = [on_store(target, chosen, pool) for _ in range(processes)]
        yield [await stack.enter_async_context(each) for each in joining]


async def running(service: AnalysisService, asked: LandscapeRequest) -> AnyStatus:
    status = await service.submit(asked)

    async def runs() -> bool:
        return (await service.status(status.id)).state == "running"

    await until_async(runs, "the job runs")
    return status


async def check(service: AnalysisService, asked: LandscapeRequest, attempts: int) -> None:
    status = await service.wait(asked.content_id("cpu"), PATIENCE_SECONDS)
    assert (status.state, status.error, status.attempts) == ("finished", None, attempts)
    result = orjson.loads(await service.result(status.id))
    assert result["digest"] == expected_digest(asked)


@pytest.mark.parametrize("how", ["killed", "stopped"])
async def test_no_outage_takes_a_job_from_a_process_that_lives(
    external: Callable[..., External], pool: DaskPool, how: str
) -> None:
    """After an absence of more than a lease a process took its own healthy job for that of a dead
    one, and counted a death; the third such absence could end a job for good."""
    server = external(*SAFE)
    # Four chunks of two seconds on two workers: hardly one is finished between two outages.
    asked = request(starts=40, seconds=2.0)
    async with opened(server, pool, processes=2) as [one, other]:
        status = await running(one, asked)
        for _ in range(3):
            if how == "killed":
                server.kill()
                await asyncio.sleep(1.5 * LEASE_SECONDS)  # the outage itself, not a wait
                server.start()
            else:
                server.pause()
                await asyncio.sleep(1.5 * LEASE_SECONDS)
                server.resume()
            await asyncio.sleep(0.5 * LEASE_SECONDS)
            assert (await other.status(status.id)).attempts == 1
        await check(other, asked, attempts=1)


async def test_a_silent_store_costs_every_request_its_patience_and_no_more(
    external: Callable[..., External], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each took 20 s, two time-outs of the socket, where 5 s were promised. Here the socket alone
    would wait for ten minutes."""
    monkeypatch.setattr(connection, "SOCKET_SECONDS", 600.0)
    server = external(*SAFE)
    settings = Settings.load(redis_url=server.url, request_patience_seconds=0.5)
    asking = AskingStore(Target.external(settings), settings, TOY, "cpu")
    lists = ListingStore(Target.external(settings), settings, TOY)
    await asking.submit("a", KIND, REQUEST)
    reader = asking.follow("a", None)
    assert (await anext(reader)).data == {"state": "queued"}
    server.pause()
    calls: list[Awaitable[object]] = [
        asking.submit("b", KIND, REQUEST),
        asking.status("a"),
        asking.result("a"),
        asking.details("a", "m1"),
        *(lists.page(EVERYTHING, None, 10) for _ in range(100)),  # one after the other
        asking.figures(),
        asking.cancel("a"),
        asking.health(),
        asking.ping(),
        anext(reader),
        *(asking.status("a") for _ in range(100)),  # more than there are connections
    ]
    async with asyncio.timeout(PATIENCE_SECONDS):
        answers = await asyncio.gather(*calls, return_exceptions=True)
    server.resume()
    assert {type(answer) for answer in answers} == {StoreUnavailable}
    assert all("does not answer" in str(answer) for answer in answers)
    # What it was asked while it was silent it may do afterwards; nothing is out of step.
    assert (await asking.status("a")).state in ("queued", "cancelled")
    assert await asking.figures() is not None
    await asking.close()


async def test_a_full_memory_is_said_and_no_job_spins(
    external: Callable[..., External], pool: DaskPool
) -> None:
    """At maxmemory jobs were claimed and given up 965 times in 20 s, and nobody was told."""
    server = external(*SAFE)
    asked, waiting = request(starts=60, seconds=0.2), request(starts=10)
    async with opened(server, pool) as [service]:
        status = await running(service, asked)
        await service.submit(waiting)
        with server.client() as client:
            client.config_set("maxmemory", "1")
            with pytest.raises(StoreUnavailable, match=r"memory is full.*Raise its maxmemory"):
                await service.submit(request())
            readiness = await service.readiness()
            assert not readiness.ready
            assert "memory is full" in readiness.checks["store"]
            assert (await service.status(status.id)).state == "running", "reading goes on"
            # Several terms of the lease and many times the old pause between two claims.
            await asyncio.sleep(4 * LEASE_SECONDS)
            assert (await service.status(status.id)).attempts == 1
            client.config_set("maxmemory", "0")
        await check(service, asked, attempts=1)
        await check(service, waiting, attempts=1)
        assert (await service.readiness()).ready


async def test_at_full_memory_nothing_is_claimed_and_leases_are_kept(
    external: Callable[..., External],
) -> None:
    server = external(*SAFE)
    settings = Settings.load(redis_url=server.url)
    target = Target.external(settings)
    asking = AskingStore(target, settings, TOY, "cpu")
    claims = ClaimingStore(target, settings, patience=0.1, stop=threading.Event())
    claim = await submitted(asking, claims)
    claims.checkpoint(claim, "c1", b"1")
    await asking.submit("b", KIND, REQUEST)
    await asking.submit("c", KIND, REQUEST)
    with server.client() as client:
        client.config_set("maxmemory", "1")
        with pytest.raises(StoreUnavailable, match="memory is full"):
            claims.claim(QUEUES)
        with pytest.raises(StoreUnavailable, match="memory is full"):
            claims.checkpoint(claim, "c2", b"2")
        for job in "bc":
            assert (await asking.status(job)).attempts == 0
        # What keeps a job, ends it or frees memory goes on.
        assert claims.renew(claim) == "held"
        assert [each.job for each in claims.look()] == ["a"]
        claims.finish(claim, b"{}", {})
        assert await asking.cancel("b") == "cancelled"
        client.config_set("maxmemory", "0")
    again = claims.claim(QUEUES)
    assert again is not None
    assert (again.job, again.attempts) == ("c", 1)
    claims.close()
    await asking.close()


async def test_a_full_disk_is_said_and_jobs_wait_for_room(
    external: Callable[..., External], pool: DaskPool
) -> None:
    server = external("--appendonly", "yes", "--appendfsync", "everysec")
    asked = request(starts=60, seconds=0.2)
    async with opened(server, pool, processes=2) as [service, other]:
        status = await running(service, asked)
        server.limit_files(0)

        async def is_said() -> bool:
            return "cannot write to its disk" in (await service.readiness()).checks["store"]

        await until_async(is_said, "readiness names the disk")
        assert not (await service.readiness()).ready
        with pytest.raises(StoreUnavailable, match=r"cannot write to its disk.*Free space"):
            await other.submit(request())
        await asyncio.sleep(3 * LEASE_SECONDS)  # the outage itself
        assert (await service.status(status.id)).attempts == 1
        server.limit_files(-1)
        await check(other, asked, attempts=1)

        async def is_well() -> bool:
            return (await service.readiness()).ready

        await until_async(is_well, "the disk has room again")


def test_a_claim_waits_out_a_silence_and_takes_its_job_once(
    external: Callable[..., External],
) -> None:
    """A claim that a stopped store carries out when it goes on was nobody's: the one who had asked
    was gone."""
    server = external(*SAFE)
    settings = Settings.load(redis_url=server.url)
    target = Target.external(settings)
    claims = ClaimingStore(target, settings, patience=1.0, stop=threading.Event())

    async def prepare() -> None:
        asking = AskingStore(target, settings, TOY, "cpu")
        for job in "abc":
            await asking.submit(job, KIND, REQUEST)
        await asking.close()

    asyncio.run(prepare())
    assert claims.claim([]) is None  # connected, the script known
    server.pause()
    with pytest.raises(StoreUnavailable, match="does not answer"):
        claims.claim(QUEUES)
    server.resume()
    until(lambda: claims.look() != [], "the store does what it had been asked")
    taken = [claims.claim(QUEUES) for _ in range(4)]
    jobs = [claim.job for claim in taken if claim is not None]
    assert jobs == ["a", "b", "c"]
    assert {each.job for each in claims.look()} == set(jobs)
    claims.close()
