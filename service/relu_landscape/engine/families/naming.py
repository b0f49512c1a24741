"""Families by name: the critical points that a name means.

A family is a structure whose block sizes depend on the width: a pattern such as ``1+*``, or one of
the ``wellknown`` names, which also say which of the critical points is meant.
"""

from __future__ import annotations

from functools import lru_cache

import numpy as np

from relu_landscape.engine.families.coarse import coarsest
from relu_landscape.engine.families.layout import layout
from relu_landscape.engine.families.leaning import leaning
from relu_landscape.engine.families.points import Point, values
from relu_landscape.engine.families.search import CriticalPoint, search
from relu_landscape.engine.families.structures import Structure, parse
from relu_landscape.engine.families.wellknown import Named, named
from relu_landscape.errors import InputError, NumericalError

#: Seed of the searches behind families: part of their definition, so that branch numbers are fixed.
SEED = 0
#: All points of a structure, whatever their index.
ANY_INDEX = 2**62


def anti_aligned(point: Point) -> int:
    """Students whose overlap with the teacher they are matched to is negative.

    Natural students are matched to the teacher of their label, student-only units listed with a
    single teacher to that one; further units to none. Exact for integral structures.
    """
    table = layout(point.structure)
    z = values(table, point)
    count = 0
    for s, block in enumerate(point.structure.students):
        t = block.listed_with
        if t is None:
            continue
        entry = z[table.x(s, t)] / np.sqrt(table.p[t])
        if table.own[s] is not None:
            entry += z[table.y(s)] * (1 - 1 / table.p[t])
        if entry < 0:
            count += int(table.q[s])
    return count


@lru_cache(maxsize=256)
def critical_points(structure: Structure) -> tuple[CriticalPoint, ...]:
    """All points found with exactly this symmetry, by ascending loss.

    A function of the structure alone; remembered because families ask for it again and again.
    """
    found = search(structure, seed=SEED, highest_index=ANY_INDEX)
    wanted = structure.canonical()
    return tuple(
        point for point in found.points if coarsest(point.point).structure.canonical() == wanted
    )


@lru_cache(maxsize=64)
def anchor_point(family: Named, leak: float = 0.0) -> Point:
    """The point that defines a well-known family.

    Names are ReLU's: where units leak, a family is what ReLU's point becomes at this width as the
    leak changes. Raises ``InputError`` where its branch does not reach the leak.
    """
    if leak:
        leaky = leaning(anchor_point(family), leak)
        if leaky is None:
            raise InputError(
                f"This family does not reach the leak {leak:g}; a structure such as "
                f"{family.pattern!r} may hold other points there."
            )
        return leaky
    structure = parse(family.pattern, teacher_width=family.anchor)
    count = family.anchor if family.anti_aligned is None else family.anti_aligned
    for point in critical_points(structure):
        if point.is_minimum and anti_aligned(point.point) == count:
            return point.point
    raise NumericalError(f"No minimum with {count} anti-aligned students in {structure.name!r}.")


def resolve(
    name: str, student_width: int, teacher_width: int, leak: float = 0.0
) -> tuple[Structure, Named | None]:
    """The structure of a family at these widths, and the well-known family if it is one.

    Patterns keep their order of blocks at every width; structures get the canonical one.
    Raises ``InputError`` for unknown names, for structures that do not fit the widths, and for
    well-known families where the widths differ or are too small for them.
    """
    family = named(name)
    pattern = family.pattern if family else name
    if family and student_width != teacher_width:
        raise InputError(f"The family {name!r} exists for equal widths of student and teacher.")
    structure = parse(pattern, student_width=student_width, teacher_width=teacher_width, leak=leak)
    if family and structure.sizes[-1] < 2:
        raise InputError(f"The family {name!r} needs a wider teacher than {teacher_width}.")
    return (structure if "*" in pattern else structure.canonical()), family
