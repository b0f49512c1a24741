"""The quasi-Newton method on bowls whose every step is known, in place of the loss."""

from __future__ import annotations

from dataclasses import replace
from typing import Any, cast

import numpy as np
import pytest

from relu_landscape.engine.descent import quasi_newton
from relu_landscape.engine.descent.quasi_newton import MEMORY, minimise
from relu_landscape.engine.model.arrays import NUMPY, on_host
from relu_landscape.engine.model.loss import Loss
from tests.service.engine.oracles import Real

K, P = 3, 4


class Bowl:
    """Gradient ``(x - bottom) A`` for symmetric A (K P, K P), and how often it was asked for."""

    def __init__(self, matrix: Real, bottom: Real) -> None:
        self.xp = NUMPY
        self.level = 0.25  # of the stiff part
        self.matrix = matrix
        self.bottom = bottom
        self.asked: list[Real] = []

    def gradient(self, W: Real) -> Real:
        self.asked.append(W.copy())
        # Each member by itself: the bits must not depend on the batch.
        rows = [self.matrix @ (member - self.bottom).ravel() for member in W]
        return np.asarray(rows).reshape(W.shape)


class _Plain:
    """The stiff part taken for zero: what is left is L-BFGS with the curvature 0.2 assumed."""

    def __init__(self, W: Any, theta: Any, **_: Any) -> None:
        np.testing.assert_allclose(theta, 5.0, rtol=1e-15)

    def solve(self, b: Real) -> Real:
        return b


def _bowl(seed: int = 0, lowest: float = 0.1, highest: float = 1.0) -> Bowl:
    rng = np.random.default_rng(seed)
    frame = np.linalg.qr(rng.standard_normal((K * P, K * P)))[0]
    values = np.linspace(lowest, highest, K * P)
    return Bowl((frame * values) @ frame.T, rng.standard_normal((K, P)))


def _starts(bowl: Bowl, count: int, distance: float = 1.0) -> Real:
    moves = np.random.default_rng(1).standard_normal((count, K, P))
    moves /= np.linalg.norm(moves, axis=(1, 2), keepdims=True)
    return bowl.bottom + distance * moves


def _run(bowl: Bowl, W: Real, **options: Any) -> Any:
    """The answer, with its arrays as NumPy's."""
    chosen = {"tolerance": 1e-10, "iterations": 100, "reach": 10.0} | options
    found = minimise(cast(Loss, bowl), W, **chosen)
    return replace(found, W=on_host(found.W), gradient_norm=on_host(found.gradient_norm))


def _bfgs(bowl: Bowl, x: Real, count: int) -> Real:
    """Textbook BFGS with full steps (Nocedal and Wright 2006, eq. 6.17), inverse Hessian whole."""
    n = x.size
    H = np.eye(n) / quasi_newton.BASE_CURVATURE
    gradient = bowl.matrix @ (x - bowl.bottom).ravel()
    for _ in range(count):
        step = -H @ gradient
        x = x + step.reshape(x.shape)
        after = bowl.matrix @ (x - bowl.bottom).ravel()
        y = after - gradient
        rho = 1.0 / (y @ step)
        left = np.eye(n) - rho * np.outer(step, y)
        H = left @ H @ left.T + rho * np.outer(step, step)
        gradient = after
    return x


