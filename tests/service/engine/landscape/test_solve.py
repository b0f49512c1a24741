"""Whole landscapes: one result however the work is cut, who computes it and in which order."""

from __future__ import annotations

import random
from collections.abc import Iterator, Mapping, Sequence
from functools import cache
from typing import Any

import numpy as np
import orjson
import pytest

from relu_landscape import engine
from relu_landscape.engine.descent import batch, creeping
from relu_landscape.engine.descent import starts as drawing
from relu_landscape.engine.descent.outcomes import Outcome
from relu_landscape.engine.landscape.solve import run_task
from relu_landscape.engine.tasks import SilentMonitor, Task
from relu_landscape.errors import Cancelled, InputError
from relu_landscape.wire import landscape as wire
from relu_landscape.wire import requests
from tests.service.engine import known
from tests.service.engine.oracles import gram_matrix

Answer = tuple[Task, Mapping[str, Any]]


def _request(K: int, M: int, **fields: Any) -> dict[str, Any]:
    defaults = {"starts": 24, "structured": False, "input_dimension": M + 3, "seed": 4}
    request = {"student_width": K, "teacher_width": M, **defaults, **fields}
    return requests.LandscapeRequest.model_validate(request).canonical()


def _bytes(result: Mapping[str, Any]) -> bytes:
    return orjson.dumps(result, option=orjson.OPT_SORT_KEYS | orjson.OPT_SERIALIZE_NUMPY)


def _landscape(request: dict[str, Any], result: Mapping[str, Any]) -> wire.Landscape:
    """The result as the service would send it; refuses what its model does not allow."""
    provenance = {
        "version": "0", "algorithm": "0", "backend": "numpy", "device": "", "libraries": {},
        "seconds": 0.0,
    }  # fmt: skip
    body = orjson.loads(_bytes(result["landscape"]))
    found = wire.Landscape.model_validate(
        {"id": "0", "request": request, "provenance": provenance, "digest": "0", **body}
    )
    starts = found.starts
    assert starts.asked == request["starts"] == starts.converged + starts.failed
    assert sum(starts.outcomes.values()) == starts.failed
    hits = sum(p.attraction.hits for p in found.fixed_points if p.attraction is not None)
    if request["starts"]:
        assert hits == starts.converged
    assert set(result["details"]) == {point.key for point in found.fixed_points}
    for point in found.fixed_points:
        _check_point(point, request, result["details"][point.key])
    return found


def _check_point(
    point: wire.FixedPoint, request: Mapping[str, Any], detail: Mapping[str, Any]
) -> None:
    copies = [int(line.multiplicity) for line in point.stability.spectrum]
    assert sum(copies) == request["student_width"] * request["input_dimension"]
    assert point.stability.attractive == (point.kind != "saddle")
    if point.kind == "saddle":
        assert int(point.stability.index) > 0
        assert point.attraction is None
    W, V = np.asarray(detail["weights"]), np.asarray(detail["teacher"])
    np.testing.assert_allclose(W @ V.T, point.overlaps.R, atol=1e-12)
    np.testing.assert_allclose(W @ W.T, point.overlaps.Q, atol=1e-12)
    np.testing.assert_allclose(np.linalg.norm(W, axis=1), point.norms, atol=1e-12)


@cache
def _solved(K: int, M: int) -> bytes:
    return _bytes(engine.solve(_request(K, M)))


SHAPES = [(7, 7), (5, 4), (3, 5)]


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("chunk", [1, 7, 100])
def test_the_cut_does_not_matter(shape: tuple[int, int], chunk: int) -> None:
    assert _bytes(engine.solve(_request(*shape), chunk_starts=chunk)) == _solved(*shape)


@pytest.mark.parametrize("shape", SHAPES)
def test_order_and_transport_do_not_matter(shape: tuple[int, int]) -> None:
    """Tasks and answers go through JSON, in any order, as they do through store and pool."""
    request = _request(*shape)
    order = random.Random(5)

    def run(tasks: Sequence[Task]) -> Iterator[Answer]:
        for task in order.sample(tasks, len(tasks)):
            arguments = orjson.loads(_bytes(task.arguments))
            sent = Task(task.kind, task.key, arguments, task.starts)
            yield task, orjson.loads(_bytes(run_task(orjson.loads(_bytes(request)), sent)))

    assert _bytes(engine.solve(request, run=run, chunk_starts=5)) == _solved(*shape)


