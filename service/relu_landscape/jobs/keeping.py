"""Jobs that are over and that somebody keeps or deletes, in the store and the archive beside it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

from relu_landscape.jobs.intake import Intake
from relu_landscape.jobs.store.keeping import KeepingStore
from relu_landscape.jobs.words import not_deleted, not_finished


class Keeper:
    """One store's, with its archive if there is one."""

    def __init__(self, store: KeepingStore, intake: Intake) -> None:
        self._store = store
        self._intake = intake

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
