"""Where paths ended, as groups: the answer of every task that follows starts.

A group is ends that are one point up to relabelling, with the lowest start's end as representative.
Grouping here compares all relabelling-invariant numbers of a point (``identity.invariants``); the
exact decision comes later, on polished points.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from relu_landscape.engine.descent.batch import End
from relu_landscape.engine.descent.outcomes import Outcome
from relu_landscape.engine.landscape.problem import Problem
from relu_landscape.engine.model import population
from relu_landscape.engine.points import identity

Real = NDArray[np.float64]


@dataclass(frozen=True)
class EndGroup:
    """Ends that are one point up to relabelling.

    ``W`` (K, M) is the end of ``start``, the lowest, and ``loss`` its loss. ``members`` are the
    starts that ended there; ``moved`` (n,) says for each how far its path's last point was from the
    point at most (infinite where a proof is asked for and no relabelling was found), ``aligned``
    whether its last stretch was followed to the end.
    """

    start: int
    W: Real
    loss: float
    members: tuple[int, ...]
    moved: Real
    aligned: tuple[bool, ...]


@dataclass(frozen=True)
class Ends:
    """What became of some starts, by their numbers.

    ``failed``: by the name of the ``Outcome``; ``unfinished``: handed back, to be run again;
    ``through_zero``: those of all that ended in which a student was zero on the way.
    """

    groups: tuple[EndGroup, ...] = ()
    reached_global: tuple[int, ...] = ()
    failed: dict[str, tuple[int, ...]] = field(default_factory=dict)
    unfinished: tuple[int, ...] = ()
    through_zero: tuple[int, ...] = ()


@dataclass
class _Gathering:
    """A group while it grows."""

    start: int
    W: Real
    loss: float
    members: list[int] = field(default_factory=list)
    moved: list[float] = field(default_factory=list)
    aligned: list[bool] = field(default_factory=list)

    def done(self) -> EndGroup:
        moved = np.array(self.moved, dtype=np.float64)
        members, aligned = tuple(self.members), tuple(self.aligned)
        return EndGroup(self.start, self.W, self.loss, members, moved, aligned)


def grouped(problem: Problem, ends: Sequence[End], unfinished: Sequence[int] = ()) -> Ends:
    """Ends as groups, and the starts that reached the global set or failed."""
    reached_global: list[int] = []
    failed: dict[str, tuple[int, ...]] = {}
    fixed: list[End] = []
    for end in sorted(ends, key=lambda item: item.start):
        if end.outcome is Outcome.GLOBAL_SET:
            reached_global.append(end.start)
        elif (outcome := _judged(end)) is not Outcome.FIXED_POINT:
            failed[outcome.name] = (*failed.get(outcome.name, ()), end.start)
        else:
            fixed.append(end)
    through_zero = tuple(sorted(end.start for end in ends if end.died))
    groups = _groups(problem, fixed)
    return Ends(groups, tuple(reached_global), failed, tuple(unfinished), through_zero)


def _judged(end: End) -> Outcome:
    """The outcome of an end; a fixed point is none where the loss has no gradient."""
    if end.outcome is Outcome.FIXED_POINT:
        if not np.all(np.isfinite(end.W)):
            return Outcome.NOT_FINITE
        if not np.all(np.sum(end.W * end.W, axis=1) > 0.0):
            return Outcome.VANISHED
    return end.outcome


def _groups(problem: Problem, ends: Sequence[End]) -> tuple[EndGroup, ...]:
    """Groups of converged ends, which come by ascending start."""
    if not ends:
        return ()
    losses = population.loss(np.stack([end.W for end in ends]), problem.teacher)
    known: list[Real] = []
    groups: list[_Gathering] = []
    for end, loss in zip(ends, losses.tolist(), strict=True):
        W = np.ascontiguousarray(end.W)
        numbers = identity.invariants(W, problem.teacher, loss)
        place = identity.nearest(known, numbers)
        if place is None:
            known.append(numbers)
            groups.append(_Gathering(end.start, W, loss))
            place = len(groups) - 1
        group = groups[place]
        distance = end.moved
        if problem.certify != "none":
            distance += identity.labelled_distance(group.W, W, problem.teacher)
        group.members.append(end.start)
        group.moved.append(distance)
        group.aligned.append(end.aligned)
    return tuple(group.done() for group in groups)
