"""What the learning rates of a request do to each minimum, as a phase of a landscape.

Per isolated minimum: the slope of the loss at any width; the equation of second moments up to
``LARGEST_SECOND_ORDER`` students; where the equations for d to infinity come to rest, and how far
SGD strays within the span, up to ``LARGEST_EQUATIONS`` students and teachers together.

Learning rates are those of the request, losses are in the unit of ``activation``. In it the
learning rate of a leak is ``height`` times the one asked for: what is per learning rate is handed
on times the height, and rates in time likewise.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from relu_landscape.engine.landscape.phases import Phases
from relu_landscape.engine.landscape.problem import Problem
from relu_landscape.engine.landscape.rated_answer import (
    Rated,
    Rested,
    diagram,
    told,
    without_noise,
)
from relu_landscape.engine.landscape.report import Listed
from relu_landscape.engine.model import activation
from relu_landscape.engine.model.arrays import Backend
from relu_landscape.engine.model.teacher import Teacher
from relu_landscape.engine.noise import plane
from relu_landscape.engine.noise.attracting import growth
from relu_landscape.engine.noise.fixed_points import fixed_point
from relu_landscape.engine.noise.learning_rates import loss_shift
from relu_landscape.engine.noise.second_moment import SecondMoment
from relu_landscape.engine.tasks import Task
from relu_landscape.errors import InputError
from relu_landscape.wire.rated import (
    LARGEST_EQUATIONS,
    LARGEST_SECOND_ORDER,
    LearningRateDiagram,
)

Real = NDArray[np.float64]

TOO_WIDE = (
    f"The equation of second moments is computed up to {LARGEST_SECOND_ORDER} students: it has all "
    "sets of four of them."
)
TOO_MANY_UNITS = (
    f"Fixed points and fluctuations are computed up to {LARGEST_EQUATIONS} students and teachers "
    "together: they have all sets of four units, over and over."
)
NOTHING_OUTSIDE = "The inputs have no dimension outside the teacher's span."
FLAT = "A direction within the teacher's span is flat, along which SGD strays without bound."
#: Directions in a task: with eight units of each kind a block takes some 40 ms.
BLOCK_COST = 2e6


@dataclass(frozen=True, kw_only=True)
class Rate(Task[Problem, Rated]):
    """Look at the minimum ``weights`` (K, M), in the coordinates of ``teacher`` (M, M)."""

    kind: ClassVar[str] = "rate"
    answer: ClassVar[type[Rated]] = Rated

    weights: Real
    teacher: Real

    def run(self, problem: Problem, backend: Backend) -> Rated:  # noqa: ARG002
        teacher = problem.in_order(self.teacher)
        height = activation.height(teacher.leak)
        slope = loss_shift(self.weights, teacher) * height
        none = np.full(len(problem.learning_rates), np.nan)
        reason = _no_moments(problem)
        if reason is None:
            try:
                moments = SecondMoment.at(self.weights, teacher)
            except InputError as error:  # a minimum that is flat outside the span
                reason = str(error)
        if reason is not None:
            return Rated(slope, None, none, none, reason)
        critical = moments.critical_rate
        rates = [rate * height for rate in problem.learning_rates]
        return Rated(
            slope=slope,
            critical=critical / height,
            eigenvalues=np.array([moments.eigenvalue(rate) * height for rate in rates]),
            rises=np.array([moments.rise(rate) if rate < critical else np.nan for rate in rates]),
            reason=None,
        )


@dataclass(frozen=True, kw_only=True)
class Rest(Task[Problem, Rested]):
    """Where the equations at ``learning_rate`` rest on the branch of a minimum, as in ``Rate``."""

    kind: ClassVar[str] = "rest"
    answer: ClassVar[type[Rested]] = Rested

    weights: Real
    teacher: Real
    learning_rate: float

    def run(self, problem: Problem, backend: Backend) -> Rested:  # noqa: ARG002
        teacher = problem.in_order(self.teacher)
        rate = self.learning_rate * activation.height(teacher.leak)
        found = fixed_point(self.weights, teacher, rate)
        if found is None:
            return Rested(None, attracts=False)
        return Rested(found.loss, attracts=growth(found, teacher) < 0.0)


@dataclass(frozen=True)
class Blocks:
    """Blocks of the noise in the span, (N, K, K)."""

    blocks: Real


@dataclass(frozen=True, kw_only=True)
class Stray(Task[Problem, Blocks]):
    """``plane.noise_block`` of directions ``first`` to ``last`` of ``plane.pairs``."""

    kind: ClassVar[str] = "stray"
    answer: ClassVar[type[Blocks]] = Blocks

    weights: Real
    teacher: Real
    first: int
    last: int

    def run(self, problem: Problem, backend: Backend) -> Blocks:  # noqa: ARG002
        teacher = problem.in_order(self.teacher)
        chosen = plane.pairs(teacher.width)[self.first : self.last]
        return Blocks(np.stack([plane.noise_block(self.weights, teacher, *ab) for ab in chosen]))


def _no_moments(problem: Problem) -> str | None:
    if problem.perpendicular_copies == 0:
        return NOTHING_OUTSIDE
    return TOO_WIDE if problem.students > LARGEST_SECOND_ORDER else None


def rated(
    problem: Problem, phases: Phases, points: Sequence[Listed]
) -> tuple[list[Listed], LearningRateDiagram | None]:
    """The same points, isolated minima with what learning rates do to them; and the diagram."""
    if not problem.learning_rates:
        return list(points), None
    minima = [item for item in points if item.point.kind == "minimum"]
    placed = {
        item.point.key: (np.array(item.details.weights), np.array(item.details.teacher))
        for item in minima
    }
    # Where nothing is lost there is no noise: all that moves is rounding.
    noisy = {item.point.key: placed[item.point.key] for item in minima if not item.point.is_global}
    looked = phases.map(
        "learning rates",
        [Rate(key=f"rate/{key}", weights=W, teacher=V) for key, (W, V) in placed.items()],
    )
    found = dict(zip(placed, looked, strict=True))
    curved = {i.point.key for i in minima if i.point.stability.min_eigenvalue_span > 0.0}
    rests = _rests(problem, phases, {k: noisy[k] for k in noisy if found[k].critical is not None})
    strays = _strays(problem, phases, {k: noisy[k] for k in noisy if k in curved})
    rates = {}
    for item in minima:
        key, each = item.point.key, found[item.point.key]
        reasons = [] if each.reason is None else [each.reason]
        if key not in noisy:
            rates[key] = without_noise(problem, each, reasons)
            continue
        if _too_many_units(problem):
            reasons.append(TOO_MANY_UNITS)
        elif key not in curved:
            reasons.append(FLAT)
        rates[key] = told(problem, item.point.loss, each, rests.get(key), strays.get(key), reasons)
    listed = [
        item.rated(rates[key]) if (key := item.point.key) in rates else item for item in points
    ]
    return listed, diagram(problem.learning_rates, [item.point for item in listed])


Placed = dict[str, tuple[Real, Real]]


def _too_many_units(problem: Problem) -> bool:
    return problem.students + problem.teachers > LARGEST_EQUATIONS


def _rests(problem: Problem, phases: Phases, placed: Placed) -> dict[str, list[Rested]]:
    """Fixed points at each learning rate, by key of the minimum."""
    if _too_many_units(problem):
        return {}
    answers = phases.map(
        "learning rates",
        [
            Rest(key=f"rest/{key}/{place}", weights=W, teacher=V, learning_rate=rate)
            for key, (W, V) in placed.items()
            for place, rate in enumerate(problem.learning_rates)
        ],
    )
    found = iter(answers)
    return {key: [next(found) for _ in problem.learning_rates] for key in placed}


def _strays(problem: Problem, phases: Phases, placed: Placed) -> dict[str, plane.Plane]:
    """Fluctuations within the span, by key of the minimum."""
    if _too_many_units(problem):
        return {}
    count = len(plane.pairs(problem.teachers))
    size = max(1, int(BLOCK_COST / (problem.students + problem.teachers) ** 4))
    tasks = {
        key: [
            Stray(
                key=f"stray/{key}/{first}", weights=W, teacher=V, first=first,
                last=min(first + size, count),
            )
            for first in range(0, count, size)
        ]
        for key, (W, V) in placed.items()
    }  # fmt: skip
    answers = iter(phases.map("learning rates", [task for each in tasks.values() for task in each]))
    found = {}
    for key, (W, V) in placed.items():
        blocks = np.concatenate([next(answers).blocks for _ in tasks[key]])
        teacher: Teacher = problem.in_order(V)
        strayed = plane.fluctuations(W, teacher, list(blocks))
        height = activation.height(teacher.leak)
        found[key] = plane.Plane(
            strayed.variance * height, strayed.largest * height, strayed.rise * height
        )
    return found
