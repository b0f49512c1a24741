"""The store that the settings name, for commands that speak to it without a server."""

from __future__ import annotations

import asyncio
import getpass
import socket
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, TypeVar

import typer

from relu_landscape_cli.interrupts import held

if TYPE_CHECKING:
    from relu_landscape.jobs.store.audit import StoredTrail
    from relu_landscape.jobs.store.keys import StoredKeys

Answer = TypeVar("Answer")

DataDir = Annotated[
    Path | None,
    typer.Option(
        help="Folder of the embedded store.", show_default="RELU_LANDSCAPE_DATA_DIR, as for serve"
    ),
]


@dataclass(frozen=True)
class Stored:
    """What these commands need of the store."""

    keys: StoredKeys
    trail: StoredTrail


def with_store(data_dir: Path | None, use: Callable[[Stored], Awaitable[Answer]]) -> Answer:
    """What ``use`` makes of the store.

    An embedded one is adopted where a service has it running, and else started for a moment.
    Raises ``ConfigurationError``, ``StoreUnavailable``.
    """

    async def run() -> Answer:
        async with _opened(data_dir) as stored:
            return await use(stored)

    with held():  # an embedded store that was started must not be left behind
        return asyncio.run(run())


@asynccontextmanager
async def _opened(data_dir: Path | None) -> AsyncIterator[Stored]:
    from relu_landscape.jobs.store.audit import StoredTrail
    from relu_landscape.jobs.store.keys import StoredKeys
    from relu_landscape.jobs.store.opened import opened_store
    from relu_landscape_api.settings import ApiSettings

    settings = ApiSettings.load(**({} if data_dir is None else {"data_dir": data_dir}))
    async with AsyncExitStack() as stack:
        target = await stack.enter_async_context(opened_store(settings))
        keys, trail = StoredKeys(target, settings), StoredTrail(target, settings)
        stack.push_async_callback(keys.close)
        stack.push_async_callback(trail.close)
        yield Stored(keys, trail)


def whose() -> str:
    """Who sits at this command line, and at which machine."""
    try:
        user = getpass.getuser()
    except (KeyError, OSError):  # a container may give its user no name
        user = "?"
    return f"{user}@{socket.gethostname()}"
