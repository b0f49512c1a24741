"""One attempt at one job, in a thread: checkpoints in, the engine's composition, a result out."""

from __future__ import annotations

import logging
import time
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, TypeVar

from pydantic import ValidationError

from relu_landscape.analyses import Analysis, composition
from relu_landscape.engine.tasks import Condenser, Task
from relu_landscape.errors import (
    Cancelled,
    JobFailed,
    LandscapeError,
    LeaseLost,
    Unavailable,
)
from relu_landscape.jobs import tracing
from relu_landscape.jobs.about import after
from relu_landscape.jobs.pool.base import Lane, Pool, Returned, Work, chunk_name, memo_name
from relu_landscape.jobs.pool.codec import decode_answer, encode_answer
from relu_landscape.jobs.pool.worker import one_thread
from relu_landscape.jobs.running.progress import ProgressMonitor, StopSign
from relu_landscape.jobs.running.questions import Others, QuestionRunner
from relu_landscape.jobs.running.sealing import seal, seal_parts
from relu_landscape.jobs.store.claims import Claim, ClaimingStore
from relu_landscape.wire.base import JsonObject
from relu_landscape.wire.jobs import Provenance
from relu_landscape.wire.requests import AnalysisRequest

logger = logging.getLogger(__name__)

AnswerT = TypeVar("AnswerT")

#: How often a job that waits for its chunks looks at its stop sign.
LOOK_SECONDS = 0.1
#: So many looks without news, and a job computes itself what it waited for: the process that said
#: it would may live and have no workers. Some minutes; a chunk takes a second.
MOST_LOOKS = 3000


@dataclass
class _Awaited:
    """Tasks that other jobs compute, by the name of the answer; looks in a row without news."""

    tasks: dict[str, Task[Any, Any]] = field(default_factory=dict)
    looks: int = 0

    def is_tired(self, is_news: bool, is_idle: bool) -> bool:
        """Whether to wait no more, after one more look while there was nothing else to do."""
        self.looks = 0 if is_news else self.looks + is_idle
        return self.looks > MOST_LOOKS


