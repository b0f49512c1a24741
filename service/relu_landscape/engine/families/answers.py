"""Short synchronous calls, by name: what a service may ask for without a job."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from relu_landscape.engine.certificates import certify_reduced
from relu_landscape.engine.families.continuation import continuation
from relu_landscape.engine.families.family import family
from relu_landscape.engine.families.layout import layout
from relu_landscape.engine.families.points import Point, values


def family_call(*, certify: bool = False, **arguments: Any) -> dict[str, Any]:
    """``families.family`` with, on request, a certificate by the reduced method."""
    found = family(**arguments)
    found["certificate"] = certificate_of(Point.from_json(found["point"])) if certify else None
    return found


def certificate_of(point: Point) -> dict[str, Any]:
    """Certificate of a structured point of integral block sizes, at any width."""
    table = layout(point.structure)
    z = values(table, point)
    students = point.structure.students
    blocks = range(len(point.structure.sizes))
    return certify_reduced(
        [int(size) for size in point.structure.sizes],
        [(int(block.size), block.teacher_block) for block in students],
        [[float(z[table.x(s, t)]) for t in blocks] for s in range(len(students))],
        [
            None if block.teacher_block is None else float(z[table.y(s)])
            for s, block in enumerate(students)
        ],
    )


CALLS: dict[str, Callable[..., dict[str, Any]]] = {
    "family": family_call,
    "continuation": continuation,
}
