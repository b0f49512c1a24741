"""The store as the side that computes sees it: claim, renew, checkpoint, finish. Blocking."""

from __future__ import annotations

import logging
import threading
import uuid
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal, cast

import orjson

from relu_landscape.errors import LeaseLost
from relu_landscape.jobs import tracing
from relu_landscape.jobs.store.connection import Patience, Target
from relu_landscape.jobs.store.packing import DamagedError, pack, unpack
from relu_landscape.jobs.store.scripts import (
    LARGEST_BARREN_ATTEMPTS,
    MOST_LAG_SECONDS,
    MOST_MEMOS,
    SWEEP_BATCH,
    Keys,
    Scripts,
)
from relu_landscape.jobs.words import ANYONE
from relu_landscape.settings import Settings
from relu_landscape.wire.base import JsonObject
from relu_landscape.wire.jobs import TERMINAL

logger = logging.getLogger(__name__)

#: Checkpoints read at once: answers are up to megabytes each, and few are needed at a time.
READ_BATCH = 16

Standing = Literal["held", "cancel"]
Outcome = Literal["failed", "cancelled", "returned"]
#: What a job takes of the process that runs it (``running.coordinator``).
Place = Literal["small", "any", "own", "asking"]


@dataclass(frozen=True)
class Claim:
    """A job that this process may run, and the token that fences its writes.

    ``seconds`` have passed since its first start, by the store's clock. ``payer`` is who is charged
    for what it computes, ``place`` what it takes of this process, ``trace`` where its trace goes on
    (``jobs.tracing``).
    """

    job: str
    kind: str
    token: str
    request: JsonObject
    seconds: float
    attempts: int
    payer: str = ANYONE
    place: Place = "any"
    trace: str = ""


@dataclass(frozen=True)
class Held:
    """A job that some process holds: the token says which, and ``renewals`` that it lived on."""

    job: str
    token: str
    renewals: str


