r"""Certificates from the block structure of a point: the reduced method, at any width.

The point is given by block sizes and the unknowns x and y of ``structure``, so the cost does not
depend on the width. The stored point is the exact real point with these decimal numbers as
unknowns; distances and radii are Euclidean in R^{K x M}, as in the dense method, and the statement
proven is the same. Method: docs/mathematics/certificates.md, section 5.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from flint import arb, arb_mat

from relu_landscape.engine.certificates.balls import (
    above,
    digits,
    exact_number,
    norm,
    precision,
    spectral_norm,
    upper_sqrt,
)
from relu_landscape.engine.certificates.claims import (
    Claims,
    Evidence,
    derive,
    examine,
    operator_bound,
    too_far,
)
from relu_landscape.engine.certificates.derivatives import (
    derivatives,
    loss,
    own_blocks,
    perpendicular_block,
    squared_norms,
    terms,
    unknowns,
)
from relu_landscape.engine.certificates.document import (
    certified,
    leak_member,
    read_count,
    read_decimal,
    read_leak,
    read_object,
    refused,
)
from relu_landscape.engine.certificates.isotypic import (
    Rows,
    perpendicular_index,
    prove_rows,
    rows_hold,
    span_index,
)
from relu_landscape.engine.certificates.lipschitz import Students
from relu_landscape.engine.certificates.stored import Stored
from relu_landscape.engine.certificates.stored_blocks import stored_blocks
from relu_landscape.engine.certificates.structure import Blocks, Structure, finest, normalised
from relu_landscape.errors import InputError, NumericalError

#: Digits of the stored unknowns: enough for radii near 1e-38, which leave the loss to 40 digits.
DIGITS = 40

#: Newton's method doubles the digits: from the 12 of a half-converged double, 5 steps reach 40.
NEWTON_STEPS = 8

#: A point that Newton's method moves further than this was not near its critical point: distinct
#: points 1e-3 apart exist, and doubles after Newton's method are within 1e-9 up to width 10^6.
LARGEST_MOVE = 1e-6

#: Splitting makes three blocks of one, and the small matrix has nine unknowns per pair of blocks;
#: block sizes are bounded so that widths stay exact JSON numbers (2^53) whatever a file says.
LARGEST_BLOCKS = 16
LARGEST_SIZE = 10**14
LARGEST_BITS = 4096


@dataclass(frozen=True)
class Point:
    """Evidence at a structured point, with the two small matrices of the finest splitting."""

    blocks: Blocks
    evidence: Evidence
    span: Rows
    perpendicular: Rows


def default_bits(student_width: int) -> int:
    """Sums of K^2 terms of very different size: 4 bits per doubling of the width, 192 at least."""
    return max(192, 64 + 4 * student_width.bit_length())


def certify_reduced(
    teacher_blocks: Sequence[int],
    student_blocks: Sequence[tuple[int, int | None]],
    x: Sequence[Sequence[float | str]],
    y: Sequence[float | str | None],
    *,
    polish: bool = True,
    bits: int | None = None,
    leak: float = 0.0,
) -> dict[str, Any]:
    """Certificate of the critical point near a structured point, as JSON types.

    Parameters: ``teacher_blocks[t]`` the size p_t; ``student_blocks[s] = (size, t)`` for a natural
    block over teacher block t (size p_t), ``(1, None)`` for a single student; unknowns ``x[s][t]``
    and ``y[s]`` (``None`` or ignored for single students), so that student r of block s is

        w_{s,r} = sum_t x[s][t] 1_t / sqrt(p_t) + y[s] (e_r - 1_{t(s)} / p_{t(s)}),

    doubles or decimal strings; ``polish``: refine them by Newton's method in balls first, which a
    large width needs; ``bits``: working precision; ``leak`` the slope c of the units below zero,
    ``-1 < c < 1``.

    Returns the same fields as ``dense.certify`` with ``structured_point`` in place of ``weights``.
    Indices count multiplicities; beyond 2^53 they are strings of digits. Raises ``InputError``
    where sizes or shapes contradict each other, or the leak is out of range.
    """
    named = leak_member(leak)
    structure = _structure(teacher_blocks, [tuple(block) for block in student_blocks], leak)
    working = default_bits(structure.student_width) if bits is None else bits
    if not 64 <= working <= LARGEST_BITS:
        raise InputError(f"bits = {working} is not accepted: 64 to {LARGEST_BITS}.")
    with precision(working):
        blocks = _blocks(structure, x, y)
        zero = _zero_unit(blocks)
        if polish and zero is None:
            blocks = _polished(blocks)
        strings = _strings(structure, blocks)
        method = {
            "method": "reduced",
            "mode": "strict",
            "bits": working,
            "student_width": structure.student_width,
            "teacher_width": structure.teacher_width,
            **named,
            "structured_point": strings,
        }
        if zero is not None:
            return refused(method, zero)
        point = evaluate(_blocks(structure, strings["x"], strings["y"]))
        outcome = _prove(point)
        if isinstance(outcome, str):
            return refused(method, outcome)
        return certified(method, outcome)


def _structure(
    teacher_blocks: Sequence[int], student_blocks: Sequence[tuple[Any, ...]], leak: float
) -> Structure:
    sizes = tuple(teacher_blocks)
    if not 0 < len(sizes) <= LARGEST_BLOCKS or not 0 < len(student_blocks) <= LARGEST_BLOCKS:
        raise InputError(f"between 1 and {LARGEST_BLOCKS} blocks on either side are accepted.")
    if any(type(p) is not int or not 1 <= p <= LARGEST_SIZE for p in sizes):
        raise InputError(f"teacher blocks are not accepted unless integers, 1 to {LARGEST_SIZE}.")
    students: list[int | None] = []
    for s, block in enumerate(student_blocks):
        size, t = block
        if t is None and size != 1:
            raise InputError(
                f"student block {s + 1} has {size!r} students but no teacher block: they would be "
                f"identical, one student split into several; give it as one student."
            )
        if t is not None and not (type(t) is int and 0 <= t < len(sizes) and size == sizes[t]):
            raise InputError(
                f"student block {s + 1} does not fit: it needs the index of a teacher block, and "
                f"as many students as that block has teachers."
            )
        students.append(t)
    return Structure(sizes, tuple(students), leak)


def _blocks(
    structure: Structure,
    x: Sequence[Sequence[float | str]],
    y: Sequence[float | str | None],
) -> Blocks:
    shape = (len(structure.students), len(structure.teachers))
    if len(x) != shape[0] or len(y) != shape[0] or any(len(row) != shape[1] for row in x):
        raise InputError(f"x must have shape {shape} and y length {shape[0]}.")
    rows = [[exact_number(value) for value in row] for row in x]
    column = [arb(0) if value is None else exact_number(value) for value in y]
    if not all(value.is_finite() for value in [*(v for row in rows for v in row), *column]):
        raise InputError("unknowns that are not finite are not accepted.")
    return normalised(structure, rows, column)


def _strings(structure: Structure, blocks: Blocks) -> dict[str, Any]:
    """The point as JSON types; from here on these strings *are* the point."""
    return {
        "teacher_blocks": list(structure.teachers),
        "student_blocks": [
            {"size": structure.size(s), "teacher_block": t}
            for s, t in enumerate(structure.students)
        ],
        "x": [[digits(value, DIGITS) for value in row] for row in blocks.x],
        "y": [
            None if t is None else digits(value, DIGITS)
            for value, t in zip(blocks.y, blocks.structure.students, strict=True)
        ],
    }


def _zero_unit(blocks: Blocks) -> str | None:
    for s, square in enumerate(squared_norms(blocks)):
        if not square > 0:
            return (
                f"student block {s + 1} is zero, where the loss has no Hessian: "
                f"leave it out and ask for a narrower student."
            )
    return None


def _polished(blocks: Blocks) -> Blocks:
    """The point after Newton's method in the fixed space, or as it was where that leads away."""
    structure, moved = blocks.structure, arb(0)
    point = blocks
    places = unknowns(point)
    for _ in range(NEWTON_STEPS):
        gradient, hessian = derivatives(point)
        try:
            step = arb_mat(hessian).mid().solve(arb_mat([[g] for g in gradient]).mid()).entries()
        except ZeroDivisionError:
            return blocks
        length = norm(step)
        moved = moved + length
        if not moved < LARGEST_MOVE:
            return blocks
        plain = [(d / scale).mid() for d, scale in zip(step, places.scales, strict=True)]
        x, y = [], []
        for s, start in enumerate(places.first):
            stop = start + len(structure.teachers)
            parts = zip(point.x[s], plain[start:stop], strict=True)
            x.append([(value - d).mid() for value, d in parts])
            natural = structure.students[s] is not None
            y.append((point.y[s] - plain[stop]).mid() if natural else arb(0))
        point = Blocks(structure, x, y)
        if length < arb(10) ** -DIGITS or _zero_unit(point) is not None:
            break
    return blocks if _zero_unit(point) is not None else point


