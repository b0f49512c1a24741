"""Trajectories of units that leak and of second layers of any sign, against plain simulation.

The oracles know nothing of the engine's unit: losses, times and learning rates are those of
``max(x, c x)`` itself.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
from scipy.integrate import solve_ivp

from relu_landscape.engine.descents.layers import Layers
from relu_landscape.engine.dynamics import COMPOSITION
from relu_landscape.engine.dynamics.network import Network
from relu_landscape.engine.dynamics.ode import Integrator, Noise, State, Stop
from relu_landscape.engine.model import activation
from relu_landscape.engine.model.second_layers import SecondLayers
from relu_landscape.engine.model.teacher import make_teacher
from relu_landscape.engine.noise.learning_rates import critical_learning_rate
from relu_landscape.wire.trajectory_answers import TrajectoryBody
from tests.service.engine.descents import solving
from tests.service.engine.dynamics.test_chain import plain_sgd
from tests.service.engine.dynamics.test_ode import start
from tests.service.engine.dynamics.test_trajectories import body, details, request, solve
from tests.service.engine.noise.test_leaking import by_sampling
from tests.service.engine.oracles import Real

LEAKS = [-0.9, -0.5, 0.1, 0.5, 0.9]
GRAM = [[1.0, 0.3], [0.3, 1.4]]
A, B = [0.8, -1.2, 0.6], [1.1, -0.7]


def plain_loss(W: Real, V: Real, leak: float, a: Real, b: Real) -> float:
    """By pairs of units, as the formulas are printed."""
    rows = np.vstack([W, np.pad(V, ((0, 0), (0, W.shape[1] - V.shape[1])))])
    weights, n = np.r_[a, -b], np.linalg.norm(rows, axis=1)
    inner = rows @ rows.T
    t = np.arccos(np.clip(inner / np.outer(n, n), -1.0, 1.0))
    np.fill_diagonal(t, 0.0)
    g = np.outer(n, n) * (np.sin(t) + (np.pi - t) * np.cos(t)) / (2.0 * np.pi)
    return float(weights @ ((1.0 - leak) ** 2 * g + leak * inner) @ weights / 2.0)


def plain_gradient(W: Real, V: Real, leak: float, a: Real, b: Real) -> Real:
    rows = np.vstack([W, np.pad(V, ((0, 0), (0, W.shape[1] - V.shape[1])))])
    weights, n = np.r_[a, -b], np.linalg.norm(rows, axis=1)
    inner = rows @ rows.T
    t = np.arccos(np.clip(inner / np.outer(n, n), -1.0, 1.0))
    np.fill_diagonal(t, 0.0)
    K = len(W)
    pull = ((np.sin(t[:K]) * n) @ weights)[:, None] * W / n[:K, None]
    pull += ((np.pi - t[:K]) * weights) @ rows
    found = (1.0 - leak) ** 2 * pull / (2.0 * np.pi) + leak * (weights @ rows)
    return np.asarray(a[:, None] * found)


@pytest.mark.parametrize("leak", [0.0, *LEAKS])
def test_layers_that_leak(leak: float) -> None:
    """Loss, gradient and Hessian in the engine's unit, with a teacher that is not orthonormal."""
    rng = np.random.default_rng(1)
    teacher, height = make_teacher(2, GRAM, leak), activation.height(leak)
    a, b = np.array(A), np.array(B)
    for teacher_, ours in (
        (teacher, Layers.beside(a, b, teacher)),
        (make_teacher(2, leak=leak), Layers.beside(a, b, make_teacher(2, leak=leak))),
    ):
        W = rng.standard_normal((4, 3, 5))
        wanted = [plain_loss(each, teacher_.V, leak, a, b) for each in W]
        assert height * ours.loss(W) == pytest.approx(np.array(wanted), rel=1e-11)
        slopes = np.array([plain_gradient(each, teacher_.V, leak, a, b) for each in W])
        assert height * ours.gradient(W) == pytest.approx(slopes, abs=1e-11)
        H, beside = ours.hessian(W[0])
        moves = 1e-5 * np.eye(15).reshape(15, 3, 5)
        rows = (ours.gradient(W[0] + moves) - ours.gradient(W[0] - moves)) / 2e-5
        off = np.abs(H - rows.reshape(15, 15)).max()
        assert off < 1e-7 * max(1.0, 1.0 / height)
        network = Network(teacher_, SecondLayers(a, b))
        assert beside == pytest.approx(network.block(W[0]), abs=1e-12 * max(1.0, 1.0 / height))
    plain = Layers.beside(np.ones(2), np.ones(2), make_teacher(2, leak=leak))
    assert plain.is_plain
    W = rng.standard_normal((4, 2, 3))
    wanted = [plain_loss(each, np.eye(2), leak, np.ones(2), np.ones(2)) for each in W]
    assert height * plain.loss(W) == pytest.approx(np.array(wanted), rel=1e-10)


