"""The played scheduler, in the place of Dask's."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from relu_landscape.jobs.pool import dask as module
from relu_landscape.jobs.pool.dask import DaskPool
from tests.service.jobs.pool.played import Scheduler, played_pool


@pytest.fixture
def scheduler(monkeypatch: pytest.MonkeyPatch) -> Scheduler:
    played = Scheduler()
    monkeypatch.setattr(module, "Client", played.client)
    monkeypatch.setattr(module, "REFRESH_SECONDS", 0.02)
    return played


@pytest.fixture
def pool(scheduler: Scheduler) -> Iterator[DaskPool]:
    opened = played_pool()
    opened.open()
    yield opened
    opened.close()
