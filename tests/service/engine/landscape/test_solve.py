"""Whole landscapes: one result however the work is cut, who computes it and in which order."""

from __future__ import annotations

import pickle
import random
from collections.abc import Iterator, Sequence
from dataclasses import fields, is_dataclass
from functools import cache, partial
from types import NoneType, UnionType
from typing import Any, TypeVar, get_args, get_origin, get_type_hints

import numpy as np
import pytest

from relu_landscape import analyses
from relu_landscape.engine.descent import batch, creeping
from relu_landscape.engine.descent import starts as drawing
from relu_landscape.engine.descent.outcomes import Outcome
from relu_landscape.engine.landscape import COMPOSITION
from relu_landscape.engine.landscape.problem import Problem
from relu_landscape.engine.tasks import Composed, Runner, SilentMonitor, Task, run_here
from relu_landscape.errors import Cancelled, InputError, TeacherError
from relu_landscape.wire.base import Wire
from relu_landscape.wire.landscape import (
    PHASES,
    FixedPoint,
    FixedPointDetails,
    LandscapeBody,
    LandscapeFinding,
)
from relu_landscape.wire.requests import LandscapeRequest
from tests.service.engine import known
from tests.service.engine.landscape import solving
from tests.service.engine.landscape.solving import NUMPY, as_bytes, body, details
from tests.service.engine.oracles import gram_matrix

#: Whether the same holds for the kernel is asked beside it (``tests/service/engine/lanes``).
solve = partial(solving.solve, backend=NUMPY)

AnswerT = TypeVar("AnswerT")


def _request(K: int, M: int, **fields: Any) -> LandscapeRequest:
    defaults = {"starts": 24, "structured": False, "input_dimension": M + 3, "seed": 4}
    request = {"student_width": K, "teacher_width": M, **defaults, **fields}
    return LandscapeRequest.model_validate(request)


def _landscape(request: LandscapeRequest, result: Composed) -> LandscapeBody:
    """The result as the service would send it; refuses what its model does not allow."""
    found = LandscapeBody.model_validate_json(body(result).model_dump_json())
    assert found == result.result
    starts = found.starts
    assert starts.asked == request.starts == starts.converged + starts.failed
    assert sum(starts.outcomes.values()) == starts.failed
    hits = sum(p.attraction.hits for p in found.fixed_points if p.attraction is not None)
    if request.starts:
        assert hits == starts.converged
    parts = details(result)
    assert set(parts) == {point.key for point in found.fixed_points}
    for point in found.fixed_points:
        _check_point(point, request, parts[point.key])
    return found


def _check_point(point: FixedPoint, request: LandscapeRequest, detail: FixedPointDetails) -> None:
    stability = point.stability
    copies = [int(line.multiplicity) for line in stability.spectrum]
    assert sum(copies) == request.student_width * request.input_dimension
    assert stability.attractive == (point.kind != "saddle")
    perpendicular = detail.perpendicular_copies * int(stability.index_perpendicular)
    assert int(stability.index) == int(stability.index_span) + perpendicular
    if point.kind == "saddle":
        assert int(stability.index) > 0
        assert point.attraction is None
    W, V = np.asarray(detail.weights), np.asarray(detail.teacher)
    np.testing.assert_allclose(W @ V.T, point.overlaps.R, atol=1e-12)
    np.testing.assert_allclose(W @ W.T, point.overlaps.Q, atol=1e-12)
    np.testing.assert_allclose(np.linalg.norm(W, axis=1), point.norms, atol=1e-12)


@cache
def _solved(K: int, M: int) -> bytes:
    return as_bytes(solve(_request(K, M)))


SHAPES = [(7, 7), (5, 4), (3, 5)]


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("chunk", [1, 7, 100])
def test_the_cut_does_not_matter(shape: tuple[int, int], chunk: int) -> None:
    assert as_bytes(solve(_request(*shape), chunk_starts=chunk)) == _solved(*shape)


def _copied(value: AnswerT) -> AnswerT:
    copy: AnswerT = pickle.loads(pickle.dumps(value))
    return copy


