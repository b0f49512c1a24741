"""Ends as groups, the catalogue, and what is said on the way."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from relu_landscape.engine.descent import batch
from relu_landscape.engine.descent.ends import End
from relu_landscape.engine.descent.outcomes import Outcome
from relu_landscape.engine.landscape import COMPOSITION, sampling
from relu_landscape.engine.landscape.catalogue import Catalogue
from relu_landscape.engine.landscape.classified import Classify
from relu_landscape.engine.landscape.ends import EndGroup, Ends, grouped
from relu_landscape.engine.landscape.findings import Findings
from relu_landscape.engine.landscape.phases import Phases
from relu_landscape.engine.landscape.problem import Problem
from relu_landscape.engine.landscape.sampling import Resume, Sample, follow_starts
from relu_landscape.engine.lanes.native import VERSION, available
from relu_landscape.engine.model.arrays import Backend, backend_named
from relu_landscape.engine.points import classify
from relu_landscape.engine.points.classify import Point
from relu_landscape.engine.tasks import SilentMonitor, Task
from relu_landscape.jobs.pool.codec import decode_answer, decode_task, encode_answer, encode_task
from relu_landscape.wire.base import Wire
from relu_landscape.wire.landscape import LandscapeFinding
from relu_landscape.wire.requests import LandscapeRequest
from tests.service.engine import known
from tests.service.engine.landscape.solving import NUMPY
from tests.service.engine.oracles import Real

#: Where it was compiled and this processor can run it.
NATIVE = [backend_named(f"native-{VERSION}")] if available() else []


def _problem(K: int, M: int, **fields: Any) -> Problem:
    request = LandscapeRequest.model_validate(
        {"student_width": K, "teacher_width": M, "structured": False, **fields}
    )
    return Problem.from_request(request)


def _end(start: int, W: Real, outcome: Outcome = Outcome.FIXED_POINT, moved: float = 0.0) -> End:
    return End(start, outcome, W, W, moved, False, 1)


def test_ends_are_grouped_by_what_relabelling_leaves() -> None:
    problem = _problem(7, 7, input_dimension=7)
    spurious = known.locate(known.WELL_SPECIFIED[1])
    rng = np.random.default_rng(1)
    copies = [spurious[rng.permutation(7)][:, rng.permutation(7)] for _ in range(3)]
    ends = [
        _end(5, copies[0]), _end(3, np.eye(7)), _end(9, copies[1], moved=0.5),
        _end(4, np.eye(7), Outcome.VANISHED), _end(1, copies[2]), _end(8, np.eye(7)[::-1].copy()),
        _end(6, np.eye(7), Outcome.STEP_LIMIT), _end(2, np.eye(7), Outcome.GLOBAL_SET),
        _end(7, np.eye(7), Outcome.VANISHED),
    ]  # fmt: skip
    found = grouped(problem, ends)
    assert [group.members for group in found.groups] == [(1, 5, 9), (3, 8)]
    assert found.groups[0].moved.tolist() == [0.0, 0.0, 0.5]
    assert found.groups[0].loss == pytest.approx(0.0232027149136, abs=1e-12)
    assert np.array_equal(found.groups[0].W, copies[2])  # the lowest start's
    assert found.reached_global == (2,)
    assert found.failed == {"VANISHED": (4, 7), "STEP_LIMIT": (6,)}
    assert found.unfinished is None
    assert grouped(problem, []) == Ends()


def test_an_end_without_a_gradient_fails_alone() -> None:
    """A student of norm zero once ended the whole task, and with it the job."""
    problem = _problem(3, 3, input_dimension=4)
    gone, lost = np.diag([1.0, 1.0, 0.0]), np.diag([1.0, 1.0, np.nan])
    gone[1, 2] = 0.5
    # Students that have nothing along a teacher are all there.
    blind = gone.T.copy()
    blind[2] = [0.3, 0.4, 0.0]
    ends = [_end(0, gone), _end(1, lost), _end(2, np.eye(3)), _end(3, blind)]
    found = grouped(problem, ends)
    assert found.failed == {"VANISHED": (0,), "NOT_FINITE": (1,)}
    assert [group.members for group in found.groups] == [(2,), (3,)]
    weights = np.stack([gone, lost, np.eye(3), np.array([[1e-9, 0, 0], [0, 1, 0], [0, 0, 1]])])
    points = Classify(key="a", weights=weights).run(problem, NUMPY).points
    assert [point is None for point in points[:3]] == [True, True, False]


def test_with_a_proof_asked_for_an_end_that_is_no_copy_is_infinitely_far() -> None:
    """Ends of one group agree to 1e-5, labels to 1e-6: between the two no relabelling is found."""
    problem = _problem(7, 7, input_dimension=7, certify="fast")
    spurious = known.locate(known.WELL_SPECIFIED[1])
    rough = spurious + 1.5e-6 * np.random.default_rng(0).choice([-1.0, 1.0], spurious.shape)
    (group,) = grouped(problem, [_end(0, spurious), _end(1, rough), _end(2, spurious[::-1])]).groups
    assert group.members == (0, 1, 2)
    assert group.moved[0] == 0.0
    assert group.moved[1] == np.inf
    assert group.moved[2] == pytest.approx(0.0, abs=1e-12)


def test_groups_of_several_tasks_become_one() -> None:
    """Whatever the order in which answers come."""
    problem = _problem(7, 7, input_dimension=7)
    spurious = known.locate(known.WELL_SPECIFIED[1])
    answers = [
        grouped(problem, [_end(0, np.eye(7)), _end(4, spurious[::-1].copy())]),
        grouped(problem, [_end(2, spurious), _end(1, np.eye(7), Outcome.VANISHED)]),
        grouped(problem, [_end(3, np.eye(7)[::-1].copy())]),
    ]
    for order in ([0, 1, 2], [2, 0, 1], [1, 2, 0]):
        catalogue = Catalogue(problem)
        groups = catalogue.collect([answers[place] for place in order])
        assert [group.start for group in groups] == [0, 2]
        assert [sorted(group.members) for group in groups] == [[0, 3], [2, 4]]
        assert np.array_equal(groups[1].W, spurious)
        assert catalogue.failed == {1: "VANISHED"}


def _credit(point: Point, problem: Problem, moved: float, aligned: bool) -> tuple[list[int], ...]:
    catalogue = Catalogue(problem)
    end = End(0, Outcome.FIXED_POINT, point.W, point.W, moved, aligned, 1)
    (group,) = catalogue.collect([grouped(problem, [end])])
    entry = catalogue.add("a", point, "sampled")
    return (*catalogue.credit(group, entry, entry.point), entry.hits)


def test_credit_needs_a_reason() -> None:
    problem = _problem(7, 7, input_dimension=7)
    point = classify.classify(known.locate(known.WELL_SPECIFIED[1]), problem.teacher)
    # Smallest eigenvalue 0.014: the ball in which the flow goes there is 0.037 wide.
    assert _credit(point, problem, 0.03, False) == ([], [], [0])
    assert _credit(point, problem, 0.05, False) == ([0], [], [])
    assert _credit(point, problem, 0.05, True) == ([], [], [0])
    saddle = classify.classify(known.locate(known.ONE_MORE[2]), _problem(18, 17).teacher)
    assert _credit(saddle, _problem(18, 17), 0.0, True) == ([], [0], [])


def test_a_saddle_that_only_leads_out_of_the_span_is_nobodys_end() -> None:
    """Its one negative direction is perpendicular, and counts where the inputs have room for it."""
    problem = _problem(3, 3, input_dimension=4)
    minimum = classify.spectrum_at(np.eye(3), problem.teacher)
    saddle = replace(minimum, perpendicular=np.array([-0.1, *minimum.perpendicular[1:]]))
    assert (saddle.index_span, saddle.index(4), saddle.index(3)) == (0, 1, 0)
    assert _credit(saddle, problem, 0.0, True) == ([], [0], [])
    assert _credit(saddle, _problem(3, 3, input_dimension=3), 0.0, True) == ([], [], [0])


def test_copies_share_an_entry() -> None:
    problem = _problem(7, 7, input_dimension=7)
    catalogue = Catalogue(problem)
    point = classify.classify(known.locate(known.WELL_SPECIFIED[1]), problem.teacher)
    copy = classify.classify(point.W[::-1].copy(), problem.teacher)
    first = catalogue.add("a", point, "sampled")
    assert catalogue.add("b", copy, "structured") is first
    assert first.found_by == {"sampled", "structured"}
    assert catalogue.add("c", classify.classify(np.eye(7), problem.teacher), "sampled") is not first


def test_zero_loss_of_wide_students_belongs_to_the_continuum() -> None:
    problem = _problem(4, 3, input_dimension=5)
    point = classify.spectrum_at(
        np.eye(3)[[0, 1, 2, 2]] * [[1], [1], [0.5], [0.5]], problem.teacher
    )
    catalogue = Catalogue(problem)
    assert catalogue.is_on_global_set(point)
    (group,) = catalogue.collect([grouped(problem, [_end(3, point.W)])])
    entry = catalogue.add("a", point, "sampled")
    assert catalogue.credit(group, entry, entry.point) == ([], [])
    assert catalogue.reached_global == {3}
    square = classify.spectrum_at(np.eye(3), _problem(3, 3).teacher)
    assert not Catalogue(_problem(3, 3)).is_on_global_set(square)


class _Listening(SilentMonitor):
    def __init__(self) -> None:
        self.heard: list[Sequence[Wire]] = []

    def findings(self, points: Sequence[Wire]) -> None:
        self.heard.append(points)


def _group(loss: float) -> EndGroup:
    return EndGroup(1, np.eye(4), loss, (1, 2), np.zeros(2), (True, True))


def test_findings_count_by_loss() -> None:
    monitor = _Listening()
    findings = Findings(_problem(5, 4), monitor)
    findings.see(Ends((_group(0.02),), reached_global=(3,)))
    findings.see(Ends((_group(0.02 + 1e-9), _group(0.01))))
    findings.see(Ends(failed={"VANISHED": (7,)}))
    assert len(monitor.heard) == 2  # nothing new, nothing said
    assert list(monitor.heard[-1]) == findings.summary() == [
        LandscapeFinding(key="g1", kind="global_continuum", loss=0.0, hits=1),
        LandscapeFinding(key="p1", kind="unclassified", loss=0.01, hits=2),
        LandscapeFinding(key="p2", kind="unclassified", loss=0.02, hits=4),
    ]  # fmt: skip


def test_outcomes_are_sentences() -> None:
    assert [outcome for outcome in Outcome if outcome.converged] == [
        Outcome.FIXED_POINT, Outcome.GLOBAL_SET,
    ]  # fmt: skip
    assert all(len(outcome.value) > 20 for outcome in Outcome)


def _answers(
    problem: Problem, backend: Backend, seen: list[Task[Any, Any]], chunk: int
) -> list[Ends]:
    """Every task and answer goes through its bytes."""

    def run(tasks: Sequence[Task[Any, Any]]) -> Iterator[tuple[Task[Any, Any], Any]]:
        for task in tasks:
            sent = decode_task(COMPOSITION, encode_task(task))
            assert encode_task(sent) == encode_task(task)
            seen.append(sent)
            yield task, decode_answer(task, encode_answer(sent.run(problem, backend)))

    phases = Phases(run, SilentMonitor())
    return follow_starts(problem, phases, chunk_starts=chunk, seen=lambda _: None)


def _by_start(answers: Sequence[Ends]) -> dict[int, tuple[float, bool, bool]]:
    """Of each start that came to a fixed point: how far its path was from there, and why that is
    its end; and whether a student died. The same bits only if the path ended at the same ones."""
    through_zero = {start for answer in answers for start in answer.through_zero}
    return {
        start: (float(moved), aligned, start in through_zero)
        for answer in answers
        for group in answer.groups
        for start, moved, aligned in zip(group.members, group.moved, group.aligned, strict=True)
    }


@pytest.mark.parametrize("backend", [NUMPY, *NATIVE], ids=lambda each: each.name)
@pytest.mark.parametrize(("K", "M"), [(6, 6), (5, 4)])
def test_slow_starts_go_on_in_other_tasks_to_the_same_ends(
    backend: Backend, K: int, M: int
) -> None:
    """Over the wire, with few or many of them together: the bits of paths never handed back."""
    problem = _problem(K, M, input_dimension=M + 1, starts=16)
    alone: list[Task[Any, Any]] = []
    wanted = _answers(problem, backend, alone, 2)  # of two starts nobody is handed back
    assert {task.kind for task in alone} == {"sample"}
    for chunk in (7, 16):
        seen: list[Task[Any, Any]] = []
        found = _answers(problem, backend, seen, chunk)
        assert any(isinstance(task, Resume) for task in seen)
        assert sum(task.starts for task in seen) == 16
        assert _by_start(found) == _by_start(wanted)
        groups = [Catalogue(problem).collect(answers) for answers in (found, wanted)]
        for one, other in zip(*groups, strict=True):
            assert one.start == other.start
            assert np.array_equal(one.W, other.W)


def test_many_slow_starts_are_packed_until_few_are_left(monkeypatch: pytest.MonkeyPatch) -> None:
    """With narrow lanes there are several rounds; the tasks of the last one are not too small."""
    for module in (batch, sampling):
        monkeypatch.setattr(module, "lane_count", lambda *_: 6)
    monkeypatch.setattr(sampling, "TOGETHER", 3)
    monkeypatch.setattr(sampling, "LAST_TASKS", 2)
    problem = _problem(3, 3, input_dimension=3, starts=120)
    seen: list[Task[Any, Any]] = []
    found = _answers(problem, NUMPY, seen, 6)
    ended = [*_by_start(found), *(n for each in found for n in each.reached_global)]
    assert sorted(ended) == list(range(120))
    resumed = [task for task in seen if isinstance(task, Resume)]
    again = [task for task in resumed if task.hand_back]
    last = [task for task in resumed if not task.hand_back]
    # Full batches of six while more than two of them are there; each hands back one at most.
    assert [len(task.held) for task in again[:2]] == [6, 6]
    assert sum(len(task.held) for task in again) > 12
    assert 0 < sum(len(task.held) for task in last) <= len(again)
    assert all(len(task.held) >= 3 for task in last[:-1])


def test_what_is_handed_back_is_hardly_more_than_its_weights() -> None:
    problem = _problem(6, 6, input_dimension=30, starts=24)
    numbers = tuple(range(24))
    answer = Sample(key="a", numbers=numbers, hand_back=True).run(problem, NUMPY)
    assert answer.unfinished is not None
    weights = answer.unfinished.W.nbytes
    # Base64 needs four letters for three bytes; each of the other arrays has eight bytes a path.
    paths = len(answer.unfinished)
    assert len(encode_answer(answer.unfinished)) < 4 / 3 * (weights + paths * 8 * 10) + 1500
