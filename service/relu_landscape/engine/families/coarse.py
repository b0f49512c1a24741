"""The full symmetry of a point: blocks that its weights do not tell apart are merged.

A structure's fixed space contains the fixed spaces of all larger groups: the identity is a point of
``1+16`` as well as of ``17``. ``coarsest`` finds the structure a point really has, in canonical
order, so that points found in different structures can be joined into one list.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass, replace
from itertools import combinations, permutations, product

import numpy as np
from scipy.optimize import linear_sum_assignment

from relu_landscape.engine.families.layout import Array, layout
from relu_landscape.engine.families.points import Point, from_values, values
from relu_landscape.engine.families.structures import Structure

#: Blocks merge when that moves the weights by less than this (Frobenius norm): converged points are
#: symmetric to 1e-9, and broken symmetries below 1e-4 have not been seen.
SYMMETRIC = 1e-6
#: Decimals to which equal blocks are compared for their order: coarser than any rounding.
ORDER_DECIMALS = 6


@dataclass(frozen=True)
class _Student:
    """A student block: teacher block or ``None``, mean entry on every teacher block, and y."""

    own: int | None
    row: Array
    y: float


@dataclass(frozen=True)
class _Form:
    """A point by the distinct entries of its weights: sizes of teacher blocks, student blocks."""

    p: tuple[float, ...]
    students: tuple[_Student, ...]

    def on(self, t: int) -> list[int]:
        return [s for s, student in enumerate(self.students) if student.own == t]

    @property
    def units(self) -> list[int]:
        return [s for s, student in enumerate(self.students) if student.own is None]

    def off(self, s: int, t: int) -> float:
        """Entry on the own block at another label."""
        return float(self.students[s].row[t]) - self.students[s].y / self.p[t]

    def diagonal(self, s: int, t: int) -> float:
        """Entry on the own block at the same label; a unit's entry on a single teacher."""
        if self.students[s].own is None:
            return float(self.students[s].row[t])
        return self.off(s, t) + self.students[s].y

    def size(self, s: int) -> float:
        own = self.students[s].own
        return 1.0 if own is None else self.p[own]


def coarsest(point: Point, tolerance: float = SYMMETRIC) -> Point:
    """The same weights as a point of the structure with the fewest blocks, in canonical order.

    Blocks merge when that moves the weights by at most ``tolerance`` (Frobenius norm). Merged
    unknowns are averages; polish them (``solver.refine``) where the last digits matter.

    Canonical order: blocks by size, number of student blocks and entries; student-only units beside
    the single teachers they overlap most with; students on blocks of two teachers overlap more
    with their own than with the other (in absolute value).
    """
    form = _form(point)
    merged = _merge_any(form, tolerance)
    if merged is None and point.structure == point.structure.canonical() and _is_tidy(form):
        return point
    while merged is not None:
        form = merged
        merged = _merge_any(form, tolerance)
    return _arranged(form)


def _is_tidy(form: _Form) -> bool:
    """Nothing that the canonical order could change: no equal blocks or units, labels as wanted."""
    kinds = [(p, len(form.on(t))) for t, p in enumerate(form.p)]
    turned = any(student is not _own_way(form, student) for student in form.students)
    distinct = len(set(kinds)) == len(kinds) and all(count <= 1 for _, count in kinds)
    return distinct and len(form.units) <= 1 and not turned


def _own_way(form: _Form, student: _Student) -> _Student:
    """With the labels on a block of two such that |same| >= |other|: y has the mean's sign."""
    if student.own is None or form.p[student.own] != 2 or student.y * student.row[student.own] >= 0:
        return student
    return replace(student, y=-student.y)


def _form(point: Point) -> _Form:
    table = layout(point.structure)
    z = values(table, point)
    n, blocks = len(table.q), len(table.p)
    row = z[: n * blocks].reshape(n, blocks) / np.sqrt(table.p)
    students = tuple(
        _Student(own, row[s], 0.0 if own is None else float(z[table.y(s)]))
        for s, own in enumerate(table.own)
    )
    return _Form(point.structure.sizes, students)


def _merge_any(form: _Form, tolerance: float) -> _Form | None:
    """The form with one pair of blocks merged, if any can be."""
    for t, u in combinations(range(len(form.p)), 2):
        for pairs in _matchings(form, t, u):
            for labelled in _relabelled(form, [s for pair in pairs for s in pair]):
                merged = _merge(labelled, t, u, pairs, tolerance)
                if merged is not None:
                    return merged
    return None


def _relabelled(form: _Form, matched: list[int]) -> Iterator[_Form]:
    """The two students of a block on two teachers can be labelled either way: y or -y."""
    twos = [s for s in matched if form.size(s) == 2]
    for signs in product((1.0, -1.0), repeat=len(twos)):
        turned = dict(zip(twos, signs, strict=True))
        students = (replace(b, y=b.y * turned.get(s, 1.0)) for s, b in enumerate(form.students))
        yield replace(form, students=tuple(students))


