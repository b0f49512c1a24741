"""The store as the API side sees it: submit, look, cancel, follow. Asynchronous."""

from __future__ import annotations

import asyncio
import math
import time
from collections.abc import AsyncGenerator
from functools import partial
from typing import Any, cast

import orjson
from redis.exceptions import ResponseError

from relu_landscape.analyses import Registry
from relu_landscape.errors import Busy, NotFound, StoreUnavailable
from relu_landscape.jobs import tracing
from relu_landscape.jobs.store import reading
from relu_landscape.jobs.store.connection import Patience, Target
from relu_landscape.jobs.store.line import Line
from relu_landscape.jobs.store.looks import Looks
from relu_landscape.jobs.store.packing import DamagedError, unpack
from relu_landscape.jobs.store.scripts import Keys, Scripts, needs, queue_name
from relu_landscape.jobs.store.uses import Uses
from relu_landscape.jobs.words import ANYONE, is_event_id, no_event, unknown
from relu_landscape.settings import Settings
from relu_landscape.wire import shortened
from relu_landscape.wire.base import JsonObject
from relu_landscape.wire.jobs import TERMINAL, AnyStatus, Event

#: States in the order a job goes through them; each is a set in the store.
STATES = ("queued", "running", "cancelling", "cancelled", "failed", "finished")
#: How long one read of an event stream waits in the store: the delay with which a reader notices
#: that its job was forgotten. Well below the connection's own limit.
FOLLOW_MILLISECONDS = 2000
#: Commands take well under a millisecond, so a few connections serve many requests.
COMMAND_CONNECTIONS = 32
#: A follower's read waits in the store and keeps its connection meanwhile, one for each job that is
#: followed; servers accept about a thousand where the number of open files has its usual limit of
#: 1024.
FOLLOWER_CONNECTIONS = 800
#: What a caller is told to wait when the queue is full: about the time a small job takes.
BUSY_RETRY_SECONDS = 10

