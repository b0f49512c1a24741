"""Fixtures of the client's tests."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import stamina

from relu_landscape_client import AsyncClient, Client
from tests.clients.fake import FakeServer
from tests.clients.live import LiveServer, serving


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


@pytest.fixture
def server() -> FakeServer:
    """A well-behaved server."""
    return FakeServer()


@pytest.fixture
def client_of(tmp_path: Path) -> Iterator[Callable[..., Client]]:
    """Make clients of a fake server, with a cache folder of their own."""
    made: list[Client] = []

    def make(server: FakeServer, **options: Any) -> Client:
        made_with: dict[str, Any] = {
            "cache": tmp_path / "cache",
            "transport": server.transport(),
        } | options
        made.append(Client("http://fake", **made_with))
        return made[-1]

    yield make
    for client in made:
        client.close()


@pytest.fixture(params=["plain", "asynchronous"])
def run(request: pytest.FixtureRequest, tmp_path: Path) -> Callable[..., Any]:
    """Call one method of either client on a fake server: ``run(server, "landscape", 2, 2)``."""
    import asyncio

    def call(server: FakeServer, method: str, *args: Any, **options: Any) -> Any:
        made: dict[str, Any] = {"cache": tmp_path / "cache", "transport": server.transport()}
        made |= {name: options.pop(name) for name in ("cache", "patience_seconds", "api_key")
                 if name in options}  # fmt: skip
        if request.param == "plain":
            with Client("http://fake", **made) as client:
                return getattr(client, method)(*args, **options)

        async def asynchronously() -> Any:
            async with AsyncClient("http://fake", **made) as client:
                return await getattr(client, method)(*args, **options)

        return asyncio.run(asynchronously())

    return call
