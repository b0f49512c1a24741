"""What a pattern leaves fixed, in orthonormal coordinates, and every class of pairs there.

With ``u_t = 1_t / sqrt(p_t)`` along a block t of axes and ``eps_r = e_r - u_t / sqrt(p_t)``,
student r of a block s has the weights

    w_{s,r} = sum_t x_{s,t} u_t / sqrt(q_s) + sum_{t of its group} y_{s,t} eps_{t,r} / sqrt(p - 1)

so that the unknowns z = (x, y) are coordinates of length one in the space of all weights. Inner
products are quadratic forms in z between students, and linear in z with teachers; equivalent pairs
are one class with a multiplicity. Students that are kept equal count as one whose second-layer
weight is so many times as large.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from relu_landscape.engine.descents.structured.patterns import Pattern

Real = NDArray[np.float64]
Whole = NDArray[np.intp]


@dataclass(frozen=True)
class StudentBlock:
    """So many students of one colour: of a group, or ``copies`` of one that are equal."""

    size: int
    colour: int
    group: int | None
    copies: int = 1


@dataclass(frozen=True)
class AxisBlock:
    """So many axes of one colour, of a group or single."""

    size: int
    colour: int
    group: int | None


@dataclass(frozen=True)
class Table:
    """n blocks of students, B of axes, m unknowns, P classes of pairs of students, E of a student
    and a teacher."""

    students: tuple[StudentBlock, ...]
    axes: tuple[AxisBlock, ...]
    natural: tuple[tuple[int, int], ...]  # (s, t) of each y
    weights: Real  # (n,) second-layer weight of all copies together
    sizes: Real  # (n,) students that are not copies
    norms: Real  # (n, m, m): |w_s|^2 = z E z
    first: Whole  # (P + E,) block of students
    second: Whole  # (P,) the other one
    factor: Real  # (P + E,) multiplicity times both weights, negative with teachers
    forms: Real  # (P, m, m): gamma = z G z / 2
    lines: Real  # (E, m): gamma = line . z
    teachers: float  # half of the teachers' own kernel
    bounds: Real  # (c, m, m) forms of the constraint, z C z / 2 = target
    targets: Real  # (c,)

    @property
    def unknowns(self) -> int:
        """m."""
        return int(self.norms.shape[1])


@dataclass
class _Lists:
    first: list[int] = field(default_factory=list)
    second: list[int] = field(default_factory=list)
    factor: list[float] = field(default_factory=list)
    forms: list[Real] = field(default_factory=list)


def table_of(
    pattern: Pattern, a: Real, b: Real, *, keeps_norms: bool, is_orthonormal: bool
) -> Table:
    """The table of a pattern with weights ``a`` of the colours of students, and ``b`` of axes."""
    students, axes = _blocks(pattern)
    natural = tuple(
        (s, t)
        for s, block in enumerate(students)
        for t, axis in enumerate(axes)
        if block.group is not None and block.group == axis.group
    )
    n, B = len(students), len(axes)
    X = np.zeros((n, B, n * B + len(natural)))
    X[np.arange(n * B) // B, np.arange(n * B) % B, np.arange(n * B)] = 1.0
    X /= np.sqrt([block.size for block in students])[:, None, None]
    Y = np.zeros_like(X)
    for place, (s, t) in enumerate(natural):
        Y[s, t, n * B + place] = 1.0 / math.sqrt(students[s].size - 1)
    weights = np.array([a[block.colour] * block.copies for block in students])
    pairs = _student_pairs(students, X, Y, weights)
    norms = np.array([_form(X, Y, s, s, _same(block)) / 2.0 for s, block in enumerate(students)])
    bounds, targets = _constraint(students, pairs, norms, keeps_norms, is_orthonormal)
    first, factor, lines = _teacher_pairs(students, axes, X, Y, weights, b)
    m = X.shape[2]
    return Table(
        students=students,
        axes=axes,
        natural=natural,
        weights=weights,
        sizes=np.array([float(block.size) for block in students]),
        norms=norms,
        first=np.array([*pairs.first, *first], dtype=np.intp),
        second=np.array(pairs.second, dtype=np.intp),
        factor=np.array([*pairs.factor, *factor]),
        forms=np.array(pairs.forms).reshape(-1, m, m),
        lines=np.array(lines).reshape(-1, m),
        teachers=_teachers(axes, b),
        bounds=np.array(bounds).reshape(-1, m, m),
        targets=np.array(targets),
    )


def spread(table: Table, z: Real, places: Places) -> Real:
    """Weights (K, M + r) of a point ``z`` (m,), students and teachers in their own places."""
    n, B = len(table.students), len(table.axes)
    W = np.zeros((places.students, places.axes))
    x = z[: n * B].reshape(n, B)
    for s, block in enumerate(table.students):
        for t, axis in enumerate(table.axes):
            mean = x[s, t] / math.sqrt(block.size * axis.size)
            W[np.ix_(places.of_students[s], places.of_axes[t])] = mean
    for (s, t), y in zip(table.natural, z[n * B :], strict=True):
        p = table.students[s].size
        entry = y / math.sqrt(p - 1)
        rows, columns = places.of_students[s], places.of_axes[t]
        W[np.ix_(rows, columns)] -= entry / p
        W[rows, columns] += entry
    return W


@dataclass(frozen=True)
class Places:
    """Rows of each block of students, columns of each block of axes, and how many there are."""

    students: int
    axes: int
    of_students: tuple[list[int], ...]
    of_axes: tuple[list[int], ...]

    @staticmethod
    def of(table: Table, student_colours: list[int], teacher_colours: list[int]) -> Places:
        """Units of each colour are dealt out in their order; directions beside come last."""
        free: dict[int, list[int]] = {}
        for i, colour in enumerate(student_colours):
            free.setdefault(colour, []).append(i)
        rows = tuple(_taken(free[each.colour], each.size * each.copies) for each in table.students)
        beside = sum(each.size for each in table.axes) - len(teacher_colours)
        columns: dict[int, list[int]] = {}
        unseen = [max(teacher_colours) + 1] * beside
        for m, colour in enumerate([*teacher_colours, *unseen]):
            columns.setdefault(colour, []).append(m)
        axes = tuple(_taken(columns[each.colour], each.size) for each in table.axes)
        return Places(len(student_colours), len(teacher_colours) + beside, rows, axes)


def _taken(places: list[int], count: int) -> list[int]:
    found = places[:count]
    del places[:count]
    return found


def _blocks(pattern: Pattern) -> tuple[tuple[StudentBlock, ...], tuple[AxisBlock, ...]]:
    students, axes = [], []
    for g, group in enumerate(pattern.groups):
        students += [StudentBlock(group.size, colour, g) for colour in group.students]
        axes += [AxisBlock(group.size, colour, g) for colour in group.axes]
    students += [StudentBlock(1, each.colour, None, each.copies) for each in pattern.singles]
    axes += [AxisBlock(1, colour, None) for colour in pattern.axes]
    return tuple(students), tuple(axes)


def _same(block: StudentBlock) -> float:
    """``eps_r . eps_r`` in the block."""
    return 1.0 - 1.0 / block.size


def _form(X: Real, Y: Real, s: int, other: int, ys: float) -> Real:
    """G of the inner product of two students, ``eps . eps = ys``."""
    G = X[s].T @ X[other] + ys * (Y[s].T @ Y[other])
    return np.asarray(G + G.T)


def _student_pairs(students: tuple[StudentBlock, ...], X: Real, Y: Real, weights: Real) -> _Lists:
    found = _Lists()

    def add(s: int, other: int, count: float, ys: float) -> None:
        found.first.append(s)
        found.second.append(other)
        found.factor.append(count * weights[s] * weights[other])
        found.forms.append(_form(X, Y, s, other, ys))

    for s, block in enumerate(students):
        p = block.size
        if p > 1:
            add(s, s, p * (p - 1) / 2, -1.0 / p)
        for other in range(s + 1, len(students)):
            if block.group is None or students[other].group != block.group:
                add(s, other, p * students[other].size, 0.0)
                continue
            add(s, other, p * (p - 1), -1.0 / p)
            add(s, other, p, 1.0 - 1.0 / p)
    return found


def _teacher_pairs(
    students: tuple[StudentBlock, ...], axes: tuple[AxisBlock, ...],
    X: Real, Y: Real, weights: Real, b: Real,
) -> tuple[list[int], list[float], list[Real]]:  # fmt: skip
    first: list[int] = []
    factor: list[float] = []
    lines: list[Real] = []
    for s, block in enumerate(students):
        for t, axis in enumerate(axes):
            if b[axis.colour] == 0.0:
                continue
            p, q = axis.size, block.size
            mean = X[s, t] / math.sqrt(p)
            both = -weights[s] * b[axis.colour]
            if block.group is None or block.group != axis.group:
                kinds = [(q * p, 0.0)]
            else:
                kinds = [(p * (p - 1), -1.0 / p), (p, 1.0 - 1.0 / p)]
            for count, ys in kinds:
                first.append(s)
                factor.append(count * both)
                lines.append(mean + ys * Y[s, t])
    return first, factor, lines


def _teachers(axes: tuple[AxisBlock, ...], b: Real) -> float:
    """Orthogonal teachers: g is 1/2 of one with itself, 1/(2 pi) of two."""
    each = np.concatenate([np.full(axis.size, b[axis.colour]) for axis in axes])
    total, squares = math.fsum(each), math.fsum(each * each)
    return (squares / 2.0 + (total * total - squares) / (2.0 * math.pi)) / 2.0


def _constraint(
    students: tuple[StudentBlock, ...], pairs: _Lists, norms: Real,
    keeps_norms: bool, is_orthonormal: bool,
) -> tuple[list[Real], list[float]]:  # fmt: skip
    bounds: list[Real] = []
    targets: list[float] = []
    if keeps_norms or is_orthonormal:
        bounds += [2.0 * norms[s] for s in range(len(students))]
        targets += [1.0] * len(students)
    if is_orthonormal:
        bounds += pairs.forms
        targets += [0.0] * len(pairs.forms)
    return bounds, targets
