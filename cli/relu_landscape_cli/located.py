"""Located networks as a person reads them: in words where it is one, else a table."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from rich.console import RenderableType
from rich.text import Text

from relu_landscape_cli.fitting import Column, Fitted
from relu_landscape_cli.tables import number

if TYPE_CHECKING:
    from relu_landscape_client import LocatedEnd, LocatedPoint, Points, SignedEnd

#: Rows of a table of points; more are counted by what became of them.
MOST_ROWS = 40


def tables_of(found: Points) -> list[RenderableType]:
    """What is printed of an answer."""
    parts: list[RenderableType] = []
    if len(found.points) == 1:
        (point,) = found.points
        parts += [Text("\n".join(_words(point, found))), _students(point)]
    elif len(found.points) <= MOST_ROWS:
        parts.append(_points(found))
    else:
        counts = Counter(point.outcome or "not followed" for point in found.points)
        lines = [f"{count:,} {outcome}" for outcome, count in counts.most_common()]
        parts.append(Text("\n".join([f"{len(found.points):,} points:", *lines])))
    if found.fixed_points:
        parts.append(_fixed_points(found))
    if found.signed_ends:
        parts.append(_signed_ends(found.signed_ends))
    return [*parts, Text(f"{found.explanation}\nid {found.id}")]


def _words(point: LocatedPoint, found: Points) -> Iterator[str]:
    yield f"loss {number(point.loss, 12)}, gradient norm {number(point.gradient_norm, 3)}"
    if point.index is not None:
        yield (
            f"Hessian here: {point.index} negative eigenvalues, {point.nullity} zero, the "
            f"smallest {number(point.min_eigenvalue, 4)}"
        )
    if point.outcome is not None:
        yield f"gradient flow from here {point.outcome}"
    if point.end is not None and found.signed_ends is not None:
        end = found.signed_end(point.end)
        kind = "continuum of zero loss" if end.curvature is None else _kind(end)
        yield f"its end: {end.key}, {kind}"
        yield from _end(point, end, end.relaxation_time)
    elif point.end is not None:
        located = found.fixed_point(point.end)
        kind = located.kind.replace("_", " ")
        yield f"its end: {located.key}, a {kind} of structure {located.structure.name}"
        yield from _end(point, located, located.stability.relaxation_time)
    if point.proved is not None:
        yield (
            f"proved: gradient flow from here ends at {point.end}"
            if point.proved
            else "not proved: that gradient flow from here ends there"
        )
    if point.nearest:
        near = ", ".join(f"{each.key} ({number(each.distance, 4)})" for each in point.nearest)
        yield f"nearest fixed points, with distances at most: {near}"
    yield from _one_more(point)


def _end(
    point: LocatedPoint, end: LocatedEnd | SignedEnd, relaxation_time: float | None
) -> Iterator[str]:
    yield (
        f"  loss there {number(end.loss, 12)}, {number(point.loss_to_lose, 4)} still to lose; "
        f"distance {number(point.distance, 4)}"
    )
    if math.isfinite(point.flow_time):
        yield f"  time of the flow until it is seen to go there: {number(point.flow_time, 3)}"
    if relaxation_time is not None:
        yield f"  time constant of the slowest mode: {number(relaxation_time, 4)}"
    if end.statistical_error is None:
        return
    error = end.statistical_error.distance
    if error == 0.0:
        yield "  finite samples predict no distance from it: every input is fitted"
    else:
        yield (
            f"  finite samples predict a distance of {number(error, 4)}: this is "
            f"{number(point.distance_in_errors, 3)} times that"
        )


def _one_more(point: LocatedPoint) -> Iterator[str]:
    widening = point.widening
    if widening is None:
        return
    if widening.one_more is None:
        yield "one more student would not lower the loss"
    else:
        cosines = widening.one_more.cosines
        nearest = int(abs(cosines).argmax())
        yield (
            f"one more student would lower the loss by {number(widening.one_more.gain, 4)} at "
            f"once, nearest to teacher {nearest} (cosine {cosines[nearest]:.3f})"
        )
    if math.isfinite(widening.lower_bound):
        most = min(widening.lower_bound, 0.0) ** 2
        yield f"proved: no student lowers the loss by more than {number(most, 4)} at once"
    split = [math.inf if math.isnan(each) else each for each in widening.splitting.tolist()]
    lowest = min(split)
    if math.isfinite(lowest):
        yield f"splitting student {split.index(lowest)}: smallest eigenvalue {number(lowest, 4)}"


def _students(point: LocatedPoint) -> Fitted:
    teachers = ["none" if unit is None else str(unit) for unit in point.matched_teacher]
    columns = [
        Column("student", [str(i) for i in range(len(teachers))], is_number=True),
        Column("norm", [f"{norm:.4f}" for norm in point.norms], is_number=True),
        Column("teacher", teachers, is_number=True),
        Column("cosine", [number(float(each), 4) for each in point.cosines], is_number=True),
    ]
    missing = ", ".join(map(str, point.unmatched_teachers))
    return Fitted(columns, caption=f"teachers without a student: {missing}" if missing else "")


def _points(found: Points) -> Fitted:
    points = found.points
    columns = [
        Column("point", [point.key for point in points]),
        Column("loss", [number(point.loss, 8) for point in points], is_number=True),
        Column("end", [point.end or "–" for point in points]),
        Column("to lose", [number(point.loss_to_lose, 3) for point in points], dropped=1,
               is_number=True),
        Column("distance", [number(point.distance, 4) for point in points], is_number=True),
        Column("in errors", [number(point.distance_in_errors, 3) for point in points], dropped=3,
               is_number=True),
        Column("index", ["–" if point.index is None else str(point.index) for point in points],
               dropped=2, is_number=True),
    ]  # fmt: skip
    return Fitted(columns, title=f"{len(points)} networks")


def _fixed_points(found: Points) -> Fitted:
    ends = found.fixed_points
    columns = [
        Column("key", [end.key for end in ends]),
        Column("structure", [end.structure.name for end in ends]),
        Column("loss", [number(end.loss, 12) for end in ends],
               short=[number(end.loss) for end in ends], is_number=True),
        Column("kind", [end.kind.replace("_", " ") for end in ends], dropped=1),
        Column("points here", [str(end.points) for end in ends], is_number=True),
        Column("proof", ["yes" if end.is_certified else "" for end in ends], dropped=2),
    ]  # fmt: skip
    return Fitted(columns, title="fixed points")


def _kind(end: SignedEnd) -> str:
    words = {"global": "the teacher itself", "degenerate": "a degenerate minimum"}
    return words.get(end.kind, f"a {end.kind}")


def _signed_ends(ends: Sequence[SignedEnd]) -> Fitted:
    """Ends of networks with second layers of both signs."""
    columns = [
        Column("key", [end.key for end in ends]),
        Column("kind", [end.kind for end in ends]),
        Column("loss", [number(end.loss, 12) for end in ends],
               short=[number(end.loss) for end in ends], is_number=True),
        Column("index", ["–" if end.curvature is None else str(end.curvature.index)
                         for end in ends], dropped=1, is_number=True),
        Column("outside the span", [str(end.outside_span) for end in ends], dropped=2,
               is_number=True),
        Column("points here", [str(end.points) for end in ends], is_number=True),
    ]  # fmt: skip
    return Fitted(columns, title="ends, with second layers of both signs")
