"""How the integrator chooses its next step: growth, limits, and the estimate of stiffness."""

from __future__ import annotations

from dataclasses import replace
from types import SimpleNamespace
from typing import Any, cast

import numpy as np
import pytest

from relu_landscape.engine.descent import flow as flows
from relu_landscape.engine.descent.flow import Flow, FlowState
from relu_landscape.engine.model.arrays import NUMPY, on_host
from relu_landscape.engine.model.loss import Loss
from tests.service.engine.oracles import Real

#: Two students in two dimensions; the square root of their number scales the error.
K = 2
GAMMA = 1 - np.sqrt(0.5)


class Straight:
    """A round bowl of curvature c: one step is known in closed form."""

    def __init__(self, curvature: float) -> None:
        self.xp = NUMPY
        self.level = 0.25  # of the stiff part
        self.curvature = curvature

    def gradient(self, W: Real, room: Any) -> Real:
        return self.curvature * W

    def norms(self, W: Real, room: Any) -> Real:
        return np.asarray(np.linalg.norm(W, axis=-1))


class _Nothing:
    """Nothing implicit, so a step is the midpoint rule."""

    def __init__(self, W: Any, theta: Real, **_: Any) -> None:
        self.theta = theta

    def solve(self, b: Real, name: str) -> Real:
        return b.copy()


