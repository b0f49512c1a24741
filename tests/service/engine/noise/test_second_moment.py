"""What students have outside the teacher's span, near a minimum: rates, rises, refusals."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.linalg import solve_continuous_lyapunov

from relu_landscape.engine.dynamics.answers import learning_rates_answer
from relu_landscape.engine.families.asking import learning_rates_cost
from relu_landscape.engine.families.family import family
from relu_landscape.engine.families.points import Point, embed
from relu_landscape.engine.landscape.problem import Problem
from relu_landscape.engine.landscape.rated import Rate
from relu_landscape.engine.model import population
from relu_landscape.engine.model.arrays import backend_named
from relu_landscape.engine.model.teacher import make_teacher
from relu_landscape.engine.noise.learning_rates import critical_learning_rate, loss_shift
from relu_landscape.engine.noise.second_moment import SecondMoment
from relu_landscape.engine.noise.sigma import noise
from relu_landscape.errors import InputError
from relu_landscape.wire.learning_rates import LearningRatesQuery
from relu_landscape.wire.requests import LandscapeRequest
from tests.service.engine.known import WELL_SPECIFIED, locate
from tests.service.engine.oracles import Real, gram_matrix


def spurious(width: int) -> Real:
    point = next(
        each for each in WELL_SPECIFIED if each["width"] == width and each["anti_aligned"] == 1
    )
    return locate(point)


@pytest.mark.parametrize("width", [1, 2, 3, 4, 6, 8, 12])
def test_the_global_minimum_has_the_closed_form(width: int) -> None:
    """In every sector at once: here nothing is assumed to be symmetric."""
    found = SecondMoment.at(np.eye(width), make_teacher(width))
    assert found.critical_rate == pytest.approx(critical_learning_rate(width), rel=1e-12)


@pytest.mark.parametrize(
    ("rate", "rise"), [(0.025, 0.0436), (0.05, 0.0467), (0.1, 0.0542), (0.2, 0.0798), (0.3, 0.1519)]
)
def test_rises_at_the_published_minimum(rate: float, rise: float) -> None:
    """(L - L0)/gamma at K = M = 8, one anti-aligned student, to the four digits of the table in
    docs/mathematics/dynamics.md, where simulated SGD stands beside it."""
    found = SecondMoment.at(spurious(8), make_teacher(8))
    assert found.rise(rate) / rate == pytest.approx(rise, abs=5e-5)
    assert found.critical_rate == pytest.approx(0.4106, abs=5e-5)


def simulated_second_moment(W: Real, X: Real, count: int = 400_000) -> tuple[Real, Real]:
    """sum_ab P(i, j, a, b active) X_ab as an average over inputs, and its standard error."""
    rng = np.random.default_rng(11)
    active = (rng.standard_normal((count, W.shape[1])) @ W.T > 0.0).astype(float)
    strength = np.einsum("na,ab,nb->n", active, X, active)
    products = active[:, :, None] * active[:, None, :] * strength[:, None, None]
    return products.mean(axis=0), products.std(axis=0) / np.sqrt(count)


def test_the_gain_is_an_average_over_inputs() -> None:
    rng = np.random.default_rng(3)
    teacher = make_teacher(4, gram_matrix(4, rng))
    W = np.asarray(teacher.V) + 0.2 * rng.standard_normal((4, 4))
    root = rng.standard_normal((4, 4))
    X = root @ root.T
    found = SecondMoment.at(W, teacher)
    i, j = np.triu_indices(4)
    length = np.where(i == j, 1.0, np.sqrt(2.0))
    mean, error = simulated_second_moment(W, X)
    gained = found.gain @ (length * X[i, j]) / length
    assert np.all(np.abs(gained - mean[i, j]) < 5.0 * error[i, j])
    A = population.hessian(W, teacher)[1]
    decayed = found.decay @ (length * X[i, j]) / length
    np.testing.assert_allclose(decayed, (A @ X + X @ A)[i, j], atol=1e-12)


def test_small_rates_are_the_lyapunov_equation() -> None:
    teacher, W = make_teacher(8), spurious(8)
    found = SecondMoment.at(W, teacher, label_noise=0.5, batch_size=3)
    A = population.hessian(W, teacher)[1]
    X = solve_continuous_lyapunov(A, noise(W, teacher, label_noise=0.5, batch_size=3))
    assert found.rise(1e-9) / 1e-9 == pytest.approx(np.trace(A @ X) / 2.0, rel=1e-7)
    slope = loss_shift(W, teacher, label_noise=0.5, batch_size=3)
    assert found.rise(1e-9) / 1e-9 == pytest.approx(slope, rel=1e-7)


def test_batches_allow_as_much_more() -> None:
    teacher, W = make_teacher(8), spurious(8)
    one, many = (SecondMoment.at(W, teacher, batch_size=b) for b in (1, 10))
    assert many.critical_rate == pytest.approx(10.0 * one.critical_rate, rel=1e-12)
    assert many.rise(1.0) == pytest.approx(one.rise(0.1), rel=1e-12)


def test_order_and_signs_of_labels_do_not_matter() -> None:
    teacher, W = make_teacher(8), spurious(8)
    rng = np.random.default_rng(0)
    moved = W[rng.permutation(8)][:, rng.permutation(8)]
    rates = [SecondMoment.at(each, teacher).critical_rate for each in (W, moved)]
    assert rates[0] == pytest.approx(rates[1], rel=1e-9)


def test_beyond_the_critical_rate_there_is_no_loss() -> None:
    found = SecondMoment.at(np.eye(3), make_teacher(3))
    for rate in (found.critical_rate, 2.0, -0.1):
        with pytest.raises(InputError, match="not stable"):
            found.rise(rate)


def test_where_nothing_decays_it_is_refused() -> None:
    """Two students that share a teacher can leave the span against each other."""
    W = np.zeros((3, 2))
    W[0, 0], W[1, 1], W[2, 1] = 1.0, 0.5, 0.5
    with pytest.raises(InputError, match="does not decay"):
        SecondMoment.at(W, make_teacher(2))


def asked(**values: object) -> LearningRatesQuery:
    return LearningRatesQuery.model_validate(
        {"student_width": 8, "teacher_width": 8, "structure": "one-anti-aligned", **values}
    )


def test_a_minimum_of_a_family_is_answered() -> None:
    found = learning_rates_answer(asked(points=4))
    assert found.loss == pytest.approx(0.0215080372, abs=1e-10)
    assert found.slope == pytest.approx(0.040993, abs=5e-7)
    assert found.critical_rate == pytest.approx(0.4106, abs=5e-5)
    assert [each.learning_rate for each in found.curve] == pytest.approx(
        [found.critical_rate * k / 5 for k in (1, 2, 3, 4)]
    )
    losses = [each.loss for each in found.curve]
    assert losses == sorted(losses)
    assert all(each.loss > each.first_order > found.loss for each in found.curve)
    assert found.is_second_order
    quiet = learning_rates_answer(asked(structure="global", points=1))
    assert (quiet.is_global, quiet.is_second_order) == (True, False)
    noisy = learning_rates_answer(asked(structure="global", label_noise=1.0, points=1))
    assert (noisy.is_global, noisy.loss, noisy.is_second_order) == (True, 0.0, True)
    assert noisy.slope == pytest.approx(8 / 8)


def test_it_is_the_second_order_of_a_landscape_and_says_so() -> None:
    """Bit by bit; whether the whole equations attract is a landscape's to say."""
    found = learning_rates_answer(asked(structure="one-anti-aligned", points=3))
    W = embed(Point.from_wire(family(8, 8, "one-anti-aligned").point))
    task = Rate(key="rate", weights=W, teacher=np.eye(8))
    problem = Problem.from_request(LandscapeRequest.model_validate({
        "student_width": 8, "teacher_width": 8, "starts": 0,
        "learning_rates": [each.learning_rate for each in found.curve],
    }))  # fmt: skip
    rated = task.run(problem, backend_named("numpy"))
    assert rated.critical == found.critical_rate
    assert rated.slope == found.slope
    assert [each.loss for each in found.curve] == (found.loss + rated.rises).tolist()


def test_saddles_and_what_takes_too_long_are_refused() -> None:
    saddle = LearningRatesQuery(student_width=4, teacher_width=4, structure="one-anti-aligned")
    with pytest.raises(InputError, match="saddle"):
        learning_rates_answer(saddle)
    short, long = (
        learning_rates_cost(asked(student_width=width, teacher_width=width)) for width in (8, 48)
    )
    assert short.seconds < 1.0 < 20.0 < long.seconds
    assert long.field == "student_width"
