"""Looks at the store that many wait for at once, each made by one connection."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Hashable
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from relu_landscape.jobs.store.connection import ended

Seen = TypeVar("Seen")

#: So long a look waits at most for the one before it: where the store is silent, whoever asks is
#: told so when his own patience ends, and not after that of those before him as well.
LONGEST_TURN_SECONDS = 0.25


@dataclass(eq=False)
class _Look(Generic[Seen]):
    """A look under way, and how many wait for what it sees."""

    task: asyncio.Future[Seen]
    waiting: int = 0


class Looks(Generic[Seen]):
    """Whoever asks for what others ask for waits for their look, and makes none of his own.

    A look that waits in the store keeps a connection to it; a thousand readers who have seen the
    same of one job, as all have who follow it live, need one. What is seen is shared: nobody may
    change it. The error of a look is everybody's who waits for it, and it is cancelled when the
    last of them has left.
    """

    def __init__(self) -> None:
        self._to_come: dict[Hashable, _Look[Seen]] = {}
        self._under_way: dict[Hashable, _Look[Seen]] = {}
        # Those to come and under way, and those that are cancelled and have not ended yet.
        self._tasks: set[asyncio.Future[Seen]] = set()

    async def share(self, name: Hashable, look: Callable[[], Awaitable[Seen]]) -> Seen:
        """What ``look`` sees, or one of the same name that is under way: for what only grows."""
        found = self._under_way.get(name)
        # One that has just ended is over, even if its end is not noted yet: whoever saw nothing new
        # would see it again and again, and let nobody else run.
        if found is None or found.task.done():
            found = self._under_way[name] = self._begun(name, look())
        return await self._seen(name, found)

    async def renew(self, name: Hashable, look: Callable[[], Awaitable[Seen]]) -> Seen:
        """What a ``look`` sees that begins after this call, so that nothing done before it is
        missed; those who ask while one of the same name is under way share the next.
        """
        found = self._to_come.get(name)
        if found is None:
            found = self._to_come[name] = self._begun(name, self._in_turn(name, look))
        return await self._seen(name, found)

    async def end(self) -> None:
        """Cancel every look and see it out; whoever waits for one is told that it is cancelled."""
        await ended(self._tasks)

    async def _in_turn(self, name: Hashable, look: Callable[[], Awaitable[Seen]]) -> Seen:
        before = self._under_way.get(name)
        if before is not None:
            await asyncio.wait({before.task}, timeout=LONGEST_TURN_SECONDS)
        self._under_way[name] = self._to_come.pop(name)
        return await look()

    def _begun(self, name: Hashable, look: Awaitable[Seen]) -> _Look[Seen]:
        found = _Look(asyncio.ensure_future(look))
        self._tasks.add(found.task)
        found.task.add_done_callback(self._tasks.discard)
        found.task.add_done_callback(_retrieve)
        found.task.add_done_callback(lambda _: self._forget(name, found))
        return found

    async def _seen(self, name: Hashable, found: _Look[Seen]) -> Seen:
        found.waiting += 1
        try:
            # Shielded: one who leaves must not take the others' look along.
            return await asyncio.shield(found.task)
        finally:
            found.waiting -= 1
            if found.waiting == 0 and not found.task.done():
                found.task.cancel()
                self._forget(name, found)

    def _forget(self, name: Hashable, look: _Look[Seen]) -> None:
        """From now on whoever asks looks anew."""
        for each in (self._to_come, self._under_way):
            if each.get(name) is look:
                del each[name]


def _retrieve(look: asyncio.Future[Any]) -> None:
    """Note an error as known: to those who waited, if any still did."""
    if not look.cancelled():
        look.exception()
