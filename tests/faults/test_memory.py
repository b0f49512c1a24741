"""A worker that has too little memory for a chunk: who asked is told, nobody else is harmed."""

from __future__ import annotations

import resource
from collections.abc import AsyncIterator
from pathlib import Path

import orjson
import psutil
import pytest_asyncio

from relu_landscape.jobs.pool.dask import DaskPool
from relu_landscape.jobs.pool.device import ChosenBackend
from relu_landscape.jobs.service import AnalysisService
from relu_landscape.jobs.store.embedded import EmbeddedServer
from relu_landscape.settings import Settings
from tests.service.jobs.helpers import (
    PATIENCE_SECONDS,
    attached,
    expected_digest,
    request,
    until_async,
)
from tests.service.jobs.toy_engine import HUNGER_BYTES, TOY

UNLIMITED = (resource.RLIM_INFINITY, resource.RLIM_INFINITY)


def limit_memory(pool: DaskPool, room_bytes: int | None) -> None:
    """Have every worker process live with what it has and so much more; None: with any amount."""
    assert pool._local is not None
    for nanny in pool._local.cluster.workers.values():
        has = psutil.Process(nanny.pid).memory_info().vms
        most = UNLIMITED if room_bytes is None else (has + room_bytes, resource.RLIM_INFINITY)
        resource.prlimit(nanny.pid, resource.RLIMIT_AS, most)


@pytest_asyncio.fixture
async def service(server: EmbeddedServer, trace: Path) -> AsyncIterator[AnalysisService]:
    """One with workers of its own, whose memory may be limited."""
    pool = DaskPool(
        Settings.load(workers=2), TOY, ChosenBackend("numpy", "a test", "the test wants it")
    )
    pool.open()
    try:
        async with attached(server, pool, redis_prefix="hungry") as opened:
            yield opened
    finally:
        pool.close()


async def test_a_chunk_that_finds_no_memory_ends_its_own_job_with_that_reason(
    service: AnalysisService,
) -> None:
    pool = service._pool
    assert isinstance(pool, DaskPool)
    limit_memory(pool, HUNGER_BYTES // 4)
    asked, innocent = request(starts=30, misbehave="hungry"), request(starts=200, seconds=0.05)
    hungry = await service.submit(asked)
    await service.submit(innocent)
    over = await service.wait(hungry.id, PATIENCE_SECONDS)
    assert over.state == "failed"
    assert over.error is not None
    assert over.error.startswith("The chunk sample:0 failed: MemoryError")
    status = await service.wait(innocent.content_id("cpu"), PATIENCE_SECONDS)
    assert (status.state, status.error, status.attempts) == ("finished", None, 1)
    result = orjson.loads(await service.result(status.id))
    assert result["digest"] == expected_digest(innocent)
    # With more memory it may be asked again, of the same processes.
    limit_memory(pool, None)
    again = await service.submit(asked)
    over = await service.wait(again.id, PATIENCE_SECONDS)
    assert (over.state, over.error) == ("finished", None)


async def test_memory_that_is_short_for_a_moment_costs_no_job(service: AnalysisService) -> None:
    """The chunk is tried again, and its job never hears of it."""
    pool = service._pool
    assert isinstance(pool, DaskPool)
    limit_memory(pool, HUNGER_BYTES // 4)
    # It waits before it takes its memory, so that the first try ends with too little of it.
    asked = request(starts=60, seconds=0.5, misbehave="hungry")
    job = (await service.submit(asked)).id

    async def has_raised() -> bool:
        with pool.changed:
            chunks = [chunk for chunk, _ in pool._flying.values()]
            return any(chunk.raises for chunk in chunks)

    await until_async(has_raised, "the chunk came back without an answer")
    limit_memory(pool, None)
    over = await service.wait(job, PATIENCE_SECONDS)
    assert (over.state, over.error, over.attempts) == ("finished", None, 1)
    assert orjson.loads(await service.result(job))["digest"] == expected_digest(asked)
