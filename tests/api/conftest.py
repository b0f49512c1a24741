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
from tests.api.samples import open_in_memory
from tests.serving import Running, serving
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


@pytest.fixture
def client(make_client: MakeClient) -> TestClient:
    return make_client()


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


@pytest.fixture
def running(
    serve_app: Callable[[FastAPI], Running], make_settings: Callable[..., ApiSettings]
) -> Running:
    """The application around the service in memory on a real socket."""
    return serve_app(create_app(make_settings(), service_factory=open_in_memory))


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
