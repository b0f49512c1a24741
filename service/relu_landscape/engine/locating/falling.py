"""From points to the fixed points where gradient flow from them ends.

The flow is followed from exactly the given point, so a point on the ridge above a saddle ends at
that saddle; nothing is pushed off it. What is in doubt after the first look, ends at saddles among
it, is followed a second time to a much smaller gradient.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from relu_landscape.engine.descent.batch import lane_count
from relu_landscape.engine.descent.crediting import Crediting
from relu_landscape.engine.descent.outcomes import Outcome
from relu_landscape.engine.landscape import problem as landscape
from relu_landscape.engine.landscape.catalogue import Catalogue, Entry
from relu_landscape.engine.landscape.classified import classified
from relu_landscape.engine.landscape.phases import Phases
from relu_landscape.engine.locating.problem import Problem
from relu_landscape.engine.locating.tasks import Ends, Fall
from relu_landscape.engine.model import population
from relu_landscape.engine.points import identity
from relu_landscape.engine.points.classify import Point
from relu_landscape.engine.tasks import Task

Real = NDArray[np.float64]

AT_SADDLE = (
    "came to rest at a saddle, on the ridge above it: "
    "the smallest disturbance takes the flow elsewhere"
)
#: Points that are followed in one task, in batches of lanes: about a second beside minima.
BATCHES_PER_TASK = 4


@dataclass(frozen=True)
class Fate:
    """What becomes of the flow from one point: a sentence; where it ends ``W`` (K, M), labelled as
    the point is, and the catalogue's entry of that, None where it ends at none; the ``time`` after
    which it was seen to go there, NaN where not known."""

    outcome: str
    W: Real | None = None
    entry: Entry | None = None
    is_on_continuum: bool = False
    time: float = math.nan


def fall(
    problem: Problem, phases: Phases, catalogue: Catalogue, seen: Callable[[Ends], None]
) -> list[Fate]:
    """Fates of all points; the fixed points where they end are entered into the catalogue."""

    def tasks(numbers: Sequence[int], is_strict: bool) -> list[Fall]:
        return _tasks(problem, phases, numbers, is_strict=is_strict)

    return fates_of(problem, phases, catalogue, problem.points, tasks, seen)


def fates_of(
    problem: landscape.Problem,
    phases: Phases,
    catalogue: Catalogue,
    count: int,
    tasks: Callable[[Sequence[int], bool], Sequence[Task[landscape.Problem, Ends]]],
    seen: Callable[[Ends], None],
) -> list[Fate]:
    """Fates of the flow from ``count`` points, as ``fall``.

    ``tasks`` gives for some of their numbers, ascending, the tasks that follow them, in the same
    order, and with True strictly.
    """
    fates: dict[int, Fate] = {}
    waiting = list(range(count))
    for turn, phase in enumerate(("fall", "second look")):
        answers = phases.map(phase, tasks(waiting, turn > 0), seen=seen)
        found = _judged(problem, phases, catalogue, answers, is_last=turn > 0)
        fates.update(found)
        waiting = sorted(set(waiting) - set(found))
    return [fates[number] for number in range(count)]


def _tasks(
    problem: Problem, phases: Phases, numbers: Sequence[int], *, is_strict: bool
) -> list[Fall]:
    lanes = lane_count(problem.students, problem.teachers)
    size = max(1, min(BATCHES_PER_TASK * phases.pace * lanes, -(-len(numbers) // 8)))
    return [
        Fall(
            key=f"fall/{int(is_strict)}/{numbers[first]}",
            numbers=tuple(numbers[first : first + size]),
            strict=is_strict,
        )
        for first in range(0, len(numbers), size)
    ]


def _judged(
    problem: landscape.Problem,
    phases: Phases,
    catalogue: Catalogue,
    answers: Sequence[Ends],
    *,
    is_last: bool,
) -> dict[int, Fate]:
    """Fates that are certain, or all of them at last."""
    fates: dict[int, Fate] = {}
    numbers: list[int] = []
    rows: list[tuple[Real, float, bool]] = []
    times: dict[int, float] = {}
    for answer in answers:
        for row, (number, name) in enumerate(zip(answer.numbers, answer.outcomes, strict=True)):
            W, outcome = answer.W[row], Outcome[name]
            times[number] = float(answer.times[row])
            if outcome is Outcome.FIXED_POINT:
                numbers.append(number)
                rows.append((W, float(answer.moved[row]), answer.aligned[row]))
            elif outcome is Outcome.GLOBAL_SET:
                fates[number] = Fate(outcome.value, W, is_on_continuum=True)
            else:
                fates[number] = Fate(outcome.value)
    if not rows:
        return _timed(fates, times)
    weights = np.stack([W for W, _, _ in rows])
    numbers_of = identity.invariants(
        weights, problem.teacher, population.loss(weights, problem.teacher)
    )
    openers, places = identity.groups_of(numbers_of)
    key = f"classify/{int(is_last)}"
    points = classified(problem, phases, key, [weights[opener] for opener in openers])
    for place, (opener, point) in enumerate(zip(openers, points, strict=True)):
        members = np.flatnonzero(places == place).tolist()
        if point is None:
            if is_last:
                fates |= {numbers[row]: Fate(Outcome.NO_POINT.value) for row in members}
            continue
        label = f"given {numbers[opener]}"
        for row, fate in zip(
            members,
            _credited(problem, catalogue, point, [rows[row] for row in members], label, is_last),
            strict=True,
        ):
            if fate is not None:
                fates[numbers[row]] = fate
    return _timed(fates, times)


def _timed(fates: dict[int, Fate], times: dict[int, float]) -> dict[int, Fate]:
    return {number: replace(fate, time=times[number]) for number, fate in fates.items()}


def _credited(
    problem: landscape.Problem, catalogue: Catalogue, point: Point,
    ends: Sequence[tuple[Real, float, bool]], label: str, is_last: bool,
) -> list[Fate | None]:  # fmt: skip
    """The fates of the ends of one group, whose fixed point is ``point``; None where in doubt."""
    if catalogue.is_on_global_set(point):
        return [Fate(Outcome.GLOBAL_SET.value, W, is_on_continuum=True) for W, _, _ in ends]
    is_saddle = point.index(problem.dimension) > 0
    if is_saddle and not is_last:
        return [None for _ in ends]
    curvature = point.summary.min_eigenvalue(problem.perpendicular_copies)
    radius = Crediting.of(problem.teacher).safe_distance(curvature)
    sentence = AT_SADDLE if is_saddle else Outcome.FIXED_POINT.value
    doubtful = Fate(Outcome.UNDECIDED.value) if is_last else None
    credited = [is_saddle or aligned or moved + point.moved <= radius for _, moved, aligned in ends]
    if not any(credited):
        return [doubtful for _ in ends]
    entry = catalogue.add(label, point, "sampled")
    return [
        Fate(sentence, W, entry) if is_credited else doubtful
        for (W, _, _), is_credited in zip(ends, credited, strict=True)
    ]
