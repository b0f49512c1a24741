"""A Dask scheduler at the end of a bad network: jobs wait for it, and none is given up."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import orjson
import pytest

from relu_landscape.jobs.pool import dask
from relu_landscape.jobs.service import AnalysisService
from relu_landscape.jobs.store.embedded import EmbeddedServer
from relu_landscape.settings import Settings
from tests.faults.proxy import Wire
from tests.service.jobs.helpers import (
    PATIENCE_SECONDS,
    expected_digest,
    request,
    until_async,
)
from tests.service.jobs.pool.test_external_dask import Cluster
from tests.service.jobs.toy_engine import TOY

LEASE_SECONDS = 1.0


@pytest.fixture
def cluster(tmp_path: Path) -> Iterator[Cluster]:
    made = Cluster(tmp_path)
    made.start()
    yield made
    made.kill()


async def test_jobs_wait_for_a_scheduler_that_is_silent_and_lost(
    cluster: Cluster, server: EmbeddedServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Silent first, with connections that stay; then these break, and what was in flight with them.

    The job keeps its lease for as long as it takes, and needs no second attempt.
    """
    monkeypatch.setattr(dask, "CONNECT_SECONDS", 1.0)  # so that silence is noticed soon
    asked = request(starts=300, seconds=0.1)
    with Wire.to_port(int(cluster.address.rpartition(":")[2])) as wire:
        settings = Settings.load(
            data_dir=server.paths.folder.parent,
            redis_prefix="scheduler-network",
            dask_scheduler=f"tcp://127.0.0.1:{wire.port}",
            lease_seconds=LEASE_SECONDS,
            kernel="numpy",
        )
        async with AnalysisService.open(settings, registry=TOY) as service:
            job = (await service.submit(asked)).id

            async def done() -> int:
                return (await service.status(job)).progress.tasks_done

            async def more_than(least: int) -> bool:
                return await done() > least

            async def pool_is(well: bool) -> bool:
                return ((await service.readiness()).checks["pool"] == "ok") == well

            await until_async(lambda: more_than(2), "some chunks are done")
            for silence in (wire.hold, wire.swallow):
                silence()
                await until_async(lambda: pool_is(False), "the silence is noticed")
                told = (await service.readiness()).checks["pool"]
                assert "scheduler does not answer" in told
                assert (await service.status(job)).state == "running"
                before = await done()
                await asyncio.sleep(1.5 * LEASE_SECONDS)  # the outage itself
                assert await done() == before
                wire.go_on()
                await until_async(partial(more_than, before), "it goes on")
                await until_async(lambda: pool_is(True), "nothing is wrong any more")
            over = await service.wait(job, PATIENCE_SECONDS)
            assert (over.state, over.error, over.attempts) == ("finished", None, 1)
            result = orjson.loads(await service.result(job))
            assert result["digest"] == expected_digest(asked)
