"""Applications around the service in memory: in process, and behind a real socket."""

from __future__ import annotations

import asyncio
import socket
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import uvicorn
from fastapi import FastAPI
from starlette.testclient import TestClient

from relu_landscape.jobs.testing import InMemoryService
from relu_landscape_api.app import create_app
from relu_landscape_api.settings import ApiSettings
from tests.api.samples import open_in_memory

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
        client = TestClient(app, raise_server_exceptions=False)
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


@dataclass(frozen=True)
class Running:
    """A server on a real socket, in a thread."""

    url: str
    app: FastAPI
    loop: asyncio.AbstractEventLoop
    server: uvicorn.Server
    thread: threading.Thread

    @property
    def service(self) -> InMemoryService:
        service = self.app.state.service
        assert isinstance(service, InMemoryService)
        return service


@pytest.fixture
def serve_app() -> Iterator[Callable[[FastAPI], Running]]:
    """Runs applications under uvicorn on a free port until the test ends."""
    running: list[Running] = []

    def start(app: FastAPI) -> Running:
        listener = socket.create_server(("127.0.0.1", 0))
        config = uvicorn.Config(app, log_config=None, access_log=False, lifespan="on")
        server = uvicorn.Server(config)
        ready = threading.Event()
        loops: list[asyncio.AbstractEventLoop] = []

        async def run() -> None:
            loops.append(asyncio.get_running_loop())
            await server._serve([listener])

        original = server.startup

        async def startup(sockets: list[socket.socket] | None = None) -> None:
            await original(sockets)
            ready.set()

        server.startup = startup  # type: ignore[method-assign]
        thread = threading.Thread(target=lambda: asyncio.run(run()), daemon=True)
        thread.start()
        assert ready.wait(30)
        port = listener.getsockname()[1]
        running.append(Running(f"http://127.0.0.1:{port}", app, loops[0], server, thread))
        return running[-1]

    yield start
    for item in running:
        item.loop.call_soon_threadsafe(item.app.state.drain.begin)
        item.server.should_exit = True
        item.thread.join(20)
        assert not item.thread.is_alive()


@pytest.fixture
def running(
    serve_app: Callable[[FastAPI], Running], make_settings: Callable[..., ApiSettings]
) -> Running:
    """The application around the service in memory on a real socket."""
    return serve_app(create_app(make_settings(), service_factory=open_in_memory))
