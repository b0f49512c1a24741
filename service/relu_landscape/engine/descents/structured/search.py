"""The search of one problem: its patterns, in the units in which all sizes are one at most.

Students' lengths and sizes of their second-layer weights are one thing: ``a ReLU(w . x)`` with
``omega = |a| w`` has the sign of a alone. So the search is one in omega, in lengths of the longest
teacher, and students of one sign are alike in it. Of points that differ by which of two students of
one sign and of unlike sizes is where, one is found: all of them have its loss.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from relu_landscape.engine.descents import ending
from relu_landscape.engine.descents.problem import Problem
from relu_landscape.engine.descents.structured import seeking
from relu_landscape.engine.descents.structured.equations import invariants
from relu_landscape.engine.descents.structured.patterns import Counts, Group, Pattern, patterns_of
from relu_landscape.engine.descents.structured.seeking import Limits
from relu_landscape.engine.descents.structured.table import Places, Table, spread, table_of
from relu_landscape.engine.points import identity
from relu_landscape.errors import InputError
from relu_landscape.wire.descents import MOST_STRUCTURED

Real = NDArray[np.float64]

#: Starts times squared unknowns of all patterns together, at most: half a minute of one core. The
#: patterns of K = M = 17 have 800,000 to 900,000.
MOST_WORK = 3_000_000
#: Weights of a point, with directions beside the span, at most.
LARGEST_POINT = 2 * MOST_STRUCTURED
#: Rounds of a task take about a second: starts times squared unknowns.
WORK_PER_TASK = 60_000

EXPLANATION = (
    "Searched: points that a product of symmetric groups leaves fixed, each of which permutes a "
    "few blocks of teachers, of students and of directions beside the teacher's span together. "
    "Points of other symmetry or of none can exist; random starts may find them. Listed: saddles "
    "of up to two distinct negative eigenvalues, which symmetry may repeat."
)


@dataclass(frozen=True)
class Sought:
    """What some rounds of a pattern found: polished points (K, M + r), first found first, and
    counts of starts set aside, in the order of ``seeking.SET_ASIDE``."""

    weights: tuple[Real, ...]
    set_aside: tuple[int, ...]


@dataclass(frozen=True)
class Search:
    """A problem in the units of the search; fields as in ``Problem``."""

    problem: Problem

    @cached_property
    def length(self) -> float:
        """Of the longest teacher; 1 under a constraint."""
        return float(np.abs(self.problem.layers.b).max())

    @cached_property
    def student_colours(self) -> list[int]:
        """Colour of each student: the place of its sign."""
        signs = np.sign(self.problem.layers.a)
        return [int(np.flatnonzero(self.a == sign)[0]) for sign in signs]

    @cached_property
    def teacher_colours(self) -> list[int]:
        """Colour of each teacher: the place of its weight."""
        b = self.problem.layers.b / self.length
        return [int(np.flatnonzero(self.b == weight)[0]) for weight in b]

    @cached_property
    def a(self) -> Real:
        """Sign of each colour of students, 1 first."""
        return np.unique(np.sign(self.problem.layers.a))[::-1]

    @cached_property
    def b(self) -> Real:
        """Weight of each colour of teachers in lengths of the longest, then 0 for directions beside
        the span."""
        weights = np.unique(self.problem.layers.b / self.length)[::-1]
        return np.append(weights, 0.0)

    @cached_property
    def counts(self) -> Counts:
        """What there is of each colour."""
        problem = self.problem
        teachers, K, M = self.teacher_colours, problem.students, problem.teachers
        return Counts(
            students=tuple(self.student_colours.count(c) for c in range(len(self.a))),
            teachers=tuple(teachers.count(c) for c in range(len(self.b) - 1)),
            most_beside=min(K, problem.dimension - M, LARGEST_POINT // K - M),
            may_coincide=problem.name == "normalised",
            is_orthonormal=problem.name == "orthonormalised",
        )

    @cached_property
    def limits(self) -> Limits:
        """What is a point."""
        problem = self.problem
        has_set = problem.students > problem.teachers and not problem.has_unit_students
        return Limits(
            shortest=float(np.abs(self.b[:-1]).min()),
            zero_loss=seeking.NEAR_ZERO_LOSS if has_set else -np.inf,
            keeps_norms=problem.has_unit_students,
        )

    @cached_property
    def patterns(self) -> tuple[tuple[Pattern, ...], int]:
        """Those that are searched, and how many are left out for their work."""
        found = patterns_of(self.counts)
        work = np.cumsum([work_of(each) * seeking.rounds_of(each.unknowns) for each in found])
        kept = int(np.sum(work <= MOST_WORK))
        return found[:kept], len(found) - kept

    def table(self, pattern: Pattern) -> Table:
        """Its table."""
        return table_of(
            pattern, self.a, self.b, keeps_norms=self.problem.has_unit_students,
            is_orthonormal=self.problem.name == "orthonormalised",
        )  # fmt: skip

    def sought(self, number: int, rounds: range) -> Sought:
        """What these rounds of a pattern find."""
        table = self.table(self.patterns[0][number])
        places = Places.of(table, self.student_colours, self.teacher_colours)
        aside = dict.fromkeys(seeking.SET_ASIDE, 0)
        known: list[Real] = []
        weights: list[Real] = []
        for each in rounds:
            found = seeking.run_round(table, self.limits, each)
            for reason, count in found.set_aside.items():
                aside[reason] += count
            for z in found.z:
                key = invariants(table, z[None])[0]
                if identity.nearest(known, key, tolerance=identity.POLISHED) is not None:
                    continue
                known.append(key)
                W = self._polished(spread(table, z, places))
                if W is None:
                    aside["failed"] += 1
                else:
                    weights.append(W)
        return Sought(tuple(weights), tuple(aside.values()))

    def _polished(self, omega: Real) -> Real | None:
        """The point itself by the whole problem's own gradient, in as many coordinates as it
        needs."""
        problem = self.problem
        W = omega * (self.length / np.abs(problem.layers.a))[:, None]
        begun = problem.rule.projected(ending.folded(W, problem.teachers, ending.TIGHT))
        return ending.newton(problem.rule, begun)

    def words(self, pattern: Pattern) -> str:
        """What moves together in a pattern.

        Signs and weights are said where there are several.
        """
        parts = [self._group(group) for group in pattern.groups]
        parts += [self._axes(1, colour) for colour in pattern.axes]
        for single in pattern.singles:
            parts.append(self._students(single.copies, single.colour, equal=True))
        return "; ".join(parts)

    def _group(self, group: Group) -> str:
        axes = " and ".join(self._axes(group.size, colour) for colour in group.axes)
        if not group.students:
            return axes
        each = " and ".join(self._students(1, colour) for colour in group.students)
        return f"{axes} with {each} each"

    def _axes(self, size: int, colour: int) -> str:
        if colour == self.counts.beside:
            return f"{size} direction{'s' * (size > 1)} beside the span"
        weight = f" of weight {self.b[colour] * self.length:.6g}" * (len(self.b) > 2)
        return f"{size} teacher{'s' * (size > 1)}{weight}"

    def _students(self, size: int, colour: int, *, equal: bool = False) -> str:
        sign = ("positive " if self.a[colour] > 0.0 else "negative ") * (len(self.a) > 1)
        if equal and size > 1:
            return f"{size} equal {sign}students"
        return f"{size} {sign}student{'s' * (size > 1)}"


def work_of(pattern: Pattern) -> int:
    """Of one round."""
    return seeking.ROUND * pattern.unknowns**2


def search_of(problem: Problem) -> Search:
    """The search of a problem. Raises ``InputError`` beside teachers that are not orthonormal."""
    if problem.layers.directions is not None:
        raise InputError("The structured search needs an orthonormal teacher.")
    return Search(problem)