@pytest.mark.parametrize(
    ("leak", "has_layers"),
    [(0.0, True), (-0.5, True), (0.5, True), (-0.9, False), (0.5, False)],
)
def test_the_equations_against_runge_kutta(leak: float, has_layers: bool) -> None:
    """The method ``ode`` in the units of the request, against Saad and Solla's equations with a
    plain gradient and with the noise from the engine, which sampling checks at the first time."""
    gamma, label_noise, batch = 0.3, 0.4, 2
    height = activation.height(leak)
    teacher = make_teacher(2, GRAM, leak)
    a, b = (np.array(A), np.array(B)) if has_layers else (np.ones(3), np.ones(2))
    second = SecondLayers(a, b)
    W, times = start(3, teacher), [0.5, 2.0, 6.0]

    def sigma(w: Real) -> Real:
        return np.asarray(
            height**2
            * Network(teacher, second).noise(
                w, label_noise=label_noise / math.sqrt(height), batch_size=batch
            )
        )

    mean, error = by_sampling(W, teacher.V, leak, second, label_noise=label_noise, batch_size=batch)
    assert np.all(np.abs(sigma(W) - mean) < 4.5 * error)

    def slope(_: float, y: Real) -> Real:
        S, P = y[:6].reshape(3, 2), y[6:].reshape(3, 3)
        values, vectors = np.linalg.eigh(P)
        root = (vectors * np.sqrt(np.maximum(values, 0.0))) @ vectors.T
        w = np.hstack([S, root])
        g = plain_gradient(w, teacher.V, leak, a, b)
        inner = g[:, 2:] @ root
        outside = -inner - inner.T + gamma * sigma(w)
        return np.asarray(np.r_[-g[:, :2].ravel(), outside.ravel()])

    first = np.r_[W[:, :2].ravel(), (W[:, 2:] @ W[:, 2:].T).ravel()]
    wanted = solve_ivp(
        slope, (0.0, times[-1]), first, t_eval=times, rtol=1e-6, atol=1e-8, method="RK45"
    ).y.T
    layers = {"student_layer": A, "teacher_layer": B} if has_layers else {}
    errors = []
    for tolerance in (1e-4, 1e-5):
        asked = request(
            student_width=3, teacher_width=2, method="ode", learning_rate=gamma, leak=leak,
            label_noise=label_noise, batch_size=batch, teacher_gram=GRAM, weights=W.tolist(),
            until=6.0, points=13, flow_tolerance=tolerance, attractors=False, **layers,
        )  # fmt: skip
        part = details(solve(asked))
        off = 0.0
        for time, y in zip(times, wanted, strict=True):
            at = part.times.index(time)
            S, P = y[:6].reshape(3, 2), y[6:].reshape(3, 3)
            off = max(off, float(np.abs(np.array(part.R[at]) - S @ teacher.V.T).max()))
            off = max(off, float(np.abs(np.array(part.Q[at]) - S @ S.T - P).max()))
            w = np.hstack([S, np.linalg.cholesky(P + 1e-12 * np.eye(3))])
            loss = plain_loss(w, teacher.V, leak, a, b)
            assert part.loss[at] == pytest.approx(loss, rel=1e-2, abs=1e-3)
        errors.append(off)
    assert errors[0] < 1e-3
    assert errors[1] < errors[0] / 4.0


