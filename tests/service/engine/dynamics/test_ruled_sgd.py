"""SGD under a rule against plain vectors of length d, and its equations against SGD."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from scipy.stats import ks_2samp

from relu_landscape.engine.descent import starts
from relu_landscape.engine.descents.layers import Layers
from relu_landscape.engine.descents.rules import Normalised, Orthonormalised, Rule, TwoLayer
from relu_landscape.engine.dynamics.chain import Layout, Runs
from relu_landscape.engine.dynamics.ode import Noise, State
from relu_landscape.engine.dynamics.ruled_chain import RuledChain
from relu_landscape.engine.dynamics.ruled_ode import RuledIntegrator
from relu_landscape.engine.model import population
from relu_landscape.engine.model.teacher import Teacher, make_teacher
from tests.service.engine.dynamics.test_trajectories import as_bytes, body, details, request, solve
from tests.service.engine.oracles import Real

RULES = ("normalised", "orthonormalised", "two_layer")


def rule_named(name: str, students: int, teacher: Teacher) -> Rule:
    layers = Layers.beside(np.ones(students), np.ones(teacher.width), teacher)
    if name == "two_layer":
        return TwoLayer(layers, None)
    return Normalised(layers) if name == "normalised" else Orthonormalised(layers)


def orthonormal(W: Real) -> Real:
    u, _, v = np.linalg.svd(W, full_matrices=False)
    return np.asarray(u @ v)


def plain_sgd(
    name: str, W: Real, V: Real, noise: Noise, dimension: int, steps: list[int], runs: int
) -> tuple[Real, Real]:
    """First layers (T, runs, K, d) and second ones (T, runs, K) of SGD in d dimensions after each
    of ``steps``: steps of SGD on each layer that moves, then the students are put back."""
    rng = np.random.default_rng(8)
    here = np.zeros((runs, W.shape[0], dimension))
    here[..., : W.shape[1]] = W
    teacher = np.zeros((len(V), dimension))
    teacher[:, : V.shape[1]] = V
    second = np.ones((runs, len(W)))
    if name == "two_layer":
        second = np.linalg.norm(here, axis=-1)
    found, layers = [], []
    for step in range(steps[-1] + 1):
        if name == "normalised":
            here = here / np.linalg.norm(here, axis=-1, keepdims=True)
        elif name == "orthonormalised":
            here = orthonormal(here)
        if step in steps:
            found.append(here.copy())
            layers.append(second.copy())
        x = rng.standard_normal((runs, noise.batch_size, dimension))
        outputs = np.maximum(x @ np.swapaxes(here, -1, -2), 0.0)
        e = np.sum(second[:, None] * outputs, axis=-1) - np.maximum(x @ teacher.T, 0.0).sum(axis=-1)
        e -= noise.label_noise * rng.standard_normal(e.shape)
        change = np.swapaxes(e[..., None] * second[:, None] * (outputs > 0.0), -1, -2) @ x
        turn = np.sum(e[..., None] * outputs, axis=1)
        rate = noise.learning_rate / (dimension * noise.batch_size)
        here = here - rate * change
        if name == "two_layer":
            second = second - rate * turn
    return np.array(found), np.array(layers)


def begin(rule: Rule, W: Real, teacher: Teacher, layout: Layout, numbers: tuple[int, ...]) -> Runs:
    first = np.zeros((len(numbers), layout.students, layout.coordinates))
    first[..., : W.shape[1]] = W
    return Runs.begin(numbers, rule.begun(first), teacher)


@pytest.mark.parametrize("name", RULES)
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
    name: str, students: int, teachers: int, dimension: int, noise: Noise
) -> None:
    """Loss, overlaps and second layers at several steps, across the ends of blocks."""
    gram = np.eye(teachers) + 0.3 * (1 - np.eye(teachers))
    teacher = make_teacher(teachers, None if name == "two_layer" else gram)
    if name == "two_layer":  # slower, so that no weight of 1,500 runs goes through zero
        noise = replace(noise, learning_rate=noise.learning_rate / 4.0)
    W = starts.draw([3], seed=1, students=students, teacher=teacher, dimension=dimension)[0]
    # A run of many inputs takes as long as many runs, and is as many draws of the noise.
    steps, runs = [0, 1, 7, 16, 40, 90], 1500 if noise.batch_size < 10 else 400
    first, second = plain_sgd(name, W, teacher.V, noise, dimension, steps, runs)
    rule, layout = rule_named(name, students, teacher), Layout.of(
        students, teachers, dimension, noise.batch_size
    )  # fmt: skip
    chain = RuledChain(teacher, layout, noise, rule, seed=5)
    _, states = chain.run(
        begin(rule, W, teacher, layout, tuple(range(runs))),
        first_stretch=0, stretches=1, steps=steps,
    )  # fmt: skip
    has_layer = name == "two_layer"
    for at in range(1, len(steps)):
        state = states[:, at]
        ours = (state[..., :-1], state[..., -1]) if has_layer else (state, np.ones(state.shape[:2]))
        measured = []
        for weights, layer in ((first[at], second[at]), ours):
            Q = weights @ np.swapaxes(weights, -1, -2)
            R = weights[..., :teachers] @ teacher.V.T
            omega = layer[..., None] * weights
            loss = np.asarray(population.loss(omega, teacher))[:, None]
            parts = [loss, *([layer] if has_layer else []), R.reshape(runs, -1)]
            upper = np.triu_indices(students, 0 if has_layer else 1)
            if name != "orthonormalised":
                parts.append(Q[:, *upper])
            else:
                assert np.abs(Q - np.eye(students)).max() < 1e-12
            if name == "normalised":
                assert np.diagonal(Q, axis1=-2, axis2=-1) == pytest.approx(1.0)
            assert np.all(layer > 0.0)
            # Where no student is active nothing moves: there shapes have atoms, told by rounding.
            measured.append(np.round(np.concatenate(parts, axis=1), 9))
        one, other = measured
        spread = np.sqrt(one.var(axis=0) / runs + other.var(axis=0) / runs)
        away = np.abs(one.mean(axis=0) - other.mean(axis=0)) / spread
        # Some hundred correlated numbers: 4.5 standard errors are exceeded once in 1,000 tests.
        assert float(away.max()) < 4.5, steps[at]
        for column in (0, 1, -1):
            assert ks_2samp(one[:, column], other[:, column]).pvalue > 1e-4


@pytest.mark.parametrize("name", RULES)
def test_nothing_depends_on_company_or_pieces(name: str) -> None:
    """Each run has the same bits alone, among others, and in one piece or several."""
    teacher, noise, dimension, K = make_teacher(2), Noise(0.5, 0.1, 2), 50, 9
    W = starts.draw([0], seed=0, students=K, teacher=teacher, dimension=dimension)[0]
    for batch in (1, 2):
        layout = Layout.of(K, 2, dimension, batch)
        rule = rule_named(name, K, teacher)
        chain = RuledChain(teacher, layout, Noise(0.5, 0.1, batch), rule, seed=3)
        size = layout.stretch
        steps = [0, 3, size, size + 5, 2 * size]
        together, recorded = chain.run(
            begin(rule, W, teacher, layout, tuple(range(7))),
            first_stretch=0, stretches=2, steps=steps,
        )  # fmt: skip
        for number in (0, 6):
            alone, found = chain.run(
                begin(rule, W, teacher, layout, (number,)),
                first_stretch=0, stretches=2, steps=steps,
            )  # fmt: skip
            assert np.array_equal(alone.W[0], together.W[number])
            assert np.array_equal(found[0], recorded[number])
        half, _ = chain.run(
            begin(rule, W, teacher, layout, (2, 5)), first_stretch=0, stretches=1, steps=[0]
        )
        rest, found = chain.run(half, first_stretch=1, stretches=1, steps=[size + 5, 2 * size])
        assert np.array_equal(rest.W, together.W[[2, 5]])
        assert np.array_equal(found, recorded[[2, 5], 3:])
    assert noise.batch_size == 2


def test_the_mean_step_of_two_layers_is_that_of_their_flow() -> None:
    """One step from one place, over 200,000 inputs: both layers move, on average, by gamma / d
    times the flow of two layers, so that time is gamma n / d for both."""
    teacher, runs, dimension, gamma = make_teacher(2), 200_000, 12, 0.01
    rule = rule_named("two_layer", 3, teacher)
    W = starts.draw([1], seed=4, students=3, teacher=teacher, dimension=dimension)[0]
    layout = Layout.of(3, 2, dimension, 1)
    chain = RuledChain(teacher, layout, Noise(gamma), rule, seed=0)
    first = rule.begun(np.repeat(W[None], runs, axis=0))
    rng = np.random.default_rng(1)
    x = rng.standard_normal((runs, 1, W.shape[1]))
    answers = np.maximum(x[..., :2], 0.0).sum(axis=-1)
    moved = (chain._stepped(first, x, answers) - first) * dimension / gamma
    expected = -rule.slope(first[:1])[0]
    error = moved.std(axis=0) / math.sqrt(runs)
    assert float((np.abs(moved.mean(axis=0) - expected) / error).max()) < 4.5
    assert float(np.abs(expected[:, -1]).max()) > 20 * float(error[:, -1].max())


def equations(rule: Rule, W: Real, teacher: Teacher, noise: Noise, times: list[float]) -> Real:
    """Weights (T, K, M + K) by the equations."""
    found = RuledIntegrator(teacher, noise, rule, tolerance=1e-4).run(
        State.of(W, teacher), times, steps=10**6
    )
    assert found.stop is None
    return found.recorded


@pytest.mark.parametrize("name", ["normalised", "orthonormalised"])
@pytest.mark.parametrize(
    ("students", "gram", "noise"),
    [
        (2, None, Noise(0.8)),
        (3, [[1.0, 0.4], [0.4, 1.5]], Noise(1.6, 0.3, 2)),
        (1, None, Noise(1.0)),
    ],
)
def test_many_dimensions_give_the_equations(
    name: str, students: int, gram: Any, noise: Noise
) -> None:
    """d = 3,000: means of loss and overlaps are those of the equations, up to gamma / d and their
    errors. Without what the projection adds they would be off by a tenth."""
    teacher, dimension, runs = make_teacher(2, gram), 3000, 24
    W = starts.draw([0], seed=2, students=students, teacher=teacher, dimension=dimension)
    rule = rule_named(name, students, teacher)
    W = rule.begun(W)
    times = [1.0, 4.0]
    steps = [round(time * dimension / noise.learning_rate) for time in times]
    layout = Layout.of(students, 2, dimension, noise.batch_size)
    chain = RuledChain(teacher, layout, noise, rule, seed=7)
    _, found = chain.run(
        begin(rule, W[0], teacher, layout, tuple(range(runs))),
        first_stretch=0, stretches=-(-steps[-1] // layout.stretch), steps=steps,
    )  # fmt: skip
    expected = equations(rule, W[0], teacher, noise, times)
    for at in range(2):
        sides = []
        for weights in (found[:, at], expected[at][None]):
            loss = np.asarray(population.loss(weights, teacher))[:, None]
            R = (weights[..., :2] @ teacher.V.T).reshape(len(weights), -1)
            Q = (weights @ np.swapaxes(weights, -1, -2)).reshape(len(weights), -1)
            sides.append(np.concatenate([loss, R, Q], axis=1))
        errors = sides[0].std(axis=0) / math.sqrt(runs)
        away = np.abs(sides[0].mean(axis=0) - sides[1][0])
        assert np.all(away < 4.5 * errors + 6.0 / dimension), (at, away, errors)


@pytest.mark.parametrize("name", ["normalised", "orthonormalised"])
def test_equations_without_noise_are_the_flow(name: str) -> None:
    asked: dict[str, Any] = {
        "student_width": 3, "teacher_width": 3, "rule": name, "until": 12.0, "points": 4,
        "flow_tolerance": 1e-5, "attractors": False,
    }  # fmt: skip
    slow = solve(request(**asked, method="ode", learning_rate=1e-6))
    flow = solve(request(**asked, step=1e-3))
    assert body(slow).loss.mean == pytest.approx(body(flow).loss.mean, rel=3e-3)
    for name_ in ("R", "Q"):
        one, other = (np.array(getattr(details(each), name_)) for each in (slow, flow))
        assert one == pytest.approx(other, abs=2e-3)


ENSEMBLE: dict[str, Any] = {
    "student_width": 3, "teacher_width": 3, "method": "sgd", "learning_rate": 0.4,
    "input_dimension": 40, "until": 8.0, "runs": 5, "points": 6, "own_starts": True,
}  # fmt: skip


@pytest.mark.parametrize("name", RULES)
def test_an_ensemble_and_where_it_leads(name: str) -> None:
    """However it is cut; ends are those of descents by the rule."""
    asked = request(**ENSEMBLE, rule=name)
    found = solve(asked)
    assert as_bytes(solve(asked, chunk_starts=2)) == as_bytes(found)
    said = body(found)
    assert said.loss.running == [5] * 6
    assert said.critical_learning_rate is None
    assert sum(each.runs for each in said.attractors) == 5
    for run in said.runs:
        assert run.attractor_outcome == "came to rest at a strict minimum"
    for attractor in said.attractors:
        Q = np.array(attractor.Q)
        if name != "two_layer":
            assert np.diagonal(Q) == pytest.approx(1.0, abs=1e-12)
        if name == "orthonormalised":
            assert np.abs(Q - np.eye(3)).max() < 1e-12
    assert (details(found).second_layer is None) == (name != "two_layer")


def test_runs_of_two_layers_that_cannot_go_on_have_a_name() -> None:
    """At a learning rate of 4 a second layer goes through zero, or everything runs away."""
    said = body(solve(request(**{**ENSEMBLE, "learning_rate": 4.0, "until": 200.0, "runs": 12},
                              rule="two_layer")))  # fmt: skip
    gone = [run for run in said.runs if not run.reached_end]
    assert len(gone) == 12
    words = {run.outcome.split(":")[0].split(";")[0] for run in gone}
    assert "took a second-layer weight through zero" in words
    assert words <= {"took a second-layer weight through zero", "ran away"}
    assert all(run.attractor is None and run.last_loss is None for run in gone)
