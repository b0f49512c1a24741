"""What points are, as tasks: the fixed point beside some weights, and its whole spectrum.

Of weights of any kind by Newton's method and one dense eigenproblem; by its symmetry of what the
structured search found, and of wide weights that show one.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from relu_landscape.engine.families import network
from relu_landscape.engine.families.points import Point as FamilyPoint
from relu_landscape.engine.families.points import embed
from relu_landscape.engine.families.recognised import beside
from relu_landscape.engine.families.structures import parse
from relu_landscape.engine.landscape.phases import Phases
from relu_landscape.engine.landscape.problem import Problem
from relu_landscape.engine.model.arrays import Backend
from relu_landscape.engine.points import classify
from relu_landscape.engine.points.classify import Point
from relu_landscape.engine.tasks import Task
from relu_landscape.errors import NumericalError

Real = NDArray[np.float64]

#: A spectrum costs about (K M)^3 / 1e10 seconds; tasks take half a second, and a few points at
#: least where there are many.
SPECTRUM_COST = 5e9
MOST_POINTS = 64
#: Up to so many weights, dense matrices are at least as fast as finding the symmetry first.
MOST_DENSE = 400
#: Without one a point is some milliseconds, and what counts is how long an answer becomes:
#: 16 bytes for each of its K M weights and eigenvalues.
ANSWER_BYTES = 4_000_000


@dataclass(frozen=True)
class Points:
    """The fixed point beside each of some weights; None where Newton's method finds none."""

    points: tuple[Point | None, ...]


@dataclass(frozen=True, kw_only=True)
class Classify(Task[Problem, Points]):
    """Find the fixed points beside the ``weights`` (n, K, M), with their spectra."""

    kind: ClassVar[str] = "classify"
    answer: ClassVar[type[Points]] = Points

    weights: Real

    def run(self, problem: Problem, backend: Backend) -> Points:  # noqa: ARG002
        return Points(tuple(_point(problem, W) for W in self.weights))


@dataclass(frozen=True)
class Structured:
    """A point of a structure, as ``families.points.Point`` holds it, by the structure's name."""

    structure: str
    signs: tuple[int, ...]
    deviations: Real

    @staticmethod
    def of(point: FamilyPoint) -> Structured:
        return Structured(point.structure.name, point.signs, point.deviations)

    def point(self, leak: float) -> FamilyPoint:
        return FamilyPoint(parse(self.structure, leak=leak), self.signs, self.deviations)


@dataclass(frozen=True, kw_only=True)
class ClassifyStructured(Task[Problem, Points]):
    """The fixed points that the structured search found, with their spectra."""

    kind: ClassVar[str] = "spectra"
    answer: ClassVar[type[Points]] = Points

    found: tuple[Structured, ...]

    def run(self, problem: Problem, backend: Backend) -> Points:  # noqa: ARG002
        leak = problem.teacher.leak
        return Points(tuple(_structured(problem, each.point(leak)) for each in self.found))


def _structured(problem: Problem, found: FamilyPoint) -> Point | None:
    """Where the search's own polish does not do for all weights, Newton's method on them may."""
    return network.at_rest(found, problem.teacher) or _point(problem, embed(found))


def _point(problem: Problem, W: Real) -> Point | None:
    if W.size > MOST_DENSE and problem.teacher.is_orthonormal:
        symmetric = beside(W, problem.teacher)
        if symmetric is not None:
            return symmetric
    try:
        point = classify.classify(W, problem.teacher)
    except NumericalError:
        return None
    return point if math.isfinite(point.loss) else None


def classified(
    problem: Problem, phases: Phases, key: str, weights: Sequence[Real]
) -> list[Point | None]:
    """Points beside the given weights, each (K, M), in tasks whose keys begin with ``key``."""
    entries = problem.students * problem.teachers
    size = max(1, min(MOST_POINTS, int(SPECTRUM_COST / entries**3)))
    tasks = [
        Classify(key=f"{key}/{first}", weights=np.stack(weights[first : first + size]))
        for first in range(0, len(weights), size)
    ]
    return [point for answer in phases.map("classify", tasks) for point in answer.points]


def classified_structured(
    problem: Problem, phases: Phases, key: str, found: Sequence[FamilyPoint]
) -> list[Point | None]:
    """The same for points of structures, which an orthonormal teacher has."""
    entries = problem.students * problem.teachers
    size = max(1, min(MOST_POINTS, ANSWER_BYTES // (16 * entries)))
    sent = [Structured.of(point) for point in found]
    tasks = [
        ClassifyStructured(key=f"{key}/{first}", found=tuple(sent[first : first + size]))
        for first in range(0, len(sent), size)
    ]
    return [point for answer in phases.map("classify", tasks) for point in answer.points]
