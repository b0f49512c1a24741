"""What people say of jobs, and decide about those that are over: stay, or go. Asynchronous."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncGenerator
from typing import Any, cast

import orjson

from relu_landscape.errors import StoreUnavailable
from relu_landscape.jobs.store.connection import Patience, Target
from relu_landscape.jobs.store.scripts import Keys, Scripts
from relu_landscape.settings import Settings
from relu_landscape.wire.labels import LabelChange

_CONNECTIONS = 8
#: How long one read waits in the store; a deletion meanwhile ends it at once.
_BLOCK_MILLISECONDS = 2000
#: Between two tries while the store is away.
_PAUSE_SECONDS = 1.0

_log = logging.getLogger(__name__)


class KeepingStore:
    """Pins, labels and deletions of one store. Every call waits out a short absence of the server.

    Every method may raise ``StoreUnavailable``.
    """

    def __init__(self, target: Target, settings: Settings) -> None:
        patience = settings.request_patience_seconds
        self._client: Any = target.connect_async(_CONNECTIONS, patience)
        self._patience = Patience(patience, why=target.why)
        self._keys = Keys(settings.redis_prefix)
        self._scripts = Scripts(self._client, settings.redis_prefix, settings.events_kept)
        # What an archive has is forgotten when that says so (``Archivist``), never before.
        self._has_archive = settings.archive is not None
        self._ttl = 0 if settings.archive else settings.result_ttl_seconds or 0

    async def close(self) -> None:
        await self._patience.end()
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

    async def deletions(self) -> AsyncGenerator[str | None, None]:
        """Ids of jobs as they are deleted, by whichever process, without an end.

        None: some may have been deleted of which nothing was heard; said first, and whenever the
        store answers again.
        """
        while True:
            try:
                position = await self._patience.call_async(self._latest)
                yield None
                while True:
                    for entry, job in await self._heard(position):
                        position = entry
                        yield job
            except StoreUnavailable as error:
                _log.warning("of jobs that are deleted elsewhere nothing is heard: %s", error)
                await asyncio.sleep(_PAUSE_SECONDS)

    async def _latest(self) -> str:
        found = await self._client.xrevrange(self._keys.deletions, count=1)
        return cast(bytes, found[0][0]).decode() if found else "0-0"

    async def _heard(self, position: str) -> list[tuple[str, str]]:
        answer = await self._patience.call_async(
            lambda: self._client.xread({self._keys.deletions: position}, block=_BLOCK_MILLISECONDS),
            waits=_BLOCK_MILLISECONDS / 1000,
        )
        entries = answer[0][1] if answer else []
        return [(name.decode(), fields[b"id"].decode()) for name, fields in entries]

    async def _run(self, script: str, *arguments: str | float) -> str | None:
        answer = await self._patience.call_async(lambda: self._scripts.run(script, *arguments))
        return None if answer is None else cast(bytes, answer).decode()
