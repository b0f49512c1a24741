"""Long requests are told to each worker, not to each chunk.

Locating 10,000 networks sent 13 MB with every one of twenty chunks; most of its time went there.
"""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import Future
from typing import Any

import numpy as np
import orjson
import pytest

from relu_landscape import ALGORITHM
from relu_landscape.analyses import POINTS, composition
from relu_landscape.engine.model.arrays import backend_named
from relu_landscape.engine.tasks import SilentMonitor, run_here
from relu_landscape.jobs.local import solve_locally
from relu_landscape.jobs.pool import known, worker
from relu_landscape.jobs.pool.base import Work
from relu_landscape.jobs.pool.codec import encode_task
from relu_landscape.jobs.pool.dask import DaskPool
from relu_landscape.jobs.pool.device import choose_backend
from relu_landscape.jobs.pool.known import Problems, name_of
from relu_landscape.jobs.pool.processes import ProcessRunner
from relu_landscape.wire.points import PointsRequest
from relu_landscape.wire.requests import LandscapeRequest
from tests.service.jobs.pool.played import BACKEND, COMPOSITION, Scheduler, killed, returned, tasks
from tests.service.jobs.toy_engine import Sample


def long_request(seed: int = 1) -> LandscapeRequest:
    gram = [[1.0 if i == j else 0.001 for j in range(128)] for i in range(128)]
    widths = {"student_width": 128, "teacher_width": 128}
    return LandscapeRequest(**widths, teacher_gram=gram, starts=0, seed=seed)


WORK = Work(COMPOSITION, long_request())


@pytest.fixture
def nothing_known(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(worker, "_problems", Problems())


def run(request: bytes) -> Any:
    task = encode_task(Sample(key="sample:0", first=0, last=2))
    return worker.execute(ALGORITHM, COMPOSITION, request, task, "numpy")


def test_a_worker_asks_once_and_then_knows(nothing_known: None) -> None:
    assert len(WORK.named) < 100 < known.LONGEST_CARRIED < len(WORK.encoded)
    assert run(WORK.named) == ("unknown", b"")
    kind, answer = run(WORK.encoded)
    assert kind == "answer"
    assert run(WORK.named) == ("answer", answer)
    other = Work(COMPOSITION, long_request(seed=2))
    assert run(other.named) == ("unknown", b"")


def test_names_belong_to_their_composition(nothing_known: None) -> None:
    """Two kinds of analysis may have equal fields; their problems differ."""
    problems, chosen = Problems(), composition(COMPOSITION)
    assert problems.find(COMPOSITION, chosen, WORK.encoded) is not None
    assert problems.find(COMPOSITION, chosen, WORK.named) is not None
    assert problems.find("another", chosen, WORK.named) is None


def test_short_requests_travel_with_their_chunks_and_are_not_kept() -> None:
    short = Work(COMPOSITION, LandscapeRequest(student_width=2, teacher_width=2))
    assert short.named == short.encoded
    problems = Problems()
    assert problems.find(COMPOSITION, composition(COMPOSITION), short.encoded) is not None
    assert problems._kept == {}


def test_what_was_used_last_is_kept_and_the_rest_forgotten() -> None:
    chosen = composition(COMPOSITION)
    works = [Work(COMPOSITION, long_request(seed)) for seed in range(3)]
    problems = Problems(most_bytes=int(2.5 * len(works[0].encoded)))
    for work in works[:2]:
        problems.find(COMPOSITION, chosen, work.encoded)
    assert problems.find(COMPOSITION, chosen, works[0].named) is not None
    problems.find(COMPOSITION, chosen, works[2].encoded)
    found = [problems.find(COMPOSITION, chosen, work.named) is not None for work in works]
    assert found == [True, False, True]
    # One that is longer than all that may be kept is kept alone.
    alone = Problems(most_bytes=1)
    alone.find(COMPOSITION, chosen, works[0].encoded)
    assert alone.find(COMPOSITION, chosen, works[0].named) is not None


def test_a_chunk_comes_again_with_the_request_where_it_is_not_known(
    pool: DaskPool, scheduler: Scheduler
) -> None:
    lane = pool.lane(WORK)
    lane.put(tasks("a", 3))
    scheduler.names(2)
    assert [future.carried for future in scheduler.open] == [WORK.named] * 2
    scheduler.end("a0", ("unknown", b""))
    scheduler.end("a1")
    assert returned(lane).task.key == "a1"
    assert set(scheduler.names(2)) == {"a0", "a2"}
    carried = {future.task: future.carried for future in scheduler.open}
    assert carried == {"a0": WORK.encoded, "a2": WORK.named}
    for name in ("a0", "a2"):
        scheduler.end(name)
    assert {returned(lane).task.key, returned(lane).task.key} == {"a0", "a2"}
    assert lane.is_idle


def test_a_suspect_that_asks_stays_alone(pool: DaskPool, scheduler: Scheduler) -> None:
    """Beside others it would be blamed for their deaths."""
    lane = pool.lane(WORK)
    lane.put(tasks("a", 2))
    scheduler.names(2)
    scheduler.end("a0", killed(), "error")
    scheduler.end("a1")
    assert scheduler.names(1) == ["a0"]
    other = pool.lane(WORK)
    other.put(tasks("b", 1))
    scheduler.end("a0", ("unknown", b""))
    assert scheduler.names(1) == ["a0"]
    assert scheduler.open[0].carried == WORK.encoded
    scheduler.end("a0")
    assert scheduler.names(1) == ["b0"]
    scheduler.end("b0")
    assert lane.is_idle is False
    assert {returned(lane).task.key, returned(lane).task.key} == {"a0", "a1"}


class Here:
    """A pool of one process, this one; counts what it is sent."""

    def __init__(self) -> None:
        self.requests: list[bytes] = []

    def submit(self, function: Callable[..., Any], *arguments: Any) -> Future[Any]:
        self.requests.append(arguments[2])
        future: Future[Any] = Future()
        future.set_result(function(*arguments))
        return future


def test_processes_are_told_once(nothing_known: None) -> None:
    here: Any = Here()
    runner = ProcessRunner(here, 1, WORK, BACKEND, lambda _: None)
    keys = {task.key for task, _ in runner(tasks("a", 20))}
    assert len(keys) == 20
    whole = [each for each in here.requests if each == WORK.encoded]
    # Two are on their way before the first is answered; both may ask.
    assert 1 <= len(whole) <= 2
    assert sum(map(len, here.requests)) < 2.1 * len(WORK.encoded)


def test_a_long_request_has_the_bytes_that_it_has_where_nothing_is_sent() -> None:
    W = np.random.default_rng(3).standard_normal((600, 3, 9)) / 3.0
    W[:, range(3), range(3)] += 1.0
    body = PointsRequest.of_arrays({"weights": W}, {"teacher_width": 3})
    asked = PointsRequest.model_validate(body)
    encoded = orjson.dumps(asked.canonical())
    assert name_of(encoded) != encoded
    chosen = composition(POINTS.composition)
    problem = chosen.problem(asked)
    run = run_here(problem, backend_named(choose_backend("auto", "auto").computes))
    composed = chosen.compose(problem, run=run, monitor=SilentMonitor(), chunk_starts=None)
    found = solve_locally(asked, workers=2).result
    assert found["points"] == composed.result.model_dump(mode="json")["points"]
    assert found["request"] == asked.canonical()
