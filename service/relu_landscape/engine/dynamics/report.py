"""Trajectories as they are answered, in the units of the request."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from relu_landscape.engine.descent.outcomes import Outcome
from relu_landscape.engine.dynamics import layered
from relu_landscape.engine.dynamics.found import Found, Kind
from relu_landscape.engine.dynamics.problem import Problem
from relu_landscape.engine.dynamics.tasks import Ends, Followed
from relu_landscape.engine.model import kernel, population
from relu_landscape.engine.noise.learning_rates import critical_learning_rate
from relu_landscape.engine.points import classify, identity
from relu_landscape.engine.tasks import Composed
from relu_landscape.errors import NumericalError
from relu_landscape.wire.trajectory_answers import (
    Attractor,
    LossCurve,
    Run,
    RunDetails,
    TrajectoryBody,
)

Real = NDArray[np.float64]

QUANTILES = (0.05, 0.25, 0.5, 0.75, 0.95)
REACHED = "reached the last time"


def composed(problem: Problem, followed: Followed, found: Found) -> Composed:
    """The result and the details of each run; ``found``: where their ends lead."""
    runs = [_run(problem, followed, number, found) for number in range(problem.runs)]
    details = {run.key: _details(problem, followed, n) for n, run in enumerate(runs)}
    K, teacher = problem.students, problem.teacher
    critical = None
    is_plain = problem.rule is None and problem.layers is None
    if teacher.width == K and teacher.is_orthonormal and is_plain:
        # The mean over a batch of b has a b-th of the noise.
        critical = critical_learning_rate(K, teacher.leak) * problem.noise.batch_size
    body = TrajectoryBody(
        times=list(problem.times),
        steps=list(problem.steps) or None,
        step=problem.step,
        critical_learning_rate=critical,
        loss=_curve(problem, followed),
        runs=runs,
        attractors=[each.told for each in found.kinds],
    )
    return Composed(body, details)


def attractors(problem: Problem, ends: Sequence[Ends]) -> Found:
    """Ends of gradient flow grouped up to symmetry; those that did not converge belong to none."""
    layers = problem.network.layers
    if layers is not None:
        led, became = layered.attractors(problem, layers, ends)
        told = [Kind(*each) for each in led]
        return Found.of(told, {run: outcome.value for run, outcome in became.items()})
    outcomes: dict[int, Outcome] = {}
    known: list[Real] = []
    groups: list[list[tuple[int, Real]]] = []
    continuum: list[tuple[int, Real]] = []
    for answer in ends:
        for run, name, W in zip(answer.runs, answer.outcomes, answer.W, strict=True):
            outcomes[run] = outcome = Outcome[name]
            if not outcome.converged:
                continue
            loss = float(population.loss(W, problem.teacher))
            # With more students than teachers no global minimum is isolated, polished or not.
            if problem.students > problem.teacher.width and (
                outcome is Outcome.GLOBAL_SET or _is_zero(loss, problem)
            ):
                continuum.append((run, W))
            else:
                numbers = identity.invariants(W, problem.teacher, loss)
                place = identity.nearest(known, numbers)
                if place is None:
                    known.append(numbers)
                    groups.append([])
                    place = len(known) - 1
                groups[place].append((run, W))
    told = [_attractor(problem, group, is_continuum=False) for group in groups]
    if continuum:
        told.append(_attractor(problem, continuum, is_continuum=True))
    return Found.of(told, {run: outcome.value for run, outcome in outcomes.items()})


def _attractor(problem: Problem, group: Sequence[tuple[int, Real]], *, is_continuum: bool) -> Kind:
    W, teacher, area = group[0][1], problem.teacher, problem.unit**2
    attractive: bool | None = None
    if not is_continuum:
        try:
            point = classify.classify(W, teacher)
        except NumericalError:  # said by null
            pass
        else:
            W, attractive = point.W, point.index(problem.dimension) == 0
    loss = float(population.loss(W, teacher))
    is_global = is_continuum or _is_zero(loss, problem)
    told = Attractor(
        key="",
        loss=0.0 if is_global else loss * problem.loss_unit,
        is_global=is_global,
        is_continuum=is_continuum,
        attractive=attractive,
        runs=len(group),
        R=((W @ teacher.V.T) * area).tolist(),
        Q=((W @ W.T) * area).tolist(),
    )
    return Kind(told, tuple(run for run, _ in group))


def _is_zero(loss: float, problem: Problem) -> bool:
    width = max(problem.students, problem.teacher.width)
    square = float(np.mean(problem.teacher.norms**2))
    return loss < kernel.loss_accuracy(0.0, width, square)


def _run(problem: Problem, followed: Followed, number: int, found: Found) -> Run:
    stop, reached = followed.stops[number], followed.reached[number]
    losses = followed.records.loss[number] * problem.loss_unit
    return Run(
        key=f"r{number + 1}",
        start=problem.start_number(number),
        outcome=REACHED if stop is None else stop.value,
        reached_end=stop is None,
        ended_at=followed.ended_at[number],
        first_loss=float(losses[0]),
        last_loss=float(losses[-1]) if stop is None and reached == len(problem.times) else None,
        attractor=found.key(number),
        attractor_outcome=found.outcomes.get(number),
    )


def _until(values: Real, reached: int, count: int) -> list[object]:
    """A row per time, null from where the run had ended."""
    return [*values[:reached].tolist(), *[None] * (count - reached)]


def _details(problem: Problem, followed: Followed, number: int) -> RunDetails:
    records, count = followed.records, len(problem.times)
    reached, area = followed.reached[number], problem.unit**2
    if problem.keeps_all_overlaps:
        overlap_times = list(problem.times)
        R, Q = (_until(each[number] * area, reached, count) for each in (records.R, records.Q))
    else:
        W, M = problem.weights(followed.last[number]), problem.teacher.width
        overlap_times = [problem.times[-1]]
        there = int(followed.stops[number] is None)
        last_R = (W[:, :M] @ problem.teacher.V.T)[None]
        R, Q = (_until(each * area, there, 1) for each in (last_R, (W @ W.T)[None]))
    second_layer = None
    if records.second_layer.shape[-1]:
        second_layer = _until(records.second_layer[number] * problem.unit, reached, count)
    return RunDetails.model_validate(
        {
            "times": list(problem.times),
            "loss": _until(records.loss[number] * problem.loss_unit, reached, count),
            "gradient_norm": _until(
                records.gradient_norm[number] * (problem.unit * problem.height), reached, count
            ),
            "norms": _until(records.norms[number] * problem.unit, reached, count),
            "matched_teacher": _until(records.matched[number], reached, count),
            "overlap_times": overlap_times,
            "R": R,
            "Q": Q,
            "second_layer": second_layer,
        }
    )


def _curve(problem: Problem, followed: Followed) -> LossCurve:
    """Statistics over the runs that are still on their way at each time."""
    count = len(problem.times)
    reached = np.asarray(followed.reached)
    mean: list[float | None] = []
    spread: list[float | None] = []
    quantiles: dict[str, list[float | None]] = {str(q): [] for q in QUANTILES}
    running = [int(np.sum(reached > place)) for place in range(count)]
    for place in range(count):
        some = followed.records.loss[reached > place, place] if running[place] else np.zeros(0)
        some = some * problem.loss_unit
        mean.append(float(np.mean(some)) if some.size else None)
        spread.append(float(np.std(some, ddof=1)) if some.size > 1 else None)
        for q in QUANTILES:
            quantiles[str(q)].append(float(np.quantile(some, q)) if some.size else None)
    return LossCurve(running=running, mean=mean, standard_deviation=spread, quantiles=quantiles)
