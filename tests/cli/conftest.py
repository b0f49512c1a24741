"""Fixtures of the command line's tests."""

from __future__ import annotations

import os

import pytest

from relu_landscape.jobs.engine import Engine
from tests.house.repository import ROOT

#: The jobs' toy engine, under a name that fresh processes can import as well.
TOY = Engine(
    solve="tests.service.jobs.toy_engine:solve",
    run_task="tests.service.jobs.toy_engine:run_task",
    calls="tests.service.jobs.toy_engine:CALLS",
)


@pytest.fixture
def toy(monkeypatch: pytest.MonkeyPatch) -> Engine:
    """An engine that computes nothing hard and misbehaves on request."""
    monkeypatch.syspath_prepend(str(ROOT))
    path = os.environ.get("PYTHONPATH")
    monkeypatch.setenv("PYTHONPATH", f"{ROOT}{os.pathsep}{path}" if path else str(ROOT))
    return TOY
