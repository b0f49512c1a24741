"""Fixtures of the client's tests."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import stamina

from tests.clients.live import LiveServer, serving
from tests.clients.served import Served, application, served
from tests.serving import Running


@pytest.fixture(autouse=True)
def _no_waiting() -> Iterator[None]:
    """Repeat at once: how long a wait would be is tested where the rule is."""
    with stamina.set_testing(True, attempts=5):
        yield


@pytest.fixture(scope="session")
def live(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LiveServer]:
    """A real server in a process of its own, shared by the tests that only ask it."""
    with serving(tmp_path_factory.mktemp("live"), RELU_LANDSCAPE_CHUNK_STARTS="4") as running:
        yield running


@pytest.fixture(scope="session")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LiveServer]:
    """A real server as people have it, for pages and notebooks: the other one's many small tasks
    take longer."""
    with serving(tmp_path_factory.mktemp("whole")) as running:
        yield running


@pytest.fixture(scope="session")
def running() -> Iterator[Running]:
    """The application, shared; each test puts a service of its own behind it."""
    with application() as opened:
        yield opened


@pytest.fixture
def server(running: Running) -> Iterator[Served]:
    """The application with jobs under the test's hand."""
    with served(running) as fresh:
        yield fresh


@pytest.fixture(params=["plain", "asynchronous"])
def run(request: pytest.FixtureRequest, server: Served, tmp_path: Path) -> Callable[..., Any]:
    """Call one method of either client on the server: ``run("landscape", 2, 2)``."""

    def call(method: str, *args: Any, **options: Any) -> Any:
        options = {"cache": tmp_path / "cache"} | options
        return server.call(request.param, method, *args, **options)

    return call
