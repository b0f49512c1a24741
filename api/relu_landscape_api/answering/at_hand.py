"""Finished results at hand: as they are sent, for those that are asked for again.

A finished result never changes, so a process that has sent one can send it again without asking the
store, and without compressing it again.
"""

from __future__ import annotations

import gzip
import math
import time
from asyncio import to_thread
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass

from cachetools import TTLCache

#: zlib's own default: level 9 costs several times the time for about one per cent of the size.
GZIP_LEVEL = 6
#: Answers of a few hundred bytes fit one packet as they are.
GZIP_FROM_BYTES = 1024
#: Compressing less than this takes less time than handing it to a thread.
_INLINE_BYTES = 4096


@dataclass(frozen=True)
class Encoded:
    """A result's bytes; ``zipped`` are the same by gzip, ``None`` where that gains nothing."""

    kind: str
    plain: bytes
    zipped: bytes | None

    @property
    def size(self) -> int:
        """Bytes of memory, near enough."""
        return len(self.plain) + len(self.zipped or b"")


async def encoded(kind: str, plain: bytes) -> Encoded:
    """Compressed away from the event loop where that takes a while."""
    if len(plain) < GZIP_FROM_BYTES:
        return Encoded(kind, plain, None)
    if len(plain) < _INLINE_BYTES:
        return Encoded(kind, plain, _zipped(plain))
    return Encoded(kind, plain, await to_thread(_zipped, plain))


def _zipped(plain: bytes) -> bytes:
    return gzip.compress(plain, GZIP_LEVEL, mtime=0)


class ResultsAtHand:
    """Those asked for last, by content id, up to ``limit_bytes``; for one event loop.

    ``seconds``: how long each is kept; where the store forgets results, so must this. ``on_hit``
    is called whenever one is found.
    """

    def __init__(
        self,
        limit_bytes: int,
        seconds: int | None,
        *,
        clock: Callable[[], float] = time.monotonic,
        on_hit: Callable[[], None] = lambda: None,
    ) -> None:
        self._on_hit = on_hit
        self._drops = 0
        self._kept: TTLCache[str, Encoded] = TTLCache(
            limit_bytes,
            math.inf if seconds is None else seconds,
            timer=clock,
            getsizeof=lambda each: each.size,
        )

    def find(self, kind: str, id: str) -> Encoded | None:  # noqa: A002 - the name in the contract
        """The result of this id if it is here, and of this kind."""
        found = self._kept.get(id)
        if found is None or found.kind != kind:
            return None
        self._on_hit()
        return found

    @property
    def drops(self) -> int:
        """How often something was dropped so far: whoever keeps what it read says what this was."""
        return self._drops

    def keep(self, id: str, result: Encoded, drops: int) -> None:  # noqa: A002 - as in the contract
        """Have it for the next who asks, unless it alone is larger than everything may be.

        ``drops`` as before it was read: if something was dropped since, it may have been this.
        """
        if result.size <= self._kept.maxsize and drops == self._drops:
            self._kept[id] = result

    def drop(self, id: str | None) -> None:  # noqa: A002 - the name in the contract
        """Have it no longer; None: nothing at all."""
        self._drops += 1
        if id is None:
            self._kept.clear()
        else:
            self._kept.pop(id, None)

    async def listen(self, deletions: AsyncIterator[str | None]) -> None:
        """Drop what is deleted, by whichever process."""
        async for id in deletions:  # noqa: A001 - the name in the contract
            self.drop(id)
