"""Lists of the store's jobs. Asynchronous.

The store numbers every change of a job (``lua/prelude.lua``). A process has a row of each job in
memory (``jobs.listing``); before it answers, it asks what changed since it last did, and reads
those jobs anew. The rows say nothing that the jobs themselves do not say, so there is nothing to
rebuild after a crash, nothing to convert in a store of an earlier release, and nothing that could
contradict a job: a process that begins, or that finds the numbers begun anew, reads all of them.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Iterable, Mapping, Sequence
from functools import partial
from typing import Any, cast

import orjson

from relu_landscape.analyses import Registry
from relu_landscape.errors import StoreUnavailable
from relu_landscape.jobs.listing import Row, Rows, Wanted, numbers_of, words_of
from relu_landscape.jobs.store import reading
from relu_landscape.jobs.store.connection import Patience, Target
from relu_landscape.jobs.store.line import Line
from relu_landscape.jobs.store.scripts import Keys, Scripts
from relu_landscape.settings import Settings
from relu_landscape.wire.jobs import AnyStatus, Page, page_of

logger = logging.getLogger(__name__)

#: Jobs read at once: some milliseconds of the store's time.
BATCH = 500
#: A store whose sets of states say another number of jobs than the rows is read anew, but not more
#: often than this: an earlier release beside this one numbers no changes.
RECOUNT_SECONDS = 30.0
#: Between two attempts to read all jobs at the start.
RETRY_SECONDS = 1.0
_CONNECTIONS = 8
#: Fields of a job's hash that a row is made of.
_FIELDS = (
    "kind", "state", "request", "created", "started", "finished", "sequence", "error", "asked",
    "labels",
)  # fmt: skip


class ListingStore:
    """Rows of one store's jobs, and pages of them. For one event loop."""

    def __init__(self, target: Target, settings: Settings, registry: Registry) -> None:
        patience = settings.request_patience_seconds
        self._client: Any = target.connect_async(_CONNECTIONS, patience)
        self._patience = Patience(patience, why=target.why)
        self._scripts = Scripts(self._client, settings.redis_prefix, settings.events_kept)
        self._keys = Keys(settings.redis_prefix)
        self._registry = registry
        self._line = Line(self._scripts, self._patience, registry, settings)
        self._kinds = {each.kind for each in registry.analyses}
        self._rows = Rows()
        self._lock = asyncio.Lock()
        self._begun = self._ended = 0
        self._failure: StoreUnavailable | None = None
        self._since: str | None = None
        self._number = 0
        self._counts: dict[str, int] = {}
        self._counted_at = -RECOUNT_SECONDS
        self._reading: asyncio.Task[None] | None = None
        #: How often all jobs were read.
        self.readings = 0

    def start(self) -> None:
        """Read all jobs now, in the background, so that the first list need not."""
        self._reading = asyncio.create_task(self._read_first())

    async def close(self) -> None:
        if self._reading is not None:
            self._reading.cancel()
            await asyncio.gather(self._reading, return_exceptions=True)
        await self._patience.end()
        await self._client.aclose()

    async def _read_first(self) -> None:
        while True:
            try:
                await self.follow()
                return
            except StoreUnavailable as error:
                logger.warning("lists are not ready yet: %s", error)
            await asyncio.sleep(RETRY_SECONDS)

    async def page(self, wanted: Wanted, cursor: str | None, limit: int) -> Page[AnyStatus]:
        """The jobs that fit, as of now.

        Jobs that this release cannot read (another one put them there) are left out. Raises
        ``RequestError`` for a cursor that no such list gave, ``StoreUnavailable``.
        """
        await self.follow()
        jobs, following = self._rows.select(wanted, cursor, limit)
        items: list[AnyStatus] = []
        looks = list(zip(jobs, await self._looks(jobs), strict=True))
        before = await self._line.before(looks)
        for job, look in looks:
            at = before.get(job)
            status = reading.read_job(self._registry, job, look, at) if look[1] else None
            if status is not None:
                items.append(status)
            # A request may hold matrices: validating a page of them is work for tens of
            # milliseconds, between which others have their turn.
            await asyncio.sleep(0)
        return page_of(items, following)

    async def _looks(self, jobs: Sequence[str]) -> list[reading.Look]:
        async def read() -> list[Any]:
            async with self._client.pipeline(transaction=False) as pipeline:
                for job in jobs:
                    reading.look(pipeline, self._keys.of("job", job))
                return cast("list[Any]", await pipeline.execute())

        found = await self._patience.call_async(read) if jobs else []
        return list(zip(found[::2], found[1::2], strict=True))

    async def follow(self) -> None:
        """Have the rows say what the store says now. Raises ``StoreUnavailable``.

        Who waits for another's turn shares the next one: its answer, or that there is none.
        """
        before = self._begun
        async with self._lock:
            if self._ended > before:
                if self._failure is not None:
                    raise StoreUnavailable(str(self._failure))
                return
            self._begun += 1
            try:
                self._failure = None
                while await self._catch_up():
                    pass
            except StoreUnavailable as error:
                self._failure = error
                self._ended = self._begun
                raise
            # One that was given up on the way, as by who asked, is nobody's answer.
            self._ended = self._begun

    async def _catch_up(self) -> bool:
        """Read what changed; whether there may be more."""
        answer = await self._run("changes", self._number, BATCH)
        since, last, until, gone, changed, counts = answer
        number, forgotten = int(float(last)), int(float(until))
        if self._since == "" and self._number == 0:
            self._since = since.decode()  # the first change ever: all was read before it
        has_begun_anew = since.decode() != self._since or number < self._number
        if has_begun_anew or forgotten > self._number:
            await self._read_all(since.decode())
            return True
        for name in gone:
            self._rows.drop(name.decode())
        await self._read([name.decode() for name in changed])
        self._number = number
        if len(changed) == BATCH:
            return True
        if changed or gone:  # what was just read may be newer than the counts
            return False
        return await self._recounted(counts)

    async def _recounted(self, counts: Sequence[bytes]) -> bool:
        """Read everything where the store has other numbers of jobs than the rows have.

        Unless that is how they came to differ: jobs of other releases have no rows.
        """
        found = _difference(counts, self._rows.counts())
        if found == self._counts or time.monotonic() - self._counted_at < RECOUNT_SECONDS:
            return False
        await self._read_all(self._since or "")
        self._counts = _difference(counts, self._rows.counts())
        self._counted_at = time.monotonic()
        return True

    async def _read_all(self, since: str) -> None:
        """Every job, by its number in the order of submission."""
        answer = await self._run("changes", "+inf", 1)
        number = int(float(answer[1]))
        rows, self._rows = self._rows, Rows()
        try:
            last = "-inf"
            while True:
                entries = await self._patience.call_async(partial(self._entries, last))
                if not entries:
                    break
                await self._read([name.decode() for name, _ in entries])
                last = f"({int(entries[-1][1])}"
        except BaseException:
            self._rows, self._since = rows, None
            raise
        self._since, self._number = since, number
        self._counts = {}
        self.readings += 1

    async def _entries(self, first: str) -> list[tuple[bytes, float]]:
        """The jobs of one batch with their numbers, from this number on."""
        found = await self._client.zrangebyscore(
            self._keys.jobs, first, "+inf", start=0, num=BATCH, withscores=True
        )
        return cast("list[tuple[bytes, float]]", found)

    async def _read(self, jobs: Sequence[str]) -> None:
        async def read() -> list[Any]:
            async with self._client.pipeline(transaction=False) as pipeline:
                for job in jobs:
                    pipeline.hmget(self._keys.of("job", job), _FIELDS)
                return cast("list[Any]", await pipeline.execute())

        found = await self._patience.call_async(read) if jobs else []
        for job, values in zip(jobs, found, strict=True):
            row = _row(job, dict(zip(_FIELDS, values, strict=True)))
            if row is None or row.kind not in self._kinds:
                self._rows.drop(job)
            else:
                self._rows.put(row)
        await asyncio.sleep(0)

    async def _run(self, script: str, *arguments: str | float) -> Any:
        return await self._patience.call_async(lambda: self._scripts.run(script, *arguments))


def _row(job: str, fields: Mapping[str, bytes | None]) -> Row | None:
    """None for a job that is gone, or that has no place in lists."""
    said = {name: raw.decode() for name, raw in fields.items() if raw is not None}
    try:
        request = orjson.loads(said["request"])
        return Row(
            job=job,
            sequence=int(said["sequence"]),
            kind=said["kind"],
            state=said["state"],
            created=float(said["created"]),
            started=float(said["started"]) if "started" in said else None,
            finished=float(said["finished"]) if "finished" in said else None,
            numbers=numbers_of(request),
            words=words_of(said["kind"], said.get("error", ""), request),
            askers=frozenset(_names(said.get("asked", "").split(","))),
            labels=reading.labels(said.get("labels")),
        )
    except (KeyError, ValueError, AttributeError):
        return None


def _names(words: Iterable[str]) -> Iterable[str]:
    return (word for word in words if word)


def _difference(counts: Sequence[bytes], ours: Mapping[str, int]) -> dict[str, int]:
    theirs = {counts[at].decode(): int(counts[at + 1]) for at in range(0, len(counts), 2)}
    return {
        state: count - ours.get(state, 0)
        for state, count in theirs.items()
        if count != ours.get(state, 0)
    }
