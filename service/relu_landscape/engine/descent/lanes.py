"""Flow and polish by the native kernel, with the states and constants of ``flow``.

The kernel follows paths on which nothing has to be decided. It ends a path's stay at every event at
which the rules of ``batch`` may want a say, and those rules then see the same state as ever.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import cast

import numpy as np
from numpy.typing import NDArray

from relu_landscape.engine.descent import death, global_set, quasi_newton
from relu_landscape.engine.descent import flow as flows
from relu_landscape.engine.lanes.follower import PathKernel
from relu_landscape.engine.lanes.native import FlowRules, Paths, PolishRules
from relu_landscape.engine.model import activation
from relu_landscape.engine.model.arrays import Array, on_host
from relu_landscape.engine.model.loss import Loss
from relu_landscape.engine.model.teacher import Teacher


@dataclass(frozen=True)
class ZeroLossCheck:
    """When a path is looked at for zero loss: every ``steps`` steps, below the ``gradient``."""

    steps: int
    gradient: float


@dataclass(frozen=True)
class NativeFlow(flows.Flow):
    """The method of ``flow``, with the native kernel where it can.

    A single ``step`` is still made with arrays: for paths with a student as good as dead, which
    the kernel does not follow. ``check``: None where zero loss is a fixed point like others.
    """

    teacher: Teacher
    kernel: PathKernel
    check: ZeroLossCheck | None

    def force(self, W: Array) -> Array:
        alive = on_host(self._alive(self.loss.norms(W)))
        return cast("Array", self.kernel.forces(self.teacher, on_host(W)) * alive)

    def advance(
        self,
        state: flows.FlowState,
        tolerance: NDArray[np.float64],
        step_limit: NDArray[np.int64],
    ) -> flows.FlowState:
        """Follow each path until its gradient is at most its tolerance, it has made as many steps
        as its limit, a student is short, it may be at zero loss, or it is not finite.

        Some may come back before, because half of the lanes were empty and they want company. Paths
        with a short student wait until no others are left, and then make one step.
        """
        norms = on_host(self.loss.norms(state.W))
        able = np.nonzero(norms.min(axis=-1) >= death.DEAD)[0]
        if not able.size:
            return self.step(state)
        arrays = {name: np.array(on_host(value), order="C") for name, value in vars(state).items()}
        everybody = able.size == len(norms)
        part = arrays if everybody else {name: value[able] for name, value in arrays.items()}
        batch = Paths(**part, gradient_tolerance=tolerance[able], step_limit=step_limit[able])
        self.kernel.flow(self.teacher, self.rules, batch, company=self.kernel.lanes // 2)
        if not everybody:
            for name, value in arrays.items():
                value[able] = part[name]
        return flows.FlowState(**arrays)

    @property
    def rules(self) -> FlowRules:
        """What the kernel is told."""
        return FlowRules(
            tolerance=self.tolerance,
            first_tolerance_factor=flows.CAREFUL,
            careful_time=flows.CAREFUL_TIME,
            stability=flows.STABILITY,
            early_eigenvalue=flows.EARLY_EIGENVALUE,
            late_eigenvalue=flows.LATE_EIGENVALUE,
            early_time=flows.EARLY_TIME,
            shortest=death.DEAD,
            falls_below=death.SHORT,
            falls_at=death.FALLING * activation.lone(self.teacher.leak),
            check_steps=self.check.steps if self.check else 0,
            check_gradient=self.check.gradient if self.check else 0.0,
            check_cosine=math.cos(global_set.ANGLE),
            check_floor=global_set.FLOOR,
            check_loss=global_set.LOSS,
        )


def minimiser(kernel: PathKernel, teacher: Teacher) -> Callable[..., quasi_newton.Polished]:
    """``quasi_newton.minimise`` by the kernel: the same parameters, the same answer."""

    def minimise(
        loss: Loss, W: Array, *, tolerance: float, iterations: int, reach: float
    ) -> quasi_newton.Polished:
        del loss  # of the same teacher
        points = np.ascontiguousarray(on_host(W))
        rules = PolishRules(tolerance, iterations, reach, quasi_newton.BASE_CURVATURE)
        forces = kernel.forces(teacher, points)
        polished, norm, evaluations = kernel.polish(teacher, rules, points, forces)
        return quasi_newton.Polished(W=polished, gradient_norm=norm, iterations=evaluations)

    return minimise