class ClaimingStore:
    """Blocking half of the store, for the threads that run jobs.

    Every write carries the claim's token; ``LeaseLost`` says that another process runs the job
    now, or that it is over. ``StoreUnavailable`` says that patience with the server ended.
    ``holder`` names the process; one that reclaims jobs of its own name counts no death.
    """

    def __init__(
        self,
        target: Target,
        settings: Settings,
        *,
        patience: float,
        stop: threading.Event,
        holder: str | None = None,
    ) -> None:
        self._client = target.connect(patience)
        self._patience = Patience(patience, stop, awaits_room=True, why=target.why)
        self._at_once = Patience(0.0, stop, why=target.why)
        self._holder = holder or new_name()
        self._call, self._again = new_name(), False
        self._owed: list[tuple[Claim, Outcome, str]] = []
        self._lock = threading.Lock()
        self._scripts = Scripts(self._client, settings.redis_prefix, settings.events_kept)
        self._keys = Keys(settings.redis_prefix)
        self._ttl = settings.result_ttl_seconds or 0
        # Where there is an archive, a result may be forgotten once that has it (``archiving``).
        self._result_ttl = 0 if settings.archive else self._ttl

    def close(self) -> None:
        self._client.close()

    def claim(self, queues: Sequence[str], place: Place = "any") -> Claim | None:
        """The job of these queues (``scripts.queue_name``) whose turn it is, if any waits.

        It is the turn of whoever has the fewest jobs that compute, then of who has used least; of
        theirs, of the job that has waited longest. ``place``: what it takes; ``own`` has room for
        somebody alone of whom no job computes, and ``asking`` is none that computes.
        A process claims what it can compute: chunks of one algorithm or backend class must not be
        mixed with another's under the id of one of them. A claim whose answer was lost on its way
        is asked for again, by its name, until it arrives; what is owed is given back first.
        """
        self._settle()
        while True:
            answer = self._patience.call(lambda: self._ask(queues, place))
            self._call, self._again = new_name(), False
            if answer is None:
                return None
            claim = self._readable(answer)
            if claim is not None:
                return claim

    def _ask(self, queues: Sequence[str], place: Place) -> Any:
        again, self._again = self._again, True
        first = (self._holder, self._call, "1" if again else "", place)
        return self._scripts.run("claim", *first, *queues)

    def _readable(self, answer: Sequence[Any]) -> Claim | None:
        job, kind, token, request, seconds, attempts, payer, place, trace = answer
        claim = Claim(
            job=job.decode(),
            kind=kind.decode(),
            token=token.decode(),
            request={},
            seconds=float(seconds),
            attempts=int(attempts),
            payer=payer.decode(),
            place=place.decode(),
            trace=trace.decode(),
        )
        try:
            return replace(claim, request=orjson.loads(request))
        except orjson.JSONDecodeError as error:
            self.stop(claim, "failed", f"The stored request is no JSON: {error}.")
            return None

    def renew(self, claim: Claim) -> Standing:
        """Hold the lease for another term, and learn whether somebody asked for a stop."""
        return self._fenced("renew", claim)

    def checkpoint(
        self,
        claim: Claim,
        chunk: str,
        answer: bytes,
        memo: str | None = None,
        seconds: float = 0.0,
    ) -> Standing:
        """Store a finished chunk's answer; with ``memo``, also for other jobs under that name.

        ``seconds`` of a core it took: the job's payer is charged with them, once.
        """
        shared = () if memo is None else (memo, MOST_MEMOS)
        charged = (repr(seconds), MOST_LAG_SECONDS)
        return self._fenced("checkpoint", claim, chunk, pack(answer), *charged, *shared)

    def shares(self) -> dict[str, float]:
        """Seconds of cores by payer, in the reckoning of those who have jobs that compute now."""
        found = self._patience.call(
            lambda: self._client.zrange(self._keys.shares, 0, -1, withscores=True)
        )
        return {who.decode(): used for who, used in cast("list[tuple[bytes, float]]", found)}

    def report(
        self, claim: Claim, kind: Literal["progress", "findings"], data: JsonObject
    ) -> Standing:
        """Publish progress or provisional findings."""
        return self._fenced("report", claim, kind, orjson.dumps(data))

    def finish(self, claim: Claim, result: bytes, details: Mapping[str, bytes]) -> None:
        """Store the result, drop the checkpoints, and end the job, all in one piece."""
        pairs = [part for key, each in details.items() for part in (key, pack(each))]
        self._fenced("finish", claim, self._result_ttl, pack(result), *pairs)

    def stop(self, claim: Claim, outcome: Outcome, error: str = "") -> None:
        """End the job without a result, or give it back for anybody to resume."""
        self._fenced("stop", claim, self._ttl, outcome, error)

    def owe(self, claim: Claim, outcome: Outcome, error: str = "") -> None:
        """Remember what ``stop`` could not tell the store; ``claim`` and ``sweep`` tell it first.

        Otherwise the job would seem to be held by a process that lives and does not renew it.
        """
        with self._lock:
            self._owed.append((claim, outcome, error))

    def _settle(self) -> None:
        while self._owed:
            claim, outcome, error = self._owed[0]
            try:
                self.stop(claim, outcome, error)
            except LeaseLost as lost:
                logger.warning("%s", lost)
            with self._lock:
                self._owed.pop(0)

    def is_over(self, job: str) -> bool:
        """Whether the job has come to its end, whoever brought it there."""
        key = self._keys.of("job", job)
        state = self._patience.call(lambda: self._client.hget(key, "state"))
        return state is not None and cast(bytes, state).decode() in TERMINAL

    def finished_chunks(self, job: str) -> set[str]:
        """Names of the chunks whose answers are stored."""
        names = self._patience.call(lambda: self._client.hkeys(self._keys.of("chunks", job)))
        return {name.decode() for name in cast("list[bytes]", names)}

    def answers(self, job: str, chunks: Sequence[str]) -> Iterator[tuple[str, bytes | None]]:
        """The stored answers, read a few at a time; ``None`` for one that is gone or damaged."""
        name = self._keys.of("chunks", job)
        for first in range(0, len(chunks), READ_BATCH):
            batch = list(chunks[first : first + READ_BATCH])
            values = self._patience.call(lambda batch=batch: self._client.hmget(name, batch))  # type: ignore[misc]
            found = map(_unpacked, cast("list[bytes | None]", values))
            yield from zip(batch, found, strict=True)

    def remembered(self, memos: Sequence[str]) -> Iterator[bytes | None]:
        """The answers under these names, whichever job had them; ``None`` as in ``answers``.

        They are kept longer for it.
        """
        for first in range(0, len(memos), READ_BATCH):
            yield from map(_unpacked, self._run("recall", *memos[first : first + READ_BATCH]))

    def take(self, claim: Claim, memos: Sequence[str]) -> list[bool]:
        """Which of these answers this job is to compute; the others another job does.

        That one is held by a process. If it comes to its end, or its process dies and it is taken
        from it, without that answer, whoever asks next is to compute it.
        """
        found = self._run("take", claim.job, claim.token, *memos) if memos else []
        if found == b"lost":
            raise LeaseLost(f"Another process runs the job {claim.job} now, or it is over.")
        return [bool(each) for each in found]

    def look(self) -> list[Held]:
        """Every job that a process holds now.

        Asked once, without patience: that it is answered says that renewals would have been.
        """
        found = self._at_once.call(lambda: self._scripts.run("look"))
        words = [word.decode() for word in found]
        return [Held(*words[first : first + 3]) for first in range(0, len(words), 3)]

    def reclaim(self, lapsed: Sequence[Held]) -> list[str]:
        """Queue again (or end) the jobs whose processes died; the ids of those that were taken.

        A job whose lease was renewed since that look, or that another process took, stays.
        """
        sentence = (
            f"The computation ended the process that ran it {LARGEST_BARREN_ATTEMPTS} times in a "
            "row without finishing a single chunk, perhaps for want of memory; ask for a smaller "
            "one or give the service more."
        )
        first = (self._ttl, LARGEST_BARREN_ATTEMPTS, sentence, self._holder)
        taken: list[str] = []
        for start in range(0, len(lapsed), SWEEP_BATCH):
            batch = lapsed[start : start + SWEEP_BATCH]
            words = [word for each in batch for word in (each.job, each.token, each.renewals)]
            taken += [job.decode() for job in self._run("reclaim", *first, *words)]
        return taken

    def sweep(self) -> int:
        """Forget jobs past their time, and answers not used for as long; how many jobs."""
        self._settle()
        return cast(int, self._run("sweep", SWEEP_BATCH, self._ttl))

    def _fenced(self, script: str, claim: Claim, *arguments: bytes | str | float) -> Standing:
        standing = self._run(script, claim.job, claim.token, *arguments).decode()
        if standing == "lost":
            raise LeaseLost(f"Another process runs the job {claim.job} now, or it is over.")
        return cast(Standing, standing)

    def _run(self, script: str, *arguments: bytes | str | float) -> Any:
        with tracing.part(f"store {script}"):
            return self._patience.call(lambda: self._scripts.run(script, *arguments))


def _unpacked(stored: bytes | None) -> bytes | None:
    """An answer as it was checkpointed; a damaged one is as good as none, and computed again."""
    try:
        return None if stored is None else unpack(stored)
    except DamagedError as error:
        logger.warning("a checkpoint cannot be read and is computed again: %s", error)
        return None


def new_name() -> str:
    """A name that nobody else has: of a process, or of one call."""
    return uuid.uuid4().hex