#: Unpacking less than this takes less time than handing it to a thread.
_INLINE_BYTES = 32_768


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
        self._uses = Uses(self._client, settings)
        self._line = Line(self._scripts, self._patience, registry, settings)
        self._looks: Looks[tuple[str, list[Event]]] = Looks()
        self._states: Looks[str] = Looks()
        self._statuses: Looks[AnyStatus] = Looks()

    async def close(self) -> None:
        for looks in (self._looks, self._states, self._statuses):
            await looks.end()
        await self._patience.end()
        await self._client.aclose()
        await self._followers.aclose()

    async def submit(
        self,
        job: str,
        kind: str,
        request: JsonObject,
        holder: str = ANYONE,
        shown: shortened.Shown | None = None,
        *,
        small: bool = False,
    ) -> str:
        """Queue the job unless it is known; its state. Until it is over ``holder`` wants it.

        ``shown`` is what its status says of the request; None: everything. ``small``: it has places
        of its own beside larger ones. Raises ``Busy``, ``StoreUnavailable``.
        """
        body = orjson.dumps(request, option=orjson.OPT_SORT_KEYS)
        short = () if shown is None else (orjson.dumps(shown.request), orjson.dumps(shown.left_out))
        state = await self._run(
            "submit",
            job,
            kind,
            needs(self._backend_class),
            body,
            self._waiting_limit,
            holder,
            "small" if small else "",
            tracing.carried(),
            *short,
        )
        if state == "busy":
            raise Busy(
                f"{self._waiting_limit} jobs are waiting already; try again later.",
                retry_after_seconds=BUSY_RETRY_SECONDS,
            )
        return cast(str, state)

    async def cancel(self, job: str, holder: str | None = ANYONE) -> str:
        """Let go of the job, and stop it where nobody else wants it; the state after it.

        ``holder`` None: for everybody who wants it. Raises ``NotFound``, ``StoreUnavailable``.
        """
        who = () if holder is None else (holder,)
        state = await self._run("cancel", job, self._ttl, *who)
        if state is None:
            raise unknown(job)
        return state

    async def status(self, job: str) -> AnyStatus:
        """Raises ``NotFound``, ``StoreUnavailable``."""
        return await self._statuses.renew(job, partial(self._look_at_status, job))

    async def _look_at_status(self, job: str) -> AnyStatus:
        async def read() -> list[Any]:
            async with self._client.pipeline(transaction=False) as pipeline:
                reading.look(pipeline, self._keys.of("job", job))
                return cast("list[Any]", await pipeline.execute())

        look = tuple(await self._patience.call_async(read))
        if not look[1]:
            raise unknown(job)
        before = (await self._line.before([(job, look)])).get(job)
        status = reading.read_job(self._registry, job, look, before)
        if status is None:
            raise NotFound(
                f"The job {job} was put into the store by another release of this service, in "
                "words that this one does not know."
            )
        return status

    async def state(self, job: str) -> str:
        """The state alone. Raises ``NotFound``, ``StoreUnavailable``."""
        return await self._states.renew(job, partial(self._state, self._client, job))

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
        if value is not None:
            await self._uses.note(job)
        return await _unpacked(job, value)

    async def needs_nothing(self, job: str) -> bool:
        """Whether the job waits, runs, or has its result here. Raises ``StoreUnavailable``."""

        async def read() -> tuple[bytes | None, int]:
            async with self._client.pipeline(transaction=False) as pipeline:
                pipeline.hget(self._keys.of("job", job), "state")
                pipeline.exists(self._keys.of("result", job))
                state, count = await pipeline.execute()
                return state, count

        state, count = await self._patience.call_async(read)
        return state is not None and (state.decode() not in TERMINAL or count == 1)

    async def details(self, job: str, key: str) -> bytes | None:
        """What was stored of one part of a finished result, as JSON bytes."""
        value = await self._patience.call_async(
            lambda: self._client.hget(self._keys.of("details", job), key)
        )
        return await _unpacked(job, value)

    async def figures(self) -> dict[str, float]:
        """Jobs in each state, the age of the queue's head, and memory. ``StoreUnavailable``."""

        async def read() -> dict[str, float]:
            began = time.monotonic()
            async with self._client.pipeline(transaction=False) as pipeline:
                for state in STATES:
                    pipeline.scard(self._keys.of("state", state))
                pipeline.zrange(self._keys.queue, 0, 0).time()
                *counted, first, now = await pipeline.execute()
            waited = 0.0
            for name in first:
                created = await self._client.hget(self._keys.of("job", name.decode()), "created")
                waited = max(0.0, now[0] + now[1] / 1e6 - float(created or math.inf))
            memory = await self._memory()
            return dict(zip(STATES, counted, strict=True)) | {
                "queue_oldest_seconds": waited,
                "store_memory_bytes": memory.get("used_memory", 0),
                "store_memory_limit_bytes": memory.get("maxmemory", 0),
                "store_seconds": time.monotonic() - began,
            }

        return await self._patience.call_async(read)

    async def _memory(self) -> dict[str, Any]:
        try:
            return cast("dict[str, Any]", await self._client.info("memory"))
        except ResponseError:  # a hosted server may forbid it
            return {}

    async def follow(self, job: str, after: str | None) -> AsyncGenerator[Event, None]:
        """The events after ``after`` (all that are kept when ``None``), to the last one.

        Raises ``NotFound``, ``RequestError`` for an id that no event had, ``StoreUnavailable``.
        """
        if after is not None and not is_event_id(after):
            raise no_event(after)
        position = after or "0-0"
        while True:
            state, events = await self._looks.share(
                (job, position), partial(self._look_for_events, job, position)
            )
            for event in events:
                yield event
                position = event.id
                if event.is_last:
                    return
            if events or state not in TERMINAL:
                continue
            if await self._state(self._followers, job) in TERMINAL:
                return  # the reader had seen the last event already

    async def _look_for_events(self, job: str, position: str) -> tuple[str, list[Event]]:
        """The job's state, and what comes after ``position``: waited for, unless it is over."""
        # By the followers' own connections: many readers must not keep requests waiting.
        entries: list[tuple[bytes, dict[bytes, bytes]]] = []
        state = ""
        # Here and not by each who waits: a thousand who hear nothing new have nothing to do.
        while not entries and state not in TERMINAL:
            # The state first: a job that is over has its last event in the stream by then.
            state = await self._state(self._followers, job)
            block = None if state in TERMINAL else FOLLOW_MILLISECONDS
            entries = await self._read(self._keys.of("events", job), position, block)
        return state, [
            Event(
                id=name.decode(),
                name=fields[b"name"].decode(),
                data=orjson.loads(fields[b"data"]),
            )
            for name, fields in entries
        ]

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

    async def require_single(self) -> None:
        """Raises ``ConfigurationError`` where the server is part of a cluster, or a Sentinel."""
        try:
            said = await self._patience.call_async(lambda: self._client.info("server"))
        except StoreUnavailable:
            return  # a hosted server that forbids INFO; whether it answers, ``ping`` has asked
        reading.require_single(str(cast("dict[str, Any]", said).get("redis_mode", "standalone")))

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
        return reading.judge(cast("dict[str, str]", config))

    async def _stranded(self) -> list[str]:
        names = sorted(name.decode() for name in await self._client.smembers(self._keys.queues))
        async with self._client.pipeline(transaction=False) as pipeline:
            for name in names:
                pipeline.zcard(self._keys.of("queue", name))
            waiting = list(zip(names, await pipeline.execute(), strict=True))
        ours = {
            queue_name(kind, self._backend_class, small=small)
            for kind in self._kinds
            for small in (False, True)
        }
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

    async def _run(self, script: str, *arguments: bytes | str | float) -> str | None:
        with tracing.part(f"store {script}"):
            answer = await self._patience.call_async(lambda: self._scripts.run(script, *arguments))
        return None if answer is None else cast(bytes, answer).decode()


async def _unpacked(job: str, stored: bytes | None) -> bytes | None:
    """What was stored; large ones are unpacked away from the event loop."""
    try:
        if stored is None or len(stored) < _INLINE_BYTES:
            return None if stored is None else unpack(stored)
        return await asyncio.to_thread(unpack, stored)
    except DamagedError as error:
        raise StoreUnavailable(f"The stored result of {job} is damaged: {error}.") from error
