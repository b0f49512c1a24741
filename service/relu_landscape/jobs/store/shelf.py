"""Finished jobs of the store as whole bundles: taken out, and put back. Blocking."""

from __future__ import annotations

import logging
import threading
from collections.abc import Iterator
from typing import Any

from relu_landscape.jobs.store.bundle import FIELDS, Bundle
from relu_landscape.jobs.store.connection import Patience, Target
from relu_landscape.jobs.store.packing import DamagedError, pack, unpack
from relu_landscape.jobs.store.scripts import Keys, Scripts
from relu_landscape.settings import Settings

logger = logging.getLogger(__name__)

#: Ids that one command looks up.
BATCH = 1000


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

    def close(self) -> None:
        self._client.close()

    def bundle(self, job: str) -> Bundle | None:
        """The job if it is finished and undamaged, all of it as of one moment."""

        def read() -> list[Any]:
            with self._client.pipeline(transaction=True) as pipeline:
                pipeline.hgetall(self._keys.of("job", job))
                pipeline.get(self._keys.of("result", job))
                pipeline.hgetall(self._keys.of("details", job))
                return pipeline.execute()

        fields, result, details = self._patience.call(read)
        if fields.get(b"state") != b"finished" or result is None:
            return None
        try:
            return Bundle(
                job=job,
                fields={
                    name: fields[name.encode()].decode()
                    for name in FIELDS
                    if name.encode() in fields
                },
                result=unpack(result),
                parts={key.decode(): unpack(part) for key, part in details.items()},
            )
        except DamagedError as error:
            logger.error("the stored result of %s is damaged: %s", job, error)
            return None

    def restore(self, bundle: Bundle, *, is_archived: bool) -> str:
        """Put it back as a finished job; ``restored``, or the state of the job that is there.

        One that ``is_archived`` is forgotten again like any other; else whoever archives it says
        from when on it may be.

        One that is there without a result, or that failed or was cancelled, becomes this one; it
        keeps its place in lists. One that is new is the newest there.
        """
        parts = [one for key, part in bundle.parts.items() for one in (key, pack(part))]
        fields = [one for name in FIELDS if name in bundle.fields
                  for one in (name, bundle.fields[name])]  # fmt: skip
        ttl = self._ttl if is_archived else 0
        answer: Any = self._patience.call(
            lambda: self._scripts.run(
                "restore", bundle.job, ttl, pack(bundle.result), len(bundle.parts), *parts, *fields
            )
        )
        return str(answer, "utf-8")

    def expire(self, job: str) -> None:
        """From now on the job may be forgotten like any other: something else keeps it."""
        if self._ttl:
            self._patience.call(lambda: self._scripts.run("expire", job, self._ttl))

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
