"""A sweep over real store, real workers and a toy engine: its cells are everybody's jobs."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from typing import Any

import orjson
import pytest

from relu_landscape.errors import InputError, NotFound, RequestError
from relu_landscape.jobs.pool.dask import DaskPool
from relu_landscape.jobs.running.sealing import digest
from relu_landscape.jobs.service import AnalysisService
from relu_landscape.jobs.store.embedded import EmbeddedServer
from relu_landscape.settings import Settings
from relu_landscape.wire.requests import LandscapeRequest
from relu_landscape.wire.sweeps import Sweep, SweepRequest
from tests.service.jobs.helpers import (
    PATIENCE_SECONDS,
    expected_digest,
    on_store,
    request,
    until_async,
)
from tests.service.jobs.toy_engine import SWEPT

pytestmark = pytest.mark.asyncio(loop_scope="session")


@asynccontextmanager
async def sweeping(
    server: EmbeddedServer, pool: DaskPool, prefix: str, **settings: Any
) -> AsyncIterator[AnalysisService]:
    chosen = Settings.load(redis_prefix=prefix, **settings)
    async with on_store(server.target, chosen, pool, registry=SWEPT) as service:
        yield service


def sweep(seeds: list[int], seconds: float = 1.0, starts: int = 10) -> SweepRequest:
    """A landscape of the toy for each seed, ``seconds`` per chunk of 10 starts, 1.0 for none."""
    return SweepRequest.model_validate(
        {
            "base": {"K": 2, "width": 2, "starts": starts, "init_scale": seconds},
            "grid": {"seed": seeds},
        }
    )


def cell(asked: SweepRequest, seed: int) -> LandscapeRequest:
    """The landscape of one cell, as somebody asks for it alone."""
    common = asked.common
    return LandscapeRequest(
        student_width=2, teacher_width=2, starts=common.starts, seed=seed,
        init_scale=common.init_scale,
    )  # fmt: skip


async def table(service: AnalysisService, asked: SweepRequest) -> Sweep:
    status = await service.wait((await service.submit(asked)).id, PATIENCE_SECONDS)
    assert status.state == "finished", status
    body = await service.result(status.id)
    assert orjson.loads(body)["digest"] == digest(orjson.loads(body))
    return Sweep.model_validate_json(body)


async def test_cells_are_the_landscapes_of_everybody(
    server: EmbeddedServer, pool: DaskPool, settings: Settings
) -> None:
    """With a single place for jobs, which the sweep itself must not take: it would wait for ever
    for jobs that never begin."""
    asked = sweep([3, 1, 2])
    async with sweeping(server, pool, settings.redis_prefix, jobs_at_once=1) as service:
        alone = await service.submit(cell(asked, 1))
        await service.wait(alone.id, PATIENCE_SECONDS)
        found = await table(service, asked)
        assert [row.values for row in found.rows] == [{"seed": 3}, {"seed": 1}, {"seed": 2}]
        assert (found.finished, found.failed) == (3, 0)
        for row in found.rows:
            own = cell(asked, int(row.values["seed"]))
            assert row.landscape == own.content_id("cpu")
            assert row.digest == expected_digest(own)
        kept = await service.status(alone.id)
        assert kept.attempts == 1, "what was known is not computed again"
        assert (await service.figures())["finished"] == 4
        again = await service.submit(asked)
        assert (again.state, again.attempts, again.holders) == ("finished", 1, 0)
        assert again.progress.tasks_done == 3
        assert again.progress.starts_done == 30


async def test_a_request_beside_a_sweep_waits_behind_a_few_at_the_most(
    server: EmbeddedServer, pool: DaskPool, settings: Settings
) -> None:
    asked = sweep(list(range(60)), seconds=0.02)
    async with sweeping(
        server, pool, settings.redis_prefix, jobs_at_once=1, sweep_window=3
    ) as service:
        swept = await service.submit(asked)

        async def is_under_way() -> bool:
            return (await service.figures())["finished"] >= 2

        await until_async(is_under_way, "some cells are done")
        waiting = (await service.figures())["queued"]
        assert waiting <= 3
        alone = await service.submit(request(starts=10))
        done = (await service.wait(alone.id, PATIENCE_SECONDS)).state
        status = await service.status(swept.id)
        assert (done, status.state) == ("finished", "running")
        assert status.findings, "rows are told while it goes on"
        await service.cancel(swept.id)
        assert (await service.wait(swept.id, PATIENCE_SECONDS)).state == "cancelled"


async def test_a_cancelled_sweep_lets_go_of_its_cells_and_of_nobody_elses(
    server: EmbeddedServer, pool: DaskPool, settings: Settings
) -> None:
    asked = sweep([1, 2, 3], seconds=0.2, starts=600)
    async with sweeping(server, pool, settings.redis_prefix, jobs_at_once=2) as service:
        mine = await service.submit(cell(asked, 1))
        swept = await service.submit(asked)

        async def all_are_asked_for() -> bool:
            counts = await service.figures()
            return counts["running"] + counts["queued"] == 4

        await until_async(all_are_asked_for, "three cells and the sweep")
        assert (await service.status(mine.id)).holders == 2
        await service.cancel(swept.id)
        assert (await service.wait(swept.id, PATIENCE_SECONDS)).state == "cancelled"
        for seed in (2, 3):
            other = await service.wait(cell(asked, seed).content_id("cpu"), PATIENCE_SECONDS)
            assert (other.state, other.holders) == ("cancelled", 0)
        still = await service.status(mine.id)
        assert (still.state, still.holders) == ("running", 1)
        await service.cancel(mine.id)


async def test_a_cell_that_an_operator_cancels_is_a_row_with_an_error(
    server: EmbeddedServer, pool: DaskPool, settings: Settings
) -> None:
    """And another sweep over the same cells, told apart by ``again``, computes that one alone."""
    asked = sweep([1, 2], seconds=0.05, starts=100)
    prefix = settings.redis_prefix
    async with sweeping(server, pool, prefix, jobs_at_once=1, sweep_window=2) as service:
        swept = await service.submit(asked)
        second = cell(asked, 2).content_id("cpu")

        async def waits() -> bool:
            with suppress(NotFound):
                return (await service.status(second)).state == "queued"
            return False

        await until_async(waits, "the second cell waits")
        await service.cancel(second, None)
        found = await table(service, asked)
        assert [row.error for row in found.rows] == [None, "Its computation was cancelled."]
        assert (found.finished, found.failed) == (1, 1)
        anew = await table(service, asked.model_copy(update={"again": 1}))
        assert (anew.failed, anew.id != swept.id) == (0, True)
        assert anew.rows[0] == found.rows[0]
        assert (await service.status(cell(asked, 1).content_id("cpu"))).attempts == 1


async def test_what_no_cell_can_be_and_what_this_service_forbids_is_refused_at_the_door(
    server: EmbeddedServer, pool: DaskPool, settings: Settings
) -> None:
    async with sweeping(server, pool, settings.redis_prefix, largest_width=8) as service:
        bad = SweepRequest.model_validate(
            {"base": {"K": 3, "width": 2}, "grid": {"teacher_correlation": [-0.6, 1.0]}}
        )
        with pytest.raises(
            InputError, match=r"No cell .* teacher_correlation = -0\.6 .* above -1 / 2"
        ):
            await service.submit(bad)
        wide = SweepRequest.model_validate({"base": {"K": 7}, "grid": {"extra_students": [0, 2]}})
        with pytest.raises(RequestError, match=r"student_width = 9 .* in every cell"):
            await service.submit(wide)
        assert (await service.figures())["queued"] == 0