@dataclass
class ChunkRunner:
    """The engine's runner: answers from the checkpoints, from other jobs, the rest from the pool.

    Answers are always decoded from the bytes that are stored, so a resumed run sees exactly what
    an uninterrupted one saw. Other jobs' answers (``Task.memo``) are bytes of the same kind, and
    what another job is just computing is waited for.
    """

    claim: Claim
    claims: ClaimingStore
    pool: Pool
    work: Work
    needs: str
    stop: StopSign
    monitor: ProgressMonitor
    condenser: Condenser | None = None
    lanes: list[Lane] = field(default_factory=list)

    @property
    def pace(self) -> int:
        """Of the pool."""
        return self.pool.pace

    def __call__(
        self, tasks: Sequence[Task[Any, AnswerT]]
    ) -> Iterator[tuple[Task[Any, AnswerT], AnswerT]]:
        self.stop.check()
        lane = self.pool.lane(self.work)
        self.lanes.append(lane)
        awaited = _Awaited()
        begun = 0
        try:
            while begun < len(tasks) or awaited.tasks or not lane.is_idle:
                more, begun = tasks[begun:], len(tasks)
                if more:
                    yield from self._begin(lane, awaited, more)
                else:
                    yield from self._collect(lane, awaited)
        finally:
            if self.stop.reason is None:  # the lanes of a job that was stopped end in ``drain``
                self._end(lane)

    def _begin(
        self, lane: Lane, awaited: _Awaited, tasks: Sequence[Task[Any, Any]]
    ) -> Iterator[tuple[Task[Any, Any], Any]]:
        """Send what is not known yet; the answers that are."""
        by_name = {chunk_name(task): task for task in tasks}
        finished = self.claims.finished_chunks(self.claim.job)
        stored = [name for name in by_name if name in finished]
        missing = [task for name, task in by_name.items() if name not in finished]
        shared = {memo: task for task in missing if (memo := self._memo(task))}
        found, theirs = self._known(shared)
        awaited.tasks.update({memo: shared[memo] for memo in theirs})
        # All at once: the line has those first that others wait for.
        elsewhere = found.keys() | awaited.tasks.keys()
        lane.put(task for task in missing if self._memo(task) not in elsewhere)
        for name, answer in self.claims.answers(self.claim.job, stored):
            self.stop.check()
            task = by_name[name]
            whole = None if answer is None else self._whole(task, answer)
            if whole is None:
                lane.put([task])
            else:
                yield task, whole
        for memo, answer in found.items():
            self.stop.check()
            yield shared[memo], decode_answer(shared[memo], answer)

    def _collect(self, lane: Lane, awaited: _Awaited) -> Iterator[tuple[Task[Any, Any], Any]]:
        """What the pool or another job has computed meanwhile."""
        self.stop.check()
        returned = lane.next(LOOK_SECONDS)
        if returned is None:
            yield from self._look(lane, awaited)
            return
        if returned.answer is None:
            raise JobFailed(returned.error)
        answer = self._whole(returned.task, self._checkpoint(returned))
        self.monitor.computed(returned.task)
        yield returned.task, answer

    def _look(self, lane: Lane, awaited: _Awaited) -> Iterator[tuple[Task[Any, Any], Any]]:
        """What other jobs have computed; what they do not any more is computed here."""
        found, theirs = self._known(awaited.tasks)
        if awaited.is_tired(bool(found), lane.is_idle):
            theirs = set()
        ours = [memo for memo in awaited.tasks if memo not in found and memo not in theirs]
        lane.put([awaited.tasks.pop(memo) for memo in ours])
        for memo, answer in found.items():
            task = awaited.tasks.pop(memo)
            yield task, decode_answer(task, answer)

    def _known(self, memos: Collection[str]) -> tuple[dict[str, bytes], set[str]]:
        """The answers that are there, and the names of those that other jobs compute now.

        Of the rest this job has said that it computes them.
        """
        found = self._recall(memos)
        left = [memo for memo in memos if memo not in found]
        taken = dict(zip(left, self.claims.take(self.claim, left), strict=True))
        # What was finished between the two has nobody who computes it.
        found |= self._recall([memo for memo, is_ours in taken.items() if is_ours])
        return found, {memo for memo, is_ours in taken.items() if not is_ours}

    def _recall(self, memos: Collection[str]) -> dict[str, bytes]:
        found = zip(memos, self.claims.remembered(list(memos)), strict=True)
        return {memo: answer for memo, answer in found if answer is not None}

    def _checkpoint(self, returned: Returned) -> bytes:
        """Store an answer; what was stored of it."""
        assert returned.answer is not None  # noqa: S101 - for the type checker
        task, answer = returned.task, returned.answer
        name, memo = chunk_name(task), self._memo(task)
        # What other jobs read is whole: they have not seen what this one has.
        if self.condenser is not None and memo is None:
            came = decode_answer(task, answer)
            condensed = self.condenser.condense(task, came)
            answer = answer if condensed is came else encode_answer(condensed)
        standing = self.claims.checkpoint(self.claim, name, answer, memo, returned.seconds)
        if standing == "cancel":
            self.stop.set("cancel")
        return answer

    def _whole(self, task: Task[Any, Any], stored: bytes) -> Any | None:
        """The answer of which this is stored; None where it has to be computed again."""
        answer = decode_answer(task, stored)
        if self.condenser is None or self._memo(task) is not None:
            return answer
        return self.condenser.restore(task, answer)

    def _memo(self, task: Task[Any, Any]) -> str | None:
        return memo_name(task, self.needs)

    def drain(self) -> None:
        """Send nothing more, and keep the answers that are there.

        A cancelled job also waits until the workers are free of it, and keeps what they finish.
        """
        for lane in self.lanes:
            lane.withdraw()
        for lane in list(self.lanes):
            while True:
                waits = self.stop.reason == "cancel"
                returned = lane.next(LOOK_SECONDS if waits else 0.0)
                if returned is None and (lane.is_idle or not waits):
                    break
                if returned is not None and returned.answer is not None:
                    self._checkpoint(returned)
            self._end(lane)

    def close(self) -> None:
        """Forget every lane."""
        for lane in list(self.lanes):
            self._end(lane)

    def _end(self, lane: Lane) -> None:
        self.pool.close_lane(lane)
        if lane in self.lanes:
            self.lanes.remove(lane)


