"""Descents beside teachers that are not orthonormal: the loss of landscapes, and sampling."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from relu_landscape.engine.descents.problem import Problem
from relu_landscape.engine.model import population
from relu_landscape.engine.model.teacher import make_teacher
from relu_landscape.errors import TeacherError
from relu_landscape.wire.descents import DescentEnd, DescentsRequest
from tests.service.engine.descents.solving import as_bytes, solve

Real = NDArray[np.float64]

#: A teacher whose units are neither orthogonal nor of one length.
GRAM = [[1.0, 0.3, -0.2], [0.3, 2.0, 0.4], [-0.2, 0.4, 0.5]]
TEACHER = make_teacher(3, GRAM)
THREE: dict[str, Any] = {"student_width": 3, "teacher_width": 3, "teacher_gram": GRAM}


def weights(end: DescentEnd) -> Real:
    """The student in the teacher's coordinates, and what sticks out of its span beside."""
    span = np.array(end.overlaps.R) @ np.linalg.inv(TEACHER.V).T
    values, vectors = np.linalg.eigh(np.array(end.overlaps.Q) - span @ span.T)
    kept = values > 1e-12
    assert np.sum(kept) == end.outside_span
    return np.concatenate([span, vectors[:, kept] * np.sqrt(values[kept])], axis=1)


@pytest.mark.parametrize("rule", ["gradient_flow", "gradient_descent"])
@pytest.mark.parametrize("students", [2, 3])
def test_ends_are_minima_of_the_landscape_s_loss(rule: str, students: int) -> None:
    found = solve(**{**THREE, "student_width": students}, rule=rule, starts=10, until=3000.0)
    assert found.loss_bound == 0.0
    assert sum(end.attraction.hits for end in found.ends) >= 8
    for end in found.ends:
        W = weights(end)
        assert end.outside_span == 0
        assert np.linalg.norm(population.gradient(W, TEACHER)) < 1e-12
        assert end.loss == pytest.approx(float(population.loss(W, TEACHER)), abs=1e-13)
        H, A = population.hessian(W, TEACHER)
        assert end.curvature is not None
        assert end.curvature.min_eigenvalue_span == pytest.approx(
            np.linalg.eigvalsh(H)[0], abs=1e-9
        )
        assert end.curvature.min_eigenvalue_beside == pytest.approx(
            np.linalg.eigvalsh(A)[0], abs=1e-9
        )
    if students == 3:
        assert found.zero_loss.hits > 0


def moved(W: Real, xi: Real, rule: str) -> Real:
    """On the rule's surface beside ``W``."""
    there = W + xi
    if rule == "normalised":
        return np.asarray(there / np.linalg.norm(there, axis=1, keepdims=True))
    left, _, right = np.linalg.svd(there, full_matrices=False)
    return np.asarray(left @ right)


@pytest.mark.parametrize("rule", ["normalised", "orthonormalised"])
def test_constrained_students_keep_their_norms_beside_any_teacher(rule: str) -> None:
    found = solve(**THREE, rule=rule, starts=10)
    lengths = np.sqrt(np.diagonal(np.array(GRAM)))
    assert found.loss_bound == pytest.approx((3.0 - lengths.sum()) ** 2 / (4.0 * np.pi))
    # 8 / (K + sum of lengths + 8 lengths of the longest)
    assert found.step == pytest.approx(8.0 / (3.0 + lengths.sum() + 8.0 * lengths.max()))
    assert sum(end.attraction.hits for end in found.ends) == 10
    rng, tiny = np.random.default_rng(1), 1e-4
    for end in found.ends:
        W = weights(end)
        assert np.diagonal(np.array(end.overlaps.Q)) == pytest.approx(1.0, abs=1e-14)
        assert end.loss >= (found.loss_bound or 0.0)
        here = float(population.loss(W, TEACHER))
        assert end.loss == pytest.approx(here, abs=1e-13)
        assert end.curvature is not None
        least = min(
            value
            for value in (
                end.curvature.min_eigenvalue_span, end.curvature.min_eigenvalue_beside
            )
            if value is not None
        )  # fmt: skip
        for _ in range(20):
            xi = rng.standard_normal(W.shape)
            xi /= np.linalg.norm(xi)
            step = (moved(W, tiny * xi, rule) - moved(W, -tiny * xi, rule)) / 2.0
            ahead, behind = (
                float(population.loss(moved(W, s * tiny * xi, rule), TEACHER)) for s in (1.0, -1.0)
            )
            # The third order is odd, and of order one: a gradient of 1e-6 would show.
            assert abs(ahead - behind) < 10.0 * tiny**3
            assert ahead + behind - 2.0 * here > (least - 1e-6) * np.sum(step**2) - 1e-15


