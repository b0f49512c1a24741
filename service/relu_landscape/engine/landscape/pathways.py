"""Pathways as a phase of a landscape: from each saddle of index 1 down both sides."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from relu_landscape.engine.descent import global_set
from relu_landscape.engine.landscape.catalogue import ZERO_LOSS, Catalogue, Entry
from relu_landscape.engine.landscape.phases import Phases
from relu_landscape.engine.landscape.problem import Problem
from relu_landscape.engine.landscape.sampling import STRICT_GRADIENT, new_descent
from relu_landscape.engine.model import population
from relu_landscape.engine.model.arrays import Backend
from relu_landscape.engine.points import classify, identity, pathways
from relu_landscape.engine.points.classify import Point
from relu_landscape.engine.tasks import Task
from relu_landscape.errors import InputError, NumericalError
from relu_landscape.wire.landscape import Pathway, PathwayWithoutEnd, Relation

Real = NDArray[np.float64]

#: Key of the continuum of global minima.
CONTINUUM = "g1"

ENDS_AT_A_SADDLE = (
    "It leads to another saddle, whose unstable directions leave the teacher's span; "
    "pathways are followed inside it."
)
ENDS_ABOVE = "What its pathway ends at is no lower than the saddle, as far as rounding can tell."
OUT_OF_SPAN = "Its unstable direction leaves the teacher's span; pathways are followed inside it."


@dataclass(frozen=True)
class PathwayEnd:
    """Where one side of a pathway ends: ``W`` (K, M), labelled as it is, and the minimum there.

    ``point`` is None on the zero-loss continuum.
    """

    W: Real
    point: Point | None


@dataclass(frozen=True)
class PathwayEnds:
    """Both ends of a pathway; or none, and the ``reason`` why they could not be told."""

    ends: tuple[PathwayEnd, ...] = ()
    reason: str | None = None


@dataclass(frozen=True, kw_only=True)
class FollowPathway(Task[Problem, PathwayEnds]):
    """Follow both halves of the unstable curve of the saddle ``W`` (K, M)."""

    kind: ClassVar[str] = "pathway"
    answer: ClassVar[type[PathwayEnds]] = PathwayEnds

    W: Real

    def run(self, problem: Problem, backend: Backend) -> PathwayEnds:
        try:
            found = pathways.pathway(
                self.W,
                surface=pathways.surface_of(problem.teacher),
                descend=descending(problem, backend),
                zero_loss=zero_loss(problem),
                step=pathways.STEP * problem.separation,
                seed=problem.seed,
            )
            return PathwayEnds(tuple(end_at(problem, W) for W in found.ends))
        except (NumericalError, InputError) as error:  # what one saddle does must not end the job
            return PathwayEnds(reason=str(error))


def descending(problem: Problem, backend: Backend) -> pathways.Descend:
    """Gradient flow of a batch (B, K, M) to its ends; ``NumericalError`` where one has none."""

    def descend(batch: Real) -> Real:
        descent = new_descent(problem, backend)
        paths = descent.begin(range(len(batch)), batch, gradient_tolerance=STRICT_GRADIENT)
        ends = sorted(descent.run(paths, strict=True)[0], key=lambda end: end.start)
        for end in ends:
            if not end.outcome.converged:
                raise NumericalError(f"The path {end.outcome.value}.")
        return np.stack([end.W for end in ends])

    return descend


def zero_loss(problem: Problem) -> float:
    """The loss below which an end is a global minimum: the continuum is approached slowly."""
    return global_set.loss_limit(problem.separation) if problem.has_continuum else ZERO_LOSS


def end_at(problem: Problem, W: Real) -> PathwayEnd:
    """What is beside the end ``W`` (K, M) of a path: a fixed point, or the continuum."""
    W = np.ascontiguousarray(W)
    loss = float(population.loss(W, problem.teacher))
    if problem.has_continuum and loss < zero_loss(problem):
        return PathwayEnd(W, None)
    return PathwayEnd(W, classify.classify(W, problem.teacher))


@dataclass(frozen=True)
class Passed:
    """What came of one saddle: the ends with their entries (None: the continuum), or a reason."""

    saddle: Entry
    ends: tuple[tuple[Real, Entry | None], ...]
    reason: str | None = None


def follow_pathways(problem: Problem, phases: Phases, catalogue: Catalogue) -> list[Passed]:
    """Follow every saddle of index 1; minima met on the way enter the catalogue."""
    if not problem.saddles:
        return []
    saddles = [e for e in catalogue.in_order() if e.point.index(problem.dimension) == 1]
    # The others lead out of the teacher's span, where the input dimension leaves one way to go.
    inside = [saddle for saddle in saddles if saddle.point.index_span == 1]
    tasks = [
        FollowPathway(key=f"pathway/{place}", W=saddle.point.W)
        for place, saddle in enumerate(inside)
    ]
    answers = dict(zip(inside, phases.map("pathways", tasks), strict=True))
    passed: list[Passed] = []
    for saddle in saddles:
        answer = answers.get(saddle, PathwayEnds(reason=OUT_OF_SPAN))
        ends = tuple((end.W, _entry(problem, catalogue, end)) for end in answer.ends)
        reason = answer.reason or _unfit(problem, saddle, [entry for _, entry in ends])
        passed.append(Passed(saddle, ends if reason is None else (), reason))
    return passed


def _unfit(problem: Problem, saddle: Entry, ends: Sequence[Entry | None]) -> str | None:
    """Why these ends (None: the continuum) are not two minima below the saddle."""
    for entry in ends:
        if entry is not None and entry.point.index(problem.dimension):
            return ENDS_AT_A_SADDLE
        if (0.0 if entry is None else entry.point.loss) > saddle.point.loss:
            return ENDS_ABOVE
    return None


def _entry(problem: Problem, catalogue: Catalogue, end: PathwayEnd) -> Entry | None:
    """The minimum at which a pathway ends; None for the zero-loss continuum."""
    if end.point is None:
        return None
    loss = float(population.loss(end.W, problem.teacher))
    return catalogue.add(f"below a saddle {loss:.12f}", end.point, "pathway")


def meets_continuum(passed: Iterable[Passed]) -> bool:
    """Whether some pathway ends on the continuum of global minima."""
    return any(entry is None for item in passed for _, entry in item.ends)


def told(
    problem: Problem, passed: Iterable[Passed], keys: Mapping[Entry, str]
) -> tuple[list[Pathway], list[PathwayWithoutEnd]]:
    """Pathways by key, and those whose ends could not be told, with the reason."""
    joined: list[Pathway] = []
    unfinished: list[PathwayWithoutEnd] = []
    for item in passed:
        saddle = keys[item.saddle]
        if item.reason is not None:
            unfinished.append(PathwayWithoutEnd(saddle=saddle, reason=item.reason))
            continue
        (left, first), (right, second) = item.ends
        pair = [(CONTINUUM, 0.0) if e is None else (keys[e], e.point.loss) for e in (first, second)]
        height = item.saddle.point.loss
        joined.append(
            Pathway(
                saddle=saddle,
                minima=(pair[0][0], pair[1][0]),
                relation=_relation(problem, (left, right), (pair[0][0], pair[1][0])),
                barriers=(height - pair[0][1], height - pair[1][1]),
            )
        )
    return joined, unfinished


def _relation(problem: Problem, ends: tuple[Real, Real], keys: tuple[str, str]) -> Relation:
    """How the ends compare: ``different`` exactly where the keys differ."""
    if keys[0] != keys[1]:
        return "different"
    if keys[0] == CONTINUUM:
        return "same continuum"
    # The catalogue has decided, on polished points, that they are one up to relabelling; what is
    # left to say of the raw ends is which relabelling.
    found = identity.relation(*ends, problem.teacher)
    return "relabelled" if found == "different" else found
