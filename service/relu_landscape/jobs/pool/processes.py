"""A pool without a service: a few processes of this machine, one after the other's chunks."""

from __future__ import annotations

import signal
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from dataclasses import dataclass
from multiprocessing import get_context
from typing import Any, TypeVar

import orjson

from relu_landscape import ALGORITHM
from relu_landscape.engine.tasks import Task
from relu_landscape.errors import JobFailed
from relu_landscape.jobs.pool.base import Work, line_up
from relu_landscape.jobs.pool.codec import decode_answer, encode_task
from relu_landscape.jobs.pool.device import ChosenBackend
from relu_landscape.jobs.pool.worker import Outcome, execute

AnswerT = TypeVar("AnswerT")

#: Chunks handed out per process. One is computed while the next one waits; more would only
#: delay the end of a computation that is told to stop.
IN_FLIGHT_PER_WORKER = 2


@contextmanager
def processes(count: int) -> Iterator[ProcessPoolExecutor]:
    """Fresh processes; on the way out, whatever the reason, chunks not begun are dropped.

    Spawned, not forked: a fork of a process with threads (BLAS has some) may hang.
    """
    pool = ProcessPoolExecutor(count, mp_context=get_context("spawn"))
    try:
        yield pool
    finally:
        pool.shutdown(wait=True, cancel_futures=True)


@contextmanager
def _interrupts_held() -> Iterator[None]:
    """Hold Ctrl+C back meanwhile; processes begun here never see it.

    It reaches every process of a terminal, and only the parent shall act on it. Processes inherit
    the mask, so it holds from their first instruction on, where a handler of theirs would come
    too late. The parent hears of an interrupt as soon as this ends.
    """
    if not hasattr(signal, "pthread_sigmask"):  # Windows has neither the mask nor the problem
        yield
        return
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


@dataclass
class ProcessRunner:
    """The engine's runner over the processes: few chunks in flight, answers as they come.

    ``computed`` is called for each answer before it is handed on.
    """

    pool: ProcessPoolExecutor
    workers: int
    work: Work
    backend: ChosenBackend
    computed: Callable[[Task[Any, Any]], None]

    @property
    def pace(self) -> int:
        """Of what the processes compute with."""
        return self.backend.pace

    def __call__(
        self, tasks: Sequence[Task[Any, AnswerT]]
    ) -> Iterator[tuple[Task[Any, AnswerT], AnswerT]]:
        waiting: deque[Task[Any, AnswerT]] = deque()
        seen = 0
        flying: dict[Future[tuple[Outcome, bytes]], Task[Any, AnswerT]] = {}
        try:
            while waiting or flying or seen < len(tasks):
                line_up(waiting, tasks[seen:], lambda task: task)
                seen = len(tasks)
                while waiting and len(flying) < IN_FLIGHT_PER_WORKER * self.workers:
                    task = waiting.popleft()
                    flying[self._submit(task, self.work.named)] = task
                done, _ = wait(flying, return_when=FIRST_COMPLETED)
                for future in done:
                    task = flying.pop(future)
                    answer = _answer(future, task)
                    if answer is None:
                        flying[self._submit(task, self.work.encoded)] = task
                        continue
                    self.computed(task)
                    yield task, answer
        finally:
            for future in flying:
                future.cancel()

    def _submit(self, task: Task[Any, Any], request: bytes) -> Future[tuple[Outcome, bytes]]:
        try:
            with _interrupts_held():  # submitting begins processes, as long as there are too few
                return self.pool.submit(
                    execute,
                    ALGORITHM,
                    self.work.composition,
                    request,
                    encode_task(task),
                    self.backend.computes,
                )
        except BrokenProcessPool as error:
            raise _death(task) from error


def _answer(future: Future[tuple[Outcome, bytes]], task: Task[Any, AnswerT]) -> AnswerT | None:
    """The answer; None where the process asks for the request."""
    try:
        kind, returned = future.result()
    except BrokenProcessPool as error:
        raise _death(task) from error
    if kind == "error":
        raise JobFailed(f"The chunk {task.key} failed: {orjson.loads(returned)['text']}")
    return None if kind == "unknown" else decode_answer(task, returned)


def _death(task: Task[Any, Any]) -> JobFailed:
    return JobFailed(
        f"A process died while the chunk {task.key} was computed, perhaps for want of memory: "
        "fewer workers need less of it."
    )
