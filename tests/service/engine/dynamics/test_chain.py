"""The reduced chain against plain SGD on vectors of length d, by distribution."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy.stats import ks_2samp

from relu_landscape.engine.descent import starts
from relu_landscape.engine.dynamics.chain import Chain, Layout, Runs, Streams
from relu_landscape.engine.dynamics.ode import Integrator, Noise, State, longest
from relu_landscape.engine.model import population
from relu_landscape.engine.model.teacher import Teacher, make_teacher
from tests.service.engine.oracles import Real


def plain_sgd(
    W: Real, V: Real, noise: Noise, dimension: int, steps: list[int], runs: int, seed: int
) -> Real:
    """Weights (T, runs, K, d) of SGD in d dimensions after each of ``steps``; nothing clever."""
    rng = np.random.default_rng(seed)
    here = np.zeros((runs, W.shape[0], dimension))
    here[..., : W.shape[1]] = W
    teacher = np.zeros((len(V), dimension))
    teacher[:, : V.shape[1]] = V
    found = []
    for step in range(steps[-1] + 1):
        if step in steps:
            found.append(here.copy())
        change = np.zeros_like(here)
        for _ in range(noise.batch_size):
            x = rng.standard_normal((runs, dimension))
            fields = np.einsum("rkd,rd->rk", here, x)
            e = np.maximum(fields, 0.0).sum(axis=1) - np.maximum(x @ teacher.T, 0.0).sum(axis=1)
            e -= noise.label_noise * rng.standard_normal(runs)
            change += (e[:, None] * (fields > 0.0))[..., None] * x[:, None]
        here = here - noise.learning_rate / (dimension * noise.batch_size) * change
    return np.array(found)


def begin(W: Real, teacher: Teacher, layout: Layout, numbers: tuple[int, ...]) -> Runs:
    first = np.zeros((len(numbers), layout.students, layout.coordinates))
    first[..., : W.shape[1]] = W
    limit = np.full(len(numbers), longest(W, teacher))
    return Runs(numbers, first, limit, np.full(len(numbers), -1))


def simulated(
    W: Real, teacher: Teacher, noise: Noise, dimension: int, steps: list[int], runs: int
) -> Real:
    """Weights (runs, T, K, M + K) by the engine."""
    layout = Layout.of(len(W), teacher.width, dimension, noise.batch_size)
    chain = Chain(teacher, layout, noise, seed=5)
    stretches = -(-steps[-1] // layout.stretch)
    _, found = chain.run(
        begin(W, teacher, layout, tuple(range(runs))),
        first_stretch=0, stretches=stretches, steps=steps,
    )  # fmt: skip
    return found


@pytest.mark.parametrize(
    ("students", "teachers", "dimension", "noise"),
    [
        (2, 2, 30, Noise(0.8)),
        (3, 2, 25, Noise(0.5, 0.5, 3)),
        (2, 3, 40, Noise(0.6, 0.2, 20)),
        # fewer dimensions outside than inputs of a block; none; no room for all students
        (2, 2, 9, Noise(0.5)),
        (2, 2, 4, Noise(0.3, 0.1)),
        (3, 2, 3, Noise(0.3)),
    ],
)
def test_distribution_is_that_of_sgd(
    students: int, teachers: int, dimension: int, noise: Noise
) -> None:
    """Loss and overlaps at several steps, across the ends of blocks: means, spreads, and shapes."""
    teacher = make_teacher(teachers, np.eye(teachers) + 0.3 * (1 - np.eye(teachers)))
    W = starts.draw([3], seed=1, students=students, teacher=teacher, dimension=dimension)[0]
    steps, runs = [0, 1, 7, 16, 40, 90], 1500
    plain = plain_sgd(W, teacher.V, noise, dimension, steps, runs, seed=8)
    ours = np.swapaxes(simulated(W, teacher, noise, dimension, steps, runs), 0, 1)
    for at in range(1, len(steps)):
        measured = []
        for weights in (plain[at], ours[at]):
            Q = weights @ np.swapaxes(weights, -1, -2)
            R = weights[..., :teachers] @ teacher.V.T
            loss = np.asarray(population.loss(weights, teacher))[:, None]
            both = np.concatenate([loss, Q.reshape(runs, -1), R.reshape(runs, -1)], axis=1)
            measured.append(both)
        first, second = measured
        spread = np.sqrt(first.var(axis=0) / runs + second.var(axis=0) / runs)
        away = np.abs(first.mean(axis=0) - second.mean(axis=0)) / spread
        # Some hundred correlated numbers: 4.5 standard errors are exceeded once in 1,000 tests.
        assert float(away.max()) < 4.5, steps[at]
        for column in (0, 1, -1):
            assert ks_2samp(first[:, column], second[:, column]).pvalue > 1e-4


def test_nothing_depends_on_company_or_pieces() -> None:
    """Each run has the same bits alone, among others, and in one piece or several."""
    teacher = make_teacher(2)
    noise, dimension = Noise(0.5, 0.1, 2), 50
    W = starts.draw([0], seed=0, students=3, teacher=teacher, dimension=dimension)[0]
    layout = Layout.of(3, 2, dimension, 2)
    chain = Chain(teacher, layout, noise, seed=3)
    size = layout.stretch
    steps = [0, 3, size, size + 5, 3 * size]
    together, recorded = chain.run(
        begin(W, teacher, layout, tuple(range(7))), first_stretch=0, stretches=3, steps=steps
    )
    for number in (0, 4, 6):
        alone, found = chain.run(
            begin(W, teacher, layout, (number,)), first_stretch=0, stretches=3, steps=steps
        )
        assert np.array_equal(alone.W[0], together.W[number])
        assert np.array_equal(found[0], recorded[number])
    here = begin(W, teacher, layout, (2, 5))
    pieces = []
    for stretch in range(3):
        inside = [s for s in steps if stretch * size < s <= (stretch + 1) * size]
        inside = [0, *inside] if stretch == 0 else inside
        here, found = chain.run(here, first_stretch=stretch, stretches=1, steps=inside)
        pieces.append(found)
    assert np.array_equal(np.concatenate(pieces, axis=1), recorded[[2, 5]])
    assert np.array_equal(here.W, together.W[[2, 5]])


def test_recording_does_not_change_the_path() -> None:
    teacher = make_teacher(2)
    W = starts.draw([0], seed=0, students=2, teacher=teacher, dimension=30)[0]
    some = simulated(W, teacher, Noise(0.5), 30, [100], 2)
    more = simulated(W, teacher, Noise(0.5), 30, [1, 50, 99, 100], 2)
    assert np.array_equal(some[:, -1], more[:, -1])


def test_runs_and_seeds_differ() -> None:
    teacher = make_teacher(2)
    W = starts.draw([0], seed=0, students=2, teacher=teacher, dimension=30)[0]
    found = simulated(W, teacher, Noise(0.5), 30, [20], 3)
    assert len({each.tobytes() for each in found}) == 3
    layout = Layout.of(2, 2, 30, 1)
    draws = []
    for seed in (0, 1):
        streams = Streams(seed)
        for stretch in (0, 1):
            room = layout.room(1, has_noise=False)
            layout.draw(streams.at(stretch, 0), room, 0)
            draws.append(room.normals.tobytes())
    assert len(set(draws)) == 4


def test_a_stream_is_that_of_a_generator_of_its_own() -> None:
    """Whatever was drawn before, of whatever kind: key (seed, 2), counter (stretch, run)."""
    streams = Streams(9)
    for stretch, run in ((0, 0), (3, 5), (0, 5), (3, 5)):
        own = np.random.Generator(np.random.Philox(key=[9, 2], counter=[0, 0, stretch, run]))
        here = streams.at(stretch, run)
        for draw in ("standard_normal", "random", "standard_exponential"):
            assert np.array_equal(getattr(here, draw)(5), getattr(own, draw)(5))
        here.integers(0, 7, 3)  # leaves half a word in its buffer


def test_many_dimensions_give_the_differential_equations() -> None:
    """d = 3,000: the mean loss of SGD is that of the equations, up to gamma / d and its error."""
    teacher, gamma, dimension, runs = make_teacher(2), 0.8, 3000, 24
    W = starts.draw([0], seed=2, students=2, teacher=teacher, dimension=dimension)[0]
    times = [1.0, 4.0]
    steps = [round(time * dimension / gamma) for time in times]
    losses = np.asarray(
        population.loss(simulated(W, teacher, Noise(gamma), dimension, steps, runs), teacher)
    )
    found = Integrator(teacher, Noise(gamma), tolerance=1e-4).run(
        State.of(W, teacher), times, steps=10**6
    )
    expected = np.asarray(population.loss(found.recorded, teacher))
    for at in range(2):
        error = float(losses[:, at].std()) / math.sqrt(runs)
        assert abs(float(losses[:, at].mean()) - expected[at]) < 4.5 * error + 2.0 / dimension


def test_what_runs_away_is_marked_and_stays_finite() -> None:
    teacher = make_teacher(2)
    W = starts.draw([0], seed=0, students=2, teacher=teacher, dimension=40)[0]
    layout = Layout.of(2, 2, 40, 1)
    chain = Chain(teacher, layout, Noise(60.0), seed=0)
    here, recorded = chain.run(
        begin(W, teacher, layout, (0, 1)), first_stretch=0, stretches=2, steps=[0, 400]
    )
    assert np.all(here.ran_away > 0)
    assert np.all(here.ran_away % layout.steps == 0)
    assert np.all(np.isfinite(here.W))
    assert np.all(np.isfinite(recorded))
