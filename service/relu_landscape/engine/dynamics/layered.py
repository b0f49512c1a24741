"""Where ends lead with second layers: what ``descents`` found there, as attractors."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from relu_landscape.engine.descents import ending, sorting
from relu_landscape.engine.descents.layers import Layers
from relu_landscape.engine.descents.report import ZERO_LOSS
from relu_landscape.engine.descents.rules import Plain
from relu_landscape.engine.descents.running import Outcome
from relu_landscape.engine.dynamics.problem import Problem
from relu_landscape.engine.dynamics.tasks import Ends
from relu_landscape.wire.trajectory_answers import Attractor

Real = NDArray[np.float64]


def attractors(
    problem: Problem, layers: Layers, ends: Sequence[Ends]
) -> tuple[list[tuple[Attractor, tuple[int, ...]]], dict[int, Outcome]]:
    """Attractors, without keys, each with the runs that lead to it; and what became of the flow
    from each run's end. Flows that ended at no isolated point, nor at zero loss, lead to none."""
    outcomes: dict[int, Outcome] = {}
    points: list[tuple[int, Real, float]] = []
    continuum: list[tuple[int, Real]] = []
    for answer in ends:
        for run, name, W in zip(answer.runs, answer.outcomes, answer.W, strict=True):
            outcomes[run] = outcome = Outcome[name]
            if outcome not in (Outcome.POINT, Outcome.ZERO_LOSS):
                continue
            trimmed = _trimmed(W, problem.teacher.width)
            loss = float(layers.loss(trimmed[None])[0])
            # With more students than teachers zero loss is one set, and no place of it isolated.
            if outcome is Outcome.ZERO_LOSS or (
                problem.students > problem.teacher.width and loss <= ZERO_LOSS * layers.unit
            ):
                continuum.append((run, trimmed))
            else:
                points.append((run, trimmed, loss))
    told = []
    for group in sorting.groups([W for _, W, _ in points], [loss for *_, loss in points], layers):
        W = points[group[0]][1]
        runs = tuple(points[place][0] for place in group)
        told.append((_point(problem, layers, W, len(runs)), runs))
    if continuum:
        runs = tuple(run for run, _ in continuum)
        told.append((_set(problem, continuum[0][1], len(runs)), runs))
    return told, outcomes


def _trimmed(W: Real, teachers: int) -> Real:
    """Without the coordinates that nobody uses, (K, M + r)."""
    used = np.flatnonzero(np.any(W[:, teachers:] != 0.0, axis=0))
    return W[:, : teachers + (int(used[-1]) + 1 if len(used) else 0)]


def _point(problem: Problem, layers: Layers, W: Real, runs: int) -> Attractor:
    end = ending.spectrum_at(Plain(layers), W, problem.dimension)
    low = -end.tolerance
    return _told(
        problem, W, runs,
        loss=0.0 if end.loss <= ZERO_LOSS * layers.unit else end.loss,
        attractive=bool(np.all(end.span >= low) and np.all(end.beside >= low)),
    )  # fmt: skip


def _set(problem: Problem, W: Real, runs: int) -> Attractor:
    return _told(problem, W, runs, loss=0.0, attractive=None)


def _told(
    problem: Problem, W: Real, runs: int, *, loss: float, attractive: bool | None
) -> Attractor:
    area, teacher = problem.unit**2, problem.teacher
    return Attractor(
        key="",
        loss=loss * problem.loss_unit,
        is_global=loss == 0.0,
        is_continuum=attractive is None,
        attractive=attractive,
        runs=runs,
        R=((W[:, : teacher.width] @ teacher.V.T) * area).tolist(),
        Q=((W @ W.T) * area).tolist(),
    )
