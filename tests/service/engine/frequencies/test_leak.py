"""Frequencies of units that leak: against plain SGD and plain gradient flow, and in their units."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from relu_landscape.engine.descent import starts
from relu_landscape.engine.dynamics import COMPOSITION as TRAJECTORY
from relu_landscape.engine.frequencies import COMPOSITION
from relu_landscape.engine.landscape import COMPOSITION as LANDSCAPE
from relu_landscape.engine.lanes.native import Kernel
from relu_landscape.engine.model.arrays import NUMPY as ARRAYS
from relu_landscape.engine.model.arrays import Backend
from relu_landscape.engine.model.teacher import make_teacher
from relu_landscape.engine.tasks import SilentMonitor, run_here
from relu_landscape.wire.landscape import LandscapeBody
from relu_landscape.wire.requests import LandscapeRequest
from relu_landscape.wire.trajectories import TrajectoryRequest
from relu_landscape.wire.trajectory_answers import TrajectoryBody
from tests.service.engine import leaky
from tests.service.engine.frequencies.solving import NUMPY, body, request, solve
from tests.service.engine.lanes.setups import KERNELS
from tests.service.engine.oracles import Real
from tests.service.engine.usual import USUAL

#: Starts, learning rate, dimension, end and labels' noise of the comparisons.
STARTS, RATE, DIMENSION, UNTIL, NOISE = 120, 0.2, 20, 6.0, 0.2
#: Gradient norm at which plain flow ends: it leaves 5e-6 of loss at eigenvalues of 1e-3, and the
#: losses of these minima are 6e-4 apart or more.
REST, NEAR = 1e-4, 2e-5

Whole = NDArray[np.int64]


def plain_sgd(W: Real, V: Real, leak: float, seed: int) -> Real:
    """Where SGD on vectors of length d stands at the end, from each of W (B, K, d): units
    ``max(x, c x)``, fresh Gaussian inputs, one step after the other."""
    rng = np.random.default_rng(seed)

    def output(fields: Real) -> Real:
        return np.asarray(np.maximum(fields, leak * fields).sum(axis=-1))

    for _ in range(round(UNTIL * DIMENSION / RATE)):
        x = rng.standard_normal((len(W), DIMENSION))
        fields = np.einsum("bkd,bd->bk", W, x)
        errors = output(fields) - output(x @ V.T) - NOISE * rng.standard_normal(len(W))
        pulled = errors[:, None] * np.where(fields > 0.0, 1.0, leak)
        W = W - RATE / DIMENSION * pulled[..., None] * x[:, None]
    return W


@dataclass(frozen=True)
class Plain:
    """Losses (B,) of the ends of gradient flow from the starts, of SGD from them, and of the ends
    of gradient flow from where that stands."""

    flow: Real
    sgd: Real
    beneath: Real


@cache
def plain(K: int, M: int, leak: float) -> Plain:
    drawn = starts.draw(
        range(STARTS), seed=6, students=K, teacher=make_teacher(M), dimension=DIMENSION
    )
    first = np.zeros((STARTS, K, DIMENSION))
    first[..., : drawn.shape[-1]] = drawn
    V = np.eye(M, DIMENSION)
    last = plain_sgd(first, V, leak, seed=11)

    def end(W: Real) -> Real:
        ends, norms = leaky.flow(W, V, leak, until=20_000.0, rest=REST)
        assert norms.max() <= REST
        return leaky.loss(ends, V, leak)

    return Plain(end(first), leaky.loss(last, V, leak), end(last))


def numbers_of(losses: Real, minima: Real) -> Whole:
    """Which of the ``minima`` each loss (B,) is at."""
    away = np.abs(losses[:, None] - minima)
    assert away.min(axis=1).max() < NEAR
    return np.asarray(away.argmin(axis=1))


@pytest.mark.parametrize("kernel", [None, *KERNELS[:1]])
@pytest.mark.parametrize(("K", "M", "leak"), [(6, 6, -0.5), (4, 7, 0.3)])
def test_shares_are_those_of_plain_sgd(K: int, M: int, leak: float, kernel: Kernel | None) -> None:
    """Gradient flow: start for start. SGD sees other inputs here, so its ends agree in
    distribution: the starts whose end differs do so as often one way as the other, and losses are
    the same on average."""
    asked = request(
        student_width=K, teacher_width=M, leak=leak, learning_rates=[RATE], starts=STARTS, seed=6,
        input_dimension=DIMENSION, until=UNTIL, checks=1, label_noise=NOISE, structured=False,
    )  # fmt: skip
    problem = COMPOSITION.problem(asked)
    backend = NUMPY if kernel is None else Backend("native", ARRAYS, kernel)
    found = body(solve(asked, run=run_here(problem, backend)))
    (rate,) = found.rates
    assert [each.kind for each in found.fixed_points] == ["minimum"] * len(found.fixed_points)
    minima = np.array([each.loss for each in found.fixed_points])
    keys = [each.key for each in found.fixed_points]

    wanted = plain(K, M, leak)
    by_flow, by_sgd = (numbers_of(each, minima) for each in (wanted.flow, wanted.beneath))
    assert [each.flow for each in rate.starts] == [keys[end] for end in by_flow]
    ours = np.array([keys.index(each.ends[-1]) for each in rate.starts])
    assert [each.steps for each in found.rates] == [[round(UNTIL * DIMENSION / RATE)]]
    for end in range(len(keys)):
        apart = (ours == end).astype(int) - (by_sgd == end)
        # One way or the other by a coin: four standard deviations are one case in 16,000.
        assert abs(int(apart.sum())) <= 4.0 * np.sqrt(np.abs(apart).sum())
    # SGD goes to more than one end, and not always where the flow goes.
    assert len(set(ours.tolist())) > 1
    assert np.any(ours != by_flow)
    mine = np.array([each.loss for each in rate.starts], dtype=np.float64)
    gap = mine - wanted.sgd
    assert abs(gap.mean()) < 4.5 * gap.std() / np.sqrt(STARTS)
    # The difference is small: with a learning rate or a noise in other units it would be seen.
    assert gap.std() / np.sqrt(STARTS) < 0.05 * mine.mean()


@pytest.mark.parametrize("leak", [-0.5, 0.5])
def test_flow_is_that_of_the_landscape_and_runs_are_those_of_a_trajectory(leak: float) -> None:
    fields: dict[str, Any] = {
        "student_width": 4, "teacher_width": 7, "leak": leak, "seed": 6, "input_dimension": 20,
    }  # fmt: skip
    asked = request(**fields, learning_rates=[0.3], starts=20, until=4.0, checks=2,
                    label_noise=0.1, structured=False)  # fmt: skip
    found = body(solve(asked))
    (rate,) = found.rates
    whole = LANDSCAPE.problem(LandscapeRequest(**fields, starts=20, structured=False))
    landscape = LANDSCAPE.compose(
        whole, run=run_here(whole, USUAL), monitor=SilentMonitor(), chunk_starts=None
    ).result
    assert isinstance(landscape, LandscapeBody)
    theirs = {p.loss: p.attraction for p in landscape.fixed_points if p.kind == "minimum"}
    mine = {p.loss: p.attraction for p in found.fixed_points if p.kind == "minimum"}
    # The landscape's have no learning rates beside them; shares and losses are to the bit.
    assert {loss: mine[loss] for loss in theirs} == theirs
    assert found.starts == landscape.starts
    question = TrajectoryRequest(
        **fields, method="sgd", learning_rate=0.3, until=4.0, points=2, runs=20, own_starts=True,
        label_noise=0.1,
    )  # fmt: skip
    problem = TRAJECTORY.problem(question)
    trajectory = TRAJECTORY.compose(
        problem, run=run_here(problem, USUAL), monitor=SilentMonitor(), chunk_starts=None
    ).result
    assert isinstance(trajectory, TrajectoryBody)
    losses = [run.last_loss for run in trajectory.runs]
    assert [each.loss for each in rate.starts] == pytest.approx(losses, rel=1e-13)
    assert (rate.steps[-1], rate.times[-1]) == (267, 267 * 0.3 / 20)
    assert len({run.attractor for run in trajectory.runs}) == len(
        {each.ends[-1] for each in rate.starts}
    )


@pytest.mark.parametrize("leak", [-0.9, -0.5, 0.5])
def test_multiples_are_of_the_largest_rate_that_simulated_sgd_withstands(leak: float) -> None:
    """gamma_c is a closed form, of second moments; a third below it SGD comes to rest at the global
    minimum where it is in its basin, and no run runs away; a third above it every run does."""
    asked = request(
        relative_learning_rates=[2 / 3, 4 / 3], starts=6, leak=leak, seed=1,
        input_dimension=200, until=500.0, checks=1,
    )  # fmt: skip
    found = body(solve(asked))
    low, high = found.rates
    critical = found.critical_learning_rate
    assert critical is not None
    assert low.learning_rate == pytest.approx(2 / 3 * critical, rel=1e-14)
    assert low.relative_learning_rate == pytest.approx(2 / 3, rel=1e-14)
    assert low.times[-1] == pytest.approx(500.0, rel=1e-2)
    at_rest = [each.loss for each in low.starts if each.ends[-1] == "m1"]
    assert at_rest
    assert all(loss is not None and loss < 1e-6 for loss in at_rest)
    assert {each.ran_away_at for each in low.starts} == {None}
    for each in high.starts:
        assert each.ran_away_at is not None


def test_units_are_those_of_the_request() -> None:
    """Teachers of three times the length, with a leak."""
    fields: dict[str, Any] = {
        "learning_rates": [0.4], "starts": 6, "input_dimension": 20, "until": 10.0, "checks": 2,
        "seed": 3, "structured": False, "leak": -0.5,
    }  # fmt: skip
    plain = body(solve(request(**fields, label_noise=0.1)))
    scaled = body(solve(request(
        **fields, label_noise=0.3, init_scale=3.0, teacher_gram=[[9.0, 0.0], [0.0, 9.0]]
    )))  # fmt: skip
    nine = pytest.approx([9.0 * point.loss for point in plain.fixed_points], rel=1e-9)
    assert [point.loss for point in scaled.fixed_points] == nine
    for a, b in zip(plain.rates, scaled.rates, strict=True):
        assert a.times == b.times
        assert [each.ends for each in a.starts] == [each.ends for each in b.starts]
        losses = [9.0 * (each.loss or np.nan) for each in a.starts]
        assert [each.loss for each in b.starts] == pytest.approx(losses, rel=1e-6)


def test_a_question_without_one_is_the_one_that_it_was() -> None:
    asked = request(learning_rates=[0.1])
    assert "leak" not in asked.canonical()
    assert request(learning_rates=[0.1], leak=0.0).content_id("cpu") == asked.content_id("cpu")
    assert request(learning_rates=[0.1], leak=0.1).content_id("cpu") != asked.content_id("cpu")
    for leak in (-1.0, 0.95, float("nan")):
        with pytest.raises(ValueError, match="leak"):
            request(learning_rates=[0.1], leak=leak)
