"""The tasks of perturbations that are not those of a landscape, and how a kick is drawn."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from relu_landscape.engine.descent import starts
from relu_landscape.engine.families.family import family
from relu_landscape.engine.families.points import Point, embed
from relu_landscape.engine.landscape.problem import Problem
from relu_landscape.engine.locating.tasks import Ends, ends_of
from relu_landscape.engine.model.arrays import Backend
from relu_landscape.engine.perturbations.problem import as_perturbations
from relu_landscape.engine.tasks import Task

Real = NDArray[np.float64]

#: Second word of the key of Philox: starts have 0, pushes off saddles 1, SGD 2.
KICK_STREAM = 3


def directions(problem: Problem, numbers: Sequence[int]) -> Real:
    """Kicks (B, K, p) with these numbers at size 1: ``N(0, I_d / d)`` for every student.

    A fixed point lies in the teacher's span, so that of the part outside it only the Gram matrix
    matters, whose distribution ``starts.draw`` has exactly.
    """
    return starts.draw(
        numbers, seed=problem.seed, students=problem.students, teacher=problem.teacher,
        dimension=problem.dimension, stream=KICK_STREAM,
    )  # fmt: skip


@dataclass(frozen=True)
class Found:
    """Weights (K, M) of a fixed point."""

    W: Real


@dataclass(frozen=True, kw_only=True)
class Find(Task[Problem, Found]):
    """Find the point that the request names by its structure. Raises ``InputError`` for a branch
    that does not exist."""

    kind: ClassVar[str] = "find"
    answer: ClassVar[type[Found]] = Found

    def run(self, problem: Problem, backend: Backend) -> Found:  # noqa: ARG002
        asked = as_perturbations(problem)
        assert asked.structure is not None  # noqa: S101 - or there were no such task
        K, M, leak = asked.students, asked.teachers, asked.teacher.leak
        found = family(K, M, asked.structure, asked.branch, leak)
        return Found(embed(Point.from_wire(found.point)))


@dataclass(frozen=True, kw_only=True)
class Kick(Task[Problem, Ends]):
    """Kick the fixed point ``W`` (K, M), and follow gradient flow from there to its end.

    ``numbers`` count the kicks of all sizes; ``strict`` if in doubt.
    """

    kind: ClassVar[str] = "kick"
    answer: ClassVar[type[Ends]] = Ends

    W: Real
    numbers: tuple[int, ...]
    strict: bool

    @property
    def starts(self) -> int:
        return 0 if self.strict else len(self.numbers)

    def run(self, problem: Problem, backend: Backend) -> Ends:
        asked = as_perturbations(problem)
        places = [divmod(number, asked.kicks) for number in self.numbers]
        kicks = directions(problem, [kick for _, kick in places])
        kicks *= np.array([asked.sizes[size] for size, _ in places])[:, None, None]
        kicks[..., : problem.teachers] += self.W
        return ends_of(problem, backend, self.numbers, kicks, strict=self.strict)
