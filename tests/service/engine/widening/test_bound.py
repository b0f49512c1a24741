"""The proven bound of D: never above D anywhere, near it where minima are known."""

from __future__ import annotations

import math

import numpy as np
import pytest
from numpy.typing import NDArray

from relu_landscape.engine.families.points import embed
from relu_landscape.engine.families.search import search
from relu_landscape.engine.families.structures import parse
from relu_landscape.engine.model import population
from relu_landscape.engine.model.teacher import Teacher, make_teacher
from relu_landscape.engine.widening import bound
from relu_landscape.engine.widening.adding import Error
from relu_landscape.engine.widening.best import best_student, minimum
from relu_landscape.engine.widening.bound import lower_bound

Real = NDArray[np.float64]


def network(seed: int) -> tuple[Real, Teacher]:
    """Students at random or beside the teacher, a teacher of any shape, up to three dimensions
    beside it, lengths from a tenth to ten."""
    rng = np.random.default_rng(seed)
    K, M = rng.integers(1, 8, 2)
    gram = None
    if seed % 2:
        V = np.eye(M) + 0.4 * rng.standard_normal((M, M))
        gram = V @ V.T
    W = rng.standard_normal((K, M + rng.integers(0, 4))) * 10.0 ** rng.uniform(-1.0, 1.0, (K, 1))
    if seed % 3 == 0:
        W = 0.1 * W
        W[range(min(K, M)), range(min(K, M))] += 1.0
    return W, make_teacher(int(M), gram)


def lowest(W: Real, teacher: Teacher, seed: int) -> float:
    """The lowest D that is met: at random, at the units, at sums of them, in one dimension more,
    and where descent ends."""
    wider = np.concatenate([W, np.zeros((len(W), 1))], axis=1)
    error, rng = Error.of(wider, teacher), np.random.default_rng(seed)
    mixed = rng.standard_normal((3000, len(error.units))) @ error.units
    u = np.concatenate([rng.standard_normal((5000, wider.shape[1])), mixed, error.units])
    u = np.concatenate([u, -u])
    u /= np.linalg.norm(u, axis=1)[:, None]
    inside = Error.of(W, teacher)
    return min(float(error.value(u).min()), float(inside.value(minimum(inside)[None])[0]))


@pytest.mark.parametrize("seed", range(40))
def test_no_direction_is_below_it(seed: int) -> None:
    W, teacher = network(seed)
    least = lower_bound(W, teacher)
    assert least is not None
    assert least <= lowest(W, teacher, seed)


@pytest.mark.parametrize("seed", range(10))
def test_whatever_tangents_are_chosen(seed: int) -> None:
    """What is proved does not lean on how well the doubles were chosen; a form that is not
    definite proves nothing."""
    W, teacher = network(seed)
    rng, there = np.random.default_rng(seed), lowest(W, teacher, seed)
    V = np.zeros((teacher.width, W.shape[1]))
    V[:, : teacher.width] = teacher.V
    size = float(np.linalg.norm(V, axis=1).sum())
    for multiplier in (0.3 * size, size, 5.0 * size):
        angles = rng.uniform(bound.SMALLEST_ANGLE, math.pi / 2.0, len(W))
        least = bound._proved(W, V, angles, multiplier)
        assert least is not None
        assert least <= there
    assert bound._proved(W, V, np.full(len(W), 0.1), -size) is None


@pytest.mark.parametrize(
    ("structure", "ratio"),
    [("1+5", 1.09), ("1+7", 1.11), ("2+6", 1.28), ("8", 1.40), ("1+16", 1.30), ("3+14", 1.30)],
)
def test_it_is_near_at_spurious_minima(structure: str, ratio: float) -> None:
    """The ratios of docs/mathematics/widening.md, and far better than Cauchy and Schwarz: |D| is
    at most the root of the loss."""
    points = [embed(each.point) for each in search(parse(structure)).minima]
    tight = []
    for W in points:
        teacher = make_teacher(W.shape[1])
        best, least = best_student(W, teacher), None
        if best is None:
            continue
        least = lower_bound(W, teacher, best.direction)
        assert least is not None
        assert least <= best.value
        assert least > -math.sqrt(float(population.loss(W, teacher))) / 2.0
        tight.append(least / best.value)
    assert 1.0 < min(tight) < ratio


@pytest.mark.parametrize("length", [0.2, 0.7, 1.0])
def test_one_student_along_its_teacher(length: float) -> None:
    """D = (length - 1) k(c): lowest at the teacher itself, -(1 - length)/2."""
    least = lower_bound(np.array([[length, 0.0]]), make_teacher(1))
    assert least is not None
    # Tangent and chord are furthest apart at right angles, where D is -(1 - length)/(2 pi).
    assert -(1.0 - length) / 2.0 - 0.012 * length < least <= -(1.0 - length) / 2.0


def test_it_can_prove_that_no_student_helps() -> None:
    W = 3.0 * np.random.default_rng(5).standard_normal((9, 3))
    teacher = make_teacher(3)
    least = lower_bound(W, teacher)
    assert least is not None
    assert least > 0.0
    assert best_student(W, teacher) is None


def test_lengths_scale_it_and_dimensions_do_not_change_it() -> None:
    W, teacher = network(2)
    least = lower_bound(W, teacher)
    padded = lower_bound(np.concatenate([W, np.zeros((len(W), 2))], axis=1), teacher)
    twice = lower_bound(2.0 * W, make_teacher(teacher.width, 4.0 * teacher.gram))
    assert least is not None
    assert padded is not None
    assert twice is not None
    # The choice of lambda is as good as its share of the form's size, and networks within 1e-9.
    assert abs(padded - least) < 1e-6 * abs(least)
    assert abs(twice - 2.0 * least) < 1e-6 * abs(least)


def test_wide_networks_are_told_none() -> None:
    most = bound.MOST_COORDINATES
    assert lower_bound(np.eye(2, most + 1), make_teacher(2)) is None