@pytest.mark.parametrize("count", [1, 2, 3, MEMORY, MEMORY + 1])
def test_its_steps_are_those_of_the_textbook(count: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Up to its memory it is BFGS, the whole matrix kept; it forgets the oldest pair after that."""
    monkeypatch.setattr(quasi_newton, "ImplicitPart", _Plain)
    bowl = _bowl()
    W = _starts(bowl, 2, distance=0.1)
    found = _run(bowl, W, tolerance=1e-15, iterations=count + 1)
    assert found.iterations == count + 1
    for start, end in zip(W, found.W, strict=True):
        wanted = _bfgs(bowl, start, count + 1)
        same = bool(np.allclose(end, wanted, rtol=0, atol=1e-9 * float(np.abs(end - start).max())))
        assert same == (count <= MEMORY)


def test_the_stiff_part_is_taken_from_where_it_begins() -> None:
    """On the bowl that it supposes (curvature 0.2 and the stiff part) one step is enough."""
    centre = np.eye(K, P)  # students of length one: the stacked unit vectors are they themselves
    units = centre.ravel()
    stiff = np.kron(np.ones((K, K)), np.eye(P)) / 4 + np.outer(units, units) / (2 * np.pi)
    bowl = Bowl(0.2 * np.eye(K * P) + stiff, centre - 0.1)
    found = _run(bowl, centre[None])
    assert found.iterations == 1
    np.testing.assert_allclose(found.W[0], bowl.bottom, rtol=0, atol=1e-14)


def test_it_stops_where_the_tolerance_is_met_and_counts_its_steps() -> None:
    """What is at the bottom already is not moved; the rest stops at the first gradient below."""
    bowl = _bowl()
    W = _starts(bowl, 3)
    W[1] = bowl.bottom
    found = _run(bowl, W, tolerance=1e-6)
    assert len(bowl.asked) == found.iterations + 1
    assert np.array_equal(found.W[1], bowl.bottom)
    norms = np.linalg.norm(bowl.gradient(found.W), axis=(1, 2))
    np.testing.assert_allclose(found.gradient_norm, norms, rtol=1e-12)
    assert np.all(norms <= 1e-6)
    shorter = _run(bowl, W, tolerance=1e-6, iterations=found.iterations - 1)
    assert shorter.iterations == found.iterations - 1
    assert shorter.gradient_norm.max() > 1e-6
    nothing = _run(bowl, W[1:2], tolerance=1e-6)
    assert nothing.iterations == 0
    exactly = float(np.linalg.norm(bowl.gradient(W[:1])))
    assert _run(bowl, W[:1], tolerance=exactly).iterations == 0


def test_a_member_that_leaves_its_reach_stays_where_it_was_last() -> None:
    """It is given up, not moved back, and the others go on as if it were not there."""
    bowl = _bowl()
    W = np.concatenate([_starts(bowl, 1, distance=0.1), _starts(bowl, 2, distance=3.0)[1:]])
    found = _run(bowl, W, reach=1.0)
    alone = _run(bowl, W[:1], reach=1.0)
    assert found.gradient_norm[0] <= 1e-10 < found.gradient_norm[1]
    assert np.array_equal(found.W[0], alone.W[0])
    assert np.linalg.norm(found.W[1] - W[1]) <= 1.0
    assert found.iterations == alone.iterations  # nobody waits for the one that is given up
    norm = np.linalg.norm(bowl.gradient(found.W[1:]))
    assert found.gradient_norm[1] == pytest.approx(norm, rel=1e-12)


@pytest.mark.parametrize(("growth", "given_up"), [(3.9, False), (4.1, True)])
def test_a_gradient_that_grows_beyond_four_times_gives_a_member_up(
    growth: float, given_up: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The first step is the gradient over 0.2: on curvature c it leaves |1 - c/0.2| of it."""
    monkeypatch.setattr(quasi_newton, "ImplicitPart", _Plain)
    bowl = Bowl(0.2 * (1 + growth) * np.eye(K * P), np.zeros((K, P)))
    W = _starts(bowl, 1, distance=0.1)
    found = _run(bowl, W, iterations=1)
    assert np.array_equal(found.W, W) == given_up
    after = _run(bowl, W, iterations=5)
    # One pair is all that BFGS must know of a round bowl.
    assert after.iterations == (1 if given_up else 2)
    assert bool(after.gradient_norm[0] <= 1e-10) != given_up


def test_a_member_that_is_not_finite_is_given_up_alone() -> None:
    bowl = _bowl()
    W = _starts(bowl, 2)
    alone = _run(bowl, W[:1])
    W[1] = np.nan
    with np.errstate(invalid="ignore"):
        found = _run(bowl, W)
    assert np.array_equal(found.W[0], alone.W[0])
    assert np.isnan(found.gradient_norm[1])
    assert found.iterations == alone.iterations
