"""Whether fixed points attract: against the equations followed in time, and within the span."""

from __future__ import annotations

import numpy as np
import pytest

from relu_landscape.engine.dynamics.ode import Integrator, Noise, State
from relu_landscape.engine.model import population
from relu_landscape.engine.model.teacher import make_teacher
from relu_landscape.engine.noise import places
from relu_landscape.engine.noise.attracting import growth
from relu_landscape.engine.noise.fixed_points import Rest, fixed_point
from relu_landscape.engine.noise.second_moment import SecondMoment
from relu_landscape.engine.noise.sigma import noise
from tests.service.engine.oracles import Real


def minimum(begun: Real) -> Real:
    """The critical point beside these weights, by Newton's method."""
    W, teacher = begun, make_teacher(begun.shape[1])
    for _ in range(8):
        H, _ = population.hessian(W, teacher)
        g = population.gradient(W, teacher).ravel()
        W = W - np.linalg.solve(H, g).reshape(W.shape)
    return W


def one_for_all(teachers: int) -> Real:
    """The minimum of one student, along the sum of all teachers."""
    return minimum(np.full((1, teachers), 0.5))


def three_for_one() -> Real:
    """K = 4, M = 6: one student stands for three teachers, the others for one each."""
    W = np.full((4, 6), -0.053)
    W[:, 3:] = 0.08
    W[3] = np.where(np.arange(6) < 3, -0.244, 0.786)
    W[[0, 1, 2], [0, 1, 2]] = 1.405
    return minimum(W)


def rested(W: Real, rate: float) -> Rest:
    found = fixed_point(W, make_teacher(W.shape[1]), rate)
    assert found is not None
    return found


def test_a_student_held_by_feedback_beyond_the_critical_rate() -> None:
    """One student and six teachers at 2.3 times the rate at which second moments would grow if the
    part in the span were held: the equations go to the fixed point, as fast as its growth says.
    5%: the next slowest, 0.16 faster, at time 10."""
    teacher, W = make_teacher(6), one_for_all(6)
    assert SecondMoment.at(W, teacher).critical_rate == pytest.approx(0.942107, abs=1e-6)
    found = rested(W, 2.2)
    integrator = Integrator(teacher, Noise(2.2), tolerance=1e-6)
    begun = State.of(np.hstack([W, np.ones((1, 1))]), teacher)
    recorded = integrator.run(begun, [10.0, 20.0], steps=10**4).recorded
    left = [abs(float(population.loss(place, teacher)) - found.loss) for place in recorded]
    assert growth(found, teacher) == pytest.approx(np.log(left[1] / left[0]) / 10.0, rel=0.05)


def slopes(S: Real, P: Real, rate: float) -> tuple[Real, Real]:
    """The equations, written down once more."""
    W, teacher = places.weights(S, P), make_teacher(S.shape[1])
    A = places.perpendicular_block(W, teacher)
    return (
        -population.gradient(W, teacher)[:, : S.shape[1]],
        rate * noise(W, teacher) - A @ P - P @ A,
    )


@pytest.mark.parametrize(("rate", "attracts"), [(0.383384, True), (0.575075, False)])
def test_a_direction_in_the_span_gives_way_before_second_moments_grow(
    rate: float, attracts: bool
) -> None:
    """At 0.6 and 0.9 of the critical rate: from 0.48 on the students for one teacher each drift
    apart, though the fixed point is there and its second moments are bounded. The growth is that of
    a whole matrix of central differences, and so is its sign."""
    teacher = make_teacher(6)
    found = rested(three_for_one(), rate)
    S, P = found.span, found.learning_rate * found.X
    i, j = np.triu_indices(4)
    columns = []
    for place in range(34):
        y = np.zeros(34)
        y[place] = 1e-5
        change = np.zeros((4, 4))
        change[i, j] = change[j, i] = y[24:]
        ends = [
            slopes(S + side * y[:24].reshape(4, 6), P + side * change, rate) for side in (1, -1)
        ]
        moved = [np.concatenate([one.ravel(), other[i, j]]) for one, other in ends]
        columns.append((moved[0] - moved[1]) / 2e-5)
    expected = float(np.linalg.eigvals(np.array(columns).T).real.max())
    assert growth(found, teacher) == pytest.approx(expected, abs=1e-5)
    assert (growth(found, teacher) < -1e-4, growth(found, teacher) > 1e-4) == (
        attracts,
        not attracts,
    )


def test_a_teacher_of_another_length_changes_nothing() -> None:
    """Rates have no unit of length; differences are taken in the teacher's."""
    W = one_for_all(2)
    longer = make_teacher(2, 9.0 * np.eye(2))
    plain = growth(rested(W, 1.75), make_teacher(2))
    found = fixed_point(3.0 * W, longer, 1.75)
    assert found is not None
    assert growth(found, longer) == pytest.approx(plain, abs=1e-7)
