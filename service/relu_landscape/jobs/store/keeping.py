"""What people say of jobs, and decide about those that are over: stay, or go. Asynchronous."""

from __future__ import annotations

from typing import Any, cast

import orjson

from relu_landscape.jobs.store.connection import Patience, Target
from relu_landscape.jobs.store.scripts import Scripts
from relu_landscape.settings import Settings
from relu_landscape.wire.labels import LabelChange

_CONNECTIONS = 8


class KeepingStore:
    """Pins, labels and deletions of one store. Every call waits out a short absence of the server.

    Every method may raise ``StoreUnavailable``.
    """

    def __init__(self, target: Target, settings: Settings) -> None:
        patience = settings.request_patience_seconds
        self._client: Any = target.connect_async(_CONNECTIONS, patience)
        self._patience = Patience(patience, why=target.why)
        self._scripts = Scripts(self._client, settings.redis_prefix, settings.events_kept)
        # What an archive has is forgotten when that says so (``Archivist``), never before.
        self._has_archive = settings.archive is not None
        self._ttl = 0 if settings.archive else settings.result_ttl_seconds or 0

    async def close(self) -> None:
        await self._client.aclose()

    async def pin(self, job: str) -> str | None:
        """``pinned``, the state of a job that is not finished, or None for one that is not there.

        A pinned one is not forgotten, however old it is and whatever room it takes.
        """
        return await self._run("pin", job)

    async def unpin(self, job: str) -> str | None:
        """``unpinned``, or None for a job that is not there; its time begins anew."""
        return await self._run("unpin", job, self._ttl)

    async def ask(self, job: str, who: str) -> bool:
        """Note that ``who`` asked for a job that is there; whether that is new."""
        return bool(await self._patience.call_async(lambda: self._scripts.run("ask", job, who)))

    async def label(self, job: str, who: str, change: LabelChange) -> str | None:
        """``labelled``, or None for a job that is not there."""
        tags = ("", "") if change.tags is None else ("1", orjson.dumps(change.tags).decode())
        note = ("", "") if change.note is None else ("1", change.note)
        return await self._run("label", job, who, *tags, *note)

    async def delete(self, job: str) -> str | None:
        """``deleted``, ``pinned``, the state of a job that is not over, or None: it is not there.

        Where there is an archive, the job comes back from it no more, and has to be removed there.
        One that is gone is ``deleted`` once more for a while, for whoever could not remove it.
        """
        return await self._run("delete", job, int(self._has_archive))

    async def _run(self, script: str, *arguments: str | float) -> str | None:
        answer = await self._patience.call_async(lambda: self._scripts.run(script, *arguments))
        return None if answer is None else cast(bytes, answer).decode()
