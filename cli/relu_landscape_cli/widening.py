"""What one more student does at the points of a landscape, as tables."""

from __future__ import annotations

from typing import TYPE_CHECKING

from relu_landscape_cli.fitting import Column, Fitted
from relu_landscape_cli.tables import number

if TYPE_CHECKING:
    from relu_landscape_client import FixedPoint, Landscape, Widening
    from relu_landscape_client.widening import WiderEnd


def widening_tables(landscape: Landscape) -> list[Fitted]:
    """A row per isolated point; nothing where it was not asked for."""
    told = [(p, p.widening) for p in landscape.fixed_points if p.widening is not None]
    if not told:
        return []
    added = [_end(each.best.leads_to if each.best else None) for _, each in told]
    split = [_end(each.split_way.leads_to if each.split_way else None) for _, each in told]
    columns = [
        Column("key", [point.key for point, _ in told]),
        Column(
            "loss with the best", [number(_loss(*each), 12) for each in told],
            short=[number(_loss(*each)) for each in told], is_number=True,
        ),
        Column("gain", [number(each.gain, 4) for _, each in told], is_number=True),
        Column("at least", [number(each.guaranteed_gain, 3) for _, each in told], dropped=2,
               is_number=True),
        Column("best leads to", added, dropped=1),
        Column(
            "split: saddles", [f"{each.saddle_lines} of {len(each.splits)}" for _, each in told],
            dropped=4,
        ),
        Column("split leads to", split, dropped=3),
    ]  # fmt: skip
    return [Fitted(columns, title="one more student")]


def split_tables(point: FixedPoint) -> list[Fitted]:
    """A row per student of one point."""
    if point.widening is None:
        return []
    splits = point.widening.splits
    columns = [
        Column("student", [str(place) for place in range(1, len(splits) + 1)], is_number=True),
        Column("parts in the span", [number(each.eigenvalue_span, 6) for each in splits],
               is_number=True),
        Column("perpendicular", [number(each.eigenvalue_perpendicular, 6) for each in splits],
               is_number=True),
        Column("index", [str(each.index) for each in splits], is_number=True),
    ]  # fmt: skip
    return [Fitted(columns, title="each student split in two")]


def _loss(point: FixedPoint, widening: Widening) -> float:
    return point.loss if widening.best is None else widening.best.loss


def _end(end: WiderEnd | None) -> str:
    if end is None:
        return "–"
    if end.loss is None:
        return "not followed"
    return f"{end.structure}, {number(end.loss)}"
