"""The played scheduler, in the place of Dask's."""

from __future__ import annotations

import pytest

from relu_landscape.jobs.pool import dask as module
from tests.service.jobs.pool.played import Scheduler


@pytest.fixture
def scheduler(monkeypatch: pytest.MonkeyPatch) -> Scheduler:
    played = Scheduler()
    monkeypatch.setattr(module, "Client", played.client)
    monkeypatch.setattr(module, "REFRESH_SECONDS", 0.02)
    return played
