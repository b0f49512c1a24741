"""The store as the API side sees it: submit, look, list, cancel, follow. Asynchronous."""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncGenerator
from datetime import UTC, datetime
from typing import Any, cast

import orjson
from pydantic import ValidationError
from redis.exceptions import ResponseError

from relu_landscape.analyses import Registry
from relu_landscape.errors import Busy, NotFound, RequestError, StoreUnavailable
from relu_landscape.jobs.store.connection import Patience, Target
from relu_landscape.jobs.store.scripts import Keys, Scripts, needs, queue_name
from relu_landscape.jobs.words import is_event_id, no_event, unknown
from relu_landscape.settings import Settings
from relu_landscape.wire import shortened
from relu_landscape.wire.base import JsonObject
from relu_landscape.wire.jobs import TERMINAL, AnyStatus, Event, Needs, Page, Progress

#: States in the order a job goes through them; each is a set in the store.
STATES = ("queued", "running", "cancelling", "cancelled", "failed", "finished")
#: How long one read of an event stream waits in the store: the delay with which a reader notices
#: that its job was forgotten. Well below the connection's own limit.
FOLLOW_MILLISECONDS = 2000
#: Commands take well under a millisecond, so a few connections serve many requests.
COMMAND_CONNECTIONS = 32
#: A follower's read waits in the store and keeps its connection meanwhile; servers accept about
#: a thousand where the number of open files has its usual limit of 1024.
FOLLOWER_CONNECTIONS = 800
#: What a caller is told to wait when the queue is full: about the time a small job takes.
BUSY_RETRY_SECONDS = 10

_CURSOR = re.compile(r"[0-9]{1,16}")

#: Members of a job's hash that its status is made of; a long request as a whole is none of them.
_SHOWN = (
    "kind", "state", "request", "left_out", "created", "started", "finished", "progress",
    "findings", "error", "attempts", "needs",
)  # fmt: skip