def evaluate(blocks: Blocks) -> Point:
    """Everything that is proven about the point from; call it inside ``precision``."""
    structure = blocks.structure
    fine = finest(blocks)
    _, span = derivatives(fine)
    perpendicular, isotropic = perpendicular_block(fine)
    own = own_blocks(fine, span)
    curvatures, position = [], 0
    for t in structure.students:
        block = own[position]  # the first part of every block is a single student
        if block is None:
            raise NumericalError("the finest splitting must begin every block with one unit.")
        curvatures.append(spectral_norm(block).max(abs(isotropic[position]).upper()).upper())
        position += 1 if t is None else min(3, structure.teachers[t])
    students = Students(
        norms=[square.sqrt() for square in squared_norms(blocks)],
        curvatures=curvatures,
        counts=[structure.size(s) for s in range(len(structure.students))],
        operator_norm=_operator_norm(blocks),
        teachers=structure.teacher_width,
        leak=structure.leak,
    )
    evidence = Evidence(
        gradient=norm(derivatives(blocks)[0]),
        loss=loss(blocks),
        hessian=operator_bound(students),
        students=students,
        to_teacher=_distance_to_teacher(blocks),
    )
    return Point(blocks, evidence, span, perpendicular)


def _operator_norm(blocks: Blocks) -> arb:
    """Upper bound of ``|W|_2``: W maps constants on blocks to such, and standards by y alone."""
    structure = blocks.structure
    largest = norm(
        value * arb(structure.size(s)).sqrt() for s, row in enumerate(blocks.x) for value in row
    )
    for t in range(len(structure.teachers)):
        natural = zip(blocks.y, structure.students, strict=True)
        largest = largest.max(norm(y for y, block in natural if block == t))
    return largest.upper()


