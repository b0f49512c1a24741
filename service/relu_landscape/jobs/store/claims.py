"""The store as the side that computes sees it: claim, renew, checkpoint, finish. Blocking."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, cast

import orjson

from relu_landscape.errors import LeaseLost
from relu_landscape.jobs.store.connection import Patience, Target
from relu_landscape.jobs.store.scripts import LARGEST_BARREN_ATTEMPTS, SWEEP_BATCH, Keys, Scripts
from relu_landscape.settings import Settings
from relu_landscape.wire.base import JsonObject

#: Checkpoints read at once: answers are up to megabytes each, and few are needed at a time.
READ_BATCH = 16

Standing = Literal["held", "cancel"]
Outcome = Literal["failed", "cancelled", "returned"]


@dataclass(frozen=True)
class Claim:
    """A job that this process may run, and the token that fences its writes."""

    job: str
    kind: str
    token: str
    request: JsonObject
    started: float
    attempts: int


class ClaimingStore:
    """Blocking half of the store, for the threads that run jobs.

    Every write carries the claim's token; ``LeaseLost`` says that another process runs the job
    now, or that it is over. ``StoreUnavailable`` says that patience with the server ended.
    """

    def __init__(
        self, target: Target, settings: Settings, *, patience: float, stop: threading.Event
    ) -> None:
        self._client = target.connect()
        self._patience = Patience(patience, stop)
        self._scripts = Scripts(self._client, settings.redis_prefix, settings.events_kept)
        self._keys = Keys(settings.redis_prefix)
        self._lease_ms = int(settings.lease_seconds * 1000)
        self._ttl = settings.result_ttl_seconds or 0

    def close(self) -> None:
        self._client.close()

    def claim(self, queues: Sequence[str]) -> Claim | None:
        """The job of these queues (``scripts.queue_name``) that has waited longest, if any waits.

        A process claims what it can compute: chunks of one algorithm or backend class must not be
        mixed with another's under the id of one of them.
        """
        answer = self._run("claim", self._lease_ms, *queues)
        if answer is None:
            return None
        job, kind, token, request, started, attempts = answer
        return Claim(
            job=job.decode(),
            kind=kind.decode(),
            token=token.decode(),
            request=orjson.loads(request),
            started=float(started),
            attempts=int(attempts),
        )

    def renew(self, claim: Claim) -> Standing:
        """Hold the lease for another term, and learn whether somebody asked for a stop."""
        return self._fenced("renew", claim, self._lease_ms)

    def checkpoint(self, claim: Claim, chunk: str, answer: bytes) -> Standing:
        """Store a finished chunk's answer."""
        return self._fenced("checkpoint", claim, chunk, answer)

    def report(
        self, claim: Claim, kind: Literal["progress", "findings"], data: JsonObject
    ) -> Standing:
        """Publish progress or provisional findings."""
        return self._fenced("report", claim, kind, orjson.dumps(data))

    def finish(self, claim: Claim, result: bytes, details: Mapping[str, bytes]) -> None:
        """Store the result, drop the checkpoints, and end the job, all in one piece."""
        pairs = [part for pair in details.items() for part in pair]
        self._fenced("finish", claim, self._ttl, result, *pairs)

    def stop(self, claim: Claim, outcome: Outcome, error: str = "") -> None:
        """End the job without a result, or give it back for anybody to resume."""
        self._fenced("stop", claim, self._ttl, outcome, error)

    def finished_chunks(self, job: str) -> set[str]:
        """Names of the chunks whose answers are stored."""
        names = self._patience.call(lambda: self._client.hkeys(self._keys.of("chunks", job)))
        return {name.decode() for name in cast("list[bytes]", names)}

    def answers(self, job: str, chunks: Sequence[str]) -> Iterator[tuple[str, bytes | None]]:
        """The stored answers, read a few at a time; ``None`` for one that is gone."""
        name = self._keys.of("chunks", job)
        for first in range(0, len(chunks), READ_BATCH):
            batch = list(chunks[first : first + READ_BATCH])
            values = self._patience.call(lambda batch=batch: self._client.hmget(name, batch))  # type: ignore[misc]
            yield from zip(batch, cast("list[bytes | None]", values), strict=True)

    def reclaim(self) -> list[str]:
        """Queue again (or end) the jobs whose processes died; their ids."""
        sentence = (
            f"The computation ended the process that ran it {LARGEST_BARREN_ATTEMPTS} times in a "
            "row without finishing a single chunk, perhaps for want of memory; ask for a smaller "
            "one or give the service more."
        )
        taken = self._run("reclaim", self._ttl, LARGEST_BARREN_ATTEMPTS, sentence, SWEEP_BATCH)
        return [job.decode() for job in taken]

    def sweep(self) -> int:
        """Forget jobs past their time; how many."""
        return cast(int, self._run("sweep", SWEEP_BATCH))

    def _fenced(self, script: str, claim: Claim, *arguments: bytes | str | float) -> Standing:
        standing = self._run(script, claim.job, claim.token, *arguments).decode()
        if standing == "lost":
            raise LeaseLost(f"Another process runs the job {claim.job} now, or it is over.")
        return cast(Standing, standing)

    def _run(self, script: str, *arguments: bytes | str | float) -> Any:
        return self._patience.call(lambda: self._scripts.run(script, *arguments))
