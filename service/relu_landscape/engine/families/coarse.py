"""The full symmetry of a point: blocks that its weights do not tell apart are merged.

A structure's fixed space contains the fixed spaces of all larger groups: the identity is a point of
``1+16`` as well as of ``17``. ``coarsest`` finds the structure a point really has, in canonical
order, so that points found in different structures can be joined into one list.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass, replace
from itertools import combinations, product

import numpy as np

from relu_landscape.engine.families.layout import Array, layout
from relu_landscape.engine.families.points import Point, from_values, values
from relu_landscape.engine.families.structures import Structure

#: Blocks merge when that moves the weights by less than this (Frobenius norm): converged points are
#: symmetric to 1e-9, and a broken symmetry would show as a second point of the structure nearby,
#: where the closest two points known are 7e-4 apart.
SYMMETRIC = 1e-6
#: Decimals to which equal blocks are compared for their order: coarser than any rounding.
ORDER_DECIMALS = 6


@dataclass(frozen=True)
class StudentForm:
    """A student block: teacher block or ``None``, mean entry on every teacher block, and y."""

    own: int | None
    row: Array
    y: float


@dataclass(frozen=True)
class Form:
    """A point by the distinct entries of its weights: sizes of teacher blocks, student blocks, and
    the leak of its units."""

    p: tuple[float, ...]
    students: tuple[StudentForm, ...]
    leak: float = 0.0

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

    def norm(self, s: int) -> float:
        student = self.students[s]
        across = student.y**2 * (1 - 1 / self.size(s))
        return math.sqrt(float(np.array(self.p) @ student.row**2) + across)


def coarsest(point: Point, tolerance: float = SYMMETRIC) -> Point:
    """The same weights as a point of the structure with the fewest blocks, in canonical order.

    Blocks merge when that moves the weights by at most ``tolerance`` (Frobenius norm). Merged
    unknowns are averages; polish them (``solver.refine``) where the last digits matter.

    Canonical order: blocks by size, number of student blocks and entries; student-only units beside
    the single teachers they overlap most with; students on blocks of two teachers overlap more
    with their own than with the other (in absolute value).
    """
    form = form_of(point)
    merged = _merge_any(form, tolerance)
    if merged is None and point.structure == point.structure.canonical() and _is_tidy(form):
        return point
    return arranged(form if merged is None else merge_all(merged, tolerance))


def merge_all(form: Form, tolerance: float = SYMMETRIC) -> Form:
    """Merge blocks as long as that moves the weights by at most ``tolerance`` at a time."""
    merged = _merge_any(form, tolerance)
    while merged is not None:
        form = merged
        merged = _merge_any(form, tolerance)
    return form


def _is_tidy(form: Form) -> bool:
    """Nothing that the canonical order could change: no equal blocks or units, labels as wanted."""
    kinds = [(p, len(form.on(t))) for t, p in enumerate(form.p)]
    turned = any(student is not _own_way(form, student) for student in form.students)
    distinct = len(set(kinds)) == len(kinds) and all(count <= 1 for _, count in kinds)
    return distinct and len(form.units) <= 1 and not turned


def _own_way(form: Form, student: StudentForm) -> StudentForm:
    """With the labels on a block of two such that |same| >= |other|: y has the mean's sign."""
    if student.own is None or form.p[student.own] != 2 or student.y * student.row[student.own] >= 0:
        return student
    return _turned(student)


def _turned(student: StudentForm) -> StudentForm:
    return replace(student, y=-student.y)


def form_of(point: Point) -> Form:
    """The distinct entries of a point."""
    table = layout(point.structure)
    z = values(table, point)
    n, blocks = len(table.q), len(table.p)
    row = z[: n * blocks].reshape(n, blocks) / np.sqrt(table.p)
    students = tuple(
        StudentForm(own, row[s], 0.0 if own is None else float(z[table.y(s)]))
        for s, own in enumerate(table.own)
    )
    return Form(point.structure.sizes, students, point.structure.leak)


def _merge_any(form: Form, tolerance: float) -> Form | None:
    """The form with one pair of blocks merged, if any can be."""
    for t, u in combinations(range(len(form.p)), 2):
        if not _alike(form, t, u, tolerance):
            continue
        for pairs in _matchings(form, t, u, tolerance):
            for labelled in _relabelled(form, [s for pair in pairs for s in pair]):
                merged = _merge(labelled, t, u, pairs, tolerance)
                if merged is not None:
                    return merged
    return None


def _alike(form: Form, t: int, u: int, tolerance: float) -> bool:
    """A quick look, which spares most pairs of blocks the search for a matching."""
    columns = np.array([student.row[[t, u]] for student in form.students])
    away = [s for s, student in enumerate(form.students) if student.own not in (None, t, u)]
    if np.any(np.abs(columns[away, 0] - columns[away, 1]) > tolerance):
        return False
    if form.p[t] == form.p[u] == 1:
        column = np.sort(columns[form.units], axis=0)
        return bool(np.all(np.abs(column[:, 0] - column[:, 1]) <= tolerance))
    return True


