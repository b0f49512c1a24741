"""One-pass SGD in infinitely many dimensions, at a finite learning rate; gamma = 0 is the flow.

With S the part in the teacher's span and P the second moments outside it (``places``),

    dS/dt = -grad_S L,      dP/dt = -(A P + P A) + gamma Sigma            (Saad and Solla 1995)

Sigma the noise (``sigma``), A the perpendicular block. S follows the W-method of ``descent.flow``.
P follows the exponential midpoint rule: with A frozen,

    P(t + h) = e^{-hA} P e^{-hA} + gamma int_0^h e^{-sA} Sigma e^{-sA} ds

is solved exactly, so that P stays positive semidefinite and no mode of A limits the step. Second
order; the step is chosen by what it differs from the first-order one.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from enum import Enum

import numpy as np
from numpy.typing import NDArray

from relu_landscape.engine.descent.flow import (
    EARLY_EIGENVALUE,
    EARLY_TIME,
    FIRST_STEP,
    GAMMA,
    LATE_EIGENVALUE,
    STABILITY,
)
from relu_landscape.engine.dynamics.network import Network
from relu_landscape.engine.lanes.native import Kernel
from relu_landscape.engine.model.arrays import NUMPY
from relu_landscape.engine.model.second_layers import SecondLayers
from relu_landscape.engine.model.stiff import ImplicitPart
from relu_landscape.engine.model.teacher import Teacher
from relu_landscape.engine.noise import places

Real = NDArray[np.float64]

#: Norm below which a student of the flow counts as vanished; it goes to zero in finite time.
VANISHED = 1e-6
#: A step this short follows a student that vanishes, or nothing.
SHORTEST_STEP = 1e-10


class Stop(Enum):
    """Why a trajectory ends before its time. The value is the sentence that users read."""

    RAN_AWAY = "ran away: the weights grow without bound at this learning rate"
    GREW = "ran away: a student grew to a hundred times what it began with, and a teacher needs"
    VANISHED = "a student came to norm zero, where the flow's direction does not exist"
    STEPPED_AWAY = "ran away: a student's norm grows beyond a thousand; use a smaller step"
    CHANGED_SIGN = (
        "took a second-layer weight through zero; a smaller step or learning rate keeps it positive"
    )
    NOT_FINITE = "left the range of floating-point numbers; use a smaller step"

    @property
    def is_lost(self) -> bool:
        """Whether nothing is left that could be followed on."""
        return self is not Stop.VANISHED


def longest(W: Real, teacher: Teacher, layers: SecondLayers | None = None) -> float:
    """The norm above which students that start at ``W`` (K, p) have run away."""
    return float(Network(teacher, layers).limit(W))


@dataclass(frozen=True)
class Noise:
    """Learning rate with what it multiplies; ``learning_rate`` 0: gradient flow."""

    learning_rate: float
    label_noise: float = 0.0
    batch_size: int = 1


@dataclass(frozen=True)
class State:
    """A trajectory on its way: ``span`` (K, M), ``P`` (K, K), time, next step, steps so far.

    ``limit``: the norm above which a student has run away.
    """

    span: Real
    P: Real
    time: float
    step_size: float
    steps: int
    limit: float

    @staticmethod
    def of(W: Real, teacher: Teacher, layers: SecondLayers | None = None) -> State:
        """At time zero from weights (K, p)."""
        M = teacher.width
        beside = W[:, M:]
        return State(
            span=W[:, :M].copy(),
            P=beside @ beside.T,
            time=0.0,
            step_size=FIRST_STEP,
            steps=0,
            limit=longest(W, teacher, layers),
        )

    @property
    def W(self) -> Real:
        """Weights (K, M + K) with these overlaps."""
        return places.weights(self.span, self.P)


@dataclass(frozen=True)
class Stretch:
    """A piece of a trajectory: where it is now, the weights at the times it passed (T, K, M + K),
    and why it stopped, if it did."""

    state: State
    recorded: Real
    stop: Stop | None


class Integrator:
    """Follows one trajectory; with a ``kernel`` the noise, nearly all of the work, is computed in
    C."""

    def __init__(
        self,
        teacher: Teacher,
        noise_: Noise,
        *,
        tolerance: float,
        layers: SecondLayers | None = None,
        kernel: Kernel | None = None,
    ) -> None:
        self._network = Network(teacher, layers)
        self._teacher = teacher
        self._noise = noise_
        self._tolerance = tolerance
        self._kernel = kernel

    def run(self, state: State, times: Sequence[float], *, steps: int) -> Stretch:
        """Advance through ``times`` (ascending, none before the state's), for ``steps`` at most.

        A time at the state's own is recorded at once. Steps end at each of the times.
        """
        recorded: list[Real] = []
        waiting = list(times)
        stop = None
        last = state.steps + steps
        while True:
            while waiting and waiting[0] <= state.time:
                recorded.append(state.W)
                waiting.pop(0)
            stop = self._stopped(state)
            if stop is not None or not waiting or state.steps >= last:
                break
            state = self._step(state, waiting[0])
        shape = (len(recorded), len(state.span), self._teacher.width + len(state.span))
        return Stretch(state, np.array(recorded).reshape(shape), stop)

    def _stopped(self, state: State) -> Stop | None:
        norms = np.sqrt(np.sum(state.span**2, axis=1) + np.diagonal(state.P))
        unit = self._teacher.mean_norm
        if float(norms.max()) > state.limit:
            return Stop.RAN_AWAY if self._noise.learning_rate > 0.0 else Stop.GREW
        if float(norms.min()) < VANISHED * unit or state.step_size < SHORTEST_STEP:
            return Stop.VANISHED
        return None

    def _step(self, state: State, until: float) -> State:
        """Try one step; a rejected one leaves all but the step size (and the count) as it was."""
        h = min(state.step_size, until - state.time)
        K, M = state.span.shape
        W = state.W
        force = self._force(W)
        implicit = self._network.implicit(W, GAMMA * h)
        k1 = self._solved(implicit, force, M)
        here = self._outside(W)
        middle = here.after(state.P, h / 2.0)
        between = places.weights(state.span + k1 * (h / 2.0), middle)
        k2 = self._solved(implicit, self._force(between) + force - k1, M)
        span = state.span + h * k2
        P = self._outside(between).after(state.P, h)
        first = here.after(state.P, h)
        # Lengths of a trajectory that runs away are followed relative to what they are.
        unit = max(self._teacher.mean_norm, float(np.linalg.norm(W)) / math.sqrt(K))
        off = math.hypot(
            h * float(np.linalg.norm(k2 - k1)), float(np.linalg.norm(P - first)) / unit
        )
        error = off / (math.sqrt(K) * self._tolerance * unit)
        if not math.isfinite(error):
            error = 1e6
        growth = min(max(0.8 / math.sqrt(error + 1e-300), 0.2), 2.5)
        pace = self._network.pace
        is_early = state.time < EARLY_TIME / pace
        limit = STABILITY / (EARLY_EIGENVALUE if is_early else LATE_EIGENVALUE) / pace
        if error > 1.0:
            return replace(state, step_size=h * growth, steps=state.steps + 1)
        # A step cut short by a time to be recorded says nothing against a longer one.
        proposed = h * growth if h >= state.step_size else max(h * growth, state.step_size)
        time = until if h == until - state.time else state.time + h
        return replace(
            state,
            span=span,
            P=P,
            time=time,
            step_size=min(proposed, limit),
            steps=state.steps + 1,
        )

    def _force(self, W: Real) -> Real:
        found = -np.asarray(self._network.gradient(NUMPY.asarray(W[None])))[0]
        return np.asarray(found[:, : self._teacher.width])

    @staticmethod
    def _solved(implicit: ImplicitPart, force: Real, M: int) -> Real:
        padded = np.pad(force, ((0, 0), (0, len(force))))
        return np.asarray(implicit.solve(NUMPY.asarray(padded[None])))[0, :, :M]

    def _outside(self, W: Real) -> Outside:
        values, vectors = np.linalg.eigh(self._network.block(W))
        if self._noise.learning_rate == 0.0:
            return Outside(values, vectors, np.zeros((len(W), len(W))))
        return Outside(values, vectors, vectors.T @ self._gain(W) @ vectors)

    def _gain(self, W: Real) -> Real:
        """Learning rate times the noise, (K, K)."""
        found = self._network.noise(
            W, label_noise=self._noise.label_noise, batch_size=self._noise.batch_size,
            kernel=self._kernel,
        )  # fmt: skip
        return self._noise.learning_rate * found


@dataclass(frozen=True)
class Outside:
    """The equation of P with A and Sigma frozen: eigenvalues and vectors of A, gain in them."""

    values: Real
    vectors: Real
    gain: Real

    def after(self, P: Real, h: float) -> Real:
        """P after a time h."""
        decay = np.exp(-h * self.values)
        rates = (self.values[:, None] + self.values) * h
        small = np.abs(rates) < 1e-8
        weight = np.where(small, 1.0 - rates / 2.0, -np.expm1(-rates) / np.where(small, 1.0, rates))
        inside = self.vectors.T @ P @ self.vectors
        moved = decay[:, None] * inside * decay + h * weight * self.gain
        found = self.vectors @ moved @ self.vectors.T
        return np.asarray((found + found.T) / 2.0)
