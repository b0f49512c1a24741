"""Critical points followed in the block sizes, which are real numbers in the reduced equations.

Blind starts converge rarely at large widths, and small differences between points drown there; a
branch found at a small width and followed to the large one has neither problem. Paths are
geometric in the sizes. The predictor is a power law coordinate by coordinate, since deviations from
the base decay like powers of the size; the corrector is Newton's method.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from typing import Protocol

import numpy as np

from relu_landscape.engine.families.layout import Array, layout
from relu_landscape.engine.families.points import Point, rebased, stacked
from relu_landscape.engine.families.solver import gradient_tolerance, newton_step, refine
from relu_landscape.engine.families.structures import Structure

#: Largest step in the logarithm of a size: a factor of four, over which the power laws of the known
#: families leave Newton's method two or three steps. Where they do not, steps are halved.
LARGEST_STEP = float(np.log(4.0))
#: A step is believed when Newton moved the point by at most this share of what the predictor did;
#: otherwise it is halved, and the branch given up below ``SMALLEST_STEP``.
LARGEST_CORRECTION = 0.25
SMALLEST_STEP = 1e-7
#: The same where only the far end matters: branches that end on the way are given up earlier.
SHORT_STEP = 1e-2
#: Corrections below this (Frobenius norm of the weights) are rounding at any width, never a jump.
ROUNDING = 1e-6
#: Step for the tangent: its square (the error) and rounding over it are both below 1e-7.
TANGENT_STEP = 1e-4
#: Deviations decay like the powers 1/2 to 2 of the size; a coordinate with a rate beyond this is
#: passing through zero and is extrapolated linearly instead.
LARGEST_POWER = 3.0


class Sizes(Protocol):
    """Block sizes along a path; its parameter counts in logarithms of a size or width."""

    def sizes(self, parameter: float) -> tuple[float, ...]: ...


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
    count = max(1, int(np.ceil(path.length / LARGEST_STEP - 1e-9)))
    marks = [path.length * k / count for k in range(count)] + [path.length]
    found: list[Point | None] = list(points)
    for start, end in pairwise(marks):
        alive = [i for i, point in enumerate(found) if point is not None]
        living = [point for point in found if point is not None]
        for i, point, moved in zip(alive, living, step(living, path, start, end), strict=True):
            found[i] = moved or walk(point, path, start, end, smallest=SHORT_STEP)[0]
    return _polished(found, target)


def _polished(found: list[Point | None], structure: Structure) -> list[Point | None]:
    alive = [i for i, point in enumerate(found) if point is not None]
    if alive:
        living = [point for point in found if point is not None]
        table = layout(structure)
        deviations, signs = stacked(living)
        best, _ = refine(table, deviations, signs)
        for i, row, sign in zip(alive, best, signs, strict=True):
            found[i] = rebased(table, row, sign)
    return found


def walk(
    point: Point, path: Sizes, start: float, end: float, *, smallest: float = SMALLEST_STEP
) -> tuple[Point | None, float]:
    """One branch from ``start`` to ``end``, up or down, in steps as small as needed.

    Returns the point at ``end`` and ``end``, or, where steps below ``smallest`` would be needed,
    ``None`` and the last parameter that was reached.
    """
    size = end - start
    while start != end:
        reach = end if abs(end - start) <= 1.001 * abs(size) else start + size
        moved = step([point], path, start, reach)[0]
        if moved is None:
            size = (reach - start) / 2
            if abs(size) < smallest:
                return None, start
            continue
        point, start, size = moved, reach, 1.5 * size
    return point, end


def step(points: list[Point], path: Sizes, start: float, end: float) -> list[Point | None]:
    """Predict, correct and check one step of several points of one structure in one batch."""
    if not points:
        return []
    structure = points[0].structure
    here, signs = stacked(points)
    nearby = layout(structure.resized(path.sizes(start + TANGENT_STEP)))
    tangent = (newton_step(nearby, here, signs) - here) / TANGENT_STEP
    predicted = _predict(here, tangent, end - start)
    table = layout(structure.resized(path.sizes(end)))
    tolerance = 10 * gradient_tolerance(table)  # Newton may stop at twice the rounding or so
    corrected, norms = refine(table, predicted, signs, stop=tolerance)
    move = np.linalg.norm((predicted - here) * table.scale, axis=1)
    correction = np.linalg.norm((corrected - predicted) * table.scale, axis=1)
    good = (norms <= tolerance) & (correction <= LARGEST_CORRECTION * move + ROUNDING)
    return [rebased(table, corrected[i], signs[i]) if good[i] else None for i in range(len(points))]


def _predict(here: Array, tangent: Array, size: float) -> Array:
    """Power laws where the logarithmic rate is moderate, straight lines elsewhere."""
    with np.errstate(all="ignore"):
        rate = tangent / here
    moderate = np.isfinite(rate) & (np.abs(rate) <= LARGEST_POWER)
    return np.where(
        moderate, here * np.exp(np.where(moderate, rate, 0) * size), here + tangent * size
    )
