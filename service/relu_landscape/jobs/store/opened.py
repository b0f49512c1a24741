"""The store that the settings name, without a service."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from relu_landscape.jobs.store.connection import Target
from relu_landscape.jobs.store.embedded import EmbeddedServer
from relu_landscape.jobs.store.keys import StoredKeys
from relu_landscape.settings import Settings


@asynccontextmanager
async def opened_store(settings: Settings) -> AsyncIterator[Target]:
    """Where to connect. An embedded store that somebody has running is adopted and left running.

    Raises ``ConfigurationError`` or ``StoreUnavailable`` where an embedded one does not come up.
    """
    if settings.redis_url is not None:
        yield Target.external(settings)
        return
    server = EmbeddedServer(settings)
    try:
        await asyncio.to_thread(server.open)
        yield server.target
    finally:
        await asyncio.to_thread(server.close)


async def has_keys(settings: Settings) -> bool:
    """Whether the store has any key. Raises as ``opened_store`` does."""
    async with opened_store(settings) as target:
        keys = StoredKeys(target, settings)
        try:
            return await keys.exist()
        finally:
            await keys.close()
