"""A family along real width: losses, smallest eigenvalues, folds, and changes of stability."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Literal

import numpy as np

from relu_landscape.engine.families.curve import Arc, Curve
from relu_landscape.engine.families.family import branches
from relu_landscape.engine.families.follow import walk
from relu_landscape.engine.families.layout import layout
from relu_landscape.engine.families.leaning import check_leak
from relu_landscape.engine.families.naming import anchor_point
from relu_landscape.engine.families.points import Point, rebased, stacked
from relu_landscape.engine.families.sheets import OWN, Crossing, Piece, pieces, station
from relu_landscape.engine.families.solver import refine
from relu_landscape.engine.families.structures import Structure, parse
from relu_landscape.engine.families.trace import Bounds, trace
from relu_landscape.engine.families.wellknown import named
from relu_landscape.engine.model.activation import height
from relu_landscape.errors import InputError, NumericalError
from relu_landscape.wire.families import (
    LARGEST_FAMILY_WIDTH,
    BranchEnd,
    BranchEvent,
    Continuation,
    ContinuationPoint,
    StabilityChange,
)
from relu_landscape.wire.landscape import Space

MOST_POINTS = 1000
#: Sheets that are reported with ``around_folds``: a bound on the work; ``ends`` says so where it
#: is reached.
MOST_SHEETS = 8
#: Largest step, in logarithms of the width: spectra are looked at once a step, and a pair of
#: crossings within one step is not seen.
LARGEST_STEP = 0.2

FOLDS = "The branch folds back here: no point of it exists beyond this width."
TURNS = "The branch meets another one here and turns back: no point of it exists beyond this width."
RETURNS = "The branch has come back to the width that it was followed from."
ENOUGH = f"The branch was followed around {MOST_SHEETS - 1} folds, up to this one."
STOPS = (
    "The branch cannot be followed beyond this width: the equations for blocks of real size are "
    "not smooth there."
)


@dataclass(frozen=True)
class _Widths:
    """The block sizes of a pattern; the parameter is the logarithm of the teacher's width."""

    pattern: str

    def sizes(self, parameter: float) -> tuple[float, ...]:
        return self.at(math.exp(parameter))

    def at(self, width: float) -> tuple[float, ...]:
        return parse(self.pattern, teacher_width=width).sizes


def continuation(
    family: str,
    from_width: float,
    to_width: float,
    points: int = 50,
    branch: int | None = None,
    *,
    around_folds: bool = False,
    leak: float = 0.0,
) -> Continuation:
    """Follow a family along real teacher width.

    ``family`` is a pattern with ``*`` (``1+*``, ``2+* extra 1``) or a well-known name; the student
    grows with it. ``points`` widths are reported, geometric from ``from_width`` to ``to_width``
    (either may be the larger). ``branch`` numbers the branches of the structure at the integer
    width next to ``from_width`` (at least two teachers per ``*``), by loss, as ``family`` lists
    them; left out, the minimum of lowest loss, or the lowest point.

    The branch is followed as a curve (``trace``), in steps that do not depend on ``points``; what
    is reported at a width is the curve's point there, and events are found on the curve itself.
    Where it folds back before ``to_width``, it ends there, or with ``around_folds`` goes on: back
    through those of the same widths that it passes again, as sheet 2, and so on, until it reaches
    ``to_width`` or comes back to ``from_width``; at most ``MOST_SHEETS`` sheets.

    Returns the points in the order in which the branch passes them (width, loss, whether it is
    stable, smallest eigenvalue per component, sheet), ``changes`` (width where an eigenvalue
    crosses zero, its component, the eigenvalue left there, and whether the family as a whole is
    stable on either side), ``events`` (folds, and points where another branch meets this one) and
    ``ends`` (the width at which it stops before ``to_width``, and why, or ``None``).

    ``leak``: of the units, the same at every width; losses and eigenvalues are in the unit of the
    loss itself.

    Raises ``InputError`` for patterns without ``*``, widths that leave a block below 1, and leaks
    out of range.

    **Accuracy.** Folds and crossings to 1e-10 of a unit of width up to width 100, beyond to 1e-12
    of it. A pair of crossings within a fifth of a logarithm of the width may cancel unseen.
    Where a branch stops without a fold, the width is right to 1e-2.
    """
    _check(family, from_width, to_width, points)
    check_leak(leak)
    start, path = _start(family, from_width, branch, leak)
    widths = [float(width) for width in np.geomspace(from_width, to_width, points)]
    widths[0], widths[-1] = float(from_width), float(to_width)
    begin, end = math.log(widths[0]), math.log(widths[-1])
    curve = Curve.along(start.structure, path, begin, end)
    node = curve.begin(start, begin, math.copysign(1.0, end - begin))
    if node is None:
        raise NumericalError(f"The branch of {family!r} has no direction at {from_width!r}.")
    bounds = Bounds(min(begin, end), max(begin, end))
    record = Record(widths, around_folds, path)
    record.fill(start, trace(curve, node, bounds, largest=LARGEST_STEP))
    return _in_unit(record.answer(family, start.structure.name), leak)


