"""Applications around the service in memory: in process, and behind a real socket."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import httpx2 as httpx
import pytest
from fastapi import FastAPI
from starlette.testclient import TestClient

from relu_landscape.jobs.testing import InMemoryService
from relu_landscape_api.app import create_app
from relu_landscape_api.settings import ApiSettings
from tests.api.samples import CALLS, open_in_memory
from tests.serving import Running, close, renew, serving
from tests.tally.test_over_http import DEADLINE_SECONDS

MakeClient = Callable[..., TestClient]


@pytest.fixture
def make_settings(tmp_path: Path) -> Callable[..., ApiSettings]:
    """ApiSettings that nothing in the environment of the tests can change."""

    def make(**changes: Any) -> ApiSettings:
        return ApiSettings(**{"data_dir": tmp_path, "redis_url": None, **changes})

    return make


@pytest.fixture
def make_client(make_settings: Callable[..., ApiSettings]) -> Iterator[MakeClient]:
    """Clients of applications with the given settings; ``service_of`` gives theirs."""
    opened: list[TestClient] = []

    def make(**changes: Any) -> TestClient:
        app = create_app(make_settings(**changes), service_factory=open_in_memory)
        client = TestClient(app, "http://localhost", raise_server_exceptions=False)
        client.__enter__()
        opened.append(client)
        return client

    yield make
    for client in opened:
        client.__exit__(None, None, None)


@pytest.fixture(scope="session")
def common_client(tmp_path_factory: pytest.TempPathFactory) -> Iterator[TestClient]:
    """An application for many tests: making one takes longer than what most of them ask of it."""
    app = _common(tmp_path_factory)
    with TestClient(app, "http://localhost", raise_server_exceptions=False) as client:
        yield client


@pytest.fixture
def client(common_client: TestClient) -> Iterator[TestClient]:
    """The common application around a new service. Whoever counts its requests makes one alone."""
    app, portal = common_client.app, common_client.portal
    assert isinstance(app, FastAPI)
    assert portal is not None
    portal.call(_renew, app)
    yield common_client
    portal.call(_close, app)


def _common(folders: pytest.TempPathFactory) -> FastAPI:
    settings = ApiSettings(data_dir=folders.mktemp("common"), redis_url=None)
    return create_app(settings, service_factory=open_in_memory)


def _renew(app: FastAPI) -> None:
    renew(app).answers_to_calls = dict(CALLS)


def _close(app: FastAPI) -> None:
    """The next test needs the application as it was."""
    close(app.state.service)
    assert not app.state.drain.has_begun, "whoever ends an application makes one alone"


def service_of(client: TestClient) -> InMemoryService:
    """The service behind a client."""
    app = client.app
    assert isinstance(app, FastAPI)
    service = app.state.service
    assert isinstance(service, InMemoryService)
    return service


@pytest.fixture
def serve_app() -> Iterator[Callable[[FastAPI], Running]]:
    """Runs applications under uvicorn on a free port until the test ends."""
    with ExitStack() as stack:
        yield lambda app: stack.enter_context(serving(app))


@pytest.fixture(scope="session")
def common_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    """As ``common_client``, on a real socket."""
    with serving(_common(tmp_path_factory)) as running:
        yield running


@pytest.fixture
def running(common_server: Running) -> Iterator[Running]:
    """As ``client``, on a real socket."""
    common_server.in_loop(lambda: _renew(common_server.app))
    yield common_server
    common_server.in_loop(lambda: _close(common_server.app))


@pytest.fixture(scope="module")
def http() -> Iterator[httpx.Client]:
    """A client of a whole service of its own, whose one worker is given two starts at a time."""
    with tempfile.TemporaryDirectory(prefix="rl-") as name:
        settings = ApiSettings.load(data_dir=Path(name), workers=1, chunk_starts=2)
        with (
            serving(create_app(settings)) as running,
            httpx.Client(base_url=running.url, timeout=DEADLINE_SECONDS) as client,
        ):
            yield client