@pytest.mark.parametrize("leak", [-0.5, 0.0, 0.5])
def test_sgd_of_the_request_is_plain_sgd(leak: float) -> None:
    """Runs of the method ``sgd`` beside SGD on vectors of length d, in the request's own units:
    steps, times, losses and overlaps."""
    gamma, dimension, runs = 0.5, 40, 400
    teacher = make_teacher(2, GRAM, leak)
    a, b = np.array(A), np.array(B)
    asked = request(
        student_width=3, teacher_width=2, method="sgd", learning_rate=gamma, leak=leak,
        label_noise=0.3, batch_size=2, teacher_gram=GRAM, input_dimension=dimension, until=2.0,
        points=3, runs=runs, student_layer=A, teacher_layer=B, attractors=False,
    )  # fmt: skip
    found = solve(asked)
    steps = body(found).steps
    assert steps == [0, 80, 160]
    W = COMPOSITION.problem(asked).begin((0,))[0]
    plain = plain_sgd(
        W, teacher.V, Noise(gamma, 0.3, 2), dimension, [0, 80, 160], runs, seed=3, leak=leak,
        layers=SecondLayers(a, b),
    )  # fmt: skip
    ours = [details(found, f"r{n + 1}") for n in range(runs)]
    for at in (0, 1, 2):
        theirs = np.array([
            [plain_loss(w, teacher.V, leak, a, b), *(w @ w.T).ravel(),
             *(w[:, :2] @ teacher.V.T).ravel()] for w in plain[at]
        ])  # fmt: skip
        mine = np.array([
            [each.loss[at], *np.array(each.Q[at]).ravel(), *np.array(each.R[at]).ravel()]
            for each in ours
        ])  # fmt: skip
        if at == 0:
            assert mine == pytest.approx(theirs, rel=1e-9)
            continue
        spread = np.sqrt((theirs.var(axis=0) + mine.var(axis=0)) / runs)
        assert np.max(np.abs(theirs.mean(axis=0) - mine.mean(axis=0)) / spread) < 4.5


@pytest.mark.parametrize("leak", [-0.5, 0.5])
def test_many_dimensions_give_the_equations(leak: float) -> None:
    """d = 3,000: the mean loss of ``sgd`` is that of ``ode``, up to gamma / d and its error."""
    asked: dict[str, Any] = {
        "student_width": 3, "teacher_width": 2, "learning_rate": 0.5, "leak": leak,
        "input_dimension": 3000, "until": 4.0, "points": 3, "student_layer": A,
        "teacher_layer": B, "attractors": False, "overlaps_at": "last time",
    }  # fmt: skip
    equations = body(solve(request(**asked, method="ode", flow_tolerance=1e-5))).loss.mean
    sgd = body(solve(request(**asked, method="sgd", runs=24))).loss
    for at in (1, 2):
        mean, spread, wanted = sgd.mean[at], sgd.standard_deviation[at], equations[at]
        assert mean is not None
        assert spread is not None
        assert wanted is not None
        assert abs(mean - wanted) < 4.5 * spread / math.sqrt(24) + 10.0 / 3000


