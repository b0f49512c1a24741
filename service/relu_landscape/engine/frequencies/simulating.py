"""SGD from every start at every learning rate, and where each run stood when it was looked at."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from relu_landscape.engine.dynamics.chain import Runs
from relu_landscape.engine.dynamics.solve import seconds_per_stretch
from relu_landscape.engine.frequencies.problem import Problem
from relu_landscape.engine.frequencies.tasks import Simulate, Simulated
from relu_landscape.engine.landscape.sampling import draw_starts
from relu_landscape.engine.tasks import Monitor, Runner, pace_of

Real = NDArray[np.float64]
Whole = NDArray[np.int64]

#: Runs of one task; tasks take about so many seconds.
RUNS_PER_TASK = 32
TASK_SECONDS = 1.0


@dataclass(frozen=True)
class Stood:
    """Runs at one learning rate: ``W`` (starts, checks, K, M + K) where each stood (a run that ran
    away: no matter what), and the step (starts,) after which that was found, -1 for the others."""

    W: Real
    ran_away: Whole


@dataclass
class _Chunk:
    """Some runs at one learning rate, on their way."""

    rate: int
    place: int
    runs: Runs
    W: list[Real]

    @property
    def is_over(self) -> bool:
        """Whether nothing is left that could be followed."""
        return bool(np.all(self.runs.ran_away >= 0))


def simulate(
    problem: Problem, run: Runner, monitor: Monitor, size: int, told: Callable[[int], None]
) -> list[Stood]:
    """All runs, by learning rate; ``told`` hears the steps that each run has done, of all rates.

    ``size`` runs go in one task. All learning rates advance side by side, so that the longest does
    not run alone for longer than it must.
    """
    layout = problem.layout
    size = min(size, problem.starts)
    together = max(
        1, int(TASK_SECONDS / seconds_per_stretch(layout, size, is_fast=pace_of(run) > 1))
    )
    chunks = _begin(problem, size)
    stretches = [-(-steps[-1] // layout.stretch) for steps in problem.steps]
    per_rate = -(-problem.starts // size)
    monitor.phase("simulate", sum(per_rate * len(range(0, each, together)) for each in stretches))
    for first in range(0, max(stretches), together):
        tasks = {
            task.key: (task, chunk)
            for chunk in chunks
            if first < stretches[chunk.rate] and not chunk.is_over
            for task in [_task(problem, chunk, first, min(first + together, stretches[chunk.rate]))]
        }
        monitor.check()
        for task, answer in run([task for task, _ in tasks.values()]):
            monitor.check()
            _take(tasks[task.key][1], answer)
            monitor.advance(task)
        done = (first + together) * layout.stretch
        told(sum(min(done, steps[-1]) for steps in problem.steps))
    return [_stood(problem, chunks, rate) for rate in range(len(problem.noises))]


def _begin(problem: Problem, size: int) -> list[_Chunk]:
    numbers = [
        tuple(range(first, min(first + size, problem.starts)))
        for first in range(0, problem.starts, size)
    ]
    begun = [Runs.begin(each, draw_starts(problem, each), problem.teacher) for each in numbers]
    return [
        _Chunk(rate, place, runs, [])
        for rate in range(len(problem.noises))
        for place, runs in enumerate(begun)
    ]


def _task(problem: Problem, chunk: _Chunk, first: int, until: int) -> Simulate:
    stretch = problem.layout.stretch
    return Simulate(
        key=f"simulate/{chunk.rate}/{len(chunk.runs.numbers)}/{chunk.place}/{first}",
        rate=chunk.rate,
        runs=chunk.runs,
        first_stretch=first,
        stretches=until - first,
        record=tuple(
            step for step in problem.steps[chunk.rate] if first * stretch < step <= until * stretch
        ),
    )


def _take(chunk: _Chunk, answer: Simulated) -> None:
    chunk.runs = answer.runs
    chunk.W.append(answer.W)


def _stood(problem: Problem, chunks: list[_Chunk], rate: int) -> Stood:
    mine, steps = [chunk for chunk in chunks if chunk.rate == rate], problem.steps[rate]
    gone = np.concatenate([chunk.runs.ran_away for chunk in mine])
    # The last stretch goes on past the last step: who runs away there did not do so in time.
    in_time = gone < steps[-1] + problem.layout.steps
    return Stood(
        W=np.concatenate([_whole(chunk, len(steps)) for chunk in mine]),
        ran_away=np.where(in_time, gone, -1),
    )


def _whole(chunk: _Chunk, checks: int) -> Real:
    """Weights at all checks; zero at those that no run came to."""
    found = np.concatenate(chunk.W, axis=1)
    return np.pad(found, ((0, 0), (0, checks - found.shape[1]), (0, 0), (0, 0)))
