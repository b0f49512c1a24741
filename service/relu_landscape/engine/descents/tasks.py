"""The tasks of descents: pieces of about a second."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from relu_landscape.engine.descents import ending
from relu_landscape.engine.descents.problem import Problem
from relu_landscape.engine.descents.running import Landed, descend
from relu_landscape.engine.descents.structured.search import Sought, search_of
from relu_landscape.engine.model.arrays import Backend
from relu_landscape.engine.tasks import Task

Real = NDArray[np.float64]


@dataclass(frozen=True)
class Descended:
    """Ends of the starts with these ``numbers``, in their order."""

    numbers: tuple[int, ...]
    landed: tuple[Landed, ...]


@dataclass(frozen=True, kw_only=True)
class Descend(Task[Problem, Descended]):
    """Descend from the starts ``first`` to ``last``, the latter excluded."""

    kind: ClassVar[str] = "descend"
    answer: ClassVar[type[Descended]] = Descended

    first: int
    last: int

    @property
    def starts(self) -> int:
        return self.last - self.first

    def run(self, problem: Problem, backend: Backend) -> Descended:  # noqa: ARG002
        numbers = range(self.first, self.last)
        states = problem.rule.draw(
            numbers, seed=problem.seed, dimension=problem.dimension, scale=problem.scale
        )
        landed = descend(problem.rule, states, problem.pace, problem.dimension)
        return Descended(tuple(numbers), tuple(landed))


@dataclass(frozen=True)
class Judged:
    """One point: its loss, Riemannian gradient and every eigenvalue, ascending."""

    loss: float
    gradient_norm: float
    span: Real
    beside: Real


@dataclass(frozen=True, kw_only=True)
class Judge(Task[Problem, Judged]):
    """Compute the spectrum at the point ``W`` (K, M + r)."""

    kind: ClassVar[str] = "judge"
    answer: ClassVar[type[Judged]] = Judged

    W: Real

    def run(self, problem: Problem, backend: Backend) -> Judged:  # noqa: ARG002
        return judged(problem, self.W)


def judged(problem: Problem, W: Real) -> Judged:
    """What the point ``W`` (K, M + r) is."""
    end = ending.spectrum_at(problem.rule, W, problem.dimension)
    return Judged(end.loss, end.gradient_norm, end.span, end.beside)


@dataclass(frozen=True, kw_only=True)
class Seek(Task[Problem, Sought]):
    """Search the rounds ``first`` to ``last``, the latter excluded, of the pattern ``number``."""

    kind: ClassVar[str] = "seek"
    answer: ClassVar[type[Sought]] = Sought

    number: int
    first: int
    last: int

    def run(self, problem: Problem, backend: Backend) -> Sought:  # noqa: ARG002
        return search_of(problem).sought(self.number, range(self.first, self.last))


@dataclass(frozen=True)
class AllJudged:
    """What points are, in their order."""

    points: tuple[Judged, ...]


@dataclass(frozen=True, kw_only=True)
class JudgeAll(Task[Problem, AllJudged]):
    """Compute the spectra at the points ``weights``, each (K, M + r)."""

    kind: ClassVar[str] = "judge_all"
    answer: ClassVar[type[AllJudged]] = AllJudged

    weights: tuple[Real, ...]

    def run(self, problem: Problem, backend: Backend) -> AllJudged:  # noqa: ARG002
        return AllJudged(tuple(judged(problem, W) for W in self.weights))