@pytest.mark.parametrize("number", range(6))
def test_a_flow_with_signs_ends_where_the_descent_does(number: int) -> None:
    """From the same start, at the same point by its loss, or with the same outcome."""
    layers: dict[str, Any] = {"student_layer": [1.0, -1.0, 0.5], "teacher_layer": [1.0, -2.0, 1.0]}
    widths = {"student_width": 3, "teacher_width": 3, "input_dimension": 30, "seed": 4}
    ends = solving.solve(rule="gradient_flow", starts=6, **widths, **layers)
    found = body(solve(request(**widths, **layers, start=number, until=50.0, points=3)))
    reached = ends.reached[number]
    end = next((each for each in ends.ends if each.key == reached), None)
    (run,) = found.runs
    if end is None:
        assert (run.attractor, run.attractor_outcome) == (None, reached)
        return
    (attractor,) = found.attractors
    assert attractor.loss == pytest.approx(end.loss, abs=1e-10)
    assert attractor.is_global == (end.kind == "global")
    assert attractor.attractive is True
    Q, R = np.array(attractor.Q), np.array(attractor.R)
    w = np.hstack([R, np.linalg.cholesky(Q - R @ R.T + 1e-14 * np.eye(3))])
    loss = plain_loss(
        w, np.eye(3), 0.0, np.array(layers["student_layer"]), np.array(layers["teacher_layer"])
    )
    assert attractor.loss == pytest.approx(loss, abs=1e-6)


@pytest.mark.parametrize("leak", [-0.5, 0.5])
@pytest.mark.parametrize("has_layers", [True, False], ids=["signs", "plain"])
def test_where_a_flow_with_a_leak_ends(leak: float, has_layers: bool) -> None:
    """The attractor is where Dormand and Prince's steps on plain sums come to rest."""
    a = np.array([1.0, -0.7, 0.8]) if has_layers else np.ones(3)
    b = np.array([1.0, -1.0, 1.2]) if has_layers else np.ones(3)
    layers = {"student_layer": a.tolist(), "teacher_layer": b.tolist()} if has_layers else {}
    asked = request(
        student_width=3, teacher_width=3, input_dimension=30, leak=leak, seed=2, until=20.0,
        points=3, **layers,
    )  # fmt: skip
    W = COMPOSITION.problem(asked).begin((0,))[0]
    V = np.eye(3)

    def slope(_: float, y: Real) -> Real:
        return -plain_gradient(y.reshape(W.shape), V, leak, a, b).ravel()

    y = solve_ivp(slope, (0.0, 20.0), W.ravel(), rtol=1e-8, atol=1e-10).y[:, -1]
    found = body(solve(asked))
    at_end = plain_loss(y.reshape(W.shape), V, leak, a, b)
    assert found.runs[0].last_loss == pytest.approx(at_end, rel=2e-2, abs=1e-4)
    y = solve_ivp(slope, (0.0, 3000.0), y, rtol=1e-8, atol=1e-10, method="LSODA").y[:, -1]
    (attractor,) = found.attractors
    rested = plain_loss(y.reshape(W.shape), V, leak, a, b)
    assert attractor.loss == pytest.approx(rested, abs=1e-7)
    assert attractor.attractive is True
    critical = None if has_layers else pytest.approx(critical_learning_rate(3, leak))
    assert found.critical_learning_rate == critical


def test_layers_of_one_are_none() -> None:
    """The same numbers, bit by bit, under an id of their own."""
    asked: dict[str, Any] = {
        "student_width": 2, "teacher_width": 2, "method": "ode", "learning_rate": 0.3, "until": 9.0,
    }  # fmt: skip
    ones = request(**asked, student_layer=[1.0, 1.0], teacher_layer=[1.0, 1.0])
    plain = request(**asked, leak=0.0)
    assert plain.canonical() == request(**asked).canonical()
    assert "leak" not in plain.canonical()
    assert solve(ones).result.model_dump() == solve(plain).result.model_dump()