def _in_unit(found: Continuation, leak: float) -> Continuation:
    """In the unit of the loss itself."""
    if not leak:
        return found
    unit = height(leak)
    return found.model_copy(
        update={
            "points": [
                each.model_copy(
                    update={
                        "loss": each.loss * unit,
                        "smallest": {key: x * unit for key, x in each.smallest.items()},
                    }
                )
                for each in found.points
            ],
            "changes": [
                each.model_copy(update={"eigenvalue": each.eigenvalue * unit})
                for each in found.changes
            ],
            "events": [each.model_copy(update={"loss": each.loss * unit}) for each in found.events],
            "leak": leak,
        }
    )


def _check(family: str, from_width: float, to_width: float, points: int) -> None:
    for width in (from_width, to_width):
        if not 1 < width <= LARGEST_FAMILY_WIDTH:
            raise InputError(f"Widths are above 1 and at most {LARGEST_FAMILY_WIDTH}, not {width}.")
    if from_width == to_width or not 2 <= points <= MOST_POINTS:
        raise InputError(f"Two different widths and 2 to {MOST_POINTS} points are needed.")
    if named(family) is None and "*" not in family:
        raise InputError(f"{family!r} has a single width; write '*' for the sizes that grow.")
    well_known = named(family)
    path = _Widths(well_known.pattern if well_known else family)
    for width in (from_width, to_width):
        pairs = zip(path.at(width), path.at(width + 1), strict=True)
        if any(here == 1 and wider > 1 for here, wider in pairs):
            raise InputError(f"{family!r} needs a wider teacher than {width}: each '*' is above 1.")


def _start(family: str, width: float, branch: int | None, leak: float) -> tuple[Point, _Widths]:
    """The point at the first width, followed from where the family is defined."""
    well_known = named(family)
    if well_known:
        if branch is not None:
            raise InputError(f"The family {family!r} is a single branch; leave out the number.")
        path, anchor = _Widths(well_known.pattern), well_known.anchor
        point = anchor_point(well_known, leak)
    else:
        path, anchor = _Widths(family), _anchor(family, width)
        point = _branch(family, anchor, branch, leak)
    moved = walk(point, path, math.log(anchor), math.log(width))
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


def _branch(pattern: str, anchor: int, branch: int | None, leak: float) -> Point:
    structure = parse(pattern, teacher_width=anchor, leak=leak)
    found = branches(structure)
    if not found:
        raise InputError(f"No critical point with exactly the symmetry of {structure.name!r}.")
    if branch is not None and not 1 <= branch <= len(found):
        raise InputError(f"The structure {structure.name!r} has branches 1 to {len(found)}.")
    if branch is not None:
        return found[branch - 1][0]
    stable = [point for point, _ in found if station(point, anchor).is_stable]
    return stable[0] if stable else found[0][0]


