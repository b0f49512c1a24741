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

from relu_landscape.engine.descent.ends import End
from relu_landscape.engine.descent.held import Held
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
    whether its last stretch was followed to the end. ``like``: as it is stored, the start of the
    group that has its weights, in place of ``W`` (``condensing``).
    """

    start: int
    W: Real
    loss: float
    members: tuple[int, ...]
    moved: Real
    aligned: tuple[bool, ...]
    like: int | None = None


@dataclass(frozen=True)
class Ends:
    """What became of some starts, by their numbers.

    ``failed``: by the name of the ``Outcome``; ``unfinished``: handed back, to be followed
    on; ``through_zero``: those of all that ended in which a student was zero on the way.
    """

    groups: tuple[EndGroup, ...] = ()
    reached_global: tuple[int, ...] = ()
    failed: dict[str, tuple[int, ...]] = field(default_factory=dict)
    unfinished: Held | None = None
    through_zero: tuple[int, ...] = ()


def grouped(problem: Problem, ends: Sequence[End], unfinished: Held | None = None) -> Ends:
    """Ends as groups, and the starts that reached the global set or failed."""
    ordered = sorted(ends, key=lambda item: item.start)
    reached_global: list[int] = []
    failed: dict[str, list[int]] = {}
    fixed: list[End] = []
    for end, outcome in zip(ordered, _judged(ordered), strict=True):
        if outcome is Outcome.GLOBAL_SET:
            reached_global.append(end.start)
        elif outcome is Outcome.FIXED_POINT:
            fixed.append(end)
        else:
            failed.setdefault(outcome.name, []).append(end.start)
    return Ends(
        groups=_groups(problem, fixed),
        reached_global=tuple(reached_global),
        failed={name: tuple(starts) for name, starts in failed.items()},
        unfinished=unfinished,
        through_zero=tuple(end.start for end in ordered if end.died),
    )


def _judged(ends: Sequence[End]) -> list[Outcome]:
    """The outcomes of ends; a fixed point is none where the loss has no gradient."""
    if not ends:
        return []
    W = np.stack([end.W for end in ends])
    is_finite = np.all(np.isfinite(W), axis=(1, 2))
    is_whole = np.all(np.sum(W * W, axis=2) > 0.0, axis=1)
    found = [end.outcome for end in ends]
    for row, outcome in enumerate(found):
        if outcome is Outcome.FIXED_POINT and not is_finite[row]:
            found[row] = Outcome.NOT_FINITE
        elif outcome is Outcome.FIXED_POINT and not is_whole[row]:
            found[row] = Outcome.VANISHED
    return found


def _groups(problem: Problem, ends: Sequence[End]) -> tuple[EndGroup, ...]:
    """Groups of converged ends, which come by ascending start."""
    if not ends:
        return ()
    W = np.stack([end.W for end in ends])
    losses = population.loss(W, problem.teacher)
    openers, places = identity.groups_of(identity.invariants(W, problem.teacher, losses))
    moved = np.asarray([end.moved for end in ends])
    groups = []
    for place, opener in enumerate(openers):
        members = np.flatnonzero(places == place).tolist()
        ways = moved[members]
        if problem.certify != "none":
            ways += [
                identity.labelled_distance(W[opener], W[row], problem.teacher) for row in members
            ]
        groups.append(
            EndGroup(
                start=ends[opener].start,
                W=W[opener].copy(),
                loss=float(losses[opener]),
                members=tuple(ends[row].start for row in members),
                moved=ways,
                aligned=tuple(ends[row].aligned for row in members),
            )
        )
    return tuple(groups)
