"""Perturbations: the fixed point, its proof, gradient flow from every kick, where that ends.

The result is a function of the request alone: kick n has a stream of its own, whatever else is
computed beside it.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from relu_landscape.engine.descent.batch import lane_count
from relu_landscape.engine.landscape import problem as landscape
from relu_landscape.engine.landscape import report as describing
from relu_landscape.engine.landscape.catalogue import Catalogue
from relu_landscape.engine.landscape.classified import classified
from relu_landscape.engine.landscape.phases import Phases
from relu_landscape.engine.landscape.proofs import certified
from relu_landscape.engine.locating.falling import BATCHES_PER_TASK, fates_of
from relu_landscape.engine.locating.tasks import Ends
from relu_landscape.engine.perturbations import report
from relu_landscape.engine.perturbations.problem import Problem, as_perturbations
from relu_landscape.engine.perturbations.report import Kicked
from relu_landscape.engine.perturbations.tasks import Find, Kick, directions
from relu_landscape.engine.tasks import Composed, Monitor, Runner
from relu_landscape.errors import NumericalError
from relu_landscape.wire.perturbations import PerturbationsFinding

Real = NDArray[np.float64]

#: Directions that are measured at once.
MEASURED = 1000


def compose(
    problem: landscape.Problem, *, run: Runner, monitor: Monitor, chunk_starts: int | None = None
) -> Composed:
    """Kick a fixed point.

    Parameters: ``run`` executes tasks; ``monitor`` is told of progress and may cancel;
    ``chunk_starts`` kicks per task. Returns a ``wire.perturbations.PerturbationsBody``, without
    parts. Raises ``Cancelled`` if the monitor says so, ``InputError`` for a branch that does not
    exist, ``NumericalError`` where no fixed point is beside the weights given.
    """
    asked = as_perturbations(problem)
    phases, catalogue = Phases(run, monitor), Catalogue(asked)
    kicked = _start(asked, phases, catalogue)
    followed: set[int] = set()

    def tell(ends: Ends) -> None:
        followed.update(ends.numbers)
        monitor.findings([PerturbationsFinding(followed=len(followed), kicks=asked.all_kicks)])

    def tasks(numbers: Sequence[int], is_strict: bool) -> list[Kick]:
        return _tasks(asked, phases, kicked.W, numbers, chunk_starts, is_strict=is_strict)

    fates = fates_of(asked, phases, catalogue, asked.all_kicks, tasks, tell)
    lengths = _lengths(asked) if kicked.certificate is not None else None
    return report.composed(asked, catalogue, kicked, fates, lengths)


def _start(problem: Problem, phases: Phases, catalogue: Catalogue) -> Kicked:
    """The fixed point, as it is shown and proved, and entered into the catalogue."""
    given = problem.weights
    if given is None:
        (found,) = phases.map("structures", [Find(key="find")])
        given = found.W
    (point,) = classified(problem, phases, "classify/start", [given])
    if point is None:
        raise NumericalError("Newton's method finds no fixed point beside the weights given.")
    moved = float(np.linalg.norm(point.W - given)) if problem.structure is None else 0.0
    if catalogue.is_on_global_set(point):
        return Kicked(point.W, None, moved, None)
    entry = catalogue.add("start", point, "structured" if problem.structure else "sampled")
    # A certificate is about the weights as they are shown, bit by bit: these are kicked.
    (listed,) = certified(problem, phases, [describing.fixed_point(entry, "start", problem)])
    weights = np.array(listed.details.weights, dtype=np.float64)
    return Kicked(weights, entry, moved, listed.point.certificate)


def _tasks(
    problem: Problem, phases: Phases, W: Real, numbers: Sequence[int], chunk: int | None, *,
    is_strict: bool,
) -> list[Kick]:  # fmt: skip
    lanes = lane_count(problem.students, problem.teachers)
    most = BATCHES_PER_TASK * phases.pace * lanes
    size = chunk or max(1, min(most, -(-len(numbers) // 8)))
    return [
        Kick(
            key=f"kick/{int(is_strict)}/{size}/{numbers[first]}",
            W=W,
            numbers=tuple(numbers[first : first + size]),
            strict=is_strict,
        )
        for first in range(0, len(numbers), size)
    ]


def _lengths(problem: Problem) -> Real:
    """Lengths (kicks,) of the kicks at size 1."""
    return np.concatenate([
        np.linalg.norm(
            directions(problem, range(first, min(first + MEASURED, problem.kicks))), axis=(1, 2)
        )
        for first in range(0, problem.kicks, MEASURED)
    ])  # fmt: skip
