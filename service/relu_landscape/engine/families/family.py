"""One family at any width: its critical points, with loss, overlaps, spectrum and stability."""

from __future__ import annotations

import math
from functools import lru_cache
from typing import Any

from relu_landscape.engine.families.follow import follow
from relu_landscape.engine.families.layout import Layout, layout
from relu_landscape.engine.families.naming import (
    anchor_point,
    anti_aligned,
    critical_points,
    resolve,
)
from relu_landscape.engine.families.points import Point, stacked, values
from relu_landscape.engine.families.reduced import pair_table
from relu_landscape.engine.families.search import (
    ZERO_LOSS,
    classify,
    eigenvalue_tolerance,
    verdicts,
)
from relu_landscape.engine.families.spectrum import components, lines
from relu_landscape.engine.families.structures import Structure
from relu_landscape.errors import InputError

LARGEST_WIDTH = 10**9
#: Up to this teacher width starts converge well and the structure is searched as it is; wider ones
#: are followed from a structure compressed to it, in which blocks up to ``KEPT_SIZE`` keep theirs.
LARGEST_DIRECT, KEPT_SIZE = 100, 25
#: Integers beyond this are not exact as JSON numbers.
LARGEST_EXACT = 2**53


def family(
    student_width: int, teacher_width: int, structure: str, branch: int | None = None
) -> dict[str, Any]:
    """A critical point of a symmetric family, at any width up to 10^9, in JSON types.

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

    **Accuracy.** Loss to about 1e-14 relative; eigenvalues as in ``spectrum.components``.
    """
    for what, width in (("student", student_width), ("teacher", teacher_width)):
        if not 1 <= width <= LARGEST_WIDTH:
            raise InputError(f"A {what} width is 1 to {LARGEST_WIDTH}, not {width}.")
    wanted, well_known = resolve(structure, student_width, teacher_width)
    if well_known is not None:
        if branch is not None:
            raise InputError(f"The family {structure!r} is a single branch; leave out the number.")
        followed = follow([anchor_point(well_known)], wanted)[0]
        if followed is None:
            raise InputError(f"The family {structure!r} does not reach the width {teacher_width}.")
        return {"family": structure, **describe(followed), "branch": None, "branches": []}
    points = branches(wanted)
    table = [_row(number, point, verdict) for number, (point, verdict) in enumerate(points, 1)]
    if not points:
        raise InputError(
            f"No critical point with exactly the symmetry of {wanted.name!r} was found; "
            "a coarser or finer structure may hold some."
        )
    number = _chosen(table) if branch is None else branch
    if not 1 <= number <= len(points):
        raise InputError(f"The structure {wanted.name!r} has branches 1 to {len(points)} here.")
    return {
        "family": structure, **describe(points[number - 1][0]), "branch": number, "branches": table,
    }  # fmt: skip


@lru_cache(maxsize=256)
def branches(structure: Structure) -> tuple[tuple[Point, dict[str, Any]], ...]:
    """The critical points with exactly the symmetry of ``structure``, by ascending loss.

    Each with what ``search.classify`` says about it. A function of the structure alone, remembered.
    """
    points = [found.point for found in critical_points(compressed(structure))]
    followed = [point for point in follow(points, structure) if point is not None]
    # one by one: batches of different sizes differ in the last bit
    found = [classify(structure, *stacked([point]))[0] for point in followed]
    pairs = zip(followed, found, strict=True)
    return tuple(sorted(pairs, key=lambda pair: float(pair[1]["loss"])))


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


def describe(point: Point) -> dict[str, Any]:
    """Everything about one structured critical point of integral block sizes, in JSON types."""
    table = layout(point.structure)
    found = components(table, *stacked([point]))
    verdict = verdicts(table, *stacked([point]), found)[0]
    width = max(point.structure.teacher_width, point.structure.student_width)
    attractive = _kind(verdict) == "minimum"
    least = verdict["min_eigenvalue"]
    spectrum = [{**line, "multiplicity": exact(line["multiplicity"])} for line in lines(found)]
    return {
        "structure": point.structure.name,
        "student_width": exact(point.structure.student_width),
        "teacher_width": exact(point.structure.teacher_width),
        "kind": _kind(verdict),
        "loss": verdict["loss"],
        "is_global": bool(abs(verdict["loss"]) <= ZERO_LOSS * width),
        "anti_aligned": exact(anti_aligned(point)),
        **_overlaps(table, point),
        "stability": {
            "attractive": attractive,
            "index": exact(verdict["index"]),
            "nullity": exact(verdict["nullity"]),
            "perpendicular_index": exact(verdict["perpendicular_index"]),
            "min_eigenvalue": least,
            "min_eigenvalue_perpendicular": verdict["min_eigenvalue_perpendicular"],
            "eigenvalue_tolerance": eigenvalue_tolerance(table),
            "gradient_norm": verdict["gradient_norm"],
            "slowest_time": 1 / least if attractive and least > 0 else None,
        },
        "spectrum": spectrum,
        "point": point.to_json(),
    }


def exact(number: float) -> int | str:
    """An integer as a JSON number, or beyond 2^53 as a string of digits."""
    return int(number) if abs(number) <= LARGEST_EXACT else str(int(number))


def _row(number: int, point: Point, verdict: dict[str, Any]) -> dict[str, Any]:
    return {
        "branch": number,
        "loss": verdict["loss"],
        "kind": _kind(verdict),
        "index": exact(verdict["index"]),
        "min_eigenvalue": verdict["min_eigenvalue"],
        "anti_aligned": exact(anti_aligned(point)),
    }


def _kind(verdict: dict[str, Any]) -> str:
    return "minimum" if verdict["index"] == verdict["perpendicular_index"] == 0 else "saddle"


def _chosen(table: list[dict[str, Any]]) -> int:
    minima = [row["branch"] for row in table if row["kind"] == "minimum"]
    return int(minima[0] if minima else 1)


def _overlaps(table: Layout, point: Point) -> dict[str, Any]:
    """Norms and the distinct entries of R and Q."""
    pairs = pair_table(table, *stacked([point]))
    gamma = {key: float(pairs.gamma[0, pair]) for key, pair in table.pairs.items()}
    n, blocks = len(table.q), len(table.p)
    sizes = point.structure.sizes
    students = point.structure.students

    def entry(kind: str, s: int, other: int) -> dict[str, float | None]:
        if (kind, s, other, "apart") in gamma:
            return {"same": None, "other": gamma[kind, s, other, "apart"]}
        return {
            "same": gamma.get((kind, s, other, "same")),
            "other": gamma.get((kind, s, other, "off")),
        }

    norms = [float(norm) for norm in pairs.norm[0]]
    z = values(table, point)
    R = [[entry("st", s, t) for t in range(blocks)] for s in range(n)]
    Q = [[entry("ss", min(s, v), max(s, v)) for v in range(n)] for s in range(n)]
    for s in range(n):
        Q[s][s]["same"] = norms[s] ** 2
    return {
        "teacher_blocks": [{"size": exact(p)} for p in sizes],
        "student_blocks": [
            {"size": exact(block.size), "teacher_block": block.teacher_block, "norm": norm}
            for block, norm in zip(students, norms, strict=True)
        ],
        "unknowns": [float(value) for value in z],
        "overlaps": {"R": R, "Q": Q},
    }
