"""The sandwich formula, against sampled gradients in every dimension and against training."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from relu_landscape.engine.locating.sampling_error import Place, predicted
from relu_landscape.engine.model import population
from relu_landscape.engine.model.teacher import make_teacher
from relu_landscape.engine.points.classify import classify

Real = NDArray[np.float64]


def bisector() -> Real:
    """The minimum of one student and two teachers, by Newton's method."""
    return classify(np.array([[0.8, 0.8]]), make_teacher(2)).W


def gradients(W: Real, X: Real, noise: Real) -> Real:
    """Gradients of half the squared error, one per input; (n, K d). The teacher: coordinates."""
    M = 2
    active = X @ W.T
    error = np.maximum(active, 0).sum(1) - np.maximum(X[:, :M], 0).sum(1) - noise
    return np.asarray((error[:, None] * (active > 0))[:, :, None] * X[:, None, :]).reshape(
        len(X), -1
    )


@pytest.mark.parametrize("label_noise", [0.0, 0.3])
def test_it_is_the_covariance_of_sampled_gradients_between_two_hessians(label_noise: float) -> None:
    """The whole of H^-1 S H^-1 in d = 5, S from samples of the gradient in all of its weights."""
    teacher, d, n = make_teacher(2), 5, 400_000
    W = bisector()
    H, A = population.hessian(W, teacher)
    whole = np.zeros((5, 5))
    whole[:2, :2], whole[2:, 2:] = H, A[0, 0] * np.eye(3)
    rng = np.random.default_rng(1)
    g = gradients(np.pad(W, ((0, 0), (0, 3))), rng.standard_normal((n, d)),
                  label_noise * rng.standard_normal(n))  # fmt: skip
    steps, inner = g @ np.linalg.inv(whole), g @ np.linalg.inv(np.linalg.cholesky(whole)).T
    found = predicted(Place.plain(W, teacher), dimension=d, label_noise=label_noise)
    assert found is not None
    for value, each in ((found.square, steps), (found.loss, inner / np.sqrt(2.0))):
        samples = np.sum(each**2, axis=1)
        error = np.std(samples) / np.sqrt(n)
        # Four standard errors of this sample and of the other one, which is a third of its size.
        assert abs(value - samples.mean()) < 4.0 * 2.0 * error


def test_training_ends_as_far_from_the_minimum_as_is_predicted() -> None:
    """Forty training sets of 4,000 inputs in d = 10, each minimised to the end by Newton's method.

    The mean squared distance and its standard error; the formula's next order is some 1/n of it.
    """
    teacher, d, n = make_teacher(2), 10, 4_000
    W = np.pad(bisector(), ((0, 0), (0, 8)))
    found = predicted(Place.plain(bisector(), teacher), dimension=d)
    assert found is not None
    squares, losses = [], []
    for seed in range(40):
        X = np.random.default_rng(seed).standard_normal((n, d))
        w = W[0].copy()
        for _ in range(30):
            on = (w @ X.T) > 0
            target = np.maximum(X[:, :2], 0).sum(1)
            # With one student the loss is that of a linear regression on its active inputs.
            w = np.linalg.solve(X[on].T @ X[on], X[on].T @ target[on])
        squares.append(np.sum((w - W[0]) ** 2) * n)
        losses.append(n * float(population.loss(w[None], teacher) - population.loss(W, teacher)))
    for samples, value in ((squares, found.square), (losses, found.loss)):
        error = np.std(samples, ddof=1) / np.sqrt(len(samples))
        assert abs(np.mean(samples) - value) < 4.0 * error
        assert error < 0.2 * value


def test_there_is_none_where_every_input_is_fitted() -> None:
    found = predicted(Place.plain(np.eye(3), make_teacher(3)), dimension=100)
    assert found is not None
    assert (found.square, found.loss) == (0.0, 0.0)
    noisy = predicted(Place.plain(np.eye(3), make_teacher(3)), dimension=100, label_noise=0.1)
    assert noisy is not None
    # All that the labels' noise does is s^2 H^-1 in every direction: S = s^2 H there.
    H, A = population.hessian(np.eye(3), make_teacher(3))
    whole = np.trace(np.linalg.inv(H)) + 97 * np.trace(np.linalg.inv(A))
    assert abs(noisy.square - 0.01 * whole) < 5.0 * noisy.accuracy * noisy.square
    assert abs(noisy.loss - 0.01 * 300 / 2) < 0.01 * noisy.loss


def test_a_saddle_has_none() -> None:
    split = np.repeat(bisector() / 2.0, 2, axis=0)
    assert predicted(Place.plain(split, make_teacher(2)), dimension=5) is None
