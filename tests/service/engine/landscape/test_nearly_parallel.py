"""Teachers that are nearly parallel: everything is smaller there, and as many starts arrive."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Any, TypeVar, cast

import numpy as np
import pytest

from relu_landscape.engine.descent.outcomes import Outcome
from relu_landscape.engine.landscape.catalogue import Catalogue
from relu_landscape.engine.landscape.ends import EndGroup, Ends
from relu_landscape.engine.landscape.phases import Phases
from relu_landscape.engine.landscape.problem import Problem
from relu_landscape.engine.landscape.settling import settle
from relu_landscape.engine.model.teacher import make_teacher
from relu_landscape.engine.points import classify, identity
from relu_landscape.engine.tasks import SilentMonitor, Task, run_here
from relu_landscape.wire.requests import LandscapeRequest
from tests.service.engine.landscape.solving import NUMPY, body, solve
from tests.service.engine.oracles import Real

ProblemT = TypeVar("ProblemT")
AnswerT = TypeVar("AnswerT")


def _request(correlation: float, K: int, M: int, **fields: Any) -> LandscapeRequest:
    gram = (1.0 - correlation) * np.eye(M) + correlation
    return LandscapeRequest.model_validate(
        {"student_width": K, "teacher_width": M, "teacher_gram": gram.tolist(), **fields}
    )


@pytest.mark.parametrize(
    ("correlation", "K", "M", "loss"),
    [(0.9, 2, 2, 0.0), (0.999, 2, 2, 0.0), (0.999, 2, 3, 2.0786e-6), (0.9998, 2, 2, 0.0)],
)
def test_every_start_arrives_at_the_one_minimum(
    correlation: float, K: int, M: int, loss: float
) -> None:
    """At 0.999 most were once said to find no fixed point, at the minimum whose eigenvalue is 2e-6.

    The loss of two students for three teachers is SciPy's (BFGS on the textbook loss).
    """
    found = body(solve(_request(correlation, K, M, starts=12, input_dimension=M + 1)))
    assert found.starts.outcomes == {}
    (minimum,) = found.fixed_points
    assert minimum.attraction is not None
    assert minimum.attraction.hits == 12
    assert minimum.loss == pytest.approx(loss, rel=1e-4, abs=1e-15)


def test_points_between_close_teachers_are_told_apart() -> None:
    """2e-4 apart in weights, their overlaps differ by 1e-6: that is not one point twice."""
    teacher = make_teacher(2, [[1.0, 0.9998], [0.9998, 1.0]])
    between = teacher.V[0] - teacher.V[1]
    shift = np.zeros((2, 2))
    shift[0] = 5e-5 * between / np.linalg.norm(between)
    W, other = teacher.V, teacher.V + shift
    point = classify.spectrum_at(W, teacher)
    moved = replace(point, W=other)  # whatever loss and spectrum say
    R = classify.overlaps(W, teacher) - classify.overlaps(other, teacher)
    assert np.abs(R).max() < identity.POLISHED
    assert not identity.same_point(point, moved, teacher)
    assert identity.same_point(point, replace(point, W=W[::-1].copy()), teacher)
    assert identity.labelled_distance(W, other, teacher) == np.inf
    numbers = [identity.invariants(each, teacher, 0.0) for each in (W, other)]
    assert identity.nearest(numbers[:1], numbers[1]) is None
    assert identity.nearest(numbers[:1], identity.invariants(W[::-1], teacher, 0.0)) == 0


def test_coordinates_keep_distances_and_permute_with_the_teachers() -> None:
    T = np.array([[1.0, 0.9, 0.2], [0.9, 1.0, 0.2], [0.2, 0.2, 2.0]])
    teacher = make_teacher(3, T)
    rng = np.random.default_rng(2)
    W, other = rng.standard_normal((2, 4, 3))
    C = identity.coordinates(W, teacher)
    apart = np.linalg.norm(C - identity.coordinates(other, teacher))
    assert apart == pytest.approx(np.linalg.norm(W - other), rel=1e-12)
    R = classify.overlaps(W, teacher)[:, [1, 0, 2]]
    swapped = np.asarray(np.linalg.solve(teacher.V, R.T).T, dtype=np.float64)
    there = identity.coordinates(swapped, teacher)
    np.testing.assert_allclose(there, C[:, [1, 0, 2]], atol=1e-12)


class _Stubborn:
    """Classifies as it should, and ends every path again where it ended."""

    def __init__(self, problem: Problem, ends: Ends) -> None:
        self._real = run_here(problem, NUMPY)
        self._ends = ends

    def __call__(
        self, tasks: Sequence[Task[ProblemT, AnswerT]]
    ) -> Iterator[tuple[Task[ProblemT, AnswerT], AnswerT]]:
        if tasks[0].kind == "classify":
            yield from self._real(tasks)
        else:
            for task in tasks:
                yield task, cast("AnswerT", self._ends)


def _outcomes(W: Real, moved: float) -> dict[int, str]:
    problem = Problem.from_request(_request(0.999, 2, 2, input_dimension=2))
    ends = Ends((EndGroup(0, W, 0.0, (3,), np.array([moved]), (False,)),))
    catalogue = Catalogue(problem)
    settle(problem, Phases(_Stubborn(problem, ends), SilentMonitor()), catalogue, [ends])
    return catalogue.failed


def test_the_reason_of_a_failure_is_the_true_one() -> None:
    """A minimum that was found is not one that was not, whatever the path could not show."""
    minimum = make_teacher(2, [[1.0, 0.999], [0.999, 1.0]]).V
    assert _outcomes(minimum, 0.0) == {}
    assert _outcomes(minimum, 1e-2) == {3: Outcome.UNDECIDED.name}
    nowhere = np.array([[1.0, 3.0], [-2.0, 0.5]])
    assert _outcomes(nowhere, 0.0) == {3: Outcome.NO_POINT.name}
    assert "no fixed point" not in Outcome.UNDECIDED.value
