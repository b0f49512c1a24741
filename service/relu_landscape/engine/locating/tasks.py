"""The tasks of locating points: pieces of about a second."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from relu_landscape.engine.descent.batch import Descent
from relu_landscape.engine.descent.ends import End
from relu_landscape.engine.landscape.ends import grouped
from relu_landscape.engine.landscape.problem import Problem
from relu_landscape.engine.landscape.sampling import STRICT_GRADIENT, new_descent
from relu_landscape.engine.locating import hessians, nearness
from relu_landscape.engine.locating import problem as points
from relu_landscape.engine.locating.problem import as_points
from relu_landscape.engine.locating.sampling_error import Place, Predicted, predicted
from relu_landscape.engine.model.arrays import NUMPY, Backend
from relu_landscape.engine.model.loss import Loss
from relu_landscape.engine.points import symmetry
from relu_landscape.engine.tasks import Task
from relu_landscape.engine.widening.best import best_student
from relu_landscape.engine.widening.bound import lower_bound
from relu_landscape.engine.widening.splitting import splitting

Real = NDArray[np.float64]
Whole = NDArray[np.int64]


@dataclass(frozen=True)
class Measured:
    """What is at some points: ``loss``, ``gradient_norm`` (B,); ``norms``, ``matched`` (-1: none)
    and ``cosines`` (B, K); eigenvalues ``span`` (B, K p) and ``beside`` (B, K), or none of them."""

    loss: Real
    gradient_norm: Real
    norms: Real
    matched: Whole
    cosines: Real
    span: Real
    beside: Real


@dataclass(frozen=True, kw_only=True)
class Measure(Task[Problem, Measured]):
    """Measure the points ``first`` to ``last``."""

    kind: ClassVar[str] = "measure"
    answer: ClassVar[type[Measured]] = Measured

    first: int
    last: int

    def run(self, problem: Problem, backend: Backend) -> Measured:  # noqa: ARG002
        asked = as_points(problem)
        teacher, W = asked.teacher, asked.W[self.first : self.last]
        loss, slope = _height(asked, W)
        norms = np.linalg.norm(W, axis=-1)
        R = W[..., : teacher.width] @ teacher.V.T
        cosines = R / (norms[..., None] * teacher.norms)
        matched = np.full(norms.shape, -1, dtype=np.int64)
        for students, teachers in _sides(asked):
            for row in range(len(W)):
                seen = R[row][np.ix_(students, teachers)]
                own, theirs = norms[row][students], teacher.norms[teachers]
                for student, unit in symmetry.matching(seen, own, theirs).items():
                    matched[row, students[student]] = teachers[unit]
        span = beside = np.zeros((len(W), 0))
        if asked.has_spectrum:
            span, beside = _spectra(asked, W)
        return Measured(
            loss=loss,
            gradient_norm=np.sqrt(np.sum(slope**2, axis=(-2, -1))),
            norms=norms,
            matched=matched,
            cosines=np.take_along_axis(cosines, np.maximum(matched, 0)[..., None], axis=-1)[..., 0],
            span=span,
            beside=beside,
        )


def _height(asked: points.Problem, W: Real) -> tuple[Real, Real]:
    """Loss (B,) and gradient (B, K, p) at ``W`` (B, K, p)."""
    if asked.layers is not None:
        return asked.layers.loss(W), asked.layers.gradient(W)
    loss, here = Loss.of(asked.teacher, NUMPY), NUMPY.asarray(W)
    slope = np.asarray(loss.gradient(here))
    return np.asarray(loss.value(here)), slope


def _spectra(asked: points.Problem, W: Real) -> tuple[Real, Real]:
    """As ``hessians.spectra``."""
    if asked.layers is None:
        return hessians.spectra(W, asked.teacher)
    found = [asked.layers.hessian(here) for here in W]
    return (
        np.stack([np.linalg.eigvalsh(H) for H, _ in found]),
        np.stack([np.linalg.eigvalsh(A) for _, A in found]),
    )


def _sides(asked: points.Problem) -> list[tuple[Whole, Whole]]:
    """Students and teachers that may be matched: those of one sign."""
    if asked.signs is None:
        return [(np.arange(asked.students), np.arange(asked.teachers))]
    students, teachers = (np.array(signs) for signs in asked.signs)
    sides = [(np.flatnonzero(students == s), np.flatnonzero(teachers == s)) for s in (1, -1)]
    return [(mine, theirs) for mine, theirs in sides if len(mine) and len(theirs)]


@dataclass(frozen=True)
class Ends:
    """Where gradient flow from some points went: names of ``descent.outcomes.Outcome``, weights
    ``W`` (B, K, M), and of the last polish the way and whether it was along one mode, both (B,);
    ``times`` (B,) of the flow until then, NaN where not known."""

    numbers: tuple[int, ...]
    outcomes: tuple[str, ...]
    W: Real
    moved: Real
    aligned: tuple[bool, ...]
    times: Real


@dataclass(frozen=True, kw_only=True)
class Fall(Task[Problem, Ends]):
    """Follow gradient flow from the points with these ``numbers``; ``strict`` if in doubt."""

    kind: ClassVar[str] = "fall"
    answer: ClassVar[type[Ends]] = Ends

    numbers: tuple[int, ...]
    strict: bool

    @property
    def starts(self) -> int:
        return 0 if self.strict else len(self.numbers)

    def run(self, problem: Problem, backend: Backend) -> Ends:
        W = as_points(problem).W[list(self.numbers)]
        return ends_of(problem, backend, self.numbers, W, strict=self.strict)


def ends_of(
    problem: Problem, backend: Backend, numbers: tuple[int, ...], W: Real, *, strict: bool
) -> Ends:
    """Where gradient flow goes from ``W`` (B, K, p), which have these numbers."""
    found = followed(new_descent(problem, backend), numbers, W, strict=strict)
    # Ends that are not finite, or have a student of norm zero: the landscape's rule.
    failed = {
        number: name
        for name, failing in grouped(replace(problem, certify="none"), found).failed.items()
        for number in failing
    }
    return Ends(
        numbers=tuple(end.start for end in found),
        outcomes=tuple(failed.get(end.start, end.outcome.name) for end in found),
        W=np.array([end.W for end in found]),
        moved=np.array([end.moved for end in found]),
        aligned=tuple(end.aligned for end in found),
        times=np.array([end.time for end in found]),
    )


def followed(descent: Descent, numbers: tuple[int, ...], W: Real, *, strict: bool) -> list[End]:
    """Ends of paths from ``W`` (B, K, p), in the order of their numbers; their times are NaN where
    a student was zero on the way, or the path crept."""
    tolerance = {"gradient_tolerance": STRICT_GRADIENT} if strict else {}
    found, _ = descent.run(descent.begin(numbers, W, **tolerance), strict=strict)
    known = [replace(end, time=math.nan) if end.start in descent.untimed else end for end in found]
    return sorted(known, key=lambda end: end.start)


@dataclass(frozen=True)
class Estimated:
    """``sampling_error.Predicted`` for one input, or nothing."""

    found: Predicted | None


@dataclass(frozen=True, kw_only=True)
class Estimate(Task[Problem, Estimated]):
    """The statistical error at the minimum ``W`` (K, M)."""

    kind: ClassVar[str] = "estimate"
    answer: ClassVar[type[Estimated]] = Estimated

    W: Real

    def run(self, problem: Problem, backend: Backend) -> Estimated:  # noqa: ARG002
        asked = as_points(problem)
        place = (
            Place.plain(self.W, asked.teacher)
            if asked.layers is None
            else Place.beside(self.W, asked.layers)
        )
        return Estimated(predicted(place, dimension=asked.dimension, label_noise=asked.label_noise))


@dataclass(frozen=True)
class Compared:
    """Distances (B, F)."""

    distances: Real


@dataclass(frozen=True, kw_only=True)
class Compare(Task[Problem, Compared]):
    """Distances of the points ``first`` to ``last`` from fixed points ``candidates`` (F, K, M)."""

    kind: ClassVar[str] = "compare"
    answer: ClassVar[type[Compared]] = Compared

    first: int
    last: int
    candidates: Real

    def run(self, problem: Problem, backend: Backend) -> Compared:  # noqa: ARG002
        W = as_points(problem).W[self.first : self.last]
        return Compared(nearness.distances(W, self.candidates, problem.teacher))


@dataclass(frozen=True)
class Widened:
    """What one more student would do at some points: ``slope`` D (B,), 0 where none helps, its
    ``direction`` (B, p), and the ``bound`` (B,) of D from below, NaN where not proved;
    ``splitting`` (B, K), infinite where there is none, and ``beside`` (B, K).
    """

    slope: Real
    direction: Real
    bound: Real
    splitting: Real
    beside: Real


@dataclass(frozen=True, kw_only=True)
class Widen(Task[Problem, Widened]):
    """Add to, and split, the students of the points ``first`` to ``last``."""

    kind: ClassVar[str] = "widen"
    answer: ClassVar[type[Widened]] = Widened

    first: int
    last: int

    def run(self, problem: Problem, backend: Backend) -> Widened:  # noqa: ARG002
        W = as_points(problem).W[self.first : self.last]
        best = [best_student(here, problem.teacher) for here in W]
        split = [splitting(here, problem.teacher) for here in W]
        none = np.zeros(W.shape[2])
        bounds = [
            lower_bound(here, problem.teacher, None if each is None else each.direction)
            for here, each in zip(W, best, strict=True)
        ]
        return Widened(
            slope=np.array([0.0 if each is None else each.value for each in best]),
            direction=np.array([none if each is None else each.direction for each in best]),
            bound=np.array([math.nan if bound is None else bound for bound in bounds]),
            splitting=np.array([each.span.min(axis=1, initial=np.inf) for each in split]),
            beside=np.array([each.beside for each in split]),
        )
