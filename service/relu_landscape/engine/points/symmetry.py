"""Identity of fixed points up to relabelling: canonical order, automorphisms, blocks, copies.

Students permute freely; teachers permute where their Gram matrix T allows it. A point is given by
its overlaps R (K, M), which with T fix the weights. Values that differ by less than a tolerance are
one label; the labelled matrix becomes a coloured graph (a vertex for every student, teacher and
entry), whose canonical labelling and automorphism group come from BLISS (Junttila and Kaski 2007,
through igraph). Two points are the same only if the relabelling that the canonical labellings
suggest carries one onto the other entry by entry: equal losses prove nothing here.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from relu_landscape.engine.points.graphs import graph_type

Real = NDArray[np.float64]

#: Entries closer than this are equal, in units of the teacher's mean squared norm. Polished points
#: are accurate to 1e-9 and better; the closest distinct entries of known fixed points differ by
#: more than 1e-5.
SAME_ENTRY = 1e-6


@dataclass(frozen=True)
class Symmetry:
    """A point in canonical order, and its symmetry.

    ``students`` and ``teachers``: canonical order, as positions in the matrix analysed.
    ``student_orbits`` and ``teacher_orbits``: orbits of the automorphism group, as tuples of
    positions in canonical order; ``natural``: for each student orbit, the teacher orbit with which
    it is permuted together, or None. ``automorphisms``: order of the group (exact).
    """

    students: tuple[int, ...]
    teachers: tuple[int, ...]
    student_orbits: tuple[tuple[int, ...], ...]
    teacher_orbits: tuple[tuple[int, ...], ...]
    natural: tuple[int | None, ...]
    automorphisms: int
    is_product: bool

    @property
    def isotropy(self) -> str:
        """Name of the group that fixes the point."""
        if self.is_product:
            return " x ".join(f"S{len(orbit)}" for orbit in self.teacher_orbits)
        return f"a group of order {self.automorphisms}"


def labels_of(values: Real, tolerance: float = SAME_ENTRY) -> NDArray[np.int64]:
    """Labels by value: a gap larger than ``tolerance`` in the sorted values starts a new one."""
    flat = values.ravel()
    order = np.argsort(flat, kind="stable")
    steps = np.diff(flat[order]) > tolerance
    labels = np.empty(flat.size, dtype=np.int64)
    labels[order] = np.concatenate([[0], np.cumsum(steps)])
    return labels.reshape(values.shape)


class _Coloured:
    """The coloured graph of labelled overlaps; vertices: students, teachers, then entries."""

    def __init__(self, R: NDArray[np.int64], T: NDArray[np.int64] | None) -> None:
        self.K, self.M = R.shape
        K, M = self.K, self.M
        entries = np.arange(K * M) + K + M
        rows, columns = np.divmod(np.arange(K * M), M)
        edges = [np.stack([rows, entries], 1), np.stack([columns + K, entries], 1)]
        colours = [np.zeros(K, np.int64), np.ones(M, np.int64), 2 + R.ravel()]
        if T is not None:
            first, second = np.triu_indices(M, 1)
            pairs = np.arange(first.size) + K + M + K * M
            edges += [np.stack([first + K, pairs], 1), np.stack([second + K, pairs], 1)]
            # Lengths of teachers are colours of the teachers themselves.
            offset = 2 + int(R.max(initial=0)) + 1
            colours[1] = offset + np.diagonal(T)
            colours.append(offset + int(T.max()) + 1 + T[first, second])
        self.colours: list[int] = np.concatenate(colours).tolist()
        self.graph = graph_type()(n=len(self.colours), edges=np.concatenate(edges).tolist())

    def canonical_order(self) -> tuple[list[int], list[int]]:
        """Students and teachers in the order of the canonical labelling."""
        # igraph 1.0 lists the old vertex for each new place; earlier versions did the inverse.
        order = self.graph.canonical_permutation(color=self._dense(self.colours))
        students = [v for v in order if v < self.K]
        teachers = [v - self.K for v in order if self.K <= v < self.K + self.M]
        return students, teachers

    def orbits(self, fixed: Iterable[int] = ()) -> list[int]:
        """Orbit representative of every student and teacher, with some vertices held fixed."""
        colours = list(self.colours)
        fresh = max(colours) + 1
        for number, vertex in enumerate(fixed):
            colours[vertex] = fresh + number
        parent = list(range(self.K + self.M))

        def root(vertex: int) -> int:
            while parent[vertex] != vertex:
                vertex = parent[vertex]
            return vertex

        for image in self.graph.automorphism_group(color=self._dense(colours)):
            for vertex in range(self.K + self.M):
                a, b = root(vertex), root(image[vertex])
                parent[max(a, b)] = min(a, b)
        return [root(vertex) for vertex in range(self.K + self.M)]

    def group_order(self) -> int:
        """Order of the automorphism group: the product of orbits along a chain of stabilisers."""
        order = 1
        fixed: list[int] = []
        while True:
            orbits = self.orbits(fixed)
            moved = next((v for v in range(self.K + self.M) if orbits.count(v) > 1), None)
            if moved is None:
                return order
            order *= orbits.count(moved)
            fixed.append(moved)

    def approximate_order(self) -> float:
        """The same as a floating-point number, at once."""
        return float(self.graph.count_automorphisms(color=self._dense(self.colours)))

    @staticmethod
    def _dense(colours: list[int]) -> list[int]:
        rank = {colour: place for place, colour in enumerate(sorted(set(colours)))}
        return [rank[colour] for colour in colours]


def _teacher_tolerance(T: Real) -> float:
    """Entries of the Gram matrix closer than this are equal."""
    return SAME_ENTRY * float(np.mean(np.sqrt(np.diagonal(T)))) ** 2


def _teacher_labels(T: Real | None) -> NDArray[np.int64] | None:
    return None if T is None else labels_of(T, _teacher_tolerance(T))


def matching(R: Real, norms: Real, teacher_norms: Real) -> dict[int, int]:
    """Student -> teacher it is matched to: the assignment with the largest sum of |cosines|.

    Cosines count in steps of ``SAME_ENTRY``, so that rounding does not decide between equals.
    """
    from scipy.optimize import linear_sum_assignment  # heavy, and seldom needed

    cosines = np.abs(R) / (np.maximum(norms, 1e-300)[:, None] * teacher_norms)
    rows, columns = linear_sum_assignment(-np.round(cosines / SAME_ENTRY))
    return dict(zip(rows.tolist(), columns.tolist(), strict=True))


def anti_aligned(R: Real, norms: Real, teacher_norms: Real) -> int:
    """Number of students whose overlap with the teacher they are matched to is negative."""
    return sum(1 for i, m in matching(R, norms, teacher_norms).items() if R[i, m] < 0)


def analyse(
    R: Real,
    norms: Real,
    teacher_norms: Real,
    T: Real | None = None,
) -> Symmetry:
    """Symmetry of overlaps ``R`` (K, M) of a polished point.

    ``norms`` (K,) of the students, ``teacher_norms`` (M,); ``T`` (M, M) where the teacher is not
    orthonormal. Entries within ``SAME_ENTRY`` of each other, in units of the squared mean teacher
    norm, are equal.

    Canonical order: teacher orbits by size, then by what they look like; students beside the
    teachers they are matched to, the rest behind. Independent of the order that R came in, up to
    relabellings that leave R unchanged.
    """
    labelled = labels_of(R, SAME_ENTRY * float(np.mean(teacher_norms)) ** 2)
    graph = _Coloured(labelled, _teacher_labels(T))
    K, M = R.shape
    students, teachers = graph.canonical_order()
    representative = graph.orbits()
    teacher_orbits = _group(teachers, [representative[K + m] for m in range(M)])
    student_orbits = _group(students, representative[:K])
    # Within a size, the canonical labelling's own order: it does not depend on the input's.
    teacher_orbits.sort(key=len)
    # Among equally good matchings the one of the canonical order: it too forgets the input's.
    matched = matching(R[np.ix_(students, teachers)], norms[students], teacher_norms[teachers])
    partner = {students[i]: teachers[m] for i, m in matched.items()}
    natural = [_natural(labelled, orbit, teacher_orbits, partner) for orbit in student_orbits]
    place = {m: rank for rank, m in enumerate(m for orbit in teacher_orbits for m in orbit)}
    ranked = sorted(
        range(len(student_orbits)),
        key=lambda s: (
            natural[s] is None and len(student_orbits[s]) > 1,
            min((place[partner[i]] for i in student_orbits[s] if i in partner), default=M),
        ),
    )
    ordered = []
    for s in ranked:
        block = natural[s]
        orbit = list(student_orbits[s])
        if block is not None and len(orbit) > 1:
            own = _own_label(labelled, orbit, teacher_orbits[block], partner)
            orbit.sort(key=lambda i: place[own[i]])
        ordered.append(orbit)
    order = [i for orbit in ordered for i in orbit]
    exact, is_product = _order(graph, teacher_orbits, natural, student_orbits)
    return Symmetry(
        students=tuple(order),
        teachers=tuple(place),
        student_orbits=_positions([len(orbit) for orbit in ordered]),
        teacher_orbits=_positions([len(orbit) for orbit in teacher_orbits]),
        natural=tuple(natural[s] for s in ranked),
        automorphisms=exact,
        is_product=is_product,
    )


def _group(order: list[int], representative: list[int]) -> list[list[int]]:
    groups: dict[int, list[int]] = {}
    for vertex in order:
        groups.setdefault(representative[vertex], []).append(vertex)
    return list(groups.values())


def _positions(sizes: list[int]) -> tuple[tuple[int, ...], ...]:
    ends = np.cumsum([0, *sizes]).tolist()
    return tuple(tuple(range(a, b)) for a, b in itertools.pairwise(ends))


def _own_label(
    labelled: NDArray[np.int64], orbit: list[int], block: list[int], partner: dict[int, int]
) -> dict[int, int]:
    """For each student of a natural orbit, the teacher of the block that is its own."""
    matched = {int(labelled[i, partner[i]]) for i in orbit if partner.get(i) in block}
    own: dict[int, int] = {}
    for i in orbit:
        row = labelled[i, block]
        values, counts = np.unique(row, return_counts=True)
        single = values[counts == 1].tolist()
        # In a block of two both entries occur once; the matched teacher's is the own one.
        label = next((value for value in single if value in matched), single[-1])
        own[i] = block[int(np.nonzero(row == label)[0][0])]
    return own


def _natural(
    labelled: NDArray[np.int64],
    orbit: list[int],
    teacher_orbits: list[list[int]],
    partner: dict[int, int],
) -> int | None:
    """The teacher orbit that permutes together with this student orbit."""
    candidates = []
    for t, block in enumerate(teacher_orbits):
        if len(block) != len(orbit):
            continue
        if len(block) == 1:
            if partner.get(orbit[0]) == block[0]:
                return t
            continue
        rows = labelled[np.ix_(orbit, block)]
        kinds = [np.unique(row, return_counts=True)[1] for row in rows]
        if all(sorted(kind.tolist()) == sorted([1, len(block) - 1]) for kind in kinds):
            own = _own_label(labelled, orbit, block, partner)
            if len(set(own.values())) == len(block):
                wanted = partner.get(orbit[0]) in block
                candidates.append((not wanted, t))
    return min(candidates)[1] if candidates else None


def _order(
    graph: _Coloured,
    teacher_orbits: list[list[int]],
    natural: list[int | None],
    student_orbits: list[list[int]],
) -> tuple[int, bool]:
    """Exact order of the group, and whether it is the full product of symmetric groups."""
    product = math.prod(math.factorial(len(orbit)) for orbit in teacher_orbits)
    regular = all(
        block is not None or len(orbit) == 1
        for block, orbit in zip(natural, student_orbits, strict=True)
    )
    approximate = graph.approximate_order()
    if regular and math.isclose(approximate, product, rel_tol=1e-9):
        return product, True
    if approximate < 2**53:
        return round(approximate), False
    return graph.group_order(), False


def relabelling(
    R: Real, other: Real, T: Real | None = None, *, tolerance: float = SAME_ENTRY
) -> tuple[list[int], list[int]] | None:
    """Permutations (students, teachers) with ``other[students][:, teachers]`` equal to ``R``.

    ``R``, ``other`` (K, M) overlaps; ``T`` (M, M) the teacher's Gram matrix, which the permutation
    of teachers must leave unchanged, or None where it is the identity. None where there are none:
    the points differ. Equal within ``tolerance`` (in the units of R), entry by entry.
    """
    if R.shape != other.shape:
        return None
    both = labels_of(np.stack([R, other]), tolerance)
    if not np.array_equal(np.sort(both[0], axis=None), np.sort(both[1], axis=None)):
        return None
    teacher = _teacher_labels(T)
    mine = _Coloured(both[0], teacher).canonical_order()
    theirs = _Coloured(both[1], teacher).canonical_order()
    students, teachers = [0] * R.shape[0], [0] * R.shape[1]
    for a, b in zip(mine[0], theirs[0], strict=True):
        students[a] = b
    for a, b in zip(mine[1], theirs[1], strict=True):
        teachers[a] = b
    moved = other[np.ix_(students, teachers)]
    if float(np.abs(moved - R).max()) > tolerance:
        return None
    if T is not None:
        image = T[np.ix_(teachers, teachers)]
        if float(np.abs(image - T).max()) > _teacher_tolerance(T):
            return None
    return students, teachers


def relabelled_by_looks(
    R: Real, other: Real, *, tolerance: float = SAME_ENTRY
) -> tuple[list[int], list[int]] | None:
    """The same for free teachers, without a graph: a hundred times as fast, but it can miss some.

    Teachers are put in order by the entries that they see, students by their entries at teachers so
    ordered. Where teachers that look alike are exchanged by the point's symmetry, as those of one
    block are, any order of them will do. What is returned was compared entry by entry, as in
    ``relabelling``; None proves nothing.
    """
    if R.shape != other.shape:
        return None
    both = labels_of(np.stack([R, other]), tolerance)
    teachers = [np.lexsort(np.sort(labels, axis=0)) for labels in both]
    rows = [labels[:, order].T for labels, order in zip(both, teachers, strict=True)]
    students = [np.lexsort(row) for row in rows]
    row, column = ([np.argsort(mine), theirs] for mine, theirs in (students, teachers))
    found = row[1][row[0]].tolist(), column[1][column[0]].tolist()
    if float(np.abs(other[np.ix_(*found)] - R).max()) > tolerance:
        return None
    return found


def gram_symmetries(T: Real) -> int:
    """Order of the group of permutations of teachers that leave their Gram matrix unchanged."""
    # One student that sees all teachers alike adds nothing to the symmetry.
    graph = _Coloured(np.zeros((1, T.shape[0]), dtype=np.int64), _teacher_labels(T))
    approximate = graph.approximate_order()
    return round(approximate) if approximate < 2**53 else graph.group_order()
