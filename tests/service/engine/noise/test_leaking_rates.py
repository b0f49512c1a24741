"""Learning rates where units leak: second moments, fixed points and fluctuations, each against
sampling, integration or simulated SGD."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy.linalg import solve_continuous_lyapunov

from relu_landscape.engine.descent.batch import Descent
from relu_landscape.engine.dynamics.chain import Chain, Layout, Runs
from relu_landscape.engine.dynamics.ode import Integrator, Noise, State
from relu_landscape.engine.model import activation, population
from relu_landscape.engine.model.arrays import NUMPY
from relu_landscape.engine.model.teacher import Teacher, make_teacher
from relu_landscape.engine.noise import plane
from relu_landscape.engine.noise.attracting import growth
from relu_landscape.engine.noise.fixed_points import fixed_point
from relu_landscape.engine.noise.learning_rates import critical_learning_rate, loss_shift
from relu_landscape.engine.noise.places import weights
from relu_landscape.engine.noise.second_moment import SecondMoment
from relu_landscape.engine.noise.sigma import noise
from relu_landscape.engine.points.classify import classify
from relu_landscape.wire.landscape import LandscapeBody
from relu_landscape.wire.requests import LandscapeRequest
from tests.service.engine.landscape.solving import body, solve
from tests.service.engine.oracles import Real

LEAKS = [-0.9, -0.5, 0.1, 0.5, 0.9]
#: Beside the minimum of two students and three teachers, one student for two of them.
BESIDE = np.array([[0.9, 0.8, 0.05], [0.02, -0.03, 1.0]])


def minimum(leak: float) -> tuple[Real, Teacher]:
    """Where gradient flow from ``BESIDE`` ends, K = 2, M = 3: a minimum with a loss."""
    teacher = make_teacher(3, leak=leak)
    descent = Descent(teacher, 2, xp=NUMPY, flow_tolerance=1e-3)
    ((end,), _) = descent.run(descent.begin([0], np.hstack([BESIDE, np.zeros((2, 1))])[None]))
    point = classify(end.W, teacher)
    assert point.index(100) == 0
    assert point.loss > 1e-3
    return point.W, teacher


@pytest.mark.parametrize("leak", LEAKS)
def test_the_gain_is_an_average_over_inputs(leak: float) -> None:
    """E[p_i p_j (sum_a p_a z_a)^2] over 400,000 inputs, p = phi' over 1 - c."""
    rng = np.random.default_rng(3)
    teacher = make_teacher(4, leak=leak)
    W = np.eye(4) + 0.1 * rng.standard_normal((4, 4))
    root = rng.standard_normal((4, 4))
    X = root @ root.T
    found = SecondMoment.at(W, teacher)
    i, j = np.triu_indices(4)
    length = np.where(i == j, 1.0, np.sqrt(2.0))
    active = np.where(rng.standard_normal((400_000, 4)) @ W.T > 0.0, 1.0, leak) / (1.0 - leak)
    strength = np.einsum("na,ab,nb->n", active, X, active)
    products = active[:, i] * active[:, j] * strength[:, None]
    mean, error = products.mean(axis=0), products.std(axis=0) / math.sqrt(400_000)
    gained = found.gain @ (length * X[i, j]) / length
    assert np.all(np.abs(gained - mean) < 5.0 * error)
    A = population.hessian(W, teacher)[1]
    assert found.decay @ (length * X[i, j]) / length == pytest.approx(
        (A @ X + X @ A)[i, j], rel=1e-9, abs=1e-9
    )


@pytest.mark.parametrize("leak", LEAKS)
def test_small_rates_are_the_lyapunov_equation(leak: float) -> None:
    W, teacher = minimum(leak)
    found = SecondMoment.at(W, teacher, label_noise=0.5, batch_size=3)
    A = population.hessian(W, teacher)[1]
    X = solve_continuous_lyapunov(A, noise(W, teacher, label_noise=0.5, batch_size=3))
    slope = loss_shift(W, teacher, label_noise=0.5, batch_size=3)
    assert slope == pytest.approx(np.trace(A @ X) / 2.0, rel=1e-9)
    assert found.rise(1e-9) / 1e-9 == pytest.approx(slope, rel=1e-6)


