"""Nobody waits for somebody else's jobs to end, in a whole service."""

from __future__ import annotations

import uuid

import pytest

from relu_landscape.jobs.pool.dask import DaskPool
from relu_landscape.jobs.store.embedded import EmbeddedServer
from tests.service.jobs.helpers import PATIENCE_SECONDS, attached, request

pytestmark = pytest.mark.asyncio(loop_scope="session")


async def test_one_job_beside_ten_of_somebody_else_is_computed_at_once(
    server: EmbeddedServer, pool: DaskPool
) -> None:
    prefix = f"fair-{uuid.uuid4().hex}"
    async with attached(server, pool, redis_prefix=prefix, jobs_at_once=2) as service:
        ten = [await service.submit(request(3000, 0.05), "ada") for _ in range(10)]
        # Large as well: there is no place for small ones that it could take.
        one = await service.submit(request(200, 0.05), "bob")
        assert (await service.wait(one.id, PATIENCE_SECONDS)).state == "finished"
        states = [(await service.status(each.id)).state for each in ten]
        # Two have begun and none has ended: in the order of submission all came before it.
        assert sorted(states) == ["queued"] * 8 + ["running"] * 2
        for each in ten:
            await service.cancel(each.id, "ada")
        for each in ten:
            assert (await service.wait(each.id, PATIENCE_SECONDS)).state == "cancelled"