def _distance_to_teacher(blocks: Blocks) -> arb | None:
    """Distance to the teacher itself, block for block, where the blocks can be paired."""
    structure = blocks.structure
    paired: list[int] = []
    for row, t in zip(blocks.x, structure.students, strict=True):
        singles = [u for u, p in enumerate(structure.teachers) if p == 1]
        if t is None and not singles:
            return None
        paired.append(max(singles, key=lambda u: float(row[u])) if t is None else t)
    if sorted(paired) != list(range(len(structure.teachers))):
        return None
    total = arb(0)
    for s, partner in enumerate(paired):
        p = structure.teachers[partner]
        for t, value in enumerate(blocks.x[s]):
            target = 1 / arb(p).sqrt() if t == partner else arb(0)
            total += p * (value - target) * (value - target)
        if p > 1:
            total += (p - 1) * (blocks.y[s] - 1) * (blocks.y[s] - 1)
    return upper_sqrt(total)


def _prove(point: Point) -> Claims | str:
    """The claims, proven, or the reason why there are none."""
    refusal = too_far(point.evidence)
    if refusal is not None:
        return refusal
    span = prove_rows(point.span, lambda: span_index(point.blocks))
    perpendicular = prove_rows(point.perpendicular, lambda: perpendicular_index(point.blocks))
    if span is None or perpendicular is None:
        return _degenerate(point)
    claims = derive(point.evidence, span, perpendicular)
    if isinstance(claims, str):
        return claims
    objection = examine(point.evidence, claims)
    return claims if objection is None else objection


