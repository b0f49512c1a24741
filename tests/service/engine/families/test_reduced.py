"""Reduced loss, gradient and Hessian against plain loops, finite differences and 50 digits."""

from __future__ import annotations

import mpmath
import numpy as np
import pytest

from relu_landscape.engine.families.layout import layout
from relu_landscape.engine.families.points import (
    Point,
    embed,
    from_values,
    stacked,
    values,
)
from relu_landscape.engine.families.reduced import evaluate, loss
from relu_landscape.engine.families.solver import refine
from relu_landscape.engine.families.structures import parse
from relu_landscape.errors import InputError
from relu_landscape.wire.families import FamilyPoint

from . import oracle
from .shapes import KINDS, random_point


def _embedding(point: Point) -> np.ndarray:
    """Jacobian (KM, m) of the weights in orthonormal coordinates, by embedding unit moves."""
    table = layout(point.structure)
    z, signs = values(table, point), np.array(point.signs, dtype=float)
    W = embed(point)
    moves = [embed(from_values(table, z + unit, lead=signs)) - W for unit in np.eye(len(z))]
    return (np.array(moves).reshape(len(z), -1) / table.scale[:, None]).T


def test_the_oracle_agrees_with_its_own_finite_differences() -> None:
    W = np.random.default_rng(3).normal(size=(4, 3))
    H = oracle.hessian(W)
    h = 1e-6  # central differences: error h^2 times third derivatives, about 1e-11, plus 1e-16/h
    for k, unit in enumerate(np.eye(W.size).reshape(-1, 4, 3)):
        slope = (oracle.loss(W + h * unit) - oracle.loss(W - h * unit)) / (2 * h)
        assert slope == pytest.approx(oracle.gradient(W).ravel()[k], abs=1e-8)
        bend = (oracle.gradient(W + h * unit) - oracle.gradient(W - h * unit)) / (2 * h)
        np.testing.assert_allclose(bend.ravel(), H[k], atol=1e-8)


@pytest.mark.parametrize("name", KINDS)
def test_derivatives_are_those_of_the_dense_problem_on_the_fixed_space(name: str) -> None:
    for seed in range(2):
        point = random_point(name, seed)
        W, J = embed(point), _embedding(point)
        np.testing.assert_allclose(J.T @ J, np.eye(J.shape[1]), atol=1e-14)
        here = evaluate(layout(point.structure), *stacked([point]))
        # a hundred terms of order 1 to 10 each, in both computations
        assert here.loss[0] == pytest.approx(oracle.loss(W), abs=2e-13)
        np.testing.assert_allclose(
            here.gradient[0], J.T @ oracle.gradient(W).ravel(), rtol=0, atol=1e-12
        )
        np.testing.assert_allclose(here.hessian[0], J.T @ oracle.hessian(W) @ J, rtol=0, atol=1e-12)


@pytest.mark.parametrize("name", KINDS)
def test_the_dense_gradient_stays_in_the_fixed_space(name: str) -> None:
    """Symmetric criticality: what the reduced problem leaves out is zero."""
    point = random_point(name)
    J = _embedding(point)
    g = oracle.gradient(embed(point)).ravel()
    np.testing.assert_allclose(J @ (J.T @ g), g, atol=1e-13)


@pytest.mark.parametrize("name", KINDS)
def test_a_point_that_was_sent_is_the_same_to_the_bit(name: str) -> None:
    point = random_point(name)
    sent = FamilyPoint.model_validate_json(point.to_wire().model_dump_json())
    same = Point.from_wire(sent)
    assert same.signs == point.signs
    assert np.array_equal(same.deviations, point.deviations)


def test_batches_do_not_mix_and_arguments_are_left_alone() -> None:
    points = [random_point("1+2+3", seed) for seed in range(5)]
    points = [point for point in points if point.signs == points[0].signs]
    table = layout(points[0].structure)
    deviations, signs = stacked(points)
    deviations.setflags(write=False)
    signs.setflags(write=False)
    batch = evaluate(table, deviations, signs)
    for i, point in enumerate(points):
        alone = evaluate(table, *stacked([point]))
        assert alone.loss[0] == pytest.approx(batch.loss[i], rel=1e-14)
        np.testing.assert_allclose(alone.hessian[0], batch.hessian[i], atol=1e-14)
    none = evaluate(table, deviations[:0], signs[:0])
    assert none.loss.shape == (0,)
    assert none.hessian.shape == (0, table.unknowns, table.unknowns)


