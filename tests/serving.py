"""Applications behind a real socket, in a thread of the tests' process.

What speaks to a service is tested against the application itself: its routes, its headers, its
event streams. Behind it stands a service in memory, which a test can reach as an object.
"""

from __future__ import annotations

import asyncio
import socket
import threading
from collections.abc import Callable, Coroutine, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, TypeVar

import uvicorn
from fastapi import FastAPI

from relu_landscape.jobs.testing import InMemoryService
from relu_landscape_api.sockets import bounded_protocol, bounds

T = TypeVar("T")

#: Both take a moment; whoever waits this long waits for a fault.
START_SECONDS = 60.0
STOP_SECONDS = 60.0


class _Server(uvicorn.Server):
    """Says when it answers, and in which loop."""

    def __init__(self, config: uvicorn.Config) -> None:
        super().__init__(config)
        self.answers = threading.Event()
        self.loop: asyncio.AbstractEventLoop

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        self.loop = asyncio.get_running_loop()
        await super().startup(sockets)
        self.answers.set()


@dataclass(frozen=True)
class Running:
    """An application that answers at ``url``."""

    url: str
    app: FastAPI
    loop: asyncio.AbstractEventLoop

    @property
    def service(self) -> InMemoryService:
        """The service in memory behind it."""
        service = self.app.state.service
        assert isinstance(service, InMemoryService)
        return service

    def in_loop(self, function: Callable[[], T]) -> T:
        """Call a function in the server's thread, and wait for what it returns."""

        async def call() -> T:
            return function()

        return self.wait_for(call())

    def wait_for(self, coroutine: Coroutine[Any, Any, T]) -> T:
        """Run a coroutine in the server's loop, and wait for what it returns."""
        return asyncio.run_coroutine_threadsafe(coroutine, self.loop).result(START_SECONDS)


@contextmanager
def serving(app: FastAPI) -> Iterator[Running]:
    """``app`` under uvicorn on a free port, until the block ends."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        protocol = bounded_protocol(bounds(app.state.settings))
        server = _Server(
            uvicorn.Config(
                app,
                http=protocol,
                ws="none",
                log_config=None,
                access_log=False,
                lifespan="on",
                proxy_headers=False,
            )
        )
        thread = threading.Thread(
            target=server.run, kwargs={"sockets": [listener]}, name="serving", daemon=True
        )
        thread.start()
        assert server.answers.wait(START_SECONDS)
        assert server.started, "the application did not start"
        try:
            yield Running(f"http://127.0.0.1:{listener.getsockname()[1]}", app, server.loop)
        finally:
            # As serve does at SIGTERM: open event streams end, then the server.
            server.loop.call_soon_threadsafe(app.state.drain.begin)
            server.should_exit = True
            thread.join(STOP_SECONDS)
            assert not thread.is_alive()


def renew(app: FastAPI) -> InMemoryService:
    """Put a new service behind it, and let it know nothing of the last. Call it in its loop."""
    new = InMemoryService(app.state.settings)
    new.deletions = app.state.service.deletions  # which it listens to
    app.state.service = new
    app.state.at_hand.drop(None)
    app.state.door.forget()
    return new


def close(service: InMemoryService) -> None:
    """End what still reads from it. Call it in its loop."""
    service.is_closed = True
    service.wake()
