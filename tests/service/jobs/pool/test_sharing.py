"""Whose chunks are computed: about equal shares for everybody, however many jobs each has.

Chunks used to be dealt out job by job, so whoever had ten jobs had ten shares. Time is played here:
what is compared are seconds of workers that the store has counted.
"""

from __future__ import annotations

import heapq
import itertools
import threading
from collections import Counter, deque
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import pytest

from relu_landscape.errors import StoreUnavailable
from relu_landscape.jobs.pool import lanes
from relu_landscape.jobs.pool.base import Work
from relu_landscape.jobs.pool.dask import DaskPool
from relu_landscape.jobs.pool.lanes import Chunk, DaskLane
from relu_landscape.jobs.pool.sharing import Shares
from relu_landscape.jobs.store.asking import AskingStore
from relu_landscape.jobs.store.claims import Claim, ClaimingStore
from tests.service.jobs.helpers import KIND, QUEUES, REQUEST
from tests.service.jobs.pool.played import COMPOSITION, WORK, Scheduler, returned, tasks

WORKERS = 4
#: Chunks in flight per worker and process, as by default.
AHEAD = 2
#: Nobody is more than the chunks that are computed or wait with the workers from the share that is
#: fair; the runs are so long that this is far below it.
WITHIN = 0.1


class Feeding:
    """Of a pool, what lanes need that are filled once."""

    def __init__(self) -> None:
        self.changed = threading.Condition()

    def add(self, lane: DaskLane, chunks: list[Chunk]) -> None:
        lane.waiting.extend(chunks)

    def withdraw(self, lane: DaskLane) -> None: ...


@dataclass
class Process:
    """An API process: the jobs that it has claimed, and how it deals out their chunks."""

    claims: ClaimingStore
    shares: Shares = field(default_factory=Shares)
    ring: deque[DaskLane] = field(default_factory=deque)
    flying: list[Chunk] = field(default_factory=list)
    held: dict[int, Claim] = field(default_factory=dict)

    def claim(self, jobs_at_once: int = 2) -> None:
        """As a coordinator does: its places, then those of people of whose jobs none computes."""
        for place in ["any"] * jobs_at_once + ["own"] * 8:
            claim = self.claims.claim(QUEUES, place)  # type: ignore[arg-type]
            if claim is not None:
                lane = DaskLane(Feeding(), Work(COMPOSITION, WORK.request, claim.payer))
                lane.put(tasks(claim.job, 3000))
                self.ring.append(lane)
                self.held[id(lane)] = claim


@dataclass
class Workers:
    """Those that all processes share, as a Dask scheduler has them: by priority, then in turn."""

    processes: list[Process]
    lengths: Mapping[str, float]
    now: float = 0.0
    _learned: float = 0.0
    _order: Iterator[int] = field(default_factory=itertools.count)
    _queue: list[tuple[float, int, Process, Chunk]] = field(default_factory=list)
    _computing: list[tuple[float, int, Process, Chunk]] = field(default_factory=list)

    def until(self, seconds: float) -> None:
        """Let so much time pass."""
        while self.now < seconds:
            for process in self.processes:
                self._send(process)
            while self._queue and len(self._computing) < WORKERS:
                _, place, process, chunk = heapq.heappop(self._queue)
                ends = self.now + self.lengths[chunk.lane.work.payer]
                heapq.heappush(self._computing, (ends, place, process, chunk))
            self.now, _, process, chunk = heapq.heappop(self._computing)
            self._come_back(process, chunk)
            if self.now >= self._learned + 1.0:
                self._learned = self.now
                for each in self.processes:
                    each.shares.learn(each.claims.shares)

    def _send(self, process: Process) -> None:
        most = WORKERS * AHEAD - len(process.flying)
        for chunk in lanes.chosen(process.ring, process.shares, process.flying, most):
            process.flying.append(chunk)
            heapq.heappush(self._queue, (chunk.used, next(self._order), process, chunk))

    def _come_back(self, process: Process, chunk: Chunk) -> None:
        took = self.lengths[chunk.lane.work.payer]
        process.flying.remove(chunk)
        process.shares.took(chunk.lane.work.payer, took)
        claim = process.held[id(chunk.lane)]
        process.claims.checkpoint(claim, chunk.task.key, b"answer", seconds=took)


