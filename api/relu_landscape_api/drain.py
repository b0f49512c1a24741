"""The end of the process, announced to everything that waits."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from typing import Any, TypeVar

Answer = TypeVar("Answer")

#: Cancelling takes a turn or two of the event loop; whoever needs longer is told again.
_CANCEL_AGAIN_SECONDS = 0.05


class Drain:
    """Set once, when the process begins to stop: open streams and long waits end by it.

    uvicorn closes idle connections on SIGTERM but lets requests run to their end; an event stream
    has none, so without this the process would wait out its whole grace period.
    """

    def __init__(self) -> None:
        self._begun = asyncio.Event()

    @property
    def has_begun(self) -> bool:
        return self._begun.is_set()

    def begin(self) -> None:
        """Announce the end. Call it in the event loop's own thread."""
        self._begun.set()

    async def race(self, work: Coroutine[Any, Any, Answer]) -> Answer | None:
        """The answer of ``work``, or None if the process began to stop first.

        ``work`` is cancelled in that case, and also when the caller is cancelled.
        """
        task = asyncio.ensure_future(work)
        begun = asyncio.ensure_future(self._begun.wait())
        try:
            await asyncio.wait({task, begun}, return_when=asyncio.FIRST_COMPLETED)
            return task.result() if task.done() else None
        finally:
            # Both must have ended before the caller closes what they were using.
            await _ended({task, begun})


async def _ended(tasks: set[asyncio.Future[Any]]) -> None:
    """Cancel these until they have ended.

    Once is not always enough: a library that is just ending a wait of its own may take the request
    to stop for the end of that wait, and go on.
    """
    left = tasks
    while left:
        for task in left:
            task.cancel()
        _, left = await asyncio.wait(left, timeout=_CANCEL_AGAIN_SECONDS)
    for task in tasks:
        if not task.cancelled():
            task.exception()  # looked at, so that nobody complains that it was not