def test_sizes_of_layers_are_lengths() -> None:
    """A teacher's size is its length; twice the students' layer is twice their length and a flow
    four times as fast, SGD with a learning rate a quarter of it."""
    asked: dict[str, Any] = {
        "student_width": 2, "teacher_width": 2, "method": "sgd", "input_dimension": 40, "runs": 3,
        "points": 5, "attractors": False, "leak": -0.4,
    }  # fmt: skip
    one = solve(request(
        **asked, learning_rate=0.4, until=8.0, init_scale=1.0,
        student_layer=[2.0, -2.0], teacher_layer=[3.0, 1.0],
    ))  # fmt: skip
    other = solve(request(
        **asked, learning_rate=1.6, until=32.0, init_scale=2.0,
        student_layer=[1.0, -1.0], teacher_layer=[1.0, 1.0], teacher_gram=[[9.0, 0.0], [0.0, 1.0]],
    ))  # fmt: skip
    assert body(one).steps == body(other).steps
    first, second = (np.array(details(each).loss, float) for each in (one, other))
    assert first[:2] == pytest.approx(second[:2], rel=1e-6)


@pytest.mark.parametrize("method", ["ode", "sgd"])
def test_what_runs_away_with_signs_has_a_name(method: str) -> None:
    found = body(solve(request(
        student_width=3, teacher_width=2, method=method, learning_rate=6.0, input_dimension=50,
        until=50.0, leak=-0.5, student_layer=A, teacher_layer=B,
    )))  # fmt: skip
    (run,) = found.runs
    assert run.outcome.startswith("ran away: the weights grow without bound")
    assert (run.reached_end, run.last_loss, run.attractor) == (False, None, None)


def test_a_flow_that_grows_says_so_without_a_learning_rate() -> None:
    """Ends of a hundred times what a student needs: where that is, sizes of layers say."""
    teacher, layers = make_teacher(2), SecondLayers(np.array([0.1, -0.5]), np.array([1.0, 2.0]))
    W = start(2, teacher)
    state = State.of(W, teacher, layers)
    assert state.limit == pytest.approx(100.0 * 2.0 / 0.1)
    far = State.of(W * 1e4, teacher, layers)
    integrator = Integrator(teacher, Noise(0.0), tolerance=1e-3, layers=layers)
    stopped = integrator.run(
        State(far.span, far.P, 0.0, 0.05, 0, state.limit), [1.0], steps=10
    ).stop
    assert stopped is Stop.GREW
    assert stopped.is_lost
    assert not Stop.VANISHED.is_lost


def test_a_student_without_a_teacher_of_its_sign_comes_to_norm_zero() -> None:
    found: TrajectoryBody = body(solve(request(
        student_width=1, teacher_width=1, weights=[[1.0]], student_layer=[-1.0], until=20.0
    )))  # fmt: skip
    (run,) = found.runs
    assert run.outcome.startswith("a student came to norm zero")
    # From there nothing pulls: with no student the loss is that of the teacher, a quarter.
    (attractor,) = found.attractors
    assert attractor.loss == pytest.approx(0.25, abs=1e-9)
    assert np.abs(attractor.Q).max() < 1e-9


@pytest.mark.parametrize(
    ("fields", "field"),
    [
        ({"leak": 0.95}, "leak"),
        ({"leak": -1.0}, "leak"),
        ({"student_layer": [1.0]}, "student_layer"),
        ({"student_layer": [1.0, 0.0]}, "student_layer"),
        ({"teacher_layer": [1.0, 1e-4]}, "teacher_layer"),
        ({"teacher_layer": [1.0, 2.0, 3.0]}, "teacher_layer"),
        ({"teacher_layer": [1.0, 1e4]}, "teacher_layer"),
        (
            {
                "student_width": 60, "teacher_width": 60, "student_layer": [-1.0] * 60,
                "overlaps_at": "last time",
            },
            "attractors",
        ),
    ],
)  # fmt: skip
def test_what_makes_no_sense_is_named(fields: dict[str, Any], field: str) -> None:
    with pytest.raises(ValueError) as refused:
        request(**{"student_width": 2, "teacher_width": 2, **fields})
    assert field in str(refused.value)


def test_wide_layers_are_followed_without_attractors() -> None:
    request(
        student_width=60, teacher_width=60, student_layer=[-1.0] * 60, attractors=False,
        overlaps_at="last time",
    )  # fmt: skip
