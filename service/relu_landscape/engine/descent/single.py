"""The beginning of paths in single precision: twice the lanes, half the digits.

A path is followed in single precision until anything may have to be decided about it, and from
there on in double as if it had been so all along: all rules of ``batch``, the polish, the crediting
and whatever is slow see doubles. A path leaves with its first event: a gradient of ``GRADIENT``, a
zero-loss check that is due, a student that is short or falls, ``STEPS`` steps. One that is not
finite, or lands on zero, begins again in double. All of that depends on the path alone.

Rounding moves the end of a path as a change of its start by 1e-5 would, so only one that passes
that near to the border of two basins can end elsewhere (docs/mathematics/flow.md: how many do).
Where rounding would be more than ``LARGEST_SHARE`` of the error that a step may make, the path is
followed in double from its start: weights much longer than the teacher's, small tolerances, very
wide networks.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from relu_landscape.engine.descent import death
from relu_landscape.engine.descent import flow as flows
from relu_landscape.engine.descent.lanes import NativeFlow
from relu_landscape.engine.lanes import native
from relu_landscape.engine.lanes.follower import PathKernel
from relu_landscape.engine.model import activation
from relu_landscape.engine.model.arrays import Array, on_host

Real = NDArray[np.float64]

#: Gradient norm at which single precision has done its part, or ``ABOVE_ROUNDING`` times its
#: rounding where that is more (from about 100 units on). At 2e-4 it is faster by a twentieth, and
#: four times as many starts end elsewhere: those that pass a saddle slowly.
GRADIENT = 1e-3
ABOVE_ROUNDING = 8.0
#: Paths that take longer creep, along valleys whose slope is nearer to rounding.
STEPS = 1_200
#: A shorter student's direction, and what dust is beside it (1e-12, lanes/control.h), are for
#: doubles.
SHORTEST = 1e-3
LARGEST_SHARE = 0.25
#: Of a number of single precision, relative.
ROUNDING = 2.0**-24


@dataclass(frozen=True)
class MixedFlow(NativeFlow):
    """The method of ``flow``, whose paths begin in single precision."""

    kernel: PathKernel

    def begin(self, W: Array) -> flows.FlowState:
        """Paths from ``W`` (B, K, p), where single precision has brought them."""
        state = self.init(W)
        rounding = self._rounding(on_host(W))
        rows = np.flatnonzero(self._suits(state, rounding))
        return self._followed(state, rows, rounding[rows]) if rows.size else state

    def _rounding(self, W: Real) -> Real:
        """Of the force, as a norm (B,): of its K p entries, each a sum over students and teachers
        of terms as long as they are. Measured: 0.2 to 1.3 times this, at K = 8 to 64."""
        _, K, p = W.shape
        teacher = self.teacher.norms
        longest = np.maximum(np.linalg.norm(W, axis=-1).max(axis=-1), teacher.max())
        longest = np.maximum(longest, teacher.sum() / K)
        rounding = ROUNDING * activation.stiffness(self.teacher.leak)
        return np.asarray(rounding * longest * math.sqrt((K + len(teacher)) * K * p))

    def _suits(self, state: flows.FlowState, rounding: Real) -> NDArray[np.bool_]:
        """Which paths (B,) at time zero single precision can follow."""
        W = on_host(state.W)
        step = flows.STABILITY / flows.LATE_EIGENVALUE  # the longest
        allowed = math.sqrt(W.shape[1]) * self.tolerance / flows.CAREFUL
        norms = np.linalg.norm(W, axis=-1)
        moves = on_host(state.gradient_norm) > _gradient(rounding)
        fine = step * rounding <= LARGEST_SHARE * allowed  # a NaN is not
        return np.asarray(moves & fine & (norms.min(axis=-1) >= SHORTEST))

    def _followed(
        self, state: flows.FlowState, rows: NDArray[np.int64], rounding: Real
    ) -> flows.FlowState:
        """These paths at their first event, the others where they were."""
        arrays = {name: np.array(on_host(value)) for name, value in vars(state).items()}
        paths = native.Paths(
            **{name: value[rows] for name, value in arrays.items()},
            gradient_tolerance=_gradient(rounding),
            step_limit=np.full(len(rows), STEPS, dtype=np.int64),
        )
        told = replace(self.rules, shortest=SHORTEST)
        self.kernel.flow(self.teacher, told, paths, single=True)
        paths.force = self.kernel.forces(self.teacher, paths.W)
        paths.gradient_norm = np.sqrt(np.sum(paths.force**2, axis=(-2, -1)))
        # Not those that landed on zero either: what the common flow does with such ones at once
        # depends on who else is there.
        alive = np.linalg.norm(paths.W, axis=-1).min(axis=-1) >= death.DEAD
        good = (paths.event & native.NOT_FINITE == 0) & alive
        for name, value in arrays.items():
            value[rows[good]] = getattr(paths, name)[good]
        return flows.FlowState(**arrays)


def _gradient(rounding: Real) -> Real:
    return np.maximum(GRADIENT, ABOVE_ROUNDING * rounding)
