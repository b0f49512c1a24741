"""Loss, gradient and Hessian with second layers of any sign, against differences and sampling."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from relu_landscape.engine.descents.layers import Layers
from relu_landscape.engine.model import population

Real = NDArray[np.float64]

#: Central differences of step h err by h^2 of the third derivative and eps / h: 1e-10 each.
STEP, DIFFERENCES = 1e-5, 2e-9


def network(seed: int, students: int = 4, teachers: int = 3, p: int = 5) -> tuple[Layers, Real]:
    """Weights of both signs and of different sizes."""
    rng = np.random.default_rng(seed)
    return Layers(rng.normal(size=students), rng.normal(size=teachers)), rng.normal(
        size=(students, p)
    )


def differences(function: object, W: Real) -> Real:
    """Central differences of a function of (B, K, p) by every entry of ``W``, along the first axis
    of the result."""
    moves = STEP * np.eye(W.size).reshape(W.size, *W.shape)
    assert callable(function)
    return np.asarray(function(W + moves) - function(W - moves)) / (2.0 * STEP)


@pytest.mark.parametrize("seed", range(3))
def test_the_gradient_is_the_difference_of_losses(seed: int) -> None:
    layers, W = network(seed)
    found = layers.gradient(W[None])[0]
    assert np.abs(differences(layers.loss, W) - found.ravel()).max() < DIFFERENCES


@pytest.mark.parametrize("seed", range(3))
def test_the_hessian_is_the_difference_of_gradients_in_and_beside_the_coordinates(
    seed: int,
) -> None:
    layers, W = network(seed)
    H, beside = layers.hessian(W)
    slopes = differences(layers.gradient, W).reshape(W.size, W.size)
    assert np.abs(slopes - H).max() < DIFFERENCES
    padded = np.pad(W, ((0, 0), (0, 1)))
    wider = differences(layers.gradient, padded).reshape(4, 6, 4, 6)
    assert np.abs(wider[:, -1, :, -1] - beside).max() < DIFFERENCES


def test_the_loss_is_the_mean_over_inputs() -> None:
    layers, W = network(5)
    x = np.random.default_rng(6).standard_normal((400_000, 5))
    error = np.maximum(x @ W.T, 0.0) @ layers.a - np.maximum(x[:, :3], 0.0) @ layers.b
    squares = error**2 / 2.0
    spread = squares.std() / np.sqrt(len(squares))
    assert abs(squares.mean() - layers.loss(W[None])[0]) < 4.0 * spread


def test_weights_of_one_give_the_usual_network() -> None:
    W = np.random.default_rng(7).normal(size=(4, 3))
    layers = Layers.plain(4, 3)
    assert layers.loss(W[None])[0] == population.loss(W, 3)
    assert np.abs(layers.gradient(W[None])[0] - population.gradient(W, 3)).max() < 1e-15
    for mine, theirs in zip(layers.hessian(W), population.hessian(W, 3), strict=True):
        assert np.abs(mine - theirs).max() < 1e-14


def test_a_positive_weight_moves_into_the_student() -> None:
    """ReLU is homogeneous: a ReLU(w x) = ReLU(a w x), so losses agree and gradients scale by a."""
    rng = np.random.default_rng(8)
    sizes, signs = np.exp(rng.normal(size=4)), np.array([1.0, -1.0, 1.0, -1.0])
    b, W = rng.normal(size=3), rng.normal(size=(4, 5))
    heavy, light = Layers(sizes * signs, b), Layers(signs, b)
    moved = sizes[:, None] * W
    assert heavy.loss(W[None])[0] == pytest.approx(light.loss(moved[None])[0], rel=1e-13)
    slopes = sizes[:, None] * light.gradient(moved[None])[0]
    assert np.abs(heavy.gradient(W[None])[0] - slopes).max() < 1e-14


def test_a_member_has_the_same_bits_in_any_batch() -> None:
    layers, _ = network(9, students=7, teachers=6, p=11)
    W = np.random.default_rng(9).normal(size=(13, 7, 11))
    whole = layers.gradient(W)
    for member in range(13):
        assert np.array_equal(layers.gradient(W[member : member + 1])[0], whole[member])
