"""Frequencies as they are answered, in the units of the request."""

from __future__ import annotations

import itertools
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from relu_landscape.engine.descent.outcomes import Outcome
from relu_landscape.engine.dynamics.ode import Stop
from relu_landscape.engine.frequencies.paired import paired_interval
from relu_landscape.engine.frequencies.problem import Problem
from relu_landscape.engine.frequencies.simulating import Stood
from relu_landscape.engine.landscape import report as landscape
from relu_landscape.engine.landscape.catalogue import Catalogue, Entry
from relu_landscape.engine.landscape.pathways import CONTINUUM
from relu_landscape.engine.landscape.units import scaled_point
from relu_landscape.engine.locating.falling import Fate
from relu_landscape.engine.model.arrays import NUMPY
from relu_landscape.engine.model.loss import Loss
from relu_landscape.engine.points import attraction
from relu_landscape.engine.tasks import Composed
from relu_landscape.errors import NumericalError
from relu_landscape.wire.frequencies import (
    FrequenciesBody,
    RateFrequencies,
    Reached,
    StartEnds,
    Transition,
)
from relu_landscape.wire.landscape import FixedPoint, MissingMass, SearchSummary


@dataclass(frozen=True)
class _Names:
    """What ends are called: ``keys`` of minima, and of the continuum ``points`` in their order."""

    keys: Mapping[Entry, str]
    points: tuple[str, ...]

    def of(self, fate: Fate) -> str:
        """A key where the end is a minimum or the continuum, else its sentence."""
        if fate.is_on_continuum:
            return CONTINUUM
        return fate.outcome if fate.entry is None else self.keys.get(fate.entry, fate.outcome)


def composed(
    problem: Problem,
    catalogue: Catalogue,
    stood: Sequence[Stood],
    fates: Mapping[tuple[int, int, int], Fate],
    searches: list[SearchSummary],
    explanation: str,
) -> Composed:
    """The result."""
    names, points = _listed(problem, catalogue)
    flow = _flow_ends(problem, catalogue, names)
    missing = landscape.missing_mass(problem, points)
    assert missing is not None  # noqa: S101 - there is one start at least
    body = FrequenciesBody(
        starts=landscape.starts(problem, catalogue),
        missing_mass=missing,
        critical_learning_rate=problem.critical,
        fixed_points=[scaled_point(point, problem.units) for point in points],
        rates=[_rate(problem, rate, runs, fates, flow, names) for rate, runs in enumerate(stood)],
        searched=searches,
        explanation=explanation,
    )
    return Composed(body, {})


def _listed(problem: Problem, catalogue: Catalogue) -> tuple[_Names, list[FixedPoint]]:
    """The continuum, the minima by loss and the saddles by loss."""
    counts = {"m": 0, "s": 0}
    keys: dict[Entry, str] = {}
    points: list[FixedPoint] = []
    for entry in catalogue.in_order():
        letter = "s" if entry.point.index(problem.dimension) > 0 else "m"
        counts[letter] += 1
        key = f"{letter}{counts[letter]}"
        points.append(landscape.fixed_point(entry, key, problem).point)
        if letter == "m":
            keys[entry] = key
    if problem.has_continuum:
        hits = len(catalogue.reached_global)
        points.insert(0, landscape.global_continuum(problem, hits, below_saddle=False).point)
    ends = tuple(point.key for point in points if point.kind != "saddle")
    return _Names(keys, ends), points


def _flow_ends(problem: Problem, catalogue: Catalogue, names: _Names) -> list[str]:
    """Where gradient flow from each start ends."""
    ends = {start: Outcome[name].value for start, name in catalogue.failed.items()}
    ends |= dict.fromkeys(catalogue.reached_global, CONTINUUM)
    for entry, key in names.keys.items():
        ends |= dict.fromkeys(entry.hits, key)
    if len(ends) != problem.starts:
        raise NumericalError(f"Of {problem.starts} starts {len(ends)} have an end.")
    return [ends[start] for start in range(problem.starts)]


