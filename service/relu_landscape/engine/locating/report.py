"""Located points as users read them, in the units of the request."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from relu_landscape.engine.landscape import report as landscape
from relu_landscape.engine.landscape.catalogue import Entry
from relu_landscape.engine.landscape.phases import Phases
from relu_landscape.engine.landscape.proofs import attributed_hits, certified
from relu_landscape.engine.landscape.report import Listed
from relu_landscape.engine.landscape.units import Unit, scaled_point
from relu_landscape.engine.locating.falling import Fate
from relu_landscape.engine.locating.problem import Problem
from relu_landscape.engine.locating.sampling_error import Predicted
from relu_landscape.engine.locating.standing import NOT_FOLLOWED, error_of, standing
from relu_landscape.engine.locating.tasks import Measured, Widened
from relu_landscape.engine.model import kernel
from relu_landscape.engine.points import identity, spectrum, symmetry
from relu_landscape.engine.tasks import Composed
from relu_landscape.wire.landscape import SearchSummary
from relu_landscape.wire.located import (
    LocatedEnd,
    LocatedPoint,
    LocatedWidening,
    Near,
    OneMore,
    PointsBody,
    StatisticalError,
)

Real = NDArray[np.float64]

NOT_SEARCHED = (
    "No list of nearest points was asked for: fixed points are those where the flow ends."
)
#: A distance is a norm of some hundred differences: rounded upwards where a proof rests on it.
UPWARDS = 1.0 + 1e-12
#: What certified weights and reduced coordinates may be off by rounding, a thousand times over.
SLACK = 1e-12


@dataclass(frozen=True)
class Found:
    """What was computed: ``fates`` None where the flow was not followed; ``known`` fixed points in
    order, ``compared`` (n, F) the distances from them."""

    measured: Measured
    fates: Sequence[Fate] | None
    known: Sequence[Entry]
    compared: Real | None
    predicted: Mapping[Entry, Predicted | None]
    widened: Widened | None


def composed(
    problem: Problem, phases: Phases, found: Found, searches: list[SearchSummary], explanation: str
) -> Composed:
    """The result."""
    nearest = _nearest(problem, found)
    keys = _keys(problem, found, nearest)
    listed = _listed(problem, phases, found, keys)
    telling = _Telling(problem, found, keys, nearest, listed)
    body = PointsBody(
        points=[telling.point(number) for number in range(problem.points)],
        fixed_points=[telling.end(entry, each) for entry, each in listed.items()],
        searched=searches,
        explanation=explanation,
    )
    return Composed(body, {})


def _way(problem: Problem, number: int, fate: Fate) -> float:
    """Distance of a point from the end of its flow."""
    here = problem.W[number]
    if fate.W is None:
        return math.inf
    beside = float(np.linalg.norm(here[:, problem.teachers :]))
    return math.hypot(float(np.linalg.norm(here[:, : problem.teachers] - fate.W)), beside)


def _nearest(problem: Problem, found: Found) -> list[list[tuple[int, float]]] | None:
    """Of each point places among what is known, with distances, nearest first."""
    if found.compared is None:
        return None
    distances = found.compared.copy()
    place = {entry: number for number, entry in enumerate(found.known)}
    for number, fate in enumerate(found.fates or ()):
        if fate.entry is not None:
            column = place[fate.entry]
            way = _way(problem, number, fate)
            distances[number, column] = min(distances[number, column], way)
    order = np.argsort(distances, axis=1, kind="stable")[:, : problem.nearest]
    return [
        [(int(column), float(row[column])) for column in columns]
        for row, columns in zip(distances, order, strict=True)
    ]


def _keys(
    problem: Problem, found: Found, nearest: list[list[tuple[int, float]]] | None
) -> dict[Entry, str]:
    """Names of the fixed points that some point has to do with: m1, s1 by loss."""
    used = {fate.entry for fate in found.fates or () if fate.entry is not None}
    used |= {found.known[place] for each in nearest or () for place, _ in each}
    counts = {"m": 0, "s": 0}
    keys: dict[Entry, str] = {}
    for entry in found.known:
        if entry in used:
            letter = "s" if entry.point.index(problem.dimension) > 0 else "m"
            counts[letter] += 1
            keys[entry] = f"{letter}{counts[letter]}"
    return keys


def _listed(
    problem: Problem, phases: Phases, found: Found, keys: Mapping[Entry, str]
) -> dict[Entry | None, Listed]:
    """The fixed points, the ends with their proofs; None: the continuum."""
    ends: set[Entry | None] = {fate.entry for fate in found.fates or () if fate.entry is not None}
    listed: dict[Entry | None, Listed] = {
        entry: landscape.fixed_point(entry, keys[entry], problem)
        for entry in found.known
        if entry in keys
    }
    if any(fate.is_on_continuum for fate in found.fates or ()):
        whole = landscape.global_continuum(problem, 0, below_saddle=False)
        listed = {None: whole, **listed}
        ends.add(None)
    proved = certified(problem, phases, [each for entry, each in listed.items() if entry in ends])
    by_key = {each.point.key: each for each in proved}
    return {entry: by_key.get(each.point.key, each) for entry, each in listed.items()}


@dataclass(frozen=True)
class _Telling:
    """Everything that a sentence about one point may need."""

    problem: Problem
    found: Found
    keys: Mapping[Entry, str]
    nearest: list[list[tuple[int, float]]] | None
    listed: Mapping[Entry | None, Listed]

    def point(self, number: int) -> LocatedPoint:
        """One point."""
        measured = self.found.measured
        return LocatedPoint(
            loss=self._shown(float(measured.loss[number])),
            nearest=self._near(number),
            widening=self._widening(number),
            **standing(self.problem, measured, number),
            **self._end(number),
        )  # fmt: skip

    def end(self, entry: Entry | None, listed: Listed) -> LocatedEnd:
        """One fixed point."""
        point = scaled_point(listed.point, Unit(self.problem.unit))
        found_by = ["structured" if how == "structured" else "flow" for how in point.found_by]
        here = [
            fate
            for fate in self.found.fates or ()
            if (fate.is_on_continuum if entry is None else fate.entry is entry)
        ]
        return LocatedEnd.model_validate(
            {
                **dict(point),
                "found_by": ["flow"] if entry is None else sorted(found_by),
                "points": len(here),
                "statistical_error": self._error(entry),
            }
        )

    def _error(self, entry: Entry | None) -> StatisticalError | None:
        return error_of(self.problem, None if entry is None else self.found.predicted.get(entry))

    def _shown(self, loss: float) -> float:
        width = max(self.problem.students, self.problem.teachers)
        square = float(np.mean(self.problem.teacher.norms**2))
        accuracy = kernel.loss_accuracy(loss, width, square)
        return spectrum.shown(loss, accuracy) * self.problem.unit**2

    def _near(self, number: int) -> list[Near] | None:
        if self.nearest is None:
            return [] if self.problem.nearest else None
        return [
            Near(key=self.keys[self.found.known[place]], distance=way * self.problem.unit)
            for place, way in self.nearest[number]
        ]

    def _widening(self, number: int) -> LocatedWidening | None:
        widened, teacher, unit = self.found.widened, self.problem.teacher, self.problem.unit
        if widened is None:
            return None
        slope, one_more = float(widened.slope[number]), None
        bound = float(widened.bound[number])
        if slope < 0.0:
            seen = teacher.V @ widened.direction[number, : teacher.width] / teacher.norms
            one_more = OneMore(
                slope=slope * unit,
                norm=-2.0 * slope * unit,
                gain=(slope * unit) ** 2,
                cosines=seen.tolist(),
            )
        return LocatedWidening(
            one_more=one_more,
            lower_bound=None if math.isnan(bound) else math.nextafter(bound * unit, -math.inf),
            splitting=[each if math.isfinite(each) else None for each in
                       widened.splitting[number].tolist()],
            splitting_beside=widened.beside[number].tolist(),
        )  # fmt: skip

    def _end(self, number: int) -> dict[str, object]:
        told: dict[str, object] = dict.fromkeys((*NOT_FOLLOWED, "proved"))
        if self.found.fates is None:
            return told
        fate, unit = self.found.fates[number], self.problem.unit
        told["outcome"] = fate.outcome
        if self.problem.certify != "none":
            told["proved"] = False
        if fate.W is None:
            return told
        way = _way(self.problem, number, fate)
        told["distance"] = way * unit
        told["flow_time"] = fate.time if math.isfinite(fate.time) else None
        loss = float(self.found.measured.loss[number])
        if fate.entry is None:
            return {**told, "end": self.listed[None].point.key, "loss_to_lose": self._shown(loss)}
        told["end"] = self.keys[fate.entry]
        told["loss_to_lose"] = self._shown(loss - fate.entry.point.loss)
        error = self._error(fate.entry)
        if error is not None and error.distance > 0.0:
            told["distance_in_errors"] = way * unit / error.distance
        if self.problem.has_spectrum:
            told |= self._places(fate.W, fate.entry)
        if self.problem.certify != "none":
            told["proved"] = self._proved(way, fate.W, fate.entry)
        return told

    def _places(self, W: Real, entry: Entry) -> dict[str, object]:
        """Which units stand where in the canonical order of the end."""
        teacher = self.problem.teacher
        T = None if teacher.is_orthonormal else teacher.gram
        R = W @ teacher.V.T
        found = symmetry.analyse(R, np.linalg.norm(W, axis=1), teacher.norms, T)
        canonical = np.array(self.listed[entry].point.overlaps.R)
        moved = R[np.ix_(found.students, found.teachers)]
        if np.abs(moved - canonical).max() > identity.RAW * teacher.mean_norm**2:
            return {}
        return {"students": list(found.students), "teachers": list(found.teachers)}

    def _proved(self, way: float, W: Real, entry: Entry) -> bool:
        """Whether the point is in the ball of attraction that is proved around its end."""
        certificate = self.listed[entry].point.certificate
        if certificate is None:
            return False
        offset = identity.labelled_distance(entry.point.W, W, self.problem.teacher)
        return attributed_hits(certificate, [(way + offset) * UPWARDS + SLACK]) == 1
