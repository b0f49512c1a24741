"""What learning rates do to the minima of a landscape."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any

from relu_landscape_client import _frames
from relu_landscape_client._arrays import Floats, array
from relu_landscape_client._decode import (
    OURS,
    Document,
    each,
    mapping,
    nullable,
    number,
    required,
)

if TYPE_CHECKING:
    import pandas as pd


@dataclass(frozen=True, eq=False)
class PointRates:
    """A minimum under one-pass SGD.

    ``slope`` is the derivative of the loss by the learning rate gamma at 0. From ``critical_rate``
    on, what students have outside the teacher's span grows without bound; None where it was not
    computed, and ``reasons`` say why. ``plane`` has how far SGD strays within the span, per
    gamma/d: ``{variance, largest, loss}``. ``at`` has ``{learning_rate, first_order, second_order,
    fixed_point, eigenvalue, stable, deviation}`` at each learning rate of the request, and
    ``rates``, ``first_order``, ``second_order``, ``fixed_point``, ``eigenvalues`` and
    ``deviations`` are the same as arrays, NaN where there is no number.
    """

    slope: float
    critical_rate: float | None
    plane: Mapping[str, float] | None
    reasons: tuple[str, ...]
    at: tuple[Mapping[str, Any], ...]

    @classmethod
    def from_document(cls, document: Document) -> PointRates:
        """Read; raises ``ProtocolError`` where a member is missing."""
        found = cls(
            slope=number(required(document, "slope")),
            critical_rate=nullable(document, "critical_rate", number),
            plane=nullable(document, "plane", mapping),
            reasons=each(required(document, "reasons"), str),
            at=each(required(document, "at"), mapping),
        )
        _ = found.rates, found.first_order, found.second_order, found.fixed_point  # now
        _ = found.eigenvalues, found.deviations
        return found

    @cached_property
    def rates(self) -> Floats:
        """Learning rates, ascending."""
        return self._column("learning_rate")

    @cached_property
    def first_order(self) -> Floats:
        """The loss at each, to first order."""
        return self._column("first_order")

    @cached_property
    def second_order(self) -> Floats:
        """The loss at each, with what second moments outside the span feed back."""
        return self._column("second_order")

    @cached_property
    def fixed_point(self) -> Floats:
        """The loss at each where the equations for d to infinity come to rest."""
        return self._column("fixed_point")

    @cached_property
    def eigenvalues(self) -> Floats:
        """Largest of the operator on second moments at each; below zero they stay bounded."""
        return self._column("eigenvalue")

    @cached_property
    def deviations(self) -> Floats:
        """Root mean square distance from the minimum within the span at each."""
        return self._column("deviation")

    def _column(self, name: str) -> Floats:
        return array([number(required(one, name)) for one in self.at])


#: Columns of ``LearningRateDiagram.to_dataframe`` before those of the learning rates.
COLUMNS = ("minimum", "loss", "critical_rate", "survives_to")


@dataclass(frozen=True, eq=False)
class LearningRateDiagram:
    """Which minima survive up to which learning rate.

    ``learning_rates`` ascending; ``minima``, by loss, are ``{minimum, loss, critical_rate,
    survives_to, losses}``, ``losses`` at each learning rate, None where the minimum is not stable
    or that is not known; ``surviving`` are ``{learning_rate, minima, unknown}``, keys of those that
    are stable at it, and of those of which it was not computed.
    """

    learning_rates: tuple[float, ...]
    minima: tuple[Mapping[str, Any], ...]
    surviving: tuple[Mapping[str, Any], ...]
    document: Document = field(repr=False, metadata=OURS)

    @classmethod
    def from_document(cls, document: Document) -> LearningRateDiagram:
        """Read; raises ``ProtocolError`` where a member is missing."""
        found = cls(
            learning_rates=each(required(document, "learning_rates"), number),
            minima=each(required(document, "minima"), mapping),
            surviving=each(required(document, "surviving"), mapping),
            document=document,
        )
        _ = found.losses, [found.surviving_at(rate) for rate in found.learning_rates]  # now
        return found

    @cached_property
    def losses(self) -> Floats:
        """Losses (minima, learning rates), NaN where a minimum is not stable or not known to be."""
        rows = [each(required(one, "losses"), number) for one in self.minima]
        return array(rows).reshape(len(rows), len(self.learning_rates))

    def surviving_at(self, learning_rate: float) -> tuple[str, ...]:
        """Keys of the minima that are stable at one of the learning rates; ``KeyError`` else."""
        for one in self.surviving:
            if number(required(one, "learning_rate")) == learning_rate:
                return each(required(one, "minima"), str)
        raise KeyError(f"no learning rate {learning_rate!r} among {list(self.learning_rates)}")

    def to_dataframe(self) -> pd.DataFrame:
        """A row per minimum, indexed by its key, with a column of losses per learning rate (needs
        pandas)."""
        rows = [
            {name: one.get(name) for name in COLUMNS}
            | dict(zip(self.learning_rates, losses, strict=True))
            for one, losses in zip(self.minima, self.losses.tolist(), strict=True)
        ]
        columns = [*COLUMNS, *self.learning_rates]
        table = _frames.table(rows, columns).set_index("minimum")  # type: ignore[arg-type]
        return table.astype(float)