def _rate(
    problem: Problem,
    rate: int,
    stood: Stood,
    fates: Mapping[tuple[int, int, int], Fate],
    flow: Sequence[str],
    names: _Names,
) -> RateFrequencies:
    """SGD at learning rate number ``rate``."""
    gamma, steps = problem.rates[rate], problem.steps[rate]
    losses = _losses(problem, stood)
    starts = []
    for start, first in enumerate(flow):
        found = [fates.get((rate, check, start)) for check in range(len(steps))]
        ends = [Stop.RAN_AWAY.value if fate is None else names.of(fate) for fate in found]
        gone = int(stood.ran_away[start])
        starts.append(
            StartEnds(
                start=start,
                flow=first,
                ends=ends,
                moved=_moved([first, *ends], names.points),
                loss=losses.get(start),
                ran_away_at=problem.time_of(rate, min(gone, steps[-1])) if gone >= 0 else None,
            )
        )
    reached = _reached(starts, names)
    moved = Counter(each.moved for each in starts)
    pairs = Counter((each.flow, each.ends[-1]) for each in starts)
    place = {each.end: number for number, each in enumerate(reached)}
    return RateFrequencies(
        learning_rate=gamma,
        relative_learning_rate=None if problem.critical is None else gamma / problem.critical,
        times=[problem.time_of(rate, step) for step in steps],
        steps=list(steps),
        reached=reached,
        missing_mass=_missing(reached, len(starts)),
        transitions=[
            Transition(flow=first, sgd=last, starts=pairs[first, last])
            for first, last in sorted(pairs, key=lambda pair: (place[pair[0]], place[pair[1]]))
        ],
        moved=[moved[count] for count in range(max(moved) + 1)],
        starts=starts,
    )


def _losses(problem: Problem, stood: Stood) -> dict[int, float]:
    """Of every run that did not run away, by its start, where it stood last."""
    there = np.flatnonzero(stood.ran_away < 0)
    loss = Loss.of(problem.teacher, NUMPY)
    last = np.ascontiguousarray(stood.W[there, -1])
    found = np.asarray(loss.value(NUMPY.asarray(last))) * (problem.unit**2 * problem.units.height)
    return dict(zip(there.tolist(), found.tolist(), strict=True))


def _moved(ends: Sequence[str], points: Sequence[str]) -> int:
    """How often the fixed point changed along these ends; what is none is passed over."""
    known = [end for end in ends if end in points]
    return sum(here != there for here, there in itertools.pairwise(known))


def _reached(starts: Sequence[StartEnds], names: _Names) -> list[Reached]:
    """A row per fixed point, then per outcome by its words."""
    seen = {end for each in starts for end in (each.flow, each.ends[-1])}
    rows = [*names.points, *sorted(seen - set(names.points))]
    return [_row(end, starts, is_fixed_point=end in names.points) for end in rows]


def _row(end: str, starts: Sequence[StartEnds], *, is_fixed_point: bool) -> Reached:
    trials = len(starts)
    flow = {each.start for each in starts if each.flow == end}
    sgd = {each.start for each in starts if each.ends[-1] == end}
    losses = [each.loss for each in starts if each.start in sgd and each.loss is not None]
    by_flow, by_sgd = (landscape.frequency(len(hits), trials) for hits in (flow, sgd))
    assert by_flow is not None and by_sgd is not None  # noqa: PT018, S101 - there are starts
    return Reached(
        end=end,
        is_fixed_point=is_fixed_point,
        by_flow=by_flow,
        by_sgd=by_sgd,
        difference=(len(sgd) - len(flow)) / trials,
        difference_interval_95=paired_interval(len(sgd - flow), len(flow - sgd), trials),
        mean_loss=float(np.mean(losses)) if losses else None,
    )


def _missing(reached: Sequence[Reached], trials: int) -> MissingMass:
    hits = [each.by_sgd.hits for each in reached if each.is_fixed_point]
    estimate, bound = attraction.missing_mass(hits, trials)
    return MissingMass(estimate=estimate, upper_bound_95=bound)
