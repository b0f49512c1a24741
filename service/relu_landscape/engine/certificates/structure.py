r"""Points with equivalent units: their reduced description, and how it is split up finer.

Teacher blocks t have sizes p_t. A student block s is either *natural* over a teacher block t (p_t
students, one per teacher label r of t) or a single student. With ``u_t = 1_t / sqrt(p_t)``, the
unit vector along block t, and ``e_r`` the teacher's axes,

    w_{s,r} = sum_t x[s][t] u_t + y[s] (e_r - 1_t / p_t)          (y for natural blocks only)

so any width costs the same. A natural block over a teacher block of size 1 is a single student.
Splitting teacher blocks (and the natural blocks over them) describes the same point by more
unknowns; fixed spaces of smaller symmetry groups are seen that way.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from flint import arb


@dataclass(frozen=True)
class Structure:
    """Sizes of the teacher blocks; for each student block the teacher block it is natural over.

    ``students[s]`` is an index into ``teachers``, or ``None`` for a single student; ``leak`` is the
    slope of all units below zero.
    """

    teachers: tuple[int, ...]
    students: tuple[int | None, ...]
    leak: float = 0.0

    def size(self, s: int) -> int:
        """Number of students in block s."""
        t = self.students[s]
        return 1 if t is None else self.teachers[t]

    @property
    def student_width(self) -> int:
        """Student width K."""
        return sum(self.size(s) for s in range(len(self.students)))

    @property
    def teacher_width(self) -> int:
        """Teacher width M."""
        return sum(self.teachers)


@dataclass(frozen=True)
class Blocks:
    """A structured point: ``x`` (student blocks, teacher blocks) and ``y`` (student blocks).

    ``y`` is zero, and no unknown, where a student block is a single student.
    """

    structure: Structure
    x: list[list[arb]]
    y: list[arb]


def normalised(structure: Structure, x: list[list[arb]], y: list[arb]) -> Blocks:
    """The point with natural blocks of size 1 turned into single students."""
    students = tuple(
        None if t is None or structure.teachers[t] == 1 else t for t in structure.students
    )
    clean = [value if t is not None else arb(0) for value, t in zip(y, students, strict=True)]
    return Blocks(replace(structure, students=students), x, clean)


def split(point: Blocks, parts: Mapping[int, Sequence[int]]) -> Blocks:
    """The same point with teacher block t cut into blocks of sizes ``parts[t]``."""
    teachers, origin = [], []
    for parent, p in enumerate(point.structure.teachers):
        for part in parts.get(parent, (p,)):
            teachers.append(part)
            origin.append(parent)
    students: list[int | None] = []
    x: list[list[arb]] = []
    y: list[arb] = []
    for s, t in enumerate(point.structure.students):
        common = _spread(point, s, teachers, origin)
        if t is None:
            students.append(None)
            x.append(common)
            y.append(arb(0))
            continue
        for a in (a for a, block in enumerate(origin) if block == t):
            row = list(common)
            row[a] = row[a] + point.y[s] / arb(teachers[a]).sqrt()
            students.append(a)
            x.append(row)
            y.append(point.y[s])
    fine = replace(point.structure, teachers=tuple(teachers), students=tuple(students))
    return normalised(fine, x, y)


def _spread(point: Blocks, s: int, teachers: list[int], origin: list[int]) -> list[arb]:
    """Coordinates of block s, without the ``y e_r``, along the unit vectors of the finer blocks."""
    row = []
    for part, parent in zip(teachers, origin, strict=True):
        p = point.structure.teachers[parent]
        value = point.x[s][parent] * (arb(part) / p).sqrt()
        if point.structure.students[s] == parent:
            value -= point.y[s] * arb(part).sqrt() / p
        row.append(value)
    return row


def finest(point: Blocks) -> Blocks:
    """The same point with every block cut into (1, 1, rest), small ones into single units.

    The fixed space of what symmetry is left meets every irreducible component of R^{K x M}, so the
    Hessian restricted to it has the same set of eigenvalues as the whole (without multiplicities).
    """
    return split(
        point,
        {t: (1,) * p if p < 4 else (1, 1, p - 2) for t, p in enumerate(point.structure.teachers)},
    )