@pytest.mark.parametrize(
    ("jobs", "lengths", "count"),
    [
        ({"ada": 10, "bob": 1}, {"ada": 1.0, "bob": 1.0}, 1),
        ({"ada": 10, "bob": 1}, {"ada": 1.0, "bob": 1.0}, 2),
        # Three jobs of ada's alone in one process, one of hers and all others in the other.
        ({"ada": 10, "bob": 1, "eve": 1}, {"ada": 1.0, "bob": 1.0, "eve": 1.0}, 2),
        ({"ada": 10, "bob": 1}, {"ada": 3.0, "bob": 0.5}, 2),
        ({"ada": 1, "bob": 10}, {"ada": 0.25, "bob": 2.0}, 1),
    ],
)
async def test_everybody_has_an_equal_share_however_many_jobs_each_has(
    asking: AskingStore,
    claims: ClaimingStore,
    watcher: ClaimingStore,
    jobs: Mapping[str, int],
    lengths: Mapping[str, float],
    count: int,
) -> None:
    asking._waiting_limit = 100
    for who, number in jobs.items():
        for each in range(number):
            await asking.submit(f"{who}{each}-", KIND, REQUEST, who)
    processes = [Process(claims), Process(watcher)][:count]
    for process in processes:
        process.claim()
    assert len(processes[0].ring) >= 2
    Workers(processes, lengths).until(100.0)
    used = claims.shares()
    assert used.keys() == jobs.keys()
    fair = sum(used.values()) / len(used)
    assert fair * len(used) > 0.9 * WORKERS * 100.0, "no worker is idle meanwhile"
    assert all(abs(each - fair) < WITHIN * fair for each in used.values()), used


async def test_who_comes_later_has_an_equal_share_from_then_on(
    asking: AskingStore, claims: ClaimingStore
) -> None:
    """Not all workers, until she has had as much as who was there before."""
    process = Process(claims)
    workers = Workers([process], {"ada": 1.0, "bob": 1.0})
    await asking.submit("ada1-", KIND, REQUEST, "ada")
    process.claim()
    workers.until(50.0)
    before = claims.shares()["ada"]
    await asking.submit("bob1-", KIND, REQUEST, "bob")
    process.claim()
    process.shares.learn(claims.shares)
    workers.until(150.0)
    after = claims.shares()
    gained = [after[who] - before for who in ("ada", "bob")]
    fair = sum(gained) / 2
    assert fair == WORKERS * 100.0 / 2
    assert all(abs(each - fair) < WITHIN * fair for each in gained), gained


def test_a_store_that_does_not_answer_makes_nobody_forget() -> None:
    shares = Shares()
    shares.learn(lambda: {"ada": 5.0, "bob": 5.5})
    shares.took("ada", 1.0)

    def silent() -> Mapping[str, float]:
        raise StoreUnavailable("The store does not answer.")

    for _ in range(2):
        with pytest.raises(StoreUnavailable):
            shares.learn(silent)
    assert (shares.used("ada", 0), shares.used("bob", 0)) == (6.0, 5.5)
    assert shares.neediest(["ada", "bob"], {}) == "bob"
    shares.learn(lambda: {"ada": 6.0, "bob": 5.5})
    assert shares.used("ada", 0) == 6.0


def test_what_is_with_the_workers_counts_as_long_as_ones_chunks_usually_take() -> None:
    shares = Shares()
    assert (shares.used("ada", 0), shares.used("ada", 3)) == (0.0, 3.0)
    shares.took("ada", 5.0)
    assert shares.used("ada", 2) == 15.0
    shares.took("ada", 1.0)
    assert shares.used("ada", 1) == 6.0 + 4.0
    assert shares.neediest(["ada", "bob", "eve"], {"ada": 1, "bob": 9, "eve": 9}) == "bob"


def test_what_came_back_while_it_was_read_is_not_lost() -> None:
    shares = Shares()

    def read() -> Mapping[str, float]:
        shares.took("ada", 2.0)
        return {"ada": 10.0}

    shares.learn(read)
    assert shares.used("ada", 0) == 12.0


def test_a_pool_deals_to_people_and_then_to_their_jobs(
    pool: DaskPool, scheduler: Scheduler
) -> None:
    scheduler.threads = 0
    works = [Work(COMPOSITION, WORK.request, who) for who in ("ada", "ada", "ada", "bob")]
    opened = [pool.lane(work) for work in works]
    for lane, name in zip(opened, ("a", "b", "c", "d"), strict=True):
        lane.put(tasks(name, 50))
    scheduler.threads = 3
    sent = scheduler.names(6)
    assert Counter(name[0] for name in sent) == {"a": 1, "b": 1, "c": 1, "d": 3}


def test_a_chunk_is_charged_with_what_its_worker_says(pool: DaskPool, scheduler: Scheduler) -> None:
    """And the scheduler is told how much its payer had used: of less, before all others."""
    ada = pool.lane(Work(COMPOSITION, WORK.request, "ada"))
    ada.put(tasks("a", 3))
    future = scheduler.begin("a0", "tcp://a:1")
    ended: dict[str, Any] = {"chunk": future.key, "worker": "tcp://a:1", "begins": False}
    scheduler._hear((0.0, ended | {"seconds": 2.5}))
    scheduler.end("a0")
    assert returned(ada).seconds == 2.5
    assert scheduler.names(2) == ["a1", "a2"]
    # The third when 2.5 s were used and one more was with the workers, as long as that.
    assert [future.priority for future in scheduler.open] == [-1.0, -5.0]
    pool.learn(lambda: {"ada": 40.0, "bob": 30.0})
    bob = pool.lane(Work(COMPOSITION, WORK.request, "bob"))
    bob.put(tasks("b", 1))
    scheduler.end("a1")
    assert scheduler.names(2) == ["a2", "b0"]
    assert scheduler.open[-1].priority == -30.0
