"""Chunks and lanes of the Dask pool: what waits, what is in flight, what came back."""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Container, Iterable, Mapping, Sized
from dataclasses import dataclass, field
from queue import Empty, SimpleQueue
from threading import Condition
from typing import Any, Protocol

from relu_landscape.engine.tasks import Task
from relu_landscape.jobs.pool.base import Returned, Work
from relu_landscape.jobs.pool.codec import encode_task
from relu_landscape.jobs.pool.sharing import Shares

#: A chunk whose worker died may only have waited behind the guilty one, so it runs again with
#: nothing beside it; this many deaths there are its own doing. Ordinary crashes, which come at
#: random moments, hardly ever meet one chunk so often in a row.
LARGEST_DEATHS_ALONE = 5
#: An exception that is not one of ours may pass (memory, a driver); the third time it is a defect.
LARGEST_RAISES = 3
#: A chunk that takes longer than the setting allows may have met a worker that stood still; the
#: second time it is its own doing.
LARGEST_OVERDUE = 2


class Feeding(Protocol):
    """What a lane needs of its pool."""

    @property
    def changed(self) -> Condition:
        """The lock of everything, and the news that something changed."""

    def add(self, lane: DaskLane, chunks: list[Chunk]) -> None:
        """Have these sent when it is their turn."""

    def withdraw(self, lane: DaskLane) -> None:
        """Send nothing more of this lane, and end what is in flight."""


@dataclass(eq=False)
class Chunk:
    """A task on its way, and what became of it so far.

    ``is_alone``: sent with nothing beside it; ``carries``: with the whole request, since a worker
    did not know it; ``overdue``: how often it took too long; ``used``: what its payer had used when
    it was chosen.
    """

    lane: DaskLane
    task: Task[Any, Any]
    is_alone: bool = False
    carries: bool = False
    deaths_alone: int = 0
    raises: int = 0
    overdue: int = 0
    used: float = 0.0

    @property
    def request(self) -> bytes:
        """What it carries of its job's request."""
        return self.lane.work.encoded if self.carries else self.lane.work.named

    def arguments(self, backend: str) -> tuple[str | bytes, ...]:
        """What a worker is told (``worker.execute``); of a trace only where there is one."""
        work = self.lane.work
        told = (work.composition, self.request, encode_task(self.task), backend)
        return (*told, work.trace) if work.trace else told


@dataclass(eq=False)
class DaskLane:
    """One job's chunks: those that wait, those in flight, and the answers that came back.

    ``withdrawn_at``: since when, by the pool's clock; None: not withdrawn.
    """

    pool: Feeding
    work: Work
    waiting: deque[Chunk] = field(default_factory=deque)
    in_flight: int = 0
    withdrawn_at: float | None = None
    inbox: SimpleQueue[Returned] = field(default_factory=SimpleQueue)

    def put(self, tasks: Iterable[Task[Any, Any]]) -> None:
        """Have these done; each comes back from ``next`` exactly once."""
        self.pool.add(self, [Chunk(self, task) for task in tasks])

    def next(self, timeout_seconds: float) -> Returned | None:
        """The next chunk that is done, or ``None`` when the time is over."""
        try:
            return self.inbox.get(timeout=timeout_seconds)
        except Empty:
            return None

    def withdraw(self) -> None:
        """Take back what has not begun, send nothing again, and let what computes end soon."""
        self.pool.withdraw(self)

    @property
    def is_idle(self) -> bool:
        """Whether nothing of this lane waits or computes, and every answer was taken."""
        # Under the lock: a chunk on its way back from the workers is in neither count for a moment.
        with self.pool.changed:
            return not self.waiting and self.in_flight == 0 and self.inbox.empty()


def figures(lanes: Iterable[DaskLane], suspects: Sized, flying: Sized) -> dict[str, float]:
    """How many chunks wait, and how many are with the workers."""
    waiting = sum(len(lane.waiting) for lane in lanes) + len(suspects)
    return {"chunks_waiting": waiting, "chunks_in_flight": len(flying)}


def chosen(
    ring: deque[DaskLane], shares: Shares, flying: Iterable[Chunk], most: int
) -> list[Chunk]:
    """Take up to so many chunks out of their lanes, each of who has used least when it is taken.

    Of hers, out of the lane of which none was taken for longest, which goes to the end.
    """
    whose = Counter(chunk.lane.work.payer for chunk in flying)
    found: list[Chunk] = []
    while len(found) < most and (chunk := _next_chunk(ring, shares, whose)) is not None:
        found.append(chunk)
    return found


def _next_chunk(ring: deque[DaskLane], shares: Shares, flying: Counter[str]) -> Chunk | None:
    waiting = [lane for lane in ring if lane.waiting]
    if not waiting:
        return None
    payer = shares.neediest(dict.fromkeys(lane.work.payer for lane in waiting), flying)
    lane = next(lane for lane in waiting if lane.work.payer == payer)
    ring.remove(lane)
    ring.append(lane)
    chunk = lane.waiting.popleft()
    chunk.used = shares.used(payer, flying[payer])
    flying[payer] += 1
    lane.in_flight += 1
    return chunk


def deadly(chunk: Chunk) -> Returned:
    """What its job is told of a chunk that ended worker after worker."""
    sentence = (
        f"The chunk {chunk.task.key} ended every worker that tried it, perhaps for want of "
        "memory; ask for a smaller one or give the workers more."
    )
    return Returned(chunk.task, None, sentence)


def overdue(chunk: Chunk, seconds: float) -> Returned:
    """What its job is told of a chunk that took longer than this too often."""
    sentence = (
        f"The chunk {chunk.task.key} did not end within {seconds:g} s, {LARGEST_OVERDUE} times. "
        "Ask for less of it, or set CHUNK_SECONDS higher."
    )
    return Returned(chunk.task, None, sentence)


def unwanted(
    flying: Mapping[str, tuple[Chunk, Any]], begun: Container[str], called_back: Container[str]
) -> list[str]:
    """Chunks of withdrawn lanes that wait with a worker, and were not called back yet."""
    return [
        name
        for name, (chunk, _) in flying.items()
        if chunk.lane.withdrawn_at is not None and name not in begun and name not in called_back
    ]
