"""The teacher's Gram matrix: what is refused, with which words, and what is made of the rest."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from relu_landscape.engine.model.population import as_teacher
from relu_landscape.engine.model.teacher import SMALLEST_CONDITION, make_teacher
from relu_landscape.errors import InputError, TeacherError
from tests.service.engine.oracles import gram_matrix

NAN = float("nan")


@pytest.mark.parametrize(
    ("gram", "words"),
    [
        (np.ones((2, 3)), r"has shape \(2, 3\); it must be \(2, 2\)"),
        ([1.0, 2.0], r"has shape \(2,\)"),
        (np.eye(3), r"has shape \(3, 3\); it must be \(2, 2\)"),
        (2.5, r"has shape \(\)"),
        ([], r"has shape \(0,\)"),
        ([[1.0, 0.1], [0.2, 1.0]], "not symmetric"),
        ([[1.0, 1e-9], [0.0, 1.0]], "not symmetric"),
        ([[1.0, 1.0], [1.0, 1.0]], "singular or not positive definite"),
        ([[1.0, 0.99999], [0.99999, 1.0]], "linearly independent"),
        ([[1.0, 2.0], [2.0, 1.0]], "smallest eigenvalue -1 must exceed"),
        (np.zeros((2, 2)), "singular or not positive definite"),
        (-np.eye(2), "singular or not positive definite"),
        ([[1.0, NAN], [NAN, 1.0]], "not finite"),
        ([[np.inf, 0.0], [0.0, 1.0]], "not finite"),
        ([[1.0, 0.0], [0.0]], "matrix of real numbers"),
        ([["a", "b"], ["b", "a"]], "matrix of real numbers"),
    ],
)
def test_impossible_gram_matrices_are_refused(gram: Any, words: str) -> None:
    with pytest.raises(TeacherError, match=words) as caught:
        make_teacher(2, gram)
    assert isinstance(caught.value, InputError)


@pytest.mark.parametrize("width", [0, -1])
def test_a_teacher_has_units(width: int) -> None:
    with pytest.raises(TeacherError, match="computes nothing"):
        make_teacher(width)


@pytest.mark.parametrize("width", [1, 2, 5, 20])
def test_rows_reproduce_the_gram_matrix(width: int) -> None:
    T = gram_matrix(width, np.random.default_rng(width))
    teacher = make_teacher(width, T)
    assert not teacher.is_orthonormal
    assert teacher.width == width
    np.testing.assert_allclose(teacher.V @ teacher.V.T, T, rtol=0, atol=1e-14)
    np.testing.assert_allclose(teacher.gram, T, rtol=0, atol=1e-14)
    np.testing.assert_allclose(teacher.norms, np.sqrt(np.diag(T)), rtol=1e-15)


def test_an_identity_is_recognised() -> None:
    for teacher in (make_teacher(3), make_teacher(3, np.eye(3)), as_teacher(np.eye(3).tolist())):
        assert teacher.is_orthonormal
        assert np.array_equal(teacher.V, np.eye(3))
        assert np.array_equal(teacher.norms, np.ones(3))
    assert not make_teacher(3, 2.0 * np.eye(3)).is_orthonormal


def test_rounding_of_symmetry_is_forgiven() -> None:
    T = gram_matrix(4, np.random.default_rng(0))
    T[0, 1] += 1e-15
    teacher = make_teacher(4, T)
    np.testing.assert_allclose(teacher.gram, T, rtol=0, atol=1e-14)


def test_the_condition_limit_stands_where_it_says() -> None:
    # Eigenvalues 1 + c and 1 - c.
    inside, outside = SMALLEST_CONDITION * 2.1, SMALLEST_CONDITION * 1.9
    assert make_teacher(2, [[1.0, 1.0 - inside], [1.0 - inside, 1.0]]).width == 2
    with pytest.raises(TeacherError):
        make_teacher(2, [[1.0, 1.0 - outside], [1.0 - outside, 1.0]])


def test_a_teacher_may_be_named_in_three_ways() -> None:
    teacher = make_teacher(3)
    assert as_teacher(teacher) is teacher
    assert as_teacher(3).width == as_teacher(np.int64(3)).width == 3
    with pytest.raises(TeacherError, match="shape"):
        as_teacher(2.5)
    with pytest.raises(TeacherError, match="shape"):
        as_teacher([1.0, 2.0])