def test_task_keys_are_unique() -> None:
    request = _request(6, 5)
    seen: list[str] = []

    def run(tasks: Sequence[Task]) -> Iterator[Answer]:
        seen.extend(task.key for task in tasks)
        return engine.run_here(request)(tasks)

    engine.solve(request, run=run, chunk_starts=3)
    assert len(set(seen)) == len(seen)


@pytest.mark.parametrize(
    ("K", "M"), [(1, 1), (1, 3), (2, 1), (4, 2), (2, 5), (5, 5), (6, 4), (7, 6)]
)
@pytest.mark.parametrize("extra", [0, 2])
def test_every_kind_of_width(K: int, M: int, extra: int) -> None:
    request = _request(K, M, input_dimension=M + extra, starts=8)
    found = _landscape(request, engine.solve(request))
    kinds = [point.kind for point in found.fixed_points]
    if K > M:
        assert kinds[0] == "global_continuum"
        assert found.fixed_points[0].continuum_dimension == K - M
        assert kinds.count("global_continuum") == 1
    else:
        assert "global_continuum" not in kinds
        assert "minimum" in kinds
    minima = [point for point in found.fixed_points if point.kind == "minimum"]
    for point in minima:
        assert point.is_global == (K == M and point.loss < 1e-13)
    assert [p.loss for p in minima] == sorted(p.loss for p in minima)


@pytest.mark.parametrize(("K", "M"), [(3, 3), (2, 3), (4, 3)])
def test_a_general_teacher(K: int, M: int) -> None:
    gram = gram_matrix(M, np.random.default_rng(3)).tolist()
    request = _request(K, M, teacher_gram=gram, starts=8)
    found = _landscape(request, engine.solve(request))
    assert found.starts.converged > 0
    if K == M:
        best = found.fixed_points[0]
        assert best.is_global
        order = np.argsort(np.diag(best.overlaps.R))
        T = np.sort(np.diag(gram))
        np.testing.assert_allclose(np.diag(best.overlaps.R)[order], T, atol=1e-10)


def test_one_neuron_learning_two_is_solved_by_hand() -> None:
    """K = 1, M = 2: w = a (v1 + v2), minimising a^2/2 - 2 g(w, v): a closed form."""
    request = _request(1, 2, starts=6)
    found = _landscape(request, engine.solve(request))
    (best,) = [point for point in found.fixed_points if point.kind == "minimum"]
    t = np.pi / 4
    overlap = (np.sin(t) + (np.pi - t) * np.cos(t)) / (2 * np.pi)  # g for unit vectors
    length = 4 * overlap  # of n^2/4 - 2 n g the minimum is at n = 4 g
    teachers = 0.5 + 1.0 / (2 * np.pi)
    assert best.norms[0] == pytest.approx(length, abs=1e-12)
    assert best.loss == pytest.approx(teachers - length**2 / 4, abs=1e-12)


def test_no_starts_no_frequencies() -> None:
    request = _request(4, 4, starts=0)
    result = engine.solve(request)
    assert result["landscape"]["unseen_mass"] is None
    assert result["landscape"]["fixed_points"] == []


class _Stopping(SilentMonitor):
    """Counts; cancels at the third question."""

    def __init__(self) -> None:
        self.questions = 0
        self.phases: list[tuple[str, int]] = []

    def phase(self, name: str, tasks: int) -> None:
        self.phases.append((name, tasks))

    def check(self) -> None:
        self.questions += 1
        if self.questions == 3:
            raise Cancelled("Asked to stop.")