def _degenerate(point: Point) -> str:
    structure = point.blocks.structure
    extra = structure.student_width - structure.teacher_width
    if extra > 0 and point.evidence.loss < 1e-9:
        return (
            f"the loss is zero to within 1e-09 and the student is wider than the teacher: such "
            f"global minima form a continuum of dimension at least {extra}, and no point of it is "
            f"isolated."
        )
    for term in terms(point.blocks):
        if term.second is not None and term.angle.parallel and term.angle.cosine > 0:
            return (
                f"students of blocks {term.second + 1} and {term.first + 1} are parallel: they are "
                f"one unit split in two, the loss is constant along the split, and the point is "
                f"not isolated."
            )
    return (
        "the Hessian has an eigenvalue too close to zero to know its sign: the point is "
        "degenerate, or not isolated."
    )


def _read(certificate: Mapping[str, Any]) -> tuple[Structure, list[list[str]], list[str | None]]:
    """The stored point of a certificate from outside. Raises ``InputError``."""
    stored = read_object(certificate.get("structured_point"), "structured_point")
    lists = [stored.get(name) for name in ("teacher_blocks", "student_blocks", "x", "y")]
    if not all(isinstance(entry, list) for entry in lists):
        raise InputError("the structured point is not complete.")
    teachers, blocks, x, y = (list(entry) for entry in lists if isinstance(entry, list))
    pairs = []
    for block in blocks:
        fields = read_object(block, "a student block")
        pairs.append((fields.get("size"), fields.get("teacher_block")))
    if not all(isinstance(row, list) for row in x):
        raise InputError("x is not a matrix.")
    rows = [[read_decimal(value, "an unknown") for value in row] for row in x]
    column = [None if value is None else read_decimal(value, "an unknown") for value in y]
    return _structure(teachers, pairs, read_leak(certificate)), rows, column


def recheck(certificate: Mapping[str, Any], claims: Claims) -> Stored | str:
    """Prove the claims anew from the stored unknowns alone; the first that fails, in a sentence.

    Returns what the stored point says by itself where none fails. Raises ``InputError`` where the
    stored point cannot be read.
    """
    structure, x, y = _read(certificate)
    bits = read_count(certificate.get("bits"), "bits")
    if not 64 <= bits <= LARGEST_BITS:
        raise InputError(f"bits are not accepted beyond 64 to {LARGEST_BITS}.")
    widths = (structure.student_width, structure.teacher_width)
    if (certificate.get("student_width"), certificate.get("teacher_width")) != widths:
        return "the block sizes do not add up to the stated widths."
    with precision(bits):
        blocks = _blocks(structure, x, y)
        zero = _zero_unit(blocks)
        if zero is not None:
            return zero
        point = evaluate(blocks)
        if not rows_hold(point.span, lambda: span_index(blocks), claims.span):
            return "the index or an eigenvalue bound of the Hessian could not be proven."
        if not rows_hold(
            point.perpendicular, lambda: perpendicular_index(blocks), claims.perpendicular
        ):
            return (
                "the index or an eigenvalue bound of the perpendicular block could not be proven."
            )
        objection = examine(point.evidence, claims)
        if objection is not None:
            return objection
        return stored_blocks(blocks, structure, above(point.evidence.hessian), bits)
