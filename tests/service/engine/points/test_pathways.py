"""Pathways from saddles to minima, by Runge-Kutta on the dense loss."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from relu_landscape.engine.families.coarse import coarsest
from relu_landscape.engine.families.points import embed
from relu_landscape.engine.families.search import CriticalPoint, search
from relu_landscape.engine.families.structures import parse
from relu_landscape.engine.model.teacher import make_teacher
from relu_landscape.engine.points import identity
from relu_landscape.engine.points.pathways import Pathway, Surface, pathway, surface_of
from relu_landscape.errors import InputError, NumericalError
from tests.service.engine.families import oracle


def _saddle(name: str, loss: float) -> CriticalPoint:
    found = [p for p in search(parse(name)).points if p.index_span == 1]
    return min(found, key=lambda p: abs(p.loss - loss))


def _pass(name: str, loss: float) -> Pathway:
    saddle = embed(coarsest(_saddle(name, loss).point))
    # The oracle's flow goes on to the floor of its gradient: there is nothing left to polish.
    surface = Surface(loss=oracle.loss, hessian=oracle.hessian, polish=lambda W: W)
    return pathway(saddle, surface=surface, descend=oracle.flow_batch)


@pytest.mark.parametrize(
    ("width", "height", "spurious", "barrier"),
    [(6, 0.025092331, 0.025080581, 1.2e-5), (7, 0.023431036, 0.0232027149, 2.3e-4)],
)
def test_one_anti_aligned_student_is_joined_to_the_global_minimum(
    width: int, height: float, spurious: float, barrier: float
) -> None:
    """The mountain pass (1, 1, k-2) that removes the anti-aligned student."""
    found = _pass(f"1+1+{width - 2}", height)
    assert found.saddle_loss == pytest.approx(height, abs=1e-9)
    assert sorted(found.losses) == pytest.approx([0, spurious], abs=1e-9)
    assert identity.relation(*found.ends, make_teacher(width)) == "different"
    assert min(found.barriers) == pytest.approx(barrier, rel=0.05)  # given with two digits
    assert max(found.barriers) == pytest.approx(height, abs=1e-9)


def test_the_alternating_saddle_joins_two_copies_of_the_global_minimum() -> None:
    found = _pass("3+4", 0.023693)
    assert found.losses == pytest.approx((0, 0), abs=1e-9)
    assert identity.relation(*found.ends, make_teacher(7)) == "student order"
    assert np.max(np.abs(found.ends[0] - found.ends[1])) > 0.5


def _ridge(W: np.ndarray) -> float:
    """1 + (x^2 - 1)^2 + y^2 (1/2 - x^2) + y^4.

    From the saddle at 0 the flow runs along y = 0 to (+-1, 0), saddles themselves: y has to be
    stirred to reach the four minima x^2 = 7/6, y^2 = 1/3.
    """
    x, y = W[0]
    return float(1 + (x**2 - 1) ** 2 + y**2 * (0.5 - x**2) + y**4)


def _ridge_hessian(W: np.ndarray) -> np.ndarray:
    x, y = W[0]
    cross = -4 * x * y
    return np.array([[12 * x**2 - 4 - 2 * y**2, cross], [cross, 1 - 2 * x**2 + 12 * y**2]])


def _ridge_flow(batch: np.ndarray) -> np.ndarray:
    """Plain small steps; exact on the ridge, where no noise enters."""
    x, y = batch[:, 0, 0].copy(), batch[:, 0, 1].copy()
    for _ in range(20000):
        slope_x = 4 * x * (x**2 - 1) - 2 * x * y**2
        slope_y = 2 * y * (0.5 - x**2) + 4 * y**3
        x, y = x - 5e-3 * slope_x, y - 5e-3 * slope_y
    return np.stack([x, y], axis=1)[:, None, :]


RIDGE = Surface(loss=_ridge, hessian=_ridge_hessian, polish=lambda W: W)
SADDLE = np.zeros((1, 2))
MINIMUM = np.sqrt([[7 / 6, 1 / 3]])


def test_a_ridge_is_not_an_end() -> None:
    along = _ridge_flow(np.array([[[1e-3, 0.0]]]))[0]
    np.testing.assert_allclose(along, [[1, 0]], atol=1e-9)  # a saddle, by symmetry
    found = pathway(SADDLE, surface=RIDGE, descend=_ridge_flow)
    assert found.ridges == (1, 1)
    for end in found.ends:
        np.testing.assert_allclose(np.abs(end), MINIMUM, atol=1e-6)
    assert np.sign(found.ends[0][0, 0]) != np.sign(found.ends[1][0, 0])
    assert found.barriers == pytest.approx([2 - _ridge(MINIMUM)] * 2, abs=1e-9)
    again = pathway(SADDLE, surface=RIDGE, descend=_ridge_flow)
    assert all(np.array_equal(a, b) for a, b in zip(found.ends, again.ends, strict=True))


def test_a_flow_that_stops_at_small_gradients_is_caught() -> None:
    with pytest.raises(NumericalError, match="came back"):
        pathway(SADDLE, surface=RIDGE, descend=np.zeros_like)


def test_a_longer_step_helps_where_the_flow_stops_near_the_saddle() -> None:
    def lazy(batch: np.ndarray) -> np.ndarray:
        near = np.linalg.norm(batch, axis=(1, 2)) < 5e-3
        return np.where(near[:, None, None], 0.0, _ridge_flow(batch))

    found = pathway(SADDLE, surface=RIDGE, descend=lazy)
    for end in found.ends:
        np.testing.assert_allclose(np.abs(end), MINIMUM, atol=1e-6)


def test_only_saddles_of_index_one_have_two_sides() -> None:
    with pytest.raises(InputError, match="index 1, not 0"):
        pathway(MINIMUM, surface=RIDGE, descend=_ridge_flow)
    with pytest.raises(InputError, match="index 1, not 2"):
        pathway(MINIMUM, surface=replace(RIDGE, hessian=lambda _: -np.eye(2)), descend=_ridge_flow)


def test_the_sign_of_a_small_eigenvalue_is_judged_at_the_critical_point() -> None:
    """At the raw end, 2e-8 away, an eigenvalue is negative that is positive at the minimum."""
    minimum, raw = MINIMUM, MINIMUM + 2e-8

    def hessian(W: np.ndarray) -> np.ndarray:
        if np.array_equal(W, SADDLE):
            return np.diag([-1.0, 1.0])
        return np.diag([1.0, 1e-8 - float(np.abs(np.abs(W) - minimum).max())])

    def arrive(batch: np.ndarray) -> np.ndarray:
        return np.asarray(np.sign(batch[:, :, :1]) * raw)

    calls = []

    def polish(W: np.ndarray) -> np.ndarray:
        calls.append(W)
        return np.asarray(np.sign(W[0, 0]) * minimum)

    found = pathway(SADDLE, surface=replace(RIDGE, hessian=hessian, polish=polish), descend=arrive)
    assert found.ridges == (0, 0)
    assert np.array_equal(np.abs(found.ends), np.stack([raw, raw]))  # as the flow left them
    assert len(calls) == 2


def test_an_end_is_polished_only_where_a_critical_point_is_beside_it() -> None:
    teacher = make_teacher(6)
    surface = surface_of(teacher)
    beside = np.eye(6) + 1e-7
    np.testing.assert_allclose(surface.polish(beside), np.eye(6), atol=1e-14)
    # Newton's method does not converge from there, or ends somewhere else.
    for seed in range(4):
        W = np.random.default_rng(seed).standard_normal((6, 6))
        assert surface.polish(W) is W
    far = np.eye(6) + 1e-3
    assert surface.polish(far) is far
    assert surface.unstable(np.eye(6)) == 0