@pytest.mark.parametrize("shape", SHAPES)
def test_order_and_transport_do_not_matter(shape: tuple[int, int]) -> None:
    """Tasks and answers travel, in any order, as they do through store and pool."""
    problem = Problem.from_request(_request(*shape))
    order = random.Random(5)

    def run(
        tasks: Sequence[Task[Any, AnswerT]],
    ) -> Iterator[tuple[Task[Any, AnswerT], AnswerT]]:
        for task in order.sample(tasks, len(tasks)):
            yield task, _copied(_copied(task).run(problem, NUMPY))

    assert as_bytes(solve(_request(*shape), run=run, chunk_starts=5)) == _solved(*shape)


def _check_portable(kind: Any) -> None:
    """What every pool can carry: see ``engine.tasks``."""
    if kind in (int, float, str, bool, NoneType) or get_origin(kind) is np.ndarray:
        return
    if is_dataclass(kind):
        hints = get_type_hints(kind)
        for each in fields(kind):
            _check_portable(hints[each.name])
        return
    origin, inner = get_origin(kind), get_args(kind)
    if origin is dict:
        assert inner[0] is str
    elif origin is UnionType:
        assert len(inner) == 2
        assert NoneType in inner
    else:
        assert origin is tuple, kind
    for part in inner:
        if part not in (Ellipsis, str):
            _check_portable(part)


def test_the_registry_finds_the_composition() -> None:
    assert analyses.composition(analyses.LANDSCAPE.composition) is COMPOSITION
    assert COMPOSITION.request is analyses.LANDSCAPE.request


def test_tasks_and_answers_can_be_carried() -> None:
    kinds = [each.kind for each in COMPOSITION.tasks]
    assert kinds == [
        "sample", "resume", "follow", "escape", "classify", "spectra", "structure", "judge",
        "pathway", "widen", "wider", "rate", "rest", "stray", "certify",
    ]  # fmt: skip
    for each in COMPOSITION.tasks:
        _check_portable(each)
        _check_portable(each.answer)


def _watched(request: LandscapeRequest, seen: list[Task[Any, Any]]) -> Runner:
    """A runner that notes what it is given, and executes it when its answer is asked for."""
    here = run_here(Problem.from_request(request), NUMPY)

    def run(
        tasks: Sequence[Task[Any, AnswerT]],
    ) -> Iterator[tuple[Task[Any, AnswerT], AnswerT]]:
        for task in tasks:
            seen.append(task)
            yield from here([task])

    return run


def test_task_keys_are_unique_and_answers_of_their_kind() -> None:
    request = _request(7, 7, structured=True, structures=("1+1+5",), saddles=True, starts=12)
    problem = Problem.from_request(request)
    seen: list[str] = []

    def run(
        tasks: Sequence[Task[Any, AnswerT]],
    ) -> Iterator[tuple[Task[Any, AnswerT], AnswerT]]:
        for task, answer in run_here(problem, NUMPY)(tasks):
            assert type(answer) is type(task).answer
            seen.append(task.key)
            assert task.key.startswith(task.kind)
            yield task, answer

    solve(request, run=run, chunk_starts=3)
    assert len(set(seen)) == len(seen)
    assert {"sample", "classify", "spectra", "structure", "judge", "pathway"} <= {
        key.split("/")[0] for key in seen
    }


@pytest.mark.parametrize(
    ("K", "M"), [(1, 1), (1, 3), (2, 1), (4, 2), (2, 5), (5, 5), (6, 4), (7, 6)]
)
@pytest.mark.parametrize("extra", [0, 2])
def test_every_kind_of_width(K: int, M: int, extra: int) -> None:
    request = _request(K, M, input_dimension=M + extra, starts=8)
    found = _landscape(request, solve(request))
    kinds = [point.kind for point in found.fixed_points]
    if K > M:
        assert kinds[0] == "global_continuum"
        assert found.fixed_points[0].continuum_dimension == K - M
        assert kinds.count("global_continuum") == 1
    else:
        assert "global_continuum" not in kinds
        assert "minimum" in kinds
    minima = [point for point in found.fixed_points if point.kind == "minimum"]
    for point in minima:
        assert point.is_global == (K == M and point.loss < 1e-13)
    assert [p.loss for p in minima] == sorted(p.loss for p in minima)


