"""A Dask scheduler that the test plays: who is sent when, and what becomes of it."""

from __future__ import annotations

from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import orjson
from distributed import KilledWorker

from relu_landscape import ALGORITHM
from relu_landscape.engine.tasks import Task
from relu_landscape.jobs.pool import worker
from relu_landscape.jobs.pool.base import Returned, Work
from relu_landscape.jobs.pool.dask import DaskPool
from relu_landscape.jobs.pool.device import ChosenBackend
from relu_landscape.jobs.pool.lanes import DaskLane
from relu_landscape.jobs.pool.watch import TOPIC
from relu_landscape.settings import Settings
from relu_landscape.wire.requests import LandscapeRequest
from tests.service.jobs.helpers import until
from tests.service.jobs.toy_engine import TOY, Sample

BACKEND = ChosenBackend("numpy", "a test", "the test wants it")
COMPOSITION = TOY.analyses[0].composition
WORK = Work(COMPOSITION, LandscapeRequest(student_width=2, teacher_width=2, seed=1))
REQUEST = orjson.dumps(WORK.request.canonical())


class PlayedFuture:
    """A chunk with the scheduler, and what it ``carried`` of its request; the test says how it
    ends."""

    def __init__(self, key: str, task: str, carried: bytes, priority: float) -> None:
        self.priority = priority
        self.key = key
        self.task = task
        self.carried = carried
        self.status = "pending"
        self.called_back = 0
        self._outcome: Any = None
        self._callback: Callable[[PlayedFuture], None] | None = None

    def cancel(self) -> None:
        self.called_back += 1

    def add_done_callback(self, callback: Callable[[PlayedFuture], None]) -> None:
        self._callback = callback

    def result(self, timeout: float) -> Any:
        if isinstance(self._outcome, BaseException):
            raise self._outcome
        return self._outcome

    def end(self, outcome: Any, status: str = "finished") -> None:
        self._outcome, self.status = outcome, status
        until(lambda: self._callback is not None, "the callback is there")
        assert self._callback is not None
        self._callback(self)


class Scheduler:
    """What was sent and has not ended, in the order of sending."""

    def __init__(self) -> None:
        self.threads = 1
        self.open: list[PlayedFuture] = []
        self.fault: Exception | None = None
        self.clients = 0
        self.refusals = 0
        self.restarted: list[str] = []

    def client(self, address: str, **_: Any) -> Any:
        if self.fault is not None:
            raise self.fault
        self.clients += 1
        return SimpleNamespace(
            status="running",
            submit=self._submit,
            nthreads=self._nthreads,
            subscribe_topic=self._subscribe,
            restart_workers=self._restart,
            close=lambda: None,
        )

    def _subscribe(self, topic: str, hear: Callable[[Any], None]) -> None:
        assert topic == TOPIC
        self._hear = hear

    def _restart(self, addresses: list[str], **_: Any) -> None:
        self.restarted += addresses

    def begin(self, task: str, address: str) -> PlayedFuture:
        """The worker at this address says that it begins a chunk."""
        until(lambda: any(each.task == task for each in self.open), f"{task} is sent")
        future = next(each for each in self.open if each.task == task)
        self._hear((0.0, {"chunk": future.key, "worker": address, "begins": True}))
        return future

    def _nthreads(self, **_: Any) -> dict[str, int]:
        if self.fault is not None:
            raise self.fault
        return {"worker": self.threads} if self.threads else {}

    def _submit(
        self, function: Any, *arguments: Any, key: str, pure: bool, priority: float
    ) -> PlayedFuture:
        assert function is worker.execute
        if self.refusals:
            self.refusals -= 1
            raise OSError("the connection is closed")
        assert (arguments[0], arguments[1], arguments[4]) == (ALGORITHM, COMPOSITION, "numpy")
        name = orjson.loads(arguments[3])["task"]["key"]
        self.open.append(PlayedFuture(key, name, arguments[2], priority))
        return self.open[-1]

    def names(self, count: int) -> list[str]:
        until(lambda: len(self.open) >= count, f"{count} chunks are sent; there are {self.open}")
        assert len(self.open) == count
        return [future.task for future in self.open]

    def end(self, task: str, outcome: Any = None, status: str = "finished") -> None:
        until(lambda: any(each.task == task for each in self.open), f"{task} is sent")
        future = next(each for each in self.open if each.task == task)
        self.open.remove(future)
        future.end(("answer", orjson.dumps(task)) if outcome is None else outcome, status)


def played_pool(**settings: Any) -> DaskPool:
    """A pool on the played scheduler, not open yet."""
    return DaskPool(Settings.load(dask_scheduler="tcp://played:1", **settings), TOY, BACKEND)


def tasks(name: str, count: int) -> list[Task[Any, Any]]:
    return [Sample(key=f"{name}{number}", first=0, last=1) for number in range(count)]


def returned(lane: DaskLane) -> Returned:
    found = lane.next(30.0)
    assert found is not None
    return found


def killed(allowed: int = 0) -> KilledWorker:
    dead: Any = SimpleNamespace(address="tcp://dead")
    return KilledWorker("key", dead, allowed)
