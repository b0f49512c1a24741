"""Located points of networks with second layers of both signs, as users read them."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from relu_landscape.engine.descent.outcomes import Outcome as Reached
from relu_landscape.engine.descents import sorting
from relu_landscape.engine.descents.layers import Layers
from relu_landscape.engine.descents.report import curvature_of, kind_of
from relu_landscape.engine.descents.running import Landed, Outcome
from relu_landscape.engine.descents.tasks import Judged
from relu_landscape.engine.locating.falling import AT_SADDLE
from relu_landscape.engine.locating.problem import Problem
from relu_landscape.engine.locating.sampling_error import Predicted
from relu_landscape.engine.locating.standing import NOT_FOLLOWED, error_of, standing
from relu_landscape.engine.locating.tasks import Measured
from relu_landscape.engine.points.spectrum import shown
from relu_landscape.engine.tasks import Composed
from relu_landscape.wire.landscape import Overlaps
from relu_landscape.wire.located import LocatedPoint, PointsBody, SignedEnd, StatisticalError

Real = NDArray[np.float64]

EXPLANATION = (
    "Second layers have both signs: ends are told up to exchanges of units of one sign. Fixed "
    "points to compare with, a student to add and proofs are known for equal signs alone."
)


@dataclass(frozen=True)
class SignedPlace:
    """A critical point ``W`` (K, M + r), what it is, and the points whose paths end there."""

    W: Real
    judged: Judged
    hits: tuple[int, ...]


@dataclass(frozen=True)
class Found:
    """What was computed: ``landed`` by point, None where the flow was not followed; ``predicted``
    by the first point of a place."""

    measured: Measured
    landed: Sequence[Landed] | None
    places: Sequence[SignedPlace]
    predicted: Mapping[int, Predicted]


def composed(problem: Problem, found: Found) -> Composed:
    """The result."""
    telling = _Telling(problem, found)
    body = PointsBody(
        points=[telling.point(number) for number in range(problem.points)],
        fixed_points=[],
        signed_ends=telling.ends,
        searched=[],
        explanation=EXPLANATION,
    )
    return Composed(body, {})


class _Telling:
    """Everything that a sentence about one point may need."""

    def __init__(self, problem: Problem, found: Found) -> None:
        assert problem.layers is not None  # noqa: S101 - only such problems come here
        self._problem, self._found = problem, found
        self._layers: Layers = problem.layers
        landed = found.landed or []
        flat = [n for n, each in enumerate(landed) if each.outcome == Outcome.ZERO_LOSS.name]
        ends = [(self._end(place), place.hits) for place in found.places]
        if flat:
            ends.append((self._continuum(landed[flat[0]].W, len(flat)), tuple(flat)))
        ends.sort(key=lambda one: (one[0].kind == "saddle", one[0].loss, one[1][0]))
        counts = dict.fromkeys("gms", 0)
        self.ends: list[SignedEnd] = []
        self._key_of: dict[int, str] = {}
        for end, hits in ends:
            letter = {"global": "g", "saddle": "s"}.get(end.kind, "m")
            counts[letter] += 1
            key = f"{letter}{counts[letter]}"
            self.ends.append(end.model_copy(update={"key": key}))
            self._key_of |= dict.fromkeys(hits, key)
        self._place_of = {number: place for place in found.places for number in place.hits}

    def point(self, number: int) -> LocatedPoint:
        """One point."""
        told = standing(self._problem, self._found.measured, number)
        loss = self._shown(float(self._found.measured.loss[number]))
        members = {**told, **self._fate(number), "loss": loss, "nearest": None, "widening": None}
        return LocatedPoint.model_validate({**members, "proved": None})

    def _fate(self, number: int) -> dict[str, object]:
        told: dict[str, object] = dict.fromkeys(NOT_FOLLOWED)
        if self._found.landed is None:
            return told
        landed = self._found.landed[number]
        told["outcome"] = _sentence(landed)
        key = self._key_of.get(number)
        if key is None:
            return told
        way = _way(self._problem.W[number], landed.W, self._problem.teachers)
        told |= {"end": key, "distance": way * self._problem.unit, "flow_time": landed.time}
        place = self._place_of.get(number)
        there = 0.0 if place is None else place.judged.loss
        told["loss_to_lose"] = self._shown(float(self._found.measured.loss[number]) - there)
        if place is None:
            return told
        error = self._error(place)
        if error is not None and error.distance > 0.0:
            told["distance_in_errors"] = way * self._problem.unit / error.distance
        if self._problem.has_spectrum:
            units = sorting.relabelling(place.W, landed.W, self._layers)
            if units is not None:
                told |= {"students": units[0], "teachers": units[1]}
        return told

    def _end(self, place: SignedPlace) -> SignedEnd:
        problem, judged, unit = self._problem, place.judged, self._problem.unit
        curvature = curvature_of(judged, problem.dimension - place.W.shape[1])
        values = np.concatenate([judged.span, judged.beside])
        lowest = float(values.min()) if len(values) else 0.0
        accuracy = self._layers.accuracy(judged.loss)
        return SignedEnd(
            kind=kind_of(judged.loss, curvature, self._layers),
            loss=shown(judged.loss, accuracy) * unit**2,
            loss_accuracy=accuracy * unit**2,
            curvature=curvature.model_copy(
                update={"gradient_norm": curvature.gradient_norm * unit}
            ),
            relaxation_time=1.0 / lowest if lowest > curvature.eigenvalue_tolerance else None,
            statistical_error=self._error(place),
            **self._network(place.W, len(place.hits)),
        )

    def _continuum(self, W: Real, points: int) -> SignedEnd:
        """Zero loss where students are more than teachers, shown where the first path came to."""
        return SignedEnd(
            kind="global",
            loss=0.0,
            loss_accuracy=self._layers.accuracy(0.0) * self._problem.unit**2,
            curvature=None,
            relaxation_time=None,
            statistical_error=None,
            **self._network(W, points),
        )

    def _network(self, W: Real, points: int) -> dict[str, object]:
        problem, unit = self._problem, self._problem.unit
        assert problem.signs is not None  # noqa: S101 - only such problems come here
        R, Q = W[:, : problem.teachers] @ problem.teacher.V.T, W @ W.T
        return {
            "key": "",
            "outside_span": W.shape[1] - problem.teachers,
            "overlaps": Overlaps(
                R=(R * unit**2 + 0.0).tolist(), Q=((Q + Q.T) / 2.0 * unit**2 + 0.0).tolist()
            ),
            "norms": (np.linalg.norm(W, axis=1) * unit).tolist(),
            "student_signs": list(problem.signs[0]),
            "teacher_signs": list(problem.signs[1]),
            "points": points,
        }

    def _error(self, place: SignedPlace) -> StatisticalError | None:
        return error_of(self._problem, self._found.predicted.get(place.hits[0]))

    def _shown(self, loss: float) -> float:
        return shown(loss, self._layers.accuracy(loss)) * self._problem.unit**2


def _sentence(landed: Landed) -> str:
    """What became of a path, in the words of other located points where they have any."""
    told = {
        Outcome.POINT.name: Reached.FIXED_POINT.value,
        Outcome.ZERO_LOSS.name: Reached.GLOBAL_SET.value,
        Outcome.SADDLE.name: AT_SADDLE,
    }
    return told.get(landed.outcome, Outcome[landed.outcome].value)


def _way(here: Real, there: Real, teachers: int) -> float:
    """Distance of ``here`` (K, p) from ``there`` (K, M + r), whose part outside the teacher's span
    is turned, at no cost, to where it is nearest (Schönemann 1966)."""
    span = float(np.sum((here[:, :teachers] - there[:, :teachers]) ** 2))
    mine, theirs = here[:, teachers:], there[:, teachers:]
    along = float(np.linalg.svd(mine.T @ theirs, compute_uv=False).sum()) if theirs.size else 0.0
    beside = float(np.sum(mine**2) + np.sum(theirs**2)) - 2.0 * along
    return math.sqrt(max(span + beside, 0.0))
