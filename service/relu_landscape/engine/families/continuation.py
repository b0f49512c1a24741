"""A family along real width: losses, smallest eigenvalues, and where its stability changes."""

from __future__ import annotations

import math
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from scipy.optimize import brentq

from relu_landscape.engine.families.family import branches
from relu_landscape.engine.families.follow import walk
from relu_landscape.engine.families.layout import layout
from relu_landscape.engine.families.naming import anchor_point, named
from relu_landscape.engine.families.points import Point, stacked
from relu_landscape.engine.families.reduced import loss
from relu_landscape.engine.families.solver import refine
from relu_landscape.engine.families.spectrum import Component, component, components
from relu_landscape.engine.families.structures import parse
from relu_landscape.errors import InputError, NumericalError
from relu_landscape.wire.families import (
    LARGEST_FAMILY_WIDTH,
    BranchEnd,
    Continuation,
    ContinuationPoint,
    StabilityChange,
)

MOST_POINTS = 1000
#: Crossings are located to this share of the width: an eigenvalue known to 1e-14 that moves by
#: 1e-2 per unit of width is zero at a width known to 1e-12.
ROOT_TOLERANCE = 1e-13


@dataclass(frozen=True)
class _Widths:
    """The block sizes of a pattern; the parameter is the logarithm of the teacher's width."""

    pattern: str

    def sizes(self, parameter: float) -> tuple[float, ...]:
        return parse(self.pattern, teacher_width=math.exp(parameter)).sizes


@dataclass(frozen=True)
class _Station:
    width: float
    point: Point
    loss: float
    components: dict[str, Component]

    @property
    def is_stable(self) -> bool:
        return all(c.eigenvalues[0, 0] > 0 for c in self.components.values())


def continuation(
    family: str,
    from_width: float,
    to_width: float,
    points: int = 50,
    branch: int | None = None,
) -> Continuation:
    """Follow a family along real teacher width.

    ``family`` is a pattern with ``*`` (``1+*``, ``2+* extra 1``) or a well-known name; the student
    grows with it. ``points`` widths are reported, geometric from ``from_width`` to ``to_width``
    (either may be the larger). ``branch`` numbers the branches of the structure at the integer
    width next to ``from_width`` (at least two teachers per ``*``), by loss, as ``family`` lists
    them; left out, the minimum of lowest loss, or the lowest point.

    Returns ``points`` (width, loss, whether it is stable, smallest eigenvalue per component),
    ``changes`` (width where an eigenvalue crosses zero, its component, the eigenvalue left there,
    and whether the family as a whole is stable on either side) and ``ends`` (the width at which the
    branch folds back, or ``None``).

    Raises ``InputError`` for patterns without ``*`` and widths that leave a block below 1.

    **Accuracy.** Crossings to 1e-10 of a unit of width up to width 100, beyond to 1e-12 of it; the
    end of a branch to 1e-6 of the width. A pair of crossings between two neighbouring reported
    widths cancels and is not seen: ask for more points.
    """
    _check(family, from_width, to_width, points)
    start, path = _start(family, from_width, branch)
    widths = [float(width) for width in np.geomspace(from_width, to_width, points)]
    widths[0], widths[-1] = float(from_width), float(to_width)
    stations = [_station(start, widths[0])]
    ends = None
    for before, after in pairwise(widths):
        moved, reached = walk(stations[-1].point, path, math.log(before), math.log(after))
        if moved is None:
            ends = BranchEnd(
                width=math.exp(reached),
                reason="The branch folds back here: no point of it exists beyond this width.",
            )
            break
        stations.append(_station(moved, after))
    changes = [change for pair in pairwise(stations) for change in _changes(path, *pair)]
    return Continuation(
        family=family,
        structure=start.structure.name,
        points=[_report(station) for station in stations],
        changes=sorted(changes, key=lambda change: change.width),
        ends=ends,
    )


def _check(family: str, from_width: float, to_width: float, points: int) -> None:
    for width in (from_width, to_width):
        if not 1 < width <= LARGEST_FAMILY_WIDTH:
            raise InputError(f"Widths are above 1 and at most {LARGEST_FAMILY_WIDTH}, not {width}.")
    if from_width == to_width or not 2 <= points <= MOST_POINTS:
        raise InputError(f"Two different widths and 2 to {MOST_POINTS} points are needed.")
    if named(family) is None and "*" not in family:
        raise InputError(f"{family!r} has a single width; write '*' for the sizes that grow.")


