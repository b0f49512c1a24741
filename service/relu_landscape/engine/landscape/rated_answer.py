"""Minima at learning rates as users read them, and in other units of length."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from relu_landscape.engine.noise.plane import Plane
from relu_landscape.wire.landscape import FixedPoint
from relu_landscape.wire.rated import (
    AtRate,
    Fluctuations,
    LearningRateDiagram,
    PointRates,
    RatedMinimum,
    Surviving,
)

Real = NDArray[np.float64]


class Asked(Protocol):
    """What is needed of a ``problem.Problem``."""

    @property
    def dimension(self) -> int: ...
    @property
    def learning_rates(self) -> tuple[float, ...]: ...


@dataclass(frozen=True)
class Rated:
    """``slope`` at zero; ``critical`` rate, and per learning rate the ``eigenvalues`` and ``rises``
    of the loss, NaN where unstable; or why these three were not computed."""

    slope: float
    critical: float | None
    eigenvalues: Real
    rises: Real
    reason: str | None


@dataclass(frozen=True)
class Rested:
    """The loss of a fixed point, None where the branch was not found to reach it; and whether it
    attracts."""

    loss: float | None
    attracts: bool


def told(
    problem: Asked,
    loss: float,
    found: Rated,
    rests: Sequence[Rested] | None,
    strayed: Plane | None,
    reasons: Sequence[str],
) -> PointRates:
    """A minimum of this ``loss``; ``rests`` None where fixed points were not looked for."""
    at = []
    for place, rate in enumerate(problem.learning_rates):
        eigenvalue = _number(found.eigenvalues[place])
        rise = _number(found.rises[place])
        rest = None if rests is None else rests[place]
        # The equations themselves, where they were looked at: the critical rate holds the part in
        # the span, and is but of second order.
        stable = None
        if rest is not None:
            stable = rest.attracts
        elif found.critical is not None:
            stable = rate < found.critical
        at.append(
            AtRate(
                learning_rate=rate,
                first_order=loss + rate * found.slope,
                second_order=None if rise is None else loss + rise,
                fixed_point=rest and rest.loss,
                eigenvalue=eigenvalue,
                stable=stable,
                deviation=(
                    None
                    if strayed is None
                    else math.sqrt(max(strayed.variance, 0.0) * rate / problem.dimension)
                ),
            )
        )
    plane = strayed and Fluctuations(
        variance=strayed.variance, largest=strayed.largest, loss=strayed.rise
    )
    return PointRates(
        slope=found.slope, critical_rate=found.critical, plane=plane, reasons=list(reasons), at=at
    )


def without_noise(problem: Asked, found: Rated, reasons: Sequence[str]) -> PointRates:
    """A minimum of zero loss, at which nothing moves; second moments beside it still may grow."""
    at = []
    for place, rate in enumerate(problem.learning_rates):
        stable = None if found.critical is None else rate < found.critical
        loss = 0.0 if stable else None
        at.append(
            AtRate(
                learning_rate=rate,
                first_order=0.0,
                second_order=loss,
                fixed_point=loss,
                eigenvalue=_number(found.eigenvalues[place]),
                stable=stable,
                deviation=0.0,
            )
        )
    return PointRates(
        slope=0.0,
        critical_rate=found.critical,
        plane=Fluctuations(variance=0.0, largest=0.0, loss=0.0),
        reasons=list(reasons),
        at=at,
    )


def _number(value: float) -> float | None:
    return None if math.isnan(value) else float(value)


def diagram(rates: Sequence[float], points: Sequence[FixedPoint]) -> LearningRateDiagram:
    """Which of the rated ``points`` survive up to which of the ``rates``, ascending."""
    told = [(point, point.learning_rates) for point in points if point.learning_rates is not None]
    minima = []
    for point, found in told:
        stable = [each.stable for each in found.at]
        lasting = stable.index(False) if False in stable else len(stable)
        known = lasting > 0 and stable[lasting - 1] is True
        minima.append(
            RatedMinimum(
                minimum=point.key,
                loss=point.loss,
                critical_rate=found.critical_rate,
                survives_to=rates[lasting - 1] if known else None,
                losses=[_best(each) for each in found.at],
            )
        )
    surviving = [
        Surviving(
            learning_rate=rate,
            minima=[point.key for point, found in told if found.at[place].stable],
            unknown=[point.key for point, found in told if found.at[place].stable is None],
        )
        for place, rate in enumerate(rates)
    ]
    return LearningRateDiagram(learning_rates=list(rates), minima=minima, surviving=surviving)


def _best(at: AtRate) -> float | None:
    if not at.stable:
        return None
    return at.second_order if at.fixed_point is None else at.fixed_point


def scaled(rates: PointRates | None, length: float, loss: float) -> PointRates | None:
    """In the units of the request, in which learning rates are already."""
    if rates is None:
        return None
    plane = rates.plane
    at = [
        each.model_copy(
            update={
                **_times(each, ("first_order", "second_order", "fixed_point"), loss),
                **_times(each, ("deviation",), length),
            }
        )
        for each in rates.at
    ]
    changes = {
        "slope": rates.slope * loss,
        "at": at,
        "plane": plane
        and plane.model_copy(
            update={
                **_times(plane, ("variance", "largest"), length * length),
                "loss": plane.loss * loss,
            }
        ),
    }
    return rates.model_copy(update=changes)


def _times(
    found: AtRate | Fluctuations, names: Sequence[str], by: float
) -> dict[str, float | None]:
    values = {name: getattr(found, name) for name in names}
    return {name: None if x is None else x * by for name, x in values.items()}


def scaled_diagram(found: LearningRateDiagram | None, loss: float) -> LearningRateDiagram | None:
    """In the units of the request."""
    if found is None:
        return None
    minima = [
        each.model_copy(
            update={
                "loss": each.loss * loss,
                "losses": [None if x is None else x * loss for x in each.losses],
            }
        )
        for each in found.minima
    ]
    return found.model_copy(update={"minima": minima})
