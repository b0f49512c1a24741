"""Locating points: measured, followed to their ends, and compared with the fixed points known.

The result is a function of the request alone. Each point's numbers are its own, whatever others it
came with; which fixed points are known depends on all of them.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from relu_landscape.engine.landscape import problem as landscape
from relu_landscape.engine.landscape.catalogue import Catalogue, Entry
from relu_landscape.engine.landscape.phases import Phases
from relu_landscape.engine.landscape.structured import begin_search, chosen, search_structures
from relu_landscape.engine.locating import report, signed
from relu_landscape.engine.locating.falling import Fate, fall
from relu_landscape.engine.locating.problem import Problem, as_points
from relu_landscape.engine.locating.sampling_error import MOST_UNITS, MOST_WEIGHTS, Predicted
from relu_landscape.engine.locating.tasks import (
    Compare,
    Ends,
    Estimate,
    Measure,
    Measured,
    Widen,
    Widened,
)
from relu_landscape.engine.points import symmetry
from relu_landscape.engine.tasks import Composed, Monitor, Runner
from relu_landscape.wire.landscape import SearchSummary
from relu_landscape.wire.located import PointsFinding

Real = NDArray[np.float64]

#: Tasks take about so many seconds.
TASK_SECONDS = 1.0


def compose(
    problem: landscape.Problem, *, run: Runner, monitor: Monitor, chunk_starts: int | None = None
) -> Composed:
    """Locate points.

    Parameters: ``run`` executes tasks; ``monitor`` is told of progress and may cancel;
    ``chunk_starts`` has no say: points are cut by what they cost. Returns a
    ``wire.located.PointsBody``, without parts. Raises ``Cancelled`` if the monitor says so.
    """
    del chunk_starts
    asked = as_points(problem)
    phases, catalogue = Phases(run, monitor), Catalogue(asked)
    measured = _measured(asked, phases)
    if asked.layers is not None:
        return signed.compose(asked, measured, phases, monitor)
    followed: set[int] = set()

    def tell(ends: Ends) -> None:
        followed.update(ends.numbers)
        monitor.findings([PointsFinding(followed=len(followed), points=asked.points)])

    fates = fall(asked, phases, catalogue, tell) if asked.follows else None
    searches: list[SearchSummary] = []
    explanation = report.NOT_SEARCHED
    if asked.nearest:
        names, explanation = chosen(asked)
        begun = begin_search(asked, phases, names)
        searches = search_structures(asked, phases, catalogue, begun)
    known = catalogue.in_order()
    compared = _compared(asked, phases, known)
    predicted = _predicted(asked, phases, fates or [])
    widened = _widened(asked, phases) if asked.has_widening else None
    return report.composed(
        asked, phases, report.Found(measured, fates, known, compared, predicted, widened),
        searches, explanation,
    )  # fmt: skip


def seconds_per_spectrum(problem: Problem) -> float:
    """About what a Hessian and its eigenvalues take (measured from 16 to 400 weights)."""
    weights = float(problem.W[0].size)
    return 1e-4 + 2.5e-7 * weights * math.sqrt(weights) + 1e-9 * weights * weights * weights


def _measured(problem: Problem, phases: Phases) -> Measured:
    seconds = 5e-5 + 5e-7 * problem.students * problem.teachers
    if problem.has_spectrum:
        seconds += seconds_per_spectrum(problem)
    size = max(1, int(TASK_SECONDS / seconds))
    tasks = [
        Measure(key=f"measure/{first}", first=first, last=min(first + size, problem.points))
        for first in range(0, problem.points, size)
    ]
    answers = phases.map("measure", tasks)
    names = ("loss", "gradient_norm", "norms", "matched", "cosines", "span", "beside")
    return Measured(**{
        name: np.concatenate([getattr(answer, name) for answer in answers]) for name in names
    })  # fmt: skip


def seconds_per_distance(problem: Problem) -> float:
    """About what the distance of one point from one fixed point takes (widths of 8 to 50)."""
    weights = float(problem.students * problem.teachers)
    return 1.5e-3 * (1.0 + weights / 64.0)


def _compared(problem: Problem, phases: Phases, known: Sequence[Entry]) -> Real | None:
    """Distances (n, F) of the points from all that is known; None where none are asked for."""
    if not problem.nearest or not known:
        return None
    candidates = np.stack([entry.point.W for entry in known])
    size = max(1, int(TASK_SECONDS / (seconds_per_distance(problem) * len(known))))
    tasks = [
        Compare(
            key=f"compare/{first}",
            first=first,
            last=min(first + size, problem.points),
            candidates=candidates,
        )
        for first in range(0, problem.points, size)
    ]
    return np.concatenate([each.distances for each in phases.map("nearest", tasks)])


def seconds_per_widening(problem: Problem) -> float:
    """About what the best student, the bound of any student's gain, and all splittings of one point
    take (widths of 8 to 60)."""
    units, columns = float(problem.students + problem.teachers), float(problem.W.shape[2])
    return 0.12 + 3.5e-5 * units * units + 1e-6 * columns * columns * columns


def _widened(problem: Problem, phases: Phases) -> Widened:
    size = max(1, int(TASK_SECONDS / seconds_per_widening(problem)))
    tasks = [
        Widen(key=f"widen/{first}", first=first, last=min(first + size, problem.points))
        for first in range(0, problem.points, size)
    ]
    answers = phases.map("widening", tasks)
    names = ("slope", "direction", "bound", "splitting", "beside")
    return Widened(**{
        name: np.concatenate([getattr(answer, name) for answer in answers]) for name in names
    })  # fmt: skip


def _in_order(W: Real, problem: Problem) -> Real:
    """The point in canonical order where teachers are free to exchange: what is sampled there
    should not depend on how its first finder was labelled."""
    if not problem.teacher.is_orthonormal:
        return W
    found = symmetry.analyse(W, np.linalg.norm(W, axis=1), problem.teacher.norms)
    return W[np.ix_(found.students, found.teachers)]


def _predicted(
    problem: Problem, phases: Phases, fates: Sequence[Fate]
) -> dict[Entry, Predicted | None]:
    """The statistical error of each end that is a minimum."""
    units = problem.students + problem.teachers
    if problem.sample_size is None or units > MOST_UNITS:
        return {}
    if problem.students * problem.teachers > MOST_WEIGHTS:
        return {}
    ends = dict.fromkeys(fate.entry for fate in fates if fate.entry is not None)
    minima = [entry for entry in ends if entry.point.index(problem.dimension) == 0]
    tasks = [
        Estimate(key=f"estimate/{place}", W=_in_order(entry.point.W, problem))
        for place, entry in enumerate(minima)
    ]
    answers = phases.map("errors", tasks)
    return {entry: answer.found for entry, answer in zip(minima, answers, strict=True)}
