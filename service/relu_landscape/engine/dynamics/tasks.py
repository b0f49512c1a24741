"""The tasks of a trajectory: pieces of about a second, each handing on where it got to."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from relu_landscape.engine.descent.batch import Descent
from relu_landscape.engine.descents.rules import Plain
from relu_landscape.engine.descents.running import LONGEST, Pace, descend
from relu_landscape.engine.dynamics.chain import Chain, Runs
from relu_landscape.engine.dynamics.ode import Integrator, State, Stop
from relu_landscape.engine.dynamics.problem import Problem
from relu_landscape.engine.dynamics.ruled_chain import RuledChain
from relu_landscape.engine.dynamics.ruled_ode import RuledIntegrator
from relu_landscape.engine.families.compiled import kernel_beside
from relu_landscape.engine.model.arrays import Backend
from relu_landscape.engine.noise.places import measure
from relu_landscape.engine.tasks import Task

Real = NDArray[np.float64]
Whole = NDArray[np.int64]

#: Time, over the square of the smallest second-layer weight, and steps after which a flow from an
#: end is given up where there are second layers: some twenty seconds.
LONGEST_FALL, FALL_STEPS = 1e4, 100_000


@dataclass(frozen=True)
class Records:
    """What ``places.measure`` says of B runs at T times; ``R``, ``Q`` at none where only the last
    are kept, ``second_layer`` (B, T, K) or, where it does not move, (B, T, 0)."""

    loss: Real
    gradient_norm: Real
    norms: Real
    matched: Whole
    R: Real
    Q: Real
    second_layer: Real

    @staticmethod
    def of(states: Real, problem: Problem) -> Records:
        """Measure states (B, T, K, q) of the problem's rule, weights where it has none."""
        B, T, K, q = states.shape
        flat = states.reshape(B * T, K, q)
        W, second = problem.weights(flat), problem.second_layer(flat)
        found = measure(W, problem.teacher, problem.network)
        gradient_norm = found.gradient_norm
        if problem.rule is not None:
            slope = problem.rule.steepness(W)
            gradient_norm = np.sqrt(np.sum(slope * slope, axis=(-2, -1)))
        kept = T if problem.keeps_all_overlaps else 0
        R = found.R.reshape(B, T, K, problem.teacher.width)[:, :kept]
        Q = found.Q.reshape(B, T, K, K)[:, :kept]
        return Records(
            loss=found.loss.reshape(B, T),
            gradient_norm=gradient_norm.reshape(B, T),
            norms=found.norms.reshape(B, T, K),
            matched=found.matched.reshape(B, T, K),
            R=np.ascontiguousarray(R),
            Q=np.ascontiguousarray(Q),
            second_layer=np.zeros((B, T, 0)) if second is None else second.reshape(B, T, K),
        )


@dataclass(frozen=True)
class Integrated:
    """Where the differential equations got to, what was passed, and why they stopped."""

    state: State
    records: Records
    stop: Stop | None


@dataclass(frozen=True, kw_only=True)
class Integrate(Task[Problem, Integrated]):
    """Follow the flow or the differential equations from ``state`` through ``times``, for so many
    ``steps`` at most."""

    kind: ClassVar[str] = "integrate"
    answer: ClassVar[type[Integrated]] = Integrated

    state: State
    times: tuple[float, ...]
    steps: int

    def run(self, problem: Problem, backend: Backend) -> Integrated:
        teacher, noise, kernel = problem.teacher, problem.noise, kernel_beside(backend)
        tolerance = problem.flow_tolerance
        if problem.rule is None:
            integrator = Integrator(
                teacher, noise, tolerance=tolerance, layers=problem.layers, kernel=kernel
            )
        else:
            integrator = RuledIntegrator(
                teacher, noise, problem.rule, tolerance=tolerance, kernel=kernel
            )
        found = integrator.run(self.state, self.times, steps=self.steps)
        return Integrated(found.state, Records.of(found.recorded[None], problem), found.stop)


