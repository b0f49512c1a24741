"""Short calls: questions about families that are answered at once."""

from __future__ import annotations

from relu_landscape.engine.families.family import family
from relu_landscape.engine.families.layout import layout
from relu_landscape.engine.families.points import Point, values
from relu_landscape.wire.certificate import Certificate
from relu_landscape.wire.families import Continuation, ContinuationQuery, Family, FamilyQuery
from relu_landscape.wire.leaks import Leaks, LeaksQuery


def family_answer(query: FamilyQuery) -> Family:
    """``family.family``, and with ``certify`` a certificate by the reduced method.

    Raises ``InputError`` for widths, names, branches and leaks that do not exist.
    """
    found = family(
        query.student_width, query.teacher_width, query.structure, query.branch, query.leak
    )
    if not query.certify:
        return found
    certificate = certificate_of(Point.from_wire(found.point))
    return found.model_copy(update={"certificate": certificate})


def continuation_answer(query: ContinuationQuery) -> Continuation:
    """``continuation.continuation``.

    Raises ``InputError`` for patterns without ``*`` and widths that leave a block below 1.
    """
    # Imported here, with SciPy: half a second that a family at one width does not need.
    from relu_landscape.engine.families.continuation import continuation

    return continuation(
        query.structure,
        query.from_width,
        query.to_width,
        query.points,
        query.branch,
        around_folds=query.around_folds,
        leak=query.leak,
    )


def leaks_answer(query: LeaksQuery) -> Leaks:
    """``leaks.leaks``.

    Raises ``InputError`` for names, widths and branches that do not exist, and for two equal leaks.
    """
    # Imported here, with SciPy, as above.
    from relu_landscape.engine.families.leaks import leaks

    return leaks(
        query.student_width,
        query.teacher_width,
        query.structure,
        query.from_leak,
        query.to_leak,
        query.points,
        query.branch,
        around_folds=query.around_folds,
    )


def certificate_of(point: Point) -> Certificate:
    """Certificate of a structured point of integral block sizes, at any width."""
    # Imported here: Arb and what proves with it take half a second, and few ask for a proof.
    from relu_landscape.engine.certificates import certify_reduced

    table = layout(point.structure)
    z = values(table, point)
    students = point.structure.students
    blocks = range(len(point.structure.sizes))
    return Certificate.model_validate(
        certify_reduced(
            [int(size) for size in point.structure.sizes],
            [(int(block.size), block.teacher_block) for block in students],
            [[float(z[table.x(s, t)]) for t in blocks] for s in range(len(students))],
            [
                None if block.teacher_block is None else float(z[table.y(s)])
                for s, block in enumerate(students)
            ],
            leak=point.structure.leak,
        )
    )
