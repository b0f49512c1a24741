"""One family at any width: its critical points, with loss, overlaps, spectrum and stability."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import lru_cache

from relu_landscape.engine.exact import integer
from relu_landscape.engine.families.follow import follow
from relu_landscape.engine.families.layout import Layout, layout
from relu_landscape.engine.families.naming import (
    anchor_point,
    anti_aligned,
    critical_points,
    resolve,
)
from relu_landscape.engine.families.points import Point, stacked, values
from relu_landscape.engine.families.reduced import (
    Pairs,
    loss_accuracy,
    loss_rounding,
    pair_table,
)
from relu_landscape.engine.families.search import Verdict, classify, verdicts
from relu_landscape.engine.families.solver import gradient_tolerance
from relu_landscape.engine.families.spectrum import components, lines
from relu_landscape.engine.families.structures import Structure, parse
from relu_landscape.engine.families.wellknown import named
from relu_landscape.engine.points.spectrum import shown
from relu_landscape.errors import InputError
from relu_landscape.wire.families import (
    LARGEST_FAMILY_WIDTH,
    BlockEntry,
    Family,
    FamilyBranch,
    FamilyEigenvalue,
    FamilyOverlaps,
    FamilyStability,
    FamilyStudentBlock,
    TeacherBlock,
)

#: Up to this teacher width starts converge well and the structure is searched as it is; wider ones
#: are followed from a structure compressed to it, in which blocks up to ``KEPT_SIZE`` keep theirs.
LARGEST_DIRECT, KEPT_SIZE = 100, 25


def family(
    student_width: int, teacher_width: int, structure: str, branch: int | None = None
) -> Family:
    """A critical point of a symmetric family, at any width up to 10^9, without a certificate.

    ``structure`` is a structure's name (``1+16``), a pattern (``1+*``) or a well-known family
    (``global``, ``one-anti-aligned``, ..., ``all-anti-aligned``). Structures hold several critical
    points: ``branches`` lists them by loss, numbered from 1, and ``branch`` picks one; left out,
    the minimum of lowest loss is taken, or the lowest point where there is no minimum. Points with
    more symmetry than the structure (the identity in ``1+16``) belong to other families and are not
    listed; neither are points that were not found: above a teacher width of 100, branches are
    followed from there, and those that are born only at larger widths are missed.

    Overlaps are given by blocks: ``R`` per student and teacher block, ``Q`` per pair of student
    blocks, ``same`` for equal labels (natural students only) and ``other`` for unequal ones.
    Multiplicities and indices beyond 2^53 are strings of digits.

    Raises ``InputError`` for widths, names and branches that do not exist.

    **Accuracy.** Loss to ``loss_accuracy``, about 1e-14 relative; eigenvalues as in
    ``spectrum.components``.
    """
    for what, width in (("student", student_width), ("teacher", teacher_width)):
        if not 1 <= width <= LARGEST_FAMILY_WIDTH:
            raise InputError(f"A {what} width is 1 to {LARGEST_FAMILY_WIDTH}, not {width}.")
    wanted, well_known = resolve(structure, student_width, teacher_width)
    if well_known is not None:
        if branch is not None:
            raise InputError(f"The family {structure!r} is a single branch; leave out the number.")
        followed = follow([anchor_point(well_known)], wanted)[0]
        if followed is None:
            raise InputError(f"The family {structure!r} does not reach the width {teacher_width}.")
        return describe(followed, name=structure, branch=None, branches=[])
    points = branches(wanted)
    table = [_listed(number, point, verdict) for number, (point, verdict) in enumerate(points, 1)]
    if not points:
        raise InputError(
            f"No critical point with exactly the symmetry of {wanted.name!r} was found; "
            "a coarser or finer structure may hold some."
        )
    number = _chosen(table) if branch is None else branch
    if not 1 <= number <= len(points):
        raise InputError(f"The structure {wanted.name!r} has branches 1 to {len(points)} here.")
    return describe(points[number - 1][0], name=structure, branch=number, branches=table)


@lru_cache(maxsize=256)
def branches(structure: Structure) -> tuple[tuple[Point, Verdict], ...]:
    """The critical points with exactly the symmetry of ``structure``, by ascending loss.

    Each with what ``search.classify`` says about it. A function of the structure alone, remembered.
    """
    points = [found.point for found in critical_points(compressed(structure))]
    followed = [point for point in follow(points, structure) if point is not None]
    # one by one: batches of different sizes differ in the last bit
    found = [classify(structure, *stacked([point]))[0] for point in followed]
    pairs = zip(followed, found, strict=True)
    return tuple(sorted(pairs, key=lambda pair: pair[1].loss))


@dataclass(frozen=True)
class Chosen:
    """One of the critical points of a structure: its number by loss, from 1, and what is known of
    it; where units leak, in the unit of ``model.activation``."""

    number: int
    point: Point
    verdict: Verdict

    @property
    def loss(self) -> float:
        """Rounding at zero loss left out."""
        return shown(self.verdict.loss, loss_accuracy(self.verdict.loss))

    @property
    def is_global(self) -> bool:
        """Whether the loss is zero."""
        return _is_global(layout(self.point.structure), self.point, self.verdict.loss)


def leaking(
    student_width: int, teacher_width: int, structure: str, leak: float, branch: int | None = None
) -> Chosen:
    """A critical point of ``structure``, a structure's name or pattern, whose units leak.

    ``branch`` as in ``family``. Raises ``InputError`` for widths, names and branches that do not
    exist, and for well-known families.
    """
    check_unnamed(structure)
    wanted = parse(structure, student_width=student_width, teacher_width=teacher_width, leak=leak)
    return chosen(wanted if "*" in structure else wanted.canonical(), branch)


def check_unnamed(structure: str) -> None:
    """Raise ``InputError`` for the name of a well-known family: they are defined for ReLU."""
    if named(structure) is not None:
        raise InputError(
            f"The family {structure!r} is one of ReLU; with a leak a structure is asked for, such "
            "as '1+5'."
        )


def chosen(structure: Structure, branch: int | None) -> Chosen:
    """The critical point number ``branch`` of a structure whose units leak, or the minimum of
    lowest loss, or the lowest point. Raises ``InputError`` where there is none."""
    found = branches(structure)
    if not found:
        raise InputError(
            f"No critical point with exactly the symmetry of {structure.name!r} was found at the "
            f"leak {structure.leak:g}."
        )
    attractive = (n for n, (_, verdict) in enumerate(found, 1) if verdict.attractive)
    number = next(attractive, 1) if branch is None else branch
    if not 1 <= number <= len(found):
        raise InputError(f"The structure {structure.name!r} has branches 1 to {len(found)} here.")
    return Chosen(number, *found[number - 1])


def compressed(structure: Structure) -> Structure:
    """A narrower structure of the same kind, from which ``structure`` is followed.

    Sizes above ``KEPT_SIZE`` shrink by one power, so that the largest becomes ``LARGEST_DIRECT``
    and their order stays; sizes are rounded to integers.
    """
    largest = max(structure.sizes)
    if structure.teacher_width <= LARGEST_DIRECT or largest <= LARGEST_DIRECT:
        return structure
    power = math.log(LARGEST_DIRECT / KEPT_SIZE) / math.log(largest / KEPT_SIZE)
    sizes = (
        p if p <= KEPT_SIZE else round(KEPT_SIZE * (p / KEPT_SIZE) ** power)
        for p in structure.sizes
    )
    return structure.resized(tuple(sizes))


def describe(
    point: Point, *, name: str, branch: int | None, branches: list[FamilyBranch]
) -> Family:
    """Everything about one structured critical point of integral block sizes."""
    table = layout(point.structure)
    found = components(table, *stacked([point]))
    verdict = verdicts(table, *stacked([point]), found)[0]
    structure = point.structure
    pairs = pair_table(table, *stacked([point]))
    norms = [float(norm) for norm in pairs.norm[0]]
    return Family(
        family=name,
        structure=structure.name,
        student_width=integer(structure.student_width),
        teacher_width=integer(structure.teacher_width),
        kind="minimum" if verdict.attractive else "saddle",
        loss=shown(verdict.loss, loss_accuracy(verdict.loss)),
        loss_accuracy=loss_accuracy(verdict.loss),
        is_global=_is_global(table, point, verdict.loss),
        anti_aligned=integer(anti_aligned(point)),
        teacher_blocks=[TeacherBlock(size=integer(p)) for p in structure.sizes],
        student_blocks=[
            FamilyStudentBlock(
                size=integer(block.size), teacher_block=block.teacher_block, norm=norm
            )
            for block, norm in zip(structure.students, norms, strict=True)
        ],
        unknowns=[float(value) for value in values(table, point)],
        overlaps=_overlaps(table, pairs, norms),
        stability=_stability(verdict),
        spectrum=[
            FamilyEigenvalue(
                eigenvalue=shown(line.eigenvalue, verdict.summary.tolerance),
                multiplicity=integer(line.multiplicity),
                space=line.space,
                component=line.component,
            )
            for line in lines(found)
        ],
        point=point.to_wire(),
        branch=branch,
        branches=branches,
        certificate=None,
    )


def _is_global(table: Layout, point: Point, loss: float) -> bool:
    """Whether the loss is zero: below its own rounding and that of the point, at this width.

    A point whose gradient is ``g`` instead of zero has a loss of ``|g|^2 / (2 l)`` at the teacher
    itself, where ``l``, the smallest eigenvalue, is 1/4 - 1/(2 pi): less than ``6 |g|^2``, which is
    6e-14 at width 10^9. The smallest spurious loss known is about 0.3 / K.
    """
    if table.q.sum() < table.p.sum():
        return False
    rounding = float(loss_rounding(table, *stacked([point]))[0])
    return abs(loss) <= rounding + 6 * gradient_tolerance(table) ** 2


def _listed(number: int, point: Point, verdict: Verdict) -> FamilyBranch:
    return FamilyBranch(
        branch=number,
        loss=shown(verdict.loss, loss_accuracy(verdict.loss)),
        kind="minimum" if verdict.attractive else "saddle",
        index_span=integer(verdict.index_span),
        min_eigenvalue_span=shown(verdict.summary.min_eigenvalue_span, verdict.summary.tolerance),
        anti_aligned=integer(anti_aligned(point)),
    )


def _chosen(table: list[FamilyBranch]) -> int:
    """The minimum of lowest loss, or the lowest point."""
    return next((row.branch for row in table if row.kind == "minimum"), 1)


def _stability(verdict: Verdict) -> FamilyStability:
    found = verdict.summary
    return FamilyStability(
        attractive=verdict.attractive,
        index_span=integer(found.index_span),
        index_perpendicular=integer(found.index_perpendicular),
        nullity_span=integer(found.nullity_span),
        min_eigenvalue_span=shown(found.min_eigenvalue_span, found.tolerance),
        min_eigenvalue_perpendicular=shown(found.min_eigenvalue_perpendicular, found.tolerance),
        eigenvalue_tolerance=found.tolerance,
        gradient_norm=verdict.gradient_norm,
        relaxation_time=found.relaxation_time(1),
    )


def _overlaps(table: Layout, pairs: Pairs, norms: list[float]) -> FamilyOverlaps:
    """The distinct entries of R and Q."""
    gamma = {key: float(pairs.gamma[0, pair]) for key, pair in table.pairs.items()}
    n, blocks = len(table.q), len(table.p)

    def entry(kind: str, s: int, other: int) -> BlockEntry:
        if (kind, s, other, "apart") in gamma:
            return BlockEntry(same=None, other=gamma[kind, s, other, "apart"])
        same, off = ((kind, s, other, relation) for relation in ("same", "off"))
        return BlockEntry(same=gamma.get(same), other=gamma.get(off))

    def student_entry(s: int, other: int) -> BlockEntry:
        found = entry("ss", min(s, other), max(s, other))
        # A student with itself is no pair: its square norm stands here.
        return BlockEntry(same=norms[s] ** 2, other=found.other) if s == other else found

    return FamilyOverlaps(
        R=[[entry("st", s, t) for t in range(blocks)] for s in range(n)],
        Q=[[student_entry(s, v) for v in range(n)] for s in range(n)],
    )