@dataclass(frozen=True)
class Simulated:
    """Where runs of SGD got to, what was passed, and the states (B, K, M + K) at the last step
    that was recorded (none: (B, 0, 0)); those of two layers have one column more."""

    runs: Runs
    records: Records
    last: Real


@dataclass(frozen=True, kw_only=True)
class Simulate(Task[Problem, Simulated]):
    """Go on with some runs of SGD, by so many stretches."""

    kind: ClassVar[str] = "simulate"
    answer: ClassVar[type[Simulated]] = Simulated

    runs: Runs
    first_stretch: int
    stretches: int
    record: tuple[int, ...]

    def run(self, problem: Problem, backend: Backend) -> Simulated:
        teacher, layout, noise = problem.teacher, problem.layout, problem.noise
        if problem.rule is None:
            chain = Chain(
                teacher, layout, noise, seed=problem.seed, layers=problem.layers,
                kernel=kernel_beside(backend),
            )  # fmt: skip
        else:
            chain = RuledChain(teacher, layout, noise, problem.rule, seed=problem.seed)
        runs, W = chain.run(
            self.runs,
            first_stretch=self.first_stretch,
            stretches=self.stretches,
            steps=self.record,
        )
        last = W[:, -1] if self.record else np.zeros((len(W), 0, 0))
        return Simulated(runs, Records.of(W, problem), np.ascontiguousarray(last))


@dataclass(frozen=True)
class Followed:
    """What came of all runs: records over all times, the states (K, M + K) at each end, the number
    of times that each run reached, and why and when it ended before the last one."""

    records: Records
    last: Real
    reached: tuple[int, ...]
    stops: tuple[Stop | None, ...]
    ended_at: tuple[float, ...]


@dataclass(frozen=True)
class Ends:
    """Where gradient flow went from the ends of runs: names of ``descent.outcomes.Outcome`` and
    weights (B, K, M); with second layers of ``descents.running.Outcome``, and (B, K, M + K)."""

    runs: tuple[int, ...]
    outcomes: tuple[str, ...]
    W: Real


@dataclass(frozen=True, kw_only=True)
class Fall(Task[Problem, Ends]):
    """Follow gradient flow from the ends ``W`` (B, K, M + K) of these runs."""

    kind: ClassVar[str] = "fall"
    answer: ClassVar[type[Ends]] = Ends

    runs: tuple[int, ...]
    W: Real

    def run(self, problem: Problem, backend: Backend) -> Ends:
        descent = Descent(
            problem.teacher,
            problem.students,
            xp=backend.xp,
            flow_tolerance=problem.flow_tolerance,
            kernel=backend.kernel,
        )
        ends, _ = descent.run(descent.begin(self.runs, self.W))
        ends.sort(key=lambda end: end.start)
        return Ends(
            runs=tuple(end.start for end in ends),
            outcomes=tuple(end.outcome.name for end in ends),
            W=np.array([end.W for end in ends]),
        )


@dataclass(frozen=True, kw_only=True)
class FallWithLayers(Task[Problem, Ends]):
    """The same where there are second layers, by the descents that have them."""

    kind: ClassVar[str] = "fall with layers"
    answer: ClassVar[type[Ends]] = Ends

    runs: tuple[int, ...]
    W: Real

    def run(self, problem: Problem, backend: Backend) -> Ends:  # noqa: ARG002
        layers = problem.network.layers
        assert layers is not None  # noqa: S101 - no other problem has such tasks
        slowest = float(np.min(layers.a**2))
        until = min(LONGEST_FALL / slowest, FALL_STEPS * LONGEST / layers.curvature)
        pace = Pace(None, problem.flow_tolerance, until)
        landed = descend(Plain(layers), self.W, pace, problem.dimension)
        W = np.zeros(self.W.shape)
        for place, each in enumerate(landed):
            K, p = each.W.shape
            W[place, :K, :p] = each.W
        return Ends(self.runs, tuple(each.outcome for each in landed), W)
