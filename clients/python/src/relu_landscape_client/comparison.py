"""Two or more landscapes side by side: which minima are the same, which have come and gone.

Two points are **the same** where student and teacher widths agree and their overlaps, which the
server gives in canonical order, differ by no more than ``SAME``. What is left is paired by
**structure**: the same blocks but for the size of the largest (``1+6`` and ``1+7`` are both
``1+*``), as many anti-aligned students, and only where both landscapes have equally many such
points; they are then paired by loss. Global minima are paired, a continuum of them included. That
two points have one structure does not prove that one goes over into the other: a family's
continuation does (``Client.continuation``).
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from relu_landscape_client import _frames
from relu_landscape_client.points import FixedPoint
from relu_landscape_client.results import Landscape

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes

#: Overlaps of one point, computed twice, agree to 1e-10; neighbouring points differ by 1e-3.
SAME = 1e-6
_BLOCKS = re.compile(r"\d+(?:\+\d+)*(?: extra \d+)?")


@dataclass(frozen=True, eq=False)
class ComparedPoint:
    """One line: a point where it is, in the order of the landscapes; None where it is not.

    ``relation``: ``same`` (one point in all), ``same structure`` (in all, at another loss or
    width), ``partly`` (in some), with two landscapes ``gone`` or ``born``.
    """

    structure: str
    relation: str
    points: tuple[FixedPoint | None, ...]

    @property
    def losses(self) -> tuple[float, ...]:
        """Losses; NaN where the point is not."""
        return tuple(math.nan if point is None else point.loss for point in self.points)

    def __repr__(self) -> str:
        losses = ", ".join("-" if math.isnan(loss) else f"{loss:.8g}" for loss in self.losses)
        return f"<{self.structure}: {self.relation}, loss {losses}>"


@dataclass(frozen=True, eq=False)
class Comparison:
    """What ``compare`` found: ``landscapes`` under their ``names``, and a line per point."""

    landscapes: tuple[Landscape, ...]
    names: tuple[str, ...]
    changes: tuple[ComparedPoint, ...]

    def only(self, *relations: str) -> tuple[ComparedPoint, ...]:
        """The lines with these relations, such as ``born``."""
        return tuple(each for each in self.changes if each.relation in relations)

    def to_dataframe(self) -> pd.DataFrame:
        """A row per line: structure, relation, and for each landscape key, loss, probability."""
        rows = []
        for change in self.changes:
            row: dict[str, Any] = {"structure": change.structure, "relation": change.relation}
            for name, point in zip(self.names, change.points, strict=True):
                row[f"key, {name}"] = None if point is None else point.key
                row[f"loss, {name}"] = math.nan if point is None else point.loss
                row[f"probability, {name}"] = math.nan if point is None else point.probability
            rows.append(row)
        columns = ["structure", "relation"]
        columns += [f"{what}, {name}" for name in self.names
                    for what in ("key", "loss", "probability")]  # fmt: skip
        return _frames.table(rows, columns)

    def plot(self, ax: Axes | None = None) -> Axes:
        """Ladders on one axis of losses, a column per landscape; lines join what belongs together.

        Dashed where only the structure is the same.
        """
        from relu_landscape_client import plots

        joined = [(change.losses, change.relation == "same") for change in self.changes]
        ladders = [landscape.fixed_points for landscape in self.landscapes]
        return plots.ladders(ladders, self.names, joined, ax)

    def __repr__(self) -> str:
        heads = ", ".join(self.names)
        return "\n".join([f"<Comparison of {heads}>", *(repr(each) for each in self.changes)])


def compare(
    *landscapes: Landscape, names: Sequence[str] | None = None, kinds: Sequence[str] | None = None
) -> Comparison:
    """Compare two or more landscapes.

    Parameters: ``names`` of the columns (default: the widths, numbered where they repeat);
    ``kinds`` of fixed points that are compared (default: minima, a continuum of them included).
    Raises ``ValueError`` for fewer than two landscapes, or another number of names.
    """
    if len(landscapes) < 2:
        raise ValueError(f"{len(landscapes)} landscapes given: a comparison needs at least two")
    if names is not None and (len(names) != len(landscapes) or len(set(names)) != len(names)):
        raise ValueError(f"names must be {len(landscapes)} different ones, one per landscape")
    wanted = ("minimum", "global_continuum") if kinds is None else tuple(kinds)
    columns = [list(each.only(*wanted)) for each in landscapes]
    lines = _paired(columns, _is_same, "same")
    lines += _paired(columns, _has_same_structure, "same structure", by_loss=True)
    count = len(landscapes)
    for place, column in enumerate(columns):
        for point in column:
            points = tuple(point if each == place else None for each in range(count))
            lines.append(_line(points, "partly"))
    lines.sort(key=lambda line: np.nanmin(line.losses))
    return Comparison(tuple(landscapes), tuple(names or _names(landscapes)), tuple(lines))


def family_of(point: FixedPoint) -> str:
    """The structure with a star for its largest block, where it has a single largest one.

    The name of a family as ``Client.family`` takes it, for students and teachers in blocks.
    """
    name = point.structure.name
    if not _BLOCKS.fullmatch(name):
        return name
    blocks, extra, rest = name.partition(" extra ")
    sizes = blocks.split("+")
    largest = max(sizes, key=int)
    if sizes.count(largest) > 1:
        return name
    return "+".join("*" if size == largest else size for size in sizes) + extra + rest


def _is_same(one: FixedPoint, other: FixedPoint) -> bool:
    return (
        one.kind == other.kind
        and one.R.shape == other.R.shape
        and bool(np.abs(one.R - other.R).max(initial=0.0) <= SAME)
        and bool(np.abs(one.Q - other.Q).max(initial=0.0) <= SAME)
    )


def _has_same_structure(one: FixedPoint, other: FixedPoint) -> bool:
    if one.is_global and other.is_global:  # isolated ones and a continuum of them included
        return True
    return (family_of(one), one.kind, one.is_global, one.structure.anti_aligned) == (
        family_of(other), other.kind, other.is_global, other.structure.anti_aligned
    )  # fmt: skip


def _paired(
    columns: list[list[FixedPoint]],
    belong: Callable[[FixedPoint, FixedPoint], bool],
    relation: str,
    *,
    by_loss: bool = False,
) -> list[ComparedPoint]:
    """Lines of points that belong together; they are taken out of ``columns``.

    ``by_loss``: several of a landscape may belong to one, and are paired in order where every
    landscape that has any has equally many. Otherwise the first is taken.
    """
    lines: list[ComparedPoint] = []
    for place, column in enumerate(columns):
        for point in list(column):
            if point not in column:
                continue
            groups = [
                [each for each in other if belong(point, each)] if rank >= place else []
                for rank, other in enumerate(columns)
            ]
            counts = {len(group) for group in groups if group}
            if sum(bool(group) for group in groups) < 2 or (by_loss and len(counts) > 1):
                continue
            for row in range(min(counts)):
                points = tuple(group[row] if group else None for group in groups)
                lines.append(_line(points, relation))
                for found, other in zip(points, columns, strict=True):
                    if found is not None:
                        other.remove(found)
    return lines


def _line(points: tuple[FixedPoint | None, ...], relation: str) -> ComparedPoint:
    there = [point for point in points if point is not None]
    if len(there) < len(points):
        # Between two landscapes it has come or gone; among more, the columns tell.
        alone = len(points) == 2
        relation = ("gone" if points[0] is not None else "born") if alone else "partly"
    names = {point.structure.name for point in there}
    structure = names.pop() if len(names) == 1 else family_of(there[0])
    if all(point.is_global for point in there):
        structure = "global minima"
    return ComparedPoint(structure, relation, points)


def _names(landscapes: Sequence[Landscape]) -> list[str]:
    plain = [f"{each.student_width}/{each.teacher_width}" for each in landscapes]
    return [
        name if plain.count(name) == 1 else f"{name} ({plain[: place + 1].count(name)})"
        for place, name in enumerate(plain)
    ]
