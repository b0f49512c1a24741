"""Which structure a dense weight matrix has: from W (K, M) to blocks, by colour refinement.

The independent oracle of ``points.symmetry``, which asks a canonical labelling of a graph instead.
Entries are grouped by value; students and teachers are told apart by the groups they see, again and
again, until nothing changes (Weisfeiler and Leman's refinement of a coloured bipartite graph). The
cells are the blocks. Where a symmetry is no product of symmetric groups (two blocks that can only
be exchanged as a whole), one teacher is singled out and the refinement goes on; what this splits
too far is merged again (``families.coarse``).
"""

from __future__ import annotations

import math
from collections import Counter
from itertools import permutations, product

import numpy as np
from numpy.typing import NDArray

from relu_landscape.engine.families.coarse import Form, StudentForm, arranged, form_of, merge_all
from relu_landscape.engine.families.layout import Array
from relu_landscape.engine.families.points import Point, embed

Colours = NDArray[np.int64]

#: Entries that differ by less are equal: ten times the 1e-9 to which polished points are known.
TOLERANCE = 1e-8
#: Structures with more unknowns have no reduced description worth the name: W is asymmetric.
MOST_UNKNOWNS = 160
#: Exchanges of equal blocks that are tried for the orbit size: 7!, a second of work.
MOST_EXCHANGES = 5040


def recognise(W: Array, tolerance: float = TOLERANCE) -> Point | None:
    """The point whose embedding is W (K, M) up to the order of rows and columns.

    Its structure has the fewest blocks possible and canonical order; in an asymmetric W every
    teacher is a block. None where that leaves more than ``MOST_UNKNOWNS`` unknowns, and where
    entries cannot be told apart cleanly at this tolerance (groups of nearly equal entries wider
    than it), so that no structure has the entries of W.
    """
    entries = _groups(W, tolerance)
    teachers: Colours = np.zeros(W.shape[1], dtype=np.int64)
    while True:
        students, teachers = _refined(entries, teachers)
        clash = _clash(entries, students, teachers)
        if clash is None:
            break
        teachers = teachers * 2
        teachers[clash] += 1
    form = _blocks(W, entries, students, teachers)
    if len(form.p) * len(form.students) > 4 * MOST_UNKNOWNS:
        return None  # no merging makes up for that
    # merging tolerates the accumulated rounding of a whole block, entry by entry
    form = merge_all(form, tolerance * math.sqrt(W.size))
    if len(form.p) * len(form.students) > MOST_UNKNOWNS:
        return None
    point = arranged(form)
    if np.max(np.abs(np.sort(W, axis=None) - np.sort(embed(point), axis=None))) > tolerance:
        return None
    return point


def orbit_sizes(point: Point, tolerance: float = 1e-6) -> dict[str, int]:
    """How many different points are relabelled copies of this one: exact Python integers.

    ``labelled``: different weight matrices under permutations of students *and* teachers,
    ``K! M! / |stabiliser|``. ``up_to_student_order``: the same, matrices that differ in the order
    of the rows counted once, ``M!`` divided by the number of teacher permutations that some student
    permutation undoes. ``student_orders``: different matrices under student permutations alone.
    ``labelled`` is the product of the other two.

    The stabiliser is the structure's group, times the exchanges of whole blocks that leave the
    weights alone, times the exchanges of identical students. Widths up to some hundreds: the
    numbers have as many digits as the factorials.
    """
    structure = point.structure
    form = form_of(point)
    identical = 1
    for multiplicity, size in _identical(form, tolerance):
        identical *= math.factorial(multiplicity) ** int(size)
    stabiliser = _exchanges(form, tolerance)
    for size in structure.sizes:
        stabiliser *= math.factorial(int(size))
    orders = math.factorial(int(structure.student_width)) // identical
    copies = math.factorial(int(structure.teacher_width)) // stabiliser
    return {
        "labelled": orders * copies,
        "up_to_student_order": copies,
        "student_orders": orders,
    }


def _groups(W: Array, tolerance: float) -> Colours:
    """Number of the group of nearly equal values that each entry belongs to: (K, M)."""
    order = np.argsort(W, axis=None)
    gaps = np.diff(W.ravel()[order]) > tolerance
    groups = np.empty(W.size, dtype=np.int64)
    groups[order] = np.concatenate([[0], np.cumsum(gaps)])
    return groups.reshape(W.shape)


def _refined(entries: Colours, teachers: Colours) -> tuple[Colours, Colours]:
    """Colours of students and teachers that no longer split each other."""
    students: Colours = np.zeros(entries.shape[0], dtype=np.int64)
    count = 0
    while True:
        students = _recoloured(entries, students, teachers)
        teachers = _recoloured(entries.T, teachers, students)
        now = len(np.unique(students)) + len(np.unique(teachers))
        if now == count:
            return students, teachers
        count = now


def _recoloured(entries: Colours, mine: Colours, others: Colours) -> Colours:
    """Old colours split by the sorted (entry, other side's colour) pairs of each row."""
    seen = np.sort(entries * (int(others.max()) + 1) + others, axis=1)
    _, colours = np.unique(np.column_stack([mine, seen]), axis=0, return_inverse=True)
    return np.asarray(colours.ravel(), dtype=np.int64)


