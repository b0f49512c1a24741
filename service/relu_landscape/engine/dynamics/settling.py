"""Where runs under a rule lead: descents of that rule (``engine.descents``) from their ends.

What a descent ends at, which ends are one, and what has zero loss is decided there.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from relu_landscape.engine.descents import report as descents
from relu_landscape.engine.descents import sorting
from relu_landscape.engine.descents.problem import Problem as Descents
from relu_landscape.engine.descents.running import Landed, Outcome, descend
from relu_landscape.engine.dynamics.found import Found, Kind
from relu_landscape.engine.dynamics.problem import Problem
from relu_landscape.engine.model.arrays import Backend
from relu_landscape.engine.points.spectrum import shown
from relu_landscape.engine.tasks import Task
from relu_landscape.wire.trajectory_answers import Attractor

Real = NDArray[np.float64]


@dataclass(frozen=True)
class Settled:
    """Ends of the descents from these ``runs``, in their order."""

    runs: tuple[int, ...]
    landed: tuple[Landed, ...]


@dataclass(frozen=True, kw_only=True)
class Settle(Task[Problem, Settled]):
    """Descend by the problem's rule from ``states`` (B, K, q) of these runs."""

    kind: ClassVar[str] = "settle"
    answer: ClassVar[type[Settled]] = Settled

    runs: tuple[int, ...]
    states: Real

    def run(self, problem: Problem, backend: Backend) -> Settled:  # noqa: ARG002
        asked = _asked(problem)
        landed = descend(asked.rule, self.states, asked.pace, problem.dimension)
        return Settled(self.runs, tuple(landed))


def found(problem: Problem, answers: Sequence[Settled]) -> Found:
    """Attractors, and what became of the descent from each run's end."""
    asked = _asked(problem)
    landed = {
        run: descents.of_the_set(asked, end)
        for answer in answers
        for run, end in zip(answer.runs, answer.landed, strict=True)
    }
    points = [run for run, end in landed.items() if end.outcome == Outcome.POINT.name]
    groups = sorting.groups(
        [landed[run].W for run in points], [landed[run].loss for run in points], asked.layers
    )
    kinds = [
        _kind(asked, [points[place] for place in group], landed, is_continuum=False)
        for group in groups
    ]
    flat = [run for run, end in landed.items() if end.outcome == Outcome.ZERO_LOSS.name]
    if flat:
        kinds.append(_kind(asked, flat, landed, is_continuum=True))
    outcomes = {run: Outcome[end.outcome].value for run, end in landed.items()}
    return Found.of(kinds, outcomes)


def _kind(
    asked: Descents, runs: Sequence[int], landed: dict[int, Landed], *, is_continuum: bool
) -> Kind:
    """One attractor, shown where the first of its runs came to it."""
    end, M, area = landed[runs[0]], asked.teachers, asked.unit**2
    is_global = descents.is_zero_loss(asked, end)
    loss = shown(end.loss, asked.layers.accuracy(end.loss)) * area
    told = Attractor(
        key="",
        loss=0.0 if is_global else loss,
        is_global=is_global,
        is_continuum=is_continuum,
        # A descent is said to be at a point only where its Hessian is positive along the surface.
        attractive=None if is_continuum else True,
        runs=len(runs),
        R=((end.W[:, :M] @ asked.teacher.V.T) * area).tolist(),
        Q=((end.W @ end.W.T) * area).tolist(),
    )
    return Kind(told, tuple(runs))


def _asked(problem: Problem) -> Descents:
    assert problem.ruled is not None  # noqa: S101 - for the type checker
    return problem.ruled
