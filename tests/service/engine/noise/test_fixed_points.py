"""Where the equations of SGD rest: against their integration, residuals by hand, and symmetry."""

from __future__ import annotations

import numpy as np
import pytest

from relu_landscape.engine.dynamics.ode import Integrator, Noise, State
from relu_landscape.engine.model import population
from relu_landscape.engine.model.teacher import make_teacher
from relu_landscape.engine.noise.fixed_points import Rest, fixed_point
from relu_landscape.engine.noise.places import perpendicular_block
from relu_landscape.engine.noise.second_moment import SecondMoment
from relu_landscape.engine.noise.sigma import noise
from tests.service.engine.known import WELL_SPECIFIED, locate
from tests.service.engine.oracles import Real


def spurious(width: int) -> Real:
    point = next(
        each for each in WELL_SPECIFIED if each["width"] == width and each["anti_aligned"] == 1
    )
    return locate(point)


def rested(width: int, rate: float) -> Rest:
    found = fixed_point(spurious(width), make_teacher(width), rate)
    assert found is not None
    return found


def left(found: Rest, width: int) -> float:
    """The largest time derivative of both equations, written down once more."""
    teacher, W = make_teacher(width), found.W
    slope = population.gradient(W, teacher)[:, :width]
    A = perpendicular_block(W, teacher)
    P = found.learning_rate * found.X
    moments = A @ P + P @ A - found.learning_rate * noise(W, teacher)
    return float(max(np.abs(slope).max(), np.abs(moments).max()))


@pytest.mark.parametrize(("width", "rate"), [(7, 0.3), (8, 0.05), (8, 0.3), (8, 0.405)])
def test_nothing_moves_there(width: int, rate: float) -> None:
    """Also next to the critical rate, 0.4106 at K = M = 8, where the second moments are 15 times
    those of small rates. 1e-7: ``TOLERANCE`` and what the preconditioner makes of it."""
    assert left(rested(width, rate), width) < 1e-7


@pytest.mark.parametrize("rate", [0.1, 0.2])
def test_the_equations_come_to_rest_there(rate: float) -> None:
    """From the minimum with some second moments; by time 60 nothing slower than exp(-60/4) is left,
    and the integrator's own error at this tolerance is 1e-5 of the loss."""
    teacher, W = make_teacher(8), spurious(8)
    beside = np.hstack([W, 0.1 * np.eye(8)])
    integrator = Integrator(teacher, Noise(rate), tolerance=1e-4)
    end = integrator.run(State.of(beside, teacher), [60.0], steps=10**4).recorded[-1]
    found = rested(8, rate)
    assert float(population.loss(end, teacher)) == pytest.approx(found.loss, rel=1e-4)
    np.testing.assert_allclose(end[:, :8], found.span, atol=1e-4)


def test_losses_at_the_published_minimum() -> None:
    """(L - L0)/gamma of the equations at K = M = 8: 0.04614, 0.05278, 0.07421 by integration
    (docs/mathematics/dynamics.md)."""
    lowest = float(population.loss(spurious(8), make_teacher(8)))
    risen = [(rested(8, rate).loss - lowest) / rate for rate in (0.05, 0.1, 0.2)]
    assert risen == pytest.approx([0.04614, 0.05278, 0.07421], abs=5e-6)


def test_small_rates_are_the_equation_of_second_moments() -> None:
    """They differ by what is of second order in gamma: a tenth of gamma, a tenth of the rest."""
    teacher, W = make_teacher(8), spurious(8)
    moments = SecondMoment.at(W, teacher)
    lowest = float(population.loss(W, teacher))
    off = [rested(8, rate).loss - lowest - moments.rise(rate) for rate in (1e-2, 1e-3)]
    assert abs(off[1]) < abs(off[0]) / 50.0
    assert abs(off[0]) < 1e-2 * moments.rise(1e-2)


def test_labels_do_not_matter() -> None:
    teacher, W = make_teacher(7), spurious(7)
    rng = np.random.default_rng(1)
    students, teachers = rng.permutation(7), rng.permutation(7)
    moved = fixed_point(W[students][:, teachers], teacher, 0.3)
    found = rested(7, 0.3)
    assert moved is not None
    assert moved.loss == pytest.approx(found.loss, abs=1e-9)
    np.testing.assert_allclose(moved.X, found.X[np.ix_(students, students)], atol=1e-6)


def test_beyond_the_critical_rate_there_is_none() -> None:
    assert fixed_point(spurious(8), make_teacher(8), 0.45) is None
    assert fixed_point(np.eye(3), make_teacher(3), 2.0) is None


def test_at_zero_loss_nothing_moves() -> None:
    found = fixed_point(np.eye(4), make_teacher(4), 0.5)
    assert found is not None
    assert found.loss == pytest.approx(0.0, abs=1e-15)
    assert not found.X.any()