def _special(entries: Colours, row: int, columns: Colours) -> int | None:
    """Position in ``columns`` of the one entry that differs from all others, if there is one."""
    counts = Counter(entries[row, columns].tolist())
    singles = [group for group, count in counts.items() if count == 1]
    if len(counts) != 2 or len(singles) != 1:
        return None
    return int(np.flatnonzero(entries[row, columns] == singles[0])[0])


def _natural(entries: Colours, rows: Colours, columns: Colours) -> list[list[int]] | None:
    """Student blocks of a cell that is natural on a cell of teachers: rows label by label.

    Empty where the rows are constant on the columns; ``None`` where they are neither.
    """
    block = entries[np.ix_(rows, columns)]
    if np.all(block == block[:, :1]):
        return []
    if len(columns) == 2:
        special = np.argmin(block, axis=1).tolist()  # (a, b) and (b, a): either label will do
    else:
        found = [_special(entries, int(row), columns) for row in rows]
        special = [position for position in found if position is not None]
        if len(special) != len(found):
            return None
    mine: list[list[int]] = [[] for _ in columns]
    for row, position in zip(rows.tolist(), special, strict=True):
        mine[position].append(row)
    if len({len(members) for members in mine}) != 1:
        return None
    return [list(members) for members in zip(*mine, strict=True)]


def _clash(entries: Colours, students: Colours, teachers: Colours) -> int | None:
    """A teacher of a block that is no block of the kinds described here, if there is one."""
    for s in np.unique(students):
        rows = np.flatnonzero(students == s)
        natural_on = []
        for t in np.unique(teachers):
            columns = np.flatnonzero(teachers == t)
            found = _natural(entries, rows, columns)
            if found is None:
                return int(columns[0])
            if found:
                natural_on.append(int(columns[0]))
        if len(natural_on) > 1:
            return natural_on[0]
    return None


def _blocks(W: Array, entries: Colours, students: Colours, teachers: Colours) -> Form:
    """The form with one teacher block per cell, entries averaged."""
    cells = [np.flatnonzero(teachers == t) for t in np.unique(teachers)]
    blocks: list[StudentForm] = []
    for s in np.unique(students):
        rows = np.flatnonzero(students == s)
        natural = [(t, _natural(entries, rows, columns)) for t, columns in enumerate(cells)]
        own, members = next(((t, found) for t, found in natural if found), (None, None))
        for labels in members or [[int(row)] for row in rows]:
            chosen = W[labels]
            means = np.array([chosen[:, columns].mean() for columns in cells])
            y = 0.0
            if own is not None:
                square = chosen[:, cells[own]]
                size = len(labels)
                y = float((np.trace(square) * size - square.sum()) / (size * (size - 1)))
            blocks.append(StudentForm(own, means, y))
    sizes = tuple(len(columns) for columns in cells)
    return Form(sizes, tuple(blocks))


def _identical(form: Form, tolerance: float) -> list[tuple[int, float]]:
    """Multiplicity and block size of every class of identical student blocks."""
    classes: list[tuple[int, StudentForm]] = []
    counts: list[int] = []
    for s, student in enumerate(form.students):
        for k, (_, other) in enumerate(classes):
            if student.own == other.own and _equal(student, other, tolerance):
                counts[k] += 1
                break
        else:
            classes.append((s, student))
            counts.append(1)
    return [(count, form.size(s)) for count, (s, _) in zip(counts, classes, strict=True)]


def _equal(a: StudentForm, b: StudentForm, tolerance: float) -> bool:
    return bool(np.max(np.abs(a.row - b.row)) <= tolerance and abs(a.y - b.y) <= tolerance)


def _exchanges(form: Form, tolerance: float) -> int:
    """Permutations of whole teacher blocks that some rearrangement of student blocks undoes."""
    kinds: dict[tuple[float, int], list[int]] = {}
    for t, p in enumerate(form.p):
        column = sorted(float(student.row[t]) for student in form.students)
        for (size, first), members in kinds.items():
            there = sorted(float(student.row[first]) for student in form.students)
            if size == p and np.max(np.abs(np.subtract(column, there))) <= tolerance:
                members.append(t)
                break
        else:
            kinds[p, t] = [t]
    groups = list(kinds.values())
    if math.prod(math.factorial(len(group)) for group in groups) > MOST_EXCHANGES:
        raise ValueError("Too many equal blocks: the exchanges that fix the point are unknown.")
    count = 0
    for images in product(*(permutations(group) for group in groups)):
        moved = {
            a: b
            for group, image in zip(groups, images, strict=True)
            for a, b in zip(group, image, strict=True)
        }
        count += _undone(form, [moved[t] for t in range(len(form.p))], tolerance)
    return count


def _undone(form: Form, moved: list[int], tolerance: float) -> bool:
    """Whether the student blocks can be matched to themselves after moving teacher blocks."""
    left = list(form.students)
    for student in form.students:
        row = np.empty_like(student.row)
        row[moved] = student.row
        own = None if student.own is None else moved[student.own]
        image = StudentForm(own, row, student.y)
        match = next((b for b in left if b.own == own and _equal(b, image, tolerance)), None)
        if match is None:
            return False
        left = [b for b in left if b is not match]
    return True
