"""Points of networks with second layers of both signs: where gradient flow takes the first layer.

Sizes of second-layer weights are folded into the first layer, so weights of +1 and -1 are left
(``wire.reducing``); loss, ends and their identity are those of ``descents``. Flow is followed from
exactly the given point; a path that comes to rest at a saddle is told to.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from relu_landscape.engine.descents import ending, sorting
from relu_landscape.engine.descents.layers import Layers
from relu_landscape.engine.descents.report import ZERO_LOSS
from relu_landscape.engine.descents.rules import Plain
from relu_landscape.engine.descents.running import Landed, Outcome, Pace, descend
from relu_landscape.engine.descents.tasks import Descended, Judged
from relu_landscape.engine.landscape import problem as landscape
from relu_landscape.engine.landscape.phases import Phases
from relu_landscape.engine.locating import signed_report
from relu_landscape.engine.locating.problem import Problem, as_points
from relu_landscape.engine.locating.sampling_error import MOST_UNITS, MOST_WEIGHTS, Predicted
from relu_landscape.engine.locating.signed_report import Found, SignedPlace
from relu_landscape.engine.locating.tasks import Estimate, Measured
from relu_landscape.engine.model.arrays import Backend
from relu_landscape.engine.tasks import Composed, Monitor, Task
from relu_landscape.wire.located import PointsFinding

Real = NDArray[np.float64]

#: Time after which a path is given up, as a descent is.
UNTIL = 1e4
#: Weights (K p) of points that are followed in one task of about a second.
WEIGHTS_PER_TASK = 3000


@dataclass(frozen=True, kw_only=True)
class Follow(Task[landscape.Problem, Descended]):
    """Follow gradient flow from the points with these ``numbers``."""

    kind: ClassVar[str] = "follow signed"
    answer: ClassVar[type[Descended]] = Descended

    numbers: tuple[int, ...]

    @property
    def starts(self) -> int:
        return len(self.numbers)

    def run(self, problem: landscape.Problem, backend: Backend) -> Descended:  # noqa: ARG002
        asked = as_points(problem)
        rule = Plain(layers_of(asked))
        pace = Pace(None, asked.flow_tolerance, UNTIL)
        landed = descend(rule, asked.W[list(self.numbers)], pace, asked.dimension)
        return Descended(self.numbers, tuple(_settled(rule, asked, each) for each in landed))


@dataclass(frozen=True, kw_only=True)
class Judge(Task[landscape.Problem, Judged]):
    """Compute the spectrum at the point ``W`` (K, M + r)."""

    kind: ClassVar[str] = "judge signed"
    answer: ClassVar[type[Judged]] = Judged

    W: Real

    def run(self, problem: landscape.Problem, backend: Backend) -> Judged:  # noqa: ARG002
        asked = as_points(problem)
        end = ending.spectrum_at(Plain(layers_of(asked)), self.W, asked.dimension)
        return Judged(end.loss, end.gradient_norm, end.span, end.beside)


def layers_of(problem: Problem) -> Layers:
    """The second layers of a problem that has them."""
    assert problem.layers is not None  # noqa: S101 - only such problems come here
    return problem.layers


def compose(problem: Problem, measured: Measured, phases: Phases, monitor: Monitor) -> Composed:
    """Locate points of such a network, of which ``measured`` is known."""
    landed = _followed(problem, phases, monitor) if problem.follows else None
    places = _places(problem, phases, landed or [])
    predicted = _predicted(problem, phases, places)
    return signed_report.composed(problem, Found(measured, landed, places, predicted))


def _settled(rule: Plain, problem: Problem, landed: Landed) -> Landed:
    """A path's end; at a saddle the point itself, and zero loss with more students than teachers as
    the set that it is."""
    if landed.outcome == Outcome.POINT.name:
        is_zero = landed.loss <= ZERO_LOSS * rule.layers.unit
        if is_zero and problem.students > problem.teachers:
            return replace(landed, outcome=Outcome.ZERO_LOSS.name)
        return landed
    if landed.outcome != Outcome.SADDLE.name:
        return landed
    begun = ending.folded(landed.W, problem.teachers, ending.TIGHT)
    found = ending.newton(rule, begun)
    near = ending.FARTHEST * rule.layers.shortest
    if found is None or float(np.linalg.norm(found - begun)) > near:
        return landed
    return replace(landed, W=found, loss=float(rule.layers.loss(found[None])[0]))


def _followed(problem: Problem, phases: Phases, monitor: Monitor) -> list[Landed]:
    """The end of each point's path."""
    size = max(1, WEIGHTS_PER_TASK // problem.W[0].size)
    numbers = range(problem.points)
    tasks = [
        Follow(key=f"follow/{first}", numbers=tuple(numbers[first : first + size]))
        for first in range(0, problem.points, size)
    ]
    followed: set[int] = set()

    def tell(answer: Descended) -> None:
        followed.update(answer.numbers)
        monitor.findings([PointsFinding(followed=len(followed), points=problem.points)])

    answers = phases.map("fall", tasks, seen=tell)
    return [each for answer in answers for each in answer.landed]


def _places(problem: Problem, phases: Phases, landed: Sequence[Landed]) -> list[SignedPlace]:
    """The distinct points at which paths end."""
    layers = layers_of(problem)
    ended = (Outcome.POINT.name, Outcome.SADDLE.name)
    numbers = [n for n, each in enumerate(landed) if each.outcome in ended]
    groups = sorting.groups(
        [landed[n].W for n in numbers], [landed[n].loss for n in numbers], layers
    )
    hits = [tuple(numbers[place] for place in group) for group in groups]
    tasks = [Judge(key=f"judge/{group[0]}", W=landed[group[0]].W) for group in hits]
    judged = phases.map("classify", tasks) if tasks else []
    return [
        SignedPlace(landed[group[0]].W, each, group)
        for group, each in zip(hits, judged, strict=True)
    ]


def _predicted(
    problem: Problem, phases: Phases, places: Sequence[SignedPlace]
) -> dict[int, Predicted]:
    """The statistical error at minima in the teacher's span, by the first point that ends there."""
    units, weights = problem.students + problem.teachers, problem.students * problem.teachers
    if problem.sample_size is None or units > MOST_UNITS or weights > MOST_WEIGHTS:
        return {}
    chosen = [place for place in places if place.W.shape[1] == problem.teachers]
    tasks = [Estimate(key=f"estimate/{place.hits[0]}", W=place.W) for place in chosen]
    answers = phases.map("errors", tasks) if tasks else []
    return {
        place.hits[0]: answer.found
        for place, answer in zip(chosen, answers, strict=True)
        if answer.found is not None
    }