@pytest.mark.parametrize("leak", LEAKS)
@pytest.mark.parametrize("width", [1, 2, 3, 4, 6])
def test_the_sector_of_permutations_decides_at_the_global_minimum(width: int, leak: float) -> None:
    """Against the whole pencil, in which nothing is assumed to be symmetric."""
    found = SecondMoment.at(np.eye(width), make_teacher(width, leak=leak))
    rate = found.critical_rate / activation.height(leak)
    assert critical_learning_rate(width, leak) == pytest.approx(rate, rel=1e-9)


def test_the_critical_rate_without_a_leak_is_the_limit() -> None:
    for width in (1, 2, 8):
        near = critical_learning_rate(width, 1e-9)
        assert near == pytest.approx(critical_learning_rate(width), rel=1e-7)


@pytest.mark.parametrize("leak", [-0.5, 0.5])
def test_the_global_minimum_loses_its_stability_there(leak: float) -> None:
    """K = M = 2, 64 runs of SGD in d = 400 so near zero loss that all is linear: the mean loss
    falls at three quarters of the rate, and grows at four thirds of it."""
    teacher = make_teacher(2, leak=leak)
    critical = SecondMoment.at(np.eye(2), teacher).critical_rate
    changes = []
    for rate in (0.75 * critical, critical / 0.75):
        layout, runs = Layout.of(2, 2, 400, 1), 64
        first = np.zeros((runs, 2, layout.coordinates))
        first[:, :, :2] = np.eye(2)
        first[:, :, 2:] = 1e-6 * np.eye(2)
        first[:, 0, 3] = 0.5e-6
        steps = [round(time * 400 / rate) for time in (10.0, 30.0)]
        _, found = Chain(teacher, layout, Noise(rate), seed=6).run(
            Runs.begin(tuple(range(runs)), first, teacher),
            first_stretch=0, stretches=-(-steps[-1] // layout.stretch), steps=steps,
        )  # fmt: skip
        losses = np.asarray(population.loss(found, teacher)).mean(axis=0)
        changes.append(float(losses[1] / losses[0]))
    assert changes[0] < 0.5
    assert changes[1] > 2.0


@pytest.mark.parametrize("leak", LEAKS)
def test_the_equations_come_to_rest_there(leak: float) -> None:
    """From beside the minimum; and their growth there is how fast they do, or below zero."""
    W, teacher = minimum(leak)
    rate = 0.3 * SecondMoment.at(W, teacher).critical_rate
    found = fixed_point(W, teacher, rate)
    assert found is not None
    assert growth(found, teacher) < 0.0
    beside = weights(W, rate * found.X + 0.01 * np.eye(2))
    end = (
        Integrator(teacher, Noise(rate), tolerance=1e-4)
        .run(State.of(beside, teacher), [80.0], steps=10**5)
        .recorded[-1]
    )
    assert float(population.loss(end, teacher)) == pytest.approx(found.loss, rel=1e-3)
    assert end[:, :3] == pytest.approx(found.span, abs=2e-3)


@pytest.mark.parametrize("leak", [-0.5, 0.5])
def test_simulated_sgd_strays_as_far(leak: float) -> None:
    """As without a leak: K = 2, M = 3, 256 runs from the minimum after a time of 5, direction n
    with ``D_nn (1 - exp(-2 h_n t)) / (2 h_n)``. Six directions: known to 0.036, of which four."""
    W, teacher = minimum(leak)
    gamma, dimension, time, runs = 0.02, 40, 5.0, 256
    layout = Layout.of(2, 3, dimension, 1)
    first = np.zeros((runs, 2, layout.coordinates))
    first[..., :3] = W
    steps = round(time * dimension / gamma)
    _, found = Chain(teacher, layout, Noise(gamma), seed=6).run(
        Runs.begin(tuple(range(runs)), first, teacher),
        first_stretch=0, stretches=-(-steps // layout.stretch), steps=[steps],
    )  # fmt: skip
    curvatures, directions = np.linalg.eigh(population.hessian(W, teacher)[0])
    D = np.empty((2, 3, 2, 3))
    for a, b in plane.pairs(3):
        D[:, a, :, b] = D[:, b, :, a] = plane.noise_block(W, teacher, a, b)
    traced = sum(plane.noise_block(W, teacher, a, a) for a in range(3))
    assert traced == pytest.approx(5.0 * noise(W, teacher), rel=1e-6, abs=1e-9)
    along = np.diagonal(directions.T @ D.reshape(6, 6) @ directions)
    grown = (1.0 - np.exp(-2.0 * curvatures * time)) / (2.0 * curvatures)
    off = (found[:, 0, :, :3] - W).reshape(runs, 6) @ directions
    ratio = np.mean(off**2, axis=0) / (gamma / dimension * along * grown)
    assert float(ratio.mean()) == pytest.approx(1.0, abs=0.15)


def rated(leak: float, rates: list[float], **fields: object) -> LandscapeBody:
    asked = LandscapeRequest.model_validate({
        "student_width": 2, "teacher_width": 3, "starts": 20, "leak": leak,
        "learning_rates": rates, "input_dimension": 100, **fields,
    })  # fmt: skip
    return body(solve(asked))


@pytest.mark.parametrize("leak", [-0.5, 0.5])
def test_a_landscape_s_rates_are_those_of_plain_sgd(leak: float) -> None:
    """Units of the request: SGD on vectors of length d = 100 from the minimum, with ``max(x, c x)``
    itself, has the loss of the fixed point, up to its error and terms of order 1/d."""
    (point,) = [each for each in rated(leak, [0.1]).fixed_points if each.kind == "minimum"]
    told = point.learning_rates
    assert told is not None
    assert told.reasons == []
    (at,) = told.at
    assert at.stable
    assert at.fixed_point is not None
    assert at.second_order is not None
    assert at.eigenvalue is not None
    assert at.eigenvalue < 0.0
    assert told.critical_rate is not None
    assert told.critical_rate > 0.1
    assert point.loss < at.first_order < at.second_order
    assert at.deviation is not None
    R, (runs, d, gamma) = np.array(point.overlaps.R), (40, 100, 0.1)
    rng = np.random.default_rng(1)
    W = np.zeros((runs, 2, d))
    W[:, :, :3] = R
    teacher, losses = make_teacher(3, leak=leak), []
    for step in range(25 * 1000):
        x = rng.standard_normal((runs, d))
        fields = np.einsum("rkd,rd->rk", W, x)
        seen = x[:, :3]
        e = np.where(fields > 0.0, fields, leak * fields).sum(axis=1)
        e -= np.where(seen > 0.0, seen, leak * seen).sum(axis=1)
        W -= gamma / d * ((e[:, None] * np.where(fields > 0.0, 1.0, leak))[..., None] * x[:, None])
        if step >= 10 * 1000 and step % 500 == 0:
            losses.append(activation.height(leak) * np.asarray(population.loss(W, teacher)))
    mean = np.mean(losses, axis=0)
    error = float(mean.std()) / math.sqrt(runs)
    rise, found = at.fixed_point - point.loss, float(mean.mean()) - point.loss
    inside = gamma / d * (told.plane.loss if told.plane else math.nan)
    assert abs(found - rise - inside) < 4.5 * error + 0.05 * rise


def test_lengths_of_the_teacher_change_no_rate() -> None:
    """A teacher three times as long with a leak: losses times nine, all rates as they were."""
    one = rated(-0.5, [0.1])
    other = rated(-0.5, [0.1], teacher_gram=(9.0 * np.eye(3)).tolist(), init_scale=3.0)
    for first, second in zip(one.fixed_points, other.fixed_points, strict=True):
        if first.learning_rates is None:
            continue
        assert second.learning_rates is not None
        mine, theirs = first.learning_rates, second.learning_rates
        assert theirs.critical_rate == pytest.approx(mine.critical_rate, rel=1e-9)
        assert theirs.slope == pytest.approx(9.0 * mine.slope, rel=1e-9)
        assert theirs.at[0].eigenvalue == pytest.approx(mine.at[0].eigenvalue, rel=1e-9)
        assert theirs.at[0].fixed_point == pytest.approx(9.0 * (mine.at[0].fixed_point or 0.0))
