"""What people say of jobs, and which that are over stay or go: in the store and the archive."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator

from cachetools import LRUCache

from relu_landscape.errors import StoreUnavailable
from relu_landscape.jobs.intake import Intake
from relu_landscape.jobs.store.keeping import KeepingStore
from relu_landscape.jobs.words import not_deleted, not_finished, unknown
from relu_landscape.wire.labels import LabelChange

logger = logging.getLogger(__name__)

#: Whose asking for what this process knows to be noted.
_NOTED = 10_000


class Keeper:
    """One store's, with its archive if there is one."""

    def __init__(self, store: KeepingStore, intake: Intake) -> None:
        self._store = store
        self._intake = intake
        self._noted: LRUCache[tuple[str, str], None] = LRUCache(_NOTED)

    async def pin(self, job: str) -> None:
        """Keep a finished job. Raises ``NotFound``, ``WrongState``, ``StoreUnavailable``.

        The archive knows of it when this returns, so that the pin comes back with the job.
        """
        await self._intake.find(job)
        state = await self._store.pin(job)
        if state != "pinned":
            raise not_finished(job, state)
        await self._write(job)

    async def unpin(self, job: str) -> None:
        """Let the job be forgotten like any other. Raises ``NotFound``, ``StoreUnavailable``."""
        await self._intake.find(job)
        await self._store.unpin(job)
        await self._write(job)

    async def label(self, job: str, who: str, change: LabelChange) -> None:
        """Have somebody's tags and note be these. Raises ``NotFound``, ``StoreUnavailable``."""
        await self._intake.find(job)
        if await self._store.label(job, who, change) is None:
            raise unknown(job)
        await self._write(job)

    async def note_asker(self, job: str, who: str) -> None:
        """Remember that somebody asked for a job that is finished already.

        Never raises: whoever asks is answered all the same. Known ones cost nothing.
        """
        if (job, who) in self._noted:
            return
        self._noted[job, who] = None
        try:
            if await self._store.ask(job, who):
                await self._write(job)
        except StoreUnavailable as error:
            logger.warning("it is not noted that %s asked for %s: %s", who, job, error)

    async def delete(self, job: str) -> None:
        """Remove a job that is over. Raises ``NotFound``, ``WrongState``, ``StoreUnavailable``.

        It is gone from both when this returns. If this process dies meanwhile, or the archive does
        not answer, the store knows that it was deleted: it does not come back from the archive,
        and is removed there by whoever compares the two next, or by the same call again.
        """
        state = await self._store.delete(job)
        if state is None and await self._intake.bring_back(job) is not None:
            state = await self._store.delete(job)
        if state != "deleted":
            raise not_deleted(job, state)
        if self._intake.archivist is not None:
            await asyncio.to_thread(self._intake.archivist.remove, job)

    def deletions(self) -> AsyncIterator[str | None]:
        """Ids as they are deleted, by whichever process; None: some may have been missed."""
        return self._store.deletions()

    async def _write(self, job: str) -> None:
        if self._intake.archivist is not None:
            await asyncio.to_thread(self._intake.archivist.keep, job)