@pytest.mark.parametrize(("K", "M"), [(3, 3), (2, 3), (4, 3)])
def test_a_general_teacher(K: int, M: int) -> None:
    gram = gram_matrix(M, np.random.default_rng(3)).tolist()
    request = _request(K, M, teacher_gram=gram, starts=8)
    found = _landscape(request, solve(request))
    assert found.starts.converged > 0
    if K == M:
        best = found.fixed_points[0]
        assert best.is_global
        order = np.argsort(np.diag(best.overlaps.R))
        T = np.sort(np.diag(gram))
        np.testing.assert_allclose(np.diag(best.overlaps.R)[order], T, atol=1e-10)


def test_one_neuron_learning_two_is_solved_by_hand() -> None:
    """K = 1, M = 2: w = a (v1 + v2), minimising a^2/2 - 2 g(w, v): a closed form."""
    request = _request(1, 2, starts=6)
    found = _landscape(request, solve(request))
    (best,) = [point for point in found.fixed_points if point.kind == "minimum"]
    t = np.pi / 4
    overlap = (np.sin(t) + (np.pi - t) * np.cos(t)) / (2 * np.pi)  # g for unit vectors
    length = 4 * overlap  # of n^2/4 - 2 n g the minimum is at n = 4 g
    teachers = 0.5 + 1.0 / (2 * np.pi)
    assert best.norms[0] == pytest.approx(length, abs=1e-12)
    assert best.loss == pytest.approx(teachers - length**2 / 4, abs=1e-12)


def test_no_starts_no_frequencies() -> None:
    request = _request(4, 4, starts=0)
    found = body(solve(request))
    assert found.missing_mass is None
    assert found.fixed_points == []
    assert found.disconnectivity is None


class _Stopping(SilentMonitor):
    """Counts; cancels at the third question."""

    def __init__(self) -> None:
        self.questions = 0
        self.phases: list[tuple[str, int]] = []

    def phase(self, name: str, tasks: int) -> None:
        self.phases.append((name, tasks))

    def check(self) -> None:
        self.questions += 1
        if self.questions == 3:
            raise Cancelled("Asked to stop.")


def test_cancellation_between_tasks() -> None:
    request = _request(5, 5)
    done: list[Task[Any, Any]] = []
    monitor = _Stopping()
    with pytest.raises(Cancelled):
        solve(request, run=_watched(request, done), monitor=monitor, chunk_starts=2)
    assert len(done) == 3
    assert monitor.phases == [("sample", 12)]


class _Recording(SilentMonitor):
    def __init__(self) -> None:
        self.phases: list[str] = []
        self.expected = 0
        self.advanced = 0
        self.starts = 0
        self.found: list[list[LandscapeFinding]] = []

    def phase(self, name: str, tasks: int) -> None:
        self.phases.append(name)
        self.expected += tasks

    def advance(self, task: Task[Any, Any]) -> None:
        self.advanced += 1
        self.starts += task.starts

    def findings(self, points: Sequence[Wire]) -> None:
        self.found.append([point for point in points if isinstance(point, LandscapeFinding)])


def test_progress_adds_up() -> None:
    monitor = _Recording()
    solve(_request(6, 5), monitor=monitor, chunk_starts=6)
    assert monitor.advanced == monitor.expected
    assert monitor.starts == 24
    assert set(monitor.phases) <= set(PHASES)
    hits = [sum(point.hits for point in points) for points in monitor.found]
    assert hits == sorted(hits)
    assert 0 < hits[-1] <= 24


def test_starts_that_fail_are_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(batch, "CREEPING_STEPS", 60)
    monkeypatch.setattr(creeping, "STEP_LIMIT", 2)
    request = _request(6, 6)
    found = _landscape(request, solve(request, chunk_starts=10))
    assert found.starts.failed > 0
    assert found.starts.outcomes == {Outcome.STEP_LIMIT.value: found.starts.failed}


