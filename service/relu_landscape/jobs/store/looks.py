"""Looks at the store that many wait for at once, each made by one connection."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Hashable
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from relu_landscape.jobs.store.connection import ended

Seen = TypeVar("Seen")


@dataclass(eq=False)
class _Look(Generic[Seen]):
    """A look under way, and how many wait for what it sees."""

    task: asyncio.Future[Seen]
    waiting: int = 0


class Looks(Generic[Seen]):
    """Whoever asks for what is being looked at already waits for that look.

    A look that waits in the store keeps a connection to it; a thousand readers who have seen the
    same of one job, as all have who follow it live, need one. What is seen is shared: nobody may
    change it.
    """

    def __init__(self) -> None:
        self._under_way: dict[Hashable, _Look[Seen]] = {}
        # Those under way, and those that are cancelled and have not ended yet.
        self._tasks: set[asyncio.Future[Seen]] = set()

    async def share(self, name: Hashable, look: Callable[[], Awaitable[Seen]]) -> Seen:
        """What ``look`` sees, or one of the same name that is under way; its error is everybody's.

        A look is cancelled when the last of those who wait for it has left.
        """
        found = self._under_way.get(name)
        # One that has just ended is over, even if its end is not noted yet: whoever saw nothing new
        # would see it again and again, and let nobody else run.
        if found is None or found.task.done():
            found = self._under_way[name] = _Look(asyncio.ensure_future(look()))
            self._tasks.add(found.task)
            found.task.add_done_callback(self._tasks.discard)
            found.task.add_done_callback(lambda _: self._end(name))
        found.waiting += 1
        try:
            # Shielded: one who leaves must not take the others' look along.
            return await asyncio.shield(found.task)
        finally:
            found.waiting -= 1
            if found.waiting == 0 and not found.task.done():
                found.task.cancel()
                self._forget(name, found)

    async def end(self) -> None:
        """Cancel every look and see it out; whoever waits for one is told that it is cancelled."""
        await ended(self._tasks)

    def _end(self, name: Hashable) -> None:
        found = self._under_way.get(name)
        if found is not None and found.task.done():
            if not found.task.cancelled():
                found.task.exception()  # known to those who waited, if any still did
            self._forget(name, found)

    def _forget(self, name: Hashable, look: _Look[Any]) -> None:
        """From now on whoever asks looks anew."""
        if self._under_way.get(name) is look:
            del self._under_way[name]
