"""Perturbations as they are answered."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from relu_landscape.engine.certificates import attributed
from relu_landscape.engine.landscape import report as landscape
from relu_landscape.engine.landscape.catalogue import Catalogue, Entry
from relu_landscape.engine.landscape.pathways import CONTINUUM
from relu_landscape.engine.landscape.units import scaled_point
from relu_landscape.engine.locating.falling import Fate
from relu_landscape.engine.perturbations.problem import Problem
from relu_landscape.engine.points.identity import RAW_LABELLED
from relu_landscape.engine.tasks import Composed
from relu_landscape.wire.certificate import Certificate
from relu_landscape.wire.landscape import Attraction, FixedPoint
from relu_landscape.wire.perturbations import KickedEnd, KickSize, PerturbationsBody

Real = NDArray[np.float64]

#: Unit roundoff of doubles.
UNIT = 2.0**-53


@dataclass(frozen=True)
class Kicked:
    """The fixed point: weights ``W`` (K, M), as they are kicked; its entry in the catalogue, None
    on the continuum; how far it is from the weights given; its certificate, if asked for."""

    W: Real
    entry: Entry | None
    moved: float
    certificate: Certificate | None


def composed(
    problem: Problem, catalogue: Catalogue, kicked: Kicked, fates: Sequence[Fate],
    lengths: Real | None,
) -> Composed:  # fmt: skip
    """The result. ``fates`` of the kicks of all sizes; ``lengths`` (kicks,) at size 1, with a
    certificate."""
    keys, points = _listed(problem, catalogue, kicked, fates)
    start = CONTINUUM if kicked.entry is None else keys[kicked.entry]
    ends = [_named(fate, keys) for fate in fates]
    fixed = [point.key for point in points]
    rows = dict.fromkeys(fixed, True) | dict.fromkeys(sorted(set(ends) - set(fixed)), False)
    sizes = [
        _size(problem, place, ends, rows, start).model_copy(
            update={
                "to_itself": _to_itself(fates, kicked, _of_size(problem, place)),
                "proved": _proved(lengths, size, kicked),
            }
        )
        for place, size in enumerate(problem.sizes)
    ]
    body = PerturbationsBody(
        start=start,
        moved=kicked.moved,
        proved_radius=_proved_radius(kicked.certificate),
        fixed_points=points,
        sizes=sizes,
    )
    return Composed(body, {})


def _listed(
    problem: Problem, catalogue: Catalogue, kicked: Kicked, fates: Sequence[Fate]
) -> tuple[dict[Entry, str], list[FixedPoint]]:
    """Keys of fixed points, and the continuum, the minima by loss and the saddles by loss."""
    counts = {"m": 0, "s": 0}
    keys: dict[Entry, str] = {}
    points: list[FixedPoint] = []
    if kicked.entry is None or any(fate.is_on_continuum for fate in fates):
        points.append(landscape.global_continuum(problem, 0, below_saddle=False).point)
    for entry in catalogue.in_order():
        letter = "s" if entry.point.index(problem.dimension) > 0 else "m"
        counts[letter] += 1
        keys[entry] = f"{letter}{counts[letter]}"
        found = landscape.fixed_point(entry, keys[entry], problem)
        if entry is kicked.entry and kicked.certificate is not None:
            found = found.certified(kicked.certificate, 0)
        points.append(found.point)
    if not problem.units.is_one:
        points = [scaled_point(point, problem.units) for point in points]
    return keys, points


def _of_size(problem: Problem, place: int) -> slice:
    """Numbers of the kicks of the size at this place."""
    return slice(place * problem.kicks, (place + 1) * problem.kicks)


def _size(
    problem: Problem, place: int, all_ends: Sequence[str], rows: Mapping[str, bool], start: str
) -> KickSize:
    """The size at this place, without what is counted otherwise. ``rows``: all ends, and whether
    each is a fixed point."""
    ends = list(all_ends[_of_size(problem, place)])
    counts = Counter(ends)
    shares = {name: _share(counts[name], len(ends)) for name in rows}
    return KickSize(
        size=problem.sizes[place],
        length=problem.sizes[place] * math.sqrt(problem.students),
        returned=shares[start],
        to_itself=None,
        proved=None,
        reached=[
            KickedEnd(end=name, is_fixed_point=is_fixed, attraction=shares[name])
            for name, is_fixed in rows.items()
        ],
        ends=ends,
    )


def _named(fate: Fate, keys: dict[Entry, str]) -> str:
    """A key where the end is a fixed point or the continuum, else its sentence."""
    if fate.is_on_continuum:
        return CONTINUUM
    return fate.outcome if fate.entry is None else keys[fate.entry]


def _to_itself(fates: Sequence[Fate], kicked: Kicked, numbers: slice) -> int | None:
    """How many of these end at the labelled point itself; its copies are much further away than
    what two raw ends of it differ by."""
    if kicked.entry is None:
        return None
    return sum(
        fate.entry is kicked.entry
        and fate.W is not None
        and float(np.max(np.abs(fate.W - kicked.W))) <= RAW_LABELLED
        for fate in fates[numbers]
    )


def _proved(lengths: Real | None, size: float, kicked: Kicked) -> int | None:
    """How many kicks begin inside the ball of attraction that is proved; rounding counts against.

    A sum of n squares and its root err by less than 1e-12 of themselves for all n that are let in,
    adding a kick to the point by an ulp of every weight.
    """
    if lengths is None or kicked.certificate is None:
        return None
    moved = size * lengths * (1.0 + 1e-12)
    distances = moved + 2.0 * UNIT * (float(np.linalg.norm(kicked.W)) + moved)
    return int(np.sum(attributed(distances, kicked.certificate.model_dump())))


def _proved_radius(certificate: Certificate | None) -> float | None:
    """Of the ball around the point as it is shown; rounded downwards."""
    if certificate is None or certificate.verdict != "minimum":
        return None
    whole, radius = certificate.attribution_radius, certificate.radius
    assert whole is not None and radius is not None  # noqa: PT018, S101 - a minimum's
    return max(0.0, whole - radius - 8.0 * UNIT * whole)


def _share(hits: int, kicks: int) -> Attraction:
    found = landscape.frequency(hits, kicks)
    assert found is not None  # noqa: S101 - there is one kick at least
    return found
