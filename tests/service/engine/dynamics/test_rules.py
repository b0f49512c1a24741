"""Trajectories by the rules of descents: the flow of a rule, and what makes no sense."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import numpy as np
import pytest
from scipy.linalg import polar

from relu_landscape.engine.descents import COMPOSITION as DESCENTS
from relu_landscape.engine.descents.running import Pace, descend
from relu_landscape.engine.descents.tasks import Descend
from relu_landscape.engine.dynamics import COMPOSITION
from relu_landscape.engine.dynamics.solve import _march
from relu_landscape.engine.model import population
from relu_landscape.engine.model.arrays import backend_named
from relu_landscape.engine.tasks import SilentMonitor, run_here
from relu_landscape.errors import InputError, RequestError
from relu_landscape.wire.descents import DescentsRequest
from tests.service.engine.dynamics.test_trajectories import (
    Listener,
    as_bytes,
    body,
    details,
    request,
    solve,
    through_bytes,
)
from tests.service.engine.oracles import Real

NUMPY = backend_named("numpy")
RULES = ("gradient_descent", "normalised", "orthonormalised", "two_layer")
GRAM = [[1.0, 0.3, 0.0], [0.3, 2.0, -0.2], [0.0, -0.2, 0.5]]


def flow(rule: str, students: int = 5, **fields: Any) -> dict[str, Any]:
    return {"student_width": students, "teacher_width": 5, "rule": rule, "seed": 3, **fields}


@pytest.mark.parametrize("rule", RULES)
@pytest.mark.parametrize("until", [3.0, 400.0])
def test_where_it_leads_is_what_descents_say_of_that_start(rule: str, until: float) -> None:
    """To the bit, whether the trajectory ends long before the descent does, or long after."""
    asked = DESCENTS.problem(DescentsRequest.model_validate(flow(rule, starts=5)))
    landed = Descend(key="", first=0, last=5).run(asked, NUMPY).landed
    for start, end in enumerate(landed):
        found = solve(request(**flow(rule, start=start, until=until, points=3)))
        (attractor,) = body(found).attractors
        assert body(found).runs[0].attractor_outcome == "came to rest at a strict minimum"
        assert attractor.attractive is True
        assert end.outcome == "POINT"
        assert np.array_equal(attractor.R, end.W[:, :5])
        assert np.array_equal(attractor.Q, end.W @ end.W.T)


@pytest.mark.parametrize("rule", RULES)
def test_a_long_trajectory_comes_to_rest_at_its_attractor(rule: str) -> None:
    found = solve(request(**flow(rule, until=1500.0, points=4)))
    (attractor,) = body(found).attractors
    assert np.array(details(found).R[-1]) == pytest.approx(np.array(attractor.R), abs=1e-9)
    assert body(found).loss.mean[-1] == pytest.approx(attractor.loss, abs=1e-12)
    slope = details(found).gradient_norm[-1]
    assert slope is not None
    assert slope < 1e-8


@pytest.mark.parametrize("rule", RULES)
def test_the_steps_are_those_of_descents(rule: str) -> None:
    """The state after 40 steps, to the bit: descents look every 20 and had found nothing yet."""
    problem = COMPOSITION.problem(request(**flow(rule, step=0.05, until=2.0, start=4)))
    followed = _march(problem, run_here(problem, NUMPY), SilentMonitor())
    asked = DESCENTS.problem(DescentsRequest.model_validate(flow(rule, starts=5)))
    states = asked.rule.draw(range(5), seed=3, dimension=asked.dimension, scale=asked.scale)
    ends = descend(asked.rule, states, Pace(0.05, 1e-3, 39.5 * 0.05), asked.dimension)
    assert ends[4].outcome == "UNSETTLED"
    assert np.array_equal(problem.weights(followed.last)[0], ends[4].W)


def plain_steps(rule: str, W: Real, gram: Real | None, step: float, count: int) -> Real:
    """Weights (count + 1, K, p) that outputs depend on, by each rule's own text."""
    w, a = W.copy(), np.linalg.norm(W, axis=1)[:, None]
    seen = []
    for _ in range(count + 1):
        if rule == "normalised":
            w = w / np.linalg.norm(w, axis=1)[:, None]
        elif rule == "orthonormalised":
            w = polar(w)[0]
        omega = a * w if rule == "two_layer" else w
        seen.append(omega)
        g = np.asarray(population.gradient(omega, len(GRAM) if gram is None else gram))
        if rule == "normalised":
            g = g - np.sum(g * w, axis=1)[:, None] * w
        elif rule == "orthonormalised":
            g = g - (g @ w.T + w @ g.T) @ w / 2.0
        elif rule == "two_layer":
            w, a = w - step * a * g, a - step * np.sum(w * g, axis=1)[:, None]
            continue
        w = w - step * g
    return np.array(seen)