def test_parallel_and_antiparallel_students_have_the_limits_of_a_smooth_loss() -> None:
    """At W = I all students are parallel to teachers; the Hessian is known there."""
    for signs in ((1,), (-1,)):
        point = Point(parse("5"), signs, np.zeros(2))
        here = evaluate(layout(point.structure), *stacked([point]))
        H = _embedding(point).T @ oracle.hessian(embed(point)) @ _embedding(point)
        np.testing.assert_allclose(here.hessian[0], H, atol=1e-13)


def test_a_zero_student_gives_no_number_and_no_warning() -> None:
    table = layout(parse("1+3"))
    z = np.random.default_rng(0).normal(size=table.unknowns)
    z[: len(table.p)] = 0
    point = from_values(table, z)
    assert not np.all(np.isfinite(evaluate(table, *stacked([point])).hessian))


def _pair(n: mpmath.mpf, m: mpmath.mpf, gamma: mpmath.mpf) -> mpmath.mpf:
    c = min(max(gamma / (n * m), mpmath.mpf(-1)), mpmath.mpf(1))
    t = mpmath.acos(c)
    return n * m * (mpmath.sin(t) + (mpmath.pi - t) * c) / (2 * mpmath.pi)


def _exact_loss(point: Point) -> mpmath.mpf:
    """Loss of a point of ``1+p`` with 50 digits, entry by entry, by the definition."""
    p = mpmath.mpf(int(point.structure.sizes[1]))
    dev = [mpmath.mpf(float(value)) for value in point.deviations]
    alone, rest = dev[0], dev[1] / mpmath.sqrt(p)  # the single student: (alone, rest, rest, ...)
    first = dev[2]  # students of the block: entry on the single teacher
    x, y = (dev[3] + 1 / mpmath.sqrt(p)) / mpmath.sqrt(p), dev[4] + point.signs[0]
    off = x - y / p
    own = off + y
    n0 = mpmath.sqrt(alone**2 + p * rest**2)
    n1 = mpmath.sqrt(first**2 + own**2 + (p - 1) * off**2)
    total = _pair(n0, n0, n0**2) / 2 + p * _pair(n1, n1, n1**2) / 2
    total += p * _pair(n0, n1, alone * first + rest * (own + (p - 1) * off))
    total += p * (p - 1) / 2 * _pair(n1, n1, first**2 + 2 * own * off + (p - 2) * off**2)
    one = mpmath.mpf(1)
    total -= _pair(n0, one, alone) + p * _pair(n0, one, rest)
    total -= p * (_pair(n1, one, first) + _pair(n1, one, own) + (p - 1) * _pair(n1, one, off))
    return total + (1 + p) / 4 + (1 + p) * p / (4 * mpmath.pi)


#: One anti-aligned student at real sizes: near the critical point, by the expansion of its entries.
@pytest.mark.parametrize("width", [20, 100, 10**4, 10**6, 10**9])
def test_the_loss_keeps_its_digits_at_large_widths(width: int) -> None:
    """The plain sum of pair functions is off by 4e-6 at width 1,000 already."""
    mpmath.mp.dps = 50
    p = width - 1
    dev = [-0.8, 0.5 / np.sqrt(width), 1.2 / np.sqrt(width), -0.7 / width**1.5, 0.3 / width]
    # the first deviations also set the angle of students to their own teachers, from 1e-4 to 1
    for sign, scale in ((1, 1.0), (-1, 1.0), (1, 0.01), (1, 0.05), (1, 0.15), (1, 0.4)):
        point = Point(parse(f"1+{p}"), (sign,), scale * np.array(dev))
        got = float(loss(layout(point.structure), *stacked([point]))[0])
        exact = float(_exact_loss(point))
        assert got == pytest.approx(exact, rel=1e-12, abs=0)


def test_refining_goes_to_the_rounding_and_no_further() -> None:
    table = layout(parse("6"))
    start, signs = np.array([[0.05, -0.03], [0.05, 0.02]]), np.array([[-1.0], [1.0]])
    best, norms = refine(table, start, signs)
    assert np.all(norms < 1e-15)
    # all students anti-aligned (docs/mathematics/families.md), and the identity
    np.testing.assert_allclose(loss(table, best, signs), [0.055668581322, 0], atol=1e-12)
    np.testing.assert_allclose(best[1], 0, atol=1e-14)


def test_what_is_no_network_is_refused() -> None:
    with pytest.raises(InputError, match="fractional"):
        embed(Point(parse("2.5"), (1,), np.zeros(2)))
    with pytest.raises(InputError, match="coordinates"):
        Point.from_wire(FamilyPoint(structure="1+5", signs=[1], deviations=[0.0]))