def _start(family: str, width: float, branch: int | None) -> tuple[Point, _Widths]:
    """The point at the first width, followed from where the family is defined."""
    well_known = named(family)
    if well_known:
        if branch is not None:
            raise InputError(f"The family {family!r} is a single branch; leave out the number.")
        path, anchor = _Widths(well_known.pattern), well_known.anchor
        point = anchor_point(well_known)
    else:
        path, anchor = _Widths(family), _anchor(family, width)
        point = _branch(family, anchor, branch)
    path.sizes(math.log(width))  # an InputError if the blocks do not fit
    moved, _ = walk(point, path, math.log(anchor), math.log(width))
    if moved is None:
        raise InputError(f"The branch of {family!r} does not reach the width {width!r}.")
    return moved, path


def _anchor(pattern: str, width: float) -> int:
    """The integer width next to ``width`` at which every ``*`` is an integer of at least 2."""
    stars = pattern.count("*")
    for candidate in range(max(2, round(width)), math.ceil(width) + 3 * stars + 1):
        structure, wider = (parse(pattern, teacher_width=candidate + more) for more in (0, stars))
        growing = [a for a, b in zip(structure.sizes, wider.sizes, strict=True) if a != b]
        if structure.is_integral and min(growing) >= 2:
            return candidate
    raise InputError(f"{pattern!r} has no integer width next to {width!r}.")


def _branch(pattern: str, anchor: int, branch: int | None) -> Point:
    structure = parse(pattern, teacher_width=anchor)
    found = branches(structure)
    if not found:
        raise InputError(f"No critical point with exactly the symmetry of {structure.name!r}.")
    if branch is not None and not 1 <= branch <= len(found):
        raise InputError(f"The structure {structure.name!r} has branches 1 to {len(found)}.")
    if branch is not None:
        return found[branch - 1][0]
    stable = [point for point, _ in found if _station(point, anchor).is_stable]
    return stable[0] if stable else found[0][0]


def _station(point: Point, width: float) -> _Station:
    table, batch = layout(point.structure), stacked([point])
    found = components(table, *batch)
    value = float(loss(table, *batch)[0])
    return _Station(width, point, value, {c.key: c for c in found})


def _report(station: _Station) -> ContinuationPoint:
    return ContinuationPoint(
        width=station.width,
        loss=station.loss,
        is_stable=station.is_stable,
        smallest={key: float(c.eigenvalues[0, 0]) for key, c in station.components.items()},
    )


def _changes(path: _Widths, left: _Station, right: _Station) -> list[StabilityChange]:
    """Eigenvalues that cross zero between two stations."""
    changes: list[StabilityChange] = []
    for key in left.components.keys() & right.components.keys():
        a, b = (station.components[key].eigenvalues[0] for station in (left, right))
        if len(a) != len(b):
            continue  # the component changes its size here, at a block of two
        # ascending eigenvalues of one smooth family of matrices: crossings keep their position
        crossed = np.flatnonzero((a < 0) != (b < 0))
        changes += [_crossing(path, left, right, key, int(position)) for position in crossed]
    return changes


def _crossing(
    path: _Widths, left: _Station, right: _Station, key: str, position: int
) -> StabilityChange:
    """Where one eigenvalue of one component crosses zero, by root finding in the width."""

    def eigenvalue(width: float) -> float:
        if width == right.width:
            return float(right.components[key].eigenvalues[0, position])
        point, _ = walk(left.point, path, math.log(left.width), math.log(width))
        if point is None:
            raise NumericalError(f"The branch was lost at the width {width!r}.")
        table = layout(point.structure)
        polished, _ = refine(table, *stacked([point]))
        values = component(table, polished, stacked([point])[1], key)
        return float(values[0, position])

    root = brentq(eigenvalue, left.width, right.width, xtol=ROOT_TOLERANCE * left.width)
    value = eigenvalue(root)
    lower, upper = sorted((left, right), key=lambda station: station.width)
    return StabilityChange(
        width=float(root),
        component=left.components[key].name,
        space=left.components[key].space,
        eigenvalue=value,
        stable_below=lower.is_stable,
        stable_above=upper.is_stable,
    )
