"""The differential equations against an independent integrator, and their limits."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy.integrate import solve_ivp

from relu_landscape.engine.descent import starts
from relu_landscape.engine.dynamics.ode import Integrator, Noise, State, Stop
from relu_landscape.engine.lanes.native import Kernel
from relu_landscape.engine.model import population
from relu_landscape.engine.model.teacher import Teacher, make_teacher
from relu_landscape.engine.noise import places
from relu_landscape.engine.noise.learning_rates import critical_learning_rate, loss_shift
from relu_landscape.engine.noise.sigma import noise
from relu_landscape.errors import InputError
from tests.service.engine.noise.test_learning_rates import spurious
from tests.service.engine.oracles import Real


def start(students: int, teacher: Teacher, seed: int = 0) -> Real:
    drawn = starts.draw([0], seed=seed, students=students, teacher=teacher, dimension=500)
    return np.asarray(drawn[0])


def followed(
    W: Real,
    teacher: Teacher,
    noise_: Noise,
    times: list[float],
    tolerance: float,
    kernel: Kernel | None = None,
) -> Real:
    found = Integrator(teacher, noise_, tolerance=tolerance, kernel=kernel).run(
        State.of(W, teacher), times, steps=10**6
    )
    assert found.stop is None
    return found.recorded


def by_runge_kutta(W: Real, teacher: Teacher, noise_: Noise, times: list[float]) -> Real:
    """(Q, R) at the times, from the equations of Saad and Solla as they are printed."""
    K, M = len(W), teacher.width

    def slope(_: float, y: Real) -> Real:
        Q, R = y[: K * K].reshape(K, K), y[K * K :].reshape(K, M)
        w = places.of_overlaps(Q, R, teacher)
        gradient = np.asarray(population.gradient(w, teacher))
        V = np.hstack([teacher.V, np.zeros((M, K))])
        dR = np.asarray(-gradient @ V.T)
        dQ = np.asarray(-gradient @ w.T - w @ gradient.T)
        if noise_.learning_rate:
            Sigma = noise(w, teacher, label_noise=noise_.label_noise, batch_size=noise_.batch_size)
            dQ = dQ + noise_.learning_rate * Sigma
        return np.asarray(np.r_[dQ.ravel(), dR.ravel()])

    first = np.r_[(W @ W.T).ravel(), (W[:, :M] @ teacher.V.T).ravel()]
    found = solve_ivp(
        slope, (0.0, times[-1]), first, t_eval=times, rtol=1e-8, atol=1e-10, method="RK45"
    )
    return np.asarray(found.y.T)


@pytest.mark.parametrize(
    ("students", "teachers", "noise_"),
    [
        (2, 2, Noise(0.0)),
        (2, 2, Noise(0.5)),
        (3, 2, Noise(0.3, 0.4, 2)),
        (2, 3, Noise(0.2)),
    ],
)
def test_overlaps_follow_the_equations(students: int, teachers: int, noise_: Noise) -> None:
    T = np.eye(teachers) + 0.3 * (1 - np.eye(teachers))
    teacher = make_teacher(teachers, T)
    W = start(students, teacher)
    times = [0.5, 2.0, 8.0]
    expected = by_runge_kutta(W, teacher, noise_, times)
    errors = []
    for tolerance in (1e-4, 1e-5):
        found = followed(W, teacher, noise_, times, tolerance)
        y = np.array(
            [np.r_[(w @ w.T).ravel(), (w[:, :teachers] @ teacher.V.T).ravel()] for w in found]
        )
        errors.append(float(np.abs(y - expected).max()))
    # Local errors of 1e-4 add up over some forty steps, damped; and the error is proportional to
    # the tolerance: ten times smaller with ten times less of it, give or take.
    assert errors[0] < 5e-4
    assert errors[1] < errors[0] / 5.0


def test_the_flow_falls_and_stays_in_its_space() -> None:
    """Without a learning rate the loss falls, and nothing appears outside a span once in it."""
    teacher = make_teacher(3)
    W = np.random.default_rng(0).standard_normal((3, 3))
    found = followed(W, teacher, Noise(0.0), [float(t) for t in range(30)], 1e-3)
    losses = np.asarray(population.loss(found, teacher))
    assert np.all(np.diff(losses) < 0.0)
    assert np.abs(found[..., 3:]).max() == 0.0


def test_times_do_not_move_the_trajectory() -> None:
    """What is recorded in between changes steps, and the end only by the tolerance."""
    teacher = make_teacher(3)
    W = start(3, teacher)
    few = followed(W, teacher, Noise(0.3), [10.0], 1e-4)
    many = followed(W, teacher, Noise(0.3), [float(t) / 4 for t in range(41)], 1e-4)
    assert many[-1] @ many[-1].T == pytest.approx(few[-1] @ few[-1].T, abs=5e-4)


def test_pieces_make_the_whole() -> None:
    """A trajectory that is handed on after a few steps takes the same steps, bit by bit."""
    teacher = make_teacher(2)
    times = [0.0, 1.0, 3.0, 7.0]
    integrator = Integrator(teacher, Noise(0.4), tolerance=1e-3)
    whole = integrator.run(State.of(start(2, teacher), teacher), times, steps=10**6)
    state = State.of(start(2, teacher), teacher)
    recorded: list[Real] = []
    while len(recorded) < len(times):
        piece = integrator.run(state, times[len(recorded) :], steps=7)
        recorded += list(piece.recorded)
        state = piece.state
    assert np.array_equal(np.array(recorded), whole.recorded)


def test_a_minimum_shifts_as_first_order_says() -> None:
    """K = M = 8: the whole equations end where theory puts them, up to the next order (6%)."""
    teacher, W = make_teacher(8), spurious(8)
    gamma = 0.02
    found = followed(W, teacher, Noise(gamma), [60.0], 1e-3)
    rise = float(population.loss(found[0], teacher)) - float(population.loss(W, teacher))
    assert rise / gamma == pytest.approx(loss_shift(W, teacher), rel=0.08)
    assert rise / gamma > loss_shift(W, teacher)


@pytest.mark.parametrize("width", [2, 4])
def test_the_global_minimum_is_left_above_its_critical_learning_rate(width: int) -> None:
    teacher = make_teacher(width)
    beside = np.hstack([np.eye(width), 1e-2 * np.eye(width)])
    first = float(population.loss(beside, teacher))
    for factor, is_stable in ((0.9, True), (1.1, False)):
        rates = Noise(factor * critical_learning_rate(width))
        last = followed(beside, teacher, rates, [30.0], 1e-3)[-1]
        assert (float(population.loss(last, teacher)) < first) == is_stable


def test_what_runs_away_is_said() -> None:
    teacher = make_teacher(2)
    found = Integrator(teacher, Noise(8.0), tolerance=1e-2).run(
        State.of(start(2, teacher), teacher), [1.0, 1000.0], steps=10**5
    )
    assert found.stop is Stop.RAN_AWAY
    assert np.all(np.isfinite(found.state.W))
    assert found.state.time < 1000.0


def test_a_student_that_vanishes_is_said() -> None:
    """One student opposite to its only teacher loses its length, down to zero."""
    teacher = make_teacher(1)
    found = Integrator(teacher, Noise(0.0), tolerance=1e-3).run(
        State.of(np.array([[-1.0]]), teacher), [100.0], steps=10**5
    )
    assert found.stop is Stop.VANISHED
    assert float(np.linalg.norm(found.state.W)) < 1e-5


def test_overlaps_make_weights() -> None:
    rng = np.random.default_rng(1)
    teacher = make_teacher(2, [[2.0, 0.5], [0.5, 1.0]])
    W = rng.standard_normal((3, 6))
    Q, R = W @ W.T, W[:, :2] @ teacher.V.T
    found = places.of_overlaps(Q, R, teacher)
    assert found @ found.T == pytest.approx(Q, abs=1e-12)
    assert found[:, :2] @ teacher.V.T == pytest.approx(R, abs=1e-12)
    with pytest.raises(InputError, match="No weights have these overlaps"):
        places.of_overlaps(0.1 * Q, R, teacher)
    with pytest.raises(InputError, match="not symmetric"):
        places.of_overlaps(Q + np.triu(np.ones((3, 3)), 1), R, teacher)


def test_perpendicular_block_is_the_gradient_outside() -> None:
    rng = np.random.default_rng(2)
    teacher = make_teacher(3, np.eye(3) + 0.2 * (1 - np.eye(3)))
    W = rng.standard_normal((4, 7))
    found = places.perpendicular_block(W, teacher) @ W[:, 3:]
    assert found == pytest.approx(np.asarray(population.gradient(W, teacher))[:, 3:], abs=1e-14)
    inside = W[:, :3]
    assert places.perpendicular_block(inside, teacher) == pytest.approx(
        population.hessian(inside, teacher)[1], abs=1e-14
    )


def test_measures() -> None:
    teacher = make_teacher(2, [[4.0, 0.0], [0.0, 1.0]])
    W = np.array([[[3.0, 0.5, 0.0], [0.1, -2.0, 1.0]]])
    found = places.measure(W, teacher)
    assert found.norms[0] == pytest.approx([math.sqrt(9.25), math.sqrt(5.01)])
    assert found.R[0] == pytest.approx(np.array([[6.0, 0.5], [0.2, -2.0]]))
    assert found.matched[0].tolist() == [0, 1]
    assert found.loss[0] == pytest.approx(float(population.loss(W[0], teacher)))