def test_a_start_at_rest_on_a_saddle_is_pushed_off(monkeypatch: pytest.MonkeyPatch) -> None:
    """K = 18, M = 17, the saddle that gradient descent had reported as a minimum: a path that
    rests exactly there is pushed off both ways; the saddle is listed as what it is."""
    saddle = known.locate(known.ONE_MORE[2])
    draw = drawing.draw

    def rest(indices: Sequence[int], **options: Any) -> Any:
        W = draw(indices, **options)
        for row, index in enumerate(indices):
            if index == 0:
                W[row] = 0.0
                W[row, :, :17] = saddle
        return W

    monkeypatch.setattr(drawing, "draw", rest)
    request = _request(18, 17, starts=2, input_dimension=17)
    found = _landscape(request, solve(request))
    (listed,) = [p for p in found.fixed_points if abs(p.loss - 0.011698913345) < 1e-9]
    assert listed.kind == "saddle"
    assert listed.stability.index == 1
    assert listed.stability.min_eigenvalue_span == pytest.approx(-0.0204149, abs=6e-8)
    assert found.starts.left_saddles >= 1
    assert found.starts.failed == 0


def test_a_symmetric_ridge_is_left(monkeypatch: pytest.MonkeyPatch) -> None:
    """Two equal students stay equal under the flow: they come to rest at a saddle, from which
    noise takes them off the ridge to the global minimum."""
    draw = drawing.draw

    def ridge(indices: Sequence[int], **options: Any) -> Any:
        W = draw(indices, **options)
        W[:, 1] = W[:, 0]
        return W

    monkeypatch.setattr(drawing, "draw", ridge)
    request = _request(3, 3, starts=3, input_dimension=3)
    found = _landscape(request, solve(request))
    assert found.starts.left_saddles == 3
    assert found.starts.converged == 3
    # Two equal students can be so in any proportion: what was left is no isolated saddle.
    assert found.saddle_lines
    assert all(int(line.index) >= 1 for line in found.saddle_lines)
    assert all("sampled" in line.found_by for line in found.saddle_lines)
    assert all(line.dimension == 1 for line in found.saddle_lines)
    (best,) = found.fixed_points
    assert best.kind == "minimum"
    assert best.is_global
    assert best.attraction is not None
    assert best.attraction.hits == 3


def test_impossible_requests_are_refused_before_any_work() -> None:
    with pytest.raises(InputError, match="teachers"):
        COMPOSITION.problem(_request(7, 7, structured=True, structures=("1+7",)))
    with pytest.raises(InputError, match="fractional"):
        COMPOSITION.problem(_request(7, 7, structured=True, structures=("3.5+3.5",)))
    units = "+".join(["1"] * 64)  # a table of 270 GB, which ended one worker after the other
    with pytest.raises(InputError, match="4096 unknowns; those of at most 256"):
        COMPOSITION.problem(_request(64, 64, structured=True, structures=(units,)))
    with pytest.raises(TeacherError, match="not symmetric"):
        COMPOSITION.problem(_request(2, 2, teacher_gram=((1.0, 0.5), (0.0, 1.0))))


def test_an_identity_written_out_is_the_orthonormal_teacher() -> None:
    problem = COMPOSITION.problem(_request(2, 2, teacher_gram=((1.0, 0.0), (0.0, 1.0))))
    assert problem.teacher.is_orthonormal


def test_structures_are_searched_in_canonical_spelling_once() -> None:
    named = _request(7, 7, structured=True, structures=("1 + 6", "3+4", "1+6"))
    assert COMPOSITION.problem(named).structures == ("1+6", "3+4")
    ignored = _request(7, 7, structured=False, structures=("nonsense",))
    assert COMPOSITION.problem(ignored).structures is None


def test_a_student_that_dies_while_its_path_creeps_is_followed_on() -> None:
    """It ended the whole job: 'A student has norm zero'. Then three starts of six failed."""
    scales = {"init_scale": 5.0, "flow_tolerance": 1e-5}
    request = _request(7, 7, input_dimension=7, seed=7, starts=6, **scales)
    found = _landscape(request, solve(request))
    assert found.starts.failed == 0
    assert found.starts.through_zero > 0
