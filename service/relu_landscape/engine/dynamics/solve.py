"""A whole trajectory: pieces one after another, runs side by side, then where their ends lead.

The result is a function of the request alone: every piece is cut by numbers of steps, and every run
draws from streams of its own.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from relu_landscape.engine.dynamics import report, ruled_chain, settling
from relu_landscape.engine.dynamics.chain import Layout, Runs
from relu_landscape.engine.dynamics.found import NOTHING
from relu_landscape.engine.dynamics.marching import March
from relu_landscape.engine.dynamics.ode import State, Stop
from relu_landscape.engine.dynamics.problem import Problem
from relu_landscape.engine.dynamics.settling import Settle, Settled
from relu_landscape.engine.dynamics.tasks import (
    Ends,
    Fall,
    FallWithLayers,
    Followed,
    Integrate,
    Records,
    Simulate,
)
from relu_landscape.engine.tasks import Composed, Monitor, Runner, Task, pace_of
from relu_landscape.wire.trajectory_answers import (
    TrajectoryFinding,
)

Real = NDArray[np.float64]
AnswerT = TypeVar("AnswerT")

#: Runs of SGD in one task: enough to share the cost of a step's few dozen calls of NumPy.
RUNS_PER_TASK = 32
#: Ends that fall in one task.
FALLS_PER_TASK = 16
#: Parts into which the times of differential equations are cut, for progress.
PARTS = 20


def compose(
    problem: Problem, *, run: Runner, monitor: Monitor, chunk_starts: int | None = None
) -> Composed:
    """Compute a trajectory.

    Parameters: ``run`` executes tasks; ``monitor`` is told of progress and may cancel;
    ``chunk_starts`` runs of SGD per task. Returns a ``wire.trajectories.TrajectoryBody``, and
    ``RunDetails`` for each of its runs. Raises ``Cancelled`` if the monitor says so.
    """
    if problem.method == "sgd":
        followed = _simulate(problem, run, monitor, chunk_starts or RUNS_PER_TASK)
    elif problem.step is not None:
        followed = _march(problem, run, monitor)
    else:
        followed = _integrate(problem, run, monitor)
    if not problem.finds_attractors:
        return report.composed(problem, followed, NOTHING)
    if problem.ruled is not None:
        settled = _settle(problem, followed, run, monitor)
        return report.composed(problem, followed, settling.found(problem, settled))
    ends = _fall(problem, followed, run, monitor)
    return report.composed(problem, followed, report.attractors(problem, ends))


def _answers(
    tasks: Sequence[Task[Problem, AnswerT]], run: Runner, monitor: Monitor
) -> Iterator[tuple[Task[Problem, AnswerT], AnswerT]]:
    """Each task with its answer, as it comes; asks whether to stop."""
    monitor.check()
    for task, answer in run(tasks):
        monitor.check()
        yield task, answer


def _integrate(problem: Problem, run: Runner, monitor: Monitor) -> Followed:
    """Follow the differential equations, a piece at a time."""
    times, seconds = problem.times, seconds_per_step(problem, is_fast=pace_of(run) > 1)
    steps = max(1, int(1.0 / seconds))
    size = -(-len(times) // PARTS)
    parts = [problem.clock(times[first : first + size]) for first in range(0, len(times), size)]
    monitor.phase("integrate", len(parts))
    state = State.of(problem.begin((0,))[0], problem.teacher, problem.layers)
    pieces: list[Records] = []
    stop: Stop | None = None
    for part in parts:
        waiting = part
        while waiting and stop is None:
            key = f"integrate/{waiting[0]!r}/{state.steps}"
            task = Integrate(key=key, state=state, times=waiting, steps=steps)
            ((_, answer),) = _answers([task], run, monitor)
            state, stop = answer.state, answer.stop
            pieces.append(answer.records)
            waiting = waiting[answer.records.loss.shape[1] :]
        monitor.advance(task)
        _tell(
            problem,
            monitor,
            state.time / problem.height,
            pieces[-1].loss[:, -1:],
            np.array([stop is None]),
        )
    records = _joined(pieces, axis=1)
    return Followed(
        records=records,
        last=state.W[None],
        reached=(records.loss.shape[1],),
        stops=(stop,),
        ended_at=(state.time / problem.height,),
    )


def _march(problem: Problem, run: Runner, monitor: Monitor) -> Followed:
    """Follow the steps of a rule, a piece at a time."""
    last, together = problem.steps[-1], max(1, int(1.0 / seconds_per_move(problem)))
    ends = [*range(together, last, together), last]
    monitor.phase("integrate", len(ends))
    state, done, stop = problem.begin((0,))[0], 0, None
    pieces: list[Records] = []
    for end in ends:
        if stop is None:
            low = done if done else -1
            record = tuple(step for step in problem.steps if low < step <= end)
            task = March(
                key=f"march/{together}/{done}", state=state, done=done, until=end, record=record
            )
            ((_, answer),) = _answers([task], run, monitor)
            state, done, stop = answer.state, answer.done, answer.stop
            if answer.records.loss.shape[1]:
                pieces.append(answer.records)
        monitor.advance(task)
        time, losses = done * problem.time_per_step, pieces[-1].loss[:, -1:]
        _tell(problem, monitor, time, losses, np.array([stop is None]))
    records = _joined(pieces, axis=1)
    return Followed(
        records=records,
        last=_folded(problem, state)[None],
        reached=(records.loss.shape[1],),
        stops=(stop,),
        ended_at=((done + (stop is not None)) * problem.time_per_step,),
    )


def _folded(problem: Problem, state: Real) -> Real:
    """A state (K, q) in M + K coordinates, zeros where the inputs have no such dimension."""
    K, M = problem.students, problem.teacher.width
    second = problem.second_layer(state)
    W = state if second is None else state[:, :-1]
    W = np.pad(W, ((0, 0), (0, M + K - W.shape[1])))
    return W if second is None else np.hstack([W, second[:, None]])


def seconds_per_move(problem: Problem) -> float:
    """About what a step by a rule takes: measured at widths of 8 and 17."""
    K, units = problem.students, problem.students + problem.teacher.width
    return 1e-4 + 1e-7 * K * units


def seconds_per_step(problem: Problem, *, is_fast: bool) -> float:
    """About what a step of the differential equations takes: measured at widths of 8 and 17.

    With noise it is two values of Sigma, in C (``is_fast``) or with arrays.
    """
    K, units = problem.students, problem.students + problem.teacher.width
    if problem.noise.learning_rate == 0.0:
        return 5e-4 + 1e-6 * K * units
    if is_fast:
        return 8e-4 + 1.4e-8 * units**4
    return 3e-3 + 3.5e-7 * units**4


def seconds_per_stretch(layout: Layout, runs: int, *, is_fast: bool) -> float:
    """About what a stretch of so many runs takes (measured at widths of 8 and 17).

    In C (``is_fast``) half a microsecond to one for each input, most of it for drawing; with arrays
    1 to 3 us, and some 25 us of calls for each step.
    """
    units = layout.students + layout.teachers
    if is_fast:
        return layout.stretch * runs * layout.batch * (0.15 + 0.03 * units) * 1e-6
    return layout.stretch * (25e-6 + runs * layout.batch * (1.0 + 0.07 * units) * 1e-6)


def _simulate(problem: Problem, run: Runner, monitor: Monitor, size: int) -> Followed:
    """Follow the runs of SGD, every chunk of them by some stretches, and again."""
    layout, steps = problem.layout, problem.steps
    whole = -(-steps[-1] // layout.stretch)
    size = min(size, problem.runs)
    seconds = seconds_per_stretch(layout, size, is_fast=pace_of(run) > 1)
    if problem.rule is not None:
        seconds = ruled_chain.seconds_per_stretch(layout, size, problem.rule)
    together = max(1, int(1.0 / seconds))
    rounds = range(0, whole, together)
    numbers = [
        tuple(range(first, min(first + size, problem.runs)))
        for first in range(0, problem.runs, size)
    ]
    chunks = [_begin(problem, each) for each in numbers]
    monitor.phase("simulate", len(chunks) * len(rounds))
    pieces: list[list[Records]] = [[] for _ in chunks]
    last: list[Real] = [np.zeros(0) for _ in chunks]
    for first in rounds:
        until = min(first + together, whole)
        low = -1 if first == 0 else first * layout.stretch
        record = tuple(step for step in steps if low < step <= until * layout.stretch)
        tasks = [
            Simulate(
                key=f"simulate/{size}/{place}/{first}", runs=chunk, first_stretch=first,
                stretches=until - first, record=record,
            )
            for place, chunk in enumerate(chunks)
        ]  # fmt: skip
        places = {task.key: place for place, task in enumerate(tasks)}
        for task, answer in _answers(tasks, run, monitor):
            place = places[task.key]
            chunks[place] = answer.runs
            if record:
                pieces[place].append(answer.records)
                last[place] = answer.last
            monitor.advance(task)
        ran_away = np.concatenate([chunk.ran_away for chunk in chunks])
        if record:
            losses = np.concatenate([each[-1].loss[:, -1:] for each in pieces])
            _tell(problem, monitor, problem.times[steps.index(record[-1])], losses, ran_away < 0)
    records = _joined([_joined(each, axis=1) for each in pieces], axis=0)
    states = np.concatenate([chunk.W for chunk in chunks])
    return _with_ends(problem, records, np.concatenate(last), ran_away, states)


def _begin(problem: Problem, numbers: tuple[int, ...]) -> Runs:
    return Runs.begin(numbers, problem.begin(numbers), problem.teacher, problem.layers)


def _with_ends(
    problem: Problem, records: Records, last: Real, ran_away: NDArray[np.int64], states: Real
) -> Followed:
    """A run counts as gone from the beginning of the block after which that was found; where that
    is past the last step, it did not run away in time. ``states`` (B, K, q) are where the runs were
    left, which of one that has gone says why."""
    reached, stops, ended = [], [], []
    per_step = problem.time_per_step
    second = problem.second_layer(states)
    through = np.zeros(len(states), bool) if second is None else np.min(second, axis=-1) <= 0.0
    for step, has_changed in zip(ran_away.tolist(), through.tolist(), strict=True):
        before = step - problem.layout.steps
        gone = step >= 0 and before < problem.steps[-1]
        reached.append(
            sum(each <= before for each in problem.steps) if gone else len(problem.steps)
        )
        why = Stop.CHANGED_SIGN if has_changed else Stop.RAN_AWAY
        stops.append(why if gone else None)
        ended.append(min(step * per_step, problem.times[-1]) if gone else problem.times[-1])
    return Followed(records, last, tuple(reached), tuple(stops), tuple(ended))


def _fall(problem: Problem, followed: Followed, run: Runner, monitor: Monitor) -> list[Ends]:
    """Follow gradient flow from the ends of the runs that did not run away."""
    falling = _falling(followed)
    kind = Fall if problem.layers is None else FallWithLayers
    tasks = [
        kind(
            key=f"fall/{first}",
            runs=tuple(falling[first : first + FALLS_PER_TASK]),
            W=followed.last[falling[first : first + FALLS_PER_TASK]],
        )
        for first in range(0, len(falling), FALLS_PER_TASK)
    ]
    if tasks:
        monitor.phase("attractors", len(tasks))
    answers: dict[str, Ends] = {}
    for task, answer in _answers(tasks, run, monitor):
        answers[task.key] = answer
        monitor.advance(task)
    return [answers[task.key] for task in tasks]


def _falling(followed: Followed) -> list[int]:
    """Runs that have an end."""
    return [n for n, stop in enumerate(followed.stops) if stop is None or not stop.is_lost]


def _settle(problem: Problem, followed: Followed, run: Runner, monitor: Monitor) -> list[Settled]:
    """Follow descents by the rule from the ends of the runs that have one.

    The flow of a rule is followed from its start: it is the descent itself, whose end is then, to
    the bit, what ``descents`` says of that start.
    """
    falling = _falling(followed)
    states = followed.last if problem.step is None else problem.begin((0,))
    tasks = [
        Settle(key=f"settle/{first}", runs=tuple(some), states=states[some])
        for first in range(0, len(falling), FALLS_PER_TASK)
        for some in [falling[first : first + FALLS_PER_TASK]]
    ]
    if tasks:
        monitor.phase("attractors", len(tasks))
    answers: dict[str, Settled] = {}
    for task, answer in _answers(tasks, run, monitor):
        answers[task.key] = answer
        monitor.advance(task)
    return [answers[task.key] for task in tasks]


def _joined(pieces: Sequence[Records], *, axis: int) -> Records:
    """Records one after another (axis 1: times, 0: runs)."""
    joined: dict[str, Any] = {
        name: np.concatenate([getattr(piece, name) for piece in pieces], axis=axis)
        for name in vars(pieces[0])
    }
    return Records(**joined)


def _tell(
    problem: Problem, monitor: Monitor, time: float, losses: Real, running: NDArray[np.bool_]
) -> None:
    """Say how far it is."""
    some = losses[running]
    mean = float(np.mean(some)) * problem.loss_unit if some.size else None
    monitor.findings([TrajectoryFinding(time=time, loss=mean)])