def test_the_loss_at_an_end_is_the_mean_over_inputs() -> None:
    (end, *_) = solve(**{**THREE, "student_width": 2}, rule="normalised", starts=4).ends
    W = weights(end)
    x = np.random.default_rng(3).standard_normal((400_000, W.shape[1] + 1))[:, : W.shape[1]]
    V = np.pad(TEACHER.V, ((0, 0), (0, W.shape[1] - 3)))
    error = np.maximum(x @ W.T, 0.0).sum(1) - np.maximum(x @ V.T, 0.0).sum(1)
    squares = error**2 / 2.0
    assert abs(squares.mean() - end.loss) < 4.0 * squares.std() / np.sqrt(len(x))


def test_a_longer_teacher_is_another_unit() -> None:
    """By four, a power of two: not a digit changes."""
    asked: dict[str, Any] = {"rule": "gradient_descent", "starts": 6, "until": 2000.0}
    here = solve(**THREE, **asked)
    there = solve(**{**THREE, "teacher_gram": (16.0 * np.array(GRAM)).tolist()}, init_scale=4.0,
                  **asked)  # fmt: skip
    assert there.reached == here.reached
    assert [end.loss for end in there.ends] == [16.0 * end.loss for end in here.ends]
    for mine, theirs in zip(here.ends, there.ends, strict=True):
        assert np.array_equal(16.0 * np.array(mine.overlaps.R), theirs.overlaps.R)
        assert np.array_equal(16.0 * np.array(mine.overlaps.Q), theirs.overlaps.Q)


def test_orthogonal_units_of_one_length_are_orthonormal_ones() -> None:
    asked: dict[str, Any] = {"student_width": 6, "teacher_width": 6, "rule": "gradient_flow",
                             "starts": 6}  # fmt: skip
    plain = solve(**asked)
    longer = solve(**asked, teacher_gram=(9.0 * np.eye(6)).tolist(), init_scale=3.0)
    assert longer.reached == plain.reached
    for mine, theirs in zip(plain.ends, longer.ends, strict=True):
        assert theirs.structure == mine.structure is not None
        assert theirs.loss == pytest.approx(9.0 * mine.loss, rel=1e-12)
    identity = DescentsRequest.model_validate({**asked, "teacher_gram": np.eye(6).tolist()})
    without = DescentsRequest.model_validate(asked)
    assert identity.content_id("cpu") == without.content_id("cpu")


def test_signs_beside_any_teacher() -> None:
    """A pair of teachers of opposite signs is met by students that have them."""
    found = solve(
        student_width=2, teacher_width=2, rule="gradient_descent", starts=10, until=2000.0,
        teacher_gram=[[1.0, 0.5], [0.5, 2.0]], student_layer=[1.0, -1.0],
        teacher_layer=[1.0, -0.5],
    )  # fmt: skip
    assert found.loss_bound is None
    assert found.zero_loss.hits > 0
    end = found.ends[0]
    assert (end.kind, end.structure) == ("global", None)
    # The second student has to be half of the second teacher, along it.
    assert np.array(end.overlaps.R) == pytest.approx(np.array([[1.0, 0.5], [0.25, 1.0]]), abs=1e-7)


@pytest.mark.parametrize("rule", ["gradient_flow", "orthonormalised"])
def test_how_the_work_is_cut_up_does_not_matter(rule: str) -> None:
    asked: dict[str, Any] = {**THREE, "rule": rule, "starts": 5, "until": 500.0}
    assert as_bytes(solve(**asked)) == as_bytes(solve(chunk_starts=2, **asked))


@pytest.mark.parametrize(
    ("words", "fields"),
    [
        ("two_layer", {"rule": "two_layer"}),
        ("square matrix", {"rule": "normalised", "teacher_gram": [[1.0]]}),
        ("square matrix", {"rule": "normalised", "teacher_gram": [[1.0, 0.0, 0.0]] * 2}),
        ("1e-06 to 1e", {"rule": "normalised", "teacher_gram": (1e7 * np.eye(3)).tolist()}),
        ("mean norms", {"rule": "gradient_flow", "init_scale": 2e-3,
                        "teacher_gram": (100.0 * np.eye(3)).tolist()}),
    ],
)  # fmt: skip
def test_what_does_not_fit_is_refused(words: str, fields: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=words):
        DescentsRequest.model_validate({**THREE, **fields})


def test_an_impossible_teacher_is_refused_by_the_engine() -> None:
    request = DescentsRequest.model_validate(
        {"student_width": 2, "teacher_width": 2, "rule": "normalised",
         "teacher_gram": [[1.0, 2.0], [2.0, 1.0]]}
    )  # fmt: skip
    assert request.needs_the_engine
    with pytest.raises(TeacherError):
        Problem.from_request(request)
