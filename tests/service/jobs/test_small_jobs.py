"""Small jobs have places of their own: none waits for large ones to end."""

from __future__ import annotations

import uuid
from dataclasses import replace

import pytest

from relu_landscape.engine.tasks import Expected
from relu_landscape.jobs import admission
from relu_landscape.jobs.pool.dask import DaskPool
from relu_landscape.jobs.store.embedded import EmbeddedServer
from tests.service.jobs import toy_engine
from tests.service.jobs.helpers import PATIENCE_SECONDS, attached, request

pytestmark = pytest.mark.asyncio(loop_scope="session")


@pytest.fixture
def expected(monkeypatch: pytest.MonkeyPatch) -> None:
    """The toy's jobs are expected to take a second a start."""
    judged = replace(
        toy_engine.COMPOSITION,
        expected=lambda problem: Expected({"sample": float(problem.starts)}, 0.0),
    )
    monkeypatch.setattr(admission, "composition", lambda _: judged)


@pytest.mark.usefixtures("expected")
async def test_a_small_job_among_ten_large_ones_does_not_wait_for_them(
    server: EmbeddedServer, pool: DaskPool
) -> None:
    prefix = f"small-{uuid.uuid4().hex}"
    settings = {"jobs_at_once": 2, "small_jobs_at_once": 1, "small_job_seconds": 40.0}
    async with attached(server, pool, redis_prefix=prefix, **settings) as service:
        large = [await service.submit(request(starts=3000, seconds=0.05)) for _ in range(10)]
        small = await service.submit(request(starts=20, seconds=0.05))
        status = await service.wait(small.id, PATIENCE_SECONDS)
        assert status.state == "finished"
        states = [(await service.status(each.id)).state for each in large]
        # Two have begun and none has ended: in the order of submission all came before it.
        assert sorted(states) == ["queued"] * 8 + ["running"] * 2
        for each in large:
            await service.cancel(each.id)
        for each in large:
            await service.wait(each.id, PATIENCE_SECONDS)


async def test_who_waits_for_an_end_does_not_look_at_the_line(
    server: EmbeddedServer, pool: DaskPool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It sorts all that wait, and a thousand who wait look a thousand times a second."""
    prefix = f"line-{uuid.uuid4().hex}"
    settings = {"jobs_at_once": 1, "small_jobs_at_once": 0, "keys_at_once": 0}
    async with attached(server, pool, redis_prefix=prefix, **settings) as service:
        jobs = [await service.submit(request(starts=3000, seconds=0.05)) for _ in range(2)]
        run, asked = service._asking._scripts.run, list[str]()

        def noted(script: str, *arguments: bytes | str | float) -> object:
            asked.append(script)
            return run(script, *arguments)

        monkeypatch.setattr(service._asking._scripts, "run", noted)
        status = await service.wait(jobs[1].id, 1.0)
        assert status.state == "queued"
        assert asked.count("line") == 1, "once, for the answer"
        for each in jobs:
            await service.cancel(each.id)
        for each in jobs:
            await service.wait(each.id, PATIENCE_SECONDS)
