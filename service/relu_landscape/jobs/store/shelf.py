"""Finished jobs of the store as whole bundles: taken out, and put back. Blocking."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from relu_landscape.jobs.store.bundle import FIELDS, PERSONAL, PINNED, Bundle
from relu_landscape.jobs.store.connection import Patience, Target
from relu_landscape.jobs.store.packing import DamagedError, pack, unpack
from relu_landscape.jobs.store.scripts import Keys, Scripts
from relu_landscape.settings import Settings

logger = logging.getLogger(__name__)

#: Ids that one command looks up.
BATCH = 1000
#: Results that one call of a script weighs, part by part.
WEIGHED = 100


class Shelf:
    """What the store holds of finished jobs. Every method may raise ``StoreUnavailable``.

    ``patience``: seconds for which a call waits out an absence of the server, until ``stop``.
    """

    def __init__(
        self, target: Target, settings: Settings, *, patience: float, stop: threading.Event
    ) -> None:
        self._client = target.connect(patience)
        self._patience = Patience(patience, stop, why=target.why)
        self._scripts = Scripts(self._client, settings.redis_prefix, settings.events_kept)
        self._keys = Keys(settings.redis_prefix)
        self._ttl = settings.result_ttl_seconds or 0
        self._notes_use = settings.results_bytes is not None

    def close(self) -> None:
        self._client.close()

    def bundle(self, job: str) -> Bundle | None:
        """The job if it is finished and undamaged, all of it as of one moment."""

        def read() -> list[Any]:
            # No transaction: a store whose memory is full refuses one, and what is archived may
            # be forgotten there.
            while True:
                with self._client.pipeline(transaction=False) as pipeline:
                    pipeline.hgetall(self._keys.of("job", job))
                    pipeline.get(self._keys.of("result", job))
                    pipeline.hgetall(self._keys.of("details", job))
                    pipeline.hgetall(self._keys.of("job", job))
                    before, result, details, after = pipeline.execute()
                if before == after or before.get(b"state") != b"finished":
                    return [before, result, details]

        fields, result, details = self._patience.call(read)
        if fields.get(b"state") != b"finished" or result is None:
            return None
        try:
            return Bundle(
                job=job,
                fields={
                    name: fields[name.encode()].decode()
                    for name in (*FIELDS, *PERSONAL)
                    if name.encode() in fields
                },
                result=unpack(result),
                parts={key.decode(): unpack(part) for key, part in details.items()},
            )
        except DamagedError as error:
            logger.error("the stored result of %s is damaged: %s", job, error)
            return None

    def restore(self, bundle: Bundle, *, undoes: bool = True) -> str:
        """Put it back as a finished job; ``restored``, or the state of the job that is there.

        Its time to be forgotten begins anew, so where there is an archive that must have it before.
        One that was pinned is pinned again, and has no such time.

        One that is there without a result, or that failed or was cancelled, becomes this one; it
        keeps its place in lists. One that is new is the newest there. Where it was deleted a while
        ago that is undone, or not (``undoes``): then the answer is ``deleted``.
        """
        parts = [one for key, part in bundle.parts.items() for one in (key, pack(part))]
        fields = [one for name in (*FIELDS, *PERSONAL) if name in bundle.fields
                  for one in (name, bundle.fields[name])]  # fmt: skip
        answer: Any = self._patience.call(
            lambda: self._scripts.run(
                "restore",
                bundle.job,
                self._ttl,
                pack(bundle.result),
                len(bundle.parts),
                int(undoes),
                *parts,
                *fields,
            )
        )
        state = str(answer, "utf-8")
        if state == "restored" and self._notes_use:
            # Or what was not read for longest, and is read now, would be the first to go again.
            self._patience.call(
                lambda: self._client.zadd(self._keys.used, {bundle.job: time.time()})
            )
        return state

    def expire(self, job: str) -> None:
        """From now on the job may be forgotten like any other: something else keeps it.

        One that is pinned is not.
        """
        if self._ttl:
            self._patience.call(lambda: self._scripts.run("expire", job, self._ttl))

    def is_pinned(self, job: str) -> bool:
        """Whether somebody wants it kept."""
        return bool(
            self._patience.call(lambda: self._client.hexists(self._keys.of("job", job), PINNED))
        )

    def is_deleted(self, job: str) -> bool:
        """Whether somebody deleted it, and nobody asked for it again since."""
        return self._patience.call(lambda: self._client.zscore(self._keys.deleted, job)) is not None

    def deleted(self) -> list[str]:
        """Ids of all such jobs, as long as that is noted."""
        found: Any = self._patience.call(lambda: self._client.zrange(self._keys.deleted, 0, -1))
        return [each.decode() for each in found]

    def drop_deletions(self, before: float) -> None:
        """Note no longer what was deleted before this moment, in seconds since 1970."""
        self._patience.call(
            lambda: self._client.zremrangebyscore(self._keys.deleted, "-inf", f"({before}")
        )

    def forget(self, job: str) -> None:
        """The next sweep forgets the job, if it is finished and not pinned."""
        self._patience.call(lambda: self._scripts.run("expire", job, 0))

    def sizes(self) -> dict[str, int]:
        """Bytes that the result of each finished job and its parts take.

        Each is weighed once: a result never changes. What is noted of jobs that are gone is
        dropped.
        """
        there = set(self.finished())
        noted: Any = self._patience.call(
            lambda: self._client.zrange(self._keys.sizes, 0, -1, withscores=True)
        )
        known = {name.decode(): int(size) for name, size in noted}
        self._drop_notes(sorted(known.keys() - there))
        new = sorted(there - known.keys())
        for first in range(0, len(new), WEIGHED):
            batch = new[first : first + WEIGHED]
            weighed: Any = self._patience.call(
                lambda batch=batch: self._scripts.run("weigh", *batch)  # type: ignore[misc]
            )
            found = dict(zip(batch, map(int, weighed), strict=True))
            self._patience.call(
                lambda found=found: self._client.zadd(self._keys.sizes, found)  # type: ignore[misc]
            )
            known |= found
        return {job: known[job] for job in there}

    def last_used(self, jobs: Iterable[str]) -> dict[str, float]:
        """When each was last read, or finished, in seconds since 1970; 0 for one that is gone."""
        noted: Any = self._patience.call(
            lambda: self._client.zrange(self._keys.used, 0, -1, withscores=True)
        )
        read = {name.decode(): float(when) for name, when in noted}
        return {job: read[job] if job in read else self._finished_at(job) for job in jobs}

    def _finished_at(self, job: str) -> float:
        when: Any = self._patience.call(
            lambda: self._client.hget(self._keys.of("job", job), "finished")
        )
        return float(when or 0.0)

    def _drop_notes(self, gone: Sequence[str]) -> None:
        for first in range(0, len(gone), BATCH):
            batch = gone[first : first + BATCH]
            for key in (self._keys.sizes, self._keys.used):
                self._patience.call(
                    lambda key=key, batch=batch: self._client.zrem(key, *batch)  # type: ignore[misc]
                )

    def finished(self) -> Iterator[str]:
        """Ids of the finished jobs, in any order; one that finishes meanwhile may be missing."""
        name, cursor = self._keys.of("state", "finished"), 0
        while True:
            answer: Any = self._patience.call(
                lambda at=cursor: self._client.sscan(name, at, count=BATCH)  # type: ignore[misc]
            )
            cursor, ids = answer
            yield from (each.decode() for each in ids)
            if cursor == 0:
                return