@pytest.mark.parametrize(
    ("rule", "gram"), [*((rule, None) for rule in RULES), *((rule, GRAM) for rule in RULES[:3])]
)
def test_curves_are_those_of_steps_by_hand(rule: str, gram: Any) -> None:
    rng = np.random.default_rng(5)
    W = rng.standard_normal((2, 5))
    fields = {
        "student_width": 2, "teacher_width": 3, "rule": rule, "weights": W.tolist(), "step": 0.1,
        "until": 4.0, "points": 41, "teacher_gram": gram, "attractors": False,
    }  # fmt: skip
    found = solve(request(**fields))
    T = None if gram is None else np.array(gram)
    V = np.eye(3) if T is None else np.linalg.cholesky(T)
    seen = plain_steps(rule, W, T, 0.1, 40)
    assert body(found).steps == list(range(41))
    assert body(found).step == 0.1
    assert body(found).critical_learning_rate is None
    assert body(found).times == pytest.approx(np.linspace(0.0, 4.0, 41))
    for place in (0, 1, 40):
        omega = seen[place]
        assert np.array(details(found).R[place]) == pytest.approx(omega[:, :3] @ V.T, abs=1e-11)
        assert np.array(details(found).Q[place]) == pytest.approx(omega @ omega.T, abs=1e-11)
        loss = float(population.loss(omega, 3 if T is None else T))
        assert details(found).loss[place] == pytest.approx(loss, rel=1e-10)


def test_the_gradient_is_that_along_the_surface() -> None:
    """Its square is how fast the loss falls in small steps."""
    for rule in ("normalised", "orthonormalised", "gradient_descent"):
        short = flow(rule, step=1e-4, until=3e-4, points=4, attractors=False)
        found = details(solve(request(**short)))
        losses, slopes = (np.array(each, float) for each in (found.loss, found.gradient_norm))
        fallen = -(losses[2] - losses[0]) / 2e-4
        assert fallen == pytest.approx(slopes[1] ** 2, rel=1e-4)


def test_a_second_layer_is_recorded() -> None:
    """R, Q and norms are of ``a_i w_i``; ``|w_i|^2 - a_i^2`` is conserved by its flow."""
    given = flow("two_layer", step=0.001, until=3.0, points=4, start_layer=0.7, init_scale=0.5)
    found = details(solve(request(**given, attractors=False)))
    assert found.second_layer is not None
    assert found.second_layer[0] == [0.7] * 5
    kept = []
    for Q, norms, a in zip(found.Q, found.norms, found.second_layer, strict=True):
        assert np.array(norms) == pytest.approx(np.sqrt(np.diagonal(np.array(Q))), rel=1e-12)
        kept.append(np.diagonal(np.array(Q)) / np.array(a) ** 2 - np.array(a) ** 2)
    moved = np.abs(np.array(found.second_layer[-1]) - 0.7).max()
    assert moved > 0.1
    for one, other in pairwise(kept):
        assert one == pytest.approx(other, abs=5e-3 * moved)
    balanced = details(solve(request(**flow("two_layer", until=1.0))))
    assert balanced.second_layer is not None
    first = np.array(balanced.second_layer[0])
    assert np.array(balanced.norms[0]) == pytest.approx(first**2, rel=1e-12)
    assert details(solve(request(**flow("normalised", until=1.0)))).second_layer is None


def test_lengths_are_those_of_students_of_norm_one() -> None:
    """A teacher ten times as long: such students stay as they are, and have not the lower bound."""
    gram = [[100.0, 0.0], [0.0, 100.0]]
    found = solve(
        request(student_width=2, teacher_width=2, rule="normalised", teacher_gram=gram, until=30.0)
    )
    norms = np.array(details(found).norms)
    assert norms == pytest.approx(1.0)
    (attractor,) = body(found).attractors
    assert attractor.loss >= (2 - 20) ** 2 / (4 * np.pi)
    assert not attractor.is_global
    free = solve(
        request(
            student_width=2, teacher_width=2, rule="gradient_descent", teacher_gram=gram,
            init_scale=10.0, until=60.0,
        )
    )  # fmt: skip
    plain = solve(request(student_width=2, teacher_width=2, rule="gradient_descent", until=60.0))
    hundredfold = [100.0 * (each or 0.0) for each in body(plain).loss.mean]
    assert body(free).loss.mean == pytest.approx(hundredfold, rel=1e-9)


def test_more_students_than_teachers() -> None:
    """Without a constraint the continuum; with one a point, above its bound."""
    asked: dict[str, Any] = {"student_width": 3, "teacher_width": 2, "until": 50.0}
    for rule in ("gradient_descent", "two_layer"):
        (one,) = body(solve(request(**asked, rule=rule))).attractors
        assert (one.is_global, one.is_continuum, one.attractive) == (True, True, None)
    (one,) = body(solve(request(**asked, rule="normalised"))).attractors
    assert one.loss > 1 / (4 * np.pi)
    assert (one.is_global, one.is_continuum) == (False, False)


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        # Of two layers a long step takes a weight through zero; of one it drives students away.
        (flow("two_layer", step=4.0, until=400.0), "through zero"),
        (flow("gradient_descent", step=8.0, until=4000.0), "ran away"),
    ],
)
def test_what_cannot_go_on_has_a_name(fields: dict[str, Any], words: str) -> None:
    found = solve(request(**fields))
    (run,) = body(found).runs
    assert words in run.outcome
    assert (run.reached_end, run.last_loss, run.attractor) == (False, None, None)
    assert 0.0 < run.ended_at < fields["until"]
    known = sum(each is not None for each in details(found).loss)
    assert 0 < known < 51
    assert b"NaN" not in as_bytes(found)


