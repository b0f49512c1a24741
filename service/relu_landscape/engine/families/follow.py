"""Critical points followed in the block sizes, which are real numbers in the reduced equations.

Blind starts converge rarely at large widths, and small differences between points drown there; a
branch found at a small width and followed to the large one has neither problem. Paths are
geometric in the sizes; ``trace`` takes the steps, so that no other branch is ended on.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from relu_landscape.engine.families.curve import Curve, Sizes
from relu_landscape.engine.families.layout import layout
from relu_landscape.engine.families.points import Point, rebased, stacked
from relu_landscape.engine.families.solver import refine
from relu_landscape.engine.families.strides import stride
from relu_landscape.engine.families.structures import Structure
from relu_landscape.engine.families.trace import Bounds, trace

#: Step of several branches at once, in logarithms of a size: most pass the rules with it, and half
#: of it takes longer in all.
STRIDE = 0.7


@dataclass(frozen=True)
class Path:
    """Block sizes between two structures, geometric; the parameter is the largest log ratio."""

    start: tuple[float, ...]
    end: tuple[float, ...]

    @property
    def length(self) -> float:
        pairs = zip(self.start, self.end, strict=True)
        return float(max(abs(np.log(b / a)) for a, b in pairs))

    def sizes(self, parameter: float) -> tuple[float, ...]:
        """Sizes at a parameter from 0 to ``length`` (a little beyond is allowed)."""
        if parameter == self.length:
            return self.end
        share = parameter / self.length
        return tuple(
            a if a == b else float(a * (b / a) ** share)
            for a, b in zip(self.start, self.end, strict=True)
        )


def follow(points: list[Point], target: Structure) -> list[Point | None]:
    """Follow critical points to the same kind of structure with other sizes.

    ``points`` are critical points of one structure. Returns the point at ``target`` for each, or
    ``None`` where the branch ends on the way (a fold) or cannot be followed.
    """
    if not points or points[0].structure.sizes == target.sizes:
        return list(points)
    path = Path(points[0].structure.sizes, target.sizes)
    curve = Curve.along(points[0].structure, path, 0.0, path.length)
    marks = np.linspace(0.0, path.length, 1 + math.ceil(path.length / STRIDE)).tolist()
    found: list[Point | None] = list(points)
    for start, end in pairwise(marks):
        alive = [i for i, point in enumerate(found) if point is not None]
        living = [point for point in found if point is not None]
        if not living:
            break
        for i, point, moved in zip(alive, living, stride(living, curve, start, end), strict=True):
            found[i] = moved or walk(point, path, start, end)
    return polished(found, target)


def polished(found: list[Point | None], structure: Structure) -> list[Point | None]:
    """Points of this kind of structure, each ended at the nearest critical point of exactly it."""
    alive = [i for i, point in enumerate(found) if point is not None]
    if alive:
        living = [point for point in found if point is not None]
        table = layout(structure)
        deviations, signs = stacked(living)
        best, _ = refine(table, deviations, signs)
        for i, row, sign in zip(alive, best, signs, strict=True):
            found[i] = rebased(table, row, sign)
    return found


def walk(point: Point, path: Sizes, start: float, end: float) -> Point | None:
    """One branch from the parameter ``start`` to ``end``, up or down.

    Returns the point at ``end``, or ``None`` where the branch folds back before it or cannot be
    followed.
    """
    if start == end:
        return point
    return passed(Curve.along(point.structure, path, start, end), point, start, end)


def passed(curve: Curve, point: Point, start: float, end: float) -> Point | None:
    """The same along any curve, between two parameters that differ."""
    heading = 1.0 if end > start else -1.0
    node = curve.begin(point, start, heading)
    if node is None:
        return None
    for arc in trace(curve, node, Bounds(min(start, end), max(start, end))):
        turned = arc.fold()
        if turned is not None:
            return arc.reach(end, 0.0, turned) if arc.passes(end, turned) else None
        if arc.right.parameter == end:
            return curve.point(arc.right.position, arc.right.signs)
    return None
