"""Whole trajectories: independent of how they are cut up, with every end named."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import orjson
import pytest

from relu_landscape.engine.dynamics import COMPOSITION
from relu_landscape.engine.model import population
from relu_landscape.engine.model.arrays import backend_named
from relu_landscape.engine.model.teacher import make_teacher
from relu_landscape.engine.tasks import Composed, Monitor, Runner, SilentMonitor, Task, run_here
from relu_landscape.errors import Cancelled, InputError
from relu_landscape.jobs.pool.codec import decode_answer, decode_task, encode_answer, encode_task
from relu_landscape.wire.base import Wire
from relu_landscape.wire.trajectories import TrajectoryRequest
from relu_landscape.wire.trajectory_answers import (
    RunDetails,
    TrajectoryBody,
    TrajectoryFinding,
)

NUMPY = backend_named("numpy")
ENSEMBLE: dict[str, Any] = {
    "student_width": 2, "teacher_width": 2, "method": "sgd", "learning_rate": 0.6,
    "input_dimension": 40, "until": 12.0, "runs": 7, "points": 9, "label_noise": 0.1,
    "own_starts": True,
}  # fmt: skip


def request(**fields: Any) -> TrajectoryRequest:
    return TrajectoryRequest.model_validate(fields)


def solve(
    asked: TrajectoryRequest,
    *,
    run: Runner | None = None,
    monitor: Monitor | None = None,
    chunk_starts: int | None = None,
) -> Composed:
    problem = COMPOSITION.problem(asked)
    return COMPOSITION.compose(
        problem,
        run=run or run_here(problem, NUMPY),
        monitor=monitor or SilentMonitor(),
        chunk_starts=chunk_starts,
    )


def body(found: Composed) -> TrajectoryBody:
    assert isinstance(found.result, TrajectoryBody)
    return found.result


def details(found: Composed, key: str = "r1") -> RunDetails:
    part = found.parts[key]
    assert isinstance(part, RunDetails)
    return part


def as_bytes(found: Composed) -> bytes:
    parts = {key: part.model_dump(mode="json") for key, part in found.parts.items()}
    document = {"result": found.result.model_dump(mode="json"), "parts": parts}
    return orjson.dumps(document, option=orjson.OPT_SORT_KEYS)


def through_bytes(problem: Any) -> Runner:
    """Tasks and answers as a pool sends them, last task first."""

    def run(tasks: Sequence[Task[Any, Any]]) -> Iterator[tuple[Task[Any, Any], Any]]:
        for task in reversed(tasks):
            sent = decode_task(COMPOSITION, encode_task(task))
            yield task, decode_answer(task, encode_answer(sent.run(problem, NUMPY)))

    return run


class Listener(SilentMonitor):
    """Keeps what it is told; cancels after so many tasks."""

    def __init__(self, stop_after: int | None = None) -> None:
        self.phases: list[tuple[str, int]] = []
        self.done = 0
        self.said: list[TrajectoryFinding] = []
        self._stop_after = stop_after

    def phase(self, name: str, tasks: int) -> None:
        self.phases.append((name, tasks))

    def advance(self, task: Task[Any, Any]) -> None:
        self.done += 1

    def findings(self, points: Sequence[Wire]) -> None:
        self.said += [each for each in points if isinstance(each, TrajectoryFinding)]

    def check(self) -> None:
        if self._stop_after is not None and self.done >= self._stop_after:
            raise Cancelled("asked to stop")


@pytest.mark.parametrize("chunk", [1, 3, 100])
def test_how_runs_are_cut_up_does_not_show(chunk: int) -> None:
    asked = request(**ENSEMBLE)
    assert as_bytes(solve(asked, chunk_starts=chunk)) == as_bytes(solve(asked))


@pytest.mark.parametrize(
    "fields",
    [
        ENSEMBLE,
        {"student_width": 3, "teacher_width": 2, "until": 30.0},
        {"student_width": 2, "teacher_width": 2, "method": "ode", "learning_rate": 0.3},
    ],
    ids=["sgd", "flow", "ode"],
)
def test_bytes_and_order_do_not_show(fields: dict[str, Any]) -> None:
    asked = request(**fields)
    problem = COMPOSITION.problem(asked)
    assert as_bytes(solve(asked, run=through_bytes(problem))) == as_bytes(solve(asked))


def test_pieces_of_different_length_make_one_trajectory(monkeypatch: pytest.MonkeyPatch) -> None:
    """A job that is cut into more pieces, as a slower machine might be given, says the same."""
    flow = request(student_width=2, teacher_width=2, method="ode", learning_rate=0.4, until=20.0)
    sgd = request(**ENSEMBLE)
    whole = [as_bytes(solve(each)) for each in (flow, sgd)]
    monkeypatch.setattr(
        "relu_landscape.engine.dynamics.solve.seconds_per_step", lambda *_, **__: 1.0 / 3.0
    )
    monkeypatch.setattr(
        "relu_landscape.engine.dynamics.solve.seconds_per_stretch", lambda *_, **__: 1.0
    )
    counted = Listener()
    assert [as_bytes(solve(each, monitor=counted)) for each in (flow, sgd)] == whole
    assert ("simulate", 4) in counted.phases  # 800 steps in stretches of 256


def test_progress_and_findings() -> None:
    told = Listener()
    found = body(solve(request(**ENSEMBLE), monitor=told))
    assert [name for name, _ in told.phases] == ["simulate", "attractors"]
    assert told.done == sum(tasks for _, tasks in told.phases)
    assert told.said[-1] == TrajectoryFinding(time=found.times[-1], loss=found.loss.mean[-1])
    told = Listener()
    solve(request(student_width=2, teacher_width=2), monitor=told)
    assert [name for name, _ in told.phases] == ["integrate", "attractors"]
    assert told.done == sum(tasks for _, tasks in told.phases)
    assert [each.time for each in told.said] == sorted(each.time for each in told.said)


@pytest.mark.parametrize("fields", [ENSEMBLE, {"student_width": 2, "teacher_width": 2}])
def test_it_is_cancelled(fields: dict[str, Any]) -> None:
    with pytest.raises(Cancelled):
        solve(request(**fields), monitor=Listener(stop_after=1))


def test_a_flow_and_its_end() -> None:
    """Curves belong to the overlaps that stand beside them; the attractor is that of the start."""
    found = solve(request(student_width=3, teacher_width=3, until=60.0, points=13))
    run, part = body(found).runs[0], details(found)
    assert (run.key, run.start, run.reached_end, run.ended_at) == ("r1", 0, True, 60.0)
    assert body(found).times == part.times == part.overlap_times
    assert body(found).loss.mean == part.loss
    assert body(found).loss.standard_deviation == [None] * 13
    losses = np.array(part.loss, dtype=float)
    assert np.all(np.diff(losses) < 0.0)
    for time in (0, 12):
        R, Q = np.array(part.R[time]), np.array(part.Q[time])
        W = np.hstack([R, np.linalg.cholesky(Q - R @ R.T + 1e-15 * np.eye(3))])
        assert float(population.loss(W, 3)) == pytest.approx(losses[time], rel=1e-6, abs=1e-12)
        slope = float(np.linalg.norm(population.gradient(W, 3)))
        assert part.gradient_norm[time] == pytest.approx(slope, rel=1e-4, abs=1e-7)
        assert part.norms[time] == pytest.approx(np.sqrt(np.diagonal(Q)), rel=1e-12)
        assert part.matched_teacher[time] == np.abs(R).argmax(axis=1).tolist()
    (attractor,) = body(found).attractors
    assert (run.attractor, attractor.is_global, attractor.attractive) == ("a1", True, True)
    assert attractor.loss == 0.0


def test_an_ensemble_and_its_statistics() -> None:
    found = solve(request(**ENSEMBLE))
    said, count = body(found), 7
    losses = np.array([details(found, f"r{n + 1}").loss for n in range(count)], dtype=float)
    assert said.loss.running == [count] * 9
    assert said.loss.mean == pytest.approx(losses.mean(axis=0).tolist())
    assert said.loss.standard_deviation == pytest.approx(losses.std(axis=0, ddof=1).tolist())
    assert said.loss.quantiles["0.5"] == pytest.approx(np.median(losses, axis=0).tolist())
    assert list(said.loss.quantiles) == ["0.05", "0.25", "0.5", "0.75", "0.95"]
    assert said.steps is not None
    assert said.steps == [round(step) for step in np.linspace(0, 800, 9)]
    assert said.times == pytest.approx([step * 0.6 / 40 for step in said.steps])
    assert [run.start for run in said.runs] == list(range(count))
    assert sum(each.runs for each in said.attractors) == count


def test_logarithmic_times() -> None:
    found = body(
        solve(request(**{**ENSEMBLE, "spacing": "logarithmic", "first_time": 0.001, "runs": 1}))
    )
    assert found.steps is not None
    # The first of them are less than a step apart, and said once.
    assert found.steps == sorted(set(found.steps))
    assert (found.steps[0], found.steps[-1]) == (0, 800)


@pytest.mark.parametrize("method", ["ode", "sgd"])
def test_what_runs_away_has_a_name(method: str) -> None:
    found = solve(
        request(
            student_width=2, teacher_width=2, method=method, learning_rate=6.0,
            input_dimension=50, until=50.0,
        )
    )  # fmt: skip
    (run,) = body(found).runs
    assert run.outcome.startswith("ran away")
    assert (run.reached_end, run.last_loss, run.attractor) == (False, None, None)
    assert 0.0 < run.ended_at < 50.0
    curve = details(found).loss
    known = sum(each is not None for each in curve)
    assert curve[known:] == [None] * (51 - known)
    assert body(found).loss.running == [1] * known + [0] * (51 - known)
    assert details(found).R[-1] is None
    orjson.dumps(found.result.model_dump(mode="json"))
    assert b"NaN" not in as_bytes(found)


def test_what_runs_away_after_its_time_did_not_run_away() -> None:
    """Steps come in stretches of 256: of a run that ran away in the rest of the last one, past the
    time asked for, it was said that it had, beside a loss at every time."""
    asked: dict[str, Any] = {
        "student_width": 2, "teacher_width": 2, "method": "sgd", "learning_rate": 6.0,
        "input_dimension": 50, "points": 3,
    }  # fmt: skip
    (gone,) = body(solve(request(**asked, until=50.0))).runs
    # It had not 1.5 blocks of 16 steps before that was found, and the stretch goes on.
    before = gone.ended_at - 1.5 * 16 * 6.0 / 50
    assert gone.ended_at * 50 / 6.0 < 256
    (run,) = body(solve(request(**asked, until=before))).runs
    assert run.reached_end
    assert run.ended_at == pytest.approx(before, abs=6.0 / 50)
    assert run.last_loss is not None
    assert run.attractor is not None


def test_the_critical_rate_is_that_of_batches_of_the_request() -> None:
    """The mean over a batch of four has a quarter of the noise, so four times the learning rate is
    stable: two thirds of it fall to zero loss, and four thirds of it run away. The answer was the
    critical rate of batches of one, below both."""
    asked: dict[str, Any] = {
        "student_width": 2, "teacher_width": 2, "method": "sgd", "batch_size": 4,
        "input_dimension": 200, "points": 2, "runs": 4, "weights": [[1.01, 0.0], [0.0, 0.99]],
    }  # fmt: skip
    slow = body(solve(request(**asked, learning_rate=3.4, until=40.0)))
    assert slow.critical_learning_rate == pytest.approx(4 * 1.267949, abs=1e-5)
    for run in slow.runs:
        assert run.last_loss is not None
        assert run.last_loss < 0.01 * run.first_loss
    fast = body(solve(request(**asked, learning_rate=6.8, until=80.0)))
    assert all(run.outcome.startswith("ran away") for run in fast.runs)


def test_a_student_that_vanishes_has_a_name() -> None:
    found = body(solve(request(student_width=1, teacher_width=1, weights=[[-1.0]])))
    assert found.runs[0].outcome.startswith("a student came to norm zero")
    assert found.runs[0].start is None
    # From zero it leaves towards the teacher, as a landscape's starts do.
    assert found.runs[0].attractor == "a1"
    assert found.attractors[0].is_global


def test_more_students_than_teachers_end_on_the_continuum() -> None:
    found = body(solve(request(student_width=3, teacher_width=2, until=50.0)))
    (attractor,) = found.attractors
    assert (attractor.is_global, attractor.is_continuum, attractor.attractive) == (True, True, None)
    assert found.critical_learning_rate is None


def test_a_spurious_minimum_is_told_by_its_loss() -> None:
    """K = M = 8 from beside the minimum with one anti-aligned student: its published loss."""
    W = np.eye(8)
    W[0] = 2.0 / 8 - W[0]
    found = body(
        solve(request(student_width=8, teacher_width=8, weights=W.tolist(), until=20.0, points=3))
    )
    (attractor,) = found.attractors
    assert attractor.loss == pytest.approx(0.0215080372, abs=1e-10)
    assert attractor.attractive is True
    assert found.critical_learning_rate == pytest.approx(0.43975, abs=1e-6)


def test_lengths_are_those_of_the_teacher() -> None:
    """A teacher three times as long: losses times 9, lengths times 3, the same times."""
    base = {**ENSEMBLE, "runs": 2, "label_noise": 0.3}
    longer = {
        **base, "teacher_gram": [[9.0, 0.0], [0.0, 9.0]], "init_scale": 3.0, "label_noise": 0.9
    }  # fmt: skip
    one, three = solve(request(**base)), solve(request(**longer))
    for name, power in (("loss", 2), ("gradient_norm", 1), ("norms", 1), ("R", 2), ("Q", 2)):
        first, second = (np.array(getattr(details(each), name), float) for each in (one, three))
        assert second == pytest.approx(3.0**power * first, rel=1e-12)
    assert body(three).times == body(one).times
    finding = body(three).loss.mean
    assert finding == pytest.approx([9.0 * (each or 0.0) for each in body(one).loss.mean])


def test_weights_and_their_overlaps_are_one_start() -> None:
    rng = np.random.default_rng(0)
    gram = np.array([[1.0, 0.3], [0.3, 2.0]])
    W = rng.standard_normal((2, 4))
    V = make_teacher(2, gram).V
    base = {
        "student_width": 2, "teacher_width": 2, "until": 5.0, "points": 3,
        "teacher_gram": gram.tolist(), "method": "ode", "learning_rate": 0.3,
    }  # fmt: skip
    by_weights = body(solve(request(**base, weights=W.tolist())))
    by_overlaps = body(solve(request(**base, Q=(W @ W.T).tolist(), R=(W[:, :2] @ V.T).tolist())))
    assert by_overlaps.loss.mean == pytest.approx(by_weights.loss.mean, rel=1e-9)
    assert by_weights.loss.mean[0] == pytest.approx(float(population.loss(W, gram)), rel=1e-12)


def test_overlaps_at_the_last_time_alone() -> None:
    every = solve(request(**ENSEMBLE))
    last = solve(request(**ENSEMBLE, overlaps_at="last time"))
    assert details(last).overlap_times == [details(every).times[-1]]
    for name in ("R", "Q"):
        kept, all_of_them = (getattr(details(each), name) for each in (last, every))
        assert len(kept) == 1
        assert np.array(kept[0]) == pytest.approx(np.array(all_of_them[-1]), rel=1e-12)
    assert details(last).loss == details(every).loss


def test_starts_without_room_are_refused() -> None:
    W = np.hstack([np.zeros((2, 2)), np.eye(2)])
    asked = request(student_width=2, teacher_width=2, input_dimension=3, weights=W.tolist())
    with pytest.raises(InputError, match="more than 1 dimensions outside"):
        COMPOSITION.problem(asked)
    # Students parallel outside the span need one dimension, and have it.
    W[:, 2:] = [[1.0, 1.0], [2.0, 2.0]]
    asked = request(student_width=2, teacher_width=2, input_dimension=3, weights=W.tolist())
    begun = COMPOSITION.problem(asked).begin((0,))[0]
    assert begun.shape == (2, 3)
    assert begun @ begun.T == pytest.approx(W @ W.T, abs=1e-12)


def test_a_trajectory_starts_where_a_landscape_does() -> None:
    """Start number n of seed s is the same one there."""
    from relu_landscape.engine.landscape.problem import Problem as Landscape
    from relu_landscape.engine.landscape.sampling import draw_starts
    from relu_landscape.wire.requests import LandscapeRequest

    theirs = draw_starts(
        Landscape.from_request(LandscapeRequest(student_width=3, teacher_width=2, seed=5)), [4]
    )
    ours = COMPOSITION.problem(request(student_width=3, teacher_width=2, seed=5, start=4))
    assert np.array_equal(ours.begin((0,)), theirs)


@pytest.mark.parametrize(
    ("fields", "field"),
    [
        ({"method": "sgd"}, "learning_rate"),
        ({"learning_rate": 0.1}, "learning_rate"),
        ({"batch_size": 2}, "batch_size"),
        ({"method": "ode", "learning_rate": 0.1, "runs": 2}, "runs"),
        ({"method": "ode", "learning_rate": 0.1, "student_width": 47}, "student_width"),
        ({"input_dimension": 1}, "input_dimension"),
        ({"weights": [[1.0, 0.0]]}, "weights"),
        ({"weights": [[1.0], [0.0]]}, "weights"),
        ({"weights": [[0.0, 0.0], [1.0, 0.0]]}, "weights"),
        ({"weights": [[1e6, 0.0], [1.0, 0.0]]}, "weights"),
        ({"Q": [[1.0, 0.0], [0.0, 1.0]]}, "R"),
        ({"init_scale": 1e4}, "init_scale"),
        ({"spacing": "logarithmic", "first_time": 100.0}, "first_time"),
        (
            {
                "method": "sgd", "learning_rate": 1e-4, "input_dimension": 10**6, "until": 10.0,
                "runs": 1000, "overlaps_at": "last time",
            },
            "until",
        ),
        ({"method": "sgd", "learning_rate": 0.1, "runs": 10_000}, "overlaps_at"),
    ],
)  # fmt: skip
def test_what_makes_no_sense_is_named(fields: dict[str, Any], field: str) -> None:
    with pytest.raises(ValueError) as refused:
        request(**{"student_width": 2, "teacher_width": 2, **fields})
    assert f"{field} = " in str(refused.value)


def test_steps_are_whole() -> None:
    """A time shorter than a step is one step."""
    found = body(solve(request(**{**ENSEMBLE, "until": 1e-6, "runs": 1, "points": 2})))
    assert found.steps == [0, 1]
    assert math.isclose(found.times[-1], 0.6 / 40)
