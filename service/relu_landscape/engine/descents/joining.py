"""The structured search beside the starts: asked of tasks, and joined with their ends."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from relu_landscape.engine.descents import sorting
from relu_landscape.engine.descents.problem import Problem
from relu_landscape.engine.descents.report import Found
from relu_landscape.engine.descents.structured import seeking
from relu_landscape.engine.descents.structured.search import (
    EXPLANATION,
    WORK_PER_TASK,
    search_of,
    work_of,
)
from relu_landscape.engine.descents.tasks import AllJudged, JudgeAll, Seek
from relu_landscape.engine.points.spectrum import zero_tolerance
from relu_landscape.engine.tasks import Monitor, Runner, Task
from relu_landscape.wire.descents import PatternSearch, StructuredSearch

Real = NDArray[np.float64]
AnswerT = TypeVar("AnswerT")

#: Copies of one point have losses that differ by less, in the unit of losses.
SAME_LOSS = 1e-9
#: A task of spectra takes a second at the most: so many cubed weights.
CUBES_PER_TASK = 1e9


@dataclass(frozen=True)
class SoughtOut:
    """Points (K, M + r) of all patterns, in the order of the patterns, and what was searched."""

    weights: list[Real]
    searched: StructuredSearch


@dataclass(frozen=True)
class Joined:
    """``again``: places of ends that the search found as well; ``fresh``: points that no start came
    to, one copy of each."""

    again: frozenset[int]
    fresh: list[Real]


def sought(problem: Problem, run: Runner, monitor: Monitor) -> SoughtOut:
    """Search all patterns. Raises ``Cancelled`` if the monitor says so."""
    search = search_of(problem)
    patterns, left_out = search.patterns
    tasks = []
    for number, pattern in enumerate(patterns):
        size = max(1, WORK_PER_TASK // work_of(pattern))
        rounds = seeking.rounds_of(pattern.unknowns)
        tasks += [
            Seek(key=f"seek/{number}/{first}", number=number, first=first,
                 last=min(first + size, rounds))
            for first in range(0, rounds, size)
        ]  # fmt: skip
    monitor.phase("structures", len(tasks))
    answers = dict(answered(tasks, run, monitor))
    weights: list[Real] = []
    told = []
    for number, pattern in enumerate(patterns):
        mine = [answers[task.key] for task in tasks if task.number == number]
        found = _distinct(problem, [W for answer in mine for W in answer.weights])
        weights += found
        aside = np.sum([answer.set_aside for answer in mine], axis=0).tolist()
        told.append(
            PatternSearch(
                pattern=search.words(pattern),
                unknowns=pattern.unknowns,
                starts=seeking.ROUND * seeking.rounds_of(pattern.unknowns),
                points=len(found),
                set_aside=dict(zip(seeking.SET_ASIDE, aside, strict=True)),
            )
        )
    searched = StructuredSearch(explanation=EXPLANATION, patterns=told, not_searched=left_out)
    return SoughtOut(weights, searched)


def joined(problem: Problem, ends: Sequence[Real], found: SoughtOut | None) -> Joined:
    """Which points are ends (K, M + r) of starts, and one copy of each of the others."""
    if found is None:
        return Joined(frozenset(), [])
    together = [*ends, *found.weights]
    again: set[int] = set()
    fresh = []
    for group in _groups(problem, together):
        reached = {place for place in group if place < len(ends)}
        if not reached:
            fresh.append(together[group[0]])
        elif len(reached) < len(group):
            again |= reached
    return Joined(frozenset(again), fresh)


def judging(problem: Problem, fresh: Sequence[Real]) -> list[JudgeAll]:
    """Tasks that say what these points are."""
    size = max(1, int(CUBES_PER_TASK / (problem.students * problem.teachers) ** 3))
    return [
        JudgeAll(key=f"judge_all/{first}", weights=tuple(fresh[first : first + size]))
        for first in range(0, len(fresh), size)
    ]


def answered(
    tasks: Sequence[Task[Problem, AnswerT]], run: Runner, monitor: Monitor
) -> Iterator[tuple[str, AnswerT]]:
    """Answers of a phase's tasks, by their keys, in any order."""
    for task, answer in run(tasks) if tasks else ():
        monitor.check()
        yield task.key, answer
        monitor.advance(task)


def kept(batches: Sequence[JudgeAll], judged: Mapping[str, AllJudged]) -> list[Found]:
    """The points that are listed: without saddles of many distinct negative eigenvalues."""
    found = []
    for batch in batches:
        for W, each in zip(batch.weights, judged[batch.key].points, strict=True):
            values = np.sort(np.concatenate([each.span, each.beside]))
            tolerance = zero_tolerance(float(np.abs(values).max(initial=0.0)))
            if not seeking.is_high(values, tolerance):
                found.append(Found(W, each, (), is_structured=True))
    return found


def _distinct(problem: Problem, weights: Sequence[Real]) -> list[Real]:
    return [weights[group[0]] for group in _groups(problem, weights)]


def _groups(problem: Problem, weights: Sequence[Real]) -> list[list[int]]:
    """``sorting.groups``, among points of one loss and of as many dimensions; by first places."""
    layers = problem.layers
    losses = [float(layers.loss(W[None])[0]) for W in weights]
    order = sorted(range(len(weights)), key=lambda n: (weights[n].shape[1], losses[n], n))
    found: list[list[int]] = []
    run: list[int] = []
    for n in order:
        if run and (
            weights[n].shape != weights[run[-1]].shape
            or losses[n] - losses[run[-1]] > SAME_LOSS * layers.unit
        ):
            found += _sorted_out(problem, weights, losses, run)
            run = []
        run.append(n)
    found += _sorted_out(problem, weights, losses, run)
    return sorted(found)


def _sorted_out(
    problem: Problem, weights: Sequence[Real], losses: Sequence[float], run: list[int]
) -> list[list[int]]:
    run = sorted(run)
    groups = sorting.groups([weights[n] for n in run], [losses[n] for n in run], problem.layers)
    return [[run[place] for place in group] for group in groups]
