"""The list of distinct fixed points while it grows, and who is credited to which.

Groups of ends come in; each distinct one is classified once. Everything here is a function of
(start, end) pairs in the order of starts, so it does not depend on how the work was cut.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from relu_landscape.engine.descent.crediting import Crediting
from relu_landscape.engine.landscape.ends import EndGroup, Ends
from relu_landscape.engine.landscape.problem import Problem
from relu_landscape.engine.points import identity
from relu_landscape.engine.points.classify import Point
from relu_landscape.wire.landscape import FoundBy

Real = NDArray[np.float64]

#: Loss below this is zero: the rounding of the split form is 1e-15 at K = 20, 2e-14 at 100.
ZERO_LOSS = 1e-13


@dataclass(eq=False)
class Entry:
    """One distinct fixed point: ``label`` names its first finder, ``hits`` the starts credited.

    ``distances``: of each credited path's last point from the fixed point (an upper bound).
    """

    label: str
    point: Point
    hits: list[int] = field(default_factory=list)
    distances: list[float] = field(default_factory=list)
    found_by: set[FoundBy] = field(default_factory=set)


@dataclass
class Group:
    """Ends that are one point: representative of the lowest start, and the members.

    ``members``: how far each path's last point was from ``W`` at most, and whether it is aligned.
    """

    start: int
    W: Real
    members: dict[int, tuple[float, bool]]


class Catalogue:
    """Distinct fixed points, kept in the order in which they were found."""

    def __init__(self, problem: Problem) -> None:
        self._problem = problem
        self._crediting = Crediting.of(problem.teacher)
        self.entries: list[Entry] = []
        self.reached_global: set[int] = set()
        self.through_zero: set[int] = set()
        self.failed: dict[int, str] = {}
        self.left_saddles: set[int] = set()

    def collect(self, answers: Iterable[Ends]) -> list[Group]:
        """Groups of several tasks as one list, by lowest start; notes global ends and failures."""
        problem = self._problem
        loose: list[EndGroup] = []
        for answer in answers:
            self.reached_global.update(answer.reached_global)
            self.through_zero.update(answer.through_zero)
            for name, starts in answer.failed.items():
                self.failed.update(dict.fromkeys(starts, name))
            loose.extend(answer.groups)
        groups: list[Group] = []
        known: list[Real] = []
        # Groups without members (the other side of a saddle) come after those with.
        for item in sorted(loose, key=lambda g: (g.start, not g.members, g.loss)):
            numbers = identity.invariants(item.W, problem.teacher, item.loss)
            place = identity.nearest(known, numbers)
            if place is None:
                known.append(numbers)
                groups.append(Group(item.start, item.W, {}))
                place = len(groups) - 1
            offset = 0.0
            if problem.certify != "none":
                offset = identity.labelled_distance(groups[place].W, item.W, problem.teacher)
            moved = (item.moved + offset).tolist()
            pairs = zip(moved, item.aligned, strict=True)
            groups[place].members.update(zip(item.members, pairs, strict=True))
        return groups

    def add(self, label: str, point: Point, found_by: FoundBy) -> Entry:
        """The entry of this point: an existing one if it is the same up to relabelling."""
        for entry in self.entries:
            if identity.same_point(entry.point, point, self._problem.teacher):
                entry.found_by.add(found_by)
                return entry
        entry = Entry(label, point, found_by={found_by})
        self.entries.append(entry)
        return entry

    def is_on_global_set(self, point: Point) -> bool:
        """Zero loss with K > M: a member of the continuum that the path's own rule met late."""
        return self._problem.has_continuum and point.loss <= ZERO_LOSS

    def credit(self, group: Group, entry: Entry, point: Point) -> tuple[list[int], list[int]]:
        """Credit the members of a group whose polished representative is ``point``.

        Returns (starts in doubt, starts resting at a saddle).

        A member belongs to a minimum if its last stretch was followed to the end (``aligned``) or
        began inside the ball in which the flow goes there (``descent.crediting``).
        """
        problem = self._problem
        if self.is_on_global_set(point):
            self.reached_global.update(group.members)
            return [], []
        if point.index(problem.dimension) > 0:
            return [], sorted(group.members)
        radius = self._crediting.safe_distance(
            point.summary.min_eigenvalue(problem.perpendicular_copies)
        )
        offset = point.moved
        if problem.certify != "none":
            offset += identity.labelled_distance(entry.point.W, point.W, problem.teacher)
        doubtful = []
        for start, (moved, aligned) in sorted(group.members.items()):
            if aligned or moved + offset <= radius:
                entry.hits.append(start)
                # Rounded upwards: each distance is a norm of K M differences and a short sum.
                entry.distances.append((moved + offset) * (1.0 + 1e-12))
            else:
                doubtful.append(start)
        return doubtful, []

    def in_order(self) -> list[Entry]:
        """Minima by loss, then saddles by loss, without members of the global continuum."""
        dimension = self._problem.dimension
        isolated = [e for e in self.entries if not self.is_on_global_set(e.point)]
        return sorted(isolated, key=lambda e: (e.point.index(dimension) > 0, e.point.loss, e.label))