@pytest.mark.parametrize("rule", RULES)
def test_pieces_bytes_and_order_do_not_show(rule: str, monkeypatch: pytest.MonkeyPatch) -> None:
    asked = request(**flow(rule, until=30.0, points=17))
    whole = as_bytes(solve(asked))
    problem = COMPOSITION.problem(asked)
    monkeypatch.setattr("relu_landscape.engine.dynamics.solve.seconds_per_move", lambda _: 1 / 7)
    told = Listener()
    assert as_bytes(solve(asked, run=through_bytes(problem), monitor=told)) == whole
    assert told.done == sum(tasks for _, tasks in told.phases)
    assert dict(told.phases)["integrate"] > 2
    assert told.said[-1].time == pytest.approx(30.0, rel=0.02)


def test_ends_are_not_followed_where_nobody_asks() -> None:
    found = body(solve(request(**flow("normalised", attractors=False))))
    assert (found.attractors, found.runs[0].attractor_outcome) == ([], None)


def test_overlaps_at_the_last_time_are_those_of_both_layers() -> None:
    every, last = (
        details(solve(request(**flow("two_layer", until=2.0, overlaps_at=when))))
        for when in ("all times", "last time")
    )
    assert np.array(last.R) == pytest.approx(np.array(every.R[-1:]), rel=1e-12)
    assert np.array(last.Q) == pytest.approx(np.array(every.Q[-1:]), rel=1e-12)
    assert last.second_layer == every.second_layer


SGD = {"method": "sgd", "learning_rate": 0.1}


@pytest.mark.parametrize(
    ("fields", "field"),
    [
        ({"step": 0.1}, "step"),
        ({"rule": "normalised", "leak": 0.1}, "leak"),
        ({"rule": "gradient_descent", "student_layer": [1.0, -1.0]}, "student_layer"),
        ({"rule": "gradient_descent", "teacher_layer": [1.0, -1.0]}, "teacher_layer"),
        ({**SGD, "rule": "normalised", "step": 0.1}, "step"),
        ({"start_layer": 1.0}, "start_layer"),
        ({"rule": "normalised", "start_layer": 1.0}, "start_layer"),
        ({**SGD, "rule": "gradient_descent"}, "rule"),
        ({**SGD, "method": "ode", "rule": "gradient_descent"}, "rule"),
        ({**SGD, "method": "ode", "rule": "two_layer"}, "rule"),
        ({"rule": "normalised", "learning_rate": 0.1}, "learning_rate"),
        ({"rule": "orthonormalised", "student_width": 6, "input_dimension": 5}, "input_dimension"),
        ({"rule": "two_layer", "teacher_gram": [[2.0, 0.0], [0.0, 1.0]]}, "teacher_gram"),
        ({"rule": "normalised", "teacher_gram": [[1e8, 0.0], [0.0, 1.0]]}, "teacher_gram"),
        ({"rule": "normalised", "init_scale": 1e4}, "init_scale"),
        ({"rule": "normalised", "student_width": 64, "teacher_width": 64}, "student_width"),
        ({"rule": "gradient_descent", "step": 1e-4, "until": 1e6}, "until"),
        ({**SGD, "rule": "normalised", "until": 1e5}, "until"),
        ({**SGD, "rule": "two_layer", "until": 1e4, "batch_size": 32}, "until"),
    ],
)
def test_what_makes_no_sense_is_named(fields: dict[str, Any], field: str) -> None:
    with pytest.raises(ValueError) as refused:
        request(**{"student_width": 2, "teacher_width": 2, "input_dimension": 2000, **fields})
    assert f"{field} = " in str(refused.value)


def test_steps_that_nobody_chose_are_counted_by_the_engine() -> None:
    asked = request(student_width=40, teacher_width=40, rule="normalised", until=1e6)
    with pytest.raises(RequestError, match=r"until = 1000000\.0 is not accepted: at most 10,000"):
        COMPOSITION.problem(asked)


def test_dependent_students_have_no_orthonormal_ones_beside_them() -> None:
    W = [[1.0, 0.0, 1.0], [2.0, 0.0, 2.0]]
    asked = request(student_width=2, teacher_width=2, weights=W, rule="orthonormalised")
    with pytest.raises(InputError, match="linearly dependent"):
        COMPOSITION.problem(asked)


def test_requests_without_a_rule_keep_their_ids() -> None:
    """As content ids were before there were rules."""
    asked = request(student_width=2, teacher_width=2)
    assert {"rule", "step", "start_layer"}.isdisjoint(asked.canonical())
    named = request(student_width=2, teacher_width=2, rule="gradient_flow")
    assert named.content_id("numpy") == asked.content_id("numpy")
    assert asked.content_id("numpy") != request(**flow("normalised")).content_id("numpy")
    document = solve(asked)
    assert "step" not in document.result.model_dump(mode="json")
    assert "second_layer" not in document.parts["r1"].model_dump(mode="json")
