"""Ends as groups, the global set's rule, the catalogue, and what is said on the way."""

from __future__ import annotations

import importlib
from typing import Any

import numpy as np
import pytest

from relu_landscape.engine.descent import global_set
from relu_landscape.engine.descent.batch import End
from relu_landscape.engine.descent.outcomes import Outcome
from relu_landscape.engine.landscape import sampling
from relu_landscape.engine.landscape.catalogue import Catalogue
from relu_landscape.engine.landscape.findings import Findings
from relu_landscape.engine.landscape.problem import Problem
from relu_landscape.engine.model import arrays
from relu_landscape.engine.points import classify
from relu_landscape.engine.points.classify import Point
from relu_landscape.engine.tasks import SilentMonitor, Task
from relu_landscape.errors import ConfigurationError
from relu_landscape.wire.requests import LandscapeRequest
from tests.service.engine import known
from tests.service.engine.conftest import Backend
from tests.service.engine.oracles import Real


def _problem(K: int, M: int, **fields: Any) -> Problem:
    request = LandscapeRequest.model_validate(
        {"student_width": K, "teacher_width": M, "structured": False, **fields}
    )
    return Problem.from_request(request.canonical())


def _end(start: int, W: Real, outcome: Outcome = Outcome.FIXED_POINT, moved: float = 0.0) -> End:
    return End(start, outcome, W, W, moved, False, 1)


def _global(W: Real, backend: Backend) -> list[bool]:
    M = W.shape[-1] if W.shape[-1] < 4 else 3
    found = global_set.reached(
        backend.asarray(W), backend.asarray(np.eye(M)), backend.asarray(np.ones(M)),
        xp=backend.xp, is_orthonormal=True,
    )  # fmt: skip
    return [bool(found[row]) for row in range(len(W))]


def test_rule_of_the_global_set(backend: Backend) -> None:
    exact = np.vstack([np.eye(3), np.eye(3)[0]])
    exact[[0, 3]] *= [[0.4], [0.6]]
    beside = exact.copy()
    beside[0, 1], beside[3, 1] = 1e-3, -1e-3  # the split units lean apart and sum to the teacher
    far = exact.copy()
    far[1] *= 1.02  # more than SUM away, loss 1e-4
    missing = np.vstack([np.eye(3)[[0, 0, 1]] * [[0.5], [0.5], [1.0]], [[0.6, 0.0, 0.8]]])
    dying = np.vstack([np.eye(3), [[-3e-4, 1e-4, 0.0]]])  # short, of no direction
    found = _global(np.stack([exact, beside, far, missing, dying]), backend)
    assert found == [True, True, False, False, True]


def test_a_short_student_beside_its_teacher_carries_its_share(backend: Backend) -> None:
    """It was left out of the sum, so that a path at loss 5e-11 with a unit of length 0.049 never
    counted as arrived and was given up outside the teacher's span."""
    W = np.vstack([np.eye(3), np.eye(3)[0]]) * [[0.951], [1.0], [1.0], [0.049]]
    without = W * [[1.0], [1.0], [1.0], [0.01]]
    assert _global(np.stack([W, without]), backend) == [True, False]


def test_the_perpendicular_part_counts(backend: Backend) -> None:
    W = np.zeros((2, 4, 7))
    W[:, :3, :3] = np.eye(3)
    W[:, 3, 0], W[:, 0, 0] = 0.5, 0.5
    W[1, 1, 3] = 0.02
    assert _global(W, backend) == [True, False]


def test_ends_are_grouped_by_what_relabelling_leaves() -> None:
    problem = _problem(7, 7, input_dimension=7)
    spurious = known.locate(known.WELL_SPECIFIED[1])
    rng = np.random.default_rng(1)
    copies = [spurious[rng.permutation(7)][:, rng.permutation(7)] for _ in range(3)]
    ends = [
        _end(5, copies[0]), _end(3, np.eye(7)), _end(9, copies[1], moved=0.5),
        _end(4, np.eye(7), Outcome.VANISHED), _end(1, copies[2]), _end(8, np.eye(7)[::-1].copy()),
        _end(6, np.eye(7), Outcome.STEP_LIMIT), _end(2, np.eye(7), Outcome.GLOBAL_SET),
        _end(7, np.eye(7), Outcome.VANISHED),
    ]  # fmt: skip
    found = sampling.grouped(problem, ends)
    assert [group["members"] for group in found["groups"]] == [[1, 5, 9], [3, 8]]
    assert found["groups"][0]["moved"] == [0.0, 0.0, 0.5]
    assert found["groups"][0]["loss"] == pytest.approx(0.0232027149136, abs=1e-12)
    assert np.array_equal(found["groups"][0]["W"], copies[2])  # the lowest start's
    assert found["global"] == [2]
    assert found["failed"] == {"VANISHED": [4, 7], "STEP_LIMIT": [6]}
    assert sampling.grouped(problem, []) == {"groups": [], "global": [], "failed": {}}


