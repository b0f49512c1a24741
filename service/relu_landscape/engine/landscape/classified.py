"""What points are, as tasks: Newton's method and the whole spectrum."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

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


def _point(problem: Problem, W: Real) -> Point | None:
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
