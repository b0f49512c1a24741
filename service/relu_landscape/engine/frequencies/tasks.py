"""The tasks of frequencies that are not those of a landscape."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from relu_landscape.engine.dynamics.chain import Chain, Runs
from relu_landscape.engine.families.compiled import kernel_beside
from relu_landscape.engine.frequencies.problem import as_frequencies
from relu_landscape.engine.landscape.problem import Problem
from relu_landscape.engine.locating.tasks import Ends, ends_of
from relu_landscape.engine.model.arrays import Backend
from relu_landscape.engine.tasks import Task

Real = NDArray[np.float64]


@dataclass(frozen=True)
class Simulated:
    """Where runs of SGD got to, and the weights ``W`` (B, T, K, M + K) at the steps asked for."""

    runs: Runs
    W: Real


@dataclass(frozen=True, kw_only=True)
class Simulate(Task[Problem, Simulated]):
    """Go on with some runs of SGD at learning rate number ``rate``, by so many stretches.

    ``record``: steps, counted from the beginning, after which weights are wanted.
    """

    kind: ClassVar[str] = "simulate"
    answer: ClassVar[type[Simulated]] = Simulated

    rate: int
    runs: Runs
    first_stretch: int
    stretches: int
    record: tuple[int, ...]

    def run(self, problem: Problem, backend: Backend) -> Simulated:
        asked = as_frequencies(problem)
        chain = Chain(
            asked.teacher, asked.layout, asked.noises[self.rate], seed=asked.seed,
            kernel=kernel_beside(backend),
        )  # fmt: skip
        return Simulated(
            *chain.run(
                self.runs,
                first_stretch=self.first_stretch,
                stretches=self.stretches,
                steps=self.record,
            )
        )


@dataclass(frozen=True, kw_only=True)
class FallFrom(Task[Problem, Ends]):
    """Follow gradient flow from ``W`` (B, K, M + K), places with these ``numbers``; ``strict`` if
    in doubt."""

    kind: ClassVar[str] = "fall"
    answer: ClassVar[type[Ends]] = Ends

    numbers: tuple[int, ...]
    W: Real
    strict: bool

    def run(self, problem: Problem, backend: Backend) -> Ends:
        return ends_of(problem, backend, self.numbers, self.W, strict=self.strict)
