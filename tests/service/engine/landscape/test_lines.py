"""Lines of saddles: split students, against dense finite-difference Hessians of the loss."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from relu_landscape.engine.landscape import lines
from relu_landscape.engine.landscape.catalogue import Catalogue
from relu_landscape.engine.landscape.phases import Phases
from relu_landscape.engine.landscape.problem import Problem
from relu_landscape.engine.points import classify
from relu_landscape.engine.tasks import SilentMonitor, run_here
from relu_landscape.wire.landscape import LandscapeBody, SaddleLine
from relu_landscape.wire.requests import LandscapeRequest
from tests.service.engine.landscape.solving import NUMPY, body, solve
from tests.service.engine.oracles import Real, loss_by_loop

#: Error of second differences: 1e-16/STEP^2 by rounding, STEP where vectors are parallel.
STEP = 1e-4
ACCURACY = 2e-3


def _request(K: int, M: int, **fields: Any) -> LandscapeRequest:
    request = {"student_width": K, "teacher_width": M, "starts": 0, "saddles": True, **fields}
    return LandscapeRequest.model_validate(request)


def _found(K: int, M: int, **fields: Any) -> LandscapeBody:
    return body(solve(_request(K, M, **fields)))


def _hessian(W: Real, V: Real) -> Real:
    """Second differences of the loss in all coordinates."""
    flat = W.ravel()
    n = flat.size
    shifts = STEP * np.eye(n)

    def value(x: Real) -> float:
        return loss_by_loop(x.reshape(W.shape), V)

    H = np.empty((n, n))
    for a in range(n):
        for b in range(a + 1):
            corners = [
                s * t * value(flat + s * shifts[a] + t * shifts[b])
                for s in (1.0, -1.0)
                for t in (1.0, -1.0)
            ]
            H[a, b] = H[b, a] = sum(corners) / (4 * STEP**2)
    return H


def _split(line: SaddleLine, M: int, d: int, mu: float) -> Real:
    """A point of the line in inputs of dimension d: the first part of a student gets ``mu``."""
    R = np.array(line.origin.overlaps.R)
    rows = []
    for row, parts in zip(R, line.parts, strict=True):
        shares = [1.0] if parts == 1 else [mu, *[(1.0 - mu) / (parts - 1)] * (parts - 1)]
        rows += [share * row for share in shares]
    return np.concatenate([np.array(rows), np.zeros((len(rows), d - M))], axis=1)


@pytest.mark.parametrize("mu", [0.5, 0.3])
@pytest.mark.parametrize(("K", "M"), [(2, 2), (3, 3), (2, 3)])
def test_index_and_loss_are_those_of_the_dense_hessian(K: int, M: int, mu: float) -> None:
    """In one perpendicular dimension, all K (M + 1) coordinates of the students."""
    d = M + 1
    found = _found(K, M, input_dimension=d)
    assert found.saddle_lines
    V = np.eye(M, d)
    for line in found.saddle_lines:
        W = _split(line, M, d, mu)
        assert loss_by_loop(W, V) == pytest.approx(line.loss, abs=1e-14)
        eigenvalues = np.linalg.eigvalsh(_hessian(W, V))
        assert (eigenvalues < -ACCURACY).sum() == int(line.index)
        assert int(line.index) == int(line.index_span) + int(line.index_perpendicular)
        # One flat direction for each student beyond the origin's width.
        assert (np.abs(eigenvalues) < ACCURACY).sum() == line.dimension == 1


def test_the_bisector_split_in_two() -> None:
    """K = M = 2: the best single student, in two parts of any size; nothing else is flat."""
    found = _found(2, 2, input_dimension=2)
    (line,) = found.saddle_lines
    assert line.loss == pytest.approx(0.0885119366328834, abs=1e-14)
    assert (line.key, line.dimension, line.parts, line.found_by) == ("l1", 1, [2], ["structured"])
    assert line.origin.attractive
    assert line.origin.student_width == 1
    assert line.splitting_eigenvalue_perpendicular is None
    eigenvalues = np.linalg.eigvalsh(_hessian(_split(line, 2, 2, 0.5), np.eye(2)))
    np.testing.assert_allclose(eigenvalues, [-0.5959, 0.0, 0.404, 1.0], atol=1e-3)
    # Of (xi, -xi), which has length sqrt 2: B / (mu (1 - mu)) / 2.
    assert 2 * line.splitting_eigenvalue_span == pytest.approx(eigenvalues[0], abs=1e-3)
    assert not [p for p in found.fixed_points if abs(p.loss - line.loss) < 1e-6]
    wide = _found(2, 2, input_dimension=1000).saddle_lines[0]
    assert (int(wide.index), int(wide.index_span), int(wide.index_perpendicular)) == (999, 1, 1)


def test_without_saddles_none_are_looked_for() -> None:
    assert not _found(2, 2, saddles=False).saddle_lines
    assert not _found(1, 1).saddle_lines
    assert not _found(3, 3, structures=["3"]).saddle_lines
    assert not _found(2, 2, structured=False).saddle_lines
    # Minima of two students for two teachers are global, and split they are global for three.
    assert not _found(3, 2).saddle_lines


def _separated(problem: Problem, points: list[Real]) -> tuple[list[lines.Line], Catalogue]:
    catalogue = Catalogue(problem)
    for place, W in enumerate(points):
        catalogue.add(f"{place}", classify.spectrum_at(W, problem.teacher), "sampled")
    phases = Phases(run_here(problem, NUMPY), SilentMonitor())
    return lines.separate(problem, phases, catalogue), catalogue


def test_a_start_that_rests_on_a_line_is_not_at_an_isolated_saddle() -> None:
    problem = Problem.from_request(_request(3, 2, input_dimension=3))
    middle = classify.classify(np.array([[1.0, 1.0]]), problem.teacher).W
    third, uneven = np.repeat(middle / 3, 3, axis=0), middle * [[0.2], [0.5], [0.3]]
    isolated = np.array([[1.0, 0.0], [0.2, 1.1], [0.3, 0.4]])
    found, catalogue = _separated(problem, [third, uneven, isolated])
    assert len(found) == 1  # both lie on one set, of two dimensions
    assert (found[0].parts, found[0].dimension, found[0].found_by) == ((3,), 2, {"sampled"})
    assert [entry.label for entry in catalogue.entries] == ["2"]
    (told,) = lines.told(problem, found)
    assert told.loss == pytest.approx(0.0885119366328834, abs=1e-14)
    eigenvalues = np.linalg.eigvalsh(_hessian(_split(told, 2, 3, 0.3), np.eye(2, 3)))
    assert (eigenvalues < -ACCURACY).sum() == int(told.index) == 4
    assert (np.abs(eigenvalues) < ACCURACY).sum() == told.dimension


def test_parallel_students_that_are_no_line_stay_where_they_are() -> None:
    """Merged, they must be a critical point of the narrower problem; nor is the global set one."""
    problem = Problem.from_request(_request(3, 2))
    parallel = np.array([[0.6, 0.6], [0.3, 0.3], [1.0, 0.0]])
    on_global_set = np.array([[1.0, 0.0], [0.0, 0.4], [0.0, 0.6]])
    found, catalogue = _separated(problem, [parallel, on_global_set])
    assert not found
    assert len(catalogue.entries) == 2
    assert lines.merged(np.eye(3)) is None
    assert lines.merged(np.array([[1.0, 0.0], [0.0, 0.0]])) is None
    assert lines.merged(np.array([[1.0, 0.0], [-1.0, 0.0]])) is None  # antiparallel


def test_lines_scale_with_the_teacher() -> None:
    plain = _found(2, 2).saddle_lines[0]
    scaled = _found(2, 2, teacher_gram=[[4.0, 0.0], [0.0, 4.0]]).saddle_lines[0]
    assert scaled.loss == pytest.approx(4 * plain.loss, rel=1e-14)
    assert scaled.origin.norms == pytest.approx([2 * norm for norm in plain.origin.norms])
    assert scaled.index == plain.index
    assert scaled.splitting_eigenvalue_span == plain.splitting_eigenvalue_span