@dataclass
class Record:
    """What is said of a branch, collected piece by piece along it.

    ``widths`` are what is reported, values of the curve's parameter: ``path`` is of widths.
    """

    widths: list[float]
    around_folds: bool
    path: _Widths | None = None
    sheet: int = 1
    points: list[ContinuationPoint] = field(default_factory=list)
    changes: list[StabilityChange] = field(default_factory=list)
    events: list[BranchEvent] = field(default_factory=list)
    ends: BranchEnd | None = None
    last: float = math.nan
    complete: bool = False

    def parameter(self, width: float) -> float:
        """The curve's parameter at a width."""
        return math.log(width)

    def value(self, parameter: float) -> float:
        """The width at a parameter."""
        return math.exp(parameter)

    def placed(self, structure: Structure, width: float) -> Structure:
        """The structure at a width."""
        return structure if self.path is None else structure.resized(self.path.at(width))

    def fill(self, start: Point, arcs: Iterator[Arc]) -> None:
        """The whole branch from its first point."""
        self.report(start, self.widths[0])
        for piece in pieces(arcs):
            if not self.add(piece):
                break

    def report(self, point: Point, width: float) -> None:
        """The point at one of the widths, polished at exactly that width."""
        structure = self.placed(point.structure, width)
        table = layout(structure)
        deviations, signs = stacked([Point(structure, point.signs, point.deviations)])
        best, _ = refine(table, deviations, signs)
        here = station(rebased(table, best[0], signs[0]), width)
        self.points.append(
            ContinuationPoint(
                width=width,
                loss=here.loss,
                is_stable=here.is_stable,
                smallest={k: float(c.eigenvalues[0, 0]) for k, c in here.components.items()},
                sheet=self.sheet,
            )
        )

    def add(self, piece: Piece) -> bool:
        """Take in the next piece of the branch; ``False`` where it ends."""
        turned = piece.turned
        self._between(piece, 0.0, 1.0 if turned is None else turned)
        if self.complete or turned is None:
            return not self.complete
        self._turn(piece, turned)
        if not self.around_folds or self.sheet == MOST_SHEETS:
            said = (TURNS if piece.meets_another else FOLDS) if not self.around_folds else ENOUGH
            self._end(piece.width(turned), said)
            return False
        self.sheet += 1
        self._between(piece, turned, 1.0)
        return not self.complete

    def _between(self, piece: Piece, start: float, end: float) -> None:
        """One sheet's part of a piece: its points and the changes in it."""
        first, last = (piece.arc.position(share) for share in (start, end))
        if first is None or last is None:
            raise NumericalError(f"The branch was lost near width {piece.left.width!r}.")
        heading = math.copysign(1.0, last[-1] - first[-1])
        reached = self._bound(heading, float(last[-1]))
        for width in self._passed(float(first[-1]), float(last[-1])):
            point = piece.arc.reach(self.parameter(width), start, end)
            if point is None:
                raise NumericalError(f"The branch was lost at the width {width!r}.")
            self.report(point, width)
        for crossing in piece.crossings:
            within = start < crossing.share < end or (end == 1 and crossing.share == end)
            if within and not self._outside(piece.width(crossing.share)):
                self._change(piece, crossing)
        self.last = self.value(float(last[-1]))
        if reached:
            self.complete = True
            if heading * (self.widths[-1] - self.widths[0]) < 0:
                self._end(self.widths[0], RETURNS)

    def _bound(self, heading: float, parameter: float) -> bool:
        """Whether a bound of the widths is reached: at the end of a piece, or before its fold."""
        bound = self.parameter(max(self.widths) if heading > 0 else min(self.widths))
        return (parameter - bound) * heading >= 0

    def _outside(self, width: float) -> bool:
        return not min(self.widths) <= width <= max(self.widths)

    def _passed(self, before: float, after: float) -> Iterator[float]:
        """The widths passed on the way from one parameter to another, in that order."""
        rising = after > before
        for width in sorted(self.widths, reverse=not rising):
            at = self.parameter(width)
            if (before < at <= after) if rising else (after <= at < before):
                yield width

    def _turn(self, piece: Piece, turned: float) -> None:
        kind: Literal["fold", "branch_point"] = "branch_point" if piece.meets_another else "fold"
        self._event(kind, piece, turned, OWN, "span")

    def _change(self, piece: Piece, crossing: Crossing) -> None:
        lower, upper = piece.around(crossing.share)
        found = piece.left.components[crossing.key]
        self.changes.append(
            StabilityChange(
                width=piece.width(crossing.share),
                component=found.name,
                space=found.space,
                eigenvalue=crossing.eigenvalue,
                stable_below=lower.is_stable,
                stable_above=upper.is_stable,
                sheet=self.sheet,
            )
        )
        self._event("branch_point", piece, crossing.share, found.name, found.space)

    def _event(
        self,
        kind: Literal["fold", "branch_point"],
        piece: Piece,
        share: float,
        component: str,
        space: Space,
    ) -> None:
        self.events.append(
            BranchEvent(
                kind=kind,
                width=piece.width(share),
                loss=piece.loss(share),
                component=component,
                space=space,
                sheet=self.sheet,
            )
        )

    def _end(self, width: float, reason: str) -> None:
        self.ends = BranchEnd(width=width, reason=reason)

    def answer(self, family: str, structure: str) -> Continuation:
        """Everything; a branch that neither reached a width nor folded stops where it was left."""
        if self.ends is None and not self.complete:
            self._end(self.last, STOPS)
        return Continuation(
            family=family,
            structure=structure,
            points=self.points,
            changes=sorted(self.changes, key=lambda c: (c.sheet, c.width, c.space, c.component)),
            events=self.events,
            ends=self.ends,
        )
