"""What was deleted from a service in memory, for whoever has results at hand."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator


class Deletions:
    """Tells all who listen of each."""

    def __init__(self) -> None:
        self._listening: set[asyncio.Queue[str]] = set()

    def note(self, id: str) -> None:  # noqa: A002 - the name in the contract
        """This job was deleted."""
        for queue in self._listening:
            queue.put_nowait(id)

    async def __call__(self) -> AsyncIterator[str | None]:
        """As ``jobs.interface.Service.deletions``."""
        queue: asyncio.Queue[str] = asyncio.Queue()
        self._listening.add(queue)
        try:
            yield None
            while True:
                yield await queue.get()
        finally:
            self._listening.discard(queue)