def _relabelled(form: Form, matched: list[int]) -> Iterator[Form]:
    """The two students of a block on two teachers can be labelled either way: y or -y."""
    twos = [s for s in matched if form.size(s) == 2]
    for turns in product((False, True), repeat=len(twos)):
        turned = {s for s, turn in zip(twos, turns, strict=True) if turn}
        students = (_turned(b) if s in turned else b for s, b in enumerate(form.students))
        yield replace(form, students=tuple(students))


def _matchings(form: Form, t: int, u: int, tolerance: float) -> Iterator[list[tuple[int, int]]]:
    """Ways in which the students of two teacher blocks can be equivalent."""
    left, right = (form.units if form.p[b] == 1 else form.on(b) for b in (t, u))
    counts = {len(form.on(b)) for b in (t, u) if form.p[b] > 1}
    if len(counts) > 1:
        return
    norms = [form.norm(s) for s in range(len(form.students))]
    equal = [(s, v) for s in left for v in right if abs(norms[s] - norms[v]) <= tolerance]
    pairs = [(s, v) for s, v in equal if s != v]
    # two single teachers: any number of pairs of units, most first
    for count in counts or range(len(left) // 2, -1, -1):
        yield from _disjoint(pairs, count)


def _disjoint(pairs: list[tuple[int, int]], count: int) -> Iterator[list[tuple[int, int]]]:
    """Choices of ``count`` pairs that share no student."""
    if count == 0:
        yield []
    for i, pair in enumerate(pairs):
        rest = [other for other in pairs[i + 1 :] if not set(pair) & set(other)]
        for others in _disjoint(rest, count - 1) if count else []:
            yield [pair, *others]


def _merge(
    form: Form, t: int, u: int, pairs: list[tuple[int, int]], tolerance: float
) -> Form | None:
    """Merge teacher blocks t < u and matched student blocks; ``None`` if the weights move."""
    p, P = (form.p[t], form.p[u]), form.p[t] + form.p[u]
    matched = {s for pair in pairs for s in pair}
    kept = [v for v in range(len(form.p)) if v != u]
    moved = 0.0
    students: list[StudentForm] = []
    for s, student in enumerate(form.students):
        if s in matched:
            continue
        mean = (p[0] * student.row[t] + p[1] * student.row[u]) / P
        moved += form.size(s) * p[0] * p[1] / P * float(student.row[t] - student.row[u]) ** 2
        row = student.row.copy()
        row[t] = mean
        own = None if student.own is None else kept.index(student.own)
        students.append(replace(student, own=own, row=row[kept]))
    for s, other in pairs:
        joined, by = _joined(form, (t, u), (s, other))
        moved += by
        students.append(replace(joined, row=joined.row[kept], own=kept.index(t)))
        if moved > tolerance**2:
            return None
    sizes = tuple(P if v == t else form.p[v] for v in kept)
    return Form(sizes, tuple(students), form.leak) if moved <= tolerance**2 else None


def _joined(
    form: Form, blocks: tuple[int, int], pair: tuple[int, int]
) -> tuple[StudentForm, float]:
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
    return StudentForm(t, row, diagonal - off), moved


def _mean(entries: list[tuple[float, float]]) -> tuple[float, float]:
    """Weighted mean of (weight, value), and the weighted sum of squared differences from it."""
    weight = math.fsum(w for w, _ in entries)
    mean = math.fsum(w * v for w, v in entries) / weight
    return mean, math.fsum(w * (v - mean) ** 2 for w, v in entries)


def arranged(form: Form) -> Point:
    """The point with blocks in canonical order."""
    beside = _beside(form)
    order = sorted(range(len(form.p)), key=lambda t: _rank(form, t, beside[t]))
    students: list[int] = []
    for t in order:
        students += sorted(beside[t], key=lambda s: -abs(form.diagonal(s, t)))
    extra = [s for s in form.units if s not in students]
    extra.sort(key=lambda s: [round(float(v), ORDER_DECIMALS) for v in form.students[s].row[order]])
    sizes, counts = tuple(form.p[t] for t in order), tuple(len(beside[t]) for t in order)
    structure = Structure(sizes, counts, len(extra), form.leak)
    table = layout(structure)
    chosen = [_own_way(form, form.students[s]) for s in students + extra]
    x = np.array([student.row[order] for student in chosen]) * np.sqrt(table.p)
    y = [student.y for student in chosen if student.own is not None]
    return from_values(table, np.concatenate([x.ravel(), np.array(y)]))


def _beside(form: Form) -> dict[int, list[int]]:
    """Student blocks listed with each teacher block; units by their overlaps with single ones."""
    beside = {t: form.on(t) for t in range(len(form.p))}
    singles = [t for t, p in enumerate(form.p) if p == 1]
    if singles and form.units:
        from scipy.optimize import linear_sum_assignment  # heavy, and seldom needed

        gain = [[abs(form.students[s].row[t]) for t in singles] for s in form.units]
        for i, j in zip(*linear_sum_assignment(gain, maximize=True), strict=True):
            beside[singles[j]] = [form.units[i]]
    return beside


def _rank(form: Form, t: int, students: list[int]) -> tuple[float, int, list[float]]:
    entries = [form.diagonal(s, t) for s in students] or [float(s.row[t]) for s in form.students]
    return form.p[t], len(students), sorted(round(value, ORDER_DECIMALS) for value in entries)
