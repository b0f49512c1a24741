"""Lines of saddles: a student of a narrower point, split in two parallel ones.

``w -> mu w, (1 - mu) w`` keeps the function that the network computes, so a critical point of width
K' is a set of critical points of every larger width K: one of dimension K - K', on which the loss
is constant. The index does not depend on the parts: it is that of the narrower point, and one more
for each negative eigenvalue of B_i and (d - M times) of D_i (``widening.splitting``), for every
further part of student i. Saddles of this kind are known as symmetry-induced critical points
(Simsek et al. 2021, arXiv:2105.12221). Derivation: docs/mathematics/flow.md.

They are found in two ways: where a start came to rest on one, which parallel students give away;
and, with ``saddles``, by splitting every student of the minima that the structured search finds for
one student less. Minima that it does not find, and points split twice, are not looked for.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from relu_landscape.engine.exact import integer
from relu_landscape.engine.families.points import embed
from relu_landscape.engine.families.structures import default_structures
from relu_landscape.engine.landscape import report
from relu_landscape.engine.landscape.catalogue import ZERO_LOSS, Catalogue, Entry
from relu_landscape.engine.landscape.classified import classified, classified_structured
from relu_landscape.engine.landscape.phases import Phases
from relu_landscape.engine.landscape.problem import Problem
from relu_landscape.engine.landscape.structured import searched
from relu_landscape.engine.points import classify, identity, spectrum, symmetry
from relu_landscape.engine.points.classify import Point
from relu_landscape.engine.points.symmetry import Symmetry
from relu_landscape.engine.widening.splitting import splitting
from relu_landscape.wire import landscape as wire

Real = NDArray[np.float64]

#: Students at a smaller angle may be parts of one. Polished points are accurate to 1e-9 and better,
#: and isolated ones known stay 7e-3 away; that the merged point is critical as well decides.
PARALLEL = 1e-5


@dataclass(eq=False)
class Line:
    """The ``origin``, of width K', and into how many parts each of its students is split.

    ``parts`` (K',) in the canonical order of ``symmetry``, by descending number within an orbit.
    """

    origin: Point
    symmetry: Symmetry
    parts: tuple[int, ...]
    found_by: set[wire.FoundBy]

    @property
    def dimension(self) -> int:
        """K - K'."""
        return sum(self.parts) - len(self.parts)


def merged(W: Real) -> tuple[Real, tuple[int, ...]] | None:
    """``W`` (K, M) with parallel students added up, and how many each was; None without any."""
    norms = np.linalg.norm(W, axis=1)
    if not np.all(norms > 0.0):
        return None
    unit = W / norms[:, None]
    owner = np.arange(len(W))
    for i in range(len(W)):
        for j in range(i):
            # The chord keeps the digits that a cosine near one has lost.
            if owner[i] == i and np.linalg.norm(unit[i] - unit[j]) < PARALLEL:
                owner[i] = owner[j]
    kept, counts = np.unique(owner, return_counts=True)
    if len(kept) == len(W):
        return None
    together = np.stack([W[owner == place].sum(axis=0) for place in kept])
    return together, tuple(counts.tolist())


def separate(problem: Problem, phases: Phases, catalogue: Catalogue) -> list[Line]:
    """Take out of the catalogue what lies on a line."""
    found: list[tuple[Entry, Real, tuple[int, ...]]] = []
    for entry in catalogue.entries:
        candidate = None if catalogue.is_on_global_set(entry.point) else merged(entry.point.W)
        if candidate is not None:
            found.append((entry, *candidate))
    lines: list[Line] = []
    for width in sorted({len(W) for _, W, _ in found}):
        these = [item for item in found if len(item[1]) == width]
        key = f"classify/merged/{width}"
        points = classified(problem, phases, key, [W for _, W, _ in these])
        for (entry, W, counts), point in zip(these, points, strict=True):
            if point is not None and np.linalg.norm(point.W - W) < PARALLEL:
                _enter(lines, _line(problem, point, counts, entry.found_by), problem)
                catalogue.entries.remove(entry)
    return lines


def split_minima(problem: Problem, phases: Phases, lines: list[Line]) -> None:
    """Add the lines on which one student of a minimum of width K - 1 is split in two."""
    narrower = problem.students - 1
    # Structures named in the request are those of this width, and all that is to be searched.
    by_default = problem.searches_structures and problem.structures is None
    if not problem.saddles or not by_default or narrower < 1:
        return
    names = [each.name for each in default_structures(narrower, problem.teachers)]
    found = [
        (item.loss, each.structure.name, item.point)
        for each in searched(problem, phases, names)
        for item in each.result().points
        if item.is_minimum
    ]
    found.sort(key=lambda item: item[:2])
    weights, losses = [embed(point) for _, _, point in found], [loss for loss, _, _ in found]
    groups = identity.copies(weights, losses, problem.teacher)
    firsts = [found[group[0]][2] for group in groups]
    for point in classified_structured(problem, phases, "spectra/narrower", firsts):
        if point is None or point.loss <= ZERO_LOSS or point.index(problem.dimension):
            continue
        whole = _analysed(problem, point)
        for orbit in whole.student_orbits:
            counts = [1] * narrower
            counts[whole.students[orbit[0]]] = 2
            _enter(lines, _line(problem, point, tuple(counts), {"structured"}), problem)


def _analysed(problem: Problem, point: Point) -> Symmetry:
    teacher = problem.teacher
    T = None if teacher.is_orthonormal else teacher.gram
    norms = np.linalg.norm(point.W, axis=1)
    return symmetry.analyse(classify.overlaps(point.W, teacher), norms, teacher.norms, T)


def _line(
    problem: Problem, origin: Point, counts: Sequence[int], found_by: Iterable[wire.FoundBy]
) -> Line:
    """``counts`` in the order of the students of ``origin``."""
    whole = _analysed(problem, origin)
    parts = [counts[student] for student in whole.students]
    for orbit in whole.student_orbits:
        parts[orbit[0] : orbit[-1] + 1] = sorted((parts[i] for i in orbit), reverse=True)
    return Line(origin, whole, tuple(parts), set(found_by))


def _enter(lines: list[Line], line: Line, problem: Problem) -> None:
    """Add a line, or the way it was found to the one that it is."""
    for known in lines:
        if known.parts == line.parts and identity.same_point(
            known.origin, line.origin, problem.teacher
        ):
            known.found_by |= line.found_by
            return
    lines.append(line)


def told(problem: Problem, lines: Iterable[Line]) -> list[wire.SaddleLine]:
    """Lines as they are answered, by loss and then by the narrower point; l1, l2 and so on."""
    ordered = sorted(lines, key=lambda line: (line.origin.loss, line.parts))
    return [_told(problem, line, f"l{place}") for place, line in enumerate(ordered, start=1)]


def _told(problem: Problem, line: Line, key: str) -> wire.SaddleLine:
    narrower = replace(problem, students=len(line.parts))
    whole = report.fixed_point(Entry("origin", line.origin), key, narrower).point
    order = list(line.symmetry.students)
    found = splitting(line.origin.W[order], problem.teacher)
    tolerance = line.origin.summary.tolerance
    copies = problem.perpendicular_copies
    span, beside = found.index(line.parts, tolerance)
    index_span = line.origin.index_span + span
    index_beside = line.origin.index_perpendicular + beside
    chosen = np.array(line.parts) > 1
    return wire.SaddleLine(
        key=key,
        loss=whole.loss,
        loss_accuracy=whole.loss_accuracy,
        dimension=line.dimension,
        found_by=sorted(line.found_by),
        origin=wire.Origin(
            student_width=len(line.parts),
            attractive=whole.stability.attractive,
            index=whole.stability.index,
            structure=whole.structure,
            overlaps=whole.overlaps,
            norms=whole.norms,
        ),
        parts=list(line.parts),
        index=integer(index_span + copies * index_beside),
        index_span=integer(index_span),
        index_perpendicular=integer(index_beside),
        splitting_eigenvalue_span=spectrum.shown(
            # Along the student itself it is zero: that direction is the line.
            float(found.span[chosen].min(initial=0.0)),
            tolerance,
        ),
        splitting_eigenvalue_perpendicular=(
            spectrum.shown(float(found.beside[chosen].min()), tolerance) if copies else None
        ),
        eigenvalue_tolerance=tolerance,
    )
