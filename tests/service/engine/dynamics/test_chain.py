"""The reduced chain against plain SGD on vectors of length d, by distribution."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy.stats import ks_2samp

from relu_landscape.engine.descent import starts
from relu_landscape.engine.dynamics.chain import Chain, Layout, Runs, Streams
from relu_landscape.engine.dynamics.ode import Integrator, Noise, State, longest
from relu_landscape.engine.lanes.native import Kernel
from relu_landscape.engine.model import activation, population
from relu_landscape.engine.model.second_layers import SecondLayers
from relu_landscape.engine.model.teacher import Teacher, make_teacher
from tests.service.engine.lanes.setups import KERNELS, name
from tests.service.engine.oracles import Real


def plain_sgd(
    W: Real,
    V: Real,
    noise: Noise,
    dimension: int,
    steps: list[int],
    runs: int,
    seed: int,
    *,
    leak: float = 0.0,
    layers: SecondLayers | None = None,
) -> Real:
    """Weights (T, runs, K, d) of SGD in d dimensions after each of ``steps``; nothing clever."""
    a, b = (np.ones(len(W)), np.ones(len(V))) if layers is None else (layers.a, layers.b)

    def output(fields: Real) -> Real:
        return np.where(fields > 0.0, fields, leak * fields)

    rng = np.random.default_rng(seed)
    here = np.zeros((runs, W.shape[0], dimension))
    here[..., : W.shape[1]] = W
    teacher = np.zeros((len(V), dimension))
    teacher[:, : V.shape[1]] = V
    found = []
    for step in range(steps[-1] + 1):
        if step in steps:
            found.append(here.copy())
        x = rng.standard_normal((runs, noise.batch_size, dimension))
        fields = x @ np.swapaxes(here, -1, -2)
        e = output(fields) @ a - output(x @ teacher.T) @ b
        e -= noise.label_noise * rng.standard_normal(e.shape)
        pulled = a * np.where(fields > 0.0, 1.0, leak)
        change = np.swapaxes(e[..., None] * pulled, -1, -2) @ x
        here = here - noise.learning_rate / (dimension * noise.batch_size) * change
    return np.array(found)


def begin(W: Real, teacher: Teacher, layout: Layout, numbers: tuple[int, ...]) -> Runs:
    first = np.zeros((len(numbers), layout.students, layout.coordinates))
    first[..., : W.shape[1]] = W
    limit = np.full(len(numbers), longest(W, teacher))
    return Runs(numbers, first, limit, np.full(len(numbers), -1))


def simulated(
    W: Real,
    teacher: Teacher,
    noise: Noise,
    dimension: int,
    steps: list[int],
    runs: int,
    layers: SecondLayers | None = None,
    kernel: Kernel | None = None,
) -> Real:
    """Weights (runs, T, K, M + K) by the engine."""
    layout = Layout.of(len(W), teacher.width, dimension, noise.batch_size)
    chain = Chain(teacher, layout, noise, seed=5, layers=layers, kernel=kernel)
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
    # A run of many inputs takes as long as many runs, and is as many draws of the noise.
    steps, runs = [0, 1, 7, 16, 40, 90], 1500 if noise.batch_size < 10 else 400
    plain = plain_sgd(W, teacher.V, noise, dimension, steps, runs, seed=8)
    ours = np.swapaxes(simulated(W, teacher, noise, dimension, steps, runs), 0, 1)
    _same_law(plain, ours, teacher.V, steps)


def _same_law(plain: Real, ours: Real, V: Real, steps: list[int]) -> None:
    """Of weights (T, runs, K, d) and (T, runs, K, M + K)."""
    teachers, runs = len(V), plain.shape[1]
    for at in range(1, len(steps)):
        measured = []
        for weights in (plain[at], ours[at]):
            Q = weights @ np.swapaxes(weights, -1, -2)
            R = weights[..., :teachers] @ V.T
            loss = np.asarray(population.loss(weights, V @ V.T))[:, None]
            both = np.concatenate([loss, Q.reshape(runs, -1), R.reshape(runs, -1)], axis=1)
            measured.append(both)
        first, second = measured
        spread = np.sqrt(first.var(axis=0) / runs + second.var(axis=0) / runs)
        away = np.abs(first.mean(axis=0) - second.mean(axis=0)) / spread
        # Some hundred correlated numbers: 4.5 standard errors are exceeded once in 1,000 tests.
        assert float(away.max()) < 4.5, steps[at]
        for column in (0, 1, -1):
            assert ks_2samp(first[:, column], second[:, column]).pvalue > 1e-4


@pytest.mark.parametrize("leak", [-0.9, -0.5, 0.0, 0.5])
@pytest.mark.parametrize("kernel", [None, *KERNELS[:1]])
def test_with_a_leak_and_signs(kernel: Kernel | None, leak: float) -> None:
    """The same, of units that leak and second layers of both signs: in the engine's unit the
    learning rate is (1 - c)^2 times that of the plain simulation, label noise 1/(1 - c) of it."""
    dimension, height = 30, activation.height(leak)
    teacher = make_teacher(2, [[1.0, 0.3], [0.3, 1.2]], leak)
    layers = SecondLayers(np.array([0.8, -1.2, 0.6]), np.array([1.1, -0.7]))
    W = starts.draw([3], seed=1, students=3, teacher=teacher, dimension=dimension)[0]
    steps, runs = [0, 1, 7, 40, 90], 1500
    plain = plain_sgd(
        W, teacher.V, Noise(0.4, 0.3, 2), dimension, steps, runs, seed=8, leak=leak, layers=layers
    )
    ours = simulated(
        W, teacher, Noise(0.4 * height, 0.3 / math.sqrt(height), 2), dimension, steps, runs,
        layers, kernel,
    )  # fmt: skip
    _same_law(plain, np.swapaxes(ours, 0, 1), teacher.V, steps)


@pytest.mark.parametrize("kernel", KERNELS, ids=name)
def test_the_kernel_steps_as_the_arrays_do(kernel: Kernel) -> None:
    """From the same draws to the same overlaps, up to rounding; layers of one are none."""
    teacher = make_teacher(2, [[1.0, 0.3], [0.3, 1.2]], -0.5)
    W = starts.draw([3], seed=1, students=3, teacher=teacher, dimension=30)[0]
    layers = SecondLayers(np.array([0.8, -1.2, 0.6]), np.array([1.1, -0.7]))
    ones = SecondLayers(np.ones(3), np.ones(2))
    found = {}
    for key, (each, second) in {
        "arrays": (None, layers), "C": (kernel, layers), "none": (kernel, None),
        "ones": (kernel, ones), "other": (KERNELS[0], layers),
    }.items():  # fmt: skip
        W_there = simulated(W, teacher, Noise(0.3, 0.2), 30, [200], 9, second, each)
        found[key] = W_there @ np.swapaxes(W_there, -1, -2)
    assert found["C"] == pytest.approx(found["arrays"], rel=1e-9, abs=1e-12)
    assert np.array_equal(found["C"], found["other"])
    assert np.array_equal(found["none"], found["ones"])


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
