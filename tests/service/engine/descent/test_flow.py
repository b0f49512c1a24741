"""The integrator: order two whatever is implicit, downhill, each member on its own."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from relu_landscape.engine.descent import flow as flows
from relu_landscape.engine.descent import starts
from relu_landscape.engine.model.arrays import NUMPY, on_host
from relu_landscape.engine.model.loss import Loss
from relu_landscape.engine.model.teacher import make_teacher
from tests.service.engine.certificates import points
from tests.service.engine.conftest import Backend
from tests.service.engine.oracles import Real
from tests.service.engine.reference_flow import integrate


def _flow(width: int, tolerance: float = 1e-3, backend: Backend | None = None) -> flows.Flow:
    xp = backend.xp if backend else NUMPY
    return flows.Flow(Loss.of(make_teacher(width), xp), tolerance)


def _starts(K: int, M: int, count: int, d: int = 1000) -> Real:
    return starts.draw(list(range(count)), seed=1, students=K, teacher=make_teacher(M), dimension=d)


class _Wrong:
    """A random symmetric matrix in the place of the stiff part."""

    def __init__(self, W: Any, theta: Any, **_: Any) -> None:
        size = W.shape[1] * W.shape[2]
        root = np.random.default_rng(9).standard_normal((size, size)) / np.sqrt(size)
        self._matrix = np.eye(size) + theta[0] * (root @ root.T)

    def solve(self, b: Real, name: str) -> Real:
        return np.linalg.solve(self._matrix, b.ravel()).reshape(b.shape)


class _Nothing:
    """Nothing implicit."""

    def __init__(self, W: Any, theta: Any, **_: Any) -> None:
        pass

    def solve(self, b: Real, name: str) -> Real:
        return b.copy()


def _fixed_steps(W: Real, width: int, h: float, count: int) -> Real:
    method = _flow(width, tolerance=1e12)  # every step is accepted
    state = method.init(W[None])
    for _ in range(count):
        state = method.step(replace(state, step_size=np.array([h])))
    assert float(state.time[0]) == pytest.approx(h * count)
    return np.asarray(state.W[0])


@pytest.mark.parametrize("implicit", [None, _Wrong, _Nothing], ids=["exact", "wrong", "none"])
@pytest.mark.parametrize("shape", [(5, 4), (3, 5)])
def test_order_is_two_whatever_is_implicit(
    implicit: Any, shape: tuple[int, int], monkeypatch: pytest.MonkeyPatch
) -> None:
    K, M = shape
    if implicit is not None:
        monkeypatch.setattr(flows, "ImplicitPart", implicit)
    W = _starts(K, M, 1)[0]
    wanted = integrate(W, M, 2.0, method="DOP853", rtol=1e-13)
    errors = [
        np.linalg.norm(_fixed_steps(W, M, 2.0 / count, count) - wanted) for count in (40, 80, 160)
    ]
    orders = np.log2(np.array(errors[:-1]) / errors[1:])
    # The next term of the expansion is a few percent of the error at these steps.
    np.testing.assert_allclose(orders, 2.0, atol=0.15)


def test_nothing_implicit_is_the_explicit_midpoint_rule(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(flows, "ImplicitPart", _Nothing)
    W = _starts(4, 3, 1)[0]
    h = 0.1
    middle = W - h / 2 * points.gradient(W, 3)
    wanted = W - h * points.gradient(middle, 3)
    np.testing.assert_allclose(_fixed_steps(W, 3, h, 1), wanted, rtol=0, atol=1e-15)


@pytest.mark.parametrize("shape", [(8, 8), (9, 6), (4, 7)])
def test_loss_never_rises(shape: tuple[int, int]) -> None:
    K, M = shape
    method = _flow(M)
    state = method.init(_starts(K, M, 6))
    before = on_host(method.loss.value(state.W))
    for _ in range(250):
        state = method.step(state)
        after = on_host(method.loss.value(state.W))
        assert np.all(after <= before + 1e-15)
        before = after
    assert on_host(state.time).min() > 100.0


def test_tolerance_controls_the_error() -> None:
    W = _starts(6, 6, 1)[0]
    wanted = integrate(W, 6, 20.0, method="DOP853")
    errors = []
    for tolerance in (1e-3, 1e-4, 1e-5):
        method = _flow(6, tolerance)
        state = method.init(W[None])
        while state.time[0] < 20.0:
            rest = NUMPY.minimum(state.step_size, 20.0 - state.time)
            state = method.step(replace(state, step_size=rest))
        errors.append(float(np.linalg.norm(on_host(state.W)[0] - wanted)))
    # The estimate is of order h^2 and the error of order h^2 over the whole path: proportional.
    assert errors[0] < 0.03
    assert errors[1] < errors[0] / 5
    assert errors[2] < errors[1] / 5


def test_a_rejected_step_changes_nothing_but_the_step() -> None:
    method = _flow(4, tolerance=1e-9)
    state = method.init(_starts(4, 4, 2))
    after = method.step(state)
    assert np.array_equal(on_host(after.W), on_host(state.W))
    assert np.array_equal(on_host(after.time), on_host(state.time))
    assert np.all(on_host(after.step_size) < on_host(state.step_size))
    assert np.array_equal(on_host(after.steps), [1, 1])


def test_members_do_not_see_each_other() -> None:
    """Bit for bit, over rejected and accepted steps, in any company and after a regrouping."""
    method = _flow(5)
    W = _starts(6, 5, 5)

    def run(state: flows.FlowState, count: int) -> flows.FlowState:
        for _ in range(count):
            state = method.step(state)
        return state

    together = run(method.init(W), 120)
    halves = [run(method.init(W[rows]), 60) for rows in ([3, 0], [4], [1, 2])]
    regrouped = run(flows.join(halves, xp=NUMPY), 60)
    back = flows.take(regrouped, np.array([1, 3, 4, 0, 2]), xp=NUMPY)
    for name, values in vars(together).items():
        assert np.array_equal(getattr(back, name), values), name


def test_namespaces_agree(backend: Backend) -> None:
    W = _starts(4, 3, 3)
    method = _flow(3, backend=backend)
    state = method.init(backend.asarray(W))
    plain = _flow(3).init(W)
    for _ in range(10):
        state, plain = method.step(state), _flow(3).step(plain)
    for name, values in vars(state).items():
        # Sums in another order: a few units in the last place, over ten steps.
        np.testing.assert_allclose(
            np.asarray(backend.to_numpy(values)), getattr(plain, name), rtol=1e-12, atol=1e-14
        )
    backend.check_kind(state.W, backend.asarray(W))


def test_a_member_that_is_not_finite_stays_alone() -> None:
    method = _flow(3)
    W = _starts(4, 3, 3)
    W[1] = np.nan
    state = method.init(W)
    alone = method.init(W[:1])
    with np.errstate(invalid="ignore"):
        for _ in range(20):
            state = method.step(state)
    for _ in range(20):
        alone = method.step(alone)
    assert np.isnan(on_host(state.W)[1]).all()
    assert float(state.time[1]) == 0.0
    assert np.array_equal(on_host(state.W)[0], on_host(alone.W)[0])
