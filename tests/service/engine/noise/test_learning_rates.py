"""Learning rates at which minima are stable, and what they add to the loss."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.linalg import solve_continuous_lyapunov

from relu_landscape.engine.model import population
from relu_landscape.engine.model.teacher import make_teacher
from relu_landscape.engine.noise.learning_rates import critical_learning_rate, loss_shift
from relu_landscape.engine.noise.sigma import noise
from relu_landscape.errors import InputError
from tests.service.engine.known import WELL_SPECIFIED, locate
from tests.service.engine.oracles import Real


def growth(width: int, gamma: float) -> float:
    """Largest real part of the operator on second moments at the global minimum, by plain loops.

    Units are orthogonal there, so k different ones are active together with probability 2^-k.
    """
    K = width
    A = 0.25 + 0.25 * np.eye(K)
    operator = -(np.kron(A, np.eye(K)) + np.kron(np.eye(K), A))
    for i in range(K):
        for j in range(K):
            for a in range(K):
                for b in range(K):
                    operator[K * i + j, K * a + b] += gamma * 2.0 ** -len({i, j, a, b})
    return float(np.linalg.eigvals(operator).real.max())


@pytest.mark.parametrize("width", [1, 2, 3, 4, 6])
def test_critical_learning_rate_is_where_second_moments_grow(width: int) -> None:
    """In every sector, not only in the symmetric one from which the formula comes."""
    gamma = critical_learning_rate(width)
    assert growth(width, gamma * (1 - 1e-6)) < 0.0 < growth(width, gamma * (1 + 1e-6))


def test_critical_learning_rate_tends_to_four_over_the_width() -> None:
    assert 1e6 * critical_learning_rate(10**6) == pytest.approx(4.0, rel=1e-4)


def test_widths_below_one_are_refused() -> None:
    with pytest.raises(InputError, match="1 at least"):
        critical_learning_rate(0)


def spurious(width: int) -> Real:
    point = next(
        each for each in WELL_SPECIFIED if each["width"] == width and each["anti_aligned"] == 1
    )
    return locate(point)


def test_shift_of_the_loss_is_that_of_the_lyapunov_equation() -> None:
    """Second moments from A X + X A = Sigma, their loss from the loss itself."""
    teacher = make_teacher(8)
    W = spurious(8)
    A = population.hessian(W, teacher)[1]
    X = solve_continuous_lyapunov(A, noise(W, teacher))
    gamma = 1e-5
    beside = np.hstack([W, np.linalg.cholesky(gamma * X)])
    rise = float(population.loss(beside, teacher)) - float(population.loss(W, teacher))
    # The next order is 6% at gamma = 0.025, so 1e-4 or so here.
    assert rise / gamma == pytest.approx(loss_shift(W, teacher), rel=1e-3)


def test_shift_at_the_published_minimum() -> None:
    """K = M = 8, one anti-aligned student: the limit of (L - L0) / gamma is 0.040993."""
    assert loss_shift(spurious(8), make_teacher(8)) == pytest.approx(0.040993, abs=5e-7)


def test_label_noise_and_batches() -> None:
    teacher = make_teacher(5)
    assert loss_shift(np.eye(5), teacher, label_noise=0.3, batch_size=2) == pytest.approx(
        0.09 * 5 / 16, abs=1e-12
    )