def test_groups_of_several_tasks_become_one() -> None:
    """Whatever the order in which answers come."""
    problem = _problem(7, 7, input_dimension=7)
    spurious = known.locate(known.WELL_SPECIFIED[1])
    answers = [
        sampling.grouped(problem, [_end(0, np.eye(7)), _end(4, spurious[::-1].copy())]),
        sampling.grouped(problem, [_end(2, spurious), _end(1, np.eye(7), Outcome.VANISHED)]),
        sampling.grouped(problem, [_end(3, np.eye(7)[::-1].copy())]),
    ]
    for order in ([0, 1, 2], [2, 0, 1], [1, 2, 0]):
        catalogue = Catalogue(problem)
        groups = catalogue.collect([answers[place] for place in order])
        assert [group.start for group in groups] == [0, 2]
        assert [sorted(group.members) for group in groups] == [[0, 3], [2, 4]]
        assert np.array_equal(groups[1].W, spurious)
        assert catalogue.failed == {1: "VANISHED"}


def _credit(point: Point, problem: Problem, moved: float, aligned: bool) -> tuple[list[int], ...]:
    catalogue = Catalogue(problem)
    end = End(0, Outcome.FIXED_POINT, point.W, point.W, moved, aligned, 1)
    (group,) = catalogue.collect([sampling.grouped(problem, [end])])
    entry = catalogue.add("a", point, "sampled")
    return (*catalogue.credit(group, entry, entry.point), entry.hits)


def test_credit_needs_a_reason() -> None:
    problem = _problem(7, 7, input_dimension=7)
    point = classify.classify(known.locate(known.WELL_SPECIFIED[1]), problem.teacher)
    # Smallest eigenvalue 0.014: the ball in which the flow goes there is 0.037 wide.
    assert _credit(point, problem, 0.03, False) == ([], [], [0])
    assert _credit(point, problem, 0.05, False) == ([0], [], [])
    assert _credit(point, problem, 0.05, True) == ([], [], [0])
    saddle = classify.classify(known.locate(known.ONE_MORE[2]), _problem(18, 17).teacher)
    assert _credit(saddle, _problem(18, 17), 0.0, True) == ([], [0], [])


def test_copies_share_an_entry() -> None:
    problem = _problem(7, 7, input_dimension=7)
    catalogue = Catalogue(problem)
    point = classify.classify(known.locate(known.WELL_SPECIFIED[1]), problem.teacher)
    copy = classify.classify(point.W[::-1].copy(), problem.teacher)
    first = catalogue.add("a", point, "sampled")
    assert catalogue.add("b", copy, "structured") is first
    assert first.found_by == {"sampled", "structured"}
    assert catalogue.add("c", classify.classify(np.eye(7), problem.teacher), "sampled") is not first


def test_zero_loss_of_wide_students_belongs_to_the_continuum() -> None:
    problem = _problem(4, 3, input_dimension=5)
    point = classify.spectrum_at(
        np.eye(3)[[0, 1, 2, 2]] * [[1], [1], [0.5], [0.5]], problem.teacher
    )
    catalogue = Catalogue(problem)
    assert catalogue.is_on_global_set(point)
    (group,) = catalogue.collect([sampling.grouped(problem, [_end(3, point.W)])])
    entry = catalogue.add("a", point, "sampled")
    assert catalogue.credit(group, entry, entry.point) == ([], [])
    assert catalogue.reached_global == {3}
    square = classify.spectrum_at(np.eye(3), _problem(3, 3).teacher)
    assert not Catalogue(_problem(3, 3)).is_on_global_set(square)


def test_findings_count_by_loss() -> None:
    findings = Findings(_problem(5, 4))
    sample = Task("sample", "sample/0")
    group = {"loss": 0.02, "members": [1, 2]}
    assert findings.update(sample, {"global": [3], "groups": [group]})
    assert findings.update(sample, {"global": [], "groups": [{**group, "loss": 0.02 + 1e-9}]})
    assert not findings.update(sample, {"global": [], "groups": []})
    assert not findings.update(Task("classify", "c"), {"points": []})
    assert findings.summary() == [
        {"key": "g1", "kind": "global_continuum", "loss": 0.0, "hits": 1},
        {"key": "p1", "kind": "unclassified", "loss": 0.02, "hits": 4},
    ]


def test_outcomes_are_sentences() -> None:
    assert [outcome for outcome in Outcome if outcome.converged] == [
        Outcome.FIXED_POINT, Outcome.GLOBAL_SET,
    ]  # fmt: skip
    assert all(len(outcome.value) > 20 for outcome in Outcome)


def test_backends_by_name() -> None:
    chosen = arrays.backend_named("numpy")
    assert chosen["xp"].asarray([1.0]).dtype == np.float64
    assert chosen["on_gpu"] is False
    with pytest.raises(ConfigurationError, match="choose numpy or cupy"):
        arrays.backend_named("abacus")


def test_cupy_is_an_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    def missing(name: str) -> Any:
        raise ImportError(name)

    monkeypatch.setattr(importlib, "import_module", missing)
    with pytest.raises(ConfigurationError, match=r"relu-landscape\[gpu\]"):
        arrays.backend_named("cupy")


def test_the_silent_monitor_never_stops_anything() -> None:
    monitor = SilentMonitor()
    monitor.phase("sample", 1)
    monitor.advance(Task("sample", "s"))
    monitor.findings([])
    monitor.check()
