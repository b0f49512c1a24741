"""What a compute pool is to a job, whatever stands behind it."""

from __future__ import annotations

import hashlib
from collections import deque
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Protocol, TypeVar

import orjson

from relu_landscape.engine.tasks import Task
from relu_landscape.jobs.pool.codec import encode_task
from relu_landscape.jobs.pool.known import name_of
from relu_landscape.wire.requests import AnalysisRequest

ItemT = TypeVar("ItemT")


@dataclass(frozen=True)
class Work:
    """What the tasks of one job belong to: how they are computed, for what request, for whom.

    ``trace``: what each is a part of (``jobs.tracing``), where there are traces.
    """

    composition: str
    request: AnalysisRequest
    payer: str = ""
    trace: str = ""

    @cached_property
    def encoded(self) -> bytes:
        """The request as JSON: made once."""
        return orjson.dumps(self.request.canonical())

    @cached_property
    def named(self) -> bytes:
        """What chunks carry of it first: its name where it is long."""
        return name_of(self.encoded)


@dataclass(frozen=True)
class Returned:
    """A chunk that is done: its answer's bytes, or the sentence that says why there is none.

    ``seconds``: how long its worker computed it.
    """

    task: Task[Any, Any]
    answer: bytes | None
    error: str | None = None
    seconds: float = 0.0


class Lane(Protocol):
    """One job's chunks: those that wait, those in flight, and the answers that came back."""

    def put(self, tasks: Iterable[Task[Any, Any]]) -> None:
        """Have these done; each comes back from ``next`` exactly once."""

    def next(self, timeout_seconds: float) -> Returned | None:
        """The next chunk that is done, or ``None`` when the time is over."""

    def withdraw(self) -> None:
        """Take back what has not begun, send nothing again, and let what computes end soon."""

    @property
    def is_idle(self) -> bool:
        """Whether nothing of this lane waits or computes, and every answer was taken."""


class Pool(Protocol):
    """Workers somewhere, fed through lanes so that no job and nobody keeps another waiting.

    ``pace``: how fast each follows paths (``engine.tasks.pace_of``).
    """

    @property
    def pace(self) -> int: ...

    def lane(self, work: Work) -> Lane:
        """A new lane for a job's chunks. ``close_lane`` ends it."""

    def close_lane(self, lane: Any) -> None:
        """Forget the lane; answers of chunks in flight are dropped."""

    def learn(self, read: Callable[[], Mapping[str, float]]) -> None:
        """Hear anew what everybody has used, in all processes together (``sharing.Shares``)."""


def line_up(
    waiting: deque[ItemT], more: Iterable[ItemT], task: Callable[[ItemT], Task[Any, Any]]
) -> None:
    """Have more tasks wait, each in its order; before the others those that more tasks wait for.

    ``task`` says which one an item of the line is.
    """
    first: list[ItemT] = []
    for item in more:
        (first if task(item).beside else waiting).append(item)
    waiting.extendleft(reversed(first))


def chunk_name(task: Task[Any, Any]) -> str:
    """Name of a chunk's checkpoint.

    The task's key is unique for one way of cutting the job up; the hash of what is to be done
    keeps checkpoints of another way (the setting ``chunk_starts`` changed) apart.
    """
    return f"{task.key}:{hashlib.sha256(encode_task(task)).hexdigest()[:16]}"


def memo_name(task: Task[Any, Any], needs: str) -> str | None:
    """Name under which other jobs find the task's answer; None where it has no ``memo``.

    A hash of all that the answer depends on: the task and its class, its ``memo``, and ``needs``,
    the algorithm and the class of backend (``store.scripts.needs``). Compositions that share a
    class of tasks share what is known of them.
    """
    if task.memo is None:
        return None
    home = f"{type(task).__module__}.{type(task).__qualname__}"
    words = [needs, home, task.memo, encode_task(task).decode()]
    return hashlib.sha256(orjson.dumps(words)).hexdigest()
