"""The unit of length: a problem is computed with a teacher of about unit norm, and scaled back.

The loss is homogeneous of degree 2 in students and teachers together, so a landscape at another
scale is the same landscape in other units. Every threshold of the engine is meant for teachers of
norm about one; instead of each of them knowing a scale, there is one door and one exit. The height
of a leak, in units of which the engine has losses, goes out by the same.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from relu_landscape.engine.landscape import rated_answer
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
    Stability,
)
from relu_landscape.wire.widening import SplitStudent, Widening, WiderEnd

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


@dataclass(frozen=True)
class Unit:
    """What one stands for: ``length``, and the ``height`` of a leak (``model.activation``), by
    which losses and curvatures are multiplied as well."""

    length: float
    height: float = 1.0

    @property
    def loss(self) -> float:
        """Of losses, barriers and gains."""
        return self.length * self.length * self.height

    @property
    def slope(self) -> float:
        """Of gradients, and of D."""
        return self.length * self.height

    @property
    def is_one(self) -> bool:
        """Whether nothing changes."""
        return self.length == self.height == 1.0


def scaled(composed: Composed, unit: Unit) -> Composed:
    """A landscape computed in this unit, in the units of the request.

    Frequencies and symmetries have no unit, spectra and times that of the height alone.
    Certificates are about the weights as they were computed, and are only made where the unit is
    one.
    """
    if unit.is_one:
        return composed
    body = composed.result
    assert isinstance(body, LandscapeBody)  # noqa: S101 - for the type checker
    pathways = [
        pathway.model_copy(
            update={"barriers": tuple(barrier * unit.loss for barrier in pathway.barriers)}
        )
        for pathway in body.pathways
    ]
    result = body.model_copy(
        update={
            "fixed_points": [scaled_point(point, unit) for point in body.fixed_points],
            "saddle_lines": [_line(line, unit) for line in body.saddle_lines],
            "pathways": pathways,
            "disconnectivity": body.disconnectivity and _graph(body.disconnectivity, unit.loss),
            "learning_rates": rated_answer.scaled_diagram(body.learning_rates, unit.loss),
        }
    )
    return Composed(result, {key: _details(part, unit) for key, part in composed.parts.items()})


def scaled_point(point: FixedPoint, unit: Unit) -> FixedPoint:
    """A fixed point computed in this unit, in the units of the request."""
    changes = {
        **_height(point, unit),
        **_place(point, unit),
        "stability": _stability(point.stability, unit),
        "widening": point.widening and _widening(point.widening, unit),
        "learning_rates": rated_answer.scaled(point.learning_rates, unit.length, unit.loss),
    }
    return point.model_copy(update=changes)


def _stability(found: Stability, unit: Unit) -> Stability:
    beside, time = found.min_eigenvalue_perpendicular, found.relaxation_time
    lines = [
        line.model_copy(update={"eigenvalue": line.eigenvalue * unit.height})
        for line in found.spectrum
    ]
    changes = {
        "gradient_norm": found.gradient_norm * unit.slope,
        "min_eigenvalue_span": found.min_eigenvalue_span * unit.height,
        "min_eigenvalue_perpendicular": None if beside is None else beside * unit.height,
        "eigenvalue_tolerance": found.eigenvalue_tolerance * unit.height,
        "relaxation_time": None if time is None else time / unit.height,
        "spectrum": lines,
    }
    return found.model_copy(update=changes)


def _widening(widening: Widening, unit: Unit) -> Widening:
    def end(reached: WiderEnd) -> WiderEnd:
        loss = None if reached.loss is None else reached.loss * unit.loss
        return reached.model_copy(update={"loss": loss})

    def split(student: SplitStudent) -> SplitStudent:
        names = ("eigenvalue_span", "eigenvalue_perpendicular")
        return student.model_copy(update=_curvatures(student, names, unit))

    best, way = widening.best, widening.split_way
    least = widening.lower_bound
    changes = {
        "best": best
        and best.model_copy(
            update={
                "value": best.value * unit.slope,
                "norm": best.norm * unit.length,
                "gain": best.gain * unit.loss,
                "loss": best.loss * unit.loss,
                "leads_to": end(best.leads_to),
            }
        ),
        "lower_bound": least and math.nextafter(least * unit.slope, -math.inf),
        "guaranteed_gain": widening.guaranteed_gain * unit.loss,
        "residual": widening.residual * unit.loss,
        "splits": [split(student) for student in widening.splits],
        "split_way": way and way.model_copy(update={"leads_to": end(way.leads_to)}),
    }
    return widening.model_copy(update=changes)


def _curvatures(found: Wire, names: Sequence[str], unit: Unit) -> dict[str, Any]:
    """Eigenvalues that may be null."""
    values = {name: getattr(found, name) for name in names}
    return {name: None if x is None else x * unit.height for name, x in values.items()}


def _line(line: SaddleLine, unit: Unit) -> SaddleLine:
    origin = line.origin.model_copy(update=_place(line.origin, unit))
    names = (
        "splitting_eigenvalue_span",
        "splitting_eigenvalue_perpendicular",
        "eigenvalue_tolerance",
    )
    changes = {**_height(line, unit), **_curvatures(line, names, unit), "origin": origin}
    return line.model_copy(update=changes)


def _height(point: FixedPoint | SaddleLine, unit: Unit) -> dict[str, Any]:
    return {"loss": point.loss * unit.loss, "loss_accuracy": point.loss_accuracy * unit.loss}


def _place(point: FixedPoint | Origin, unit: Unit) -> dict[str, Any]:
    length, overlaps = unit.length, point.overlaps
    area = length * length
    return {
        "overlaps": Overlaps(R=_times(overlaps.R, area), Q=_times(overlaps.Q, area)),
        "norms": [norm * length for norm in point.norms],
    }


def _details(details: Wire, unit: Unit) -> Wire:
    assert isinstance(details, FixedPointDetails)  # noqa: S101 - for the type checker
    changes = {
        "weights": _times(details.weights, unit.length),
        "teacher": _times(details.teacher, unit.length),
        "eigenvalues_span": [x * unit.height for x in details.eigenvalues_span],
        "eigenvalues_perpendicular": [x * unit.height for x in details.eigenvalues_perpendicular],
    }
    return details.model_copy(update=changes)


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

    def __init__(self, monitor: Monitor, unit: Unit) -> None:
        self._monitor = monitor
        self._area = unit.loss
        self.phase, self.advance, self.check = monitor.phase, monitor.advance, monitor.check

    def findings(self, points: Sequence[Wire]) -> None:
        """Provisional findings so far."""
        told = []
        for point in points:
            assert isinstance(point, LandscapeFinding)  # noqa: S101 - for the type checker
            told.append(point.model_copy(update={"loss": point.loss * self._area}))
        self._monitor.findings(told)