@pytest.fixture(autouse=True)
def _explicit(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(flows, "ImplicitPart", _Nothing)


def _state(method: Flow, *, length: float = 1.0, **known: float) -> FlowState:
    """A path with both students of this length, at a given time and step."""
    state = method.init(length * np.eye(K)[None])
    return replace(state, **{name: np.array([value]) for name, value in known.items()})


def seen(state: FlowState) -> Any:
    """The members of a state as arrays of NumPy."""
    return SimpleNamespace(**{name: on_host(value) for name, value in vars(state).items()})


def _method(curvature: float, tolerance: float) -> Flow:
    return Flow(cast(Loss, Straight(curvature)), tolerance)


def _error(curvature: float, h: float, time: float, tolerance: float) -> float:
    """h |k2 - k1| / (sqrt(K) tolerance), four times as large before t = 50."""
    change = 0.5 * h * curvature**2 * np.sqrt(2)  # k1 = -c W, k2 = -c (W + h/2 k1)
    return float(h * change * (4 if time < 50 else 1) / (np.sqrt(K) * tolerance))


def test_a_path_begins_at_rest_with_the_stated_step() -> None:
    state = seen(_method(0.25, 1e-3).init(np.eye(K)[None]))
    assert (float(state.time[0]), int(state.steps[0])) == (0.0, 0)
    assert (float(state.step_size[0]), float(state.eigenvalue[0])) == (0.05, 0.43)
    np.testing.assert_allclose(state.force[0], -0.25 * np.eye(K), rtol=1e-15)
    assert float(state.gradient_norm[0]) == pytest.approx(0.25 * np.sqrt(2), rel=1e-15)


@pytest.mark.parametrize("time", [0.0, 49.0, 50.0, 80.0])
@pytest.mark.parametrize("h", [0.02, 0.1, 0.5, 2.0])
def test_the_next_step_follows_from_the_error_of_this_one(h: float, time: float) -> None:
    """0.8 / sqrt(error), between a fifth and two and a half; four times as careful early."""
    curvature, tolerance = 0.1, 1e-3
    method = _method(curvature, tolerance)
    before = _state(method, step_size=h, time=time)
    after = seen(method.step(before))
    error = _error(curvature, h, time, tolerance)
    growth = min(max(0.8 / np.sqrt(error), 0.2), 2.5)
    assert float(after.step_size[0]) == pytest.approx(h * growth, rel=1e-12)
    accepted = error <= 1.0
    assert float(after.time[0]) == time + (h if accepted else 0.0)
    shrink = 1 - h * curvature + (h * curvature) ** 2 / 2 if accepted else 1.0
    np.testing.assert_allclose(after.W[0], shrink * np.eye(K), rtol=1e-14)
    np.testing.assert_allclose(after.force, -curvature * after.W, rtol=1e-15)
    assert float(after.gradient_norm[0]) == pytest.approx(curvature * shrink * np.sqrt(2))
    assert int(after.steps[0]) == 1


@pytest.mark.parametrize(("time", "eigenvalue"), [(0.0, 0.9), (8.0, 0.9), (10.0, 0.43)])
def test_no_step_is_longer_than_the_explicit_part_stands(time: float, eigenvalue: float) -> None:
    """1.95 over the eigenvalue: 0.9 until t = 10, the member's own from then on."""
    method = _method(1e-4, 1e6)  # no error to speak of: growth is at its largest
    after = seen(method.step(_state(method, step_size=1.9, time=time)))
    assert float(after.step_size[0]) == pytest.approx(1.95 / eigenvalue, rel=1e-12)


@pytest.mark.parametrize("time", [5.0, 30.0])
@pytest.mark.parametrize("curvature", [0.3, 0.79, 0.81, 0.95])
def test_a_stiff_path_is_noticed_late_and_forgotten_slowly(time: float, curvature: float) -> None:
    """h lambda, seen as 2 |k2 - k1| / |k1|, above 1.6: a tenth more than it is assumed next.

    Before t = 10 a fixed eigenvalue is in force and nothing is learnt. Otherwise what was learnt
    decays to 0.43 by 2% of the distance a step.
    """
    h = 2.0
    method = _method(curvature, 1e6)
    after = seen(method.step(_state(method, step_size=h, time=time, eigenvalue=0.7)))
    learnt = h * curvature > 1.6 and time + h > 10
    wanted = 1.1 * curvature if learnt else 0.43 + 0.98 * (0.7 - 0.43)
    assert float(after.eigenvalue[0]) == pytest.approx(wanted, rel=1e-12)
    limit = 1.95 / (0.9 if time + h < 10 else wanted)
    assert float(after.step_size[0]) == pytest.approx(limit, rel=1e-12)


@pytest.mark.parametrize(("length", "moves"), [(1.1e-50, True), (0.9e-50, False), (1e-100, False)])
def test_a_student_that_died_out_stays_where_it_is(length: float, moves: bool) -> None:
    """Its own gradient turns ever faster and says nothing; the others go on."""
    method = _method(0.25, 1e6)
    W = np.eye(K)[None].copy()
    W[0, 1] *= length
    state = method.init(W)
    assert bool(np.any(seen(state).force[0, 1] != 0)) == moves
    after = seen(method.step(state))
    assert bool(np.any(after.W[0, 1] != W[0, 1])) == moves
    assert after.W[0, 0, 0] < 1.0


def test_a_path_that_is_not_finite_is_tried_again_with_a_fifth_of_its_step() -> None:
    method = _method(0.25, 1e-3)
    state = _state(method, step_size=1.0, time=30.0)
    with np.errstate(invalid="ignore"):
        after = seen(method.step(replace(state, force=np.full((1, K, K), np.nan))))
    assert np.array_equal(after.W, seen(state).W)
    assert float(after.time[0]) == 30.0
    assert float(after.step_size[0]) == pytest.approx(0.2)
    assert float(after.eigenvalue[0]) == pytest.approx(0.43)


def test_a_path_at_rest_takes_longer_and_longer_steps() -> None:
    """No gradient, no error: nothing divides by zero, and the step grows to its limit."""
    method = _method(0.0, 1e-3)
    after = seen(method.step(_state(method, step_size=1.0, time=30.0)))
    assert float(after.time[0]) == 31.0
    assert float(after.step_size[0]) == pytest.approx(2.5)


def test_the_implicit_part_gets_the_step_times_gamma(monkeypatch: pytest.MonkeyPatch) -> None:
    """1 - 1/sqrt(2): with it the method is of order two and damps what is infinitely stiff."""
    seen: list[Real] = []

    class Recorded(_Nothing):
        def __init__(self, W: Any, theta: Real, **_: Any) -> None:
            seen.append(theta)

    monkeypatch.setattr(flows, "ImplicitPart", Recorded)
    method = _method(0.25, 1.0)
    method.step(_state(method, step_size=0.3))
    (theta,) = seen
    np.testing.assert_allclose(theta, [0.3 * GAMMA], rtol=1e-15)
