"""Gradient flow dW/dt = -grad L, batched: a linearly implicit midpoint rule with its own steps.

The Hessian of L has p + 1 stiff eigenvalues, and their part A is known in closed form (``stiff``).
What is left of the spectrum lies in [-0.4, 1.3] early and [-0.15, 0.41] later, whatever the width.
So a W-method (Steihaug and Wolfbrandt 1979) that treats A implicitly and the rest explicitly needs
steps that do not shrink with the width. With ``Q = (I + gamma h A)^-1`` (two Sherman-Morrison
formulas, O(K p)), ``F = -grad L`` and ``gamma = 1 - 1/sqrt 2``:

    k1 = Q F(W)
    k2 = Q [F(W + h k1/2) + F(W) - k1]
    W+ = W + h k2,        error = h |k2 - k1| / (sqrt K tolerance)

Second order for every A (the order is measured in the tests). Each member of a batch has its own
step, and its path does not depend on the others.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from relu_landscape.engine.model.arrays import Array, ArrayNamespace
from relu_landscape.engine.model.loss import Loss
from relu_landscape.engine.model.room import Room, room_for
from relu_landscape.engine.model.stiff import ImplicitPart, frobenius

GAMMA = 1.0 - 1.0 / math.sqrt(2.0)
#: Students shorter than this have norm zero; ``fast_time.ZERO`` is the length they are given.
DEAD = 1e-50
#: Entries smaller than this are zero, as in lanes/control.h: perpendicular parts die like
#: exp(-t/7), and arithmetic with numbers below 1e-308 takes a hundred times as long.
SMALLEST_ENTRY = 1e-120
#: First step; the controller finds the right one within a few steps.
FIRST_STEP = 0.05
#: The explicit part is stable up to h lambda = 2; 1.95 leaves a margin of 2.5%.
STABILITY = 1.95
#: Largest eigenvalue of the non-stiff part that is assumed before and after t = EARLY_TIME
#: (measured over K = 8 to 64); later it is estimated for each member.
EARLY_EIGENVALUE = 0.9
LATE_EIGENVALUE = 0.43
EARLY_TIME = 10.0
#: Paths decide for a basin early: until this time the tolerance is CAREFUL times smaller. Until
#: t = 20 that removes more than half of the misassigned ends for about 15% more evaluations; until
#: t = 50, a quarter of the rest (K = 17: 0.15 to 0.10% of 2,000 starts, 0.25 to 0.20% with
#: d = 1000) for another 6 to 13%, and nothing beyond.
CAREFUL_TIME = 50.0
CAREFUL = 4.0


@dataclass(frozen=True)
class FlowState:
    """A batch of paths. ``W``, ``force`` (B, K, p); all else (B,)."""

    W: Array
    force: Array
    gradient_norm: Array
    time: Array
    step_size: Array
    eigenvalue: Array
    steps: Array


@dataclass(frozen=True)
class Flow:
    """The method with its parameters: the loss, and the local error allowed per student."""

    loss: Loss
    tolerance: float
    room: Room = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "room", room_for(self.loss.xp))

    def init(self, W: Array) -> FlowState:
        """Paths at time zero from ``W`` (B, K, p)."""
        xp = self.loss.xp
        force = self.force(W)
        one = xp.ones(W.shape[0], dtype=W.dtype)
        return FlowState(
            W=W,
            force=force,
            gradient_norm=frobenius(force, xp=xp),
            time=one * 0.0,
            step_size=one * FIRST_STEP,
            eigenvalue=one * LATE_EIGENVALUE,
            steps=xp.zeros(W.shape[0], dtype=xp.int64),
        )

    def begin(self, W: Array) -> FlowState:
        """The beginning of paths from ``W`` (B, K, p), before anything has to be decided."""
        return self.init(W)

    def force(self, W: Array) -> Array:
        """-grad L (B, K, p) where students live."""
        alive = self._alive(self.loss.norms(W, self.room))
        return self.loss.gradient(W, self.room) * -alive

    def _alive(self, norms: Array) -> Array:
        """One for students that live, zero for those that rest at norm zero (``death``); ``norms``
        (B, K) to (B, K, 1).

        Theirs is a length that changes nothing, so that all but their own force exists.
        """
        return self.loss.xp.astype(norms > DEAD, norms.dtype)[..., None]

    def advance(
        self,
        state: FlowState,
        tolerance: NDArray[np.float64],  # noqa: ARG002
        step_limit: NDArray[np.int64],  # noqa: ARG002
    ) -> FlowState:
        """Follow the paths until something may have to be decided: here, after every step.

        That is the case at the latest when the gradient norm is at most ``tolerance`` (B,), or
        after ``step_limit`` (B,) steps.
        """
        return self.step(state)

    def step(self, state: FlowState) -> FlowState:
        """Try one step for every member; a rejected member stays and halves its step or so."""
        xp, room = self.loss.xp, self.room
        W, h = state.W, state.step_size
        careful = 1.0 + (CAREFUL - 1.0) * xp.astype(state.time < CAREFUL_TIME, W.dtype)
        norms = self.loss.norms(W, room)
        level = self.loss.level
        implicit = ImplicitPart(W, GAMMA * h, xp=xp, norms=norms, level=level, room=room)
        alive = self._alive(norms)
        k1 = implicit.solve(state.force, "k1")
        k1 *= alive
        middle = xp.multiply(k1, (h / 2.0)[:, None, None], **room("k2", W.shape))
        middle += W
        k2 = xp.subtract(state.force, self.loss.gradient(middle, room), **room("k2", W.shape))
        k2 -= k1
        k2 = implicit.solve(k2, "gradient")
        k2 *= alive
        speed = frobenius(k1, xp=xp, room=room)
        k1 -= k2
        change = frobenius(k1, xp=xp, room=room)
        error = h * change * careful / (math.sqrt(W.shape[-2]) * self.tolerance)
        accepted = error <= 1.0  # a NaN is not accepted
        moved = k2 * h[:, None, None]
        moved += W
        if not bool(xp.all(accepted)):
            moved = xp.where(accepted[:, None, None], moved, W)
        dust = xp.abs(moved, **room("weights", W.shape)) < SMALLEST_ENTRY
        if bool(xp.any(dust)):
            moved = xp.where(dust, 0.0, moved)
        force = Flow.force(self, moved)  # by arrays, as the rest of the step
        time = state.time + xp.where(accepted, h, 0.0)

        observed = 2.0 * change / xp.where(speed > 0.0, speed, 1.0)
        settled = LATE_EIGENVALUE + 0.98 * (state.eigenvalue - LATE_EIGENVALUE)
        unstable = (observed > 1.6) & (time > EARLY_TIME)
        eigenvalue = xp.where(unstable, 1.1 * observed / h, settled)
        eigenvalue = xp.where(xp.isfinite(eigenvalue), eigenvalue, LATE_EIGENVALUE)
        limit = STABILITY / xp.where(time < EARLY_TIME, EARLY_EIGENVALUE, eigenvalue)
        safe_error = xp.where(xp.isfinite(error), error, 1e6)
        growth = xp.minimum(xp.maximum(0.8 / xp.sqrt(safe_error + 1e-300), 0.2), 2.5)
        step_size = xp.where(h * growth < limit, h * growth, limit)
        return FlowState(
            W=moved,
            force=force,
            gradient_norm=frobenius(force, xp=xp, room=room),
            time=time,
            step_size=step_size,
            eigenvalue=eigenvalue,
            steps=state.steps + 1,
        )


def take(state: FlowState, members: Array, *, xp: ArrayNamespace) -> FlowState:
    """The paths with the given positions."""
    return FlowState(
        **{name: xp.take(value, members, axis=0) for name, value in vars(state).items()}
    )


def join(parts: Sequence[FlowState], *, xp: ArrayNamespace) -> FlowState:
    """Several batches in one."""
    if len(parts) == 1:
        return parts[0]
    return FlowState(
        **{
            name: xp.concat([getattr(part, name) for part in parts], axis=0)
            for name in vars(parts[0])
        }
    )
