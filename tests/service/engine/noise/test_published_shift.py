"""SGD at finite learning rates beside a spurious minimum: minutes, so not run every time."""

from __future__ import annotations

import numpy as np
import pytest

from relu_landscape.engine.dynamics.chain import Chain, Layout, Runs
from relu_landscape.engine.dynamics.ode import Integrator, Noise, State, longest
from relu_landscape.engine.model import population
from relu_landscape.engine.model.teacher import make_teacher
from relu_landscape.engine.noise.learning_rates import critical_learning_rate
from tests.service.engine.noise.test_learning_rates import spurious
from tests.service.engine.oracles import Real

pytestmark = pytest.mark.slow


def simulated(W: Real, gamma: float, dimension: int, times: Real, runs: int) -> Real:
    """Losses (runs, times) of SGD from W, K = M."""
    K, teacher = len(W), make_teacher(len(W))
    layout = Layout.of(K, K, dimension, 1)
    first = np.zeros((runs, K, 2 * K))
    first[..., : W.shape[1]] = W
    here = Runs(tuple(range(runs)), first, np.full(runs, longest(W, teacher)), np.full(runs, -1))
    steps = [round(time * dimension / gamma) for time in times]
    chain = Chain(teacher, layout, Noise(gamma), seed=1)
    stretches = -(-steps[-1] // layout.stretch)
    _, found = chain.run(here, first_stretch=0, stretches=stretches, steps=steps)
    return np.asarray(population.loss(found, teacher))


@pytest.mark.parametrize(
    ("gamma", "by_plain_sgd", "error"), [(0.1, 0.0530, 0.0008), (0.2, 0.0758, 0.0016)]
)
def test_loss_beside_the_minimum(gamma: float, by_plain_sgd: float, error: float) -> None:
    """K = M = 8, one anti-aligned student, d = 300: (L - L0) / gamma, beside one run of SGD on
    vectors of length d, and beside the differential equations (another by terms in 1/d)."""
    W, teacher = spurious(8), make_teacher(8)
    lowest = float(population.loss(W, teacher))
    losses = simulated(W, gamma, 300, np.arange(40.0, 101.0, 2.0), 64)
    each = (losses.mean(axis=1) - lowest) / gamma
    mean, own = float(each.mean()), float(each.std()) / 8.0
    assert own < 0.005 * mean  # half a per cent
    assert abs(mean - by_plain_sgd) < 3.0 * np.hypot(own, error)
    found = Integrator(teacher, Noise(gamma), tolerance=1e-3).run(
        State.of(W, teacher), [150.0], steps=10**6
    )
    limit = (float(population.loss(found.recorded[0], teacher)) - lowest) / gamma
    assert mean == pytest.approx(limit, rel=8 / 300)


@pytest.mark.parametrize("width", [2, 8])
def test_sgd_leaves_the_global_minimum_above_its_critical_learning_rate(width: int) -> None:
    """d = 400, near the minimum: the mean squared distance decays below, and grows above."""
    beside = np.hstack([np.eye(width), 1e-6 * np.eye(width)])
    for factor, is_stable in ((0.93, True), (1.07, False)):
        gamma = factor * critical_learning_rate(width)
        losses = simulated(beside, gamma, 400, np.array([0.0, 30.0]), 400)
        assert (float(losses[:, 1].mean()) < float(losses[:, 0].mean())) == is_stable
