"""A runner that asks others: how many at a time, what it makes of their ends, and what it lets go.

The desk is played: each job ends when the test says so, and every question is counted.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, cast

import orjson
import pytest

from relu_landscape.engine.sweeping.grid import Problem
from relu_landscape.engine.sweeping.solve import AskCell
from relu_landscape.engine.tasks import Ended
from relu_landscape.errors import Busy, Cancelled, LeaseLost, StoreUnavailable
from relu_landscape.jobs.running.progress import ProgressMonitor, Reason, StopSign
from relu_landscape.jobs.running.questions import MOST_TRIES, Others, QuestionRunner
from relu_landscape.jobs.running.sealing import seal
from relu_landscape.jobs.store.claims import Claim, ClaimingStore
from relu_landscape.jobs.testing import perfect_copy
from relu_landscape.wire.requests import AnalysisRequest
from relu_landscape.wire.sweeps import SweepRequest
from tests.service.jobs.helpers import PROVENANCE
from tests.service.jobs.toy_engine import TOY

WINDOW = 3


def sweep(cells: int) -> SweepRequest:
    return SweepRequest.model_validate(
        {"base": {"K": 2, "width": 2, "starts": 4}, "grid": {"seed": list(range(cells))}}
    )


class PlayedDesk:
    """Jobs that end in the round after they were asked for, unless the test says otherwise."""

    def __init__(self) -> None:
        self.asked: list[AnalysisRequest] = []
        self.holders: set[str] = set()
        self.wanted: dict[str, AnalysisRequest] = {}
        self.most_at_once = 0
        self.let_go_of: list[str] = []
        self.end: Callable[[AnalysisRequest], Ended | None] = self.finished
        self.rounds: list[Callable[[], None]] = []
        self.known: set[int] = set()

    def submit(self, request: AnalysisRequest, holder: str) -> tuple[str, bool]:
        if self.rounds:
            self.rounds.pop(0)()
        self.asked.append(request)
        self.holders.add(holder)
        job = request.content_id("cpu")
        self.wanted[job] = request
        self.most_at_once = max(self.most_at_once, len(self.wanted))
        return job, cast(Any, request).seed in self.known

    def ended(self, jobs: Sequence[str]) -> dict[str, Ended | None]:
        assert set(jobs) == set(self.wanted)
        return {job: self.end(self.wanted.pop(job)) for job in jobs[:1]}

    def let_go(self, job: str, holder: str) -> str:
        self.let_go_of.append(job)
        return "cancelled"

    def finished(self, request: AnalysisRequest) -> Ended:
        job = request.content_id("cpu")
        body = perfect_copy(request).result
        return Ended(job, seal(TOY.analysis("landscape"), job, request, body, PROVENANCE))


class PlayedClaims:
    """Checkpoints in memory."""

    def __init__(self) -> None:
        self.chunks: dict[str, bytes] = {}
        self.over = False

    def finished_chunks(self, job: str) -> set[str]:
        return set(self.chunks)

    def answers(self, job: str, chunks: Sequence[str]) -> list[tuple[str, bytes | None]]:
        return [(name, self.chunks[name]) for name in chunks]

    def checkpoint(self, claim: Claim, chunk: str, answer: bytes) -> str:
        self.chunks[chunk] = answer
        return "held"

    def is_over(self, job: str) -> bool:
        return self.over


class Scene:
    """A sweep that is under way."""

    def __init__(self, asked: SweepRequest, claims: PlayedClaims | None = None) -> None:
        self.desk, self.claims = PlayedDesk(), claims or PlayedClaims()
        self.stop, self.stopped, self.woken = StopSign(), list[str](), 0
        self.problem = Problem.from_request(asked)
        self.tasks = [
            AskCell(key=f"cell/{cell}", cell=cell, cell_starts=4) for cell in range(asked.cells)
        ]
        self.runner = QuestionRunner(
            Claim("an-id", "sweep", "1", {}, seconds=0.0, attempts=1),
            cast(ClaimingStore, self.claims),
            Others(self.desk, WINDOW, self.wake, self.stopped.append),
            self.problem,
            self.stop,
            ProgressMonitor(0, self.stop, lambda kind, data: None),
        )

    def wake(self) -> None:
        self.woken += 1

    def rows(self) -> dict[int, dict[str, Any]]:
        found = {}
        for task, answer in self.runner(self.tasks):
            assert isinstance(task, AskCell)
            found[task.cell] = orjson.loads(cast(Any, answer).row)
        return found


@pytest.fixture(autouse=True)
def no_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("relu_landscape.jobs.running.questions.time.sleep", lambda seconds: None)


def test_every_cell_is_asked_for_once_a_few_at_a_time_in_one_name() -> None:
    scene = Scene(sweep(20))
    rows = scene.rows()
    assert sorted(rows) == list(range(20))
    assert {row["error"] for row in rows.values()} == {None}
    assert len(scene.desk.asked) == scene.woken == 20
    assert scene.desk.most_at_once == WINDOW
    assert scene.desk.holders == {"sweep:an-id"}
    scene.runner.close()
    assert scene.desk.let_go_of == []


def test_what_is_checkpointed_is_not_asked_for_again() -> None:
    first = Scene(sweep(6))
    whole = first.rows()
    dropped = list(first.claims.chunks)[4:]
    for name in dropped:
        del first.claims.chunks[name]
    again = Scene(sweep(6), first.claims)
    assert again.rows() == whole
    assert len(again.desk.asked) == 2


def test_cells_that_ask_the_same_share_one_job() -> None:
    """A teacher of one unit is the same whatever the correlation."""
    asked = SweepRequest.model_validate(
        {"base": {"K": 1, "width": 1}, "grid": {"teacher_correlation": [0.0, 0.25, 0.5]}}
    )
    scene = Scene(asked)
    rows = scene.rows()
    assert len({row["landscape"] for row in rows.values()}) == 1
    assert [rows[n]["values"]["teacher_correlation"] for n in range(3)] == [0.0, 0.25, 0.5]
    assert scene.desk.most_at_once == 1


def test_a_cell_that_fails_has_a_row_that_says_so_and_the_others_go_on() -> None:
    scene = Scene(sweep(4))

    def end(request: AnalysisRequest) -> Ended:
        if cast(Any, request).seed == 2:
            return Ended("its-id", None, "The toy fails.")
        return scene.desk.finished(request)

    scene.desk.end = end
    rows = scene.rows()
    assert [rows[n]["error"] for n in range(4)] == [None, None, "The toy fails.", None]
    assert (rows[2]["landscape"], rows[2]["minima"]) == ("its-id", [])


def test_a_result_that_is_gone_before_it_was_read_is_asked_for_again() -> None:
    scene = Scene(sweep(2))
    gone = [True, True]
    scene.desk.end = lambda request: None if gone and gone.pop() else scene.desk.finished(request)
    rows = scene.rows()
    assert {row["error"] for row in rows.values()} == {None}
    assert len(scene.desk.asked) == 4


def test_one_that_is_always_gone_ends_in_a_sentence() -> None:
    scene = Scene(sweep(1))
    scene.desk.end = lambda request: None
    assert "gone from the store" in scene.rows()[0]["error"]
    assert len(scene.desk.asked) == MOST_TRIES


def test_a_full_queue_is_waited_out() -> None:
    scene = Scene(sweep(2))

    def busy() -> None:
        raise Busy("full", 1)

    scene.desk.rounds = [busy, busy]
    assert len(scene.rows()) == 2


def test_a_store_that_was_away_is_waited_for() -> None:
    scene = Scene(sweep(2))

    def away() -> None:
        raise StoreUnavailable("away")

    scene.desk.rounds = [away, away]
    assert len(scene.rows()) == 2
    scene = Scene(sweep(2))
    scene.desk.rounds = [away]
    scene.claims.over = True
    with pytest.raises(LeaseLost):
        scene.rows()


@pytest.mark.parametrize(
    ("reason", "lets_go"), [("cancel", True), ("close", False), ("lost", False)]
)
def test_who_is_cancelled_lets_go_and_who_goes_on_elsewhere_does_not(
    reason: Reason, lets_go: bool
) -> None:
    scene = Scene(sweep(9))
    tasks = scene.runner(scene.tasks)
    next(tasks)
    scene.stop.set(reason)
    with pytest.raises(Cancelled):
        next(tasks)
    under_way = list(scene.desk.wanted)
    assert under_way
    scene.runner.drain()
    scene.runner.close()
    assert scene.desk.let_go_of == (under_way if lets_go else [])
    assert scene.stopped == scene.desk.let_go_of
    assert len(scene.desk.asked) <= WINDOW


def test_a_question_is_nothing_for_a_worker() -> None:
    scene = Scene(sweep(1))
    with pytest.raises(TypeError, match="cell/0 is asked of another analysis"):
        scene.tasks[0].run(scene.problem, cast(Any, None))
