"""Fluctuations within the span: noise against averages over inputs, covariance against SGD."""

from __future__ import annotations

import numpy as np
import pytest

from relu_landscape.engine.dynamics.chain import Chain, Layout, Runs
from relu_landscape.engine.dynamics.ode import Noise
from relu_landscape.engine.model import population
from relu_landscape.engine.model.teacher import Teacher, make_teacher
from relu_landscape.engine.noise import plane
from relu_landscape.engine.noise.sigma import noise
from relu_landscape.engine.points.classify import newton
from tests.service.engine.known import WELL_SPECIFIED, locate
from tests.service.engine.oracles import Real, gram_matrix

#: Next to the minimum of K = 2, M = 3.
BESIDE = np.array([[1.318, 0.09, 0.09], [-0.244, 0.946, 0.946]])


def spurious(width: int) -> Real:
    point = next(
        each for each in WELL_SPECIFIED if each["width"] == width and each["anti_aligned"] == 1
    )
    return locate(point)


def averaged(W: Real, teacher: Teacher, count: int = 400_000) -> tuple[Real, Real]:
    """E[e^2 1_i 1_j z_a z_b] (K, K, M, M) over inputs, and its standard error."""
    z = np.random.default_rng(5).standard_normal((count, teacher.width))
    fields = z @ W.T
    error = np.maximum(fields, 0.0).sum(1) - np.maximum(z @ teacher.V.T, 0.0).sum(1)
    pushed = (fields > 0.0)[:, :, None] * (error[:, None] * z)[:, None]
    flat = pushed.reshape(count, -1)
    mean = flat.T @ flat / count
    squares = (flat**2).T @ (flat**2) / count
    K, M = W.shape
    shape = (K, M, K, M)
    spread = np.sqrt((squares - mean**2) / count)
    return mean.reshape(shape).transpose(0, 2, 1, 3), spread.reshape(shape).transpose(0, 2, 1, 3)


@pytest.mark.parametrize("orthonormal", [True, False])
def test_the_noise_is_an_average_over_inputs(orthonormal: bool) -> None:
    rng = np.random.default_rng(2)
    teacher = make_teacher(3, None if orthonormal else gram_matrix(3, rng))
    W = np.asarray(teacher.V) + 0.3 * rng.standard_normal((3, 3))
    mean, error = averaged(W, teacher)
    for a, b in plane.pairs(3):
        block = plane.noise_block(W, teacher, a, b)
        # Of 54 numbers; 5 standard errors are exceeded once in 30,000 times.
        assert np.all(np.abs(block - mean[:, :, a, b]) < 5.0 * error[:, :, a, b])


def test_the_trace_of_the_noise_is_homogeneity() -> None:
    """sum_a E[e^2 1_i 1_j z_a^2] = (M + 2) Sigma_ij, which the differences do not know."""
    rng = np.random.default_rng(4)
    teacher = make_teacher(4, gram_matrix(4, rng))
    W = rng.standard_normal((5, 4))
    traced = sum(plane.noise_block(W, teacher, a, a) for a in range(4))
    Sigma = noise(W, teacher)
    np.testing.assert_allclose(traced, 6.0 * Sigma, atol=1e-9 * float(np.abs(Sigma).max()))


def test_the_covariance_solves_its_equation_and_raises_the_loss() -> None:
    teacher, W = make_teacher(7), spurious(7)
    blocks = [plane.noise_block(W, teacher, a, b) for a, b in plane.pairs(7)]
    C = plane.covariance(W, teacher, blocks)
    H = population.hessian(W, teacher)[0]
    D = np.empty((7, 7, 7, 7))
    for (a, b), block in zip(plane.pairs(7), blocks, strict=True):
        D[:, a, :, b] = D[:, b, :, a] = block
    np.testing.assert_allclose(H @ C + C @ H, D.reshape(49, 49), atol=1e-12)
    found = plane.fluctuations(W, teacher, blocks)
    assert found.rise == pytest.approx(np.trace(H @ C) / 2.0, rel=1e-9)
    assert found.variance == pytest.approx(np.trace(C), rel=1e-12)
    assert found.largest == pytest.approx(np.linalg.eigvalsh(C)[-1], rel=1e-12)


def test_simulated_sgd_strays_as_far() -> None:
    """K = 2, M = 3, 256 runs from the minimum, gamma = 0.05 in d = 40: squares along the Hessian's
    directions after a time of 5, where direction n has ``D_nn (1 - exp(-2 h_n t)) / (2 h_n)``.

    Six directions of 256 runs: their mean ratio to that is known to sqrt(2 / 1536) = 0.036, of
    which four are allowed, and the next order in gamma is a few hundredths.
    """
    gamma, dimension, time, runs = 0.05, 40, 5.0, 256
    teacher = make_teacher(3)
    W, _ = newton(BESIDE, teacher)
    layout = Layout.of(2, 3, dimension, 1)
    first = np.zeros((runs, 2, layout.coordinates))
    first[..., :3] = W
    steps = round(time * dimension / gamma)
    chain = Chain(teacher, layout, Noise(gamma), seed=6)
    _, found = chain.run(
        Runs.begin(tuple(range(runs)), first, teacher),
        first_stretch=0, stretches=-(-steps // layout.stretch), steps=[steps],
    )  # fmt: skip
    curvatures, directions = np.linalg.eigh(population.hessian(W, teacher)[0])
    D = np.empty((2, 3, 2, 3))
    for a, b in plane.pairs(3):
        D[:, a, :, b] = D[:, b, :, a] = plane.noise_block(W, teacher, a, b)
    along = np.diagonal(directions.T @ D.reshape(6, 6) @ directions)
    grown = (1.0 - np.exp(-2.0 * curvatures * time)) / (2.0 * curvatures)
    off = (found[:, 0, :, :3] - W).reshape(runs, 6) @ directions
    ratio = np.mean(off**2, axis=0) / (gamma / dimension * along * grown)
    assert float(ratio.mean()) == pytest.approx(1.0, abs=0.15)