class AskingStore:
    """Asynchronous half of the store; every call waits out a short absence of the server."""

    def __init__(
        self, target: Target, settings: Settings, registry: Registry, backend_class: str
    ) -> None:
        self._backend_class = backend_class
        self._registry = registry
        self._kinds = {each.kind for each in registry.analyses}
        patience = settings.request_patience_seconds
        self._client: Any = target.connect_async(COMMAND_CONNECTIONS, patience)
        self._followers: Any = target.connect_async(FOLLOWER_CONNECTIONS, patience)
        self._why = target.why
        self._patience = Patience(patience, why=target.why)
        self._scripts = Scripts(self._client, settings.redis_prefix, settings.events_kept)
        self._keys = Keys(settings.redis_prefix)
        self._waiting_limit = settings.waiting_jobs_limit
        self._ttl = settings.result_ttl_seconds or 0

    async def close(self) -> None:
        await self._client.aclose()
        await self._followers.aclose()

    async def submit(
        self, job: str, kind: str, request: JsonObject, shown: shortened.Shown | None = None
    ) -> str:
        """Queue the job unless it is known; its state. Raises ``Busy``, ``StoreUnavailable``.

        ``shown`` is what its status says of the request; None: everything.
        """
        body = orjson.dumps(request, option=orjson.OPT_SORT_KEYS)
        short = () if shown is None else (orjson.dumps(shown.request), orjson.dumps(shown.left_out))
        state = await self._run(
            "submit", job, kind, needs(self._backend_class), body, self._waiting_limit, *short
        )
        if state == "busy":
            raise Busy(
                f"{self._waiting_limit} jobs are waiting already; try again later.",
                retry_after_seconds=BUSY_RETRY_SECONDS,
            )
        return cast(str, state)

    async def cancel(self, job: str) -> str:
        """Ask for a stop; the state after it. Raises ``NotFound``, ``StoreUnavailable``."""
        state = await self._run("cancel", job, self._ttl)
        if state is None:
            raise unknown(job)
        return state

    async def status(self, job: str) -> AnyStatus:
        """Raises ``NotFound``, ``StoreUnavailable``."""
        values = await self._patience.call_async(
            lambda: self._client.hmget(self._keys.of("job", job), _SHOWN)
        )
        if not any(values):
            raise unknown(job)
        status = self._read_job(job, values)
        if status is None:
            raise NotFound(
                f"The job {job} was put into the store by another release of this service, in "
                "words that this one does not know."
            )
        return status

    async def state(self, job: str) -> str:
        """The state alone. Raises ``NotFound``, ``StoreUnavailable``."""
        return await self._state(self._client, job)

    async def _state(self, client: Any, job: str) -> str:
        value = await self._patience.call_async(
            lambda: client.hget(self._keys.of("job", job), "state")
        )
        if value is None:
            raise unknown(job)
        return cast(bytes, value).decode()

    async def result(self, job: str) -> bytes | None:
        """The finished result's bytes, if there is one."""
        value = await self._patience.call_async(
            lambda: self._client.get(self._keys.of("result", job))
        )
        return cast("bytes | None", value)

    async def details(self, job: str, key: str) -> bytes | None:
        """What was stored of one part of a finished result, as JSON bytes."""
        value = await self._patience.call_async(
            lambda: self._client.hget(self._keys.of("details", job), key)
        )
        return cast("bytes | None", value)

    async def page(self, kind: str | None, cursor: str | None, limit: int) -> Page[AnyStatus]:
        """Jobs of one kind or all by the time of their first submission, newest first.

        Jobs that this release cannot read (another one put them there) are left out.

        Raises ``RequestError`` for a cursor that no page gave, ``StoreUnavailable``.
        """
        if cursor is not None and not _CURSOR.fullmatch(cursor):
            raise RequestError("cursor", cursor, "the next_cursor of an earlier page")
        wanted = self._keys.jobs if kind is None else self._keys.of("jobs", kind)
        highest = "+inf" if cursor is None else f"({cursor}"

        async def read() -> tuple[list[tuple[bytes, float]], list[list[bytes | None]]]:
            entries = await self._client.zrevrangebyscore(
                wanted, highest, "-inf", start=0, num=limit + 1, withscores=True
            )
            async with self._client.pipeline(transaction=False) as pipeline:
                for name, _ in entries[:limit]:
                    pipeline.hmget(self._keys.of("job", name.decode()), _SHOWN)
                return entries, await pipeline.execute()

        entries, jobs = await self._patience.call_async(read)
        items: list[AnyStatus] = []
        for (name, _), values in zip(entries, jobs, strict=False):
            status = self._read_job(name.decode(), values)
            if status is not None:
                items.append(status)
            # A request may hold matrices: validating a page of them is work for tens of
            # milliseconds, between which others have their turn.
            await asyncio.sleep(0)
        more = len(entries) > limit
        cursor = str(int(entries[limit - 1][1])) if more else None
        return Page[AnyStatus](items=items, next_cursor=cursor)

    async def counts(self) -> dict[str, int]:
        """Number of jobs in each state. Raises ``StoreUnavailable``."""

        async def read() -> list[int]:
            async with self._client.pipeline(transaction=False) as pipeline:
                for state in STATES:
                    pipeline.scard(self._keys.of("state", state))
                return cast("list[int]", await pipeline.execute())

        return dict(zip(STATES, await self._patience.call_async(read), strict=True))

    async def follow(self, job: str, after: str | None) -> AsyncGenerator[Event, None]:
        """The events after ``after`` (all that are kept when ``None``), to the last one.

        Raises ``NotFound``, ``RequestError`` for an id that no event had, ``StoreUnavailable``.
        """
        if after is not None and not is_event_id(after):
            raise no_event(after)
        position = after or "0-0"
        stream = self._keys.of("events", job)
        while True:
            # By the followers' own connections: many readers must not keep requests waiting.
            # The state is read first: a job that is over has its last event in the stream by then.
            state = await self._state(self._followers, job)
            block = None if state in TERMINAL else FOLLOW_MILLISECONDS
            entries = await self._read(stream, position, block)
            for name, fields in entries:
                event = Event(
                    id=name.decode(),
                    name=fields[b"name"].decode(),
                    data=orjson.loads(fields[b"data"]),
                )
                yield event
                position = event.id
                if event.is_last:
                    return
            if entries or state not in TERMINAL:
                continue
            if await self._state(self._followers, job) in TERMINAL:
                return  # the reader had seen the last event already

    async def _read(
        self, stream: str, position: str, block: int | None
    ) -> list[tuple[bytes, dict[bytes, bytes]]]:
        answer = await self._patience.call_async(
            lambda: self._followers.xread({stream: position}, count=100, block=block),
            waits=(block or 0) / 1000,
        )
        return cast("list[tuple[bytes, dict[bytes, bytes]]]", answer[0][1] if answer else [])

    async def ping(self) -> None:
        """Raises ``StoreUnavailable`` when the store does not answer."""
        await self._patience.call_async(lambda: self._client.ping())

    async def health(self) -> list[str]:
        """That the store takes new work, and what an operator should know, one sentence each.

        Raises ``StoreUnavailable`` when it does not answer or has no room, within one patience.
        """

        async def look() -> list[str]:
            # A write that changes nothing which anybody counts on: tokens need only grow.
            await self._client.incr(self._keys.tokens)
            # So small a write may still find room on a disk that has none for a job.
            if self._why is not None and (known := self._why()) is not None:
                raise StoreUnavailable(known)
            return [*await self._warnings(), *await self._stranded()]

        return await self._patience.call_async(look)

    async def warnings(self) -> list[str]:
        """What makes this server unsafe for jobs, one sentence each."""
        return await self._patience.call_async(self._warnings)

    async def stranded(self) -> list[str]:
        """A sentence for each kind of jobs that wait here and that no such service can compute."""
        return await self._patience.call_async(self._stranded)

    async def _warnings(self) -> list[str]:
        try:
            config = await self._client.config_get("appendonly", "appendfsync", "maxmemory*")
        except ResponseError:
            return await self._warnings_without_config()
        return _judge(cast("dict[str, str]", config))

    async def _stranded(self) -> list[str]:
        names = sorted(name.decode() for name in await self._client.smembers(self._keys.queues))
        async with self._client.pipeline(transaction=False) as pipeline:
            for name in names:
                pipeline.zcard(self._keys.of("queue", name))
            waiting = list(zip(names, await pipeline.execute(), strict=True))
        ours = {queue_name(kind, self._backend_class) for kind in self._kinds}
        return [
            f"{count} jobs wait for a service that computes {name} (kind/algorithm/backend "
            f"class); this one does not. Start one, or cancel them."
            for name, count in waiting
            if count and name not in ours
        ]

    async def _warnings_without_config(self) -> list[str]:
        # Hosted servers forbid CONFIG and take care of durability themselves, or do not.
        try:
            durable = (await self._client.info("persistence")).get("aof_enabled") == 1
        except ResponseError:
            durable = False
        if durable:
            return []
        return [
            "The store does not say whether it keeps an append-only file (CONFIG is forbidden); "
            "without one a crash of the store loses jobs."
        ]

    def _read_job(self, job: str, values: list[bytes | None]) -> AnyStatus | None:
        """A stored job in words; ``None`` for one of a release that words it differently."""
        fields = {name: raw for name, raw in zip(_SHOWN, values, strict=True) if raw is not None}

        def json(name: str) -> Any:
            raw = fields.get(name)
            return orjson.loads(raw) if raw else None

        kind = fields.get("kind", b"").decode()
        if kind not in self._kinds:
            return None
        analysis, error = self._registry.analysis(kind), fields.get("error", b"").decode()
        request, left_out = json("request"), json("left_out") or []
        try:
            return analysis.status(
                id=job,
                kind=kind,
                state=fields["state"].decode(),
                request=shortened.read(analysis.request, request) if left_out else request,
                created_at=_iso(fields["created"]),
                started_at=_iso(fields["started"]) if "started" in fields else None,
                finished_at=_iso(fields["finished"]) if "finished" in fields else None,
                progress=Progress.model_validate(json("progress") or {}),
                findings=(json("findings") or {"findings": []})["findings"],
                error=error or None,
                attempts=int(fields.get("attempts", b"0")),
                needs=_needs(fields.get("needs", b"").decode()),
                left_out=left_out,
            )
        except ValidationError:
            return None

    async def _run(self, script: str, *arguments: bytes | str | float) -> str | None:
        answer = await self._patience.call_async(lambda: self._scripts.run(script, *arguments))
        return None if answer is None else cast(bytes, answer).decode()


def _needs(stored: str) -> Needs | None:
    algorithm, _, backend_class = stored.partition("/")
    return Needs.model_validate({"algorithm": algorithm, "backend_class": backend_class})


def _judge(config: dict[str, str]) -> list[str]:
    found = []
    if config.get("appendonly") == "no":
        found.append(
            "The store runs with appendonly no: a crash of the store loses every job since its "
            "last snapshot, acknowledged ones included. Run CONFIG SET appendonly yes."
        )
    elif config.get("appendfsync") != "always":
        found.append(
            f"The store runs with appendfsync {config.get('appendfsync')}: a power failure loses "
            "the jobs of the last second or more. Run CONFIG SET appendfsync always."
        )
    policy = config.get("maxmemory-policy", "noeviction")
    if policy != "noeviction" and config.get("maxmemory", "0") != "0":
        found.append(
            f"The store may drop jobs and results when its memory is full (maxmemory-policy "
            f"{policy}). Run CONFIG SET maxmemory-policy noeviction."
        )
    return found


def _iso(seconds: bytes) -> str:
    moment = datetime.fromtimestamp(float(seconds), tz=UTC)
    return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")
