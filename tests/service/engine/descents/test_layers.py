"""Loss, gradient and Hessian with second layers of any sign, against differences and sampling."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from relu_landscape.engine.descents.layers import Layers
from relu_landscape.engine.locating.hessians import hessians
from relu_landscape.engine.model import population
from relu_landscape.engine.model.teacher import make_teacher

Real = NDArray[np.float64]

#: Central differences of step h err by h^2 of the third derivative and eps / h: 1e-10 each.
STEP, DIFFERENCES = 1e-5, 2e-9


#: A teacher whose units are neither orthogonal nor of one length.
GRAM = [[1.0, 0.3, -0.2], [0.3, 2.0, 0.4], [-0.2, 0.4, 0.5]]


def network(seed: int, students: int = 4, teachers: int = 3, p: int = 5,
            gram: Any = None) -> tuple[Layers, Real]:  # fmt: skip
    """Weights of both signs and of different sizes."""
    rng = np.random.default_rng(seed)
    a, b = rng.normal(size=students), rng.normal(size=teachers)
    return Layers.beside(a, b, make_teacher(teachers, gram)), rng.normal(size=(students, p))


def differences(function: object, W: Real) -> Real:
    """Central differences of a function of (B, K, p) by every entry of ``W``, along the first axis
    of the result."""
    moves = STEP * np.eye(W.size).reshape(W.size, *W.shape)
    assert callable(function)
    return np.asarray(function(W + moves) - function(W - moves)) / (2.0 * STEP)


@pytest.mark.parametrize("gram", [None, GRAM])
@pytest.mark.parametrize("seed", range(3))
def test_the_gradient_is_the_difference_of_losses(seed: int, gram: Any) -> None:
    layers, W = network(seed, gram=gram)
    found = layers.gradient(W[None])[0]
    assert np.abs(differences(layers.loss, W) - found.ravel()).max() < DIFFERENCES


@pytest.mark.parametrize("gram", [None, GRAM])
@pytest.mark.parametrize("seed", range(3))
def test_the_hessian_is_the_difference_of_gradients_in_and_beside_the_coordinates(
    seed: int, gram: Any
) -> None:
    layers, W = network(seed, gram=gram)
    H, beside = layers.hessian(W)
    slopes = differences(layers.gradient, W).reshape(W.size, W.size)
    assert np.abs(slopes - H).max() < DIFFERENCES
    padded = np.pad(W, ((0, 0), (0, 1)))
    wider = differences(layers.gradient, padded).reshape(4, 6, 4, 6)
    assert np.abs(wider[:, -1, :, -1] - beside).max() < DIFFERENCES


@pytest.mark.parametrize("gram", [None, GRAM])
def test_the_loss_is_the_mean_over_inputs(gram: Any) -> None:
    layers, W = network(5, gram=gram)
    rng = np.random.default_rng(5)
    a, b = rng.normal(size=4), rng.normal(size=3)
    V = np.eye(3) if gram is None else np.linalg.cholesky(gram)
    x = np.random.default_rng(6).standard_normal((400_000, 5))
    error = np.maximum(x @ W.T, 0.0) @ a - np.maximum(x[:, :3] @ V.T, 0.0) @ b
    squares = error**2 / 2.0
    spread = squares.std() / np.sqrt(len(squares))
    assert abs(squares.mean() - layers.loss(W[None])[0]) < 4.0 * spread


@pytest.mark.parametrize("seed", range(4))
def test_curvature_is_bounded_by_the_second_layer(seed: int) -> None:
    """A/2 at zero loss, where students are the teacher; elsewhere what students pull at each other
    comes on top."""
    rng = np.random.default_rng(seed)
    sizes, W = 10.0 * rng.normal(size=5), np.tril(rng.normal(size=(5, 5)))
    n = np.linalg.norm(W, axis=1)
    own = Layers(sizes, sizes * n, W / n[:, None])
    assert own.loss(W[None])[0] == pytest.approx(0.0, abs=1e-12 * own.unit)
    found = np.linalg.eigvalsh(own.hessian(W)[0])
    assert 0.3 * own.stiffness < found[-1] <= own.stiffness * (1.0 + 1e-12)
    layers, away = network(seed)
    n = np.linalg.norm(away, axis=1)
    pull = np.sum(np.abs(layers.a) * n) - np.abs(layers.a) * n + np.sum(np.abs(layers.b))
    most = layers.stiffness + np.max(np.abs(layers.a) * pull / (np.pi * n))
    for block in layers.hessian(away):
        assert np.abs(np.linalg.eigvalsh(block)).max() <= most


def test_weights_of_one_give_the_usual_network() -> None:
    W = np.random.default_rng(7).normal(size=(4, 3))
    layers = Layers.plain(4, 3)
    assert layers.loss(W[None])[0] == population.loss(W, 3)
    assert np.abs(layers.gradient(W[None])[0] - population.gradient(W, 3)).max() < 1e-15
    for mine, theirs in zip(layers.hessian(W), population.hessian(W, 3), strict=True):
        assert np.abs(mine - theirs).max() < 1e-14


def test_weights_of_one_beside_any_teacher_give_the_usual_network() -> None:
    W, teacher = np.random.default_rng(7).normal(size=(4, 5)), make_teacher(3, GRAM)
    layers = Layers.beside(np.ones(4), np.ones(3), teacher)
    assert abs(layers.loss(W[None])[0] - population.loss(W, teacher)) < 1e-14
    assert np.abs(layers.gradient(W[None])[0] - population.gradient(W, teacher)).max() < 1e-14
    H, _ = hessians(W[None], teacher)
    assert np.abs(layers.hessian(W)[0] - H[0]).max() < 1e-13


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