def test_cancellation_between_tasks() -> None:
    request = _request(5, 5)
    done: list[Task] = []

    def run(tasks: Sequence[Task]) -> Iterator[Answer]:
        for pair in engine.run_here(request)(tasks):
            done.append(pair[0])
            yield pair

    monitor = _Stopping()
    with pytest.raises(Cancelled):
        engine.solve(request, run=run, monitor=monitor, chunk_starts=2)
    assert len(done) == 3
    assert monitor.phases == [("sample", 12)]


class _Recording(SilentMonitor):
    def __init__(self) -> None:
        self.expected = 0
        self.advanced = 0
        self.starts = 0
        self.found: list[Sequence[Mapping[str, Any]]] = []

    def phase(self, name: str, tasks: int) -> None:
        self.expected += tasks

    def advance(self, task: Task) -> None:
        self.advanced += 1
        self.starts += task.starts

    def findings(self, points: Sequence[Mapping[str, Any]]) -> None:
        self.found.append(points)


def test_progress_adds_up() -> None:
    monitor = _Recording()
    engine.solve(_request(6, 5), monitor=monitor, chunk_starts=6)
    assert monitor.advanced == monitor.expected
    assert monitor.starts == 24
    hits = [sum(point["hits"] for point in points) for points in monitor.found]
    assert hits == sorted(hits)
    assert hits[-1] <= 24
    assert set(monitor.found[-1][0]) == {"key", "kind", "loss", "hits"}


def test_starts_that_fail_are_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(batch, "CREEPING_STEPS", 60)
    monkeypatch.setattr(creeping, "STEP_LIMIT", 2)
    request = _request(6, 6)
    found = _landscape(request, engine.solve(request, chunk_starts=10))
    assert found.starts.failed > 0
    assert found.starts.outcomes == {Outcome.STEP_LIMIT.value: found.starts.failed}


def test_a_start_at_rest_on_a_saddle_is_pushed_off(monkeypatch: pytest.MonkeyPatch) -> None:
    """K = 18, M = 17, the saddle that gradient descent had reported as a minimum: a path that
    rests exactly there is pushed off both ways; the saddle is listed as what it is."""
    saddle = known.locate(known.ONE_MORE[2])
    draw = drawing.draw

    def rest(indices: Sequence[int], **options: Any) -> Any:
        W = draw(indices, **options)
        for row, index in enumerate(indices):
            if index == 0:
                W[row] = 0.0
                W[row, :, :17] = saddle
        return W

    monkeypatch.setattr(drawing, "draw", rest)
    request = _request(18, 17, starts=2, input_dimension=17)
    found = _landscape(request, engine.solve(request))
    (listed,) = [p for p in found.fixed_points if abs(p.loss - 0.011698913345) < 1e-9]
    assert listed.kind == "saddle"
    assert listed.stability.index == 1
    assert listed.stability.min_eigenvalue == pytest.approx(-0.0204149, abs=6e-8)
    assert found.starts.left_saddles >= 1
    assert found.starts.failed == 0


def test_a_symmetric_ridge_is_left(monkeypatch: pytest.MonkeyPatch) -> None:
    """Two equal students stay equal under the flow: they come to rest at a saddle, from which
    noise takes them off the ridge to the global minimum."""
    draw = drawing.draw

    def ridge(indices: Sequence[int], **options: Any) -> Any:
        W = draw(indices, **options)
        W[:, 1] = W[:, 0]
        return W

    monkeypatch.setattr(drawing, "draw", ridge)
    request = _request(3, 3, starts=3, input_dimension=3)
    found = _landscape(request, engine.solve(request))
    assert found.starts.left_saddles == 3
    assert found.starts.converged == 3
    saddles = [p for p in found.fixed_points if p.kind == "saddle"]
    assert saddles
    assert all(int(p.stability.index) >= 1 for p in saddles)
    (best,) = [p for p in found.fixed_points if p.kind == "minimum"]
    assert best.is_global
    assert best.attraction is not None
    assert best.attraction.hits == 3


def test_impossible_requests_and_tasks() -> None:
    request = _request(3, 3)
    with pytest.raises(InputError, match="below the teacher width"):
        engine.solve({**request, "input_dimension": 2})
    with pytest.raises(ValueError, match="no task of kind 'dance'"):
        run_task(request, Task("dance", "dance/0"))
