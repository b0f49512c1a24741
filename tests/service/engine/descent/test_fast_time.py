"""The flow in lengths and directions, against the formulas in weights and SciPy's own pair."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.integrate import RK45, solve_ivp

from relu_landscape.engine.descent import fast_time
from relu_landscape.engine.descent.fast_time import Polar, Rates
from relu_landscape.engine.model.arrays import NUMPY
from relu_landscape.engine.model.loss import Loss
from relu_landscape.engine.model.teacher import make_teacher
from tests.service.engine.certificates import points
from tests.service.engine.oracles import Real

K, M, P = 3, 2, 4
LOSS = Loss.of(make_teacher(M), NUMPY)


def _networks(count: int = 3, seed: int = 0) -> Real:
    """Students of lengths from 1e-3 to 30."""
    rng = np.random.default_rng(seed)
    W = rng.standard_normal((count, K, P))
    W /= np.linalg.norm(W, axis=-1, keepdims=True)
    return np.asarray(W * 10.0 ** rng.uniform(-3.0, 1.5, (count, K, 1)))


def _flat(here: Polar) -> Real:
    """One network as one vector: lengths, then directions, then the time."""
    return np.concatenate([here.log_length[0], here.U[0].ravel(), [0.0]])


def _here(flat: Real, dead: tuple[int, ...] = ()) -> Polar:
    who = np.isin(np.arange(K), dead)[None]
    return Polar(flat[None, :K], flat[None, K:-1].reshape(1, K, P), who)


def _by_the_formula(_: float, flat: Real) -> Real:
    """d(log rho, u, t)/ds from the textbook gradient in weights."""
    rho = np.exp(flat[:K])
    size = np.linalg.norm(flat[K:-1].reshape(K, P), axis=1, keepdims=True)
    u = flat[K:-1].reshape(K, P) / size
    force = -points.gradient(rho[:, None] * u, M)
    tau = 1.0 / np.sum(1.0 / rho)
    radial = np.sum(force * u, axis=1)
    across = (force - radial[:, None] * u) / rho[:, None]
    return np.asarray(tau * np.concatenate([radial / rho, across.ravel(), [1.0]]))


def _of(found: Rates, row: int = 0) -> Real:
    return np.concatenate([found.log_length[row], found.U[row].ravel(), [found.time[row]]])


def test_weights_and_back() -> None:
    W = _networks()
    here = Polar.of(W)
    np.testing.assert_allclose(here.W, W, rtol=1e-14)
    np.testing.assert_allclose(np.linalg.norm(here.U, axis=-1), 1.0, rtol=1e-15)
    assert not here.dead.any()
    gone = W.copy()
    gone[1, 2] *= fast_time.ZERO / np.linalg.norm(gone[1, 2])
    here = Polar.of(gone)
    assert np.argwhere(here.dead).tolist() == [[1, 2]]
    assert here.lengths[1, 2] == fast_time.ZERO
    np.testing.assert_allclose(here.W, gone, rtol=1e-12)
    # A student that is merely very short lives: squares of its length are numbers still.
    short = W.copy()
    short[0, 0] *= 1e-30
    assert not Polar.of(short).dead.any()


def test_rates_are_those_of_the_flow_in_weights() -> None:
    W = _networks()
    found = fast_time.rates(Polar.of(W), LOSS)
    for row in range(len(W)):
        wanted = _by_the_formula(0.0, _flat(Polar.of(W[row : row + 1])))
        np.testing.assert_allclose(_of(found, row), wanted, rtol=1e-11, atol=1e-13)
        # Of order one, however short the shortest is.
        assert np.abs(wanted).max() < 1e3


def test_rates_look_at_directions_only() -> None:
    """Within a step U is not of length one; what counts is where it points."""
    here = Polar.of(_networks())
    stretched = Polar(here.log_length, 1.01 * here.U, here.dead)
    for one, other in zip(
        vars(fast_time.rates(here, LOSS)).values(),
        vars(fast_time.rates(stretched, LOSS)).values(),
        strict=True,
    ):
        np.testing.assert_allclose(one, other, rtol=1e-10, atol=1e-12)


def test_the_dead_neither_move_nor_count() -> None:
    """The others move as without them, in a time of their own lengths."""
    W = _networks(1)
    W[0, 1] *= fast_time.ZERO / np.linalg.norm(W[0, 1])
    here = Polar.of(W)
    found = fast_time.rates(here, LOSS)
    alone = fast_time.rates(Polar.of(W[:, [0, 2]]), LOSS)
    assert not found.log_length[0, 1]
    assert not found.U[0, 1].any()
    np.testing.assert_allclose(found.log_length[0, [0, 2]], alone.log_length[0], rtol=1e-12)
    np.testing.assert_allclose(found.U[0, [0, 2]], alone.U[0], rtol=1e-12, atol=1e-14)
    assert found.time[0] == pytest.approx(alone.time[0], rel=1e-14)
    end, _, _ = fast_time.step(here, found, np.array([0.1]), LOSS)
    assert end.dead[0].tolist() == [False, True, False]
    np.testing.assert_allclose(end.W[0, 1], W[0, 1], rtol=1e-12)
    # Where all are dead nothing moves, and time passes evenly.
    gone = Polar(here.log_length, here.U, np.ones((1, K), dtype=bool))
    still = fast_time.rates(gone, LOSS)
    assert not still.log_length.any()
    assert not still.U.any()
    assert still.time.tolist() == [1.0]


@pytest.mark.parametrize("h", [0.3, 0.05])
def test_a_step_is_that_of_scipys_pair(h: float) -> None:
    """SciPy has the coefficients of Dormand and Prince too: end, time and error agree."""
    W = _networks()
    here = Polar.of(W)
    sizes = h * np.array([1.0, 0.5, 2.0])
    end, passed, error = fast_time.step(here, fast_time.rates(here, LOSS), sizes, LOSS)
    for row, size in enumerate(sizes):
        y = _flat(Polar.of(W[row : row + 1]))
        stages = np.zeros((7, len(y)))
        for stage, weights in enumerate([*RK45.A, RK45.B]):
            used = weights[:stage]
            stages[stage] = _by_the_formula(0.0, y + size * (used @ stages[: len(used)]))
        y_new = y + size * (RK45.B @ stages[:6])
        stages[6] = _by_the_formula(0.0, y_new)
        U = y_new[K:-1].reshape(K, P)
        U_new = U / np.linalg.norm(U, axis=1, keepdims=True)
        np.testing.assert_allclose(end.log_length[row], y_new[:K], rtol=1e-12, atol=1e-12)
        np.testing.assert_allclose(end.U[row], U_new, rtol=1e-11, atol=1e-13)
        assert passed[row] == pytest.approx(y_new[-1], rel=1e-12)
        off = size * (RK45.E @ stages)
        angles = np.linalg.norm(off[K:-1].reshape(K, P), axis=1)
        wanted = max(np.abs(off[:K]).max(), angles.max()) / fast_time.TOLERANCE
        assert error[row] == pytest.approx(wanted, rel=1e-6)


def test_what_is_accepted_is_as_near_as_it_says() -> None:
    """Steps are chosen as ``passage`` chooses them; after a death's worth of way the path is where
    SciPy's order 8 is, to the error of a step for each step."""
    here = Polar.of(_networks(1, seed=3))
    y = _flat(here)
    h, s, steps, rates = 0.1, 0.0, 0, fast_time.rates(here, LOSS)
    while s < 6.0:
        h = min(h, 6.0 - s)
        to, _, error = fast_time.step(here, rates, np.array([h]), LOSS)
        if error[0] <= 1.0:
            here, rates, s, steps = to, fast_time.rates(to, LOSS), s + h, steps + 1
        h *= min(5.0, max(0.2, 0.9 * (error[0] + 1e-12) ** -0.2))
    wanted = solve_ivp(_by_the_formula, (0.0, 6.0), y, "DOP853", rtol=1e-12, atol=1e-13).y[:, -1]
    assert steps > 5
    bound = steps * fast_time.TOLERANCE
    np.testing.assert_allclose(here.log_length[0], wanted[:K], atol=bound)
    np.testing.assert_allclose(here.U[0], wanted[K:-1].reshape(K, P), atol=bound)


def test_a_step_that_leaves_the_range_of_numbers_is_not_accepted() -> None:
    """Nobody is warned: it is tried again, shorter."""
    here = Polar.of(_networks())
    *_, error = fast_time.step(here, fast_time.rates(here, LOSS), np.array([1e6, 0.01, 1e6]), LOSS)
    assert (error <= 1.0).tolist() == [False, True, False]


def test_of_two_batches_each_takes_its_own() -> None:
    one, other = Polar.of(_networks(3, 1)), Polar.of(_networks(3, 2))
    which = np.array([True, False, True])
    found = Polar.chosen(which, one, other)
    for row, wanted in enumerate((one, other, one)):
        assert np.array_equal(found.W[row], wanted.W[row])
    first, second = fast_time.rates(one, LOSS), fast_time.rates(other, LOSS)
    mixed = Rates.chosen(which, first, second)
    for row, rates in enumerate((first, second, first)):
        assert np.array_equal(_of(mixed, row), _of(rates, row))
    part = mixed[~which]
    assert np.array_equal(_of(part), _of(second, 1))
