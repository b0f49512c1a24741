"""Claims jobs and runs them, each in a thread of its own; takes over from dead processes."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from relu_landscape.analyses import Registry
from relu_landscape.errors import LandscapeError, StoreUnavailable
from relu_landscape.jobs.about import provenance
from relu_landscape.jobs.pool.base import Pool
from relu_landscape.jobs.pool.device import ChosenBackend
from relu_landscape.jobs.running.attempt import Attempt
from relu_landscape.jobs.running.leases import LeaseKeeper
from relu_landscape.jobs.running.questions import Desk, Others
from relu_landscape.jobs.store.claims import ClaimingStore, Place, new_name
from relu_landscape.jobs.store.connection import Target
from relu_landscape.jobs.store.scripts import needs, queue_name
from relu_landscape.settings import Settings

logger = logging.getLogger(__name__)

#: How often the queue is looked at for jobs that other processes accepted; those accepted here
#: wake the coordinator at once.
POLL_SECONDS = 1.0


@dataclass
class _Running:
    attempt: Attempt
    thread: threading.Thread
    place: Place


@dataclass(frozen=True)
class _Room:
    """For ``most`` jobs of these queues."""

    name: Place
    queues: list[str]
    most: int


class Coordinator:
    """Runs up to ``jobs_at_once`` jobs; any number of processes may do so on one store.

    And up to ``small_jobs_at_once`` that are expected to take little, so that they never wait for a
    large one to end; up to ``keys_at_once`` of people of whose jobs none computes, so that nobody
    waits for somebody else's to end; and up to ``sweeps_at_once`` that compute nothing but ask for
    others at the ``desk``: in places of their own, since those that they wait for need one. Without
    a desk none of them is claimed.
    ``ended`` is told the id of each that this process has done with, and must not block.
    """

    def __init__(
        self,
        settings: Settings,
        target: Target,
        pool: Pool,
        registry: Registry,
        backend: ChosenBackend,
        desk: Desk | None = None,
        ended: Callable[[str], None] | None = None,
    ) -> None:
        self._ended = ended
        self._settings = settings
        self._pool = pool
        self._registry = registry
        self._backend_class = backend.backend_class
        self._others: Others | None = None
        if desk is not None:
            self._others = Others(desk, settings.sweep_window, wake=self.wake, stop=self.cancel)
        self._places = tuple(self._all_places())
        self._needs = needs(backend.backend_class)
        self._provenance = provenance(backend)
        self._closing = threading.Event()
        self._wake = threading.Event()
        name = new_name()
        self._claims = ClaimingStore(
            target,
            settings,
            patience=settings.store_patience_seconds,
            stop=self._closing,
            holder=name,
        )
        # Renewals are useless later than this, and the next one must have its turn.
        self._lease_claims = ClaimingStore(
            target,
            settings,
            patience=settings.lease_seconds / 3,
            stop=self._closing,
            holder=name,
        )
        self._leases = LeaseKeeper(self._lease_claims, settings.lease_seconds)
        self._running: dict[str, _Running] = {}
        self._lock = threading.Lock()
        self._thread = threading.Thread(target=self._coordinate, name="coordinator", daemon=True)

    def start(self) -> None:
        """Begin to claim jobs, those of dead processes included."""
        self._leases.start()
        self._thread.start()

    def close(self) -> None:
        """Give every running job back so that another process resumes it at once."""
        self._closing.set()
        self._wake.set()
        if self._thread.is_alive():
            self._thread.join()
        with self._lock:
            running = list(self._running.values())
        for each in running:
            each.attempt.stop.set("close")
        deadline = time.monotonic() + self._settings.shutdown_grace_seconds
        for each in running:
            each.thread.join(max(0.0, deadline - time.monotonic()))
            if each.thread.is_alive():
                self._give_back(each.attempt)
        self._leases.close()
        self._claims.close()
        self._lease_claims.close()

    def wake(self) -> None:
        """Look at the queue now."""
        self._wake.set()

    def cancel(self, job: str) -> None:
        """Stop the job now if it runs in this process; elsewhere its lease brings the news."""
        with self._lock:
            running = [each for each in self._running.values() if each.attempt.claim.job == job]
        for each in running:
            each.attempt.stop.set("cancel")

    @property
    def is_alive(self) -> bool:
        """Whether jobs are being claimed."""
        return self._thread.is_alive() and not self._closing.is_set()

    def _coordinate(self) -> None:
        next_housekeeping = 0.0
        while not self._closing.is_set():
            self._wake.clear()
            try:
                if time.monotonic() >= next_housekeeping:
                    self._claims.sweep()
                    next_housekeeping = time.monotonic() + self._settings.lease_seconds / 3
                for place in self._places:
                    while self._may_claim(place) and self._claim_one(place):
                        pass
                if self._running:
                    self._pool.learn(self._claims.shares)
            except StoreUnavailable as error:
                logger.warning("no jobs are claimed for now: %s", error)
            except Exception:
                logger.exception("claiming jobs")
            self._wake.wait(POLL_SECONDS)

    def _all_places(self) -> Iterator[_Room]:
        """Where jobs run here: those that have places of their own claim first."""
        computing = [each.kind for each in self._registry.analyses if not each.asks_others]
        asking = [each.kind for each in self._registry.analyses if each.asks_others]
        small = self._queues(computing, small=True)
        every = [*self._queues(computing), *small]
        yield _Room("small", small, self._settings.small_jobs_at_once)
        yield _Room("any", every, self._settings.jobs_at_once)
        yield _Room("own", every, self._settings.keys_at_once)
        if asking and self._others is not None:
            yield _Room("asking", self._queues(asking), self._settings.sweeps_at_once)

    def _queues(self, kinds: Sequence[str], *, small: bool = False) -> list[str]:
        return [queue_name(kind, self._backend_class, small=small) for kind in kinds]

    def _may_claim(self, place: _Room) -> bool:
        """Whether it has room. ``own`` ones are besides those for any: a job that is submitted just
        after these were looked at, and before those are, would take one while these are empty."""
        if place.name == "own" and any(self._has_room(p) for p in self._places if p.name == "any"):
            return False
        return self._has_room(place)

    def _has_room(self, place: _Room) -> bool:
        with self._lock:
            running = sum(each.place == place.name for each in self._running.values())
            return not self._closing.is_set() and running < place.most

    def _claim_one(self, place: _Room) -> bool:
        claim = self._claims.claim(place.queues, place.name)
        if claim is None:
            return False
        logger.info("attempt %d at %s", claim.attempts, claim.job)
        attempt = Attempt(
            claim=claim,
            claims=self._claims,
            pool=self._pool,
            analysis=self._registry.analysis(claim.kind),
            chunk_starts=self._settings.chunk_starts,
            provenance=self._provenance,
            needs=self._needs,
            others=self._others,
        )
        thread = threading.Thread(
            target=self._run, args=(attempt,), name=f"job-{claim.job[:8]}", daemon=True
        )
        with self._lock:
            # By token: a job that this process lost and got again may still be stopping here.
            self._running[claim.token] = _Running(attempt, thread, claim.place)
        self._leases.hold(claim, attempt.stop)
        thread.start()
        return True

    def _run(self, attempt: Attempt) -> None:
        try:
            attempt.run()
        finally:
            self._leases.drop(attempt.claim)
            with self._lock:
                del self._running[attempt.claim.token]
            self._wake.set()
            if self._ended is not None:
                self._ended(attempt.claim.job)

    def _give_back(self, attempt: Attempt) -> None:
        logger.warning(
            "%s is slow to stop; giving it back while it still computes", attempt.claim.job
        )
        attempt.stop.set("lost")  # whatever it still does, it writes nothing
        try:
            self._claims.stop(attempt.claim, "returned")
        except LandscapeError as error:
            logger.warning("%s: %s", attempt.claim.job, error)