@dataclass
class Attempt:
    """Runs a claimed job to one of its ends; never raises."""

    claim: Claim
    claims: ClaimingStore
    pool: Pool
    analysis: Analysis
    chunk_starts: int | None
    provenance: Provenance
    needs: str
    others: Others | None = None
    stop: StopSign = field(default_factory=StopSign)
    _runner: ChunkRunner | QuestionRunner | None = field(default=None, init=False)
    _span: tracing.Span = field(default_factory=tracing.Span, init=False)
    _began: float = field(default_factory=time.monotonic, init=False)

    def run(self) -> None:
        """Everything from the claim to the release of the lease."""
        claim = self.claim
        with tracing.span("attempt", claim.trace, "CONSUMER",
                          relu_landscape__job=claim.job, relu_landscape__analysis=claim.kind,
                          relu_landscape__attempt=claim.attempts,
                          relu_landscape__place=claim.place) as self._span:  # fmt: skip
            self._attempt()

    def _attempt(self) -> None:
        try:
            request = self.analysis.request.model_validate(self.claim.request)
        except ValidationError as error:
            logger.warning("%s cannot be read: %s", self.claim.job, error)
            self._tell("failed", f"The stored request cannot be read: {error}")
            return
        try:
            self._run(request, ProgressMonitor(request.starts_asked, self.stop, self._publish))
        except LeaseLost as error:
            logger.warning("%s", error)
        except Unavailable as error:
            logger.warning("%s stops for now: %s", self.claim.job, error)
            self._tell("returned")
        except Exception as error:
            logger.exception("%s failed", self.claim.job)
            self._tell("failed", f"Unexpected error: {type(error).__name__}: {error}")
        finally:
            if self._runner is not None:
                self._runner.close()

    def _run(self, request: AnalysisRequest, monitor: ProgressMonitor) -> None:
        try:
            chosen = composition(self.analysis.composition)
            one_thread()  # the composition computes too, in this process
            problem = chosen.problem(request)
            if chosen.expected is not None:
                monitor.expect(chosen.expected(problem).seconds)
            self._runner = self._runner_for(request, problem, monitor)
            answer = chosen.compose(
                problem, run=self._runner, monitor=monitor, chunk_starts=self.chunk_starts
            )
            made_by = after(self.provenance, self._seconds())
            result = seal(self.analysis, self.claim.job, request, answer.result, made_by)
            parts = seal_parts(answer.parts)
        except Cancelled:
            self._stopped()
        except (LeaseLost, Unavailable):
            raise
        except LandscapeError as error:
            logger.warning("%s failed: %s", self.claim.job, error)
            self._tell("failed", str(error))
        else:
            # Whether this job is still ours only the store can say, and it refuses if not.
            self.claims.finish(self.claim, result, parts)
            self._span.say(relu_landscape__outcome="finished")

    def _runner_for(
        self, request: AnalysisRequest, problem: Any, monitor: ProgressMonitor
    ) -> ChunkRunner | QuestionRunner:
        if not self.analysis.asks_others:
            work = Work(self.analysis.composition, request, self.claim.payer, tracing.carried())
            condenser = composition(self.analysis.composition).condenser
            return ChunkRunner(
                self.claim, self.claims, self.pool, work, self.needs, self.stop, monitor,
                None if condenser is None else condenser(problem),
            )  # fmt: skip
        if self.others is None:
            raise JobFailed("There is nobody here to ask other jobs of.")
        return QuestionRunner(self.claim, self.claims, self.others, problem, self.stop, monitor)

    def _seconds(self) -> float:
        """Since the first start: the store's clock up to this attempt, then a steady one."""
        return self.claim.seconds + time.monotonic() - self._began

    def _stopped(self) -> None:
        if self.stop.reason in ("cancel", "close") and self._runner is not None:
            self._runner.drain()
        if self.stop.reason == "cancel":
            self._tell("cancelled")
        elif self.stop.reason == "close":
            self._tell("returned")
        elif self.stop.reason is None:
            self._tell("failed", "The computation stopped although nobody had asked it to.")

    def _publish(self, kind: Literal["progress", "findings"], data: JsonObject) -> None:
        if self.claims.report(self.claim, kind, data) == "cancel":
            self.stop.set("cancel")

    def _tell(self, outcome: Any, error: str = "") -> None:
        self._span.say(relu_landscape__outcome=outcome)
        if outcome == "failed":
            self._span.fail(outcome)
        try:
            self.claims.stop(self.claim, outcome, error)
        except LeaseLost as problem:
            logger.warning("%s: %s", self.claim.job, problem)
        except Unavailable as problem:
            logger.warning("%s: %s", self.claim.job, problem)
            self.claims.owe(self.claim, outcome, error)
