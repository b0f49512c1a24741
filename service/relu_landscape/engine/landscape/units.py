"""The unit of length: a problem is computed with a teacher of about unit norm, and scaled back.

The loss is homogeneous of degree 2 in students and teachers together, so a landscape at another
scale is the same landscape in other units. Every threshold of the engine is meant for teachers of
norm about one; instead of each of them knowing a scale, there is one door and one exit.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from relu_landscape.engine.model.teacher import as_matrix
from relu_landscape.engine.tasks import Composed, Monitor
from relu_landscape.errors import TeacherError
from relu_landscape.wire.base import Wire
from relu_landscape.wire.landscape import (
    Disconnectivity,
    FixedPoint,
    FixedPointDetails,
    LandscapeBody,
    LandscapeFinding,
    Origin,
    Overlaps,
    SaddleLine,
)
from relu_landscape.wire.widening import Widening, WiderEnd

#: A Gram matrix as it is asked with: rows of numbers.
Gram = Sequence[Sequence[float]]

#: Mean norms of a teacher that are accepted: squares of lengths, and a loss summed over 512 units
#: squared, stay far inside the range of doubles.
SMALLEST_NORM, LARGEST_NORM = 1e-60, 1e60


def unit_of(gram: Gram | None) -> float:
    """The length in which a problem with this teacher is computed.

    ``gram`` (M, M) or None, an orthonormal teacher. For orthogonal teachers of equal norm it is
    that norm, so that they are orthonormal inside; otherwise the power of two next to the mean
    norm: scaling by it changes no digit, so neither do results at scales that differ by one.
    Raises ``TeacherError`` for norms beyond 1e-60 to 1e60; what else is wrong with the matrix, the
    teacher itself says.

    >>> unit_of(None), unit_of([[9.0, 0.0], [0.0, 9.0]]), unit_of([[9.0, 1.0], [1.0, 9.0]])
    (1.0, 3.0, 4.0)
    """
    if gram is None:
        return 1.0
    T = as_matrix(gram)
    if T.ndim != 2 or not np.all(np.isfinite(T)) or not np.all(np.diagonal(T) > 0.0):
        return 1.0
    mean = float(np.mean(np.sqrt(np.diagonal(T))))
    if not SMALLEST_NORM <= mean <= LARGEST_NORM:
        raise TeacherError(
            f"The teacher units of teacher_gram have a mean norm of {mean:.3g}; "
            f"{SMALLEST_NORM:g} to {LARGEST_NORM:g} is accepted."
        )
    if _is_multiple_of_identity(T):
        return math.sqrt(T[0, 0])
    return 2.0 ** round(math.log2(mean))


def in_unit(gram: Gram | None, unit: float) -> Gram | None:
    """The Gram matrix with lengths in this ``unit``, which ``unit_of`` gave.

    None for orthogonal teachers of equal norm: they are orthonormal, whatever their squared norm
    divided by the square of its root comes to.
    """
    if gram is None or unit == 1.0:
        return gram
    if _is_multiple_of_identity(as_matrix(gram)):
        return None
    return tuple(tuple(entry / unit / unit for entry in row) for row in gram)


def _is_multiple_of_identity(T: NDArray[np.float64]) -> bool:
    """Whether the teachers of this Gram matrix (M, M) are orthogonal and of equal norm, exactly."""
    return np.array_equal(T, T[0, 0] * np.eye(len(T)))


def scaled(composed: Composed, unit: float) -> Composed:
    """A landscape computed in this unit, in the units of the request.

    Spectra, times, frequencies and symmetries have no unit. Certificates are about the weights as
    they were computed, and are only made where the unit is one.
    """
    if unit == 1.0:
        return composed
    body = composed.result
    assert isinstance(body, LandscapeBody)  # noqa: S101 - for the type checker
    area = unit * unit
    pathways = [
        pathway.model_copy(
            update={"barriers": tuple(barrier * area for barrier in pathway.barriers)}
        )
        for pathway in body.pathways
    ]
    result = body.model_copy(
        update={
            "fixed_points": [scaled_point(point, unit) for point in body.fixed_points],
            "saddle_lines": [_line(line, unit) for line in body.saddle_lines],
            "pathways": pathways,
            "disconnectivity": body.disconnectivity and _graph(body.disconnectivity, area),
        }
    )
    return Composed(result, {key: _details(part, unit) for key, part in composed.parts.items()})


def scaled_point(point: FixedPoint, unit: float) -> FixedPoint:
    """A fixed point computed in this unit, in the units of the request."""
    stability = point.stability.model_copy(
        update={"gradient_norm": point.stability.gradient_norm * unit}
    )
    changes = {
        **_height(point, unit),
        **_place(point, unit),
        "stability": stability,
        "widening": point.widening and _widening(point.widening, unit),
    }
    return point.model_copy(update=changes)


def _widening(widening: Widening, unit: float) -> Widening:
    area = unit * unit

    def end(reached: WiderEnd) -> WiderEnd:
        loss = None if reached.loss is None else reached.loss * area
        return reached.model_copy(update={"loss": loss})

    best, way, least = widening.best, widening.split_way, widening.lower_bound
    changes = {
        "best": best
        and best.model_copy(
            update={
                "value": best.value * unit,
                "norm": best.norm * unit,
                "gain": best.gain * area,
                "loss": best.loss * area,
                "leads_to": end(best.leads_to),
            }
        ),
        "lower_bound": least and math.nextafter(least * unit, -math.inf),
        "guaranteed_gain": widening.guaranteed_gain * area,
        "residual": widening.residual * area,
        "split_way": way and way.model_copy(update={"leads_to": end(way.leads_to)}),
    }
    return widening.model_copy(update=changes)


def _line(line: SaddleLine, unit: float) -> SaddleLine:
    origin = line.origin.model_copy(update=_place(line.origin, unit))
    return line.model_copy(update={**_height(line, unit), "origin": origin})


def _height(point: FixedPoint | SaddleLine, unit: float) -> dict[str, Any]:
    area = unit * unit
    return {"loss": point.loss * area, "loss_accuracy": point.loss_accuracy * area}


def _place(point: FixedPoint | Origin, unit: float) -> dict[str, Any]:
    area, overlaps = unit * unit, point.overlaps
    return {
        "overlaps": Overlaps(R=_times(overlaps.R, area), Q=_times(overlaps.Q, area)),
        "norms": [norm * unit for norm in point.norms],
    }


def _details(details: Wire, unit: float) -> Wire:
    assert isinstance(details, FixedPointDetails)  # noqa: S101 - for the type checker
    weights, teacher = _times(details.weights, unit), _times(details.teacher, unit)
    return details.model_copy(update={"weights": weights, "teacher": teacher})


def _graph(graph: Disconnectivity, area: float) -> Disconnectivity:
    return graph.model_copy(
        update={
            "leaves": [leaf.model_copy(update={"loss": leaf.loss * area}) for leaf in graph.leaves],
            "nodes": [node.model_copy(update={"level": node.level * area}) for node in graph.nodes],
            "copies": [
                each.model_copy(update={"level": each.level * area}) for each in graph.copies
            ],
        }
    )


def _times(matrix: list[list[float]], factor: float) -> list[list[float]]:
    return [[entry * factor for entry in row] for row in matrix]


class ScaledMonitor:
    """A monitor whose findings are told in the units of the request."""

    def __init__(self, monitor: Monitor, unit: float) -> None:
        self._monitor = monitor
        self._area = unit * unit
        self.phase, self.advance, self.check = monitor.phase, monitor.advance, monitor.check

    def findings(self, points: Sequence[Wire]) -> None:
        """Provisional findings so far."""
        told = []
        for point in points:
            assert isinstance(point, LandscapeFinding)  # noqa: S101 - for the type checker
            told.append(point.model_copy(update={"loss": point.loss * self._area}))
        self._monitor.findings(told)
