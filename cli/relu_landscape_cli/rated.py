"""What learning rates do to the minima of a landscape, as tables."""

from __future__ import annotations

from typing import TYPE_CHECKING

from relu_landscape_cli.fitting import Column, Fitted
from relu_landscape_cli.tables import number

if TYPE_CHECKING:
    from relu_landscape_client import FixedPoint, Landscape, PointRates


def rates_tables(landscape: Landscape) -> list[Fitted]:
    """A row per minimum, a column per learning rate; nothing where none was asked for."""
    told = [
        (point, point.learning_rates)
        for point in landscape.fixed_points
        if point.learning_rates is not None
    ]
    if landscape.learning_rates is None or not told:
        return []
    survive = [one.get("survives_to") for one in landscape.learning_rates.minima]
    columns = [
        Column("key", [point.key for point, _ in told]),
        Column("slope", [number(rates.slope, 6) for _, rates in told], dropped=2, is_number=True),
        Column("stable below", [number(rates.critical_rate, 6) for _, rates in told],
               is_number=True),
        Column("survives to", ["–" if each is None else f"{each:g}" for each in survive],
               dropped=1, is_number=True),
        *(
            Column(f"loss at {rate:g}", [_loss(rates, place) for _, rates in told], is_number=True)
            for place, rate in enumerate(landscape.learning_rates.learning_rates)
        ),
    ]  # fmt: skip
    reasons = dict.fromkeys(reason for _, rates in told for reason in rates.reasons)
    return [Fitted(columns, title="learning rates", caption="\n".join(reasons))]


def point_rates_tables(point: FixedPoint) -> list[Fitted]:
    """A row per learning rate of one point."""
    rates = point.learning_rates
    if rates is None:
        return []
    columns = [
        Column("learning rate", [f"{each:g}" for each in rates.rates], is_number=True),
        Column("first order", [number(each) for each in rates.first_order], is_number=True),
        Column("second order", [number(each) for each in rates.second_order], is_number=True),
        Column("fixed point", [number(each) for each in rates.fixed_point], is_number=True),
        Column("eigenvalue", [number(each, 6) for each in rates.eigenvalues], is_number=True),
        Column("deviation", [number(each, 4) for each in rates.deviations], is_number=True),
    ]
    return [Fitted(columns, title="at each learning rate")]


def _loss(rates: PointRates, place: int) -> str:
    one = rates.at[place]
    if one.get("stable") is None:
        return "?"
    if not one["stable"]:
        return "unstable"
    best = one["fixed_point"]
    return number(one["second_order"] if best is None else best)
