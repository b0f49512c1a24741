"""Tables of frequencies: what gradient flow and SGD reach, and who moved."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rich.console import RenderableType
from rich.table import Table

from relu_landscape_cli.tables import number

if TYPE_CHECKING:
    from relu_landscape_client import Frequencies, RateFrequencies, Reached


def tables_of(found: Frequencies) -> list[RenderableType]:
    """A table per learning rate, of the ends that somebody reaches, and what moved."""
    losses = {point.key: point.loss for point in found.fixed_points}
    parts: list[RenderableType] = [repr(found)]
    for rate in found.rates:
        parts += [_reached(rate, losses), _moved(rate)]
    return [*parts, f"id {found.id}"]


def _reached(rate: RateFrequencies, losses: dict[str, float]) -> Table:
    relative = rate.relative_learning_rate
    times = "" if relative != relative else f", {number(relative, 4)} times the largest stable"
    table = Table(
        title=f"learning rate {number(rate.learning_rate, 6)}{times}", title_justify="left"
    )
    table.add_column("end")
    for heading in ("loss", "gradient flow", "SGD", "difference"):
        table.add_column(heading, justify="right")
    for one in rate.reached:
        if not one.by_flow.hits and not one.by_sgd.hits:
            continue
        loss = number(losses[one.end], 8) if one.end in losses else ""
        table.add_row(one.end.partition(":")[0], loss, *_shares(one))
    return table


def _shares(one: Reached) -> tuple[str, str, str]:
    """Three shares with their intervals."""
    low, high = one.difference_interval_95
    shares = [
        f"{each.probability:.4f} ({each.interval_95[0]:.4f} to {each.interval_95[1]:.4f})"
        for each in (one.by_flow, one.by_sgd)
    ]
    return shares[0], shares[1], f"{one.difference:+.4f} ({low:+.4f} to {high:+.4f})"


def _moved(rate: RateFrequencies) -> str:
    """How many starts changed their fixed point how often."""
    often = [f"{count} {times} times" for times, count in enumerate(rate.moved) if count]
    changed = sum(one.starts for one in rate.transitions if one.flow != one.sgd)
    return (
        f"moved between fixed points at {len(rate.times)} looks: {', '.join(often)}; "
        f"{changed} starts end elsewhere than by gradient flow"
    )
