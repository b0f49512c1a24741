"""The runner of an analysis that asks others: it submits their jobs, a few at a time, and waits.

Each question is an ordinary job under its own content id, in the queue like any other, so that one
who asks for it alone shares it, and a sweep over hundreds stands before nobody.
"""

from __future__ import annotations

import logging
import time
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol, TypeVar

from relu_landscape.engine.tasks import Ended, Question, Task
from relu_landscape.errors import Busy, InputError, LeaseLost, StoreUnavailable, Unavailable
from relu_landscape.jobs.pool.base import chunk_name
from relu_landscape.jobs.pool.codec import decode_answer, encode_answer
from relu_landscape.jobs.running.progress import ProgressMonitor, StopSign
from relu_landscape.jobs.store.claims import Claim, ClaimingStore
from relu_landscape.wire.requests import AnalysisRequest

logger = logging.getLogger(__name__)

AnswerT = TypeVar("AnswerT")

#: How often a job that waits for others looks whether they have ended.
LOOK_SECONDS = 0.1
#: A job whose result is gone before it was read is asked for again so often.
MOST_TRIES = 3


class Desk(Protocol):
    """Where other jobs are asked for. Every method may raise ``StoreUnavailable``."""

    def submit(self, request: AnalysisRequest, holder: str) -> tuple[str, bool]:
        """Ask, in the name of ``holder``: the content id, and whether that is over already.

        Raises ``Busy`` where too many jobs wait.
        """

    def ended(self, jobs: Sequence[str]) -> dict[str, Ended | None]:
        """Those of these jobs that are over. None: it, or its result, is gone from the store."""

    def let_go(self, job: str, holder: str) -> str:
        """Want the job no longer, in the name of ``holder``; its state."""


@dataclass(frozen=True)
class Others:
    """What a runner needs to ask for other jobs.

    ``window`` of them are asked for at a time; ``wake`` has the coordinator look at the queue,
    ``stop`` ends a job that runs in this process.
    """

    desk: Desk
    window: int
    wake: Callable[[], None]
    stop: Callable[[str], None]


@dataclass
class QuestionRunner:
    """Answers from the checkpoints, the rest from other jobs.

    What they answer is a checkpoint like a worker's, so a sweep whose process was killed goes on.
    """

    claim: Claim
    claims: ClaimingStore
    others: Others
    problem: Any
    stop: StopSign
    monitor: ProgressMonitor
    pace: int = 1
    _asked: dict[str, list[Question[Any, Any]]] = field(default_factory=dict, init=False)
    _tries: dict[str, int] = field(default_factory=dict, init=False)

    @property
    def holder(self) -> str:
        """In whose name the others are asked for."""
        return f"{self.claim.kind}:{self.claim.job}"

    def __call__(
        self, tasks: Sequence[Task[Any, AnswerT]]
    ) -> Iterator[tuple[Task[Any, AnswerT], AnswerT]]:
        self.stop.check()
        by_name = {chunk_name(task): task for task in tasks}
        finished = self.claims.finished_chunks(self.claim.job) if by_name else set()
        waiting = deque(task for name, task in by_name.items() if name not in finished)
        stored = [name for name in by_name if name in finished]
        for name, answer in self.claims.answers(self.claim.job, stored):
            self.stop.check()
            if answer is None:
                waiting.append(by_name[name])
            else:
                yield by_name[name], decode_answer(by_name[name], answer)
        yield from self._ask(waiting)

    def _ask(self, waiting: deque[Task[Any, Any]]) -> Iterator[tuple[Task[Any, Any], Any]]:
        while waiting or self._asked:
            self.stop.check()
            try:
                known = self._submit(waiting)
                over = self.others.desk.ended(list(self._asked))
            except StoreUnavailable:
                time.sleep(LOOK_SECONDS)
                # The desk has the patience of a request, this one that of a job.
                if self.claims.is_over(self.claim.job):
                    raise LeaseLost(f"The job {self.claim.job} is over.") from None
                continue
            for job, ended in over.items():
                for task in self._asked.pop(job):
                    answer = self._answered(task, job, ended)
                    if answer is None:
                        waiting.appendleft(task)
                        continue
                    if job not in known:
                        self.monitor.computed()
                    yield task, decode_answer(task, answer)
            if not over:
                time.sleep(LOOK_SECONDS)

    def _submit(self, waiting: deque[Task[Any, Any]]) -> set[str]:
        """Ask for as many as the window has room for; those that were over already."""
        known: set[str] = set()
        while waiting and len(self._asked) < self.others.window:
            task = waiting[0]
            assert isinstance(task, Question)  # noqa: S101 - for the type checker
            try:
                job, is_over = self.others.desk.submit(task.request(self.problem), self.holder)
            except Busy:
                break
            waiting.popleft()
            self._asked.setdefault(job, []).append(task)
            if is_over:
                known.add(job)
            else:
                self.others.wake()
        return known

    def _answered(self, task: Question[Any, Any], job: str, ended: Ended | None) -> bytes | None:
        """The answer's bytes, stored; None where the other job must be asked for again."""
        if ended is None:
            self._tries[task.key] = self._tries.get(task.key, 0) + 1
            if self._tries[task.key] < MOST_TRIES:
                return None
            ended = Ended(job, None, "Its result was gone from the store before it was read.")
        answer = encode_answer(task.answered(self.problem, ended))
        if self.claims.checkpoint(self.claim, chunk_name(task), answer) == "cancel":
            self.stop.set("cancel")
        return answer

    def drain(self) -> None:
        """Nothing is on its way to this process; who cancels it lets go of the others."""
        self.close()

    def close(self) -> None:
        """Let go of the jobs that are still asked for, unless this one is to go on elsewhere."""
        if self.stop.reason in ("close", "lost"):
            return
        for job in list(self._asked):
            try:
                if self.others.desk.let_go(job, self.holder) in ("cancelling", "cancelled"):
                    self.others.stop(job)
            except (InputError, Unavailable) as error:
                logger.warning("%s is not let go: %s", job, error)
        self._asked.clear()