def _matchings(form: _Form, t: int, u: int) -> Iterator[list[tuple[int, int]]]:
    """Ways in which the students of two teacher blocks can be equivalent."""
    left, right = (form.units if form.p[b] == 1 else form.on(b) for b in (t, u))
    counts = [len(form.on(b)) for b in (t, u) if form.p[b] > 1]
    if len(set(counts)) > 1:
        return
    # two single teachers: any number of pairs of units, most first
    for count in counts[:1] or range(len(left) // 2, -1, -1):
        for mine in combinations(left, count):
            for theirs in permutations([s for s in right if s not in mine], count):
                yield list(zip(mine, theirs, strict=True))


def _merge(
    form: _Form, t: int, u: int, pairs: list[tuple[int, int]], tolerance: float
) -> _Form | None:
    """Merge teacher blocks t < u and matched student blocks; ``None`` if the weights move."""
    p, P = (form.p[t], form.p[u]), form.p[t] + form.p[u]
    matched = {s for pair in pairs for s in pair}
    kept = [v for v in range(len(form.p)) if v != u]
    moved = 0.0
    students: list[_Student] = []
    for s, student in enumerate(form.students):
        if s in matched:
            continue
        mean = (p[0] * student.row[t] + p[1] * student.row[u]) / P
        moved += form.size(s) * p[0] * p[1] / P * float(student.row[t] - student.row[u]) ** 2
        row = student.row.copy()
        row[t] = mean
        own = None if student.own is None else kept.index(student.own)
        students.append(_Student(own, row[kept], student.y))
    for s, other in pairs:
        joined, by = _joined(form, (t, u), (s, other))
        moved += by
        students.append(replace(joined, row=joined.row[kept], own=kept.index(t)))
        if moved > tolerance**2:
            return None
    sizes = tuple(P if v == t else form.p[v] for v in kept)
    return _Form(sizes, tuple(students)) if moved <= tolerance**2 else None


def _joined(form: _Form, blocks: tuple[int, int], pair: tuple[int, int]) -> tuple[_Student, float]:
    """One student block from two, and the square of how far their weights moved."""
    (t, u), (s, other) = blocks, pair
    p, q = form.p[t], form.p[u]
    mine, theirs = form.students[s], form.students[other]
    entries = [(p * q, float(mine.row[u])), (p * q, float(theirs.row[t]))]
    entries += [(p * (p - 1), form.off(s, t))] if p > 1 else []
    entries += [(q * (q - 1), form.off(other, u))] if q > 1 else []
    off, moved = _mean(entries)
    diagonal, by = _mean([(p, form.diagonal(s, t)), (q, form.diagonal(other, u))])
    moved += by
    row = (p * mine.row + q * theirs.row) / (p + q)
    row[t] = off + (diagonal - off) / (p + q)
    away = [v for v in range(len(form.p)) if v not in blocks]
    moved += sum(
        form.p[v] * _mean([(p, float(mine.row[v])), (q, float(theirs.row[v]))])[1] for v in away
    )
    return _Student(t, row, diagonal - off), moved


def _mean(entries: list[tuple[float, float]]) -> tuple[float, float]:
    """Weighted mean of (weight, value), and the weighted sum of squared differences from it."""
    weight = math.fsum(w for w, _ in entries)
    mean = math.fsum(w * v for w, v in entries) / weight
    return mean, math.fsum(w * (v - mean) ** 2 for w, v in entries)


def _arranged(form: _Form) -> Point:
    """The point with blocks in canonical order and students beside them."""
    beside = _beside(form)
    order = sorted(range(len(form.p)), key=lambda t: _rank(form, t, beside[t]))
    students: list[int] = []
    for t in order:
        students += sorted(beside[t], key=lambda s: -abs(form.diagonal(s, t)))
    extra = [s for s in form.units if s not in students]
    extra.sort(key=lambda s: [round(float(v), ORDER_DECIMALS) for v in form.students[s].row[order]])
    structure = Structure(
        tuple(form.p[t] for t in order), tuple(len(beside[t]) for t in order), len(extra)
    )
    table = layout(structure)
    chosen = [_own_way(form, form.students[s]) for s in students + extra]
    x = np.array([student.row[order] for student in chosen]) * np.sqrt(table.p)
    y = [student.y for student in chosen if student.own is not None]
    return from_values(table, np.concatenate([x.ravel(), np.array(y)]))


def _beside(form: _Form) -> dict[int, list[int]]:
    """Student blocks listed with each teacher block; units by their overlaps with single ones."""
    beside = {t: form.on(t) for t in range(len(form.p))}
    singles = [t for t, p in enumerate(form.p) if p == 1]
    if singles and form.units:
        gain = [[abs(form.students[s].row[t]) for t in singles] for s in form.units]
        for i, j in zip(*linear_sum_assignment(gain, maximize=True), strict=True):
            beside[singles[j]] = [form.units[i]]
    return beside


def _rank(form: _Form, t: int, students: list[int]) -> tuple[float, int, list[float]]:
    entries = [form.diagonal(s, t) for s in students] or [float(s.row[t]) for s in form.students]
    return form.p[t], len(students), sorted(round(value, ORDER_DECIMALS) for value in entries)
